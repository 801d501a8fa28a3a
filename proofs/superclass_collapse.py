r"""Hierarchical smoothing: classes, then superclasses, then nothing, as the penalties grow.

B groups of m classes, K = Bm, y = (1−ε−δ) e_k + (ε/m) 1_group + δ/K, ε + δ ≤ 1, ĉ = √(K λ_W λ_H), d ≥ K−1. With
A = (1−ε−δ−ĉ)₊ and S = (1−δ−ĉ)₊:

    p_o = (1−S)/K,   p_s = p_o + (S−A)/m,   p_k = p_s + A,
    g_w = λ_H log(p_k/p_s)/ĉ within groups,   g_b = λ_H (log(p_k/p_s) + m log(p_s/p_o))/ĉ between them.

Classes of a group have one row for 1−ε−δ ≤ ĉ < 1−δ. Idea: the label moment has the eigenvalues (1−ε−δ)²/K within
and (1−δ)²/K between; the optimum lowers each root by ĉ, or to what it is if it is smaller. While both are
positive this is the theorem group-smoothing; beyond, the same residual is the certificate on a smaller range of W.
"""

import mpmath as mp
import numpy as np
import sympy as sp

from proofs.engine.step import Comparison, Derivation, argued, identity, sign
from proofs.tools.designs import labelled
from proofs.tools.matrices import centring

B, m, hat = sp.symbols("B m hat_c", positive=True)
epsilon, delta, lambda_h = sp.symbols("varepsilon delta lambda_H", positive=True)
A, S = sp.symbols("A S", nonnegative=True)
OTHER = (1 - S) / (B * m)
SIBLING = OTHER + (S - A) / m
OWN = SIBLING + A
l_k, l_s, l_o = sp.symbols("l_k l_s l_o", real=True)  # logarithms of the three
NEAR = lambda_h * (l_k - l_s) / hat
FAR = lambda_h * (l_k - l_s + m * (l_s - l_o)) / hat
LOGS = {l_k: sp.log(OWN), l_s: sp.log(SIBLING), l_o: sp.log(OTHER)}
WITHIN, BETWEEN = NEAR.subs(LOGS), FAR.subs(LOGS)


def derive() -> Derivation:
    """Probabilities, eigenvalues, three phases; matrices of 2 x 2, 3 x 2 and 2 x 3 classes."""
    label_own, label_sibling = (
        1 - epsilon - delta + epsilon / m + delta / (B * m),
        epsilon / m + delta / (B * m),
    )
    label_other = delta / (B * m)
    more = sp.Symbol("s", positive=True)
    return Derivation(
        "superclass-collapse",
        [
            identity(
                "probabilities",
                r"$p_k + (m-1)p_s + (B-1)mp_o = 1$.",
                OWN + (m - 1) * SIBLING + (B - 1) * m * OTHER,
                1,
            ),
            identity(
                "eigenvalues of a matrix of this kind",
                r"Entries $u$ at the own class, $v$ in the group, $w$ elsewhere: $u - v$ on differences "
                r"within a group, $u + "
                r"(m-1)v - mw$ between. For the predictions these are $A$ and $S$; for the labels "
                r"$1-\varepsilon-\delta$ and "
                r"$1 - \delta$.",
                [
                    OWN - SIBLING,
                    OWN + (m - 1) * SIBLING - m * OTHER,
                    label_own - label_sibling,
                    label_own + (m - 1) * label_sibling - m * label_other,
                ],
                [A, S, 1 - epsilon - delta, 1 - delta],
            ),
            argued(
                "the residual",
                r"So the residual matrix $R$ (row $r_k$) has the eigenvalues $1-\varepsilon-\delta-A = "
                r"\min(\hat c, "
                r"1-\varepsilon-\delta) \ge 0$ (as $\varepsilon + \delta \le 1$) "
                r"within and $1-\delta-S = \min(\hat c, 1-\delta)$ between, and $M "
                r"= R^2/K$ has the "
                r"eigenvalues $\le \hat c^2/K = c^2$, equal to $c^2$ exactly where $A > 0$, or $S > 0$.",
            ),
            identity(
                "logits",
                r"$z = \log p$ has the eigenvalues $\log(p_k/p_s)$ and $\log p_k + (m-1)\log p_s - m\log "
                r"p_o = "
                r"\log(p_k/p_s) + m\log(p_s/p_o)$; $z = GR/\lambda_H$ with $R = \hat c$ there gives $g_w$ "
                r"and $g_b$.",
                [l_k + (m - 1) * l_s - m * l_o, l_k - l_s],
                [hat * FAR / lambda_h, hat * NEAR / lambda_h],
            ),
            identity(
                "phases",
                r"$A = 0$: $p_k = p_s$, $g_w = 0$. $S = 0$ (then $A = 0$, as $\varepsilon \ge 0$): $p_k = "
                r"p_s = p_o = 1/K$, "
                r"$g_b = 0$.",
                [
                    WITHIN.subs(A, 0),
                    OWN.subs({A: 0, S: 0}),
                    SIBLING.subs({A: 0, S: 0}),
                    BETWEEN.subs({A: 0, S: 0}),
                ],
                [0, 1 / (B * m), 1 / (B * m), 0],
            ),
            sign(
                "gains are positive inside a phase",
                r"With $A > 0$: $p_k/p_s - 1 = A/p_s > 0$; with $S = A + s$: $p_s/p_o - 1 = s/(mp_o) > 0$.",
                [
                    ((OWN - SIBLING) * more).subs(A, more),
                    sp.expand((SIBLING - OTHER).subs(S, A + more)),
                ],
                "positive",
            ),
            argued(
                "global optimum",
                r"$G = g_wP_w + g_bP_b \succeq 0$, $h = W^\top r/\lambda_H$: $z = Gr/\lambda_H$ are the "
                r"logits above in each "
                r"phase, so the point is critical ($MW = c^2W$, as $W$ lives where $M = c^2$) and "
                r"$\lambda_{\max}(M) \le c^2$: "
                r"theorem duality ($d \ge K-1$, no bias). Predictions are unique, so $G$ is.",
            ),
            *[_matrices(groups, size) for groups, size in ((2, 2), (3, 2), (2, 3))],
        ],
        sp.Eq(sp.Symbol("g_w"), WITHIN),
        compare,
    )


