"""Random problems of one classifier, over many decades; shapes from a short list, so that few are compiled."""

import numpy as np

import ufm

LOSSES = ("cross-entropy", "squared-error")
COUNT = 4  # labels of one case
ETF_SHAPES = ((2, 1), (3, 3), (4, 4), (10, 9), (40, 40), (100, 100), (1000, 999))
ETF_CHANCES = (0.2, 0.23, 0.2, 0.2, 0.08, 0.05, 0.04)
DENSE_SHAPES = ((2, 1), (3, 1), (4, 2), (4, 4), (10, 16), (40, 12), (1000, 6))
DENSE_CHANCES = (0.15, 0.23, 0.25, 0.15, 0.12, 0.06, 0.04)
WEIGHTS = (0.5, 0.3, 1e-3, 1e-9, 1e-16, 1e-300, 1 - 1e-9, 0.0, 1.0)
LABELS = ("one-hot", "two-hot", "soft", "peaked", "uniform", "smoothed", "k-hot")


def decade(rng, low: float, high: float) -> float:
    """Log-uniform between 10^low and 10^high."""
    return float(10.0 ** rng.uniform(low, high))


def mixing_weight(rng) -> float:
    """An edge value, or any."""
    return float(rng.choice(WEIGHTS) if rng.random() < 0.5 else rng.random())


def label(rng, K: int, kind: str) -> np.ndarray:
    """One soft label; the entry that is to be the largest carries what is missing to one."""
    y = np.zeros(K)
    i, j = rng.choice(K, 2, replace=False)
    if kind == "one-hot":
        y[i] = 1
    elif kind == "two-hot":
        lam = mixing_weight(rng)
        y[i], y[j] = lam, 1 - lam
    elif kind == "soft":
        y = rng.dirichlet(np.full(K, rng.choice([0.1, 1.0, 10.0])))
    elif kind == "peaked":
        depth = np.abs(rng.normal(size=K)) * rng.choice([10.0, 100.0, 700.0])
        y = np.exp(depth.min() - depth)
        y /= y.sum()
    elif kind == "uniform":
        y[:] = 1 / K
    elif kind == "smoothed":
        delta = rng.choice([0.1, 1e-3, 1e-12])
        y[:], y[i] = delta / K, 1 - delta + delta / K
    else:
        y[rng.choice(K, min(K, 3), replace=False)] = rng.dirichlet(np.ones(min(K, 3)))
    y[np.argmax(y)] += 1 - y.sum()
    return y


def labels(rng, K: int) -> np.ndarray:
    """COUNT labels; at K = 1000 of kinds whose distinct entries are few, which the oracle's time counts."""
    kinds = LABELS if K <= 100 else ("one-hot", "two-hot", "uniform", "smoothed", "k-hot")
    if K == 1000:
        return np.array([label(rng, K, rng.choice(kinds))] * COUNT)
    return np.array([label(rng, K, rng.choice(kinds)) for _ in range(COUNT)])


def classifier(rng, K: int, d: int) -> tuple[np.ndarray, str]:
    """W of one of several kinds, its condition number up to 1e8."""
    kind = str(rng.choice(["gaussian", "spread", "spread", "uneven", "deficient", "tiny"]))
    W = rng.normal(size=(K, d))
    if kind == "spread":
        u, s, v = np.linalg.svd(W, full_matrices=False)
        W = u * np.geomspace(1, decade(rng, -8, 0), len(s)) @ v
    elif kind == "uneven":  # rows of very different length
        W = np.round(W * 10.0 ** rng.integers(-2, 4, (K, 1)))
    elif kind == "deficient":
        W[:, 0] = 0
        W[-1] = W[0]
    size = decade(rng, -48, -30) if kind == "tiny" else decade(rng, -2, 2)
    return W * size / max(np.abs(W).max(), 1e-300), kind


def etf_problem(rng, single: bool) -> tuple[ufm.Problem, str]:
    """A simplex ETF; sharpness over 1e-6 … 1e16, now and then over anything that is allowed."""
    K, d = ETF_SHAPES[rng.choice(len(ETF_SHAPES), p=ETF_CHANCES)]
    wide = rng.random() < 0.2 and not single
    lambda_h = decade(rng, *((-60, 20) if wide else (-12, 2)))
    a = decade(rng, *((-30, 60) if wide else (-4, 12 if single else 16)))
    multiplier = float(np.sqrt(a) * np.sqrt(lambda_h) * np.sqrt((K - 1) / K))
    if rng.random() < 0.03:
        multiplier = 0.0
    if single and rng.random() < 0.2:  # what float32 cannot hold
        multiplier, lambda_h = decade(rng, -48, -36), decade(rng, -12, -6)
    problem = ufm.Problem(K, multiplier=multiplier, lambda_h=lambda_h, dim=d, loss=str(rng.choice(LOSSES)))
    return problem, f"etf K={K} d={d} m={multiplier!r}"


def dense_problem(rng, single: bool) -> tuple[ufm.Problem, str]:
    """Any W, rounded to float32 where the arithmetic is."""
    K, d = DENSE_SHAPES[rng.choice(len(DENSE_SHAPES), p=DENSE_CHANCES)]
    W, kind = classifier(rng, K, d)
    if single:
        W = W.astype(np.float32).astype(float)
    norm = np.linalg.norm(W) / np.sqrt(K)
    a = decade(rng, -3, 12)
    lambda_h = float(np.clip(norm**2 / a, 1e-90, 1e3)) if norm > 1e-30 else decade(rng, -12, 2)
    if single:
        lambda_h = float(np.float32(max(lambda_h, 1e-30)))
    problem = ufm.Problem(K, classifier=W, lambda_h=lambda_h, loss=str(rng.choice(LOSSES)))
    return problem, f"{kind} K={K} d={d} |W|={norm:.3e}"


def problem(rng):
    """(problem, labels, dtype, one line about them)."""
    single = rng.random() < 0.25
    dtype = np.float32 if single else np.float64
    made, about = (etf_problem if rng.random() < 0.5 else dense_problem)(rng, single)
    Y = labels(rng, made.classes)
    if single:
        Y = Y.astype(np.float32).astype(float)
        rows = np.arange(COUNT)
        Y[rows, Y.argmax(1)] += 1 - Y.sum(1)
    return made, Y, dtype, f"{about} lambda_h={made.lambda_h!r} {made.loss} {np.dtype(dtype).name}"
