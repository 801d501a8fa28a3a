r"""One-hot labels: the joint optimum is elementary. c² = λ_W λ_H, d ≥ K−1, cross-entropy, any bias.

    p_o = c/√K for every wrong class,    x = log(√K/c − K + 1),    W Wᵀ = x √(λ_H/(K λ_W)) Π   if √K c < 1,

else W = 0. Idea: by the theorem joint-etf the residual of class k is r = K p_o (e_k − 1/K); its mean square is
(K−1) c², which is an equation for p_o alone. K = 2 is no exception.
"""

from itertools import product

import mpmath as mp
import sympy as sp

from proofs.engine.step import Comparison, Derivation, formal, identity, limit, sign
from proofs.tools.matrices import basis_vector, centring
from proofs.tools.settings import joint
from ufm.model.laws import onehot

K = sp.Symbol("K", positive=True)
n = sp.Symbol("n", positive=True)  # K − 1
c, p_o, lambda_w, lambda_h = sp.symbols("c p_o lambda_W lambda_H", positive=True)
PROBABILITY = c / sp.sqrt(K)
GAP = sp.log(sp.sqrt(K) / c - K + 1)
GAIN = GAP.subs(c, sp.sqrt(lambda_w * lambda_h)) * sp.sqrt(lambda_h / (K * lambda_w))


def derive() -> Derivation:
    """The residual, its mean square, the gap of logits, the gain, the threshold; matrices for K = 2, 3, 4."""
    own = 1 - (K - 1) * p_o
    a = sp.Symbol("a", positive=True)
    share = sp.Symbol("s", positive=True)
    return Derivation(
        "onehot-ce",
        [
            formal(
                "symmetry",
                r"Every global optimum without a bias ($d \ge K-1$, $c^2 < 1/K$) has $WW^\top = "
                r"x\sqrt{\lambda_H/(K\lambda_W)}\,\Pi$, $x = \log(\sqrt{K/(\lambda_W\lambda_H)} - K + 1)$ "
                "(with one: theorem joint-etf).",
                "OneHot.onehot_joint",
            ),
            formal(
                "one probability",
                r"And $y - p = \hat c\,(e_k - \mathbf{1}/K)$, $\hat c = \sqrt{K\lambda_W\lambda_H}$: every "
                "wrong class has one probability $p_o$.",
                "OneHot.onehot_residual",
            ),
            identity(
                "residual",
                r"$r = e_k - p$ has $1 - p_k = (K-1)p_o$ at $k$ and $-p_o$ elsewhere: $r = Kp_o(e_k - "
                r"\mathbf{1}/K)$.",
                [1 - own, -p_o],
                [K * p_o * (1 - 1 / K), K * p_o * (0 - 1 / K)],
            ),
            identity(
                "equation",
                r"$\|r\|^2 = K(K-1)p_o^2$, and theorem joint-etf asks for $(K-1)c^2$: $p_o = c/\sqrt K$.",
                [
                    (1 - own) ** 2 + (K - 1) * p_o**2,
                    (K * (K - 1) * p_o**2 - (K - 1) * c**2).subs(p_o, PROBABILITY),
                ],
                [K * (K - 1) * p_o**2, 0],
            ),
            identity(
                "gap of logits",
                r"$x = \log(p_k/p_o)$ with $p_k = 1 - (K-1)p_o$: $e^x = \sqrt K/c - K + 1$.",
                [(own / p_o).subs(p_o, PROBABILITY), sp.exp(GAP)],
                sp.sqrt(K) / c - K + 1,
            ),
            identity(
                "gain",
                r"$z = ar$, so $x = aKp_o$ and $g = \lambda_Ha = \lambda_Hx/(\sqrt K c) = "
                r"x\sqrt{\lambda_H/(K\lambda_W)}$.",
                [
                    a * (1 - own) - a * (-p_o),
                    lambda_h * GAP / (K * PROBABILITY) - GAIN.subs(lambda_w, c**2 / lambda_h),
                ],
                [a * K * p_o, 0],
            ),
            sign(
                "non-trivial below the threshold",
                r"With $\sqrt K c = 1/(1 + s)$, $s > 0$: $e^x - 1 = \sqrt K/c - K = Ks > 0$.",
                (sp.exp(GAP) - 1).subs(c, 1 / ((1 + share) * sp.sqrt(K))),
                "positive",
            ),
            limit(
                "at the threshold",
                r"$x \to 0$ as $\sqrt K c \to 1$: the optimum leaves zero continuously.",
                GAP.subs(c, share / sp.sqrt(K)),
                share,
                1,
                0,
                "-",
            ),
            identity(
                "threshold",
                r"Zero is optimal iff $\sigma^2 = 1/K \le c^2$ (theorem trivial-threshold with "
                r"$\mathbb{E}\|y\|^2 = 1$).",
                (1 - 1 / K) / (K - 1),
                1 / K,
            ),
            sign(
                "confidence grows as penalties fall",
                r"$\partial p_o/\partial c = 1/\sqrt K > 0$.",
                sp.diff(PROBABILITY, c),
                "positive",
            ),
            *[_moment(size) for size in (2, 3, 4)],
        ],
        sp.Eq(sp.Symbol("x"), GAP),
        compare,
    )


