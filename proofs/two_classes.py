"""Two classes: one number, the logit difference D = a (2λ − 1 − tanh(D/2)), describes the whole problem.

For K = 2 the ETF is a pair w_1 = −w_2 with ‖w‖ = m and g = 2m². There are no other classes, and a
feature is one coordinate, h = (D/g) w_1. The difference of the two fixed-point equations
z = a (y − p) is an equation in D alone, because p_1 − p_2 = tanh(D/2). Its left side increases,
so the root is unique, and it is odd in λ − ½.
"""

import mpmath as mp
import sympy as sp

from proofs.engine.step import Comparison, Derivation, formal, identity, limit, sign
from proofs.tools.frame import simplex_rows, softmax
from proofs.tools.roots import increasing_root
from proofs.tools.settings import two_hot

a, g, s, m = sp.symbols("a g s m", positive=True)
D, lam = sp.symbols("D lambda", real=True)
LEFT = D + a * sp.tanh(D / 2)
EQUATION = LEFT - a * (2 * lam - 1)


def derive() -> Derivation:
    """The equation in D, its one root, symmetry, the ends, the matrices for K = 2."""
    return Derivation(
        "two-classes", _equation() + _root() + _feature(), sp.Eq(LEFT, a * (2 * lam - 1)), compare
    )


def _equation() -> list:
    p_1, p_2 = sp.symbols("p_1 p_2", positive=True)
    return [
        identity(
            "probabilities",
            r"With $D = z_1 - z_2$: $p_1 - p_2 = (e^{D} - 1)/(e^{D} + 1) = \tanh(D/2)$.",
            (sp.exp(D) - 1) / (sp.exp(D) + 1),
            sp.tanh(D / 2).rewrite(sp.exp),
        ),
        identity(
            "equation",
            r"For $y = \lambda e_1 + (1-\lambda)e_2$ (any label, at $K = 2$), $z = a(y - p)$ "
            r"gives $D = a(\lambda - p_1) - a(1 - \lambda - p_2) = a(2\lambda - 1 - (p_1 - "
            r"p_2))$.",
            a * (lam - p_1) - a * (1 - lam - p_2),
            a * (2 * lam - 1 - (p_1 - p_2)),
        ),
        identity(
            "as the case K = 2 of a channel",
            r"The parametrisation of different classes at $K = 2$, $2s e^s\cosh(D/2) = a$, turns its "
            r"difference equation $D + 2s e^s \sinh(D/2) = a(2\lambda-1)$ into the same one.",
            (2 * s * sp.exp(s) * sp.sinh(D / 2)).rewrite(sp.exp),
            (LEFT - D).subs(a, 2 * s * sp.exp(s) * sp.cosh(D / 2)).rewrite(sp.exp),
        ),
    ]


def _root() -> list:
    slope = 1 + a / 2 * sp.sech(D / 2) ** 2
    more = sp.Symbol("u", positive=True)  # 2λ − 1 > 0
    return [
        identity(
            "slope",
            r"The derivative of $D + a\tanh(D/2)$ is $1 + \frac{a}{2}\operatorname{sech}^2(D/2)$ …",
            sp.diff(LEFT, D).rewrite(sp.exp),
            slope.rewrite(sp.exp),
        ),
        sign("one root", r"… which is positive: there is at most one root.", slope, "positive"),
        limit("low end", r"The left side runs from $-\infty$ …", LEFT, D, -sp.oo, -sp.oo, "+"),
        limit("high end", r"… to $\infty$: there is a root.", LEFT, D, sp.oo, sp.oo),
        sign(
            "bracket",
            r"For $u = 2\lambda - 1 > 0$ the equation is violated upwards at $D = a u$, and downwards at $D = "
            r"0$: $0 < D < a(2\lambda - 1)$.",
            [
                EQUATION.subs(D, a * more).subs(lam, (1 + more) / 2),
                -EQUATION.subs(D, 0).subs(lam, (1 + more) / 2),
            ],
            "positive",
        ),
        identity(
            "odd",
            r"The equation changes sign under $D \to -D$, $\lambda \to 1 - \lambda$: $D$ is odd in $\lambda - "
            r"\frac12$.",
            EQUATION.subs({D: -D, lam: 1 - lam}, simultaneous=True),
            -EQUATION,
        ),
        identity(
            "same class",
            r"At $\lambda = 1$ it is the same-class equation $D(e^D + 1) = 2a$.",
            (EQUATION.subs(lam, 1) * (sp.exp(D) + 1)).rewrite(sp.exp),
            D * (sp.exp(D) + 1) - 2 * a,
        ),
    ]


def _feature() -> list:
    c = sp.Symbol("c", real=True)
    W = simplex_rows(2, g)
    label = (1 + LEFT / a) / 2
    y = sp.Matrix([label.rewrite(sp.exp), (1 - label).rewrite(sp.exp)])
    h = D / g * W.row(0).T
    x_i, x_j = sp.symbols("x_i x_j", real=True)
    return [
        formal(
            "unique optimum",
            r"$h = \frac{D}{2g}(w_1 - w_2)$ costs less than any other point.",
            "TwoClasses.two_class_optimum",
        ),
        formal(
            "existence of the root", "The equation of $D$ has exactly one root.", "TwoClasses.two_class_root"
        ),
        identity(
            "only the difference matters",
            r"$w_1 + w_2 = 0$: adding $c$ to both coefficients of $(x_i w_1 + x_j w_2)/g$ changes nothing, "
            r"and it equals $\frac{x_i - x_j}{g} w_1$.",
            list(((x_i + c) * W.row(0) + (x_j + c) * W.row(1)) / g),
            list((x_i - x_j) / g * W.row(0)),
        ),
        identity(
            "length",
            r"$\|w_1\|^2 = g/2 = m^2$, so $h = (D/g) w_1$ has length $|D|/(2m)$ (squares compared).",
            ((h.T * h)[0]).subs(g, 2 * m**2),
            (D / (2 * m)) ** 2,
        ),
        identity(
            "matrices, K = 2",
            r"The gradient written out vanishes at $h = (D/g) w_1$, with $\lambda$ from the equation.",
            W.T * (softmax(W * h) - y) + g / a * h,
        ),
    ]


def settings():
    """λ at and next to 0, ½ and 1."""
    return two_hot((2,))


def compare(rng) -> list[Comparison]:
    """The root D of the equation, at 40 digits, beside the shipped difference of logits."""
    import jax

    from ufm.theory.features import two_hot_optimum

    equation, shipped = sp.lambdify((D, lam, a), EQUATION, "mpmath"), jax.jit(two_hot_optimum)
    rows = []
    for _ in range(20):
        mix, sharpness = float(rng.uniform(0, 1)), float(10 ** rng.uniform(-4, 9))
        root = increasing_root(
            lambda D, mix=mix, sharpness=sharpness: equation(D, mp.mpf(mix), mp.mpf(sharpness)),
            -sharpness,
            sharpness,
        )
        found = float(shipped(mix, sharpness, 2.0).gap)
        rows.append(Comparison(f"a={sharpness:.3g}, lambda={mix:.3f}", root, found))
    return rows
