"""Edges of the channel: the feature is analytic in λ up to and beyond λ = 0 and 1, with known slopes there.

The two equations of a different-class mixture hold in a neighbourhood of λ ∈ [0, 1]. Their Jacobian
by (x_i, x_j) has a positive determinant wherever x_i, x_j ≥ 0, so the analytic implicit function
theorem applies, at the edges too. Differentiating once at τ = 1 − λ = 0, where x_j = 0 and x_i is
the same-class root x, gives

    dx_j/dτ = a/(1 + x/K),    dx_i/dτ = −a K (K − 1 + x + e^x) / ((K + x)(K − 1 + (1 + x) e^x)).
"""

from functools import partial

import mpmath as mp
import sympy as sp

from proofs import same_class
from proofs.engine.step import Comparison, Derivation, argued, formal, identity, sign
from proofs.tools.roots import DIGITS, increasing_root
from proofs.tools.settings import fixed

K, a, x = same_class.K, same_class.a, same_class.x
tau = sp.Symbol("tau", real=True)
x_i, x_j = sp.symbols("x_i x_j", real=True)
MEAN = (x_i + x_j) / K
FIRST = x_i + MEAN * (sp.exp(x_i) - 1) - a * (1 - tau)
SECOND = x_j + MEAN * (sp.exp(x_j) - 1) - a * tau
SLOPE_J = a / (1 + x / K)
SLOPE_I = -a * K * (K - 1 + x + sp.exp(x)) / ((K + x) * (K - 1 + (1 + x) * sp.exp(x)))


def derive() -> Derivation:
    """The Jacobian and its determinant, analyticity, the slopes at the edge, any soft label."""
    return Derivation(
        "edge-slopes", _analytic() + _slopes() + _any_label(), sp.Tuple(SLOPE_I, SLOPE_J), compare
    )


def _analytic() -> list:
    system, unknowns = sp.Matrix([FIRST, SECOND]), sp.Matrix([x_i, x_j])
    u, v, o = sp.symbols("u v o", nonnegative=True)  # e^{x_i} − 1, e^{x_j} − 1, (x_i + x_j)/K
    short = {x_i: sp.log(1 + u), x_j: sp.log(1 + v)}
    jacobian = sp.Matrix([[1 + o * (1 + u) + u / K, u / K], [v / K, 1 + o * (1 + v) + v / K]])
    return [
        formal("range", r"For $\lambda \in [0, 1]$ the solution has $x_i, x_j \ge 0$.", "Signs.pair_range"),
        identity(
            "Jacobian",
            r"With $u = e^{x_i} - 1$, $v = e^{x_j} - 1$ and $o = (x_i + x_j)/K$ the Jacobian of the two "
            r"equations is $\begin{pmatrix} 1 + o(1+u) + u/K & u/K \\ v/K & 1 + o(1+v) + v/K \end{pmatrix}$.",
            system.jacobian(unknowns).subs(short),
            jacobian.subs(o, MEAN.subs(short)),
        ),
        sign(
            "never singular",
            r"Its determinant is positive for $u, v, o \ge 0$: the product $uv/K^2$ of the off-diagonal "
            r"entries cancels against the product of the diagonal ones.",
            sp.expand(jacobian.det()),
            "positive",
        ),
        argued(
            "analytic",
            r"The equations are analytic in $(x_i, x_j, \lambda)$, so by the analytic implicit function "
            r"theorem $x_i$ and $x_j$ are real-analytic functions of $\lambda$ in an open interval that "
            r"contains $[0, 1]$ ($K \ge 2$, $a > 0$).",
        ),
    ]


