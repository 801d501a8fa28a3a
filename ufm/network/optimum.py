"""The certified optimum of a network's own labels: what W, features and bias would reach with these penalties.

min L over W, h (and b) of E[ℓ(W h + b, y) + (λ_H/2)‖h‖²] + (λ_W/2)‖W‖² (+ (λ_b/2)‖b‖²), E over the labels as they
are. A candidate is optimised on few atoms, then carried to every label, and the dual bound of `ufm.certify.dual` is
taken there: so what binning loses shows in `gap`, and `lower` never exceeds min L.

Few different labels are their own atoms. Of many two-hot ones each gives its weight to the two nearest λ of a
grid of its pair (hat functions: E y stays as it is); features are interpolated in λ, or found for every label where
classes are so many that the grid is coarse. Beyond MANY labels of two classes the bounds are of a fine grid: the
least cross-entropy of a label is concave in it, whatever W and b are, so hat functions can only lower the optimum,
and the mean label of each cell in the place of its labels can only raise it. With many classes the
candidate is the simplex ETF with the multiplier of the same labels, symmetrised, and closed-form features. All of
this is of cross-entropy: the optimum of a squared error is a closed form of any labels (`measures.quadratic`).
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import expit, logit

from ufm.certify.dual import DualGap, dual_gap
from ufm.certify.sample import Block, Sample, TwoHot
from ufm.model.atoms import FiniteLaw, JointProblem
from ufm.model.etf import etf_multiplier
from ufm.model.laws import Patterns
from ufm.model.penalties import Penalties
from ufm.model.problem import Problem
from ufm.network.measures.curve import curve_at, label_counts, label_values
from ufm.network.measures.excess import best_features
from ufm.network.measures.fitting import closed_logits
from ufm.network.measures.quadratic import quadratic_optimum
from ufm.network.read.label_rows import LabelBlock, two_classes
from ufm.network.resample import Reservoir, cut
from ufm.optimize.joint import solve_joint
from ufm.theory.multiplier import pattern_multiplier

ATOMS = 4096  # more different labels than this are binned
NODES = 34  # of λ, for each pair of classes
FINE = 1024  # the same for bounds alone
REACH = 11.0  # of logit λ between the ends
CLASSES = 32  # more classes than this: the ETF is the candidate (the solver's work grows like K⁴)
SAMPLE = 2000  # soft labels that a candidate is made of, where there are too many of them
WORK = 1e10  # labels times K³ that features of their own are found for, in a minute or two
MANY = 2**17  # labels of two classes that are gone over one by one; as many atoms bound more
ROWS = 2**14  # labels of a block
SIZES = 256  # numbers of labels that are solved for are multiples of it
LOSS = "cross-entropy"

Labels = Callable[[], Iterable[tuple[LabelBlock, np.ndarray]]]  # blocks of labels with their weights


class OwnOptimum(NamedTuple):
    """The candidate: W (K, r), b (K); objective over all labels, lower ≤ min L, relative gap between both.

    multiplier: m = ‖W − w̄‖_F/√K. row_norm: ‖W‖_F/√K. feature_norm: √E‖h‖². atoms: of the candidate; how: in words.
    fits: whether the candidate lives in d dimensions; if not, min L may lie above its objective.
    """

    W: Float[np.ndarray, "K r"]
    b: Float[np.ndarray, " K"]
    objective: float
    lower: float
    multiplier: float
    row_norm: float
    feature_norm: float
    atoms: int
    how: str
    fits: bool

    @property
    def gap(self) -> float:
        """(objective − lower)/objective."""
        return (self.objective - self.lower) / abs(self.objective)


class _Candidate(NamedTuple):
    """W and b with a rule that gives features (n, r) to labels."""

    W: np.ndarray
    b: np.ndarray
    features: Callable[[LabelBlock], np.ndarray]
    atoms: int
    how: str
    scale: float | None = None  # W h is so many times h, where W is known to do that
    # of h at λ and δ: at i, at j and elsewhere; asked for only where the scale is not 0
    values: Callable[[np.ndarray, float], np.ndarray] | None = None
    pairs: int = 0  # how many labels there are, where all are of two classes


def own_optimum(labels: Labels, classes: int, dim: int, penalties: Penalties, loss: str) -> OwnOptimum:
    """The optimum for a stream of labels that can be read several times. Needs float64."""
    if loss == "squared-error":
        best = quadratic_optimum(partial(_parts, labels), dim, penalties)
        return _described(*best, 2 * classes, "the first two moments of these labels", True)
    found = _candidate(labels, classes, dim, penalties)
    if found.pairs > MANY:
        fine = _Grid(labels, classes, MANY, FINE)
        above, square = _over(found, lambda: [fine.means()], penalties)
        below, _ = _over(found, lambda: [fine.law], penalties)
    else:
        below, square = _over(found, labels, penalties)
        above = below
    ends = above.objective, below.objective - below.gap, float(np.sqrt(square))
    fits = min(found.W.shape) <= dim or bool(np.linalg.matrix_rank(found.W) <= dim)
    return _described(found.W, found.b, *ends, found.atoms, found.how, fits)


def _described(W, b, objective, lower, feature_norm, atoms: int, how: str, fits: bool) -> OwnOptimum:
    sizes = etf_multiplier(W - W.mean(0)), float(np.linalg.norm(W)) / np.sqrt(len(W))
    return OwnOptimum(W, b, objective, lower, *sizes, feature_norm, atoms, how, fits)


def _over(found: _Candidate, labels: Labels, penalties: Penalties) -> tuple[DualGap, float]:
    """The dual gap of a candidate over these labels, and E‖h‖²."""
    squares = [0.0, 0.0]

    def blocks():
        squares[:] = [0.0, 0.0]
        for rows, weights in _parts(labels):
            block = _block(found, rows, weights, penalties)
            squares[0] += float(block.weights @ block.squares)
            squares[1] += float(block.weights.sum())
            yield block

    return dual_gap(Sample(blocks), found.W, found.b, penalties, LOSS), squares[0] / squares[1]


def _block(found: _Candidate, labels: LabelBlock, weights: np.ndarray, penalties: Penalties) -> Block:
    """Labels with the candidate's features: two-hot ones as three values a row, where no bias mixes all classes."""
    if found.values is not None and found.scale and penalties.lambda_b is None and (labels.i >= 0).all():
        K, (i, j, lam) = labels.classes, two_classes(labels)
        H, Y = found.values(lam, labels.delta), label_values(lam, labels.delta, K)
        return TwoHot(H, Y, found.scale * H, weights, LOSS, i=i, j=j, classes=K)
    H = found.features(labels)
    Z = H @ found.W.T if found.scale is None else found.scale * H
    return Block(H, labels.dense(), Z + found.b, weights, LOSS)


