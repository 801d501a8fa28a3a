"""The two models of a feature in balls: in q against the simplex ETF, in h against any W."""

from collections.abc import Sequence

import numpy as np
from flint import arb, arb_mat

from ufm.enclose.balls import (
    Balls,
    column,
    complete,
    norm,
    softmax,
    solve,
    subtract,
    total,
)


class Etf:
    """f in isometric coordinates q, one unknown a group of equal labels. Call under ctx.workprec."""

    def __init__(
        self, values: Sequence[float], counts: Sequence[int], top: int, m: float, lam: float, loss: str
    ):
        self.values, self.counts, self.top, self.lam, self.loss = values, counts, top, arb(lam), loss
        self.m, self.classes = arb(m), sum(counts)

    @property
    def root_g(self) -> arb:
        """√g = m √(K/(K−1))."""
        return self.m * (arb(self.classes) / (self.classes - 1)).sqrt()

    @property
    def stiffness(self) -> arb:
        """a = g/λ_H, which bounds the condition number of the Hessian up to 1 + a."""
        return self.root_g**2 / self.lam

    def labels(self) -> Balls:
        return complete(self.values, self.counts, self.top)

    def logits(self, q: Balls) -> Balls:
        return [self.root_g * x for x in q]

    def residual(self, z: Balls) -> Balls:
        """∂ℓ/∂z projected on 1⊥: p − y, or z − (y − 1/K)."""
        if self.loss == "cross-entropy":
            return subtract(softmax(z, self.counts), self.labels())
        return [x - y + arb(1) / self.classes for x, y in zip(z, self.labels())]

    def gradient(self, q: Balls) -> Balls:
        """√g ∂ℓ/∂z + λ_H q."""
        return [self.root_g * r + self.lam * x for r, x in zip(self.residual(self.logits(q)), q)]

    def step(self, q: Balls) -> Balls:
        """Newton step in O(groups): the Hessian is diag(c) − g ppᵀ (Sherman–Morrison), or (g + λ_H) I.

        With c_k = g p_k + λ_H the pivot 1 − g Σ p²/c equals λ_H Σ p/c, which does not cancel.
        """
        force, g = [-x for x in self.gradient(q)], self.root_g**2
        if self.loss == "squared-error":
            return [x / (g + self.lam) for x in force]
        p = softmax(self.logits(q), self.counts)
        c = [g * x + self.lam for x in p]
        pivot = self.lam * total([x / d for x, d in zip(p, c)], self.counts)
        common = g * total([x * v / d for x, v, d in zip(p, force, c)], self.counts) / pivot
        return [(v + common * x) / d for x, v, d in zip(p, force, c)]

    def is_zero_optimal(self) -> bool:
        """Whether 0 is stationary, exactly: m = 0 or K y = 1."""
        return self.m.is_zero() or all((self.classes * y - 1).is_zero() for y in self.labels())

    def coefficients(self, q: Balls) -> Balls:
        """z/g = q/√g, which equals −(∂ℓ/∂z)/λ_H at the optimum; at m = 0 the latter, of z = 0."""
        if self.m.is_zero():
            return [-r / self.lam for r in self.residual(q)]
        return [x / self.root_g for x in q]


class Dense:
    """f in the entries of h, for any W. Call under ctx.workprec."""

    def __init__(self, labels: np.ndarray, rows: np.ndarray, lam: float, loss: str):
        self.values, self.top, self.lam, self.loss = labels.tolist(), int(labels.argmax()), arb(lam), loss
        self.W = arb_mat(rows.tolist())
        self.counts = (1,) * rows.shape[1]

    @property
    def stiffness(self) -> arb:
        """‖W‖_F²/λ_H ≥ the condition number of the Hessian less 1."""
        size = norm(self.W.entries())
        return size * size / self.lam

    def labels(self) -> Balls:
        return complete(self.values, [1] * len(self.values), self.top)

    def logits(self, h: Balls) -> Balls:
        return (self.W * column(h)).entries()

    def residual(self, z: Balls) -> Balls:
        """∂ℓ/∂z: p − y, or z − y."""
        prediction = softmax(z, [1] * len(z)) if self.loss == "cross-entropy" else z
        return subtract(prediction, self.labels())

    def gradient(self, h: Balls) -> Balls:
        """Wᵀ ∂ℓ/∂z + λ_H h."""
        pulled = (self.W.transpose() * column(self.residual(self.logits(h)))).entries()
        return [v + self.lam * x for v, x in zip(pulled, h)]

    def step(self, h: Balls) -> Balls:
        """Newton step (λ_H + WᵀSW) δ = −∇f, S the Hessian of ℓ; for K < d by a K×K system (Woodbury)."""
        force = -1 * column(self.gradient(h))
        SW, W = self.curve(self.logits(h)), self.W
        if W.nrows() >= W.ncols():
            return solve(self.lam, W.transpose() * SW, force).entries()
        inner = solve(self.lam, SW * W.transpose(), SW * force)
        return ((force - W.transpose() * inner) * (1 / self.lam)).entries()

    def curve(self, z: Balls) -> arb_mat:
        """S W, K×d: S = diag(p) − ppᵀ takes row k to p_k (w_k − Σ p_l w_l); S = I for squared error."""
        if self.loss == "squared-error":
            return self.W
        p = column(softmax(z, [1] * len(z)))
        mean = (p.transpose() * self.W).entries()
        scaled = [x * (w - v) for x, row in zip(p.entries(), self.W.tolist()) for w, v in zip(row, mean)]
        return arb_mat(self.W.nrows(), self.W.ncols(), scaled)

    def is_zero_optimal(self) -> bool:
        """Whether 0 is stationary, exactly: Wᵀ(1 − K y) = 0, or Wᵀ y = 0."""
        y = self.labels()
        pull = [1 - len(y) * x for x in y] if self.loss == "cross-entropy" else y
        return all(x.is_zero() for x in (self.W.transpose() * column(pull)).entries())
