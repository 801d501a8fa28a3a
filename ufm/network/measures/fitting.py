"""How well the closed form explains centred logits z = V h + b − b̄ (V = W − w̄): R² with one fitted scalar a.

    R²(a) = 1 − Σ ‖z − z_a(y)‖² / Σ ‖z − z̄‖²,   z_a(y) = a (y − p),   a = m² K/((K−1) λ_H),

always beside the linear baseline z = s (y − 1/K), s by least squares, which is what squared error and small
a predict. The mean row of W is taken out: it never acts on the softmax.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize_scalar

import ufm.rules.numbers as checked
from ufm.model.etf import etf_multiplier, sharpness
from ufm.network.measures.curve import curve_at, label_values
from ufm.network.measures.mixed import three_values
from ufm.network.read.activations import Chunk
from ufm.network.read.label_rows import LabelBlock, two_classes
from ufm.network.read.together import Measure, Rows, alone
from ufm.network.resample import BLOCK, Estimate, Replicated, Reservoir, check_bootstrap, curve, cut
from ufm.rules.errors import InputError
from ufm.runtime.programs import program
from ufm.theory.features import label_optimum
from ufm.theory.multiplier import require_float64

FLOOR = 1e-14  # logits that differ by less, in nats, are equal
FLAT = 1e-3  # a counts as identified if halving and doubling it both cost more R² than this
GRID = np.log(10.0) * np.arange(-4.0, 16.5, 0.5)  # log a where the search starts


@dataclass(frozen=True)
class Fit:
    """R² of the closed form on all samples; None where all logits are equal.

    r2: at the fitted a. r2_linear, linear_slope: of s (y − 1/K). r2_half, r2_double: at a/2 and 2a. a_identified:
    both of these lie more than FLAT below r2; else the data say only the order of magnitude of a, or an end of the
    range searched, 1e-4 … 1e16, was met: at large a the logits grow like log a. at_end: the latter. a_interval: of
    a by a Gauss–Newton step of log a for each bootstrap replicate (None where nothing was fitted, or without
    replicates). r2_known: at a_known = m² K/((K−1) λ_H), m = ‖V‖_F/√K, nothing fitted (None without λ_H).
    r2_interval: of r2_known, or of r2 without it; advantage: that R² less r2_linear, with its interval (bootstrap;
    NaN ends without replicates). sample: samples used to find a; count: samples of positive weight, used for R².
    accuracy: weighted share of samples whose largest logit is where their largest label is.
    """

    r2: float | None
    r2_linear: float | None
    linear_slope: float
    a: float
    a_interval: tuple[float, float] | None
    a_identified: bool
    r2_half: float | None
    r2_double: float | None
    r2_known: float | None
    a_known: float | None
    at_end: bool
    r2_interval: tuple[float, float] | None
    advantage: Estimate | None
    sample: int
    count: int
    accuracy: float


def fit_sharpness(
    chunks: Callable[[], Iterable[Chunk]],
    W: Float[np.ndarray, "K d"],
    b: Float[np.ndarray, " K"] | None = None,
    lambda_h: float | None = None,
    *,
    size: int = 2000,
    replicates: int = 0,
    level: float = 0.95,
    seed: int = 0,
) -> Fit:
    """Fit a to a seeded random subsample of `size` samples, then take every R² from all of them.

    Reads the stream twice. Any soft labels; weights are respected. Raises InputError without samples or for
    λ_H <= 0, RuntimeError without float64.
    """
    _check(lambda_h, size)
    W = checked.array("W", W, ("K", "d"))
    b = None if b is None else checked.array("b", b, (len(W),))
    check_bootstrap(replicates, level, seed)

    def both() -> Measure[Fit]:
        look = yield from first_look(W, lambda_h, size, seed)
        return (yield from explained(look, replicates, level, seed))

    return alone(both(), chunks, W, b)


@dataclass(frozen=True, eq=False)
class Look:
    """What one reading gives: z̄, slope of the linear baseline, the fitted a and the known one (None without λ_H),
    rows of the subsample; count, weight and accuracy of all rows."""

    mean: Float[np.ndarray, " K"]
    slope: float
    a: float
    known: float | None
    sample: int
    count: int
    mass: float
    accuracy: float


def first_look(
    W: Float[np.ndarray, "K d"], lambda_h: float | None, size: int = 2000, seed: int = 0
) -> Measure[Look]:
    """The first reading of `fit_sharpness`."""
    require_float64()
    first = _First(Reservoir(size, seed))
    yield first.add
    sample, known = first.subsample(), known_sharpness(W, lambda_h)
    numbers = len(first.reservoir.index), first.count, first.mass, first.hits / first.mass
    return Look(first.mean, first.slope, _best_sharpness(*sample), known, *numbers)


def known_sharpness(W: Float[np.ndarray, "K d"], lambda_h: float | None) -> float | None:
    """a = m² K/((K−1) λ_H) of W − w̄; None without λ_H, or where it is 0."""
    return (lambda_h and sharpness(len(W), etf_multiplier(W - W.mean(0)), lambda_h)) or None


def explained(look: Look, replicates: int = 0, level: float = 0.95, seed: int = 0) -> Measure[Fit]:
    """The second reading of `fit_sharpness`."""
    a, known = look.a, look.known
    trials = [a, a / 2, 2 * a, *([known] if known else [])]
    sums = Replicated(4 + len(trials), 1, replicates, seed)
    # two threads share the trials: one takes them from the first on, the other from the last
    yield partial(_unexplained, sums, look, trials), lambda rows: rows.solve(reversed(trials))
    found = sums.sums()[0].T
    steps, table = found[-2:], found[:-2] if found[0, 0] > FLOOR**2 * look.mass else None
    r2_linear, r2, half, double, *r2_known = _explained(table, len(trials))
    interval, advantage = (None, None) if table is None else _intervals(table, -1 if known else 2, level)
    at_end = bool(not GRID[0] < np.log(a) < GRID[-1])
    return Fit(
        r2=r2,
        r2_linear=r2_linear,
        linear_slope=look.slope,
        a=a,
        a_interval=None if at_end else _around(a, steps, level),
        a_identified=not at_end and _peaked(r2, half, double),
        r2_half=half,
        r2_double=double,
        r2_known=r2_known[0] if known else None,
        a_known=known,
        at_end=at_end,
        r2_interval=interval,
        advantage=advantage,
        sample=look.sample,
        count=look.count,
        accuracy=look.accuracy,
    )


def _check(lambda_h: float | None, size: int) -> None:
    if lambda_h is not None:
        checked.penalty("lambda_h", lambda_h)
    checked.integer("size", size, 1)


def _peaked(here: float | None, half: float | None, double: float | None) -> bool:
    """Whether R² falls on both sides of the fitted a."""
    return here is not None and half is not None and double is not None and here - max(half, double) > FLAT


def _explained(table, trials: int) -> list[float] | list[None]:
    """R² of the linear baseline and of each trial; None each where all logits are equal."""
    return [None] * (1 + trials) if table is None else (1 - table[1:, 0] / table[0, 0]).tolist()


def _intervals(table, row: int, level: float) -> tuple[tuple[float, float], Estimate]:
    """Of R² of one row of the table, and of what it has over the linear baseline."""
    r2, linear = (1 - table[n] / np.where(table[0] > 0, table[0], np.nan) for n in (row, 1))
    found = curve(r2, level)
    advantage = curve(r2 - linear, level)
    return (float(found.low), float(found.high)), Estimate(*map(float, advantage))


def _around(a: float, steps, level: float) -> tuple[float, float] | None:
    """a e^s over the replicates' steps s = Σ ⟨rest, slope⟩ / Σ ‖slope‖², and the estimate itself, within the range
    that is searched."""
    push, size = steps
    found = curve(push / np.where(size > 0, size, np.nan), level)
    ends = np.array([0.0, found.value, found.low, found.high])
    if not np.isfinite(ends).all():
        return None
    ends = a * np.exp(np.clip(ends, GRID[0] - np.log(a), GRID[-1] - np.log(a)))  # a e⁰ is a to the last bit
    return float(min(ends)), float(max(ends))


def closed_logits(labels: LabelBlock, a: float) -> tuple[np.ndarray, np.ndarray]:
    """z_a(y) (n, K), rows summing to zero, and a ∂z_a/∂a, for labels of any kind; any number of rows."""
    z, slope = np.empty((2, len(labels.i), labels.classes))
    pair = labels.i >= 0
    if (rows := np.flatnonzero(pair)).size:
        i, j, lam = two_classes(cut(labels, rows))
        found = curve_at(a, labels.classes, labels.delta)(lam)
        z[rows], slope[rows] = (_spread(part, i, j, labels.classes) for part in (found.z, found.slope))
    for rows in _parts(np.flatnonzero(~pair)):
        found = _soft_logits(_pad(cut(labels, rows).dense()), a)
        z[rows], slope[rows] = (np.asarray(part)[: len(rows)] for part in found)
    return z, slope


def _spread(values: Float[np.ndarray, "n 3"], i, j, classes: int) -> Float[np.ndarray, "n K"]:
    """Rows of what is at i, at j and elsewhere."""
    rows, found = np.arange(len(values)), np.repeat(values[:, 2:], classes, 1)
    found[rows, i], found[rows, j] = values[:, 0], values[:, 1]
    return found


def _parts(rows: np.ndarray) -> list[np.ndarray]:
    return [rows[n : n + BLOCK] for n in range(0, len(rows), BLOCK)]


def _pad(part: np.ndarray) -> np.ndarray:
    """Fill up to one of two sizes by repeating the last row: few compilations."""
    width = BLOCK if len(part) > BLOCK // 4 else BLOCK // 4
    return np.pad(part, ((0, width - len(part)), *[(0, 0)] * (part.ndim - 1)), mode="edge")


@program()
def _soft_logits(Y, a):
    def logits(a):
        x = label_optimum(Y, jnp.ones_like(Y), a).x
        return x - jnp.mean(x, -1, keepdims=True)

    return jax.jvp(logits, (a,), (a,))


class _First:
    """First pass: mean logits, slope of the linear baseline, and a subsample."""

    def __init__(self, reservoir: Reservoir):
        self.reservoir, self.count, self.mass, self.hits = reservoir, 0, 0.0, 0.0
        self.total, self.product, self.square, self.delta = np.zeros(()), 0.0, 0.0, 0.0

    def add(self, rows: Rows) -> None:
        Y, z, weights = rows.Y, rows.z, rows.weights
        centred = Y - 1 / Y.shape[1]
        self.count, self.mass = self.count + int(rows.use.sum()), self.mass + float(weights.sum())
        self.hits += float(weights @ (z.argmax(1) == Y.argmax(1)))
        self.total = self.total + weights @ z
        self.product += float(weights @ np.vecdot(z, centred))
        self.square += float(weights @ np.einsum("nk,nk->n", centred, centred))
        self.delta = rows.labels.delta
        self.reservoir.add(rows.start, rows.use, z, *rows.labels[:3], Y, weights)

    @property
    def mean(self) -> np.ndarray:
        """z̄."""
        return self.total / self.mass

    @property
    def slope(self) -> float:
        """s = Σ ⟨z, y − 1/K⟩ / Σ ‖y − 1/K‖²; 0 if every label is uniform."""
        return self.product / self.square if self.square > 0 else 0.0

    def subsample(self) -> tuple[np.ndarray, LabelBlock, np.ndarray]:
        """z, labels and weights of the subsample."""
        if self.mass == 0:
            raise InputError("the stream has no samples of positive weight")
        z, i, j, lam, Y, weights = self.reservoir.rows
        return z, LabelBlock(i, j, lam, Y, z.shape[1], self.delta), weights


def _best_sharpness(z, labels: LabelBlock, weights) -> float:
    """argmin over a of Σ ‖z − z_a‖²: a grid of log a, Brent's method about its best, Gauss–Newton to rounding."""
    pair = labels.i >= 0
    kinds: list[tuple[np.ndarray, Callable[[float], tuple]]] = []
    if pair.any():
        kinds.append((weights[pair], _of_pairs(z[pair], cut(labels, pair))))
    if not pair.all():
        kinds.append((weights[~pair], partial(_of_soft, z[~pair], cut(labels, ~pair))))

    def misfit(log_a: float) -> tuple[float, float]:
        """Σ ‖z − z_a‖² and the Gauss–Newton step of log a."""
        a = float(np.exp(log_a))
        value, push, size = np.sum([w @ np.stack(found(a), 1) for w, found in kinds], 0)
        return float(value), float(push / size) if size > 0 else 0.0

    values = [misfit(log_a)[0] for log_a in GRID]
    best = int(np.argmin(values))
    ends = GRID[max(best - 1, 0)], GRID[min(best + 1, len(GRID) - 1)]
    log_a: float = minimize_scalar(
        lambda t: misfit(t)[0], bounds=ends, method="bounded", options={"xatol": 1e-6}
    ).x
    log_a = log_a if misfit(log_a)[0] <= values[best] else GRID[best]
    value, step = misfit(log_a)
    for _ in range(10):
        trial = float(np.clip(log_a + step, *ends))
        lower, following = misfit(trial)
        if not lower < value:
            break
        log_a, value, step = trial, lower, following
    return float(np.exp(log_a))


