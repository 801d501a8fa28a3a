"""Plain first-order training of classifier, features and bias together, as networks do.

    L(W, H, b) = Σ_n (π_n/C) Σ_c [ ℓ(W h_nc + b, y_n) + (λ_H/2)‖h_nc‖² ] + (λ_W/2)‖W‖_F² + (λ_b/2)‖b‖²

Each of the n labels owns C = `copies` features, which start apart and may collapse onto one. The
descent runs on (W, U, b), U_nc = √(π_n/C) h_nc: the feature then moves along −∇ of its own sample's
objective, so that splitting an atom, or drawing more points of a law, leaves the dynamics alone.
metric="euclidean" descends on (W, H, b) itself, where a label of weight π_n moves π_n/C times slower.
"""

from dataclasses import dataclass
from functools import partial
from math import log, sqrt

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from ufm.loss import LOSSES
from ufm.model.atoms import FiniteLaw
from ufm.optimize.features import require_dtype
from ufm.optimize.joint import Penalties
from ufm.rules.errors import InputError

MOMENTUM = 0.9
METRICS = ("law", "euclidean")


@dataclass(frozen=True, eq=False)
class Training:
    """A recorded descent, T records: steps (T), W (T, K, d), H (T, n·copies, d), b (T, K), objective (T).

    The features of label n are rows n·copies … (n+1)·copies − 1 of H. learning_rate: the default's; None
    where the caller chose the transform. A run that diverged holds infinities or NaN.
    """

    steps: np.ndarray
    W: np.ndarray
    H: np.ndarray
    b: np.ndarray
    objective: np.ndarray
    lambda_w: float
    lambda_h: float
    lambda_b: float | None
    loss: str
    copies: int
    learning_rate: float | None


def train_joint(
    law: FiniteLaw,
    lambda_w: float,
    lambda_h: float,
    *,
    dim: int | None = None,
    lambda_b: float | None = None,
    loss: str = "cross-entropy",
    steps: int = 10_000,
    transform: optax.GradientTransformation | None = None,
    record_every: int = 100,
    seed: int = 0,
    init_scale: float = 0.1,
    copies: int = 1,
    metric: str = "law",
) -> Training:
    """Train W, all features and b from a random start with an optax transform (float64).

    Every entry of W and H starts as N(0, init_scale²), b at 0. transform: default SGD with momentum 0.9
    and a step that is safe from such starts (`safe_step`). Records steps 0, record_every, …, steps.
    lambda_b: None no bias, 0 a free one, > 0 a penalised one. Raises InputError for unusable settings.
    """
    dim = law.classes if dim is None else dim
    _check(lambda_w, lambda_h, lambda_b, dim, loss, steps, record_every, init_scale, copies, metric)
    penalties = Penalties(*(jnp.asarray(v, float) for v in (lambda_w, lambda_h, lambda_b or 0.0)))
    atoms = repeated(law, copies)
    Y, share = jnp.asarray(atoms.labels), jnp.asarray(atoms.weights)
    scale = jnp.sqrt(share) if metric == "law" else jnp.ones_like(share)
    start = random_start(atoms, dim, init_scale, seed)
    rate = safe_step(law.classes, lambda_w, lambda_h, lambda_b, loss, start)
    W, H, b, objective = _descend(
        start,
        (Y, share, scale),
        penalties,
        jnp.asarray(rate),
        loss_name=loss,
        bias=lambda_b is not None,
        transform=transform,
        records=steps // record_every,
        record_every=record_every,
    )
    return Training(
        steps=np.arange(0, steps + 1, record_every),
        W=np.asarray(W),
        H=np.asarray(H),
        b=np.asarray(b),
        objective=np.asarray(objective),
        lambda_w=lambda_w,
        lambda_h=lambda_h,
        lambda_b=lambda_b,
        loss=loss,
        copies=copies,
        learning_rate=rate if transform is None else None,
    )


def _check(lambda_w, lambda_h, lambda_b, dim, loss, steps, record_every, init_scale, copies, metric) -> None:
    require_dtype(np.float64)
    for name, value in (("lambda_w", lambda_w), ("lambda_h", lambda_h), ("init_scale", init_scale)):
        if not (np.isfinite(value) and value > 0):
            raise InputError(f"{name} must be a positive finite number, got {value}")
    if lambda_b is not None and not (np.isfinite(lambda_b) and lambda_b >= 0):
        raise InputError(f"lambda_b must be a finite number >= 0, got {lambda_b}")
    if loss not in LOSSES or metric not in METRICS:
        raise InputError(
            f"loss must be one of {', '.join(LOSSES)} and metric one of {', '.join(METRICS)}, "
            f"got {loss!r} and {metric!r}"
        )
    if min(dim, copies, steps, record_every) < 1:
        raise InputError("dim, copies, steps and record_every must be at least 1")
    if steps % record_every:
        raise InputError(f"steps must be a multiple of record_every, got {steps} and {record_every}")


