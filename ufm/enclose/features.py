"""Rigorous enclosures of optimal features, in ball arithmetic: the only room that knows python-flint.

For a fixed classifier W (K×d) and one soft label y the optimal feature minimises

    f(h) = ℓ(Wh, y) + (λ_H/2)‖h‖²,    ℓ(z, y) = CE(softmax(z), y)  or  ½‖z − y‖².

f is λ_H-strongly convex, so its minimiser h* is unique and, for ANY h,  ‖h − h*‖ ≤ ‖∇f(h)‖/λ_H.
A candidate is refined by Newton steps on midpoints (no rigour needed, and none claimed); then the gradient is
evaluated once in balls, and the bound above is the radius. Nothing else is trusted: no float candidate, no
closed form, and no other file of this package but the checks of what
is given; the loss is written here a second time on purpose.

Every float stands for the double it is: 0.1 means fl(0.1). A label is K doubles, all exact but the first
largest entry, which is *defined* as 1 − Σ others: (0.1, 0.9) means (fl(0.1), 1 − fl(0.1)). Lengths are
Euclidean, in feature space and in the units of h.

For the simplex ETF, W Wᵀ = g Π with g = m²K/(K−1), the feature is h = E q with E = Wᵀ/√g, an isometry of 1⊥.
The work is done in q, where z = √g q and ∇f = √g (p − y) + λ_H q; equal labels share one unknown. Off 1⊥ the
same formulas are minimised by the same point, so a midpoint need not sum to exactly zero.
"""

import math
from dataclasses import dataclass
from typing import SupportsFloat

import numpy as np
from flint import arb, ctx
from numpy.typing import ArrayLike

from ufm.enclose.balls import (
    Balls,
    above,
    bounds,
    inflate,
    mean,
    midpoints,
    norm,
    softmax,
)
from ufm.enclose.given import (
    check_choices,
    distinct_values,
    group_labels,
    read_label,
    read_matrix,
    read_scalar,
    read_vector,
)
from ufm.enclose.models import Dense, Etf
from ufm.rules.errors import InputError

MAX_BITS = 1 << 15
# Sums of products of two doubles are exact in this many bits: binary places span 2 · 2098, plus carries.
_EXACT_BITS = 1 << 13
_MAX_NEWTON_STEPS = 2000  # the damped phase takes about log(m²/λ_H) of them: 12 at 6000, 700 at 1e300


@dataclass(frozen=True, eq=False)
class Enclosure:
    """A ball that provably holds the optimal feature: centre ± radius, in the Euclidean norm.

    Coordinates that several classes share are stored once (`index` says where): for the ETF the isometric
    coordinates q, for an explicit W the d entries of h, none of them shared.
    """

    centre: tuple[arb, ...]  # exact midpoints: q a group, or h
    counts: tuple[int, ...]  # how many coordinates share each entry of the centre
    radius: float  # ‖centre − optimum‖ ≤ radius
    index: np.ndarray  # (K,) the group of each class
    group_logits: tuple[arb, ...]  # z* = W h*, a ball a group of classes
    group_coefficients: tuple[arb, ...] | None  # ETF: c with h = Σ c_k w_k, Σ c_k = 0, a ball a group
    bits: int  # working precision that sufficed

    @property
    def is_etf(self) -> bool:
        """Whether coordinates are isometric (q in R^K, modulo 1) instead of the entries of h."""
        return self.group_coefficients is not None

    @property
    def feature(self) -> tuple[arb, ...] | None:
        """h*, d balls; None for the ETF, whose h depends on the choice of frame."""
        return None if self.is_etf else inflate(self.centre, self.radius)

    @property
    def logits(self) -> tuple[arb, ...]:
        """z* = W h*, K balls; Σ z* = 0 for the ETF."""
        return self._per_class(self.group_logits)

    @property
    def probabilities(self) -> tuple[arb, ...]:
        """softmax(z*), K balls, whichever the loss."""
        with ctx.workprec(self.bits):
            counts = np.bincount(self.index).tolist()
            return self._per_class(softmax(self.group_logits, counts))

    def coefficients(self) -> tuple[arb, ...]:
        """ETF only: c = z*/g = (y − p)/λ_H, K balls with h* = Σ c_k w_k (at m = 0: their limit as m → 0)."""
        if self.group_coefficients is None:
            raise InputError("coefficients: given one of an explicit W; allowed: an enclosure by enclose_etf")
        return self._per_class(self.group_coefficients)

    def norm(self) -> tuple[float, float]:
        """Lower and upper bound of ‖h*‖."""
        with ctx.workprec(self.bits):
            return bounds(norm(self.centre, self.counts), self.radius)

    def distance(self, candidate: ArrayLike) -> tuple[float, float]:
        """Lower and upper bound of ‖h − h*‖ for a float candidate, rounded outwards.

        candidate: (d,) the feature h; for the ETF (K,) isometric coordinates q, of which only the part with
        zero mean counts. (inf, inf) if an entry is not finite.
        """
        size = len(self.index) if self.is_etf else len(self.centre)
        values = read_vector(candidate, "candidate", size)
        if not np.isfinite(values).all():
            return math.inf, math.inf
        slots = self.index if self.is_etf else np.arange(size)
        with ctx.workprec(self.bits):
            groups, entries, counts = distinct_values(slots, values)
            shift = mean(entries, counts) if self.is_etf else arb(0)
            differences = [x - shift - self.centre[k] for k, x in zip(groups, entries)]
            return bounds(norm(differences, counts), self.radius)

    def _per_class(self, groups: Balls) -> tuple[arb, ...]:
        return tuple(groups[k] for k in self.index)


