r"""Minority collapse under mixup: when classes of the same small weight share one classifier row.

Mixup with i and j drawn independently from class weights q (equal classes included), λ from any law on
[0, 1], ρ = E[λ² + (1−λ)²]; cross-entropy, any bias. The classes of a group B of two or more, each of weight q_B,
have equal rows w_k and equal pure-class features at every global optimum if

    ρ q_B ≤ λ_W λ_H,        ρ = (α+1)/(2α+1) for λ ~ Beta(α, α), 1 for one-hot labels,

whatever d is, and for d ≥ K−1 exactly if.

Idea: replace the rows of two classes k, l of B by their mean, and each feature by the mean over the label and the
label with k and l exchanged. The objective falls by divergences and squares and by (c² − μ)‖w_k − w_l‖²/(4 λ_H),
μ = ½ E(y_k − y_l)² = ρ q_B. So for μ ≤ c² no optimum has w_k ≠ w_l. Where w_k = w_l the residual along e_k − e_l
is the label itself, M has μ in that direction, and for μ > c² an unused feature direction lowers the objective.
"""

from itertools import product

import mpmath as mp
import numpy as np
import sympy as sp

from proofs.engine.step import Comparison, Derivation, formal, identity, sign
from proofs.tools.matrices import basis_vector, real
from proofs.tools.settings import WEIGHTS, joint
from proofs.trivial_threshold import THRESHOLD as TRIVIAL
from proofs.trivial_threshold import K, alpha, k
from ufm.model.laws import LabelLaw

q, rho = sp.symbols("q_B rho", positive=True)
lam = sp.Symbol("lambda", real=True)
RHO = (alpha + 1) / (2 * alpha + 1)
EIGENVALUE = rho * q


