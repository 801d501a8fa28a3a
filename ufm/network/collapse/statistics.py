"""Class statistics of features in two passes over a stream: all that the neural-collapse metrics need.

No d × d matrix is formed, and nothing is found as a difference of large numbers, so that collapse
shows its true size: a class mean is kept as an anchor (one sample of the class) plus the mean
distance from it, which near collapse is exact where a plain mean is rounded; within-class spread is
a sum of squares of residuals, so it is zero at collapse and never negative.
"""

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import csr_array
from scipy.spatial.distance import cdist

import ufm.rules.numbers as checked
from ufm.network.read.arrays import PART
from ufm.rules.errors import InputError

Rows = tuple[np.ndarray, np.ndarray, np.ndarray]  # H (n, d) float64, class (n; −1: mixed), weight (n)
CENTRES = ("class", "sample")
OVERFLOW, TINY = 1e140, 1e-140  # beyond them squares, summed, may overflow or underflow


class MissingClass(InputError):
    """A class without a sample of a pure label: its mean is not defined."""


class Axes(NamedTuple):
    """Singular values s_j of the centred class means, falling, and Σ_n ⟨h_n − μ, u_j⟩² along their directions."""

    values: Float[np.ndarray, " r"]
    power: Float[np.ndarray, " r"]


class Look(NamedTuple):
    """Rows of the second reading: h − μ_k, the same along the axes of the means, ‖h − μ_k‖², class, weight."""

    residual: Float[np.ndarray, "n d"]
    inside: Float[np.ndarray, "n r"]
    size: Float[np.ndarray, " n"]
    label: Int[np.ndarray, " n"]
    weight: Float[np.ndarray, " n"]


@dataclass(frozen=True, eq=False)
class ClassStats:
    """Statistics of the samples with a pure label; K classes, n_k the weight of class k (a count if unweighted).

    mass (K): n_k. means (K, d): μ_k. offsets (K, d): μ_k minus a common vector, free of its rounding.
    scatter (K): Σ ‖h − μ_k‖² over class k. axes: by centring of the means, "class" (μ_G = Σ μ_k/K) or
    "sample" (μ_G = Σ n_k μ_k/N). missed (K): weight of the samples of class k whose nearest class mean is not
    the network's decision (None without W). count, skipped: samples used, and left out as mixed or weightless.
    """

    mass: Float[np.ndarray, " K"]
    means: Float[np.ndarray, "K d"]
    offsets: Float[np.ndarray, "K d"]
    scatter: Float[np.ndarray, " K"]
    axes: dict[str, Axes]
    missed: Float[np.ndarray, " K"] | None
    count: int
    skipped: int

    @property
    def classes(self) -> int:
        """K."""
        return len(self.mass)

    @property
    def disagreement(self) -> float | None:
        """Share of samples whose nearest class mean is not the network's decision; None without W."""
        return None if self.missed is None else float(self.missed.sum() / self.mass.sum())

    def share(self, centre: str) -> Float[np.ndarray, " K"]:
        """Weights of the class means in μ_G: 1/K each ("class"), or n_k/N ("sample")."""
        return _share(self.mass, centre)

    def centred(self, centre: str) -> Float[np.ndarray, "K d"]:
        """M̊ᵀ: rows μ_k − μ_G."""
        return self.offsets - self.share(centre) @ self.offsets


Steps = Generator[Callable[..., None], None, ClassStats]  # yields what takes the blocks of the next reading


def class_statistics(
    stream: Callable[[], Iterable[Rows]],
    classes: int,
    W: Float[np.ndarray, "K d"] | None = None,
    b: Float[np.ndarray, " K"] | None = None,
    watch: Callable[["Spread"], Callable[[Look], None] | None] = lambda spread: None,
) -> ClassStats:
    """Statistics of a stream that can be read twice, e.g. `activations.pure_chunks`.

    `stream()` yields blocks (H, class or −1, weight). With W (and b) the decision argmax(W h + b) is compared with
    the nearest class mean. watch: told of the class means, says what looks on at the second reading.
    Raises InputError for a class without samples and for features whose squares overflow.
    """
    checked.integer("classes", classes, 2)
    W = None if W is None else checked.array("W", W, (classes, "d"))
    b = None if b is None else checked.array("b", b, (classes,))
    steps = class_steps(classes, W, b, watch)
    while True:
        try:
            add = next(steps)
        except StopIteration as end:
            return end.value
        for rows in stream():
            add(*rows)


