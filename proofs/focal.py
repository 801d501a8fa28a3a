r"""The focal loss −(1−P)^γ log P, one-hot labels, equal weights: the simplex, and how it goes to zero.

    z_k = x (e_k − 1/K),   S(P) = (1−P)^γ[(1−P) − γP log P] = (K−1)c/√K,   P = e^x/(e^x + K − 1);
    S has one maximum, p*:  (1−p*)(2γ + 1 + γ log p*) = γ² p* log p*.

Idea: along the simplex the penalties are a line, and S is the slope of the loss. Where S falls from the start
(K ≤ 1/p*) there is one critical point and x goes to zero continuously; where it first rises, x jumps. That no other
point is lower is numerical evidence: the loss is not convex.
"""

import mpmath as mp
import sympy as sp

from proofs.engine.step import Comparison, Derivation, argued, identity, limit, sign
from proofs.tools.matrices import centring
from proofs.tools.roots import increasing_root
from proofs.tools.settings import shaped
from ufm.model.laws import onehot

K, gamma, c, x, p, wrong = sp.symbols("K gamma c x P p_o", positive=True)
LOSS = -((1 - p) ** gamma) * sp.log(p)
S = (1 - p) ** gamma * ((1 - p) - gamma * p * sp.log(p))
G = (1 - p) * (2 * gamma + 1 + gamma * sp.log(p)) - gamma**2 * p * sp.log(p)
OWN = sp.exp(x) / (sp.exp(x) + K - 1)


def derive() -> Derivation:
    """The slope along the simplex, its one maximum, and what follows for x."""
    price = (K - 1) * c / sp.sqrt(K)
    return Derivation("focal", [*_along(price), *_of_the_slope(), *_evidence()], sp.Eq(S, price), compare)


def _along(price):
    """Price, slope, and that the point is critical in all directions."""
    return [
        *[_simplex(size) for size in (2, 3, 4)],
        identity(
            "probability",
            r"$P = e^x/(e^x + K - 1)$: $\frac{dP}{dx} = P(1-P)$.",
            sp.diff(OWN, x),
            OWN * (1 - OWN),
        ),
        identity(
            "slope",
            r"$-P(1-P)\frac{d}{dP}[-(1-P)^\gamma\log P] = S(P)$.",
            -p * (1 - p) * sp.diff(LOSS, p),
            S,
        ),
        identity(
            "critical in all directions",
            r"The loss is one of $P$ alone: with $\frac{\partial P}{\partial z_k} = P(1-P)$ and $\frac{\partial "
            r"P}{\partial z_l} = -Pp_o$, $p_o = \frac{1-P}{K-1}$, the residual is $S\frac K{K-1}(e_k "
            r"- \frac1K)$, whose "
            r"singular value over classes, $S\frac{\sqrt K}{K-1}$, is $c$.",
            [
                -p * (1 - p) * sp.diff(LOSS, p),
                p * (1 - p) / (K - 1) * sp.diff(LOSS, p),
                price * sp.sqrt(K) / (K - 1),
            ],
            [S * K / (K - 1) * (1 - 1 / K), -S * K / (K - 1) / K, c],
        ),
        identity(
            "cross-entropy",
            r"$\gamma = 0$: $S = 1 - P$, which is $(K-1)c/\sqrt K$ at $e^x = \sqrt K/c - (K-1)$.",
            [S.subs(gamma, 0), (1 - OWN).subs(x, sp.log(sp.sqrt(K) / c - (K - 1)))],
            [1 - p, price],
        ),
    ]


