"""Laws of many classes by their symmetry: a label stands for all that permutations of equal classes make of it."""

from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
from jaxtyping import Float, Int

import ufm.rules.numbers as checked
from ufm.model.laws import LabelLaw, mixing_rule
from ufm.model.penalties import Penalties
from ufm.model.quadrature import edge_gauss
from ufm.rules.brief import shown
from ufm.rules.errors import InputError
from ufm.rules.soft_labels import normalise


@dataclass(frozen=True, eq=False)
class OrbitLaw:
    """The law of σ y: y a row of `representatives` (n, K) of probability `masses` (n), σ a uniform permutation of
    the classes within each of the `groups` (K), numbers 0, 1, ….

    Where features have a row a representative, those of σ y are σ h.
    """

    representatives: np.ndarray
    masses: np.ndarray
    groups: np.ndarray

    def __post_init__(self):
        Y = normalise(self.representatives, "representatives")
        groups = np.asarray(self.groups)
        if groups.shape != Y.shape[1:] or groups.dtype.kind not in "iu":
            raise InputError(f"groups must be {Y.shape[1]} whole numbers, one a class")
        if set(groups.tolist()) != set(range(int(groups.max()) + 1)):
            raise InputError("groups must be numbered 0, 1, … without a gap")
        object.__setattr__(self, "representatives", Y)
        object.__setattr__(self, "masses", checked.weights("masses", self.masses, len(Y)))
        object.__setattr__(self, "groups", groups)

    __repr__ = shown

    @property
    def classes(self) -> int:
        """K."""
        return self.representatives.shape[1]

    @cached_property
    def sizes(self) -> Int[np.ndarray, " B"]:
        """Classes of each group."""
        return np.bincount(self.groups)

    def average(self, x: Float[np.ndarray, " K"]) -> Float[np.ndarray, " K"]:
        """E σ x."""
        return (np.bincount(self.groups, x) / self.sizes)[self.groups]

    def average_matrix(self, M: Float[np.ndarray, "K K"]) -> Float[np.ndarray, "K K"]:
        """E σ M σᵀ: the mean of every block, and within a group of its diagonal and of the rest."""
        of, size = np.equal.outer(np.arange(len(self.sizes)), self.groups).astype(float), self.sizes
        total, diagonal = of @ M @ of.T, of @ np.diagonal(M)
        found = (total / np.outer(size, size))[np.ix_(self.groups, self.groups)]
        rest = (np.diagonal(total) - diagonal) / np.maximum(size * (size - 1), 1)
        found = np.where(np.equal.outer(self.groups, self.groups), rest[self.groups], found)
        np.fill_diagonal(found, (diagonal / size)[self.groups])
        return found


@dataclass(frozen=True, eq=False)
class OrbitProblem:
    """`JointProblem` for such a law, d = K, so that σ acts on features too. Raises InputError as that does."""

    orbits: OrbitLaw
    lambda_w: float
    lambda_h: float
    lambda_b: float | None = None
    loss: str = "cross-entropy"

    __repr__ = shown

    def __post_init__(self):
        checked.instance("orbits", self.orbits, OrbitLaw, "ufm.model.orbit_law")
        for name in ("lambda_w", "lambda_h"):
            object.__setattr__(self, name, checked.penalty(name, getattr(self, name)))
        object.__setattr__(self, "lambda_b", checked.bias_penalty("lambda_b", self.lambda_b))
        checked.choice("loss", self.loss, ("cross-entropy", "squared-error"))

    @property
    def classes(self) -> int:
        """K."""
        return self.orbits.classes

    @property
    def penalties(self) -> Penalties:
        """λ_W, λ_H, λ_b."""
        return Penalties(self.lambda_w, self.lambda_h, self.lambda_b)


def orbit_law(law: LabelLaw, classes: int, nodes: int = 32) -> OrbitLaw:
    """What `finite_law` makes of a two-hot law, one label an orbit: classes of equal weight are a group.

    Raises InputError for other laws and for cyclic pairs.
    """
    checked.instance("law", law, LabelLaw, "ufm.mixup")
    checked.integer("classes", classes, 2)
    checked.integer("nodes", nodes, 1)
    q = np.full(classes, 1 / classes) if law.class_weights is None else np.array(law.class_weights)
    if law.name not in ("mixup", "cutmix", "onehot") or law.pairs == "cyclic" or len(q) != classes:
        raise InputError(
            f"orbits are those of mixup, cutmix and onehot with {classes} weights and no cyclic pairs"
        )
    values, first, groups, sizes = np.unique(q, return_index=True, return_inverse=True, return_counts=True)
    lam, colam, weight = edge_gauss(mixing_rule(law), nodes)
    labels, masses, one = [], [], np.eye(classes)
    for a, b in product(range(len(values)), repeat=2):
        i, j = first[a], np.flatnonzero(groups == b)[-1]
        if a == b and law.pairs != "different":
            labels.append(one[[i]])
            masses.append([sizes[a] * values[a] * (1.0 if law.pairs == "same" else values[a])])
        if i != j and law.pairs != "same":
            labels.append(lam[:, None] * one[i] + colam[:, None] * one[j])
            masses.append(sizes[a] * (sizes[b] - (a == b)) * values[a] * values[b] * weight)
    Y, pi = np.minimum(np.concatenate(labels), 1.0), np.concatenate(masses)
    return OrbitLaw((1 - law.smoothing) * Y + law.smoothing / classes, pi / pi.sum(), groups)
