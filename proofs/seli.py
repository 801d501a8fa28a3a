r"""Small penalties, one-hot labels of any class weights q, d ≥ K − 1: logits along centred labels, however slowly.

    min c‖ZQ^{1/2}‖_* over margins z_kk − z_kl ≥ 1 is c tr(Π diag(q) Π)^{1/2}, Z = Π; W Wᵀ ∝ (Π diag(q) Π)^{1/2}.

Idea: as c → 0 all margins grow and the optimum's direction is that of a support vector machine (argued).
Its dual needs multipliers that are not negative: entries off the diagonal of a square root of an M-matrix are not
positive. How slowly: the exact response to class weights is that of the limit times 1 + 2/x + O(1/x²).
"""

import mpmath as mp
import numpy as np
import sympy as sp

from proofs.engine.step import Comparison, Derivation, argued, identity, series_order
from proofs.tools.matrices import centring
from proofs.tools.settings import shaped
from ufm.model.laws import LabelLaw, onehot

K, x, P, y, lambda_h, lambda_w = sp.symbols("K x P y lambda_H lambda_W", positive=True)
RATIO = (K - 1) / ((K - 2) * x * P / (1 + x * P) + x / (K + x))  # of dG/g to (K/2) Σ δ u uᵀ


def derive() -> Derivation:
    """Margins, the dual's multipliers, equality, and the rate of the response to weights."""
    wrong = sp.Symbol("p_o", positive=True)
    first, second = K * P * wrong / (1 + x * P), wrong / (1 + x / K)
    response = K * (K - 1) * lambda_h / 2 / ((K - 2) * first + second)
    gain = x * lambda_h / (K * wrong)
    return Derivation(
        "seli",
        [
            argued(
                "the limit",
                r"The problem is $\min\mathbb{E}\mathrm{CE} + c\|ZQ^{1/2}\|_*$, convex in $Z$ for $d \ge "
                r"K-1$. As $c \to 0$ its "
                r"minimisers, divided by their least margin, tend to those of least norm at margin one "
                r"(Thrampoulidis et "
                r"al. 2022).",
            ),
            identity(
                "margins",
                r"$Z = \Pi$: $z_{kk} - z_{kl} = 1$.",
                [(1 - 1 / K) - (-1 / K)],
                [1],
            ),
            *[_inverse(size) for size in (2, 3)],
            argued(
                "multipliers",
                r"$X = \Pi Q^{1/2}$ has the polar factor $(\Pi Q\Pi)^{+1/2}Q^{1/2}$ (on $\mathbf "
                r"1^\perp$). $(\Pi Q\Pi)^+$ is "
                r"$sI - B$ with $B \ge 0$ entrywise, and $\sqrt{sI - B} = \sqrt s\,(I - "
                r"\sum_jc_j(B/s)^j)$ with $c_j > 0$: no "
                r"entry off the diagonal is positive. So $m_{kl} = -c\sqrt{q_k}\,[(\Pi "
                r"Q\Pi)^{+1/2}Q^{1/2}]_{lk} \ge 0$ are "
                r"multipliers of norm $c$.",
            ),
            *[_multipliers(size) for size in (2, 3)],
            identity(
                "equality",
                r"$\sum m\cdot1 = \langle\Lambda, X\rangle = c\,\mathrm{tr}(\Pi Q\Pi)^{1/2}$, as all "
                r"margins are one (shown: "
                r"equal weights, $\Pi/\sqrt K$ with $K-1$ singular values $1/\sqrt K$).",
                (K - 1) / sp.sqrt(K),
                (K - 1) * sp.sqrt(1 / K),
            ),
            identity(
                "response to weights",
                r"At equal weights $dG = [K(K-1)\lambda_H/2]/[(K-2)\tau_1 + "
                r"\tau_2]\sum\delta_ku_ku_k^\top$ (theorem "
                r"susceptibility), $g = x\lambda_H/(Kp_o)$: $dG/g = \frac K2\rho\sum\delta_ku_ku_k^\top$ "
                r"with this $\rho$.",
                response / gain / (K / 2),
                RATIO,
            ),
            _root_response(),
            series_order(
                "rate",
                r"$\rho = 1 + \frac2x + O(x^{-2})$ with $y = 1/x$, $P = 1$ ($1 - P$ is of order $e^{-x}$).",
                RATIO.subs({P: 1, x: 1 / y}),
                y,
                0,
                {0: 1, 1: 2},
            ),
        ],
        sp.Eq(sp.Symbol("rho"), RATIO),
        compare,
    )


