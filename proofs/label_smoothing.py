r"""Label smoothing acts as weight decay does: their shares of one add up. ĉ = √(K λ_W λ_H), d ≥ K−1.

y = (1−ε) e_k + ε/K with classes of equal weight:

    p_o = (ĉ + ε)/K,   x = log(K/(ĉ + ε) − K + 1),   W Wᵀ = x √(λ_H/(K λ_W)) Π   if ĉ + ε < 1, else W = 0.

Idea: r = y − p is a multiple of e_k − 1/K whose mean square is (K−1) c², as for one-hot labels; so p is off the
label by ĉ (e_k − 1/K), whatever ε is, and the label is off e_k by ε (e_k − 1/K). A finite limit is left at c = 0.
"""

from itertools import product

import mpmath as mp
import sympy as sp

from proofs.engine.step import Comparison, Derivation, formal, identity, limit, sign
from proofs.onehot_ce import GAP as ONE_HOT
from proofs.onehot_ce import K, c
from proofs.tools.matrices import basis_vector, centring
from proofs.tools.settings import joint
from ufm.model.laws import smooth

hat, epsilon, p_o = sp.symbols("hat_c varepsilon p_o", positive=True)
PROBABILITY = (hat + epsilon) / K
GAP = sp.log(K / (hat + epsilon) - K + 1)


def derive() -> Derivation:
    """The residual, the equation for p_o, its limits, one-hot as the edge; matrices for K = 2, 3, 4."""
    own = 1 - (K - 1) * p_o
    label_own, label_other = 1 - epsilon + epsilon / K, epsilon / K
    share = sp.Symbol("s", positive=True)
    return Derivation(
        "label-smoothing",
        [
            formal(
                "symmetry",
                r"Every global optimum without a bias has $WW^\top = x\frac{\lambda_H}{\hat c}\,\Pi$, $x = "
                r"\log(K/(\hat c + \varepsilon) - K + 1)$, where $\hat c + \varepsilon < 1$ and $d \ge K-1$ "
                "(with one: theorem joint-etf).",
                "OneHot.smoothing_joint",
            ),
            formal(
                "one probability",
                r"And $y - p = \hat c\,(e_k - \mathbf{1}/K)$: every wrong class has one probability $p_o$.",
                "OneHot.smoothing_residual",
            ),
            identity(
                "residual",
                r"$r = y - p$ is $(Kp_o - \varepsilon)(e_k - \mathbf{1}/K)$.",
                [label_own - own, label_other - p_o],
                [(K * p_o - epsilon) * (1 - 1 / K), -(K * p_o - epsilon) / K],
            ),
            identity(
                "equation",
                r"Its square is $(1 - 1/K)(Kp_o - \varepsilon)^2 = (K-1)c^2$, so $Kp_o - \varepsilon = "
                r"\sqrt K c = \hat c$ "
                r"(the positive root: $z = ar$ has its largest entry at $k$).",
                [
                    (label_own - own) ** 2 + (K - 1) * (label_other - p_o) ** 2,
                    ((1 - 1 / K) * (K * p_o - epsilon) ** 2 - (K - 1) * hat**2 / K).subs(p_o, PROBABILITY),
                ],
                [(1 - 1 / K) * (K * p_o - epsilon) ** 2, 0],
            ),
            identity(
                "gap of logits",
                r"$e^x = (1 - (K-1)p_o)/p_o = K/(\hat c + \varepsilon) - K + 1$; at $\varepsilon = 0$ it "
                r"is that of the "
                r"theorem onehot-ce.",
                [(own / p_o).subs(p_o, PROBABILITY), sp.exp(GAP.subs(hat, sp.sqrt(K) * c).subs(epsilon, 0))],
                [sp.exp(GAP), sp.exp(ONE_HOT)],
            ),
            identity(
                "gain",
                r"$x = a(Kp_o - \varepsilon) = a\hat c$ and $g = \lambda_Ha$: $g = \lambda_Hx/\hat c$, as "
                r"for one-hot labels.",
                sp.Symbol("a") * (label_own - own) - sp.Symbol("a") * (label_other - p_o),
                sp.Symbol("a") * (K * p_o - epsilon),
            ),
            limit(
                "no penalty",
                r"$c \to 0$: $x \to \log(K/\varepsilon - K + 1)$, which is finite (where $p = y$).",
                sp.exp(GAP),
                hat,
                0,
                K / epsilon - K + 1,
            ),
            sign(
                "non-trivial below the threshold",
                r"With $\hat c + \varepsilon = 1/(1 + s)$, $s > 0$: $e^x - 1 = Ks > 0$.",
                (sp.exp(GAP) - 1).subs(hat, 1 / (1 + share) - epsilon),
                "positive",
            ),
            identity(
                "threshold",
                r"$\sigma^2 = (1-\varepsilon)^2/K \le c^2$ (theorem trivial-threshold) is $1 - "
                r"\varepsilon \le \hat c$.",
                (label_own**2 + (K - 1) * label_other**2 - 1 / K) / (K - 1),
                (1 - epsilon) ** 2 / K,
            ),
            *[_moment(size) for size in (2, 3, 4)],
        ],
        sp.Eq(sp.Symbol("x"), GAP),
        compare,
    )


def _moment(size: int):
    """M = E rrᵀ for the smoothed labels and the derived predictions."""
    moment = sp.zeros(size, size)
    chance = PROBABILITY.subs({K: size, hat: sp.sqrt(size) * c})
    for k in range(size):
        e, flat = basis_vector(size, k), sp.ones(size, 1)
        y = (1 - epsilon) * e + epsilon * flat / size
        p = chance * flat + (1 - size * chance) * e
        moment += (y - p) * (y - p).T / size
    return identity(
        f"certificate, K = {size}",
        rf"$K = {size}$: $\mathbb{{E}}rr^\top = c^2\Pi$ whatever $\varepsilon$ is.",
        list(moment),
        list(c**2 * centring(size)),
    )


def settings():
    """Weak and strong smoothing, sharp and flat, both sides of ε + ĉ = 1."""
    for size, amount in product((2, 3, 5), (0.1, 0.6)):
        yield joint(size, smooth(amount), 1e-2, 1e-2)
    for bias, share in product((None, 0.0), (0.9, 1.1)):
        yield joint(3, smooth(0.2), 0.8 * share / 3**0.5, 0.8 * share / 3**0.5, lambda_b=bias)


def compare(rng) -> list[Comparison]:
    """x and p_o at 40 digits beside the shipped ones."""
    from ufm.theory.geometry.onehot import class_optimum

    gap, wrong = (sp.lambdify((hat, epsilon, K), form, "mpmath") for form in (GAP, PROBABILITY))
    rows = []
    with mp.workdps(40):
        for _ in range(8):
            classes, decay = int(10 ** rng.uniform(0.31, 3)), float(10 ** rng.uniform(-6, 1))
            share, part = float(rng.uniform(0.001, 0.9)), float(rng.uniform(0.05, 0.9))
            other = (share * (1 - part)) ** 2 / classes / decay
            found = class_optimum(classes, decay, other, share * part)
            values = mp.sqrt(classes * mp.mpf(decay) * mp.mpf(other)), mp.mpf(share * part), mp.mpf(classes)
            where = f"K={classes}, epsilon={share * part:.3g}, c^2={decay * other:.3g}"
            rows += [Comparison(f"x, {where}", gap(*values), found.gap)]
            rows += [Comparison(f"p_o, {where}", wrong(*values), found.wrong)]
    return rows