def derive() -> Derivation:
    """The eigenvalue by cases and by independence, its place in the certificate, matrices for K = 2, 3, 4."""
    mass = lam**2 + (1 - lam) ** 2
    y_k, y_l, p, r_m = sp.symbols("y_k y_l p r_m", real=True)
    total = sp.Symbol("Q", positive=True)  # Σ q_k²
    q_k, q_l, delta = sp.symbols("q_k q_l delta", positive=True)
    different = q * (rho - q) / (1 - total)
    cases = _cases()
    return Derivation(
        "minority-collapse",
        [
            identity(
                "the eigenvector",
                r"On a collapsed point $z_k = z_l$, so $p_k = p_l = p$ for every label. Exchanging $k$ and "
                r"$l$ leaves $\pi$ and $p$ as they are, keeps $r_m$ ($m \ne k, l$), and changes the sign of "
                r"$y_k - y_l$. So entry $m$ of $M(e_k - e_l) = \mathbb{E}\,r(y_k - y_l)$ is $0$; entry $k$ "
                r"is the mean of $r_k(y_k - y_l)$ and of its mirror $r_l(y_l - y_k)$, that is $\frac12(y_k "
                r"- y_l)^2$.",
                [
                    (r_m * (y_k - y_l) + r_m * (y_l - y_k)) / 2,
                    ((y_k - p) * (y_k - y_l) + (y_l - p) * (y_l - y_k)) / 2,
                ],
                [0, (y_k - y_l) ** 2 / 2],
            ),
            identity(
                "the eigenvalue, by cases",
                r"Both classes $k$, or both $l$: $(y_k - y_l)^2 = 1$, probability $2q_B^2$. One each: "
                r"$(2\lambda - 1)^2$, $2q_B^2$. $i \in \{k, l\}$ and $j$ elsewhere: $\lambda^2$, $2q_B(1 - "
                r"2q_B)$; the mirror: $(1-\lambda)^2$. Half the sum is $q_B(\lambda^2 + (1-\lambda)^2)$, "
                r"for each $\lambda$; its mean is $\rho q_B$.",
                sum(probability * square for probability, square in cases) / 2,
                EIGENVALUE.subs(rho, mass),
            ),
            identity(
                "the eigenvalue, by independence",
                r"$y_k - y_l = \lambda A + (1-\lambda)B$ with $A = [i = k] - [i = l]$ and $B$ likewise: "
                r"independent, mean $q_k - q_l$, second moment $q_k + q_l$: half the second moment of "
                r"$y_k - y_l$, "
                r"at equal weights.",
                (mass * (q_k + q_l) + 2 * lam * (1 - lam) * (q_k - q_l) ** 2).subs({q_k: q, q_l: q}) / 2,
                EIGENVALUE.subs(rho, mass),
            ),
            identity(
                "label smoothing",
                r"$y \mapsto (1-\delta)y + \delta\mathbf{1}/K$ scales $y_k - y_l$ by $1 - \delta$, and the "
                r"eigenvalue by $(1-\delta)^2$: the threshold is $(1-\delta)^2\rho q_B$.",
                ((1 - delta) * y_k + delta / K - (1 - delta) * y_l - delta / K) ** 2 / 2,
                (1 - delta) ** 2 * (y_k - y_l) ** 2 / 2,
            ),
            identity(
                "concentration of the mixing weight",
                r"$\lambda \sim \mathrm{Beta}(\alpha, \alpha)$ (moments in the theorem trivial-threshold): "
                r"$\rho = 2\,B(\alpha+2, \alpha)/B(\alpha, \alpha) "
                r"= (\alpha+1)/(2\alpha+1)$; one-hot labels: $1$.",
                [
                    sp.gammasimp(
                        2
                        * sp.gamma(alpha + 2)
                        * sp.gamma(2 * alpha)
                        / (sp.gamma(2 * alpha + 2) * sp.gamma(alpha))
                    ),
                    mass.subs(lam, 1),
                ],
                [RHO, 1],
            ),
            sign(
                "mixup collapses more",
                r"$\rho < 1$: the region of collapse, $q_B \le \lambda_W\lambda_H/\rho$, is larger by "
                r"$1/\rho$ than for one-hot labels.",
                1 - RHO,
                "positive",
            ),
            formal(
                "merging two rows",
                "For any $W$, $b$ and features $h(y)$, if the law is the same with $k$ and $l$ exchanged: "
                r"let $\bar W$, $\bar b$ have the mean of the rows and of the biases of $k$ and $l$, $y'$ be "
                r"$y$ with $k$ and $l$ exchanged, $\bar h(y) = \frac12(h(y) + h(y'))$, $e(y) = "
                r"\frac12(h(y) - h(y'))$, $p(y) = \operatorname{softmax}(Wh(y) + b)$ and $\bar p$ likewise. Then "
                r"$L - \bar L$ (without a penalty on the bias) is $\frac{\lambda_W\lambda_H - "
                r"\mu}{4\lambda_H}\|w_k - w_l\|^2$, $\mu = \frac12\mathbb{E}(y_k - y_l)^2$, plus the mean of "
                r"$\frac12\mathrm{KL}(\bar p\|p(y)) + \frac12\mathrm{KL}(\bar p\|p(y')) + "
                r"\frac{\lambda_H}{2}\|e - \frac{y_k - y_l}{2\lambda_H}(w_k - w_l)\|^2$. (Coq: labels finite "
                "in number; any other law as in the theorem duality.)",
                "Merge.merging_identity",
            ),
            formal(
                "if",
                r"So for such $k$, $l$ with $\mu \le \lambda_W\lambda_H$ every global optimum has $w_k = "
                "w_l$: any $d$, no bias.",
                "Collapse.collapse",
            ),
            formal("if, free bias", "With a free bias too, and $b_k = b_l$.", "Collapse.collapse_free_bias"),
            formal(
                "if, penalised bias",
                "And with a penalised one, $b_k = b_l$ too.",
                "Collapse.collapse_penalised_bias",
            ),
            formal(
                "optima with a free bias",
                r"Labels finite in number: with a free bias there is a global optimum exactly if $\mathbb{E}y_k > "
                "0$ for every class, as here, where $q > 0$. (Without a bias, or with a penalised one, there "
                "always is.)",
                "Free.free_optimum_iff",
            ),
            formal(
                "features",
                "Where features are optimal for $W$ and $b$, labels that differ only at classes which share a row "
                "and a bias have one feature: the pure classes of $B$ do.",
                "Collapse.shared_feature",
            ),
            formal(
                "only if",
                r"Hypothesis: $d \ge K-1$. Without a bias, a global optimum has $w_k = w_l$ exactly if $\mu \le "
                r"\lambda_W\lambda_H$.",
                "Collapse.collapse_iff",
            ),
            formal("only if, free bias", "With a free bias too.", "Collapse.collapse_free_bias_iff"),
            formal(
                "only if, penalised bias", "And with a penalised one.", "Collapse.collapse_penalised_bias_iff"
            ),
            formal(
                "mixup",
                r"For mixup of classes drawn independently with weights $q > 0$, $q_k = q_l$, on any finite grid "
                r"of $\lambda$, $\mu = \rho q_k$: $w_k = w_l$ at a global optimum exactly if $\rho q_k \le "
                r"\lambda_W\lambda_H$ ($d \ge K-1$, no bias).",
                "Weighted.mixup_collapse",
            ),
            formal(
                "one-hot labels",
                r"And for one-hot labels exactly if $q_k \le \lambda_W\lambda_H$, under the same hypotheses.",
                "Weighted.onehot_collapse",
            ),
            identity(
                "the whole set of classes",
                r"For $B$ all $K$ classes, $q_B = 1/K$: $\rho/K$, the threshold of the theorem "
                r"trivial-threshold.",
                EIGENVALUE.subs({rho: RHO, q: 1 / K}),
                TRIVIAL.subs(k, 2),
            ),
            identity(
                "another reading",
                r"The constant is for independent $i, j$, equal classes included. Pairs conditioned on $i "
                r"\ne j$ lose the first case: with $Q = \sum q_k^2$ the eigenvalue is $q_B(\rho - q_B)/(1 - "
                r"Q)$ instead. (For equal weights $Q = q_B = 1/K$ this is the threshold of different-class "
                r"mixup, $(\rho - 1/K)/(K-1)$.)",
                [
                    sum(probability * square for probability, square in cases[1:]) / 2 / (1 - total),
                    different.subs({q: 1 / K, total: 1 / K}),
                ],
                [different.subs(rho, mass), (rho - 1 / K) / (K - 1)],
            ),
            *[_matrices(size, group) for size, group in ((2, 2), (3, 2), (4, 2), (4, 3))],
        ],
        sp.Le(EIGENVALUE.subs(rho, RHO), sp.Symbol("lambda_W") * sp.Symbol("lambda_H")),
        compare,
    )