def _parts(labels: Labels):
    """Blocks of at most ROWS labels of positive weight."""
    for block, weights in labels():
        for start in range(0, len(weights), ROWS):
            rows = np.arange(start, min(start + ROWS, len(weights)))
            rows = rows[weights[rows] > 0]
            if len(rows):
                yield cut(block, rows), weights[rows]


def _candidate(labels: Labels, classes: int, dim: int, penalties: Penalties) -> _Candidate:
    if classes > CLASSES:
        return _symmetric(labels, classes, penalties)
    few = _distinct(labels)
    if few is not None:
        solution = _solve(*few, dim, penalties)
        index = {row.tobytes(): n for n, row in enumerate(few[0])}

        def own(block: LabelBlock) -> np.ndarray:
            Y, place = np.unique(_rows(block), axis=0, return_inverse=True)
            return solution.H[[index[row.tobytes()] for row in Y]][place.ravel()]

        return _Candidate(solution.W, solution.b, own, len(few[0]), "these labels")
    grid = _Grid(labels, classes, ATOMS, NODES)
    if grid.usable:
        (block, mass) = grid.law
        solution = _solve(block.dense(), mass, dim, penalties)
        how = f"{len(grid.nodes)} values of λ a pair, features between them interpolated"
        features: Callable[[LabelBlock], np.ndarray] = partial(grid.between, H=solution.H)
        if len(grid.nodes) < NODES and grid.count * classes**3 <= WORK:  # too coarse to interpolate
            how = f"{len(grid.nodes)} values of λ a pair, features for all labels"
            features = _best(solution.W, solution.b, penalties)
        return _Candidate(solution.W, solution.b, features, len(mass), how, pairs=grid.count)
    return _sampled(labels, dim, penalties)


