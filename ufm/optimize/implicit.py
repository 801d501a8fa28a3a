"""Optimal features as traced functions of arrays: jit, vmap, and derivatives by the implicit function theorem.

    h*(W, y, λ_H) = argmin ℓ(W h, y) + (λ_H/2)‖h‖²,   0 = F(h*) = Wᵀ∇ℓ(W h*, y) + λ_H h*,
    dh* = −Q⁻¹ dF,   Q = WᵀSW + λ_H I,   S = ∂²ℓ/∂z²:

one linear system at the optimum, never through the iteration. jvp, vjp, jacobians and second derivatives (forward
over reverse, reverse over reverse) all come from this rule, which is itself differentiable.

What is differentiated is checked. Let n be the Newton step at the point found, ν² = ‖n‖²_Q its decrement, R ≥
range(W u)/‖u‖_Q for every u. Along the way to h* the Hessian stays within e^{±ρ} of Q, ρ = range(W(h − h*)), so

    ‖h − h*‖_Q ≤ ν ρ/(1 − e^{−ρ}),   ρ ≤ R‖h − h*‖_Q,   hence   ρ ≤ −log(1 − Rν)      (squared error: ρ ≤ Rν),
    R² ≤ max_kl ‖w_k − w_l‖²/λ_H,    R² ≤ 2/min S's masses.

Against an ETF a Newton step of range β ≤ 1/32 is followed by one of range 8β² at most (`ufm.optimize.newton`), so
ρ ≤ 4β/3, whatever a is. Both in exact arithmetic: `ufm.certify.certify_etf` and `certify_rows`, traced too, count
rounding as well. A derivative is given where ρ ≤ √ε, ε that of the type, and is then off by about ρ of itself;
elsewhere it is NaN, and the status says so.

Labels keep the convention of `ufm.loss`: the largest entry is one minus the others, so that a tangent of Y moves
these and the gradient in Y is zero there; along the simplex nothing is lost by this.
"""

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

import ufm.rules.numbers as checked
from ufm.loss import LOSSES
from ufm.model.etf import etf_basis
from ufm.optimize.coordinates import Isometric, Reduced, decrement
from ufm.optimize.factor import triangle_each
from ufm.optimize.newton import NEAR, local_model, newton_from_zero
from ufm.rules.brief import shown
from ufm.rules.soft_labels import probable
from ufm.rules.status import Status

MAX_STEPS = 200


class FeatureOptimum(NamedTuple):
    """h (..., d); status (...), see `ufm.rules.status`; error (...): range(W(h − h*)) at most, rounding aside."""

    h: Float[Array, "*batch d"]
    status: Int[Array, "*batch"]
    error: Float[Array, "*batch"]

    def __repr__(self) -> str:
        return shown(self)


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class Rows(Reduced):
    """Coordinates of any W as it stands, whose Newton step a caller may `vmap`: no factorisation of a library."""

    def system(self, curvature, coupling, lambda_h):
        """R with RᵀR = WᵀSW + λ_H I, by QR of [√c ∘ (W − cᵀW); √λ_H]: no squares, nothing cancels."""
        B, (r, count) = self.matrix[:, :, None], (self.matrix.shape[1], curvature.shape[1])
        mean = jnp.sum(curvature[:, None] * B, 0)
        F = jnp.sqrt(curvature)[:, None] * (B - coupling * mean)
        ridge = jnp.sqrt(lambda_h) * jnp.eye(r, dtype=B.dtype)[..., None]
        return triangle_each(jnp.concatenate([F, jnp.broadcast_to(ridge, (r, r, count))]))

    def newton_step(self, gradient, curvature, coupling, lambda_h):
        """−Q⁻¹ gradient."""
        return -self.system(curvature, coupling, lambda_h).solve(gradient)


class _Given(NamedTuple):
    """Classifier (W, or the scale of an ETF), labels (K, B), λ_H; harmless values where they are not valid."""

    frame: Array
    Y: Float[Array, "K B"]
    lambda_h: Float[Array, ""]


@partial(jax.jit, static_argnames="loss")
def optimal_features(
    W: Float[Array | np.ndarray, "K d"],
    Y: Float[Array | np.ndarray, "*batch K"],
    lambda_h,
    *,
    loss: str = "cross-entropy",
) -> FeatureOptimum:
    """The optimal features of labels Y against W, with derivatives in W, Y and λ_H: what `solve_features` finds.

    In float64 a derivative is good to about ε a, a = ‖W‖²/λ_H; against an ETF `optimal_features_etf` is good to
    rounding at any a. `vmap` over any argument.
    """
    checked.choice("loss", loss, checked.LOSS_NAMES)
    W, labels, lambda_h = _as_arrays(W, Y, lambda_h)
    h = _features(loss, W, labels, lambda_h)
    return _optimum(loss, _RowsRoute, (W, labels, lambda_h), h, h, jnp.shape(Y)[:-1])


