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
from collections.abc import Sequence
from dataclasses import dataclass
from typing import SupportsFloat

import numpy as np
from flint import arb, arb_mat, ctx
from numpy.typing import ArrayLike

import ufm.checked as checked
from ufm.errors import InputError
from ufm.soft_labels import accept

LOSSES = ("cross-entropy", "squared-error")
MAX_BITS = 1 << 15
# Sums of products of two doubles are exact in this many bits: binary places span 2 · 2098, plus carries.
_EXACT_BITS = 1 << 13
_MAX_NEWTON_STEPS = 2000  # the damped phase takes about log(m²/λ_H) of them: 12 at 6000, 700 at 1e300

Balls = Sequence[arb]


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
        return None if self.is_etf else _inflate(self.centre, self.radius)

    @property
    def logits(self) -> tuple[arb, ...]:
        """z* = W h*, K balls; Σ z* = 0 for the ETF."""
        return self._per_class(self.group_logits)

    @property
    def probabilities(self) -> tuple[arb, ...]:
        """softmax(z*), K balls, whichever the loss."""
        with ctx.workprec(self.bits):
            counts = np.bincount(self.index).tolist()
            return self._per_class(_softmax(self.group_logits, counts))

    def coefficients(self) -> tuple[arb, ...]:
        """ETF only: c = z*/g = (y − p)/λ_H, K balls with h* = Σ c_k w_k (at m = 0: their limit as m → 0)."""
        if self.group_coefficients is None:
            raise InputError("coefficients: given one of an explicit W; allowed: an enclosure by enclose_etf")
        return self._per_class(self.group_coefficients)

    def norm(self) -> tuple[float, float]:
        """Lower and upper bound of ‖h*‖."""
        with ctx.workprec(self.bits):
            return _bounds(_norm(self.centre, self.counts), self.radius)

    def distance(self, candidate: ArrayLike) -> tuple[float, float]:
        """Lower and upper bound of ‖h − h*‖ for a float candidate, rounded outwards.

        candidate: (d,) the feature h; for the ETF (K,) isometric coordinates q, of which only the part with
        zero mean counts. (inf, inf) if an entry is not finite.
        """
        size = len(self.index) if self.is_etf else len(self.centre)
        values = _vector(candidate, "candidate", size)
        if not np.isfinite(values).all():
            return math.inf, math.inf
        slots = self.index if self.is_etf else np.arange(size)
        with ctx.workprec(self.bits):
            groups, entries, counts = _distinct(slots, values)
            shift = _mean(entries, counts) if self.is_etf else arb(0)
            differences = [x - shift - self.centre[k] for k, x in zip(groups, entries)]
            return _bounds(_norm(differences, counts), self.radius)

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
    m = _scalar(multiplier, "multiplier", positive=False)
    lam = _scalar(lambda_h, "lambda_h", positive=True)
    _check_choices(loss, digits)
    labels = _label(y)
    index, values, counts = _group(labels)
    model = _Etf(values, counts, int(index[labels.argmax()]), m, lam, loss)
    centre, radius, bits = _enclose(model, digits)
    with ctx.workprec(bits):
        q = _inflate(centre, radius)  # no coordinate errs by more than the vector does
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
    lam = _scalar(lambda_h, "lambda_h", positive=True)
    _check_choices(loss, digits)
    labels = _label(y)
    rows = _matrix(W, len(labels))
    model = _Dense(labels, rows, lam, loss)
    centre, radius, bits = _enclose(model, digits)
    with ctx.workprec(bits):
        # |w_k · (h − h*)| ≤ ‖w_k‖ radius: tighter than multiplying W into a box.
        midpoints = model.logits(centre)
        logits = tuple(z + arb(0, _norm(w) * radius) for z, w in zip(midpoints, model.W.tolist()))
        return Enclosure(centre, model.counts, radius, np.arange(len(labels)), logits, None, bits)