def class_steps(classes: int, W, b, watch: Callable[["Spread"], Callable[[Look], None] | None]) -> Steps:
    """`class_statistics` of a stream that others read too."""
    sums = Means(classes)
    yield sums.add
    found = Spread(sums, W, b)
    found.watcher = watch(found)
    yield found.add
    return found.result()


class Means:
    """First pass: mass, anchor and mean distance from the anchor of every class."""

    def __init__(self, classes: int):
        self.mass = np.zeros(classes)
        self.seen = np.zeros(classes, bool)
        self.anchors = self.total = np.empty((classes, 0))
        self.count = self.skipped = 0

    def add(
        self, H: np.ndarray, label: np.ndarray, weight: np.ndarray, logits: np.ndarray | None = None
    ) -> None:
        """The next block; the logits are for the second pass."""
        given, use = len(label), _used(label, weight)
        H, label, weight = H[use], label[use], weight[use]
        self.count, self.skipped = self.count + len(label), self.skipped + given - len(label)
        if self.anchors.shape[1] != H.shape[1]:
            self.anchors, self.total = np.zeros((2, len(self.mass), H.shape[1]))
        if len(label) == 0:
            return
        check_size("H", H)
        new, first = np.unique(label, return_index=True)
        new, first = new[~self.seen[new]], first[~self.seen[new]]
        self.anchors[new], self.seen[new] = H[first], True
        self.mass += np.bincount(label, weight, len(self.mass))
        self.total += _by_class(label, weight, len(self.mass)) @ _away(H, label, self.anchors)

    def shift(self) -> Float[np.ndarray, "K d"]:
        """Mean minus anchor of each class."""
        missing = np.flatnonzero(~self.seen)
        if len(missing):
            names = ", ".join(map(str, missing[:20])) + (" …" if len(missing) > 20 else "")
            raise MissingClass(
                f"class statistics need a sample with a pure label of every class: none for {len(missing)} of "
                f"{len(self.mass)} classes, numbers {names} (from 0)"
            )
        return self.total / self.mass[:, None]