def repeated(law: FiniteLaw, copies: int) -> FiniteLaw:
    """The same law with every atom split into `copies` equal ones, next to each other."""
    weights = np.repeat(law.weights, copies) / copies
    return FiniteLaw(np.repeat(law.labels, copies, axis=0), weights, law.exchangeable)


def random_start(law: FiniteLaw, dim: int, init_scale: float, seed: int):
    """W (K, d) and H (n, d) of independent N(0, init_scale²) entries, and b = 0 (K)."""
    classifier, features = jax.random.split(jax.random.key(seed))
    W = init_scale * jax.random.normal(classifier, (law.classes, dim), float)
    H = init_scale * jax.random.normal(features, (len(law.weights), dim), float)
    return W, H, jnp.zeros(law.classes)


def safe_step(classes: int, lambda_w: float, lambda_h: float, lambda_b: float | None, loss: str, start):
    """1/Λ, Λ an estimate of the largest curvature of L in (W, U, b) between the start and the optimum.

    At a critical point the logits have √E‖z‖² ≲ s, s = ½ log(1 + K/c²) (squared error: 1), so that
    ‖W‖² ≲ g = s √(λ_H/λ_W) and ‖E hhᵀ‖ = (λ_W/λ_H)‖W‖²; then Λ = κ(‖W‖² + ‖E hhᵀ‖ + [bias]) + max λ + 1
    with κ = ½ (1) the largest curvature of ℓ and 1 ≥ √λ_max(E rrᵀ). An estimate, no bound: momentum 0.9 is
    stable up to 3.8/Λ, and the certificate judges the outcome, not this.
    """
    W, H, _ = start
    logistic = loss == "cross-entropy"
    reach = 0.5 * log(1 + classes / (lambda_w * lambda_h)) if logistic else 1.0
    gain = max(reach * sqrt(lambda_h / lambda_w), float(jnp.linalg.norm(W, 2)) ** 2)
    spread = max(reach * sqrt(lambda_w / lambda_h), float(jnp.linalg.norm(H, 2)) ** 2 / len(H))
    fit = (0.5 if logistic else 1.0) * (gain + spread + (lambda_b is not None))
    return 1.0 / (fit + max(lambda_w, lambda_h, lambda_b or 0.0) + 1.0)


def training_objective(W, H, b, Y, share, penalties: Penalties, loss) -> Float[Array, ""]:
    """L of the module's docstring: W (K, d), H (N, d), b (K), labels Y (N, K), share (N) = π_n/C."""
    fit = jax.vmap(loss.value)(H @ W.T + b, Y)
    per_label = fit + 0.5 * penalties.h * jnp.sum(H * H, 1)
    return share @ per_label + 0.5 * penalties.w * jnp.sum(W * W) + 0.5 * penalties.b * jnp.sum(b * b)


@partial(jax.jit, static_argnames=("loss_name", "bias", "transform", "records", "record_every"))
def _descend(start, atoms, penalties, rate, *, loss_name, bias, transform, records, record_every):
    """records × record_every updates; returns W, H, b and L at the start and after each of the records."""
    Y, share, scale = atoms
    W, H, b = start
    transform = optax.sgd(rate, momentum=MOMENTUM) if transform is None else transform

    def point(params) -> tuple[Array, Array, Array]:
        return params["W"], params["U"] / scale[:, None], params.get("b", b)

    def value(params):
        return training_objective(*point(params), Y, share, penalties, LOSSES[loss_name])

    def update(state, _):
        params, inner = state
        change, inner = transform.update(jax.grad(value)(params), inner, params)
        return (optax.apply_updates(params, change), inner), None

    def record(state, _):
        state, _ = jax.lax.scan(update, state, length=record_every)
        return state, (*point(state[0]), value(state[0]))

    params = {"W": W, "U": H * scale[:, None]} | ({"b": b} if bias else {})
    first = (*point(params), value(params))
    _, rest = jax.lax.scan(record, (params, transform.init(params)), length=records)
    return tuple(jnp.concatenate([one[None], more]) for one, more in zip(first, rest))
