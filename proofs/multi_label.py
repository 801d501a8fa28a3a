r"""Sets of classes under the pick-all-label loss Σ_{k∈S} CE(z, k), all sets of a size r as likely, d ≥ K−1, any
bias.

    W Wᵀ = λ_H a Π,   z = x_r (1_S − r/K),   x_r (r e^{x_r} + K − r) = a K,   E[r(K−r) x_r²] = K(K−1) c² a²

if E[r(K−r)] > K(K−1) c², else W = 0. The loss is r CE(z, 1_S/r): labels of mass r, that is weights ∝ r and
penalties ρ = 1/r of their features. E, λ_W and λ_H are those of the sum: labels 1_S/r of weights q and penalties
λ, ρ give it S of weight ∝ q/r, λ_W E r and λ_H ρ r. Idea: the law is exchangeable, so M = E r² (y−p)(y−p)ᵀ is c² Π;
its trace is the equation.
"""

import mpmath as mp
import sympy as sp

from proofs.engine.step import Comparison, Derivation, argued, identity, limit, sign
from proofs.tools.matrices import basis_vector, centring
from proofs.tools.penalised import sets
from proofs.tools.roots import increasing_root

K, r, x, a, c, m = sp.symbols("K r x a c m", positive=True)
WRONG = 1 / (r * sp.exp(x) + K - r)
SHARPNESS = x * (r * sp.exp(x) + K - r) / K  # a of a gap
NORM = r * (K - r) * x**2 / (K * a**2)  # r² ‖y − p‖²


def derive() -> Derivation:
    """The pick-all loss, the gap, the residual's norm, the threshold; sets of K = 3 and 4 written out."""
    member, other = sp.exp(x) * WRONG, WRONG
    return Derivation(
        "multi-label",
        [
            identity(
                "labels of mass r",
                r"$\sum_{k\in S}\mathrm{CE}(z,k) = r\log\sum e^z - \sum_{k\in S}z_k = r\,\mathrm{CE}(z, "
                r"\mathbf{1}_S/r)$, "
                r"whose residual is $r(y - p)$: here two classes of three.",
                sum(sp.log(1 + sp.exp(x) + sp.exp(a)) - z for z in (x, a)),
                2 * (sp.log(1 + sp.exp(x) + sp.exp(a)) - x / 2 - a / 2),
            ),
            argued(
                "symmetry",
                r"Permutations of the classes leave the law of $(S, r)$ unchanged, and with it the convex "
                r"problem: the "
                r"optimal $p$ is unique, equal on $S$ and equal off it, $M = \mathbb{E}r^2(y-p)(y-p)^\top$ "
                r"commutes with "
                r"permutations and kills $\mathbf{1}$, so $M = c^2\Pi$ where $W \ne 0$ (theorems duality, "
                r"joint-etf). "
                r"A bias is zero up to a multiple of $\mathbf{1}$.",
            ),
            identity(
                "gap",
                r"$z = (g/\lambda_H)\,r(y - p) = ar(y-p)$: on $S$ less off it, $x = ar(1/r - p_S + p_o)$ with "
                r"$p_S = e^xp_o$, "
                r"$p_o = 1/(re^x + K - r)$.",
                (SHARPNESS * r * (1 / r - member + other)),
                x,
            ),
            identity(
                "its norm",
                r"$r^2\|y-p\|^2 = r(K-r)x^2/(Ka^2)$.",
                (r**2 * (r * (1 / r - member) ** 2 + (K - r) * other**2) - NORM.subs(a, SHARPNESS)),
                0,
            ),
            sign(
                "one root for each a",
                r"$x(re^x + K - r)$ increases from 0 ($K = r + m$).",
                sp.diff(x * (r * sp.exp(x) + m), x),
                "positive",
            ),
            limit(
                "weak",
                r"$a \to 0$: $x/a \to 1$, so that $\mathbb{E}r^2\|y-p\|^2 \to \mathbb{E}r(K-r)/K$.",
                x / SHARPNESS,
                x,
                0,
                1,
            ),
            sign(
                "one a",
                r"$x/a = K/(re^x + K - r)$ falls as $x$ grows: the mean norm falls from $\mathbb{E}r(K-r)/K$ to "
                r"0, and meets "
                r"$(K-1)c^2$ once, iff that is below ($K = r + m$).",
                sp.diff((x / SHARPNESS).subs(K, r + m), x),
                "negative",
            ),
            identity(
                "one class each",
                r"$r = 1$: $p_o = x/(aK) = c/\sqrt K$, theorem onehot-ce.",
                (NORM.subs(r, 1) - (K - 1) * c**2).subs(x, a * K * c / sp.sqrt(K)),
                0,
            ),
            *[_moment(size, number) for size, number in ((3, 2), (4, 2), (4, 3))],
        ],
        sp.Eq(sp.Symbol("a"), SHARPNESS),
        compare,
    )