def _inverse(size: int):
    """(Π Q Π)⁺ = Q⁻¹ − Q⁻¹11ᵀQ⁻¹/(1ᵀQ⁻¹1)."""
    q = sp.symbols(f"q_1:{size + 1}", positive=True)
    Q, one, flat = sp.diag(*q), sp.ones(size, 1), centring(size)
    inverse = Q.inv() - Q.inv() * one * one.T * Q.inv() / (one.T * Q.inv() * one)[0]
    return identity(
        f"inverse, K = {size}",
        rf"$K = {size}$: $(\Pi Q\Pi)^+ = Q^{{-1}} - \frac{{Q^{{-1}}\mathbf{{1}}\mathbf{{1}}^\top Q^{{-1}}}}"
        r"{\mathbf 1^\top Q^{-1}\mathbf 1}$, whose entries off the diagonal are negative.",
        [*(flat * Q * flat * inverse), *(inverse * one)],
        [*flat, *sp.zeros(size, 1)],
    )


def _multipliers(size: int):
    """Equal weights: m_kl = c/K^{3/2} gives Λ = c √K Π Q^{1/2}, the polar factor times c."""
    c = sp.Symbol("c", positive=True)
    m = c / (size * sp.sqrt(size))
    columns = sp.Matrix(size, size, lambda i, k: m * (size - 1) if i == k else -m) * sp.sqrt(size)
    return identity(
        f"equal weights, K = {size}",
        rf"$K = {size}$, $q = \frac1K$: $m_{{kl}} = cK^{{-3/2}}$ gives $\Lambda = \sum m(e_k - "
        rf"e_l)e_k^\top Q^{{-1/2}} = c\Pi$.",
        columns,
        c * centring(size),
    )


def _root_response():
    """(Π(1/K + diag δ)Π)^{1/2} to first order: squares agree."""
    e, size = sp.Symbol("e", positive=True), 3
    delta = sp.diag(2, -1, -1)
    flat = centring(size)
    root = flat / sp.sqrt(size) * (sp.eye(size) + e * sp.Rational(size, 2) * flat * delta * flat)
    left = (root * root.T - flat * (sp.eye(size) / size + e * delta) * flat).applyfunc(
        lambda entry: sp.expand(entry).coeff(e, 1)
    )
    return identity(
        "response of the limit",
        r"$(\Pi(\frac1K + e\,\mathrm{diag}\,\delta)\Pi)^{1/2} = \frac1{\sqrt K}(\Pi + e\frac "
        r"K2\sum\delta_ku_ku_k^\top) + "
        r"O(e^2)$: the same with $\rho = 1$ (shown: $K = 3$, $\delta = (2, -1, -1)$).",
        left,
        sp.zeros(size, size),
    )


def settings():
    """Equal weights, mild and extreme ones, K = 2, more dimensions than needed."""
    for size, dim, weights in (
        (2, 1, (0.9, 0.1)),
        (3, 3, (0.98, 0.01, 0.01)),
        (4, 3, (0.5, 0.3, 0.15, 0.05)),
        (5, 4, None),
    ):
        law = onehot() if weights is None else LabelLaw("onehot", class_weights=weights)
        yield shaped("max-margin", (), size, law, 1.0, 1.0, free_dim=dim)


def compare(rng) -> list[Comparison]:
    """The nuclear norm at 40 digits, and ρ beside the shipped response over that of the limit."""
    from ufm.theory.geometry.onehot import class_optimum
    from ufm.theory.geometry.susceptibility import onehot_response
    from ufm.theory.variants.margins import margin_objective

    ratio, rows = sp.lambdify((K, x, P), RATIO, "mpmath"), []
    with mp.workdps(50):
        for _ in range(6):
            size, decay = int(rng.integers(3, 7)), float(10 ** rng.uniform(-4, -1.5))
            q = [mp.mpf(float(w)) for w in rng.dirichlet([3.0] * size)]
            M = mp.matrix(size, size)
            for k in range(size):
                for i in range(size):
                    for j in range(size):
                        M[i, j] += q[k] * ((i == k) - mp.mpf(1) / size) * ((j == k) - mp.mpf(1) / size)
            values = mp.eigsy(M, eigvals_only=True)
            exact = mp.mpf(decay) * mp.fsum(mp.sqrt(abs(v)) for v in values if abs(v) > mp.mpf(10) ** -30)
            weights = np.array([float(w) for w in q])
            rows.append(
                Comparison(f"norm, K={size}", exact, margin_objective(np.eye(size), weights, decay, decay))
            )
            best = class_optimum(size, decay, decay)
            shipped = onehot_response(size, decay, decay) / best.gain / (size / 2)
            gap = mp.log(mp.sqrt(size) / mp.mpf(decay) - size + 1)
            own = 1 - (size - 1) * mp.mpf(decay) / mp.sqrt(size)
            rows.append(Comparison(f"rho, K={size}", ratio(mp.mpf(size), gap, own), shipped))
    return rows
