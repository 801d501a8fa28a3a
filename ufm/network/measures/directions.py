"""What is measured of each feature in the plane of its two classes: lengths, angles, the bend."""

from functools import cached_property

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import csr_array

from ufm.model.etf import etf_multiplier
from ufm.network.measures.curve import curve_at
from ufm.network.measures.mixed import in_channel, label_logit
from ufm.network.read.together import Rows
from ufm.theory.features import TwoHotOptimum

RANK = 1e-12  # v_i + v_j this small against its rows has no direction (K = 2)
CANCELS = 1e-4  # a square this small against those that it is a difference of is taken of vectors

# weighted sums kept for each bin and replicate
SUMS = (
    "pure",
    "same",
    "cosine",
    "different",
    "lam",
    "logit",
    "across",
    "across_a",
    "size",
    "outside",
    "along",
    "straight",
    "along_a",
    "straight_a",
    "paired",
    "bend",
    "bend_a",
    "tt",
    "tx",
    "tx_a",
)


class Frame:
    """What directions are measured against; window: of |λ − ½| that counts as the middle."""

    def __init__(
        self,
        W: np.ndarray,
        means: np.ndarray | None,
        centre: np.ndarray,
        a: float | None,
        window: float = 0.05,
    ):
        self.V, self.means, self.centre, self.a, self.window = W - W.mean(0), means, centre, a, window
        # the same number: the same row of W
        self.alike = np.unique(W, axis=0, return_inverse=True)[1].ravel()

    @cached_property
    def m(self) -> float:
        """‖V‖_F/√K."""
        return etf_multiplier(self.V)

    @cached_property
    def apart(self) -> np.ndarray:
        """μ_k − c (K, d)."""
        assert self.means is not None
        return self.means - self.centre

    @cached_property
    def sizes(self) -> np.ndarray:
        """‖μ_k − c‖."""
        return np.linalg.norm(self.apart, axis=1)

    @cached_property
    def gram(self) -> np.ndarray:
        """⟨v_k, v_l⟩ (K, K)."""
        return self.V @ self.V.T

    def inverse(self, i, j) -> np.ndarray:
        """1/‖v_i + v_j‖, of the vectors where the Gram matrix loses digits; 0 where they cancel (K = 2)."""
        sizes = np.diagonal(self.gram)
        both = sizes[i] + sizes[j]
        square = both + 2 * self.gram[i, j]
        near = np.flatnonzero(square <= CANCELS * both)
        along = self.V[i[near]] + self.V[j[near]]
        exact = dot(along, along)
        square[near] = np.where(exact > RANK**2 * both[near], exact, np.inf)
        return 1 / np.sqrt(square)

    @cached_property
    def origin(self) -> np.ndarray:
        """⟨c, v_k⟩."""
        return self.V @ self.centre

    @cached_property
    def along(self) -> np.ndarray:
        """⟨μ_k − c, v_l⟩ (K, K)."""
        return self.apart @ self.V.T


def measures(rows: Rows, use: Int[np.ndarray, " n"], frame: Frame) -> Float[np.ndarray, "n S"]:
    """What is summed of some rows, by the names of SUMS; zero where a sample does not count."""
    found, pure = np.zeros((len(use), len(SUMS))), rows.pure[use]
    i, j = rows.labels.i[use], rows.labels.j[use]
    same, mixed = np.flatnonzero(pure >= 0), np.flatnonzero((pure < 0) & (frame.alike[i] != frame.alike[j]))
    found[same, SUMS.index("pure")] = 1.0
    parts = dict(zip(("same", "cosine"), alignment(rows.H[use[same]], pure[same], frame)))
    for some, values in ((same, parts), (mixed, different(rows, use[mixed], frame))):
        for name, value in values.items():
            found[some, SUMS.index(name)] = value
    return found


def alignment(H, label, frame: Frame) -> tuple[np.ndarray, np.ndarray]:
    """Whether the cosine is defined, and the cosine."""
    h, v = H - frame.centre, frame.V[label]
    size = np.linalg.norm(h, axis=1) * np.linalg.norm(v, axis=1)
    return size > 0, dot(h, v) / np.where(size > 0, size, 1.0)


def different(rows: Rows, use: Int[np.ndarray, " n"], frame: Frame) -> dict[str, np.ndarray]:
    """Of rows of two classes, whose rows of W differ."""
    (i, j, lam), delta = (part[use] for part in rows.labels[:3]), rows.labels.delta
    h = rows.H[use]  # a copy: taken from c in place
    h -= frame.centre
    logit = label_logit(lam, len(frame.V), delta)
    found, inverse = lengths(rows, use, h, frame)
    found |= {"different": np.ones(len(h)), "lam": lam, "logit": logit}
    inside = (lam >= frame.window) & (lam <= 1 - frame.window)
    t = np.where(inside, logit, 0.0)
    found |= {"tt": t * t, "tx": t * found["across"]}
    if frame.means is not None:
        ends = (frame.along[k, i] + frame.along[k, j] for k in (i, j))
        found["straight"] = inverse * sum(share * end for share, end in zip((lam, 1 - lam), ends))
        found |= bend(h, i, j, lam, frame.sizes[i], frame.apart)
    if frame.a is not None:
        optimum = TwoHotOptimum(*(part[use] for part in rows.solved(frame.a).best))
        single = curve_at(frame.a, len(frame.V), delta).single
        best = in_channel(optimum, lam, single, len(frame.V), frame.m)
        found |= best | {"tx_a": t * best["across_a"]}
    return found


