"""The optimum of two-hot labels at one sharpness as a curve over λ: solved on nodes once, then polished a label.

With y = (1−δ)(λ e_i + (1−λ) e_j) + δ/K the optimum is (x_i, x_j, x_o, o) with (`ufm.theory.features`)

    x_k + o (e^{x_k} − 1) = a y_k,    x_i + x_j + (K−2) x_o = K o,

a function of λ alone, so many labels cost few solves: linear interpolation between NODES values of
min(λ, 1−λ), even in the scale on which the curve bends, starts Newton's method for all four unknowns at once
near its root; few steps leave rounding. Where the last step was no rounding the label is solved as any other,
so that interpolation decides about time and about no number.
"""

from functools import cached_property, lru_cache

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ufm.runtime.programs import program
from ufm.theory.features import TwoHotOptimum, logit_gap, solve_patterns
from ufm.theory.multiplier import require_float64
from ufm.theory.response import response

NODES, STEPS = 128, 4  # of Newton's method at most, mostly two
PIECE = 4096  # labels whose numbers stay in the cache
DONE = 1e-10  # relative step after which Newton's method has left rounding alone: the next is as its square


class Solved:
    """best: x_i and x_j measured from the other classes' logits; z (n, 3): logits of i, j and each other class, sum
    zero."""

    def __init__(self, count: int, given: tuple, classes: int):
        self._count, self._given, self._classes = count, given, classes
        best, z, self._p = _described(*given, classes=classes)
        self.best = TwoHotOptimum(*(np.asarray(part)[:count] for part in best))
        self._z, self.z = z, np.asarray(z)[:count]

    @cached_property
    def slope(self) -> Float[np.ndarray, "n 3"]:
        """a ∂z/∂a."""
        lam, _, _, a, _ = self._given
        return np.asarray(_slope(lam, self._z, self._p, a, classes=self._classes))[: self._count]


class Curve:
    """Labels of two classes at sharpness a; delta: δ."""

    def __init__(self, a: float, classes: int, delta: float = 0.0):
        require_float64()
        self.a, self.classes, self.delta = float(a), classes, float(delta)
        end = self._exact(np.zeros(1))
        # λ below it moves x_j linearly, above it like log λ
        self.scale = (1.0 + float(end.reference[0])) / self.a
        self.reach = float(np.log1p(0.5 / self.scale))
        nodes = np.minimum(self.scale * np.expm1(np.linspace(0.0, self.reach, NODES)), 0.5)
        found = self._exact(nodes)
        self.table = np.column_stack([found.x, found.reference])  # x_i, x_j, x_o, o at λ_i = node

    def __call__(self, lam: Float[np.ndarray, " n"]) -> Solved:
        """The optimum at each λ; any number of them."""
        n = len(lam)
        width = max(1024, 1 << max(n - 1, 0).bit_length())
        padded = np.pad(lam, (0, width - n), constant_values=0.5)
        pieces = [_polished(padded[start : start + PIECE], self) for start in range(0, width, PIECE)]
        x, o, step = map(np.concatenate, zip(*pieces))
        if (far := ~(step <= DONE)).any():
            exact = self._exact(padded[far])
            x[far], o[far] = exact.x, exact.reference
        return Solved(n, (padded, x, o, self.a, self.delta), self.classes)

    @cached_property
    def single(self) -> float:
        """x of a label of one class, from the other classes' logits."""
        return float(self(np.ones(1)).best.x_i[0])

    def _exact(self, lam: np.ndarray):
        values = label_values(lam, self.delta, self.classes)
        return solve_patterns(values, label_counts(lam, self.classes), self.a, least=NODES)


@lru_cache(maxsize=8)
def curve_at(a: float, classes: int, delta: float = 0.0) -> Curve:
    """The same curve for all who ask for it."""
    return Curve(a, classes, delta)


def label_values(lam, delta, classes, xp=np):
    """The three values (n, 3) of such a label: of i, of j and of each of the K−2 other classes."""
    return (1 - delta) * xp.stack([lam, 1 - lam, xp.zeros_like(lam)], -1) + delta / classes


def label_counts(lam, classes, xp=np):
    """How many classes have each of the three values."""
    one = xp.ones_like(lam)
    return xp.stack([one, one, (classes - 2.0) * one], -1)


def _polished(lam: Float[np.ndarray, " n"], curve: Curve) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(x (n, 3), o (n), the last relative step of o); in NumPy, whose exponentials take a tenth of XLA's time."""
    place = np.log1p(np.minimum(lam, 1 - lam) / curve.scale) * ((NODES - 1) / curve.reach)
    node = np.clip(place.astype(int), 0, NODES - 2)
    share, table, K = place - node, curve.table.T, curve.classes
    start = (1 - share) * table[:, node] + share * table[:, node + 1]
    x, o = np.where(lam > 0.5, start[[1, 0, 2]], start[:3]), start[3]
    b, counts = curve.a * label_values(lam, curve.delta, K).T, np.array([1.0, 1.0, K - 2.0])
    with np.errstate(all="ignore"):  # where it does not converge the label is solved as any other
        for _ in range(STEPS):
            E = np.expm1(x)
            D = 1 + o * (E + 1)
            f = x + o * E - b
            move = (counts @ x - K * o - counts @ (f / D)) / (K + counts @ (E / D))
            x -= (f + move * E) / D
            o += move
            step = np.abs(move / o)
            if (step <= DONE).all():
                break
    return np.ascontiguousarray(x.T), o, step


@program("classes")
def _described(lam, x, o, a, delta, *, classes):
    """(`TwoHotOptimum`, z, p)."""
    p = o[:, None] * jnp.exp(x) / a
    gap = jnp.where(delta == 0, logit_gap(x[:, 0], x[:, 1], o, lam, a, classes), x[:, 0] - x[:, 1])
    # without smoothing x_o is 0; with it, and two classes, there is no other: x_i + x_j = 0
    other = jnp.where((classes == 2) & (delta > 0), (x[:, 0] + x[:, 1]) / 2, x[:, 2])
    best = TwoHotOptimum(x[:, 0] - other, x[:, 1] - other, gap, p[:, 0], p[:, 1], p[:, 2])
    z = x - o[:, None]
    if classes == 2:  # gap/2 is accurate where the x are close
        z = jnp.where(delta == 0, jnp.stack([gap / 2, -gap / 2, -o], -1), z)
    return best, z, p


@program("classes")
def _slope(lam, z, p, a, *, classes):
    return response(z, a * p, label_counts(lam, classes, jnp)).z
