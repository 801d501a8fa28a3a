"""K → ∞ at fixed a: every probability is close to 1/K, so the logits are a (y − 1/K) up to O(1/K).

z = a (y − p) lies between −a and a, entry by entry. The softmax of such a vector has entries between
e^{−2a}/K and e^{2a}/K, and what separates z from the affine map a (y − 1/K) is a (1/K − p).
"""

from itertools import product

import mpmath as mp
import sympy as sp

from proofs.engine.step import Comparison, Derivation, formal, identity, limit, sign
from proofs.tools.order import measured_order
from ufm.model.problem import Problem
from ufm.theory.theorems.theorem import Setting

K, a, total, least, above = sp.symbols("K a S delta t", positive=True)
z, y, p = sp.symbols("z y p", real=True)
BOUND = a * (sp.exp(2 * a) - 1) / K


def derive() -> Derivation:
    """The identity, the range of the logits and probabilities, the bound and its limit."""
    return Derivation(
        "many-classes",
        [
            identity(
                "what is left",
                r"$z = a(y - p)$ (theorem calibration), so $z_k - a(y_k - \frac1K) = -a(p_k - \frac1K)$.",
                a * (y - p) - a * (y - 1 / K),
                -a * (p - 1 / K),
            ),
            formal(
                "range of the logits",
                r"$-a < z_k < a$ for every class, and $\sum e^{z_l}$ lies between $Ke^{-a}$ and $Ke^a$.",
                "Signs.logits_range",
            ),
            identity(
                "largest probability",
                r"So $p_k = e^{z_k}/\sum_l e^{z_l} \le e^a/(Ke^{-a})$, and $e^a/(Ke^{-a}) - \frac1K = (e^{2a} - "
                r"1)/K$.",
                sp.exp(a) / (K * sp.exp(-a)) - 1 / K,
                BOUND / a,
            ),
            identity(
                "least probability",
                r"$p_k \ge e^{-a}/(Ke^a)$, and $(e^{2a} - 1)/K - (\frac1K - e^{-2a}/K) = (e^a - e^{-a})^2/K$ …",
                (sp.exp(2 * a) - 1) / K - (1 / K - sp.exp(-2 * a) / K),
                (sp.exp(a) - sp.exp(-a)) ** 2 / K,
            ),
            sign(
                "the upper side is the longer",
                r"… is not negative, so $|p_k - \frac1K| \le (e^{2a} - 1)/K$, which times $a$ is the bound.",
                (sp.exp(a) - sp.exp(-a)) ** 2 / K,
                "nonnegative",
            ),
            limit(
                "many classes", r"The bound tends to $0$ as $K \to \infty$ at fixed $a$.", BOUND, K, sp.oo, 0
            ),
        ],
        BOUND,
        compare,
        0.05,
    )


def settings():
    """K → ∞ at a = 0.01 … 0.8."""
    for K, a in product((2, 10, 100, 1000), (0.01, 0.3, 0.8)):
        yield Setting(Problem(K, multiplier=(a * (K - 1) / K) ** 0.5, lambda_h=1.0))


def compare(rng) -> list[Comparison]:
    """The order −1 in K of the largest departure of the shipped logits from a (y − 1/K), y = ½ e_i + ½ e_j."""
    from ufm.theory.features import two_hot_optimum

    rows = []
    sizes = [10**power for power in (4, 5, 6)]
    for _ in range(5):
        sharpness = float(rng.uniform(0.05, 1.5))
        shares = [float(two_hot_optimum(0.5, sharpness, float(size)).p_i) for size in sizes]
        departures = [sharpness * abs(share - 1 / size) for share, size in zip(shares, sizes)]
        rows.append(Comparison(f"a={sharpness:.3g}", mp.mpf(-1), measured_order(sizes, departures)))
    return rows