def _solve(rows, mass, dim: int, penalties: Penalties):
    """Optimal on these labels; labels of no weight fill them up to one of few sizes, each compiled once."""
    missing = -len(rows) % SIZES
    law = FiniteLaw(
        np.pad(rows, ((0, missing), (0, 0)), mode="edge"), np.pad(mass / mass.sum(), (0, missing))
    )
    problem = JointProblem(
        law, penalties.lambda_w, penalties.lambda_h, min(dim, rows.shape[1]), penalties.lambda_b
    )
    return solve_joint(problem)


def _rows(block: LabelBlock) -> Float[np.ndarray, "n K"]:
    """Dense labels without a zero of negative sign: equal rows have equal bytes."""
    return block.dense() + 0.0


def _distinct(labels: Labels) -> tuple[np.ndarray, np.ndarray] | None:
    """Different labels and the weight of each; None as soon as there are too many."""
    rows: dict[bytes, int] = {}
    kept: list[np.ndarray] = []
    mass: list[float] = []
    for block, weights in _parts(labels):
        Y, place = np.unique(_rows(block), axis=0, return_inverse=True)
        for row, weight in zip(Y, np.bincount(place.ravel(), weights)):
            n = rows.setdefault(row.tobytes(), len(kept))
            if n == len(kept):
                kept.append(row)
                mass.append(0.0)
            mass[n] += float(weight)
        if len(kept) > ATOMS:
            return None
    return np.stack(kept), np.array(mass)


def lambda_nodes(count: int) -> Float[np.ndarray, " n"]:
    """λ from 0 to 1, symmetric: half of the inner nodes even in logit λ, in which optimal features are nearly
    linear, half even in the angle arccos(1 − 2λ), which keeps cells narrow in the middle."""
    half = (count - 2) // 2
    logits = np.linspace(-REACH, REACH, half)
    angles = np.pi * np.arange(1, count - 1 - half) / (count - 1 - half)
    inner = np.concatenate([expit(logits), (1 - np.cos(angles)) / 2])
    return np.concatenate([[0.0], np.unique(inner.round(15)), [1.0]])


