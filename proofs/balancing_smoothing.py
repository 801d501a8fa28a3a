r"""Class-dependent label smoothing cures imbalance: W Wᵀ = g Π under any class weights q.

    ε_k = K/(e^{x_k} + K − 1) − c/√q_k ≥ 0,     x_k = √(λ_W/(λ_H q_k)) g,     y_k = (1−ε_k) e_k + ε_k/K.

Idea: theorem inverse-design with G = gΠ: z_k = x_k u_k has the probability 1/(e^{x_k} + K − 1) at each
other class, and (c/√q_k) u_k lowers each of those by c/(K √q_k). Features keep norms ∝ 1/√q_k.
"""

import mpmath as mp
import numpy as np
import sympy as sp

from proofs.engine.step import Comparison, Derivation, argued, identity, limit, sign
from proofs.inverse_design import LOGIT, SCALE, K, c, lambda_h, lambda_w, q
from proofs.tools.designs import UNEVEN, at_share

g, x = sp.symbols("g x", positive=True)
EXPONENT = LOGIT * g  # x_k
SMOOTHING = K / (sp.exp(x) + K - 1) - SCALE


def derive() -> Derivation:
    """The labels of G = gΠ, their ε, the inverse, limits, features; matrices for K = 2, 3, 4."""
    wrong, heavy = sp.Symbol("w", positive=True), sp.Symbol("t", positive=True)
    return Derivation(
        "balancing-smoothing",
        [
            identity(
                "logits",
                r"$G = g\Pi$ gives $Gu_k = gu_k$ and $z_k = x_ku_k$ with $x_k = gc/(\lambda_H\sqrt{q_k})$.",
                EXPONENT.subs(c, sp.sqrt(lambda_w * lambda_h)),
                sp.sqrt(lambda_w / (lambda_h * q)) * g,
            ),
            identity(
                "labels",
                r"$y_{kl} = 1/(e^{x_k} + K - 1) - c/(K\sqrt{q_k}) = \varepsilon_k/K$ for $l \ne k$, and "
                r"$y_{kk} = 1 - "
                r"\varepsilon_k + \varepsilon_k/K$.",
                [
                    1 / (sp.exp(x) + K - 1) - SCALE / K,
                    sp.exp(x) / (sp.exp(x) + K - 1) + SCALE * (1 - 1 / K),
                ],
                [SMOOTHING / K, 1 - SMOOTHING + SMOOTHING / K],
            ),
            argued(
                "the theorem",
                r"$\varepsilon_k \ge 0$ says $y_k \ge 0$; theorem inverse-design ($d \ge K-1$, no bias) "
                r"gives $WW^\top = "
                r"g\Pi$ at every global optimum.",
            ),
            identity(
                "read back",
                r"$e^{x_k} = K/w - K + 1$ with $w = \varepsilon_k + c/\sqrt{q_k}$: labels tell $g$, one "
                r"class at a time.",
                (K / (sp.exp(x) + K - 1)).subs(x, sp.log(K / wrong - K + 1)),
                wrong,
            ),
            identity(
                "equal weights",
                r"$q_k = 1/K$: $\varepsilon + \hat c = K/(e^x + K - 1)$, the theorem label-smoothing.",
                SMOOTHING.subs(q, 1 / K),
                K / (sp.exp(x) + K - 1) - sp.sqrt(K) * c,
            ),
            sign(
                "the heavier class has the smaller gap",
                r"$\partial x_k/\partial q_k < 0$, so its softmax is the flatter one.",
                sp.diff(EXPONENT, q),
                "negative",
            ),
            limit(
                "small penalties, fixed x",
                r"$c \to 0$: $\varepsilon_k \to K/(e^{x_k} + K - 1) > 0$: feasible for every $g$ and $q$.",
                SMOOTHING,
                c,
                0,
                K / (sp.exp(x) + K - 1),
            ),
            identity(
                "norms of features",
                r"$h_k = W^\top r_k/\lambda_H$: $\|h_k\|^2 = gc^2(1 - 1/K)/(\lambda_H^2q_k)$, and "
                r"$q_k\|h_k\|^2$ is the same "
                r"for all classes.",
                [q * SCALE**2 * g * (1 - 1 / K) / lambda_h**2, sp.diff(q * SCALE**2 * heavy, q)],
                [g * c**2 * (1 - 1 / K) / lambda_h**2, 0],
            ),
        ],
        sp.Eq(sp.Symbol("varepsilon_k"), SMOOTHING),
        compare,
    )


def settings():
    """Uneven weights, weak and strong g, K = 2 … 4; equal weights."""
    for size, gain in ((2, 1.0), (3, 1.0), (4, 0.7), (4, 0.2), (4, 2.0)):
        yield at_share(gain * (np.eye(size) - 1 / size), UNEVEN[size], 1, 0.4)
    yield at_share(np.eye(4) - 0.25, (0.25,) * 4, 4, 0.5)


def compare(rng) -> list[Comparison]:
    """ε_k + c/√q_k, which is what ε_k is read as, at 40 digits beside the labels of `ufm.design`."""
    from ufm.theory.geometry.design import design

    form = sp.lambdify((x, K, c, q), SMOOTHING, "mpmath")
    exponent = sp.lambdify((g, c, q, lambda_h), EXPONENT, "mpmath")
    rows = []
    with mp.workdps(40):
        for _ in range(10):
            size, ratio, gain = (
                int(rng.integers(2, 8)),
                float(10 ** rng.uniform(-1, 1)),
                float(rng.uniform(0.1, 1)),
            )
            masses = rng.uniform(0.2, 1.0, size)
            found = design(gain * (np.eye(size) - 1 / size), masses / masses.sum(), 1e-6 * ratio, 1e-6)
            root = mp.sqrt(mp.mpf(1e-6 * ratio) * mp.mpf(1e-6))
            k = int(rng.integers(0, size))
            weight = mp.mpf(float(found.weights[k]))
            derived = form(exponent(mp.mpf(gain), root, weight, mp.mpf(1e-6)), size, root, weight)
            where = f"epsilon, K={size}, q={float(weight):.3g}"
            rows.append(Comparison(where, derived, size * found.labels[k, k - 1]))
    return rows
