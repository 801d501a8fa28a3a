r"""Binary cross-entropy without a bias, one-hot or smoothed labels, d ≥ K: four phases; for K ≥ 3 no ETF at small
penalties.

u, v the logits of the own class and of each other one, ĉ = √(K λ_W λ_H), s = −(u + (K−1)v),

    W Wᵀ = √(λ_H/(Kλ_W)) [(u−v) Π + s 11ᵀ/K],   σ(v) = (2ĉ+ε)/K,   1 − σ(u) = ((K−1)ε + (K−2)ĉ)/K

if s > 0 and ĉ+ε < 1,

else s = 0 and σ(u) − σ(v) = 1−ε−ĉ (an ETF); for 1−ε ≤ ĉ < K/2−1 all classes share one row, σ(u) = σ(v) = (1+ĉ)/K;
beyond, W = 0. Idea: the moment is m Π + m' 11ᵀ/K by symmetry, and each of its eigenvalues is c² where W uses the
direction, at most c² else.
"""

from itertools import product

import mpmath as mp
import sympy as sp

from proofs.engine.step import Comparison, Derivation, argued, identity, limit, sign
from proofs.tools.matrices import basis_vector, centring
from proofs.tools.roots import increasing_root
from proofs.tools.settings import joint
from ufm.model.laws import onehot, smooth

BCE = "binary-cross-entropy"
K, n = sp.symbols("K n", positive=True)
hat, epsilon, lambda_w, lambda_h = sp.symbols("hat_c epsilon lambda_W lambda_H", positive=True)
MISSING = ((K - 1) * epsilon + (K - 2) * hat) / K  # 1 − σ(u)
WRONG = (2 * hat + epsilon) / K  # σ(v)
U, V = sp.log((1 - MISSING) / MISSING), sp.log(WRONG / (1 - WRONG))
ALONG = -(U + (K - 1) * V) * sp.sqrt(lambda_h / (K * lambda_w))


def derive() -> Derivation:
    """The moment, both eigenvalues in use, one, the other, none; K = 2."""
    alpha, beta = MISSING - (K - 1) * epsilon / K, WRONG - epsilon / K
    share = sp.Symbol("s", positive=True)
    return Derivation(
        "bce-no-bias",
        [
            argued(
                "symmetry and certificate",
                r"As in the theorem bce; without a bias the dual asks for $\lambda_{\max}(\mathbb{E}rr^\top) \le "
                r"c^2$ "
                r"alone ($d \ge K$), with equality on the range of $WW^\top = g\Pi + "
                r"g'\mathbf{1}\mathbf{1}^\top/K$.",
            ),
            *[_moment(size) for size in (2, 3, 4)],
            identity(
                "both directions in use",
                r"$\alpha = (K-2)\hat c/K$, $\beta = 2\hat c/K$: $\alpha + \beta = \hat c$ and $\alpha - "
                r"(K-1)\beta = "
                r"-\hat c$.",
                [alpha + beta, alpha - (K - 1) * beta],
                [hat, -hat],
            ),
            sign(
                "not the other sign",
                r"$\alpha - (K-1)\beta = +\hat c$ has $\beta = 0$, $\sigma(v) = \varepsilon/K$ and $\sigma(u) + "
                r"\sigma(v) "
                r"- 1 = -(K-2)\varepsilon/K - \hat c < 0$: $u < -v$, $v < 0$, so $u + (K-1)v < 0$, where $g' > "
                r"0$ would "
                r"need it to be positive ($K = 2 + n$).",
                (1 - (K - 1) * epsilon / K - hat + epsilon / K - 1).subs(K, 2 + n),
                "negative",
            ),
            identity(
                "gains",
                r"$z = WW^\top r/\lambda_H$: $u - v = g\hat c/\lambda_H$ and $u + (K-1)v = -g'\hat c/\lambda_H$.",
                [lambda_h * (-(U + (K - 1) * V)) / hat - ALONG.subs(lambda_w, hat**2 / (K * lambda_h))],
                [0],
            ),
            sign(
                "small penalties lean",
                r"One-hot, $\hat c \to 0$: $s = (K-1)\log\frac{1-\sigma(v)}{\sigma(v)} - \log\frac{\sigma(u)}"
                r"{1-\sigma(u)}$ grows like $(K-2)\log(1/\hat c)$, $K \ge 3$: here $e^s\hat c$ at $K = 3$.",
                sp.limit((sp.exp(-(U + 2 * V)) * hat).subs({K: 3, epsilon: 0}), hat, 0),
                "positive",
            ),
            identity(
                "an etf where that leaves s ≤ 0",
                r"$g' = 0$ and $\mathbf{1}^\top z = 0$: $u = (K-1)x/K$, $v = -x/K$, $\alpha + \beta = \hat c$; "
                r"the other "
                r"eigenvalue is at most $c^2$ iff $\beta \le 2\hat c/K$, with equality where $s = 0$: $\alpha - "
                r"(K-1)\beta = "
                r"\hat c - K\beta$.",
                (hat - sp.Symbol("b") - (K - 1) * sp.Symbol("b")) - (hat - K * sp.Symbol("b")),
                0,
            ),
            argued(
                "one of the two",
                r"$x \mapsto \sigma((K-1)x/K) - \sigma(-x/K)$ rises from 0 to 1: one root. The problem is "
                r"strictly convex in "
                r"$z$, so exactly one phase satisfies its conditions.",
            ),
            identity(
                "classes as one",
                r"$u = v$: $\alpha + \beta = 1 - \varepsilon$, at most $\hat c$; $\mathbf{1}^\top r = 1 - "
                r"K\sigma(v) = -\hat c$ "
                r"at $\sigma(v) = (1 + \hat c)/K$.",
                [(1 - (K - 1) * epsilon / K) - epsilon / K, 1 - K * ((1 + hat) / K)],
                [1 - epsilon, -hat],
            ),
            sign(
                "alive below K/2 − 1",
                r"$g' > 0$ iff $v < 0$ iff $\sigma(v) < \frac12$: $\hat c = (K/2 - 1)/(1 + s)$, $K = 2 + n$.",
                (((1 + hat) / K - sp.Rational(1, 2)).subs(hat, (K / 2 - 1) / (1 + share))).subs(K, 2 + n),
                "negative",
            ),
            limit(
                "continuous to zero",
                r"$\sigma(v) \to \frac12$ as $\hat c \to K/2 - 1$ ($K = 6$).",
                ((1 + hat) / K).subs(K, 6),
                hat,
                2,
                sp.Rational(1, 2),
                "-",
            ),
            identity(
                "two classes",
                r"$K = 2$: $\sigma(u) + \sigma(v) = 1 + \hat c > 1$ there, so $u + v > 0$: always an ETF, $v = "
                r"-u$.",
                (1 - MISSING + WRONG).subs(K, 2),
                1 + hat,
            ),
        ],
        sp.Eq(sp.Symbol("g'"), ALONG),
        compare,
    )