def lengths(rows: Rows, use, h, frame: Frame) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """`in_plane` by numbers a row, from logits and the Gram matrix of V; of the vectors where these lose digits.
    h: rows of H − c."""
    i, j = rows.labels.i[use], rows.labels.j[use]
    u, w = (rows.z[use, k] - rows.layer.shift[k] for k in (i, j))  # ⟨h, v_i⟩, ⟨h, v_j⟩
    x, y = u - frame.origin[i], w - frame.origin[j]
    both, cross = frame.gram[i, i] + frame.gram[j, j], 2 * frame.gram[i, j]
    clear = np.abs(cross) < (1 - CANCELS) * both
    wide, long = (np.sqrt(np.where(clear, square, 1.0)) for square in (both - cross, both + cross))
    turn = (frame.gram[i, i] - frame.gram[j, j]) / (wide * long)
    across, along, rest = (x - y) / wide, (x + y) / long, np.maximum(1 - turn**2, CANCELS)
    size = dot(h, h)
    outside = size - across**2 - (along - turn * across) ** 2 / rest
    found, inverse = {"across": (u - w) / wide, "along": along, "size": size, "outside": outside}, 1 / long
    near = np.flatnonzero(~clear | (outside < CANCELS * size) | (rest == CANCELS))
    if len(near):
        sides = frame.V[i[near]], frame.V[j[near]]
        exact, inverse[near] = in_plane(rows.H[use[near]], frame.centre, *sides)
        for name, values in exact.items():
            found[name][near] = values
    return found, inverse


def in_plane(H, centre, v, w) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Lengths of H across, along v − w, and of h = H − c along v + w, ‖h‖² as size and the part of it outside: a
    difference of squares, or where that loses digits the square of what is left. Beside them 1/‖v + w‖, or 0."""
    across, along, h = v - w, v + w, H - centre
    wide, long = np.sqrt(dot(across, across)), np.sqrt(dot(along, along))
    wide = np.where(wide > 0, wide, 1.0)  # 0: rows of W that differ by less than the rounding of their mean
    some = long > RANK * (np.sqrt(dot(v, v)) + np.sqrt(dot(w, w)))  # not so: no direction (K = 2)
    inverse = np.where(some, 1 / np.where(some, long, 1.0), 0.0)
    x, s, size = dot(h, across) / wide, dot(h, along) * inverse, dot(h, h)
    turn = dot(across, along) / wide * inverse
    rest = np.maximum(1 - turn**2, CANCELS)
    outside = size - x**2 - (s - turn * x) ** 2 / rest
    near = np.flatnonzero((outside < CANCELS * size) | (rest == CANCELS))
    if len(near):
        outside[near] = apart(h[near], across[near] / wide[near, None], along[near] * inverse[near, None])
    return {"across": dot(H, across) / wide, "along": s, "size": size, "outside": outside}, inverse


def apart(h, across, along) -> np.ndarray:
    """‖h‖² outside the span of both, taken of the vectors."""
    h = h - dot(h, across)[:, None] * across
    sideways = orthogonal(along, across)
    h -= dot(h, sideways)[:, None] * sideways
    return dot(h, h)


def directions(i, j, V) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors along v_i − v_j and v_i + v_j; 0 where v_i + v_j vanishes."""
    across, along = V[i] - V[j], V[i] + V[j]
    size = np.linalg.norm(across, axis=1)
    across /= np.where(size > 0, size, 1.0)[:, None]
    size, rows = np.linalg.norm(along, axis=1), np.linalg.norm(V, axis=1)
    some = size > RANK * (rows[i] + rows[j])
    along *= np.where(some, 1 / np.where(some, size, 1.0), 0.0)[:, None]
    return across, along


def orthogonal(along, across) -> np.ndarray:
    """The unit vector of `along` made orthogonal to `across` (twice: once leaves rounding); 0 if parallel."""
    for _ in range(2):
        along = along - dot(along, across)[:, None] * across
        size = np.linalg.norm(along, axis=1)
        along *= np.where(size > RANK, 1 / np.where(size > RANK, size, 1.0), 0.0)[:, None]
    return along


def bend(h, i, j, lam, size, means) -> dict[str, np.ndarray]:
    """Whether ‖μ_i − c‖ is not zero, and the distance from straight interpolation in its units; all from c."""
    place = np.arange(len(h))
    ends = np.r_[lam, 1 - lam], (np.r_[place, place], np.r_[i, j])
    apart = csr_array(ends, shape=(len(h), len(means))) @ means
    np.subtract(h, apart, out=apart)
    some = size > 0
    return {"paired": some, "bend": some * np.sqrt(dot(apart, apart)) / np.where(some, size, 1.0)}


def ratio(value, size):
    """value / size, NaN where size is zero."""
    return np.where(size != 0, value / np.where(size != 0, size, 1.0), np.nan)


def dot(A, B) -> np.ndarray:
    """Inner products of rows."""
    return np.vecdot(A, B)
