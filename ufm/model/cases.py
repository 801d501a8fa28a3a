"""Which labels are solved, and which row of the table each belongs to; streamed, never stored.

Pairs: every λ is used for all ordered class pairs, in the order (λ, i, j); rows are (kind, λ).
Other laws: an explicit list of labels; rows are labels, or one row for labels that are
permutations of each other.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

import ufm.rules.numbers as checked
from ufm.model.laws import PAIRS, LabelLaw, gauss_lam
from ufm.rules.errors import InputError
from ufm.rules.memory import require
from ufm.rules.soft_labels import normalise

MAX_LAM, MAX_NODES = 10**7, 2048


class PairChunk(NamedTuple):
    """Some features of the stream: classes, row, and the two label weights."""

    i: np.ndarray
    j: np.ndarray
    row: np.ndarray
    lam: np.ndarray
    colam: np.ndarray


@dataclass(frozen=True)
class PairCases:
    """All ordered pairs of K classes ("all", "different", "same", "cyclic") at each λ of an array."""

    classes: int
    lam: np.ndarray
    pairs: str = "all"

    def __post_init__(self):
        checked.integer("classes", self.classes, 2)
        object.__setattr__(self, "lam", checked.mixing("lam", checked.numbers("lam", self.lam, ("n",))))
        checked.choice("pairs", self.pairs, PAIRS)

    @property
    def kinds(self) -> list[tuple[str, float]]:
        """Rows: (kind, λ), same-class ones first."""
        names = {"all": ("same", "different"), "same": ("same",)}.get(self.pairs, ("different",))
        return [(name, float(lam)) for name in names for lam in self.lam]

    @property
    def per_lam(self) -> int:
        """Features at each λ."""
        K = self.classes
        return {"all": K * K, "different": K * (K - 1), "same": K, "cyclic": K}[self.pairs]

    @property
    def count(self) -> int:
        """Features in the stream: pairs × λ."""
        return self.per_lam * len(self.lam)

    def take(self, n: np.ndarray) -> PairChunk:
        """The features numbered n."""
        index, pair = np.divmod(n, self.per_lam)
        i, j = self._pair(pair)
        lam = self.lam[index]
        row = index + len(self.lam) * ((i != j) if self.pairs == "all" else 0)
        return PairChunk(i, j, row, lam, 1.0 - lam)

    def _pair(self, pair):
        if self.pairs in ("same", "cyclic"):
            return pair, (pair + (self.pairs == "cyclic")) % self.classes
        i, j = np.divmod(pair, self.classes if self.pairs == "all" else self.classes - 1)
        return i, j + ((j >= i) if self.pairs == "different" else 0)


class OrbitCases(PairCases):
    """One pair for each orbit of the labels of the same `PairCases` under permutations of the classes.

    The kind and λ decide the orbit of λ e_i + (1−λ) e_j: same-class labels are one orbit whatever λ, and
    λ and 1 − λ (as a double: the weights differ by 2⁻⁵⁴ at most) are one, with i and j exchanged.
    """

    @cached_property
    def orbits(self) -> tuple[np.ndarray, np.ndarray]:
        """Second class (0: same-class, 1: different) and λ of each orbit, the same-class one first."""
        same = np.ones(int(self.pairs in ("all", "same")))
        different = np.zeros(0) if self.pairs == "same" else fold_lam(self.lam)
        return np.repeat([0, 1], [len(same), len(different)]), np.concatenate([same, different])

    @property
    def kinds(self) -> list[tuple[str, float]]:
        """Rows: one an orbit."""
        return [("different" if j else "same", lam) for j, lam in zip(*map(np.ndarray.tolist, self.orbits))]

    @property
    def count(self) -> int:
        """Features in the stream: one an orbit."""
        return len(self.orbits[0])

    @property
    def represented(self) -> int:
        """Features they stand for: pairs × λ."""
        return self.per_lam * len(self.lam)

    def take(self, n: np.ndarray) -> PairChunk:
        """The features numbered n: classes 0 and 0, or 0 and 1."""
        j, lam = (part[n] for part in self.orbits)
        return PairChunk(np.zeros_like(j), j, n, lam, 1.0 - lam)


def fold_lam(lam: np.ndarray) -> np.ndarray:
    """Distinct λ without the upper one of each pair λ, 1 − λ; 1 is left out for 0 alone.

    Weights that miss 1 − λ by a rounding, as some Gauss nodes do, are other labels and stay.
    """
    lam = np.unique(lam)
    mirror = 1.0 - lam[lam < 0.5]
    mirror = mirror[(mirror < 1.0) | (lam[lam < 0.5] == 0.0)]  # 1 − 1e-20 rounds to 1, another label
    return lam[(lam <= 0.5) | ~np.isin(lam, mirror)]


@dataclass(frozen=True)
class LabelCases:
    """An explicit list of soft labels (N, K), each in a row of the table; their weights, if not equal."""

    kind: str
    labels: np.ndarray
    row: np.ndarray
    weights: np.ndarray | None = None

    @property
    def kinds(self) -> list[tuple[str, None]]:
        """Rows: the law's name, once a row."""
        return [(self.kind, None)] * (int(self.row.max()) + 1)

    @property
    def classes(self) -> int:
        """K."""
        return self.labels.shape[1]

    @property
    def count(self) -> int:
        """Number of labels."""
        return len(self.labels)