def _of_pairs(z, labels: LabelBlock) -> Callable[[float], tuple]:
    """‖z − z_a‖², ⟨z − z_a, ∂z_a/∂ log a⟩ and ‖∂z_a/∂ log a‖² of each row, of two-hot labels, by three numbers."""
    (i, j, lam), counts = two_classes(labels), np.array([1.0, 1.0, labels.classes - 2.0])
    seen, spread = three_values(z.copy(), i, j)

    def at(a: float) -> tuple:
        found = curve_at(a, labels.classes, labels.delta)(lam)
        rest, slope = seen - found.z, found.slope
        return rest**2 @ counts + spread, (rest * slope) @ counts, slope**2 @ counts

    return at


def _of_soft(z, labels: LabelBlock, a: float) -> tuple:
    """The same at a of labels of any kind."""
    z_a, slope = closed_logits(labels, a)
    rest = z - z_a
    return np.vecdot(rest, rest), np.vecdot(rest, slope), np.vecdot(slope, slope)


def _unexplained(sums: Replicated, look: Look, trials: list[float], rows: Rows) -> None:
    """Adds ‖z − z̄‖², ‖z − linear baseline‖² and ‖z − z_a‖² for each a (z̄ and the slope as they are), and what moves
    the first a: ⟨z − z_a, ∂z_a/∂ log a⟩ and ‖∂z_a/∂ log a‖²."""
    columns, pair = np.empty((len(rows), 4 + len(trials))), rows.labels.i >= 0
    apart = rows.z - look.mean
    columns[:, 0] = np.vecdot(apart, apart)
    for some, measured in ((pair, _pair_misfits), (~pair, _soft_misfits)):
        if some.any():
            columns[some, 1:] = measured(rows, slice(None) if some.all() else some, look.slope, trials)
    columns *= rows.weights[:, None]
    place = np.arange(len(rows))
    sums.add(rows.start, place, np.zeros_like(place), columns)