def enclose_etf(
    y: ArrayLike,
    multiplier: SupportsFloat,
    lambda_h: SupportsFloat,
    loss: str = "cross-entropy",
    digits: int = 30,
) -> Enclosure:
    """Enclose the optimum for a simplex ETF, W Wᵀ = (m²K/(K−1)) Π, to a relative radius of 10^−digits.

    y: (K,) label; multiplier: m = ‖w_k‖ ≥ 0; lambda_h > 0. The cost grows with the number of distinct entries
    of y, not with K. Raises InputError for bad input, ArithmeticError if MAX_BITS bits do not suffice.
    """
    m = read_scalar(multiplier, "multiplier", positive=False)
    lam = read_scalar(lambda_h, "lambda_h", positive=True)
    check_choices(loss, digits)
    labels = read_label(y)
    index, values, counts = group_labels(labels)
    model = Etf(values, counts, int(index[labels.argmax()]), m, lam, loss)
    centre, radius, bits = _enclose(model, digits)
    with ctx.workprec(bits):
        q = inflate(centre, radius)  # no coordinate errs by more than the vector does
        logits, coefficients = tuple(model.logits(q)), tuple(model.coefficients(q))
        return Enclosure(centre, counts, radius, index, logits, coefficients, bits)


def enclose_features(
    y: ArrayLike,
    W: ArrayLike,
    lambda_h: SupportsFloat,
    loss: str = "cross-entropy",
    digits: int = 30,
) -> Enclosure:
    """Enclose the optimum for any float64 classifier W (K×d), to a relative radius of 10^−digits.

    y: (K,) label; lambda_h > 0. No rank or size condition on W. A Newton step solves min(K, d) equations.
    Raises InputError for bad input, ArithmeticError if MAX_BITS bits do not suffice.
    """
    lam = read_scalar(lambda_h, "lambda_h", positive=True)
    check_choices(loss, digits)
    labels = read_label(y)
    rows = read_matrix(W, len(labels))
    model = Dense(labels, rows, lam, loss)
    centre, radius, bits = _enclose(model, digits)
    with ctx.workprec(bits):
        # |w_k · (h − h*)| ≤ ‖w_k‖ radius: tighter than multiplying W into a box.
        midpoints = model.logits(centre)
        logits = tuple(z + arb(0, norm(w) * radius) for z, w in zip(midpoints, model.W.tolist()))
        return Enclosure(centre, model.counts, radius, np.arange(len(labels)), logits, None, bits)