def _moment(size: int, number: int):
    """E over all sets of r²(y−p)(y−p)ᵀ, with r(y − p) = (x/a)(1_S − r/K)."""
    from itertools import combinations

    moment, found = sp.zeros(size, size), list(combinations(range(size), number))
    for chosen in found:
        part = (
            sum((basis_vector(size, k) for k in chosen), sp.zeros(size, 1)) - sp.ones(size, 1) * number / size
        )
        moment += (x / a) ** 2 * part * part.T / len(found)
    return identity(
        f"moment, K = {size}, r = {number}",
        rf"$K = {size}$, sets of {number}: $\mathbb{{E}}r^2(y-p)(y-p)^\top = \frac{{r(K-r)x^2}}{{K(K-1)a^2}}\Pi$.",
        [*moment],
        [*(NORM.subs({K: size, r: number}) / (size - 1) * centring(size))],
    )


def settings():
    """Mixtures of sizes; both sides of the threshold; all of K = 3, 4; biases; d = K − 1."""
    yield sets(4, {1: 0.6, 2: 0.4}, 0.02, 0.02)
    yield sets(4, {1: 0.6, 2: 0.4}, 0.02, 0.02, lambda_b=0.0, free_dim=3)
    edge = (4 / 15) ** 0.5  # E r(K−r)/(K(K−1))
    for decay in ((1e-3, 0.1), (0.1, 1e-3), (0.98 * edge, 0.98 * edge), (1.02 * edge, 1.02 * edge)):
        yield sets(3, {1: 0.5, 2: 0.3, 3: 0.2}, *decay)


def compare(rng) -> list[Comparison]:
    """a and the gaps by bisection at 40 digits beside the shipped ones."""
    from ufm.theory.geometry.own_penalties import set_optimum

    sharpness = sp.lambdify((x, r, K), SHARPNESS, "mpmath")
    norm = sp.lambdify((x, r, K, a), NORM, "mpmath")
    rows = []
    with mp.workdps(30):
        for _ in range(4):
            classes, share = int(rng.integers(3, 20)), float(rng.uniform(0.1, 0.9))
            sizes = sorted({1, int(rng.integers(2, classes))})
            chances = [share, 1 - share]
            decay = [float(10 ** rng.uniform(-4, -1)) for _ in range(2)]
            c2 = mp.mpf(decay[0]) * mp.mpf(decay[1])

            def gaps(value, sizes=sizes, classes=classes):
                return [
                    increasing_root(
                        lambda t, size=size: sharpness(t, size, classes) - value, 0, value + 1, 30
                    )
                    for size in sizes
                ]

            def short(log_value, gaps=gaps, sizes=sizes, chances=chances, classes=classes, c2=c2):
                value = mp.exp(log_value)
                mean = sum(
                    mp.mpf(chance) * norm(gap, size, classes, value)
                    for chance, size, gap in zip(chances, sizes, gaps(value))
                )
                return (classes - 1) * c2 - mean

            exact = mp.exp(increasing_root(short, -5, 30, 18))
            found = set_optimum(classes, sizes, chances, *decay)
            where = f"K={classes}, r={sizes}"
            rows.append(Comparison(f"a, {where}", exact, found.sharpness))
            rows += [Comparison(f"x, {where}", gap, own) for gap, own in zip(gaps(exact), found.gaps)]
    return rows