def _pair_misfits(rows: Rows, some, slope: float, trials: list[float]) -> Float[np.ndarray, "n c"]:
    """‖z − s (y − 1/K)‖² and ‖z − z_a‖² for each a; ⟨z − z_a, ∂z_a/∂ log a⟩ and ‖∂z_a/∂ log a‖² of the first a: of
    two-hot labels, whose z_a has three values: at i, at j, and elsewhere, where z has a mean and is spread about it
    whatever a is."""
    K, delta = rows.labels.classes, rows.labels.delta
    i, j, lam = (part[some] for part in rows.pairs)
    seen, spread = three_values(rows.z[some].copy(), i, j)
    counts = np.array([1.0, 1.0, K - 2.0])
    baseline = slope * (label_values(lam, delta, K) - 1 / K)
    apart = [seen - values for values in (baseline, *(rows.solved(a).z[some] for a in trials))]
    first = rows.solved(trials[0]).slope[some]
    push = (apart[1] * first) @ counts, first**2 @ counts
    return np.stack([*(part**2 @ counts + spread for part in apart), *push], 1)


def _soft_misfits(rows: Rows, some, slope: float, trials: list[float]) -> Float[np.ndarray, "n c"]:
    """The same of labels of any kind."""
    labels, z = cut(rows.labels, some), rows.z[some]
    found = [_of_soft(z, labels, a) for a in trials]
    apart = z - slope * (labels.dense() - 1 / labels.classes)
    return np.stack([np.vecdot(apart, apart), *(part[0] for part in found), *found[0][1:]], 1)