def _matrices(groups: int, size: int):
    """Y − P as u P_w + v P_b, and log P as G R/λ_H, entry by entry."""
    K = groups * size
    near = sp.Matrix(K, K, lambda i, j: int(i // size == j // size))
    within, between = sp.eye(K) - near / size, near / size - sp.ones(K, K) / K
    at = {B: groups, m: size}

    def of(own, sibling, other):
        values = [value.subs(at) for value in (own, sibling, other)]
        return sp.Matrix(K, K, lambda i, j: values[0] if i == j else values[1] if near[i, j] else values[2])

    Y = of(*(_label(part) for part in ("own", "sibling", "other")))
    P = of(OWN, SIBLING, OTHER)
    logs = centring(K) * of(l_k, l_s, l_o)
    G = (NEAR * within + FAR * between).subs(at)
    return identity(
        f"matrices, B = {groups}, m = {size}",
        rf"$B = {groups}$, $m = {size}$: $Y - P = (1-\varepsilon-\delta-A)P_w + (1-\delta-S)P_b$, and "
        rf"$\hat cG/\lambda_H = "
        r"\Pi\log P$.",
        [*(Y - P), *(hat * G / lambda_h - logs)],
        [*((1 - epsilon - delta - A) * within + (1 - delta - S) * between), *[0] * K**2],
    )


def _label(part: str):
    floor = delta / (B * m)
    return {"own": 1 - epsilon - delta + epsilon / m + floor, "sibling": epsilon / m + floor, "other": floor}[
        part
    ]


def settings():
    """All three phases and both sides of each threshold, for 2 x 2 and 3 x 2 classes; ε + δ = 1."""
    from ufm.theory.geometry.hierarchy import hierarchical_labels

    for groups, size, shares in ((2, 2, (0.02, 0.69, 0.71, 0.89, 0.91)), (3, 2, (0.03, 0.8))):
        for share in shares:  # of one: ĉ; thresholds at 0.7 and 0.9
            decay = share / np.sqrt(groups * size)
            yield labelled(hierarchical_labels(groups, size, 0.2, 0.1), decay, decay)
    yield labelled(hierarchical_labels(2, 2, 0.9, 0.1), 0.05, 0.05)


def compare(rng) -> list[Comparison]:
    """Gains and probabilities at 40 digits beside the shipped ones, where both are positive."""
    from ufm.theory.geometry.hierarchy import hierarchy_optimum

    forms = [sp.lambdify((A, S, B, m, hat, lambda_h), form, "mpmath") for form in (OWN, WITHIN, BETWEEN)]
    rows = []
    with mp.workdps(40):
        for _ in range(5):
            groups, size = int(rng.integers(2, 5)), int(rng.integers(2, 5))
            inner, outer = float(rng.uniform(0.05, 0.4)), float(rng.uniform(0.01, 0.2))
            decay, other = float(10 ** rng.uniform(-3, -1.5)), float(10 ** rng.uniform(-3, -1.5))
            found = hierarchy_optimum(size, groups * size, inner, outer, decay, other)
            root = mp.sqrt(groups * size * mp.mpf(decay) * mp.mpf(other))
            far = 1 - mp.mpf(outer) - root
            values = far - mp.mpf(inner), far, groups, size, root, mp.mpf(other)
            shipped = found.own, found.within, found.between
            where = f"B={groups}, m={size}"
            rows += [Comparison(where, form(*values), value) for form, value in zip(forms, shipped)]
    return rows
