r"""Students: the labels of a class are the predictions of a teacher at a temperature, alike for all wrong classes.

    y_k = softmax(z'_k/T) = (1−ε) e_k + ε/K,   ε = K/(e^{x'/T} + K − 1),
    p_o = min(ĉ + ε, 1)/K,   W = 0 if ĉ + ε ≥ 1.

Idea: a symmetric teacher smooths; smoothing adds to the weight decay (label-smoothing). A one-hot teacher of the
same penalties at T = 1 has ε = ĉ, so each generation adds ĉ once more.
"""

import mpmath as mp
import numpy as np
import sympy as sp

from proofs.engine.step import Comparison, Derivation, argued, identity, limit, sign
from proofs.label_smoothing import GAP, PROBABILITY, K, epsilon, hat
from proofs.tools.settings import joint
from ufm.model.laws import soft

x, T, n = sp.symbols("x T n", positive=True)
SMOOTHING = K / (sp.exp(x / T) + K - 1)


def derive() -> Derivation:
    """What a teacher leaves to wrong classes, its limits, and generations."""
    wrong = 1 / (sp.exp(x / T) + K - 1)
    return Derivation(
        "distillation",
        [
            identity(
                "labels",
                r"A wrong class has $\frac{1}{e^{x'/T} + K - 1} = \frac\varepsilon K$ and the own class "
                r"$1 - \varepsilon + "
                r"\frac\varepsilon K$.",
                [wrong, sp.exp(x / T) * wrong],
                [SMOOTHING / K, 1 - SMOOTHING + SMOOTHING / K],
            ),
            argued(
                "student",
                r"Features that share a label see that label alone (theorem label-noise), classes are as "
                r"likely: the "
                r"optimum is that of labels smoothed by $\varepsilon$ (theorem label-smoothing).",
            ),
            identity(
                "a teacher at T = 1",
                r"One-hot labels and penalties $\hat c'$ give $e^{x'} = \frac K{\hat c'} - K + 1$, so "
                r"$\varepsilon = \hat c'$.",
                SMOOTHING.subs(T, 1).subs(x, sp.log(K / hat - K + 1)),
                hat,
            ),
            identity(
                "the next generation",
                r"Taught by $p_o' = \frac{(n-1)\hat c}K$, that is $\varepsilon = (n-1)\hat c$, a student "
                r"of the same penalties "
                r"has $p_o = \frac{n\hat c}K$, while $n\hat c < 1$; then $W = 0$.",
                PROBABILITY.subs(epsilon, (n - 1) * hat),
                n * hat / K,
            ),
            limit(
                "hot teachers say nothing",
                r"$T \to \infty$: $\varepsilon \to 1$.",
                SMOOTHING.subs(T, 1 / T),
                T,
                0,
                1,
            ),
            limit("cold teachers are labels", r"$T \to 0$: $\varepsilon \to 0$.", SMOOTHING, T, 0, 0),
            sign(
                "hotter is smoother",
                r"$\varepsilon$ grows with $T$ (written for $K = 1 + n$).",
                sp.diff(SMOOTHING.subs(K, 1 + n), T),
                "positive",
            ),
        ],
        sp.Eq(sp.Symbol("p_o"), PROBABILITY.subs(epsilon, SMOOTHING)),
        compare,
    )


def labels(size: int, gap: float, temperature: float) -> np.ndarray:
    """softmax(x e_k/T), a row a class."""
    row = np.exp((np.eye(size) - 1) * gap / temperature)
    return row / row.sum(1, keepdims=True)


def settings():
    """Teachers from cold to hot, K = 2 to 5, and one that leaves nothing to learn."""
    for size, gap, temperature, decay in (
        (2, 3.0, 1.0, 0.05),
        (3, 5.0, 2.0, 0.01),
        (4, 4.0, 0.5, 0.02),
        (5, 6.0, 4.0, 0.02),
        (3, 0.5, 1.0, 0.3),
    ):
        yield joint(size, soft(labels(size, gap, temperature)), decay, decay, free_dim=size)


def compare(rng) -> list[Comparison]:
    """ε and the student's gap at 40 digits beside the shipped ones."""
    from ufm.theory.geometry.onehot import class_optimum, taught_smoothing

    form, gap = sp.lambdify((K, x, T), SMOOTHING, "mpmath"), sp.lambdify((K, hat, epsilon), GAP, "mpmath")
    rows = []
    with mp.workdps(50):
        for _ in range(6):
            size, lead, heat = (
                int(rng.integers(2, 30)),
                float(rng.uniform(1, 8)),
                float(rng.uniform(0.3, 1.5)),
            )
            decay = float(rng.uniform(1e-4, 1e-2))
            exact, shipped = (
                form(mp.mpf(size), mp.mpf(lead), mp.mpf(heat)),
                taught_smoothing(size, lead, heat),
            )
            rows.append(Comparison(f"epsilon, K={size}", exact, shipped))
            share = mp.sqrt(size) * mp.mpf(decay)
            if exact + share < 0.9:
                best = class_optimum(size, decay, decay, shipped)
                rows.append(Comparison(f"x, K={size}", gap(mp.mpf(size), share, mp.mpf(shipped)), best.gap))
    return rows
