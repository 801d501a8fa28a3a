"""Calibration: the confidence deficit of every class is its centred logit over a, y − p = z/a.

At the optimum against a simplex ETF, z = a (y − p): how far each prediction falls short of its label
is known in closed form. The deficits sum to zero, the largest label is underconfident unless all
labels are equal, and a class is exactly calibrated at one label, o e^o/a, the same for all classes
of the sample. For a mixture the pair gives away 2s(1 − 2/K)/a = (K − 2) p_o to the others.
"""

import mpmath as mp
import sympy as sp

from proofs.different_class import solve
from proofs.engine.step import Comparison, Derivation, formal, identity, sign
from proofs.tools.settings import fixed

K, a, o, s, x, n = sp.symbols("K a o s x n", positive=True)
D, lam = sp.symbols("D lambda", real=True)
DEFICIT = (s * (1 - 2 / K) + D / 2) / a  # λ − p_i


def derive() -> Derivation:
    """The deficit in general, its sign, and for mixtures of two classes and of one."""
    return Derivation("calibration", _general() + _mixtures(), DEFICIT, compare)


def _general() -> list:
    label, p, total, z = sp.symbols("y p R z", real=True)
    value = x + o * (sp.exp(x) - 1)  # a y_k
    return [
        identity(
            "deficit",
            r"$z = a(y - p)$ (theorem soft-label) is $y - p = z/a$; in excess logits it is $(x_k - o)/a$.",
            [sp.solve(z - a * (label - p), p)[0], value / a - o * sp.exp(x) / a],
            [label - z / a, (x - o) / a],
        ),
        identity(
            "sum zero",
            r"$\sum_k x_k = Ko$, so the deficits sum to zero.",
            ((total - K * o) / a).subs(total, K * o),
        ),
        sign(
            "larger label, larger deficit",
            r"$a y_k = x_k + o(e^{x_k} - 1)$ increases in $x_k$ with the common $o$: deficits are ordered as "
            r"the labels are.",
            sp.diff(value, x),
            "positive",
        ),
        formal(
            "order",
            "Of two classes the one of the larger label has not the smaller probability, and not the "
            "smaller deficit $y_k - p_k$.",
            "Signs.answer_monotone",
        ),
        formal(
            "largest label",
            r"Unless $y = \mathbf{1}/K$, the largest class is underconfident, $p_k < y_k$, …",
            "Signs.largest_underconfident",
        ),
        formal("smallest label", "… and the smallest overconfident.", "Signs.smallest_overconfident"),
        identity(
            "calibrated label",
            r"$p_k = y_k$ where $x_k = o$, that is at the label $o e^o/a$; classes above it are "
            r"underconfident, below it overconfident.",
            value.subs(x, o) / a,
            o * sp.exp(o) / a,
        ),
    ]


def _mixtures() -> list:
    other = DEFICIT.subs(D, -D)
    root = x * (sp.exp(x) + K - 1) / K  # a at λ = 1
    return [
        identity(
            "mixture",
            r"For $y = \lambda e_i + (1-\lambda)e_j$, $x_i = s + D/2$ and $o = 2s/K$: "
            r"$\lambda - p_i = \frac{1}{a}\left(s(1 - \frac2K) + \frac D2\right)$.",
            (s + D / 2 - 2 * s / K) / a,
            DEFICIT,
        ),
        identity(
            "pair",
            r"Together the pair is short of one by $2s(1-2/K)/a = (K-2)p_o$, $p_o = 2s/(aK)$.",
            DEFICIT + other,
            (K - 2) * 2 * s / (a * K),
        ),
        sign(
            "leading class",
            r"For $\lambda \ge \frac12$, $D \ge 0$: the leading class is underconfident, for $K = 2 + n$ at "
            r"every such $\lambda$ (for $K = 2$ at $\lambda > \frac12$).",
            DEFICIT.subs({K: 2 + n, D: sp.Symbol("D", nonnegative=True)}),
            "positive",
        ),
        identity(
            "same class",
            r"At $\lambda = 1$, $s = x/2$, $D = x$: $1 - p_c = \frac{x}{a}(1 - \frac1K) = \frac{K-1}{e^x + K "
            r"- 1}$.",
            [DEFICIT.subs({s: x / 2, D: x}), DEFICIT.subs({s: x / 2, D: x, a: root})],
            [x / a * (1 - 1 / K), (K - 1) / (sp.exp(x) + K - 1)],
        ),
    ]


def settings():
    """Every K, from weak to sharp."""
    return fixed(strengths=((0.5, 1e3), (1.0, 1.0), (1.67, 5e-4), (1.0, 1e-6)))


def compare(rng) -> list[Comparison]:
    """p_i = λ − deficit, p_j and p_o from the exact s and D, beside the shipped probabilities."""
    import jax

    from ufm.theory.features import two_hot_optimum

    shipped, formula = jax.jit(two_hot_optimum), sp.lambdify((s, D, K, a), DEFICIT, "mpmath")
    rows = []
    for _ in range(15):
        classes, sharpness = int(10 ** rng.uniform(0.48, 3)), float(10 ** rng.uniform(-3, 7))
        mix = float(rng.uniform(0.01, 0.99))
        along, across = solve(classes, sharpness, mix)
        found, where = (
            shipped(mix, sharpness, float(classes)),
            f"K={classes}, a={sharpness:.3g}, lambda={mix:.3f}",
        )
        with mp.workdps(50):
            first, second = (formula(along, side, classes, mp.mpf(sharpness)) for side in (across, -across))
            rows += [
                Comparison(f"{where}: p_i", mix - first, float(found.p_i)),
                Comparison(f"{where}: p_j", 1 - mp.mpf(mix) - second, float(found.p_j)),
                Comparison(f"{where}: p_o", (first + second) / (classes - 2), float(found.p_other)),
            ]
    return rows
