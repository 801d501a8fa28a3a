"""What would explain the network's own logits: scales, constants, orders, activations, affine images of H.

    z = t φ(h) W_πᵀ + c,   φ: as it is, an activation, h/‖h‖;   then W (s ∘ h) + c, then any affine image of h

up to what softmax does not see. Each is fitted to two of three rows of the sample, and its error is of the others.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.optimize import linear_sum_assignment
from scipy.special import erf, expit

from ufm.network.diagnose import diagnosis as said
from ufm.network.diagnose.linear import Halves, across, affine, diagonal, error

ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "ReLU": lambda h: np.maximum(h, 0.0),
    "GELU": lambda h: h * (1 + erf(h / np.sqrt(2))) / 2,
    "GELU by tanh": lambda h: h * (1 + np.tanh(np.sqrt(2 / np.pi) * (h + 0.044715 * h**3))) / 2,
    "SiLU": lambda h: h * expit(h),
    "leaky ReLU": lambda h: np.where(h > 0, h, 0.01 * h),
    "ELU": lambda h: np.where(h > 0, h, np.expm1(np.minimum(h, 0.0))),
    "tanh": np.tanh,
    "sigmoid": expit,
}
DIAGONAL, LINEAR = "diagonal", "linear"
RANK = {DIAGONAL: 5, LINEAR: 6}  # plainer ones come first: at most four parts


class Trial(NamedTuple):
    """What it takes (names of diagnoses, or one of DIAGONAL and LINEAR), its error, and numbers: scale t, shift c,
    order π (Z's column k is that of row π(k)), activation, s."""

    parts: tuple[str, ...]
    error: float
    scale: float = 1.0
    shift: Float[np.ndarray, " K"] | None = None
    order: tuple[int, ...] = ()
    activation: str = ""
    columns: Float[np.ndarray, " d"] | None = None

    @property
    def rank(self) -> int:
        """How much it takes."""
        return max((RANK.get(part, 0) for part in self.parts), default=0) or len(self.parts)


def trials(H, W, b, Z, cut: Halves) -> list[Trial]:
    """All of them; Z: rows of sum zero."""
    V, shift = W - W.mean(0), np.zeros(len(W)) if b is None else b - b.mean()
    found = list(_scaled_rows(H, V, shift, Z, cut))
    for activation, features in _features(H):
        Q = features @ V.T
        for order in _orders(Q, Z):
            named = ((said.ACTIVATION,) if activation else ()) + (
                (said.PERMUTED,) if order != _same(len(W)) else ()
            )
            for trial in _of_order(Q[:, order], shift, order, Z, cut):
                parts = named + trial.parts
                found.append(trial._replace(parts=parts, order=order, activation=activation))
    return found


def images(H, W, Z, cut: Halves) -> list[Trial]:
    """The affine images of H."""
    found, scaled, linear = [], None, affine(H, Z, cut)
    if 1.5 * H.shape[1] < np.linalg.matrix_rank(H - H.mean(0), rtol=1e-6) * (len(W) - 1):
        scaled = diagonal(H, W - W.mean(0), Z, cut)  # else some s would do for any affine image
    if scaled is not None:
        image, columns = scaled
        found.append(Trial((DIAGONAL,), error(image[cut.held], Z[cut.held]), columns=columns))
    if linear is not None:
        found.append(Trial((LINEAR,), error(linear[cut.held], Z[cut.held])))
    return found


def _features(H: Float[np.ndarray, "n d"]) -> Iterator[tuple[str, np.ndarray]]:
    """φ(H) by name, H itself first; an activation is looked for where something is negative."""
    yield "", H
    if H.min() < 0:
        yield from ((name, function(H)) for name, function in ACTIVATIONS.items())
    length = np.linalg.norm(H, axis=1, keepdims=True)
    if length.min() > 0:
        yield "division by |h|", H / length


def _same(classes: int) -> tuple[int, ...]:
    return tuple(range(classes))


def _orders(Q: Float[np.ndarray, "n K"], Z: Float[np.ndarray, "n K"]) -> list[tuple[int, ...]]:
    """The order as given, and the one in which columns of both are correlated most."""
    q, z = ((part - part.mean(0)) / np.maximum(part.std(0), 1e-300) for part in (Q, Z))
    best = tuple(linear_sum_assignment(-(z.T @ q))[1].tolist())
    same = _same(Z.shape[1])
    return [same] if best == same else [same, best]


def _of_order(Q, b, order, Z, cut: Halves) -> Iterator[Trial]:
    """Scale and constant of one order: known or fitted. The bias may be in W's order or in its own."""
    kept = [b, *([b[list(order)]] if order != _same(len(b)) else [])]
    fit, held = cut
    mean, base = Q[fit].mean(0), Z[fit].mean(0)
    for known in kept:
        yield Trial((), error((Q + known)[held], Z[held]))
        t = _slope(Q[fit] + known, Z[fit])
        yield Trial((said.TEMPERATURE,), error(t * (Q + known)[held], Z[held]), t)
    for parts, t in (
        ((said.BIAS,), 1.0),
        ((said.TEMPERATURE, said.BIAS), _slope(Q[fit] - mean, Z[fit] - base)),
    ):
        shift = base - t * mean
        yield Trial(parts, error(t * Q[held] + shift, Z[held]), t, shift)


def _slope(A: np.ndarray, Z: np.ndarray) -> float:
    """argmin over t > 0 of ‖t A − Z‖."""
    size = float(np.sum(A * A))
    return max(float(np.sum(A * Z)) / size, 1e-12) if size > 0 else 1e-12


def _scaled_rows(H, V, b, Z, cut: Halves) -> Iterator[Trial]:
    """z − b = s_n V h_n with an s of each row, where all h are equally long."""
    length = np.linalg.norm(H, axis=1)
    if len(V) < 3 or length.min() < (1 - 1e-3) * length.max():
        return
    Q, rest = H @ V.T, Z - b
    s = np.einsum("nk,nk->n", Q, rest) / np.maximum(np.einsum("nk,nk->n", Q, Q), 1e-300)
    if s.min() > 0:
        image = s[:, None] * Q + b
        yield Trial((said.LENGTH,), error(image[cut.held], Z[cut.held]), float(s.max() / s.min()))


def own(Z: Float[np.ndarray, "n K"], P: Float[np.ndarray, "n K"]) -> tuple[np.ndarray, np.ndarray, str]:
    """Logits of what was given, rows where they are finite, and "softmax" or "sigmoid" where it is probabilities.

    Numbers in [0, 1] whose rows sum to one are of a softmax; else of a sigmoid only if that is nearer to W h + b.
    """
    every = np.ones(len(Z), bool)
    if Z.min() < 0 or Z.max() > 1 or error(across(P), across(Z)) < 0.02:
        return Z, every, ""
    if np.abs(Z.sum(1) - 1).max() < 1e-2:
        return np.log(np.maximum(Z, 1e-37)), Z.min(1) > 1e-30, "softmax"
    p = np.clip(Z, 1e-37, 1 - 1e-7)
    logits, some = np.log(p) - np.log1p(-p), np.asarray(((Z > 1e-30) & (Z < 1 - 1e-6)).all(1))
    near = some.sum() > 1 and error(logits[some], P[some]) < 0.1
    return (logits, some, "sigmoid") if near else (Z, every, "")
