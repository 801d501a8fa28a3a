"""Label laws: probability measures on soft labels, sampled and by quadrature.

A law is exchangeable when permuting classes leaves it unchanged. Then it is a mixture of
*patterns*: values v_1 … v_r, repeated counts n_1 … n_r times (Σ n = K), placed on the K classes
uniformly at random. Mixup of different classes is the pattern (λ, 1−λ, 0) × (1, 1, K−2).

Laws (K classes; λ, weights drawn independently of classes):
  mixup(α)      λ ~ Beta(α, α), y = λ e_i + (1−λ) e_j, (i, j) uniform over ordered pairs
  cutmix(α)     λ = 1 − area of a box clipped to the unit square, side √(1−λ₀), centre
                uniform, λ₀ ~ Beta(α, α); y as in mixup
  kway(α, k)    y = Σ_l u_l e_{i_l}, i_l uniform with replacement, u ~ Dirichlet(α, …, α)
  onehot()      y = e_i
  soft(Y, π)    the rows of a user's array with probabilities π (default: equally likely); not assumed exchangeable:
                `ufm.model.is_exchangeable` looks
`pairs` restricts (i, j) to "different" or "same" classes, or to the "cyclic" pairs (i, i+1 mod K);
`class_weights` q draws i and j independently with probabilities q; `smoothing` δ maps every
label to (1−δ) y + δ/K. Cyclic pairs and unequal weights are not exchangeable.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import ceil, factorial, log10, perm
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

import ufm.rules.numbers as checked
from ufm.model.quadrature import beta_gauss, beta_rule, compress, edge_gauss, gauss, graded_rule, product_rule
from ufm.rules.errors import InputError
from ufm.rules.soft_labels import normalise, repair

MAX_ALPHA, MAX_WAYS = 1e9, 6
TWO_HOT = ("mixup", "cutmix", "onehot")
PAIRS = ("all", "different", "same", "cyclic")


@dataclass(frozen=True, eq=False)
class LabelLaw:
    """A law of soft labels; build it with `mixup`, `cutmix`, `kway`, `onehot`, `smooth` or `soft`.

    off: how far given labels were from sums of one where they had to be normalised (see `ufm.rules.soft_labels`).
    """

    name: str
    alpha: float | None = None
    pairs: str = "all"
    smoothing: float = 0.0
    ways: int = 2
    labels: np.ndarray | None = None
    class_weights: tuple[float, ...] | None = None
    off: float = 0.0
    label_weights: np.ndarray | None = None

    def __post_init__(self):
        if not isinstance(self.name, str) or self.name not in (*TWO_HOT, "kway", "smoothing", "labels"):
            raise InputError(f"unknown label law {self.name!r}")
        self._check_labels()
        if self.alpha is None and self.name in ("mixup", "cutmix", "kway"):
            raise InputError(f"{self.name} labels need alpha")
        if self.alpha is not None and checked.positive("alpha", self.alpha) > MAX_ALPHA:
            raise InputError(f"alpha must be at most {MAX_ALPHA:g} (beyond it λ is ½), got {self.alpha}")
        checked.choice("pairs", self.pairs, PAIRS)
        if self.name == "onehot":  # there is no second class
            object.__setattr__(self, "pairs", "same")
        checked.real("smoothing", self.smoothing, "lie in [0, 1)", lambda share: 0 <= share < 1)
        checked.integer("ways", self.ways, 2, MAX_WAYS)
        if self.class_weights is not None:
            object.__setattr__(self, "class_weights", _check_weights(self.class_weights))
            if self.name not in TWO_HOT:
                raise InputError(f"class weights do not apply to {self.name} labels")
        if self.label_weights is not None:
            object.__setattr__(self, "label_weights", _check_label_weights(self.label_weights, self.labels))

    @property
    def probabilities(self) -> Float[np.ndarray, " N"]:
        """Of the given labels, one a row: their weights, or 1/N each."""
        if self.label_weights is not None:
            return self.label_weights
        return np.full(len(self.given), 1 / len(self.given))

    @property
    def given(self) -> Float[np.ndarray, "N K"]:
        """The labels of a law that has some."""
        assert self.labels is not None, self.name
        return self.labels

    @property
    def concentration(self) -> float:
        """α of a law that has one."""
        assert self.alpha is not None, self.name
        return self.alpha

    def _check_labels(self) -> None:
        if (self.labels is None) == (self.name == "labels"):
            raise InputError(f"labels are given to the law of that name alone, by soft(Y), got {self.name!r}")
        if self.labels is not None:
            Y, off = repair(self.labels)
            object.__setattr__(self, "labels", Y)
            object.__setattr__(self, "off", max(off, self.off))

    @property
    def exchangeable(self) -> bool:
        """Invariant under permutations of the classes, by construction of the law."""
        even = self.class_weights is None or len(set(self.class_weights)) == 1
        return self.labels is None and self.pairs != "cyclic" and even

    @property
    def two_hot(self) -> bool:
        """Every label is λ e_i + (1−λ) e_j, so rows are indexed by (kind, λ)."""
        return self.name in TWO_HOT and self.smoothing == 0


def _check_weights(weights) -> tuple[float, ...]:
    q = checked.numbers("class weights", weights, ("K",)).astype(float)
    if len(q) < 2 or not (q > 0).all() or not abs(q.sum() - 1) <= checked.SUM:
        raise InputError(f"class weights must be positive and sum to 1 (within 1e-9), got {q.tolist()}")
    return tuple((q / q.sum()).tolist())


def _check_label_weights(weights, labels: np.ndarray | None) -> Float[np.ndarray, " N"]:
    """Probabilities of N given labels; 0 is allowed: such a label has a row, and no share in any mean."""
    if labels is None:
        raise InputError("label weights need labels of their own: soft(Y, weights)")
    q = np.asarray(weights)
    if q.dtype.kind not in "fiu" or q.shape != (len(labels),):
        raise InputError(
            f"weights must be {len(labels)} numbers, one a label, got {q.dtype} of shape {q.shape}"
        )
    q = q.astype(np.float64)
    bad = ~np.isfinite(q) | (q < 0)
    if bad.any():
        row = int(np.argmax(bad))
        raise InputError(
            f"weights must be finite and >= 0, got {q[row]} for label {row} (labels count from 0)"
        )
    if abs(q.sum() - 1) > 1e-9:
        raise InputError(f"weights must sum to 1 (within 1e-9), these {len(q)} sum to {q.sum():.12g}")
    return q / q.sum()


def mixup(alpha: float, pairs: str = "all", smoothing: float = 0.0) -> LabelLaw:
    """Mixup: λ ~ Beta(α, α)."""
    return LabelLaw("mixup", alpha=alpha, pairs=pairs, smoothing=smoothing)


def cutmix(alpha: float, pairs: str = "all", smoothing: float = 0.0) -> LabelLaw:
    """CutMix: λ is one minus the clipped area of the pasted box."""
    return LabelLaw("cutmix", alpha=alpha, pairs=pairs, smoothing=smoothing)


def kway(alpha: float, ways: int = 3, smoothing: float = 0.0) -> LabelLaw:
    """k-way mixing: `ways` classes with replacement, Dirichlet(α) weights."""
    return LabelLaw("kway", alpha=alpha, ways=ways, smoothing=smoothing)


def onehot() -> LabelLaw:
    """One-hot labels e_i."""
    return LabelLaw("onehot")


def smooth(delta: float) -> LabelLaw:
    """Label smoothing (1−δ) e_i + δ/K."""
    return LabelLaw("smoothing", pairs="same", smoothing=delta)


def soft(labels: np.ndarray, weights: np.ndarray | None = None) -> LabelLaw:
    """A user's soft labels, one a row, checked by `normalise`; weights: their probabilities, default 1/N each."""
    return LabelLaw("labels", labels=normalise(labels), label_weights=weights)


