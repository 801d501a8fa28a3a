"""Where something merges or dies, and what brings it back."""

import numpy as np

from experiments.figures.blind import joint, onehot
from experiments.figures.frame import MARKS, TONES, curve, dots, figure_of, worst
from experiments.phases.joint import separation
from ufm.model.atoms import FiniteLaw
from ufm.model.etf import etf_deviation
from ufm.model.laws import LabelLaw
from ufm.theory.geometry.binary import unbiased_optimum
from ufm.theory.geometry.groups import group_optimum, grouped_mixup
from ufm.theory.geometry.own_penalties import restoring_temperatures
from ufm.theory.thresholds import minority_collapse


@figure_of(
    "minority-collapse",
    "Separation of two small classes over the product of penalties: three sets of marks fall to zero at one place",
)
def minority(figure) -> str:
    axes, q = figure.subplots(), (0.5, 0.3, 0.1, 0.1)
    least = minority_collapse(LabelLaw("onehot", class_weights=q), 4, 1.0)[0].value
    ratio = np.concatenate([np.linspace(0.3, 0.98, 8), np.linspace(1.02, 1.6, 5)])
    gaps = []
    for n, (bias, words) in enumerate(((None, "no bias"), (0.3, r"$\lambda_b = 0.3$"), (0.0, "free bias"))):
        found = [separation(joint(onehot(q), float(np.sqrt(r * least)), bias=bias).W) for r in ratio]
        axes.plot(ratio, found, MARKS[n], color=TONES[n], label=words, ms=6 - n, mec="white", mew=0.6)
        gaps.append(found)
    axes.axvline(1, color="black", lw=1.8)
    axes.annotate("$q_B$", (1, axes.get_ylim()[1]), (5, -12), textcoords="offset points", fontsize=11)
    axes.set(xlabel=r"$\lambda_W\lambda_H / q_B$", ylabel=r"$\|w_3-w_4\|/\|w_1-w_2\|$")
    axes.legend(frameon=False)
    below, above = (np.array(gaps)[:, side] for side in (ratio < 1, ratio > 1))
    return (
        f"Two of four classes have the weight q_B = {least:g}. At 0.98 of the threshold they are still "
        f"{below[:, -1].min():.2f} apart, from 1.02 on at most {above.max():.0e}, whatever the bias costs."
    )


@figure_of(
    "bce-no-bias",
    "Two eigenvalues of W Wᵀ over the decay: three classes go by frame and ETF to zero, five by frame and mean",
    (6.6, 2.9),
)
def binary(figure) -> str:
    pairs, known = [], []
    for axes, K in zip(figure.subplots(1, 2), (3, 5)):
        share = np.linspace(0.03, 1.7, 400)
        best = [_binary(K, s) for s in share]
        seen = np.linspace(0.07, 1.66, 15)
        for s in seen:
            W = joint(onehot(K), s / np.sqrt(K), loss="binary-cross-entropy").W
            along = np.sum(W.sum(0) ** 2) / K
            pairs.append(((np.sum(W**2) - along) / (K - 1), along))
            known.append(_binary(K, s)[2:4])
        for n, (name, words) in enumerate((("across", r"on $1^\perp$"), ("along", "along 1"))):
            curve(axes, share, [getattr(b, name) for b in best], n, words, 40 + 30 * n)
            dots(axes, seen, np.array(pairs[-len(seen) :])[:, n], n)
        _phases(axes, share, [b.phase for b in best])
        axes.set(xlabel=r"$\hat c = \sqrt{K\lambda_W\lambda_H}$", ylim=(-0.15, 4.6), title=f"$K = {K}$")
    figure.axes[0].set_ylabel(r"eigenvalue of $WW^\top$")
    return f"Lines are the closed form, marks blind optima; they differ by at most {worst(pairs, known)}."


def _binary(K: int, share: float):
    return unbiased_optimum(K, share / np.sqrt(K), share / np.sqrt(K))


def _phases(axes, share, phases) -> None:
    """Their names, and lines between them."""
    for phase in dict.fromkeys(phases):
        inside = share[[p == phase for p in phases]]
        axes.text(inside.mean(), 4.1, phase, ha="center", fontsize=10)
        if inside[-1] < share[-1]:
            axes.axvline(inside[-1], color="0.6", lw=0.8)


@figure_of(
    "superclass-laws",
    "Two gains over the chance that the second class of a mixture is of the same group: one falls, one rises",
)
def superclasses(figure) -> str:
    axes, groups = figure.subplots(), np.repeat(np.arange(3), 2)
    lam, weight = _rule()
    within, c = np.linspace(0.02, 0.98, 25), 0.05
    laws = [grouped_mixup(3, 2, float(rho), lam, weight) for rho in within]
    best = np.array([group_optimum(*law, groups, c, c)[:2] for law in laws])
    found = []
    for labels, q in laws[::4]:
        G = joint(FiniteLaw(labels, q), c).W
        G = G @ G.T
        found.append((G[0, 0] - G[0, 1], G[0, 0] + G[0, 1] - 2 * G[0, 2]))
    for n, words in enumerate((r"$g_w$ within pairs", r"$g_b$ between pairs")):
        curve(axes, within, best[:, n], n, words, 13, 1 - 2 * n)
        dots(axes, within[::4], np.array(found)[:, n], n)
    axes.set(xlabel="chance that a class is mixed with its own pair", ylabel=r"gain of $WW^\top$")
    return (
        f"Six classes in three pairs, λ_W = λ_H = {c:g}, uniform λ (8 nodes). Mixing within pairs weakens what "
        f"tells their classes apart; lines and blind optima differ by at most {worst(found, best[::4])}."
    )


def _rule():
    """Gauss–Legendre on [0, 1]."""
    x, w = np.polynomial.legendre.leggauss(8)
    return (1 + x) / 2, w / 2


@figure_of(
    "restored-temperatures",
    "Two temperatures a class over the gain that they restore: branches that meet at a largest gain for the "
    "rarest class",
)
def temperatures(figure) -> str:
    axes, q, c = figure.subplots(), (0.4, 0.3, 0.2, 0.1), 0.01
    largest = restoring_temperatures(q, 1e-6, c, c).largest_gain
    gains = np.linspace(0.3, 1, 120) ** 0.5 * largest
    found = [restoring_temperatures(q, float(g) * (1 - 1e-12), c, c) for g in gains]
    for k, weight in enumerate(q):
        for branch, style in (("upper", "-"), ("lower", "--")):
            values = [getattr(f, branch)[k] for f in found]
            curve(axes, gains, values, k, f"$q = {weight:g}$" if branch == "upper" else "", 8, -1, ls=style)
    axes.axvline(largest, color="black", lw=1)
    axes.set(xlabel="gain $g$ that is restored", ylabel=r"temperature $\delta_k$", yscale="log")
    ticks = (0.02, 0.05, 0.1, 0.2, 0.5)
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.tick_params(which="minor", labelleft=False)
    worst_of, g = 0.0, 0.8 * largest
    for branch in ("upper", "lower"):
        rho = getattr(restoring_temperatures(q, g, c, c), branch) ** -2.0
        W = joint(FiniteLaw(np.eye(4), np.array(q), rho=rho), c).W
        worst_of = max(worst_of, etf_deviation(W))
    plain = etf_deviation(joint(onehot(q), c).W)
    return (
        f"Solid and dashed: the two temperatures of each class, which meet for the rarest at g = {largest:.3g}. "
        f"Solved blindly with either set at g = {g:.3g} the optimum is an ETF up to {worst_of:.0e}; without "
        f"them it is {plain:.2f} from one."
    )