def distance_between(
    candidate_a: ArrayLike, candidate_b: ArrayLike, *, isometric: bool = False
) -> tuple[float, float]:
    """Lower and upper bound of ‖a − b‖ for two float vectors, or of ‖Π(a − b)‖ if `isometric` (as for q).

    The bounds are equal floats (an exact length) or adjacent ones. (inf, inf) if an entry is not finite.
    """
    a = read_vector(candidate_a, "candidate_a", None)
    b = read_vector(candidate_b, "candidate_b", len(a))
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return math.inf, math.inf
    with ctx.workprec(_EXACT_BITS):
        differences = [arb(u) - arb(v) for u, v in zip(a.tolist(), b.tolist())]
        square = sum((x * x for x in differences), arb(0))
        if isometric:  # K ‖Πx‖² = K Σx² − (Σx)² cancels, but every term of it is exact here
            total = sum(differences, arb(0))
            square = (len(a) * square - total * total) / len(a)
        return bounds(square.nonnegative_part().sqrt(), 0.0)


# --- candidate, radius, precision ------------------------------------------------------------------------


def _enclose(model: Etf | Dense, digits: int) -> tuple[tuple[arb, ...], float, int]:
    """Centre, radius and bits: double the precision until radius ≤ 10^−digits ‖centre‖, or least."""
    point: Balls = [arb(0) for _ in model.counts]
    # A zero optimum has no relative accuracy, so it is settled first, and exactly: doubles are rationals.
    with ctx.workprec(_EXACT_BITS):
        if model.is_zero_optimal():
            return tuple(point), 0.0, 128
    bits = _first_bits(model, digits)
    while bits <= MAX_BITS:
        with ctx.workprec(bits):
            point = _refine(model, point)
            radius = above(norm(model.gradient(point), model.counts) / model.lam)
            # The radius is a double: below the least of them there is nothing to ask for.
            if radius == math.ulp(0.0) or arb(radius) <= norm(point, model.counts) * arb(10) ** -digits:
                return tuple(point), radius, bits
        bits *= 2
    raise ArithmeticError(
        f"enclosure: {MAX_BITS} bits do not reach {digits} digits (last radius {radius:.3g});"
        " ask for fewer digits, or rescale W and lambda_h towards 1"
    )


def _first_bits(model: Etf | Dense, digits: int) -> int:
    """Bits of the digits, twice those of the condition number (Newton, Woodbury divide by it), a guard."""
    lost = (1 + model.stiffness).log() / arb(2).log()
    wanted = 64 + math.ceil(3.33 * digits) + 2 * math.ceil(float(lost.upper()))
    return min(max(wanted, 128), MAX_BITS)


def _refine(model: Etf | Dense, point: Balls) -> Balls:
    """Damped Newton on midpoints, from any point; one step more once a step falls below half the digits."""
    settled = arb(2) ** -(ctx.prec // 2)
    for _ in range(_MAX_NEWTON_STEPS):
        step = midpoints(model.step(point))
        scale = _damping(model.logits(step)) if model.loss == "cross-entropy" else arb(1)
        point = midpoints([x + scale * s for x, s in zip(point, step)])
        if scale == 1 and norm(step).mid() <= settled * norm(point).mid():
            return midpoints([x + s for x, s in zip(point, model.step(point))])
    return point


def _damping(change: Balls) -> arb:
    """1 if β = range(Δz) ≤ 1.5, else log(1 + β)/β, at which the objective provably falls.

    In logits the cross-entropy has |D³[ζ,ζ,ζ]| ≤ range(ζ) D²[ζ,ζ]: s of a Newton step changes f by at most
    −s D + D (e^{sβ} − 1 − sβ)/β², D the squared decrement; least at s = log(1 + β)/β, below 0 at s = 1 for
    β ≤ 1.5 (up to 1.79).
    """
    middles = [x.mid() for x in change]
    beta = (max(middles) - min(middles)).mid()
    return arb(1) if beta <= 1.5 else ((1 + beta).log() / beta).mid()


# --- balls -----------------------------------------------------------------------------------------------


# --- input -----------------------------------------------------------------------------------------------