class _Grid:
    """Two-hot labels lumped on λ-nodes of their pairs (i < j); an end of λ is the pure label of a class.

    law: labels of the nodes and their weights."""

    def __init__(self, labels: Labels, classes: int, atoms: int, nodes: int):
        pairs = classes * (classes - 1) // 2
        self.classes, self.delta, self.usable, self.count = classes, 0.0, True, 0
        self.nodes = lambda_nodes(min(nodes, max(atoms // pairs, 6)))
        self.shape, width = (classes, classes, len(self.nodes)), len(self.nodes)
        mass, moment = np.zeros((2, classes**2 * width))  # of cells: weight, and that times the place in it
        for block, weights in _parts(labels):
            if (block.i < 0).any():
                self.usable = False
                return
            self.delta, self.count = block.delta, self.count + len(weights)
            i, j, t, lam = self._cells(block)
            share, cell = (
                (lam - self.nodes[t]) / (self.nodes[t + 1] - self.nodes[t]),
                (i * classes + j) * width + t,
            )
            mass += np.bincount(cell, weights, len(mass))
            moment += np.bincount(cell, weights * share, len(mass))
        self.cells, self.moment = mass.reshape(self.shape), moment.reshape(self.shape)
        self._number(self.cells - self.moment + np.roll(self.moment, 1, 2))  # so that E y stays as it is

    def _cells(self, block: LabelBlock) -> tuple[np.ndarray, ...]:
        """i < j, the node below λ, and λ of class i."""
        swap = block.i > block.j
        i, j = np.where(swap, block.j, block.i), np.where(swap, block.i, block.j)
        lam = np.where(block.i == block.j, 1.0, np.where(swap, 1 - block.lam, block.lam))
        return i, j, np.clip(np.searchsorted(self.nodes, lam, side="right") - 1, 0, len(self.nodes) - 2), lam

    def _number(self, mass: np.ndarray) -> None:
        """Labels and weights of the nodes that have any, pure ones first, and where each is found."""
        pure = mass[:, :, -1].sum(1) + mass[:, :, 0].sum(0)
        mass[:, :, [0, -1]] = 0.0
        k, (i, j, t) = np.flatnonzero(pure), np.nonzero(mass)
        lam = np.concatenate([np.ones(len(k)), self.nodes[t]])
        block = LabelBlock(np.r_[k, i], np.r_[k, j], lam, None, self.classes, self.delta)
        self.law = block, np.concatenate([pure[k], mass[i, j, t]])
        ends = np.full(self.classes, -1)
        ends[k] = np.arange(len(k))
        self.place = np.full(mass.shape, -1)
        self.place[i, j, t] = len(k) + np.arange(len(t))
        self.place[:, :, -1], self.place[:, :, 0] = ends[:, None], ends[None, :]

    def means(self) -> tuple[LabelBlock, np.ndarray]:
        """The mean label of each cell instead, and the cell's weight."""
        i, j, t = np.nonzero(self.cells)
        mass = self.cells[i, j, t]
        lam = self.nodes[t] + (self.nodes[t + 1] - self.nodes[t]) * np.clip(self.moment[i, j, t] / mass, 0, 1)
        return LabelBlock(i, j, lam, None, self.classes, self.delta), mass

    def between(self, block: LabelBlock, H: np.ndarray) -> np.ndarray:
        """Features of labels, linear in logit λ between those of the nodes (in λ beside an end)."""
        i, j, t, lam = self._cells(block)
        with np.errstate(divide="ignore", invalid="ignore"):
            low, here, high = (logit(x) for x in (self.nodes[t], lam, self.nodes[t + 1]))
            share = (here - low) / (high - low)
        inner = (t > 0) & (t < len(self.nodes) - 2)
        share = np.where(inner, share, (lam - self.nodes[t]) / (self.nodes[t + 1] - self.nodes[t]))[:, None]
        low, high = self.place[i, j, t], self.place[i, j, t + 1]  # −1 where its share is 0
        return (1 - share) * H[low] + share * H[high]


def _sampled(labels: Labels, dim: int, penalties: Penalties) -> _Candidate:
    """W and b of a random sample of the labels, and for every label the features that are optimal for them."""
    block, mass = _subsample(labels)
    Y = block.dense()
    solution = _solve(Y, mass, dim, penalties)
    features = _best(solution.W, solution.b, penalties)
    how = f"a random {len(Y)} of the labels, features for all"
    return _Candidate(solution.W, solution.b, features, len(Y), how)


def _best(W: np.ndarray, b: np.ndarray, penalties: Penalties) -> Callable[[LabelBlock], np.ndarray]:
    """For every label the features that are optimal for this W and b: no other rule has a lower objective."""
    problem = Problem(len(W), classifier=W, lambda_h=penalties.lambda_h)

    def best(block: LabelBlock) -> np.ndarray:
        Y = block.dense()
        padded = np.pad(Y, ((0, -len(Y) % 256), (0, 0)), mode="edge")
        return best_features(problem, b, padded, False)[: len(Y)]

    return best


def _subsample(labels: Labels) -> tuple[LabelBlock, np.ndarray]:
    reservoir, start = Reservoir(SAMPLE, 0), 0
    for block, weights in _parts(labels):
        shape = len(weights), block.classes
        soft = np.broadcast_to(0.0, shape) if block.soft is None else block.soft  # takes no memory
        reservoir.add(start, np.ones(len(weights), bool), *block[:3], soft, weights)
        start += len(weights)
        last = block
    *rows, weights = reservoir.rows
    i, j, lam, soft = rows
    return last._replace(i=i, j=j, lam=lam, soft=soft if (i < 0).any() else None), weights


def _symmetric(labels: Labels, classes: int, penalties: Penalties) -> _Candidate:
    """The ETF at the multiplier of the labels made exchangeable, with closed-form features."""
    sample, mass = _subsample(labels)
    if sample.soft is None:
        lam = two_classes(sample)[2]
        values, counts = label_values(lam, sample.delta, classes), label_counts(lam, classes)
    else:
        values = sample.dense()
        counts = np.ones_like(values)
    found = pattern_multiplier(
        Patterns(values, counts, mass / mass.sum()), penalties.lambda_w, penalties.lambda_h
    )
    scale = found.value * np.sqrt(classes / (classes - 1))
    W = scale * (np.eye(classes) - 1 / classes)  # the ETF in the coordinates in which it is symmetric

    def closed(block: LabelBlock) -> np.ndarray:
        if found.value == 0:
            return np.zeros((len(block.i), classes))
        return closed_logits(block, found.sharpness)[0] / scale

    def two_hot(lam: np.ndarray, delta: float) -> np.ndarray:
        return curve_at(found.sharpness, classes, delta)(lam).z / scale

    how = f"the simplex ETF ({classes} classes), multiplier of a random {len(mass)} of the labels"
    return _Candidate(W, np.zeros(classes), closed, len(mass), how, scale, two_hot)