def _moment(size: int):
    """E rrᵀ = ((α+β)²/K) Π + ((α−(K−1)β)²/K) 11ᵀ/K, written out."""
    a, b = sp.symbols("alpha beta", positive=True)
    moment = sp.zeros(size, size)
    for k in range(size):
        r = (a + b) * basis_vector(size, k) - b * sp.ones(size, 1)
        moment += r * r.T / size
    along = (a - (size - 1) * b) ** 2 / size
    return identity(
        f"moment, K = {size}",
        rf"$K = {size}$, $r = (\alpha+\beta)e_k - \beta\mathbf{{1}}$: $\mathbb{{E}}rr^\top = "
        rf"\frac{{(\alpha+\beta)^2}}K\Pi"
        r" + \frac{(\alpha-(K-1)\beta)^2}{K}\frac{\mathbf{1}\mathbf{1}^\top}{K}$.",
        [*moment],
        [*((a + b) ** 2 / size * centring(size) + along * sp.ones(size, size) / size)],
    )


def settings():
    """All four phases, on both sides of their borders; K = 2, 3, 6; smoothed labels."""
    for size, law in product((2, 3), (onehot(), smooth(0.1))):
        yield joint(size, law, 1e-2, 1e-2, free_loss=BCE)
    for size, decay in ((3, 0.253), (3, 0.258), (6, 0.01), (6, 0.4), (6, 0.42), (6, 0.8), (6, 0.83)):
        yield joint(size, onehot(), decay, decay, free_loss=BCE)


def compare(rng) -> list[Comparison]:
    """The eigenvalue along 1 and u of the etf phase at 40 digits beside the shipped ones."""
    from ufm.theory.geometry.binary import FRAME, MEAN, SIMPLEX, unbiased_optimum

    along = sp.lambdify((hat, epsilon, K, lambda_w, lambda_h), ALONG, "mpmath")
    rows = []
    with mp.workdps(40):
        for _ in range(24):
            classes, decay = int(10 ** rng.uniform(0.31, 2)), float(10 ** rng.uniform(-6, 1))
            other, share = float(10 ** rng.uniform(-4, 2)) / decay / classes, float(rng.uniform(0, 0.3))
            found = unbiased_optimum(classes, decay, other, share)
            exact = [mp.mpf(value) for value in (share, classes, decay, other)]
            root, size = mp.sqrt(exact[1] * exact[2] * exact[3]), exact[1]
            where = f"K={classes}, c^2={decay * other:.3g}, eps={share:.3g}, {found.phase}"
            if found.phase == FRAME:
                rows.append(Comparison(where, along(root, *exact), found.along))
            elif found.phase == MEAN:
                rows.append(Comparison(where, mp.log((1 + root) / (size - 1 - root)), found.own))
            elif found.phase == SIMPLEX:
                rows.append(Comparison(where, _etf_logit(root + exact[0], size), found.own))
    return rows


def _etf_logit(total, size):
    """u of the etf phase, ĉ + ε = total, by bisection."""

    def shown(x):
        return 1 / (1 + mp.exp(-(size - 1) * x / size)) - 1 / (1 + mp.exp(x / size)) - (1 - total)

    return (size - 1) / size * increasing_root(shown, 0, size * mp.log(2 / total) + 1)
