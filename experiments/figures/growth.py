"""Limits, and how slowly they are reached."""

import numpy as np

from experiments.figures.blind import joint, onehot, variant
from experiments.figures.frame import TONES, curve, dots, figure_of, worst
from ufm.model.atoms import finite_law
from ufm.model.laws import mixup
from ufm.model.laws import onehot as pure
from ufm.theory.geometry.support import support_limit, support_ratio
from ufm.theory.variants.margins import margin_gram
from ufm.theory.variants.ray import ray_gap


@figure_of(
    "support-size",
    "Three curves of mixup that come slowly together towards a dashed line, and one of one-hot labels towards "
    "a lower one",
)
def support(figure) -> str:
    axes, K = figure.subplots(), 10
    c = np.geomspace(1e-2, 1e-28, 50)
    for n, (alpha, side) in enumerate(((0.1, -1), (0.3, -1), (1.0, 1))):
        curve(axes, c, support_ratio(mixup(alpha), K, c), n, rf"mixup, $\alpha = {alpha:g}$", 30, side)
    curve(axes, c, support_ratio(pure(), K, c), 3, "one-hot", 20)
    for law in (mixup(1.0), pure()):
        axes.axhline(support_limit(law, K), color="black", lw=1, ls="--")
    some, law = (0.01, 0.003, 0.001), mixup(1.0)
    found = [_ratio(finite_law(law, 4, 24), 4, v) for v in some]
    axes.set(xscale="log", xlabel=r"$c = \lambda_W = \lambda_H$", ylabel=r"$a\,c\sqrt{K-1}\,/\log a$")
    axes.invert_xaxis()
    limit, far = support_limit(law, K), support_ratio(law, K, 1e-28)[0]
    return (
        f"K = {K}. Dashed: the limits, one for mixup whatever α, one for one-hot labels. α is forgotten like "
        f"1/log: at c = 1e-28 mixup (α = 1) is still {abs(far / limit - 1):.1%} from its limit. For K = 4 blind "
        "optima at c = 0.01 to 0.001 differ from the curve by at most "
        f"{worst(found, support_ratio(law, 4, np.array(some)))}."
    )


def _ratio(law, K: int, c: float) -> float:
    W = joint(law, c).W
    a = float(np.sum(W**2)) / (K - 1) / c
    return a * c * np.sqrt(K - 1) / np.log(a)


@figure_of(
    "seli",
    "Distance of the Gram matrix from its limit over the inverse logit gap: a line of dots that bends towards zero",
)
def seli(figure) -> str:
    axes, q = figure.subplots(), (0.5, 0.3, 0.15, 0.05)
    limit = margin_gram(np.eye(4), q, 1.0, 1.0)
    gaps, off = [], []
    for c in (3e-2, 1e-2, 3e-3, 1e-3, 1e-4, 1e-5):
        point = joint(onehot(q), c)
        G, Z = point.W @ point.W.T, point.H @ point.W.T
        gaps.append(Z[0, 0] - Z[0, 1:].max())
        off.append(float(np.linalg.norm(G / np.linalg.norm(G) - limit / np.linalg.norm(limit))))
    inverse = 1 / np.array(gaps)
    axes.plot([0, inverse.max()], [0, inverse.max() * off[-1] / inverse[-1]], color=TONES[3], ls="--", lw=1.2)
    dots(axes, inverse, off, 0)
    axes.set(xlabel="1 / gap of logits of the largest class", ylabel="distance from SELI")
    axes.set(xlim=(0, None), ylim=(0, None))
    rate = np.log(off[-2] / off[-1]) / np.log(inverse[-2] / inverse[-1])
    return (
        f"Class weights {', '.join(f'{w:g}' for w in q)}; blind optima from c = 0.03 to 1e-5 (right to left). "
        f"The distance falls as the gap to the power {-rate:.2f} between the last two, where it is still "
        f"{off[-1]:.3f}: gaps grow like log 1/c, so no training sees the limit."
    )


@figure_of("ce-ray", "Gap of logits over the logarithm of time: three curves that come together on a line")
def ce_ray(figure) -> str:
    return _ray(figure, "cross-entropy", np.geomspace(1, 1e5, 120), (2.0, 20.0, 200.0), (0.05, 0.5, 3.0))


@figure_of("mse-ray", "Size of the simplex over time: three S-shaped curves that saturate at one")
def mse_ray(figure) -> str:
    return _ray(figure, "squared-error", np.linspace(0.1, 40, 120), (4.0, 12.0, 25.0), (0.01, 0.1, 0.5))


def _ray(figure, loss: str, times, some, starts) -> str:
    axes, K, side = figure.subplots(), 4, 1 if loss == "cross-entropy" else -1
    found, known = [], []
    for n, start in enumerate(starts):
        line = [ray_gap(K, start, float(t), loss) for t in times]
        curve(axes, times, line, n, f"from {start:g}", 12, side)
        for t in some:
            point = variant("gradient-flow", (start, t), K, 0.01, K, loss)
            Z = point.H @ point.W.T
            found.append(Z[0, 0] - Z[0, 1])
            known.append(ray_gap(K, start, t, loss))
        dots(axes, some, found[-len(some) :], n)
    axes.set(xlabel="time", ylabel="gap of logits $x$", xscale="log" if loss == "cross-entropy" else "linear")
    return (
        f"K = {K}, no penalty. Lines: the formula; marks: the flow of all entries of W and H, integrated from a "
        f"balanced simplex, which knows no formula: they differ by at most {worst(found, known)}."
    )