def _moment(size: int):
    """M = E rrᵀ = c² Π and λ_W G = E z rᵀ, written out."""
    moment, cross = sp.zeros(size, size), sp.zeros(size, size)
    chance, x = PROBABILITY.subs(K, size), sp.Symbol("x", positive=True)
    for k in range(size):
        u = basis_vector(size, k) - sp.ones(size, 1) / size
        moment += (size * chance * u) * (size * chance * u).T / size
        cross += (x * u) * (size * chance * u).T / size
    gain = x * c / (sp.sqrt(size) * lambda_w)  # x √(λ_H/(K λ_W)) with λ_H = c²/λ_W
    return identity(
        f"certificate, K = {size}",
        rf"$K = {size}$: $\mathbb{{E}}rr^\top = c^2\Pi$, so $\lambda_{{\max}} \le c^2$ closes the gap of "
        rf"the theorem "
        r"duality, and $\lambda_WG = \mathbb{E}zr^\top$ gives the same $g$.",
        [*moment, *cross],
        [*(c**2 * centring(size)), *(lambda_w * gain * centring(size))],
    )


def settings():
    """From a sharp optimum to both sides of the threshold; bias none, free and penalised."""
    for size, (lambda_w, lambda_h) in product((2, 3, 5), ((1e-2, 1e-2), (1e-4, 1e-2))):
        yield joint(size, onehot(), lambda_w, lambda_h)
    for bias, share in product((None, 0.0, 0.3), (0.9, 1.1)):
        yield joint(3, onehot(), share / 3**0.5, share / 3**0.5, lambda_b=bias)


def compare(rng) -> list[Comparison]:
    """Gap and gain of the derivation at 40 digits beside the shipped ones."""
    from ufm.theory.geometry.onehot import class_optimum

    gap, gain = sp.lambdify((c, K), GAP, "mpmath"), sp.lambdify((lambda_w, lambda_h, K), GAIN, "mpmath")
    rows = []
    with mp.workdps(40):
        for _ in range(8):
            classes, decay = int(10 ** rng.uniform(0.31, 3)), float(10 ** rng.uniform(-6, 1))
            other = float(10 ** rng.uniform(-8, -0.1)) / decay / classes
            found = class_optimum(classes, decay, other)
            where = f"K={classes}, c^2={decay * other:.3g}"
            product_ = mp.sqrt(mp.mpf(decay) * mp.mpf(other))
            rows.append(Comparison(f"x, {where}", gap(product_, mp.mpf(classes)), found.gap))
            values = mp.mpf(decay), mp.mpf(other), mp.mpf(classes)
            rows.append(Comparison(f"g, {where}", gain(*values), found.gain))
    return rows