class MixingRule(NamedTuple):
    """Nodes of a measure on λ: λ and 1−λ, each to full relative accuracy, and weights (Σ = 1)."""

    lam: np.ndarray
    colam: np.ndarray
    weight: np.ndarray


def fineness(name: str, classes: int) -> int:
    """How much finer the panels of a rule for mixup must be: optima change the faster with logit λ the larger K is.

    Without it the jointly optimal a is off by up to 1e-11, 6e-9, 2e-7, 1e-5 of itself at K = 100, 1000, 10⁴, 10⁷,
    with it by less than 1e-12. CutMix's rule is of twice as many panels to begin with.
    """
    return 1 if name != "mixup" or classes <= 30 else 1 + ceil(log10(classes / 30))


def mixing_rule(law: LabelLaw, refine: int = 1) -> MixingRule:
    """A converged quadrature over the continuous law of λ, for integrands with edge layers.

    Integrands of this subject vary over log λ and log(1−λ), with layers of width 1/a at
    both ends, so nodes are Gauss–Legendre panels in logit λ. `refine` multiplies the
    number of panels: the change is the reported discretisation error.
    """
    if law.name == "onehot" or law.alpha is None:
        return MixingRule(np.ones(1), np.zeros(1), np.ones(1))
    if law.name == "mixup":
        return MixingRule(*beta_rule(law.alpha, law.alpha, refine))
    if law.name == "cutmix":
        return _cutmix_rule(law.alpha, refine)
    raise NotImplementedError(f"{law.name} labels have no law of λ here")


