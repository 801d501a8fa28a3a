"""The joint optimum over classifier, features and bias, by variable projection.

    L(W, h, b) = Σ_n π_n [ ℓ(W h_n + b, y_n) + (λ_H/2)‖h_n‖² ] + (λ_W/2)‖W‖_F² + (λ_b/2)‖b‖²

Features are solved exactly inside (batched Newton, warm-started), and W (K x r, r = min(K, d)) with
the bias is moved by Newton steps on the reduced objective φ(W, b) = min_h L. With r_n = y_n − p_n,
M = Σ π r rᵀ, P_n the Hessian of ℓ in the logits and Q_n = Wᵀ P_n W + λ_H,

    ∇_W φ = (λ_W − M/λ_H) W,     ∇_b φ = λ_b b − Σ π r,
    D²φ = ⟨dW, (λ_W − M/λ_H) dW⟩ + Σ π u_nᵀ (P_n − P_n W Q_n⁻¹ Wᵀ P_n) u_n + λ_b ‖db‖²,
    u_n = dW h_n + W dWᵀ r_n/λ_H + db.

Directions of negative curvature are followed (|H| in place of H), so that strict saddles repel; by
the theory of this model they are the only critical points besides global minima when d ≥ K − 1.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ufm.objective import LOSSES
from ufm.optimize.coordinates import Reduced
from ufm.optimize.newton import newton

INNER_STEPS = 200
FLAT = 1e-10  # eigenvalues below this share of the largest are not divided by (rotations of W)


class Penalties(NamedTuple):
    """λ_W, λ_H and λ_b (0: free bias; ignored without a bias)."""

    w: Array
    h: Array
    b: Array


class JointPoint(NamedTuple):
    """W (K, r), b (K), the features H (r, n) that are optimal for them, and L."""

    W: Float[Array, "K r"]
    b: Float[Array, "K"]
    H: Float[Array, "r n"]
    objective: Array


@partial(jax.jit, static_argnames=("loss_name",))
def project(W, b, H, Y, weight, penalties: Penalties, *, loss_name: str) -> JointPoint:
    """Solve the features for W, b from the warm start H, and evaluate L."""
    loss = LOSSES[loss_name]
    found = newton(Reduced(W), H, Y, penalties.h, INNER_STEPS, b[:, None], loss_name=loss_name)
    fit = jax.vmap(loss.value, (1, 1))(W @ found.q + b[:, None], Y)
    per_label = fit + 0.5 * penalties.h * jnp.sum(found.q**2, 0)
    ridge = 0.5 * penalties.w * jnp.sum(W * W) + 0.5 * penalties.b * jnp.sum(b * b)
    return JointPoint(W, b, found.q, jnp.sum(weight * per_label) + ridge)


@partial(jax.jit, static_argnames=("loss_name", "bias"))
def reduced_newton(point: JointPoint, Y, weight, penalties: Penalties, *, loss_name: str, bias: bool):
    """Gradient and step of φ at a projected point, as flat vectors over (W, b)."""
    gradient, hessian = reduced_derivatives(point, Y, weight, penalties, LOSSES[loss_name])
    size = gradient.shape[0] if bias else point.W.size
    gradient, hessian = gradient[:size], hessian[:size, :size]
    value, vector = jnp.linalg.eigh(hessian)
    curvature = jnp.abs(value)
    curvature = jnp.maximum(curvature, FLAT * jnp.max(curvature))
    step = -vector @ ((vector.T @ gradient) / curvature)
    pad = (0, point.W.size + point.b.size - size)
    return jnp.pad(gradient, pad), jnp.pad(step, pad)


def reduced_derivatives(point: JointPoint, Y, weight, penalties: Penalties, loss):
    """∇φ and D²φ over (vec W, b), the formulas of the module's docstring."""
    W, b, H, _ = point
    (K, r), lam = W.shape, penalties.h
    Z = W @ H + b[:, None]
    R = -jax.vmap(jax.grad(loss.value), (1, 1), 1)(Z, Y)
    c = jax.vmap(loss.curvature, 1, 1)(Z)
    M = (R * weight) @ R.T
    inactive = penalties.w * jnp.eye(K) - M / lam
    gradient = jnp.concatenate([(inactive @ W).ravel(), penalties.b * b - R @ weight])

    def effective(c):  # P − P W Q⁻¹ Wᵀ P: curvature of one label's fit after its feature adapted
        PW = c[:, None] * W - loss.coupling * jnp.outer(c, c @ W)
        Q = W.T @ PW + lam * jnp.eye(r)
        P = jnp.diag(c) - loss.coupling * jnp.outer(c, c)
        return P - PW @ jax.scipy.linalg.cho_solve(jax.scipy.linalg.cho_factor(Q), PW.T)

    S = jax.vmap(effective, 1)(c)
    h, res = H.T, R.T / lam
    SW, weighted = S @ W, weight[:, None, None] * S
    moment = partial(jnp.einsum, optimize="optimal")
    cross = moment("n,ns,nlt,nm->lsmt", weight, h, SW, res)
    hessian = (
        moment("nlm,ns,nt->lsmt", weighted, h, h)
        + cross
        + cross.transpose(2, 3, 0, 1)
        + moment("n,nl,nm,nst->lsmt", weight, res, res, jnp.swapaxes(SW, 1, 2) @ W)
        + moment("lm,st->lsmt", inactive, jnp.eye(r))
    ).reshape(K * r, K * r)
    mixed = moment("nlk,ns->lsk", weighted, h) + moment("n,nl,nks->lsk", weight, res, SW)
    mixed = mixed.reshape(K * r, K)
    corner = jnp.sum(weighted, 0) + penalties.b * jnp.eye(K)
    return gradient, jnp.block([[hessian, mixed], [mixed.T, corner]])


class JointRun(NamedTuple):
    """A critical point: the projected point, ‖∇φ‖, outer steps, and whether steps became negligible."""

    point: JointPoint
    gradient_norm: float
    steps: int
    converged: bool


def descend_jointly(
    W, Y, weight, penalties: Penalties, *, loss_name: str, bias: bool, max_steps: int = 200
) -> JointRun:
    """Newton on φ from W (and b = 0), with backtracking, until the predicted decrease is rounding."""
    names = {"loss_name": loss_name}
    start = jnp.zeros((W.shape[1], Y.shape[1]))
    point = project(W, jnp.zeros(W.shape[0]), start, Y, weight, penalties, **names)
    slope = np.inf
    for step_count in range(max_steps):
        gradient, step = reduced_newton(point, Y, weight, penalties, bias=bias, **names)
        slope, norm = float(gradient @ step), float(jnp.linalg.norm(gradient))
        better = _backtrack(point, step, slope, Y, weight, penalties, names)
        if better is None:
            return JointRun(point, norm, step_count, -slope <= 1e-12 * abs(float(point.objective)))
        point = better
    return JointRun(point, norm, max_steps, False)


def _backtrack(point, step, slope, Y, weight, penalties, names) -> JointPoint | None:
    """The first of the steps 1, ½, ¼, … that lowers L by a share of its prediction; None if none does."""
    size = point.W.size
    dW, db = step[:size].reshape(point.W.shape), step[size:]
    length = 1.0
    while length > 1e-6:
        trial = project(
            point.W + length * dW, point.b + length * db, point.H, Y, weight, penalties, **names
        )
        if float(trial.objective) < float(point.objective) + 1e-4 * length * slope:
            return trial
        length /= 2
    return None