@partial(jax.jit, static_argnames=("dim", "loss"))
def optimal_features_etf(
    multiplier,
    Y: Float[Array | np.ndarray, "*batch K"],
    lambda_h,
    *,
    dim: int | None = None,
    loss: str = "cross-entropy",
) -> FeatureOptimum:
    """The same against the simplex ETF `simplex_etf(K, dim, multiplier)`, in O(K), with all digits at any a.

    Derivatives in m = `multiplier` ≥ 0, Y and λ_H.
    """
    checked.choice("loss", loss, checked.LOSS_NAMES)
    K = jnp.shape(Y)[-1]
    scale = jnp.sqrt(K / (K - 1)) * jnp.asarray(multiplier)
    scale, labels, lambda_h = _as_arrays(scale, Y, lambda_h)
    q = _coordinates(loss, scale, labels, lambda_h)
    h = jnp.asarray(etf_basis(K, dim or K).T, q.dtype) @ q
    return _optimum(loss, _EtfRoute, (scale, labels, lambda_h), q, h, jnp.shape(Y)[:-1])


def _as_arrays(frame, Y, lambda_h):
    """All in one float type, labels (K, B)."""
    dtype = jnp.result_type(frame, Y, lambda_h, float)
    frame, Y, lambda_h = (jnp.asarray(part, dtype) for part in (frame, Y, lambda_h))
    return frame, Y.reshape(-1, Y.shape[-1]).T, lambda_h


def _optimum(loss, route, given, point, h, batch) -> FeatureOptimum:
    valid, ok, error, _ = _judge(loss, route, *jax.lax.stop_gradient((*given, point)))
    status = jnp.where(ok, Status.SOLVED, jnp.where(valid, Status.UNCERTIFIED, Status.INVALID))
    return FeatureOptimum(
        h.T.reshape(*batch, -1), status.astype(jnp.int32).reshape(batch), error.reshape(batch)
    )


def _accept(frame, Y, lambda_h):
    """Which labels (B) are given a valid problem, and the problem."""
    of_frame = jnp.all(jnp.isfinite(frame)) & jnp.isfinite(lambda_h) & (lambda_h > 0)
    of_label = probable(jnp.min(Y, 0), jnp.sum(Y, 0), len(Y), float(jnp.finfo(Y.dtype).eps))
    given = _Given(
        jnp.where(of_frame, frame, 0.0),
        jnp.where(of_label, Y, 1.0 / len(Y)),
        jnp.where(of_frame, lambda_h, 1.0),
    )
    return of_frame & of_label, given


def _judge(loss_name, route, frame, Y, lambda_h, point):
    """(valid, ok, ρ, solve): which labels may be differentiated, and x = Q⁻¹g at their optima."""
    loss = LOSSES[loss_name]
    valid, given = _accept(frame, Y, lambda_h)
    error, solve = route.judge(loss, given, jnp.where(valid, point, 0.0))
    error = jnp.where(valid & (error >= 0), error, jnp.inf)
    return valid, error <= jnp.sqrt(jnp.finfo(Y.dtype).eps), error, solve


class _RowsRoute:
    """Any W. The point is h (d, B)."""

    @staticmethod
    def reduce(W):
        """Coordinates of at most K numbers, and the isometry Q (d, r) from them to features, None for I."""
        K, d = W.shape
        if d <= K:
            return Rows(W), None
        Q = triangle_each(W.T[..., None]).basis()[..., 0]
        return Rows(_dot(W, Q)), Q

    @staticmethod
    def solve(loss_name, given: _Given):
        """h by Newton's method."""
        coordinates, Q = _RowsRoute.reduce(given.frame)
        q = newton_from_zero(coordinates, given.Y, given.lambda_h, MAX_STEPS, loss_name=loss_name).q
        return q if Q is None else _dot(Q, q)

    @staticmethod
    def judge(loss, given: _Given, h):
        """ρ and Q⁻¹. Outside the rows of W the Hessian is λ_H."""
        coordinates, Q = _RowsRoute.reduce(given.frame)
        q = h if Q is None else _dot(Q.T, h)
        gradient, (_, c) = local_model(loss, coordinates, q, given.Y, given.lambda_h)
        system = coordinates.system(c, loss.coupling, given.lambda_h)
        nu = decrement(-system.solve(gradient), gradient)
        reach = _reach(loss, given, c) * nu
        error = -jnp.log1p(-jnp.minimum(reach, 1.0)) if loss.concordance else reach

        def solve(g):
            if Q is None:
                return system.solve(g)
            inside = _dot(Q.T, g)
            return _dot(Q, system.solve(inside)) + (g - _dot(Q, inside)) / given.lambda_h

        return error, solve

    @staticmethod
    def equation(loss, h, given: _Given):
        """F (d, B)."""
        z = _dot(given.frame, h)
        return (
            _dot(given.frame.T, jax.grad(lambda z: jnp.sum(loss.value(z, given.Y)))(z)) + given.lambda_h * h
        )

    @staticmethod
    def pull(loss, h, given: _Given, tangent: _Given):
        """(dF at fixed h, 0)."""
        return jax.jvp(partial(_RowsRoute.equation, loss, h), (given,), (tangent,))[1], 0.0


