"""Same-class mixtures: the optimal feature is a multiple of its classifier row, whatever λ is.

Take y = λ e_c + (1−λ) e_c = e_c against a simplex ETF, W Wᵀ = g Π, a = g/λ_H. The ansatz
h = (x/g) w_c has logits W h = x Π e_c, that is x(1 − 1/K) for class c and −x/K for every other
one. We show that the gradient of f(h) = CE(W h, e_c) + (λ_H/2)‖h‖² vanishes on it exactly when
x (eˣ + K − 1) = a K, and that this equation has one positive root.
"""

from functools import partial

import mpmath as mp
import sympy as sp

from proofs.engine.step import Comparison, Derivation, formal, identity, limit, sign
from proofs.tools.frame import simplex_rows
from proofs.tools.roots import increasing_root
from proofs.tools.settings import fixed

K = sp.Symbol("K", positive=True)
x, a, g = sp.symbols("x a g", positive=True)
EQUATION = x * (sp.exp(x) + K - 1) - a * K


def derive() -> Derivation:
    """Stationarity along w_c, the equation's one root, and the full matrices for K = 2, 3, 4."""
    p_c = sp.exp(x) / (sp.exp(x) + K - 1)
    p_o = 1 / (sp.exp(x) + K - 1)
    return Derivation(
        "same-class",
        [
            identity(
                "probabilities",
                r"On $h = (x/g) w_c$ the probabilities are $p_c = e^x/(e^x+K-1)$ and $p_o = 1/(e^x+K-1)$ for each "
                r"other class: they sum to one and $\log(p_c/p_o) = x$.",
                [p_c + (K - 1) * p_o, p_c / p_o],
                [1, sp.exp(x)],
            ),
            identity(
                "gradient",
                r"$W^\top(p - e_c) = -(1 - p_c + p_o) w_c$, as $\sum_k w_k = 0$; hence "
                r"$\nabla f(h) = (\lambda_H/g)\,(x - a(1 - p_c + p_o))\, w_c$, and $1 - p_c + p_o = K p_o$. "
                r"(Checked: class $c$ of $p - e_c = p_o\mathbf{1} - (1 - p_c + p_o)e_c$, the factor of "
                r"$w_c$, and the last equation.)",
                [p_o - (1 - p_c + p_o), -(1 - p_c + p_o) + (g / a) * x / g, 1 - p_c + p_o],
                [p_c - 1, (x - a * (1 - p_c + p_o)) / a, K * p_o],
            ),
            identity(
                "equation",
                r"$x - a K p_o$ vanishes exactly where $x(e^x + K - 1) = aK$.",
                (x - a * K * p_o) * (sp.exp(x) + K - 1),
                EQUATION,
            ),
            sign(
                "one root",
                r"The left side $x(e^x+K-1)$ increases: its derivative $e^x(1+x) + (K-1)$ is positive.",
                sp.diff(x * (sp.exp(x) + K - 1), x).subs(K, 1 + sp.Symbol("n", positive=True)),
                "positive",
            ),
            limit("at zero", r"It is $0$ at $x = 0$ …", x * (sp.exp(x) + K - 1), x, 0, 0),
            limit("at infinity", r"… and unbounded.", x * (sp.exp(x) + K - 1), x, sp.oo, sp.oo),
            formal(
                "unique optimum",
                r"$h = \frac xg w_c$ costs less than any other point, where $x(e^x + K - 1) = aK$.",
                "Forms.same_class_optimum",
            ),
            formal(
                "existence of the root",
                "That equation has exactly one root, and it is positive.",
                "Forms.same_class_root",
            ),
            *[_matrices(size) for size in (2, 3, 4)],
        ],
        sp.Eq(x * (sp.exp(x) + K - 1), a * K),
        compare,
    )


def _matrices(size: int):
    """The gradient with every entry written out, for W = √g times Helmert's basis."""
    W = simplex_rows(size, g)
    h = x / g * W.row(0).T
    weights = (W * h).applyfunc(sp.exp)
    p = weights / sum(weights)
    y = sp.Matrix([1] + [0] * (size - 1))
    gradient = W.T * (p - y) + (g / a) * h
    claimed = (g / a) / g * (x - a * size / (sp.exp(x) + size - 1)) * W.row(0).T
    return identity(
        f"matrices, K = {size}",
        rf"The gradient written out for $K = {size}$ is $(1/a)(x - aKp_o)\,w_c$.",
        [sp.simplify(entry) for entry in gradient],
        list(claimed),
    )


def settings():
    """Every K, from weak to sharp."""
    return fixed()


def compare(rng) -> list[Comparison]:
    """The root of the derived equation, at 40 digits, beside the shipped coefficient x."""
    from ufm.theory.features import two_hot_optimum

    equation = sp.lambdify((x, K, a), EQUATION, "mpmath")
    rows = []
    for _ in range(20):
        classes, sharpness = int(10 ** rng.uniform(0.31, 4)), float(10 ** rng.uniform(-4, 9))
        root = increasing_root(partial(equation, K=classes, a=mp.mpf(sharpness)), 0, sharpness * classes)
        shipped = float(two_hot_optimum(1.0, sharpness, classes).x_i)
        rows.append(Comparison(f"K={classes}, a={sharpness:.3g}", root, shipped))
    return rows