def _cases():
    """(probability of the pair (i, j), (y_k − y_l)²): same class first."""
    return [
        (2 * q**2, 1),
        (2 * q**2, (2 * lam - 1) ** 2),
        (2 * q * (1 - 2 * q), lam**2),
        (2 * q * (1 - 2 * q), (1 - lam) ** 2),
    ]


def _matrices(size: int, group: int):
    """M at given λ with arbitrary predictions that are equal within the group, all K² pairs."""
    weights = [q] * group + [sp.Symbol(f"q_{i}", positive=True) for i in range(group, size - 1)]
    if group < size:
        weights.append(1 - sum(weights))
        rate = q
    else:
        weights, rate = [sp.Rational(1, size)] * size, sp.Rational(1, size)
    moment, gradient = sp.zeros(size, size), sp.zeros(size, 1)
    for i in range(size):
        for j in range(size):
            y = lam * basis_vector(size, i) + (1 - lam) * basis_vector(size, j)
            kind = f"{'B' if i < group else i}{'B' if j < group else j}"  # of the averaged label
            inside = sp.Symbol(f"p_{kind}", positive=True)
            outside = list(real(f"p_{kind}", size - group))
            residual = y - sp.Matrix([inside] * group + outside)
            share = weights[i] * weights[j]
            moment += share * residual * residual.T
            gradient += share * sp.Symbol(f"h_{kind}", real=True) * residual
    left, right = [], []
    for l in range(1, group):
        difference = basis_vector(size, 0) - basis_vector(size, l)
        left += [*(moment * difference), (gradient.T * difference)[0]]
        right += [*(EIGENVALUE.subs({rho: lam**2 + (1 - lam) ** 2, q: rate}) * difference), 0]
    return identity(
        f"matrices, K = {size}, |B| = {group}",
        rf"All ${size}^2$ pairs for $K = {size}$, $|B| = {group}$, given $\lambda$, with any predictions "
        rf"(equal within $B$) and features that depend on the averaged label: $M(e_k - e_l) = q_B(\lambda^2 "
        r"+ (1-\lambda)^2)(e_k - e_l)$ and $(e_k - e_l)^\top\mathbb{E}rh^\top = 0$.",
        left,
        right,
    )


def settings():
    """Below and above the threshold of the rare classes, mixup (exponent α) and one-hot (none); above it in two
    dimensions too, which three different points need and four would not fit in."""
    for exponent, share in product((0.2, 1.0, 5.0, None), (0.5, 0.99, 1.01, 1.5)):
        rho = 1.0 if exponent is None else (exponent + 1) / (2 * exponent + 1)
        pairs = "same" if exponent is None else "all"
        kind = "onehot" if exponent is None else "mixup"
        law = LabelLaw(kind, alpha=exponent, pairs=pairs, class_weights=WEIGHTS)
        c = (share * rho * WEIGHTS[-1]) ** 0.5
        yield joint(4, law, c, c)
        if share == 1.01:
            yield joint(4, law, c, c, free_dim=2)


def compare(rng) -> list[Comparison]:
    """ρ q_B beside the shipped threshold, whose ρ comes from a quadrature."""
    from ufm.theory.thresholds import minority_collapse

    value = sp.lambdify((rho, q), EIGENVALUE, "mpmath")
    concentration = sp.lambdify(alpha, RHO, "mpmath")
    rows = []
    with mp.workdps(40):
        for count in range(16):
            major, minor = int(rng.integers(1, 6)), int(rng.integers(2, 9))
            masses = np.concatenate([rng.uniform(5, 50, major), np.ones(minor)])
            weights = tuple((masses / masses.sum()).tolist())
            sharp = float(10 ** rng.uniform(-1, 1.5))
            if count % 4:
                law, ratio = (
                    LabelLaw("mixup", alpha=sharp, class_weights=weights),
                    concentration(mp.mpf(sharp)),
                )
            else:
                law, ratio = LabelLaw("onehot", pairs="same", class_weights=weights), mp.mpf(1)
            (found,) = minority_collapse(law, len(weights), 1e-3)
            where = f"{law.name}, K={len(weights)}, q_B={weights[-1]:.3g}, alpha={sharp:.3g}"
            rows.append(Comparison(where, value(ratio, mp.mpf(law.class_weights[-1])), found.value))
    return rows