class Spread:
    """Second pass: residuals, squared, by class and along the directions of the centred means.

    The means, centred either way, span the same K−1 directions; residuals are projected on an
    orthonormal basis of them once, and rotated into each centring's singular vectors.
    """

    def __init__(self, sums: Means, W: np.ndarray | None, b: np.ndarray | None):
        self.sums, self.W, self.b = sums, W, b
        self.shift = sums.shift()
        # differences of anchors are exact where a common offset is large
        self.offsets = (sums.anchors - sums.anchors[0]) + self.shift
        centred = {c: self.offsets - _share(sums.mass, c) @ self.offsets for c in CENTRES}
        self.basis = _directions(centred["class"])[1]
        self.points = centred["class"] @ self.basis.T  # (K, r): class means in the basis
        rotated = {c: _directions(centred[c] @ self.basis.T) for c in CENTRES}
        self.values = {c: values for c, (values, _) in rotated.items()}
        self.turns = {c: turn for c, (_, turn) in rotated.items()}
        self.power = {c: np.zeros(len(values)) for c, values in self.values.items()}
        self.squares = cdist(self.points, self.points, "sqeuclidean")
        self.scatter, self.missed, self.right = np.zeros((3, len(sums.mass)))
        self.watcher: Callable[[Look], None] | None = None

    @property
    def means(self) -> Float[np.ndarray, "K d"]:
        """μ_k."""
        return self.sums.anchors + self.shift

    def add(
        self, H: np.ndarray, label: np.ndarray, weight: np.ndarray, logits: np.ndarray | None = None
    ) -> None:
        """The next block; logits: W h + b, where they are known."""
        use = _used(label, weight)
        H, label, weight = H[use].astype(np.float64, copy=False), label[use], weight[use]
        residual = _away(H, label, self.sums.anchors, self.shift)
        size = np.vecdot(residual, residual)
        self.scatter += np.bincount(label, weight * size, len(self.scatter))
        inside = residual @ self.basis.T
        for centre, turn in self.turns.items():
            self.power[centre] += weight @ (inside @ turn.T) ** 2
        if self.W is not None:
            Z = H @ self.W.T + (0.0 if self.b is None else self.b) if logits is None else logits[use]
            decision = np.argmax(Z, 1)
            for sums, some in (
                (self.missed, decision != self._nearest(inside, label)),
                (self.right, decision == label),
            ):
                sums += np.bincount(label, weight * some, len(sums))
        if self.watcher is not None:
            self.watcher(Look(residual, inside, size, label, weight))

    def _nearest(self, inside: np.ndarray, label: np.ndarray) -> Int[np.ndarray, " n"]:
        """argmin_k ‖h − μ_k‖², from ‖h − μ_k‖² − ‖h − μ_y‖² = ‖μ_y − μ_k‖² − 2⟨h − μ_y, μ_k − μ_y⟩."""
        along = inside @ self.points.T
        along -= along[np.arange(len(label)), label][:, None]
        return np.argmin(self.squares[label] - 2 * along, 1)

    def result(self) -> ClassStats:
        sums = self.sums
        axes = {c: Axes(self.values[c], self.power[c]) for c in CENTRES}
        missed = None if self.W is None else self.missed
        counted = sums.count, sums.skipped
        return ClassStats(sums.mass, self.means, self.offsets, self.scatter, axes, missed, *counted)


def _share(mass: np.ndarray, centre: str) -> Float[np.ndarray, " K"]:
    checked.choice("centre", centre, CENTRES)
    return np.full(len(mass), 1 / len(mass)) if centre == "class" else mass / mass.sum()


def _directions(centred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Singular values (r) and right singular vectors (r, d) of K centred means, r ≤ min(K − 1, d).

    Σ ω_k (μ_k − μ_G) = 0 removes one direction in either centring, so the rank K − 1 is known and not
    guessed. Only directions whose value is rounding (≤ ε max(K, d) s₁) are dropped: classes coincide.
    """
    _, values, right = np.linalg.svd(centred, full_matrices=False)
    values, right = values[: len(centred) - 1], right[: len(centred) - 1]
    floor = max(np.finfo(float).eps * max(centred.shape) * values.max(initial=0.0), TINY)
    return values[values > floor], right[values > floor]


def _used(label: np.ndarray, weight: np.ndarray) -> np.ndarray | slice:
    """Rows with a pure label and a positive weight; all of them as a slice, which copies nothing."""
    use = (label >= 0) & (weight > 0)
    return slice(None) if use.all() else use


def _away(H: np.ndarray, label: np.ndarray, *centres: np.ndarray) -> np.ndarray:
    """h − c_k of each row, one centre after the other, a part of the rows at a time."""
    found, step = np.empty(H.shape), max(1, PART // (8 * max(H.shape[1], 1)))
    for n in range(0, len(H), step):
        some, part = slice(n, n + step), found[n : n + step]
        np.subtract(H[some], centres[0][label[some]], out=part)
        for centre in centres[1:]:
            part -= centre[label[some]]
    return found


def _by_class(label: np.ndarray, weight: np.ndarray, classes: int) -> csr_array:
    """The sparse (K, n) matrix that adds up weighted rows by class."""
    return csr_array((weight, (label, np.arange(len(label)))), shape=(classes, len(label)))


def check_size(name: str, A: np.ndarray) -> None:
    """Raise InputError unless all entries are finite and small enough to be squared and summed."""
    size = max(abs(float(A.max())), abs(float(A.min())))
    if not size < OVERFLOW:
        raise InputError(f"{name} must be finite and below {OVERFLOW:g}, got {size:.3g}: rescale H and W")