def distance_between(
    candidate_a: ArrayLike, candidate_b: ArrayLike, *, isometric: bool = False
) -> tuple[float, float]:
    """Lower and upper bound of ‖a − b‖ for two float vectors, or of ‖Π(a − b)‖ if `isometric` (as for q).

    The bounds are equal floats (an exact length) or adjacent ones. (inf, inf) if an entry is not finite.
    """
    a = _vector(candidate_a, "candidate_a", None)
    b = _vector(candidate_b, "candidate_b", len(a))
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return math.inf, math.inf
    with ctx.workprec(_EXACT_BITS):
        differences = [arb(u) - arb(v) for u, v in zip(a.tolist(), b.tolist())]
        square = sum((x * x for x in differences), arb(0))
        if isometric:  # K ‖Πx‖² = K Σx² − (Σx)² cancels, but every term of it is exact here
            total = sum(differences, arb(0))
            square = (len(a) * square - total * total) / len(a)
        return _bounds(square.nonnegative_part().sqrt(), 0.0)


# --- the two models: logits and gradient in balls, Newton step for midpoints -----------------------------


class _Etf:
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
        return _complete(self.values, self.counts, self.top)

    def logits(self, q: Balls) -> Balls:
        return [self.root_g * x for x in q]

    def residual(self, z: Balls) -> Balls:
        """∂ℓ/∂z projected on 1⊥: p − y, or z − (y − 1/K)."""
        if self.loss == "cross-entropy":
            return _subtract(_softmax(z, self.counts), self.labels())
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
        p = _softmax(self.logits(q), self.counts)
        c = [g * x + self.lam for x in p]
        pivot = self.lam * _total([x / d for x, d in zip(p, c)], self.counts)
        common = g * _total([x * v / d for x, v, d in zip(p, force, c)], self.counts) / pivot
        return [(v + common * x) / d for x, v, d in zip(p, force, c)]

    def is_zero_optimal(self) -> bool:
        """Whether 0 is stationary, exactly: m = 0 or K y = 1."""
        return self.m.is_zero() or all((self.classes * y - 1).is_zero() for y in self.labels())

    def coefficients(self, q: Balls) -> Balls:
        """z/g = q/√g, which equals −(∂ℓ/∂z)/λ_H at the optimum; at m = 0 the latter, of z = 0."""
        if self.m.is_zero():
            return [-r / self.lam for r in self.residual(q)]
        return [x / self.root_g for x in q]


class _Dense:
    """f in the entries of h, for any W. Call under ctx.workprec."""

    def __init__(self, labels: np.ndarray, rows: np.ndarray, lam: float, loss: str):
        self.values, self.top, self.lam, self.loss = labels.tolist(), int(labels.argmax()), arb(lam), loss
        self.W = arb_mat(rows.tolist())
        self.counts = (1,) * rows.shape[1]

    @property
    def stiffness(self) -> arb:
        """‖W‖_F²/λ_H ≥ the condition number of the Hessian less 1."""
        size = _norm(self.W.entries())
        return size * size / self.lam

    def labels(self) -> Balls:
        return _complete(self.values, [1] * len(self.values), self.top)

    def logits(self, h: Balls) -> Balls:
        return (self.W * _column(h)).entries()

    def residual(self, z: Balls) -> Balls:
        """∂ℓ/∂z: p − y, or z − y."""
        prediction = _softmax(z, [1] * len(z)) if self.loss == "cross-entropy" else z
        return _subtract(prediction, self.labels())

    def gradient(self, h: Balls) -> Balls:
        """Wᵀ ∂ℓ/∂z + λ_H h."""
        pulled = (self.W.transpose() * _column(self.residual(self.logits(h)))).entries()
        return [v + self.lam * x for v, x in zip(pulled, h)]

    def step(self, h: Balls) -> Balls:
        """Newton step (λ_H + WᵀSW) δ = −∇f, S the Hessian of ℓ; for K < d by a K×K system (Woodbury)."""
        force = -1 * _column(self.gradient(h))
        SW, W = self.curve(self.logits(h)), self.W
        if W.nrows() >= W.ncols():
            return _solve(self.lam, W.transpose() * SW, force).entries()
        inner = _solve(self.lam, SW * W.transpose(), SW * force)
        return ((force - W.transpose() * inner) * (1 / self.lam)).entries()

    def curve(self, z: Balls) -> arb_mat:
        """S W, K×d: S = diag(p) − ppᵀ takes row k to p_k (w_k − Σ p_l w_l); S = I for squared error."""
        if self.loss == "squared-error":
            return self.W
        p = _column(_softmax(z, [1] * len(z)))
        mean = (p.transpose() * self.W).entries()
        scaled = [x * (w - v) for x, row in zip(p.entries(), self.W.tolist()) for w, v in zip(row, mean)]
        return arb_mat(self.W.nrows(), self.W.ncols(), scaled)

    def is_zero_optimal(self) -> bool:
        """Whether 0 is stationary, exactly: Wᵀ(1 − K y) = 0, or Wᵀ y = 0."""
        y = self.labels()
        pull = [1 - len(y) * x for x in y] if self.loss == "cross-entropy" else y
        return all(x.is_zero() for x in (self.W.transpose() * _column(pull)).entries())