def choose_cases(
    law: LabelLaw,
    classes: int,
    *,
    lam: np.ndarray | None = None,
    samples: int | None = None,
    quadrature: int | None = None,
    seed: int = 0,
) -> PairCases | LabelCases:
    """The features of a law: λ given, `samples` draws (default 64) or the `quadrature`-point Gauss rule.

    For two-hot laws each λ serves all ordered pairs. k-way and smoothed mixtures give one row
    for each of N drawn labels; label smoothing gives K labels in one row; user labels are all used.
    """
    checked.instance("law", law, LabelLaw, "ufm.mixup")
    checked.integer("classes", classes, 2)
    checked.integer("seed", seed, 0, checked.MAX_SEED)
    check_choice(law, lam, samples, quadrature)
    if law.labels is not None:
        return LabelCases("labels", law.labels, np.arange(len(law.labels)), law.label_weights)
    if law.name in ("onehot", "smoothing"):
        return _one_class(law, classes)
    samples = 64 if samples is None else samples
    if not law.two_hot:
        return LabelCases(law.name, draw_labels(law, classes, samples, seed), np.arange(samples))
    return PairCases(classes, choose_lam(law, lam, samples, seed, quadrature), law.pairs)


def choose_lam(law: LabelLaw, lam, samples, seed: int, quadrature: int | None = None) -> np.ndarray:
    """Distinct λ in rising order: those given, else N draws, else the N-point Gauss rule."""
    if lam is None and law.name == "onehot":
        lam = [1.0]
    elif lam is None:
        lam = draw_lam(law, samples, seed) if quadrature is None else gauss_lam(law, quadrature).lam
    return np.unique(np.asarray(lam, float) + 0.0)  # no negative zero


def check_choice(law: LabelLaw, lam, samples, quadrature) -> None:
    """Raise InputError for choices of λ that are impossible, exclude each other, or do not fit the law."""
    given = [
        name for name, v in (("lam", lam), ("samples", samples), ("quadrature", quadrature)) if v is not None
    ]
    if len(given) > 1:
        raise InputError(f"{given[0]} and {given[1]} exclude each other: give one of them")
    if given and law.name in ("onehot", "smoothing", "labels"):
        kind = "given" if law.name == "labels" else law.name
        raise InputError(f"{kind} labels have no mixing weight, so {given[0]} does not apply")
    if given and given != ["samples"] and not law.two_hot:
        raise InputError(
            f"{law.name} labels{' with smoothing' if law.smoothing else ''} are drawn: "
            f"give samples instead of {given[0]}"
        )
    for name, value, most in (("samples", samples, MAX_LAM), ("quadrature", quadrature, MAX_NODES)):
        if value is not None:
            checked.integer(name, value, 1, most)
    if lam is not None:
        checked.mixing("lam", checked.numbers("lam", lam, ("n",)))


def _one_class(law: LabelLaw, classes: int) -> PairCases | LabelCases:
    if law.smoothing == 0:
        return PairCases(classes, np.ones(1), "same")
    require(64 * classes**2, "the labels")  # eight arrays of K x K
    labels = (1 - law.smoothing) * np.eye(classes) + law.smoothing / classes
    return LabelCases("smoothing", normalise(labels), np.zeros(classes, int))


def streams(seed: int) -> list[np.random.SeedSequence]:
    """Independent seeds of mixing weights, box centres and classes."""
    return np.random.SeedSequence(seed).spawn(3)


def draw_lam(law: LabelLaw, samples: int, seed: int) -> np.ndarray:
    """N draws of λ from the continuous law, as quantiles of uniform draws (float64).

    So the same seed couples the draws of every α. Drawn by numpy: a few numbers on the host
    need no compiled program, and every process and device sees the same ones.
    """
    weight_seed, centre_seed, _ = streams(seed)
    alpha = law.concentration
    lam = np.random.default_rng(weight_seed).random(samples)
    if alpha != 1.0:  # Beta(1, 1) is uniform, and scipy.special a tenth of a warm start
        import scipy

        lam = scipy.special.betaincinv(alpha, alpha, lam)
    lam[lam < 1e-300] = 0.0  # where the quantile underflows
    if law.name == "mixup":
        return lam
    if law.name != "cutmix":
        raise NotImplementedError(f"{law.name} labels have no draws of λ here")
    side = np.sqrt(1 - lam)
    centre = np.random.default_rng(centre_seed).random((2, samples))
    clipped = np.minimum(centre + side / 2, 1) - np.maximum(centre - side / 2, 0)
    return 1 - clipped[0] * clipped[1]


def draw_labels(law: LabelLaw, classes: int, samples: int, seed: int) -> np.ndarray:
    """N soft labels drawn from the law: classes uniform, weights from the law, then smoothing."""
    weight_seed, _, class_seed = streams(seed)
    if law.name == "kway":
        weights = np.random.default_rng(weight_seed).dirichlet(np.full(law.ways, law.alpha), samples)
    else:
        lam = draw_lam(law, samples, seed)
        weights = np.stack([lam, 1 - lam], 1)
    rng = np.random.default_rng(class_seed)
    chosen = rng.integers(0, classes, weights.shape)
    if law.pairs == "same":
        chosen[:, 1] = chosen[:, 0]
    if law.pairs == "cyclic":
        chosen[:, 1] = (chosen[:, 0] + 1) % classes
    if law.pairs == "different":
        chosen[:, 1] = (chosen[:, 0] + rng.integers(1, classes, samples)) % classes
    labels = np.zeros((samples, classes))
    np.add.at(labels, (np.arange(samples)[:, None], chosen), weights)
    labels = np.minimum(labels, 1.0)  # weights that all fall on one class add up to 1 and a rounding
    return normalise((1 - law.smoothing) * labels + law.smoothing / classes)