def _slopes() -> list:
    edge = {tau: 0, x_i: x, x_j: 0}
    more = sp.Symbol("n", positive=True)
    system, unknowns = sp.Matrix([FIRST, SECOND]), sp.Matrix([x_i, x_j])
    jacobian, drift = system.jacobian(unknowns).subs(edge), system.diff(tau).subs(edge)
    return [
        identity(
            "the edge",
            r"At $\tau = 0$, $x_j = 0$ the second equation holds and the first is $x(e^x + K - 1) = aK$, "
            r"divided by $K$.",
            [K * FIRST.subs(edge), SECOND.subs(edge)],
            [same_class.EQUATION, 0],
        ),
        identity(
            "slope of x_j",
            r"There the second row of the Jacobian is $(0, 1 + x/K)$, and $\partial/\partial\tau$ of the "
            r"second equation is $-a$: $dx_j/d\tau = a/(1 + x/K)$.",
            [jacobian[1, 0], jacobian[1, 1] * SLOPE_J + drift[1]],
            [0, 0],
        ),
        identity(
            "slope of x_i",
            r"The first row then gives $dx_i/d\tau = -\frac{aK(K - 1 + x + e^x)}{(K+x)(K - 1 + (1+x)e^x)}$.",
            jacobian[0, 0] * SLOPE_I + jacobian[0, 1] * SLOPE_J + drift[0],
        ),
        identity(
            "slope of x_i, as stated",
            r"This is $-\left(a + \frac{e^x-1}{K}\frac{dx_j}{d\tau}\right) / \left(1 + \frac{e^x-1}{K} + "
            r"\frac xKe^x\right)$.",
            SLOPE_I,
            -(a + (sp.exp(x) - 1) / K * SLOPE_J) / (1 + (sp.exp(x) - 1) / K + x / K * sp.exp(x)),
        ),
        sign("x_j rises", r"Leaving the edge, $x_j$ rises …", SLOPE_J, "positive"),
        sign("x_i falls", r"… and $x_i$ falls, for $K = 1 + n$.", SLOPE_I.subs(K, 1 + more), "negative"),
    ]


def _any_label() -> list:
    return [
        *[_determinant(size) for size in (2, 3, 4)],
        identity(
            "bracket",
            r"With $\sum_k p_k = 1$ every class contributes $p_k - \frac{a p_k^2}{1 + a p_k}$ to the bracket, "
            r"which is $\frac{p_k}{1 + a p_k}$ …",
            x - a * x**2 / (1 + a * x),
            x / (1 + a * x),
        ),
        sign(
            "any soft label",
            r"… and positive: $z$ is real-analytic in the whole label $y$, on the boundary of the simplex too.",
            x / (1 + a * x),
            "positive",
        ),
    ]


def _determinant(size: int):
    """The matrix determinant lemma, for any p."""
    p = sp.Matrix(sp.symbols(f"p:{size}", positive=True))
    return identity(
        f"determinant, K = {size}",
        r"For any soft label the fixed point $z = a(y - p(z))$ has the Jacobian $I + a(\operatorname{diag} p "
        r"- pp^\top)$ by $z$. By the determinant lemma its determinant is $\prod_k(1 + a p_k)\,\bigl(1 - "
        r"\sum_k \frac{a p_k^2}{1 + a p_k}\bigr)$; "
        rf"written out for $K = {size}$.",
        (sp.eye(size) + a * (sp.diag(*p) - p * p.T)).det(method="berkowitz"),
        sp.prod([1 + a * q for q in p]) * (1 - sum(a * q**2 / (1 + a * q) for q in p)),
    )


def settings():
    """a ≤ 1e5: the error bound of a slope grows like a²."""
    return fixed((3, 10, 100), ((0.5, 1e3), (1.0, 1.0), (1.0, 1e-2), (1.67, 5e-4)))


def compare(rng) -> list[Comparison]:
    """The slopes at the same-class root, at 40 digits, beside the derivative of the shipped closed form."""
    import jax

    from ufm.theory.features import two_hot_optimum

    equation = sp.lambdify((x, K, a), same_class.EQUATION, "mpmath")
    formulas = {name: sp.lambdify((x, K, a), e, "mpmath") for name, e in (("x_i", SLOPE_I), ("x_j", SLOPE_J))}

    @jax.jit
    def slopes(sharpness, classes):
        return jax.jvp(lambda lam: two_hot_optimum(lam, sharpness, classes), (1.0,), (-1.0,))[1]

    rows = []
    for _ in range(10):
        classes, sharpness = int(10 ** rng.uniform(0.31, 4)), float(10 ** rng.uniform(-4, 8))
        with mp.workdps(DIGITS + 10):
            sharp = mp.mpf(sharpness)
            root = increasing_root(partial(equation, K=classes, a=sharp), 0, sharp * classes)
            found = slopes(sharpness, float(classes))
            rows += [
                Comparison(
                    f"K={classes}, a={sharpness:.3g}: d{name}/dtau",
                    formula(root, classes, sharp),
                    float(getattr(found, name)),
                )
                for name, formula in formulas.items()
            ]
    return rows
