"""Labels of a batch with their closed forms, and what is shown of a feature: pairs, or any labels."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from ufm.agree.stream.placed import Placed
from ufm.model.cases import LabelCases, PairCases
from ufm.model.problem import Problem
from ufm.runtime.devices import spread
from ufm.theory.features import label_optimum, solve_patterns
from ufm.theory.predict import two_hot_or_same


class Side(NamedTuple):
    """What is shown of one route's feature: coefficients on the classifier, probabilities, ‖h‖.

    Two-hot labels: coef = (coef_i, coef_j), p = (p_i, p_j, p_other); NaN where there is none.
    Other labels: K of each. Squared error: p is the fitted value z + 1/K. p_bound: how far p may be from
    that of the optimum, at most (the numerical route), or None.
    """

    coef: np.ndarray
    p: np.ndarray
    norm: float
    p_bound: np.ndarray | None = None


class Labels(NamedTuple):
    """A batch: row of each feature, labels (K, B), closed-form logits (K, B) up to a constant; or both `Placed`."""

    row: np.ndarray
    Y: jax.Array | Placed
    x: jax.Array | Placed
    mass: np.ndarray  # Σ_k |x_k|, what the closed form's rounding is proportional to


class PairSource:
    """Two-hot labels: the closed form is a table over rows, five numbers each."""

    def __init__(self, problem: Problem, cases: PairCases, dtype, mesh: Mesh):
        self.problem, self.cases, self.dtype, self.mesh = problem, cases, dtype, mesh
        lam = [1.0 if kind == "same" else value for kind, value in cases.kinds]
        # one more entry than there are rows: the same-class optimum, a unit of length
        self.x_i, self.x_j, *self.p = _pair_table(problem, np.array([*lam, 1.0]))
        self.terms = 3

    def take(self, n) -> Labels:
        """The features numbered n."""
        c = self.cases.take(n)
        x_i, x_j = self.x_i[c.row], self.x_j[c.row]
        lam = np.where(c.i == c.j, 1.0, c.lam)
        i, j = c.i.astype(np.int32), c.j.astype(np.int32)
        Y = Placed(lam.astype(self.dtype), c.colam.astype(self.dtype), i, j)
        return Labels(c.row, Y, Placed(x_i, x_j, i, j), np.abs(x_i) + np.abs(x_j))

    def same_class_logit(self) -> float:
        """x with h = (x/g) w_c."""
        return float(self.x_i[-1])

    def classes_of(self, n) -> list[tuple[int, int]]:
        """The pairs (i, j) of features n."""
        c = self.cases.take(n)
        return list(zip(c.i.tolist(), c.j.tolist()))

    def label(self, n) -> np.ndarray:
        """The exact label of feature n, K doubles."""
        c, y = self.cases.take(np.array([n])), np.zeros(self.problem.classes)
        y[c.j], y[c.i] = c.colam, np.where(c.i == c.j, 1.0, c.lam)
        return y

    def theory(self, n, norm) -> list[Side]:
        """The closed form's numbers for features n."""
        c = self.cases.take(n)
        gain, same = self.problem.gain or np.nan, c.i == c.j
        pair = np.stack([self.x_i[c.row], self.x_j[c.row]], 1) / gain
        p = np.stack([part[c.row] for part in self.p], 1)
        return self._sides(pair, p, norm, same)

    def numeric(self, n, coef, p, p_bound, norm) -> list[Side]:
        """The same numbers of numerical features, from (B, K) coefficients, p and bounds on p."""
        c, rows = self.cases.take(n), np.arange(len(n))
        K = self.problem.classes
        others = (np.arange(K) != c.i[:, None]) & (np.arange(K) != c.j[:, None])
        share = others / np.maximum(others.sum(1, keepdims=True), 1)
        pair = np.stack([coef[rows, c.i], coef[rows, c.j]], 1)
        if self.problem.is_etf:  # else Σ w_k ≠ 0: least-norm coefficients are shown as they are
            pair -= (coef * share).sum(1, keepdims=True)
        p, p_bound = (
            np.stack([part[rows, c.i], part[rows, c.j], (part * share).sum(1)], 1) for part in (p, p_bound)
        )
        return self._sides(pair, p, norm, c.i == c.j, p_bound)

    def _sides(self, pair, p, norm, same, *p_bound) -> list[Side]:
        """Conventions: K = 2 leaves only coef_i − coef_j, same-class rows only coef_i; coef_j = 0."""
        pair, p = pair.copy(), p.copy()
        if self.problem.classes == 2:
            pair[~same, 0] -= pair[~same, 1]
            p[~same, 2] = np.nan
        pair[same | (self.problem.classes == 2), 1] = 0.0
        if self.problem.gain == 0:  # W = 0: any coefficients give h = 0
            pair[:] = np.nan
        p[same, 1] = np.nan
        return [Side(*parts) for parts in zip(pair, p, norm, *p_bound)]