class _EtfRoute:
    """The simplex ETF W Wᵀ = scale² Π. The point is q (K, B) of sum zero, z = scale q."""

    @staticmethod
    def solve(loss_name, given: _Given):
        """q by Newton's method."""
        coordinates = Isometric(given.frame)
        q = newton_from_zero(coordinates, given.Y, given.lambda_h, MAX_STEPS, loss_name=loss_name).q
        return coordinates.settle(q)

    @staticmethod
    def judge(loss, given: _Given, q):
        """ρ and Q⁻¹, for g of sum zero."""
        coordinates = Isometric(given.frame)
        gradient, (_, c) = local_model(loss, coordinates, q, given.Y, given.lambda_h)

        def solve(g):
            return coordinates.settle(-coordinates.newton_step(g, c, loss.coupling, given.lambda_h))

        beta = coordinates.range(solve(gradient))
        return jnp.where(beta <= NEAR, 4.0 / 3.0 * beta, jnp.inf), solve

    @staticmethod
    def equation(loss, q, given: _Given):
        """F (K, B), of sum zero."""
        return given.frame * _pull(loss, given.frame * q, given.Y) + given.lambda_h * q

    @staticmethod
    def pull(loss, q, given: _Given, tangent: _Given):
        """(right, apart) with dq = apart − Q⁻¹ right. As ∇ℓ = −λ_H q/scale and Q = scale² S + λ_H,

            Q⁻¹ ∂F/∂scale = Q⁻¹ (∇ℓ + scale S q) = (q − 2 λ_H Q⁻¹ q)/scale,

        of which nothing cancels where a > 1; elsewhere nothing does in the form on the left.
        """
        scale, lambda_h = given.frame, given.lambda_h
        sharp = scale**2 > lambda_h
        share = jnp.where(sharp, tangent.frame / jnp.where(sharp, scale, 1.0), 0.0)
        flat = jnp.where(sharp, 0.0, tangent.frame)
        here, change = jax.jvp(partial(_pull, loss), (scale * q, given.Y), (flat * q, tangent.Y))
        right = scale * change + flat * here + (tangent.lambda_h - 2.0 * lambda_h * share) * q
        return right, -share * q


def _pull(loss, z, Y):
    """∇ℓ without its mean: under cross-entropy it has none, to the last bit of its largest entry."""
    r = jax.grad(lambda z: jnp.sum(loss.value(z, Y)))(z)
    return r - (1.0 - loss.coupling) * jnp.mean(r, 0)


def _reach(loss, given: _Given, c):
    """R of the module's docstring."""
    rows = given.frame - jnp.mean(given.frame, 0)
    widest = 2.0 * jnp.sqrt(jnp.max(jnp.sum(rows**2, 1)) / given.lambda_h)
    return jnp.minimum(widest, jnp.sqrt(2.0 / jnp.min(c, 0)))


def _implicit(route):
    """The optimum of a route as a function of (loss, frame, Y, λ_H) with the derivative of the docstring."""

    @partial(jax.custom_jvp, nondiff_argnums=(0,))
    def optimum(loss_name, frame, Y, lambda_h):
        valid, given = _accept(frame, Y, lambda_h)
        return jnp.where(valid, route.solve(loss_name, given), jnp.nan)

    @optimum.defjvp
    def _(loss_name, primals, tangents):
        loss, found = LOSSES[loss_name], optimum(loss_name, *primals)
        _, ok, _, solve = _judge(loss_name, route, *jax.lax.stop_gradient((*primals, found)))
        given, point = _accept(*primals)[1], jnp.where(ok, found, 0.0)
        right, apart = route.pull(loss, point, given, _Given(*tangents))

        def image(v):
            return jax.jvp(lambda h: route.equation(loss, h, given), (point,), (v,))[1]

        return found, apart - _solve_where(ok, image, right, solve)

    return optimum


def _solve_where(ok, image, right, solve):
    """x with image(x) = right where ok (B), else NaN; in reverse what is not asked for is zero."""

    def forward(_, g):
        return jnp.where(ok, solve(g), jnp.nan)

    def backward(_, g):
        return jnp.where(ok, solve(g), jnp.where(jnp.any(g != 0, 0), jnp.nan, 0.0))

    return jax.lax.custom_linear_solve(image, right, forward, backward)


_dot = partial(jnp.matmul, precision=jax.lax.Precision.HIGHEST)
_features, _coordinates = _implicit(_RowsRoute), _implicit(_EtfRoute)
