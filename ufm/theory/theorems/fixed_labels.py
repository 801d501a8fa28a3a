"""Labels that theorems on a fixed simplex ETF are tried on, and what is read off their logits."""

import numpy as np

import ufm.theory.features as closed
from ufm.theory.features import rounding
from ufm.theory.predict import EPS, classifier_error
from ufm.theory.theorems.theorem import Claim, Setting


@np.errstate(all="ignore")
def label_optimum(Y: np.ndarray, counts, a: float, loss: str = "cross-entropy") -> closed.LabelOptimum:
    """The closed form of a few labels, for which nothing is compiled."""
    return closed.label_optimum(Y, counts, np.asarray(a, float), loss)


@np.errstate(all="ignore")
def two_hot_optimum(lam, a: float, classes: int) -> closed.TwoHotOptimum:
    """The same of mixing weights, a number or an array of them."""
    lam = np.asarray(lam, float)
    return closed.two_hot_roots(lam, np.full(lam.shape, a), np.full(lam.shape, float(classes)))


OWN = "re-derived here; generalises Fisher, Meng, Papyan, ICLR 2024 (fixed ETF, mixup)"


PAIRS = ((0, 1), (1, 0), (0, -1))  # enough by symmetry, and one to see the symmetry


def state(setting: Setting, values: np.ndarray, scale: np.ndarray) -> Claim:
    """Predictions with the rounding of the closed form, relative to the largest logit of a row."""
    K = setting.problem.classes
    relative = 4 * rounding(min(K, 64), EPS) * np.sqrt(K) + 4 * classifier_error(setting.problem)
    return Claim(values, relative * (np.abs(scale) + EPS))


def soft_labels(setting: Setting) -> np.ndarray:
    """Vertices, the centre, and seeded Dirichlet labels from flat to nearly one-hot."""
    K = setting.problem.classes
    rng = np.random.default_rng(0)
    drawn = [rng.dirichlet(np.full(K, size), 3) for size in (0.05, 0.5, 1.0, 10.0)]
    return to_simplex(np.concatenate([np.eye(K)[:2], np.full((1, K), 1 / K), *drawn]))


def mixed_labels(setting: Setting) -> np.ndarray:
    """λ e_i + (1−λ) e_j for three ordered pairs and every λ of the setting."""
    classes = np.eye(setting.problem.classes)
    return np.concatenate([[t * classes[i] + (1 - t) * classes[j] for t in setting.lam] for i, j in PAIRS])


def inner_labels(setting: Setting) -> np.ndarray:
    """The same for 0 < λ < 1 only."""
    Y = mixed_labels(setting)
    return Y[np.sort(Y, 1)[:, -2] > 0]


def class_labels(setting: Setting) -> np.ndarray:
    """e_c for up to eight classes: every same-class mixture, whatever λ."""
    return np.eye(setting.problem.classes)[:8]


def to_simplex(Y):
    """Rows that sum to one."""
    return Y / Y.sum(1, keepdims=True)


def two_largest(Y):
    """Column numbers (i, j) of each mixed label, i of the first pair's larger weight or equal."""
    order = np.argsort(-Y, axis=1, kind="stable")
    return order[:, 0], order[:, 1]


def read_logits(setting: Setting, Y, z):
    """All centred logits."""
    return z


def against_others(setting: Setting, Y, z):
    """z_i and z_j less the mean of all other logits, and the spread of those: 0 iff in span{w_i, w_j}."""
    i, j = two_largest(Y)
    rows, K = np.arange(len(Y)), Y.shape[1]
    others = np.ones_like(Y, bool)
    others[rows, i] = others[rows, j] = False
    rest = z[others].reshape(len(Y), K - 2)
    mean = rest.mean(1)
    spread = np.linalg.norm(rest - mean[:, None], axis=1)
    return np.stack([z[rows, i] - mean, z[rows, j] - mean, spread], 1)


def half_labels(setting: Setting) -> np.ndarray:
    """½ e_i + ½ e_j."""
    classes = np.eye(setting.problem.classes)
    return np.stack([0.5 * (classes[i] + classes[j]) for i, j in PAIRS])