@lru_cache(maxsize=8)
def _cutmix_rule(alpha: float, refine: int) -> MixingRule:
    """A second's work, and asked for by the threshold, the multiplier and the draws of one command."""
    lam, colam, weight = _cutmix_points(*beta_rule(alpha, alpha, refine), refine)
    rule = MixingRule(*compress(lam, colam, weight, refine))
    for part in rule:
        part.flags.writeable = False
    return rule


def _cutmix_points(lam0, side2, weight, refine):
    """Points of the CutMix law: 1−λ = (1−λ₀) v, v the share of the box inside the image.

    Along one axis the box of side w keeps a share 1 with probability 1−w, else uniform
    on [½, 1]. So v is 1 with probability (1−w)², has density 2 on [½, 1] with 2w(1−w),
    and is a product of two such uniforms with w²: density 4 log 4v below ½, −4 log v above.
    """
    lost, step = graded_rule(2 * refine)  # nodes of 1−v on [0, ½], graded towards 0
    low, low_step = np.polynomial.legendre.leggauss(24)
    low = 0.375 + 0.125 * low
    shares = np.concatenate([[1.0], 1 - lost, 1 - lost, low])
    lost = np.concatenate([[0.0], lost, lost, 1 - low])
    w = np.sqrt(side2)[:, None]
    parts = [
        (1 - w) ** 2,
        2 * w * (1 - w) * (2 * step),
        w**2 * (-4 * np.log1p(-lost[1 : 1 + len(step)]) * step),
        w**2 * (0.125 * low_step * 4 * np.log(4 * low)),
    ]
    mass = weight[:, None] * np.concatenate([np.broadcast_to(p, (len(w), p.shape[1])) for p in parts], 1)
    s = side2[:, None]
    return (lam0[:, None] + s * lost).ravel(), (s * shares).ravel(), mass.ravel()


