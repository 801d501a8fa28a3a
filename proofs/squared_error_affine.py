"""Squared error keeps the mixed feature on a straight line; cross-entropy never does.

Squared error, ½‖W h − y‖² + (λ_H/2)‖h‖²: h = Wᵀy/(g + λ_H), linear in the label and so exactly affine
in λ. Cross-entropy, any a > 0: for K ≥ 3 the channel's height s at λ = ½ exceeds the mean x/2 of its
ends, because 2s(1 − 2/K) + (4s/K) e^s cosh(D/2) = a has the same right side at D = x and D = 0; for
K = 2 the label is a strictly concave function of D > 0.
"""

import mpmath as mp
import numpy as np
import sympy as sp

from proofs.different_class import ALONG, D, K, a, s
from proofs.engine.step import Comparison, Derivation, argued, formal, identity, sign
from proofs.tools.frame import simplex_rows
from proofs.tools.roots import DIGITS
from proofs.tools.settings import fixed

g, ridge, y, q = sp.symbols("g lambda_H y q", positive=True)
lam = sp.Symbol("lambda", real=True)
COEFFICIENT = y / (g + ridge)


def derive() -> Derivation:
    """The linear feature under squared error; the bent one under cross-entropy."""
    return Derivation(
        "squared-error-affine", _squared_error() + bent_steps() + _two_classes(), COEFFICIENT, compare
    )


def _squared_error() -> list:
    x = a / (1 + a) * y
    return [
        identity(
            "stationarity",
            r"$W^\top(Wh - y) + \lambda_Hh$ at $h = W^\top y/(g + \lambda_H)$: as $W^\top WW^\top = "
            r"gW^\top\Pi = gW^\top$, it is $\left(\frac{g + \lambda_H}{g + \lambda_H} - 1\right)W^\top y = 0$.",
            (g * COEFFICIENT - y) + ridge * COEFFICIENT,
        ),
        identity(
            "in terms of a",
            r"$h = \sum_k \frac{x_k}{g}w_k$ with $x_k = \frac{a}{1+a}y_k$, $a = g/\lambda_H$.",
            (x / g).subs(a, g / ridge),
            COEFFICIENT,
        ),
        identity(
            "affine",
            r"At $y = \lambda p + (1-\lambda)q$ the second derivative in $\lambda$ is zero: $h$ runs on the "
            r"segment between the class features.",
            sp.diff(COEFFICIENT.subs(y, lam * y + (1 - lam) * q), lam, 2),
        ),
        formal(
            "unique optimum",
            r"$h = W^\top y/(g + \lambda_H)$ costs less than any other point.",
            "Squared.squared_optimum",
        ),
        *[_matrices(size) for size in (2, 3, 4)],
    ]


def _matrices(size: int):
    W = simplex_rows(size, g)
    label = sp.Matrix(sp.symbols(f"y:{size}", real=True))
    h = sp.Matrix(sp.symbols(f"h:{size - 1}", real=True))
    error = W * h - label
    f = (error.T * error)[0] / 2 + ridge / 2 * (h.T * h)[0]
    at = dict(zip(h, W.T * label / (g + ridge)))
    return identity(
        f"matrices, K = {size}",
        rf"Every derivative of the objective vanishes at $h = W^\top y/(g + \lambda_H)$, written out for $K = "
        rf"{size}$.",
        [sp.diff(f, coordinate).subs(at, simultaneous=True) for coordinate in h],
        [0] * (size - 1),
    )


def bent_steps() -> list:
    x, n, more = sp.symbols("x n k", positive=True)  # e^{x/2} = 1 + n, K = 2 + k
    excess = ALONG.subs({s: x / 2, D: x}) - ALONG.subs({s: x / 2, D: 0})
    return [
        identity(
            "middle against the ends",
            r"Cross-entropy, $K \ge 3$. At the ends $D = \pm x$, $s = x/2$, where the left side $F(s, D)$ of "
            r"the parametrisation is $a$. There $F(x/2, x) - F(x/2, 0) = \frac{x}{K}(e^{x/2} - 1)^2$ …",
            excess.rewrite(sp.exp),
            x / K * (sp.exp(x / 2) - 1) ** 2,
        ),
        sign(
            "the middle is higher",
            r"… is positive (with $e^{x/2} = 1 + n$), so $F(x/2, 0) < a$ …",
            (x / K * (sp.exp(x / 2) - 1) ** 2).subs(x, 2 * sp.log(1 + n)),
            "positive",
        ),
        sign(
            "height increases",
            r"… and as $F$ increases in $s$, $s > x/2$ at $\lambda = \frac12$, where $D = 0$.",
            sp.diff(ALONG, s).subs(K, 2 + more),
            "positive",
        ),
        argued(
            "not affine, K ≥ 3",
            r"The coefficients of $w_i, w_j$ are unique for $K \ge 3$. If $h$ were affine in $\lambda$ on "
            r"$[0, 1]$ then $s(\frac12)$ would be the mean $x/2$ of its ends: a contradiction for every $a > "
            r"0$. As $h$ is analytic in $\lambda$ (theorem edge-slopes), it is affine on no interval.",
        ),
    ]


def _two_classes() -> list:
    label = D / a + sp.tanh(D / 2)  # 2λ − 1
    height = sp.Symbol("D", positive=True)
    curvature = -sp.tanh(D / 2) * sp.sech(D / 2) ** 2 / 2
    return [
        identity(
            "two classes: curvature",
            r"$K = 2$: $2\lambda - 1 = D/a + \tanh(D/2)$ has the second derivative $-\frac12\tanh(D/2)"
            r"\operatorname{sech}^2(D/2)$ in $D$ …",
            sp.diff(label, D, 2).rewrite(sp.exp),
            curvature.rewrite(sp.exp),
        ),
        sign(
            "two classes: concave",
            r"… negative for $D > 0$: $\lambda$ is strictly concave in $D$, so neither is an affine function "
            r"of the other on any interval, for any $a > 0$.",
            curvature.subs(D, height),
            "negative",
        ),
    ]


def settings():
    """Every K, from weak to sharp."""
    return fixed(loss="squared-error")


def compare(rng) -> list[Comparison]:
    """Wᵀy/(g + λ_H), entry by entry in mpmath, beside the shipped features and coefficients."""
    from ufm.model.problem import Problem
    from ufm.theory.predict import predict_features

    formula = sp.lambdify((y, g, ridge), COEFFICIENT, "mpmath")
    rows = []
    for _ in range(10):
        classes, penalty = int(rng.integers(2, 12)), float(10 ** rng.uniform(-5, 2))
        problem = Problem(classes=classes, multiplier=1.5, lambda_h=penalty, loss="squared-error")
        pair, mix = rng.choice(classes, 2, replace=False), float(rng.uniform(0, 1))
        label = np.zeros(classes)
        label[pair] = mix, 1 - mix
        found = predict_features(problem, label[None])
        with mp.workdps(DIGITS):
            gain = mp.mpf(1.5) ** 2 * classes / (classes - 1)
            terms = [formula(mp.mpf(float(one)), gain, mp.mpf(penalty)) for one in label]
            mean = mp.fsum(terms) / classes
            square = gain * mp.fsum((term - mean) ** 2 for term in terms)
            where = f"K={classes}, lambda_H={penalty:.3g}"
            rows += [
                Comparison(f"{where}: coefficient", terms[pair[0]] - mean, float(found.coef[0, pair[0]])),
                Comparison(f"{where}: ‖h‖", mp.sqrt(square), float(np.linalg.norm(found.H[0]))),
            ]
    return rows