def _of_the_slope():
    """S rises, then falls."""
    return [
        identity(
            "where the slope is largest",
            r"$S' = -(1-P)^{\gamma-1}g(P)$, $g = (1-P)(2\gamma + 1 + \gamma\log P) - \gamma^2P\log P$.",
            sp.diff(S, p),
            -((1 - p) ** (gamma - 1)) * G,
        ),
        sign(
            "g is concave",
            r"$g'' = -\frac{\gamma(1+\gamma)}P - \frac\gamma{P^2} < 0$.",
            sp.diff(G, p, 2),
            "negative",
        ),
        identity("g at one", r"$g(1) = 0$.", G.subs(p, 1), 0),
        sign(
            "g before one",
            r"$g'(1) = -(1+\gamma)^2 < 0$: $g > 0$ just before.",
            sp.diff(G, p).subs(p, 1),
            "negative",
        ),
        limit("g at zero", r"$g(0+) = -\infty$ (shown: $\gamma = 2$).", G.subs(gamma, 2), p, 0, -sp.oo),
        argued(
            "one maximum",
            r"A concave $g$ with $g(0+) = -\infty$ (of $\gamma\log P$, for any $\gamma > 0$), $g > 0$ "
            r"next to $1$ and "
            r"$g(1) = 0$ has one root $p^*$ in $(0, 1)$: $S$ rises up to it and falls to zero beyond it.",
        ),
        sign(
            "two classes",
            r"$2g(\frac12) - \gamma(2 - \log 2) = 1 + \gamma^2\log 2 > 0$, and $\log 2 < 2$: $p^* < "
            r"\frac12$, and two "
            r"classes never jump.",
            sp.expand(2 * G.subs(p, sp.Rational(1, 2))) - gamma * (2 - sp.log(2)),
            "positive",
        ),
        argued(
            "to zero",
            r"$P$ grows from $\frac1K$ with $x$, so $L'(x) = \frac{(K-1)c}{\sqrt K} - S$. $K \le "
            r"1/p^*$: $L$ is convex; "
            r"the optimum on the simplex is the one root, and zero from $S(\frac1K)$ on, "
            r"continuously. $K > 1/p^*$: $L$ "
            r"is concave, then convex; its minimum is zero or the outer root, and at $\frac{(K-1)c}{\sqrt K} = "
            r"S(\frac1K)$ the root is still below zero's objective, as $S$ rises: the optimum jumps, "
            r"between $S(\frac1K)$ "
            r"and $S(p^*)$.",
        ),
    ]


def _evidence():
    return [
        argued(
            "optimality",
            r"Not proved, and not convex. No blind start of 24 ends below the better of simplex and "
            r"zero. That is tried "
            r"up to six classes; those that jump are more than seventeen, too many for a dense "
            r"Hessian, and the jump is "
            r"one of the simplex.",
        )
    ]


def _simplex(size: int):
    """Z = x Π, whose singular values over equal classes are x/√K."""
    Z = x * centring(size)
    return identity(
        f"price, K = {size}",
        rf"$K = {size}$: $ZZ^\top/K = \frac{{x^2}}K\Pi$, so the penalties are at least, and at best, "
        r"$c(K-1)\frac x{\sqrt K}$; the own logit leads by $x$.",
        [*(Z * Z.T / size), (x / sp.sqrt(size) * centring(size)).trace(), Z[0, 0] - Z[0, 1]],
        [*(x**2 / size * centring(size)), (size - 1) * x / sp.sqrt(size), x],
    )


def settings():
    """Weak and strong focus; two classes and more; small penalties, next to zero, beyond it; d = K."""
    for size, focus, decay, dim in (
        (2, 1.0, 0.1, 1),
        (3, 2.0, 0.01, 2),
        (3, 2.0, 0.53, 2),
        (3, 2.0, 0.545, 2),
        (3, 2.0, 3.0, 2),
        (4, 0.5, 0.05, 4),
        (4, 5.0, 0.02, 3),
        (4, 1e-3, 0.02, 3),
        (6, 2.0, 0.1, 5),
    ):
        yield shaped("focal", (focus,), size, onehot(), decay, decay, free_dim=dim)


def compare(rng) -> list[Comparison]:
    """x, the objective and p* at 40 digits beside the shipped ones."""
    from ufm.theory.variants.losses import focal_optimum, steepest_log

    slope, turn = sp.lambdify((p, gamma), S, "mpmath"), sp.lambdify((p, gamma), G, "mpmath")
    rows = []
    with mp.workdps(50):
        for _ in range(6):
            size, focus = int(rng.integers(2, 40)), mp.mpf(float(rng.uniform(0.3, 4)))
            decay = float(10 ** rng.uniform(-5, -2.5))
            line = (size - 1) * mp.mpf(decay) / mp.sqrt(size)
            most = increasing_root(lambda p, focus=focus: turn(p, focus), mp.mpf(10) ** -12, mp.mpf(1) / 2)
            rows.append(Comparison(f"log p*, γ={float(focus):.3g}", mp.log(most), steepest_log(float(focus))))
            own = increasing_root(
                lambda p, line=line, focus=focus: line - slope(p, focus),
                max(most, mp.mpf(1) / size),
                1 - mp.mpf(10) ** -30,
            )
            gap, found = mp.log(own * (size - 1) / (1 - own)), focal_optimum(size, float(focus), decay, decay)
            where = f"K={size}, γ={float(focus):.3g}, c={decay:.2g}"
            rows.append(Comparison(f"x, {where}", gap, found.gap))
            value = -((1 - own) ** focus) * mp.log(own) + line * gap
            rows.append(Comparison(f"L, {where}", value, found.objective))
    return rows
