r"""The Hessian of one class's feature against a simplex ETF: 1 + xP once, 1 + x/K (K−2 times), 1 off the range.

f(h) = CE(W h, e_c) + (λ_H/2)‖h‖² at its minimum, x (eˣ + K − 1) = aK, P = p_c. ∇²f = λ_H + Wᵀ S W with
S = diag p − ppᵀ, and W Wᵀ = g Π, so the eigenvalues of ∇²f/λ_H are 1 + a × those of S on 1^⊥. Idea: S commutes with
the permutations of the other classes. The condition number 1 + xP is only logarithmic in a.
"""

from functools import partial

import mpmath as mp
import sympy as sp

from proofs.engine.step import Comparison, Derivation, argued, identity, sign
from proofs.same_class import K, a, x
from proofs.tools.matrices import covariance
from proofs.tools.roots import increasing_root
from proofs.tools.settings import fixed

OWN = sp.exp(x) / (sp.exp(x) + K - 1)
ALONG, OTHER = 1 + x * OWN, 1 + x / K


def derive() -> Derivation:
    """The two eigenvalues of S, a p_o = x/K, their order; matrices for K = 2, 3, 4."""
    P, p_o = sp.symbols("P p_o", positive=True)
    more, rise = sp.Symbol("n", nonnegative=True), sp.Symbol("s", positive=True)
    return Derivation(
        "feature-curvature",
        [
            argued(
                "the Hessian",
                r"$\nabla^2f = \lambda_HI + W^\top SW$; the non-zero eigenvalues of $W^\top SW$ are those "
                r"of $S\,WW^\top = "
                r"gS\Pi$, that is $g$ times those of $S$ on $\mathbf{1}^\perp$ ($S\mathbf{1} = 0$). The "
                r"$d - K + 1$ "
                r"directions off the range of $W^\top$ have $\lambda_H$.",
            ),
            identity(
                "along the class",
                r"$u = (K-1)e_c - \sum_{l \ne c}e_l$ has $p\cdot u = (K-1)(P - p_o)$; with $P + (K-1)p_o "
                r"= 1$, $Su = KPp_ou$: "
                r"at $c$ and at another class.",
                [
                    (P * ((K - 1) - (K - 1) * (P - p_o)) - K * P * p_o * (K - 1)).subs(P, 1 - (K - 1) * p_o),
                    (p_o * (-1 - (K - 1) * (P - p_o)) + K * P * p_o).subs(P, 1 - (K - 1) * p_o),
                ],
                [0, 0],
            ),
            identity(
                "between others",
                r"$v = e_l - e_m$, $l, m \ne c$: $p\cdot v = 0$ and $Sv = p_ov$ ($K - 2$ such directions).",
                p_o * (1 - 0) - p_o,
                0,
            ),
            identity(
                "scale",
                r"$ap_o = x/K$ (theorem same-class): $1 + aKPp_o = 1 + xP$ and $1 + ap_o = 1 + x/K$.",
                [1 + a * K * P * (x / (a * K)), 1 + a * (x / (a * K))],
                [1 + x * P, OTHER],
            ),
            sign(
                "order",
                r"$P \ge 1/K$: $1 + xP$ is the largest. With $K = 2 + n$, $e^x = 1 + s$, $s > 0$.",
                (rise * (K - 1) / (K * (rise + K))).subs(K, 2 + more),
                "positive",
            ),
            identity(
                "that is the difference",
                r"$P - 1/K = (e^x - 1)(K-1)/(K(e^x + K - 1))$.",
                OWN - 1 / K,
                (sp.exp(x) - 1) * (K - 1) / (K * (sp.exp(x) + K - 1)),
            ),
            *[_matrix(size) for size in (2, 3, 4)],
        ],
        sp.Eq(sp.Symbol("kappa"), ALONG),
        compare,
    )


def _matrix(size: int):
    """The characteristic polynomial of S."""
    q, t = sp.symbols("q t", positive=True)
    chance = sp.Matrix([1 - (size - 1) * q] + [q] * (size - 1))
    found = (t * sp.eye(size) - covariance(chance)).det()
    return identity(
        f"characteristic polynomial, K = {size}",
        rf"$K = {size}$: $\det(t - S) = t\,(t - p_o)^{{{size - 2}}}(t - {size}Pp_o)$.",
        found,
        t * (t - q) ** (size - 2) * (t - size * chance[0] * q),
    )


def settings():
    """Every K, from weak to sharp."""
    return fixed((2, 3, 10, 100), ((0.5, 1e3), (1.0, 1.0), (1.67, 5e-4), (2.0, 1e-5)))


def compare(rng) -> list[Comparison]:
    """Both eigenvalues at 40 digits beside those of the theorem."""
    from ufm.model.problem import Problem
    from ufm.theory.theorems.fixed_class import FEATURE_CURVATURE
    from ufm.theory.theorems.theorem import Setting

    forms = [sp.lambdify((x, K), form, "mpmath") for form in (OTHER, ALONG)]
    equation, rows = sp.lambdify((x, K, a), x * (sp.exp(x) + K - 1) - a * K, "mpmath"), []
    claim = FEATURE_CURVATURE.claim
    for _ in range(6):
        classes, m = int(rng.integers(3, 40)), float(10 ** rng.uniform(-1, 1.5))
        setting = Setting(Problem(classes, multiplier=m, lambda_h=1e-3))
        sharp = mp.mpf(setting.problem.sharpness)
        root = increasing_root(partial(equation, K=classes, a=sharp), 0, sharp * classes)
        (shipped,) = claim.formula(setting, claim.labels(setting)[:1]).values
        where = f"K={classes}, a={float(sharp):.3g}"
        rows += [
            Comparison(where, form(root, classes), value)
            for form, value in zip(forms, (shipped[0], shipped[-1]))
        ]
    return rows
