"""Problems of another shape: norms, products of factors, ordered classes."""

import numpy as np

from experiments.figures.blind import variant
from experiments.figures.frame import TONES, curve, dots, figure_of, worst
from ufm.theory.variants.constrained import constrained_gap, gap_loss
from ufm.theory.variants.deep import deep_cross_entropy, outer_minimum
from ufm.theory.variants.losses import ordinal_optimum


@figure_of(
    "norm-constrained",
    "Loss over the product of the two norms: a falling curve for each of three numbers of classes",
)
def norms(figure) -> str:
    axes, products = figure.subplots(), np.linspace(0.2, 8, 80)
    some, found, known = np.linspace(0.5, 7.5, 6), [], []
    for n, K in enumerate((2, 4, 8)):
        curve(
            axes,
            products,
            [gap_loss(K, constrained_gap(K, p)) for p in products],
            n,
            f"$K = {K}$",
            50,
        )
        for p in some:
            found.append(variant("norm-constrained", (1.0, float(p)), K, 0.01, K - 1).objective)
            known.append(gap_loss(K, constrained_gap(K, float(p))))
        dots(axes, some, found[-len(some) :], n)
    axes.set(
        yscale="log", xlabel="$R_W R_H$ (temperature of normalised features)", ylabel="least cross-entropy"
    )
    return (
        "No training gets below the line at its temperature, for each K = 2, 4, 8: blind optima differ from it "
        f"by at most {worst(found, known)}."
    )


@figure_of(
    "deep-linear-ce",
    "Objective less that of the simplex over the penalty: the square falls below it from a small penalty on",
)
def deep(figure) -> str:
    axes, K, N = figure.subplots(), 4, 3
    roots = np.linspace(0.004, 0.24, 90)
    best = [deep_cross_entropy(K, N, r, r) for r in roots]
    simplex = np.array([_simplex(K, N, r) for r in roots])
    for n, (branch, words) in enumerate((("polygon", "square (two directions)"), ("zero", "zero"))):
        inside = np.array([b.branch == branch for b in best])
        if inside.any():
            y = np.array([b.objective for b in best])[inside] - simplex[inside]
            curve(axes, roots[inside], y, n, words, int(inside.sum() * 0.3))
    axes.axhline(0, color=TONES[3], lw=1.5)
    axes.text(0.006, 2e-4, "simplex ETF", fontsize=10, color="0.35", va="bottom")
    some = np.linspace(0.01, 0.23, 10)
    found = [variant("deep-linear", (3.0,), K, float(r), 3).objective for r in some]
    known = [deep_cross_entropy(K, N, float(r), float(r)).objective for r in some]
    dots(axes, some, np.array(found) - [_simplex(K, N, float(r)) for r in some], 2)
    axes.set(xlabel=r"penalty $\Lambda^{1/3}$", ylabel="objective less that of the ETF")
    return (
        "Three factors, K = 4. Below the grey line collapse onto two directions is cheaper than onto three; "
        f"marks: the best of 24 blind starts, which differ from the formula by at most {worst(found, known)} of "
        "the objective."
    )


def _simplex(K: int, N: int, root: float) -> float:
    """The branch of the ETF, nan where it has ended."""
    power = 2 / N
    found = outer_minimum(
        lambda x: np.log1p((K - 1) * np.exp(-x)),
        lambda x: (K - 1) / (np.exp(np.minimum(x, 700.0)) + K - 1),
        N / 2 * root * (K - 1) * K ** (-power / 2),
        power,
    )
    return np.nan if found is None else found[1]


@figure_of(
    "ordinal", "Scores of four ordered classes over the decay, between thresholds; they come together at zero"
)
def ordered(figure) -> str:
    axes, q, cuts = figure.subplots(), (0.1, 0.4, 0.3, 0.2), (-1.0, 0.5, 2.0)
    c = np.geomspace(1e-3, 0.8, 90)
    scores = np.array([ordinal_optimum(q, cuts, v, v).scores for v in c])
    some = np.geomspace(2e-3, 0.6, 7)
    found = np.array([_scores(variant("ordinal", cuts, q, float(v), 3)) for v in some])
    for k in range(4):
        curve(axes, c, scores[:, k], k, f"$z_{k + 1}$", 4)
        dots(axes, some, found[:, k], k)
    for cut in cuts:
        axes.axhline(cut, color="0.6", lw=0.9, ls="--")
    axes.set(xscale="log", xlabel=r"$c = \lambda_W = \lambda_H$", ylabel="score $z = w \\cdot h$")
    known = np.array([ordinal_optimum(q, cuts, float(v), float(v)).scores for v in some])
    return (
        f"Weights {', '.join(f'{w:g}' for w in q)}, thresholds dashed. With little decay inner classes sit "
        "inside their intervals and the outer ones run away; marks: blind optima, at most "
        f"{worst(found, known)} from the roots."
    )


def _scores(point) -> np.ndarray:
    return point.H @ point.W[0]