# --- candidate, radius, precision ------------------------------------------------------------------------


def _enclose(model: _Etf | _Dense, digits: int) -> tuple[tuple[arb, ...], float, int]:
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
            radius = _above(_norm(model.gradient(point), model.counts) / model.lam)
            # The radius is a double: below the least of them there is nothing to ask for.
            if radius == math.ulp(0.0) or arb(radius) <= _norm(point, model.counts) * arb(10) ** -digits:
                return tuple(point), radius, bits
        bits *= 2
    raise ArithmeticError(
        f"enclosure: {MAX_BITS} bits do not reach {digits} digits (last radius {radius:.3g});"
        " ask for fewer digits, or rescale W and lambda_h towards 1"
    )


def _first_bits(model: _Etf | _Dense, digits: int) -> int:
    """Bits of the digits, twice those of the condition number (Newton, Woodbury divide by it), a guard."""
    lost = (1 + model.stiffness).log() / arb(2).log()
    wanted = 64 + math.ceil(3.33 * digits) + 2 * math.ceil(float(lost.upper()))
    return min(max(wanted, 128), MAX_BITS)


def _refine(model: _Etf | _Dense, point: Balls) -> Balls:
    """Damped Newton on midpoints, from any point; one step more once a step falls below half the digits."""
    settled = arb(2) ** -(ctx.prec // 2)
    for _ in range(_MAX_NEWTON_STEPS):
        step = _midpoints(model.step(point))
        scale = _damping(model.logits(step)) if model.loss == "cross-entropy" else arb(1)
        point = _midpoints([x + scale * s for x, s in zip(point, step)])
        if scale == 1 and _norm(step).mid() <= settled * _norm(point).mid():
            return _midpoints([x + s for x, s in zip(point, model.step(point))])
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


def _complete(values: Sequence[float], counts: Sequence[int], top: int) -> list[arb]:
    """The label: the doubles as they are, but entry `top` (of count 1) equal to 1 − Σ of the others."""
    y = [arb(v) for v in values]
    y[top] = arb(0)
    y[top] = 1 - _total(y, counts)
    return y


def _softmax(z: Balls, counts: Sequence[int]) -> list[arb]:
    """p = e^z/Σe^z with multiplicities; shifted by an exact number so that no exponential overflows."""
    top = max(x.mid() for x in z)
    weights = [(x - top).exp() for x in z]
    normaliser = _total(weights, counts)
    return [w / normaliser for w in weights]


def _total(values: Balls, counts: Sequence[int]) -> arb:
    return sum((n * x for n, x in zip(counts, values)), arb(0))


def _mean(values: Balls, counts: Sequence[int]) -> arb:
    return _total(values, counts) / sum(counts)


def _norm(values: Balls, counts: Sequence[int] | None = None) -> arb:
    """√(Σ n x²), the square clipped at zero: its ball may reach below, the number cannot."""
    squares = [x * x for x in values]
    return _total(squares, counts or [1] * len(squares)).nonnegative_part().sqrt()


def _subtract(left: Balls, right: Balls) -> list[arb]:
    return [u - v for u, v in zip(left, right)]


def _midpoints(balls: Balls) -> Balls:
    return [x.mid() for x in balls]


def _inflate(midpoints: Balls, radius: float) -> tuple[arb, ...]:
    return tuple(x + arb(0, radius) for x in midpoints)


def _column(values: Balls) -> arb_mat:
    return arb_mat(len(values), 1, list(values))


def _diagonal(values: Balls) -> arb_mat:
    size = len(values)
    return arb_mat(size, size, [values[i] if i == j else 0 for i in range(size) for j in range(size)])


def _solve(lam: arb, matrix: arb_mat, right: arb_mat) -> arb_mat:
    """(λ + matrix)⁻¹ right, approximately: an error here only costs a Newton step."""
    return (_diagonal([lam] * matrix.nrows()) + matrix).solve(right, algorithm="approx")


def _above(ball: arb) -> float:
    """The least double ≥ the ball, or the one after it; inf where there is none, or for nan."""
    if ball.is_nan():
        return math.inf
    upper = ball.upper()
    nearest = float(upper)
    return nearest if arb(nearest) >= upper else math.nextafter(nearest, math.inf)


def _bounds(length: arb, radius: float) -> tuple[float, float]:
    """Outward doubles for a length known up to ± radius."""
    lower, upper = -_above(-(length - radius)), _above(length + radius)
    return max(0.0, lower), upper


# --- input -----------------------------------------------------------------------------------------------


def _group(labels: np.ndarray) -> tuple[np.ndarray, list[float], tuple[int, ...]]:
    """Group equal labels: index (K,), values and counts of groups; the first largest is a group alone."""
    keyed = labels.copy()
    keyed[labels.argmax()] = math.inf
    values, index, counts = np.unique(keyed, return_inverse=True, return_counts=True)
    return index, values.tolist(), tuple(counts.tolist())


def _distinct(groups: np.ndarray, values: np.ndarray) -> tuple[list[int], Balls, list[int]]:
    """The distinct pairs (group, value) and how often each occurs."""
    # numpy sorts complex numbers by real, then imaginary part: exactly the order of such pairs.
    pairs, counts = np.unique(groups + 1j * values, return_counts=True)
    return pairs.real.astype(int).tolist(), [arb(x) for x in pairs.imag.tolist()], counts.tolist()


def _scalar(value: SupportsFloat, name: str, *, positive: bool) -> float:
    """The double of a number: of a Python or NumPy one, or of any other type that converts itself."""
    plain = isinstance(value, (bool, np.bool_, str, bytes, complex)) or getattr(value, "ndim", 0) > 0
    try:
        number = math.nan if plain else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    allowed = "> 0" if positive else "≥ 0"
    if not (math.isfinite(number) and (number > 0 if positive else number >= 0)):
        raise InputError(f"{name}: given {value!r}; allowed: a finite number {allowed}")
    return number


def _check_choices(loss: str, digits: int) -> None:
    checked.choice("loss", loss, LOSSES)
    checked.integer("digits", digits, 1, 1000)  # 30 is far below any float64 error


def _vector(values: ArrayLike, name: str, size: int | None) -> np.ndarray:
    return checked.numbers(name, values, (size or "n",)).astype(np.float64)


def _matrix(W: ArrayLike, classes: int) -> np.ndarray:
    return checked.array("W", W, (classes, "d"))


def _label(y: ArrayLike) -> np.ndarray:
    """A soft label by the rule of `ufm.soft_labels`; its largest entry is completed in balls, not here."""
    labels = checked.numbers("y", y, ("K",))
    return accept(labels[None], "y")[0]