def gauss_lam(law: LabelLaw, nodes: int) -> MixingRule:
    """The N-point Gauss rule of the law of λ: exact for polynomials in λ of degree 2N−1.

    As α → 0 two nodes carry all the weight.
    """
    if law.name == "mixup":
        lam, weight = beta_gauss(law.concentration, nodes)
    else:  # a fine rule with panels enough for polynomials of that degree
        rule = mixing_rule(law, 1 + nodes // 4)
        lam, weight = gauss(rule.lam, rule.weight, nodes)
    lam = np.clip(lam, 0.0, 1.0)
    return MixingRule(lam, 1.0 - lam, weight)


class Patterns(NamedTuple):
    """Patterns of an exchangeable law: values (n x r), counts (n x r), weights (n), Σ weights = 1."""

    values: np.ndarray
    counts: np.ndarray
    weights: np.ndarray

    @property
    def variance(self) -> float:
        """(E‖y‖² − 1/K)/(K−1), by the sum that does not cancel."""
        K = float(self.counts[0].sum())
        spread = np.sum(self.counts * (self.values - 1 / K) ** 2, 1)
        return float(self.weights @ spread) / (K - 1)


def pattern_rule(law: LabelLaw, classes: int, refine: int = 1) -> Patterns:
    """The law as weighted patterns, by converged quadrature.

    Not exchangeable: the patterns of the law symmetrised over class permutations (class weights even).
    """
    if law.labels is not None:
        n, K = law.labels.shape
        return Patterns(law.labels, np.ones((n, K)), law.probabilities)
    if law.name == "kway":
        parts = [_kway_patterns(law, shape, classes, refine) for shape in _partitions(law.ways)]
    else:
        parts = _pair_patterns(law, classes, refine)
    parts = [p for p in parts if len(p.weights) and p.weights.sum() > 0]
    values, counts, weights = (np.concatenate(a) for a in zip(*parts))
    return Patterns((1 - law.smoothing) * values + law.smoothing / classes, counts, weights)


def _pair_patterns(law, K, refine):
    share_same = {"all": 1 / K, "same": 1.0, "different": 0.0, "cyclic": 0.0}[law.pairs]
    same = Patterns(np.array([[1.0, 0.0, 0.0]]), np.array([[1.0, 0.0, K - 1]]), np.array([share_same]))
    if law.pairs == "same":
        return [same]
    lam, colam, weight = mixing_rule(law, refine * fineness(law.name, K))
    values = np.stack([lam, colam, 0 * lam], 1)
    return [same, Patterns(values, np.tile([1.0, 1.0, K - 2], (len(lam), 1)), (1 - share_same) * weight)]


def _partitions(total, largest=None):
    """Integer partitions of `total`, parts in falling order."""
    if total == 0:
        yield ()
        return
    for part in range(min(total, largest or total), 0, -1):
        yield from ((part, *rest) for rest in _partitions(total - part, part))


def _kway_patterns(law, shape, K, refine):
    """Patterns in which the drawn classes coincide with multiplicities `shape` (Σ shape = ways).

    Weights of coinciding classes add up: Dirichlet(α n_1, …, α n_r), by stick breaking.
    """
    k, r = law.ways, len(shape)
    ways_to_group = factorial(k)
    for part in shape:
        ways_to_group //= factorial(part)
    for part in set(shape):
        ways_to_group //= factorial(shape.count(part))
    probability = ways_to_group * perm(K, r) / K**k
    if r > 3:
        values, weight = _dirichlet_points(law.alpha * np.array(shape, float))
    else:
        values, weight = _dirichlet_rule(law.alpha, shape, refine)
    pad = np.zeros((len(weight), k - r))
    values = np.concatenate([values, pad, np.zeros((len(weight), 1))], 1)
    counts = np.tile([1.0] * r + [0.0] * (k - r) + [float(K - r)], (len(weight), 1))
    return Patterns(values, counts, probability * weight)


def _dirichlet_rule(alpha, shape, refine):
    sticks = [
        edge_gauss(beta_rule(alpha * n, alpha * sum(shape[l + 1 :]), refine), 64 + 32 * refine)
        for l, n in enumerate(shape[:-1])
    ]
    return product_rule(sticks)


def _dirichlet_points(parameters):
    """Four classes or more: 2^12 quasi-random points (errors of about 1e-3, not a converged rule)."""
    from scipy.special import gammaincinv  # slow to import, rarely needed
    from scipy.stats import qmc

    uniform = qmc.Sobol(len(parameters), seed=0).random_base2(12)
    weights = gammaincinv(parameters, np.clip(uniform, 1e-12, 1 - 1e-12)) + 1e-300
    return weights / weights.sum(1, keepdims=True), np.full(len(weights), 1 / len(weights))


def second_moment(law: LabelLaw, classes: int) -> float:
    """E‖y‖²; for mixup 1/K + ((K−1)/K)(α+1)/(2α+1)."""
    p = pattern_rule(law, classes)
    return float(np.sum(p.weights * np.sum(p.counts * p.values**2, 1)))


def label_variance(law: LabelLaw, classes: int) -> float:
    """(E‖y‖² − 1/K)/(K−1): the triviality threshold of λ_W λ_H; (α+1)/((kα+1)K), k = 2 for mixup."""
    spread = (1 - law.smoothing) ** 2
    if law.labels is None and law.pairs == "same":
        return spread / classes
    if law.name in ("mixup", "kway"):  # E‖y‖² = s + (1−s)/K with s = E Σ u_l², for all pairs
        s = (law.concentration + 1) / (law.ways * law.concentration + 1)
        return spread * (s / classes if law.pairs == "all" else (s - 1 / classes) / (classes - 1))
    return pattern_rule(law, classes).variance
