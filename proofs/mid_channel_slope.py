r"""The speed at which features cross a channel in its middle: dD/dλ = 2a/(1 + a p_i) at λ = ½, → 4 as a → ∞.

y = λ e_i + (1−λ) e_j against a simplex ETF, D = z_i − z_j, p_i = p_j at λ = ½. Idea: differentiate z = a (y − p);
by symmetry the other logits stay, and D answers alone. A straight chord between the two classes, from D = −x to
D = x, has the slope 2x, which grows with a: a sharp classifier's middle is crossed slower than a chord, the edges
faster. With many classes and a weak one it may be the other way (K = 100, a = 3.58: 1.017 times the chord), and the
slope passes four before it comes down to it (K = 3: 4.009 near a = 227; K = 100: 7.65 near 6.9). K ≥ 2.
"""

import mpmath as mp
import sympy as sp

from proofs.engine.step import Comparison, Derivation, argued, identity, limit, sign
from proofs.tools.matrices import covariance
from proofs.tools.roots import increasing_root
from proofs.tools.settings import fixed

K, a, p = sp.symbols("K a p_i", positive=True)
D = sp.Symbol("D", real=True)
SLOPE = 2 * a / (1 + a * p)


def derive() -> Derivation:
    """The derivative, its limit, the two-class equation; the linear system for K = 2, 3, 4, 5."""
    rate = sp.Symbol("v", real=True)
    return Derivation(
        "mid-channel-slope",
        [
            argued(
                "symmetry",
                r"Exchanging $i$ and $j$ maps $\lambda$ to $1-\lambda$ and $D$ to $-D$: at $\lambda = "
                r"\frac12$, $p_i = p_j$ "
                r"and $dz_i = -dz_j$, $dz_o = 0$ for every other class.",
            ),
            identity(
                "derivative",
                r"With $dz = (v, -v, 0, \dots)$: $p\cdot dz = p_i(v - v) = 0$, so $dp_i = p_iv$, and $v = "
                r"a(1 - p_iv)$: "
                r"$v = a/(1 + ap_i)$, $dD = 2v\,d\lambda$.",
                [sp.solve(rate - a * (1 - p * rate), rate)[0] * 2, p * rate - p * rate],
                [SLOPE, 0],
            ),
            limit("sharp classifiers", r"$a \to \infty$ at fixed $p_i$: $2/p_i$.", SLOPE, a, sp.oo, 2 / p),
            argued(
                "to four",
                r"$2p_i + (K-2)p_o = 1$ and $ap_o = 2s/K$ with $s = W_0$-like of order $\log a$ (theorem "
                r"channel-limit): "
                r"$p_o \to 0$, $p_i \to \frac12$, $dD/d\lambda \to 4$.",
            ),
            sign(
                "it grows with a at fixed predictions",
                r"$\partial_a$ at fixed $p_i$. Along the optima $p_i$ grows too, and from $K = 3$ on the "
                r"slope has a "
                r"maximum above four.",
                sp.diff(SLOPE, a),
                "positive",
            ),
            identity(
                "two classes",
                r"$D = a(2\lambda - 1 - \tanh(D/2))$ (theorem two-classes) at $D = 0$: $dD(1 + a/2) = "
                r"2a\,d\lambda$, the "
                r"same with $p_i = \frac12$.",
                2 * a / (1 + a * sp.diff(sp.tanh(D / 2), D).subs(D, 0)),
                SLOPE.subs(p, sp.Rational(1, 2)),
            ),
            *[_system(size) for size in (2, 3, 4, 5)],
        ],
        SLOPE,
        compare,
    )


def _system(size: int):
    """(I + a S) dz = a (e_i − e_j) in full."""
    others = [(1 - 2 * p) / (size - 2)] * (size - 2) if size > 2 else []
    chance = sp.Matrix([p, p, *others]) if size > 2 else sp.Matrix([sp.Rational(1, 2)] * 2)
    across = sp.Matrix([1, -1] + [0] * (size - 2))
    rate = a / (1 + a * chance[0])
    return identity(
        f"linear system, K = {size}",
        rf"$K = {size}$: $(I + aS)\,dz = a(e_i - e_j)$ has this solution.",
        list((sp.eye(size) + a * covariance(chance)) * (rate * across)),
        list(a * across),
    )


def settings():
    """K from 2 to 100, a from 1e-4 to some thousands."""
    return fixed((2, 3, 10, 100), ((0.5, 1e3), (1.0, 1.0), (1.0, 0.02), (1.67, 5e-4)))


def compare(rng) -> list[Comparison]:
    """The derived slope beside the derivative of the shipped closed form in λ."""
    import jax

    from ufm.theory.features import two_hot_optimum

    form, rows = sp.lambdify((a, p), SLOPE, "mpmath"), []
    shipped = jax.jit(jax.grad(lambda lam, a, K: two_hot_optimum(lam, a, K).gap))
    for count in range(10):
        classes, sharpness = float(int(10 ** rng.uniform(0.31, 3))), float(10 ** rng.uniform(-3, 6))
        if count == 0:
            classes, sharpness = 10.0, 6197.7
        # s: a = 2s(1 − 2/K) + (4s/K) eˢ, theorem different-class at D = 0
        with mp.workdps(40):
            size = mp.mpf(classes)

            def gap(s, size=size, sharpness=sharpness):
                return 2 * s * (1 - 2 / size) + 4 * s / size * mp.exp(s) - mp.mpf(sharpness)

            s = increasing_root(gap, 0, mp.log1p(sharpness * size))
            derived = form(mp.mpf(sharpness), 2 * s / (size * sharpness) * mp.exp(s))
        found = float(shipped(0.5, sharpness, classes))
        rows.append(Comparison(f"K={classes:g}, a={sharpness:.3g}", derived, found))
    return rows