class LabelSource:
    """Any soft labels: the closed form is solved for each."""

    def __init__(self, problem: Problem, cases: LabelCases, dtype, mesh: Mesh):
        self.problem, self.cases, self.dtype, self.mesh = problem, cases, dtype, mesh
        self.terms = problem.classes

    def take(self, n) -> Labels:
        """The features numbered n."""
        labels = self.cases.labels[n]
        x, _ = self._solve(labels)
        return Labels(self.cases.row[n], jnp.asarray(labels.T, self.dtype), x, np.abs(np.asarray(x)).sum(0))

    def same_class_logit(self) -> float:
        """x with h = (x/g) w_c."""
        return float(_pair_table(self.problem, np.ones(1))[0][0])

    def classes_of(self, n) -> list[None]:
        """No pairs."""
        return [None] * len(n)

    def label(self, n) -> np.ndarray:
        """The exact label of feature n, K doubles."""
        return self.cases.labels[n]

    def theory(self, n, norm) -> list[Side]:
        """The closed form's numbers for features n."""
        whole = np.pad(n, (0, -len(n) % self.mesh.size), mode="edge")
        x, p = (np.asarray(part).T[: len(n)] for part in self._solve(self.cases.labels[whole]))
        coef = (x - x.mean(1, keepdims=True)) / (self.problem.gain or np.nan)
        return [Side(*parts) for parts in zip(coef, p, norm)]

    def numeric(self, n, coef, p, p_bound, norm) -> list[Side]:
        """The same numbers of numerical features."""
        return [Side(*parts) for parts in zip(coef, p, norm, p_bound)]

    def _solve(self, labels):
        """x and p (K, B)."""
        if self.problem.gain == 0:
            return jnp.zeros(labels.T.shape), jnp.full(labels.T.shape, 1 / self.problem.classes)
        return spread(_dense, self.mesh, loss=self.problem.loss)(self.problem.sharpness, labels.T)


def choose_source(problem: Problem, cases: PairCases | LabelCases, dtype, mesh: Mesh):
    """The table for pairs, the general solve otherwise."""
    if isinstance(cases, PairCases):
        return PairSource(problem, cases, dtype, mesh)
    return LabelSource(problem, cases, dtype, mesh)


def _pair_table(problem: Problem, lam: np.ndarray):
    """x_i, x_j, p_i, p_j, p_other at each λ; λ = 1 also serves same-class labels."""
    K, zero = problem.classes, np.zeros(len(lam))
    if problem.gain == 0:
        return zero, zero, *np.full((3, len(lam)), 1 / K)
    a, loss = problem.sharpness, problem.loss
    if K == 2:  # needs the difference x_i − x_j to full relative accuracy
        return [np.asarray(part) for part in _pairs(lam == 1.0, lam, a, 2, loss=loss)]
    values = np.stack([lam, 1.0 - lam, zero], 1)
    best = solve_patterns(values, np.broadcast_to([1.0, 1.0, K - 2], values.shape), a, loss)
    return best.x[:, 0], best.x[:, 1], *best.p.T


_pairs = jax.jit(two_hot_or_same, static_argnames=("classes", "loss"))


def _dense(a, labels, *, loss):
    best = label_optimum(labels.T, jnp.ones_like(labels.T), a, loss)
    return best.x.T, best.p.T
