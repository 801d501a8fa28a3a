r"""Three susceptibilities: how the joint optimum answers any change of its label law.

Exchangeable π, cross-entropy, d ≥ K−1, c² < σ². F(G) = (λ_W/2) tr G + E φ_G(y) has at G = λ_H a Π, along D = Dᵀ
with D1 = 0,

    ⟨D, F''D⟩ = λ_H⁻² E[rᵀ D T D r],   T = S(I + aS)⁻¹ = diag q − q qᵀ/Σq,   q = p/(1 + ap),

and three eigenvalues: h₁ on Π, h₂ on Π diag(δ) Π (Σδ = 0), h₃ on the rest; their formulas are traces. So

    π → (1−ε)π + επ':  dG/dε = (1/2λ_H) Σ_ρ h_ρ⁻¹ Proj_ρ(E_π'[rrᵀ] − c²Π);
    n draws:           n E‖Ĝ − G‖² → (1/4λ_H²) Σ_ρ dim_ρ v_ρ/h_ρ²;
    one-hot, weights 1/K + δ_k:  dG = [K(K−1)λ_H/2]/[(K−2)τ₁ + τ₂] Σ δ_k u_k u_kᵀ,

with τ₁ = KPp_o/(1+xP) and τ₂ = p_o/(1+x/K).

A bias, free (λ_b = 0) or with (λ_b/2)‖b‖², lowers h₂ alone, by μ²/((1−2/K)(t + λ_b)λ_H²), and rrᵀ becomes
rrᵀ − νΠ diag(r) Π; one-hot with a free bias:  dG = [Kλ_H(Kτ₂ − τ₁)/(2(K−1)τ₁τ₂)] Σ δ_k u_k u_kᵀ.

Idea: F'' commutes with the permutations of the classes, and Sym(1^⊥) is the sum of three irreducible spaces.
"""

from itertools import product

import mpmath as mp
import numpy as np
import sympy as sp

from proofs.engine.step import Comparison, Derivation, argued, identity, sign
from proofs.tools.frame import simplex_rows
from proofs.tools.matrices import centring, covariance, real, simplex
from proofs.tools.settings import joint
from ufm.model.laws import mixup, onehot, smooth

K, a, x, lambda_h, c = sp.symbols("K a x lambda_H c", positive=True)
P, p_o = sp.symbols("P p_o", positive=True)
ALONG, OTHER = K * P * p_o / (1 + x * P), p_o / (1 + x / K)  # τ₁, τ₂
RESPONSE = K * (K - 1) * lambda_h / 2 / ((K - 2) * ALONG + OTHER)
tau_1, tau_2 = sp.symbols("tau_1 tau_2", positive=True)
FREE = K * lambda_h * (K * tau_2 - tau_1) / (2 * (K - 1) * tau_1 * tau_2)  # with a free bias


def derive() -> Derivation:
    """The Hessian, T in closed form, the three traces, the one-hot case; matrices for K = 2, 3, 4."""
    return Derivation(
        "susceptibility",
        [
            argued(
                "gradient",
                r"$\varphi_G = \max_p \mathrm{Ent}(p) - r^\top Gr/(2\lambda_H)$, attained where $z = "
                r"Gr/\lambda_H$ is the "
                r"logit: by the envelope theorem $F' = \frac12(\lambda_WI - \mathbb{E}rr^\top/\lambda_H)$.",
            ),
            *[_derivative(size) for size in (2, 3)],
            argued(
                "Hessian",
                r"$d(-\frac12rr^\top/\lambda_H)$ along $D$, paired with $D$: $-r^\top D\,dr/\lambda_H = "
                r"r^\top DTDr/"
                r"\lambda_H^2$, as $dr = -dp = -S\,dz$ and $dz = (I + aS)^{-1}Dr/\lambda_H$ on "
                r"$\mathbf{1}^\perp$.",
            ),
            *[_closed(size) for size in (2, 3)],
            argued(
                "three spaces",
                r"$F''$ commutes with class permutations ($\pi$ exchangeable, $G = g\Pi$). "
                r"$\mathrm{Sym}(\mathbf{1}^\perp)$ is "
                r"the sum of three irreducible, pairwise different representations of the symmetric "
                r"group: trivial, "
                r"standard $(K-1,1)$ and $(K-2,2)$, of dimensions $1$, $K-1$, $K(K-3)/2$ (the second for "
                r"$K \ge 3$, the third "
                r"for $K \ge 4$). By Schur's lemma $F''$ is a number on each: its trace there over the "
                r"dimension.",
            ),
            identity(
                "dimensions",
                r"$1 + (K-1) + K(K-3)/2 = K(K-1)/2$.",
                1 + (K - 1) + K * (K - 3) / 2,
                K * (K - 1) / 2,
            ),
            *[_whole(size) for size in (3, 4)],
            *[_norms(size) for size in (3, 4)],
            *[_through_bias(size) for size in (3, 4)],
            argued(
                "a bias",
                r"With $b$, $\sum b = 0$, $dz = (I + aS)^{-1}(Dr/\lambda_H + db)$, so $F_{bb} = \mathbb{E}T + "
                r"\lambda_b$ and $F_{bG}D = \mathbb{E}TDr/\lambda_H$, which commute with class permutations: "
                r"numbers $t + \lambda_b$ on $\mathbf 1^\perp$, and $0$ on size and angles, $\delta \mapsto "
                r"\mu\delta/\lambda_H$ on the norms (Schur's lemma; $\mathbf 1^\perp$ is standard). $(K-1)\mu$ "
                r"and $(K-1)t$ are traces. The best bias leaves $F'' - F_{Gb}F_{bb}^{-1}F_{bG}$, and of a "
                r"gradient $(\Gamma, \gamma)$ it leaves $\Gamma - F_{Gb}F_{bb}^{-1}\gamma$; at the optimum $b = "
                r"0$ and $\mathbb{E}r = 0$ (theorem joint-etf).",
            ),
            *_onehot(),
            *_free_bias(),
            argued(
                "linear response",
                r"At $(1-\varepsilon)\pi + \varepsilon\pi'$ the gradient at $G$ is "
                r"$-\frac{\varepsilon}{2\lambda_H}"
                r"(\mathbb{E}_{\pi'}rr^\top - c^2\Pi)$, and $F'' > 0$ there (the eigenvalues are "
                r"positive: $r^\top DTDr = 0$ "
                r"only for $Dr \in \mathbb{R}\mathbf{1}$); the implicit function theorem gives "
                r"$dG/d\varepsilon$.",
            ),
            argued(
                "drawn labels",
                r"$n$ independent labels have the gradient $-\frac{1}{2\lambda_H}(\frac1n\sum rr^\top - "
                r"c^2\Pi)$ at $G$, of mean "
                r"zero; the central limit theorem and the same inverse give the limit in law of $\sqrt "
                r"n(\hat G - G)$. "
                r"Second moments follow without a bias: $\hat G$ is bounded ($\lambda_W\mathrm{tr}\,\hat G \le "
                r"2\log K$) and, $r$ being bounded, leaves a neighbourhood of $G$ with a probability that falls "
                r"exponentially in $n$. With a free bias a draw without some class has no optimum: there the "
                r"limit is that of the draws that have every class.",
            ),
        ],
        sp.Eq(sp.Symbol("dG"), RESPONSE * sp.Symbol(r"\sum\delta_ku_ku_k^\top")),
        compare,
    )


def _derivative(size: int):
    """dz = (I + aS)⁻¹ D r/λ_H from z = G r/λ_H, for G = λ_H a Π."""
    r, probability = real("r", size), simplex("p", size)
    r[size - 1] = -sum(r[: size - 1])
    S, flat = covariance(probability), centring(size)
    D = flat * sp.Matrix(size, size, lambda i, j: sp.Symbol(f"D_{min(i, j)}{max(i, j)}", real=True)) * flat
    dz = (sp.eye(size) + a * S).inv() * D * r / lambda_h
    return identity(
        f"derivative of the logits, K = {size}",
        rf"$K = {size}$: $dz = (D r - \lambda_Ha\Pi S\,dz)/\lambda_H$ has this solution, of sum zero.",
        [sp.cancel(entry) for entry in dz - (D * r - lambda_h * a * flat * S * dz) / lambda_h],
        [0] * size,
    )


def _closed(size: int):
    """S (I + aS)⁻¹ = diag q − q qᵀ/Σq."""
    probability = simplex("p", size)
    S = covariance(probability)
    q = probability.applyfunc(lambda value: value / (1 + a * value))
    T = sp.diag(*q) - q * q.T / sum(q)
    return identity(
        f"T, K = {size}",
        rf"$K = {size}$: $T(I + aS) = S$ for $T = \mathrm{{diag}}\,q - qq^\top/\sum q$, $q = p/(1 + ap)$.",
        [sp.cancel(sp.together(entry)) for entry in T * (sp.eye(size) + a * S) - S],
        [0] * size**2,
    )


def _symmetric(size: int):
    """Orthonormal basis of Sym(1^⊥)."""
    basis = [simplex_rows(size, 1).col(j) for j in range(size - 1)]
    return [
        (one * other.T + other * one.T) / (2 if i == j else sp.sqrt(2))
        for i, one in enumerate(basis)
        for j, other in enumerate(basis)
        if j <= i
    ]


def _forms(size: int):
    """r of sum zero and a symmetric T with T 1 = 0, arbitrary."""
    r, flat = real("r", size), centring(size)
    r[size - 1] = -sum(r[: size - 1])
    free = sp.Matrix(size, size, lambda i, j: sp.Symbol(f"T_{min(i, j)}{max(i, j)}", real=True))
    return r, flat * free * flat


def _whole(size: int):
    """Σ_D rᵀ D T D r over all of Sym(1^⊥)."""
    r, T = _forms(size)
    total = sum((r.T * D * T * D * r)[0] for D in _symmetric(size))
    return identity(
        f"all directions, K = {size}",
        rf"$K = {size}$: the trace over $\mathrm{{Sym}}(\mathbf{{1}}^\perp)$ is "
        rf"$\frac12(\|r\|^2\mathrm{{tr}}T + r^\top Tr)$.",
        sp.expand(total),
        sp.expand(((r.T * r)[0] * T.trace() + (r.T * T * r)[0]) / 2),
    )


def _norms(size: int):
    """Σ over Π diag(δ) Π, Σδ = 0, of unit norm; and on Π itself."""
    r, T = _forms(size)
    flat, total = centring(size), 0
    for j in range(size - 1):
        D = flat * sp.diag(*simplex_rows(size, 1).col(j)) * flat
        total += (r.T * D * T * D * r)[0] / (D * D).trace()
    energy = (r.T * T * r)[0]
    own = sum(T[k, k] * r[k] ** 2 for k in range(size))
    size_ = (r.T * flat * T * flat * r)[0] / (size - 1)
    return identity(
        f"norms and size, K = {size}",
        rf"$K = {size}$: over the norms the trace is $(\sum T_{{kk}}r_k^2 - r^\top Tr/K)/(1 - 2/K)$, on "
        rf"$\Pi/\sqrt{{K-1}}$ it is "
        r"$r^\top Tr/(K-1)$.",
        [sp.expand(total), sp.expand(size_)],
        [sp.expand((own - energy / size) / (1 - sp.Rational(2, size))), sp.expand(energy / (size - 1))],
    )


def _onehot():
    """r = K p_o u_c, T = τ₁ on u_c, τ₂ on the rest: h₂, the moment of a class, and their quotient."""
    energy = ALONG * (K * p_o) ** 2 * (1 - 1 / K)
    t_own = ALONG * (1 - 1 / K)  # T_cc
    t_other = ALONG / (K * (K - 1)) + OTHER * (1 - 1 / (K - 1))  # u_l's part along u_c, and the rest
    own = (K * p_o) ** 2 * (t_own * (1 - 1 / K) ** 2 + (K - 1) * t_other / K**2)
    second = (own - energy / K) / ((K - 1) * (1 - 2 / K) * lambda_h**2)
    return [
        identity(
            "one-hot: T",
            r"$T = \tau_1$ on $u_c$ and $\tau_2$ on the $K-2$ other directions (theorem "
            r"feature-curvature: $S$ has "
            r"$KPp_o$ and $p_o$, $ap_o = x/K$).",
            [
                (K * P * p_o / (1 + a * K * P * p_o)).subs(a, x / (K * p_o)),
                (p_o / (1 + a * p_o)).subs(a, x / (K * p_o)),
            ],
            [ALONG, OTHER],
        ),
        identity(
            "one-hot: h₂",
            r"$\lambda_H^2h_2 = (K p_o)^2\frac{(K-2)\tau_1 + \tau_2}{K(K-1)}$ from $T_{cc}$ and $T_{ll}$.",
            second * lambda_h**2,
            (K * p_o) ** 2 * ((K - 2) * ALONG + OTHER) / (K * (K - 1)),
        ),
        identity(
            "one-hot: response",
            r"Weights $1/K + \delta_k$ move $\mathbb{E}rr^\top$ by $(Kp_o)^2\sum\delta_ku_ku_k^\top$, "
            r"which is of the norms "
            r"($\sum\delta = 0$): over $2\lambda_Hh_2$.",
            (K * p_o) ** 2 / (2 * lambda_h * second),
            RESPONSE,
        ),
        sign(
            "heavier classes get longer rows",
            r"The coefficient is positive, $K = 2 + n$.",
            RESPONSE.subs(K, 2 + sp.Symbol("n", positive=True)),
            "positive",
        ),
    ]


def _through_bias(size: int):
    """‖Π diag(δ) Π‖², and what the mixed part, E T D r/λ_H = μδ/λ_H, takes off h₂ by the Schur complement."""
    delta, (r, T) = real("delta", size), _forms(size)
    delta[size - 1] = -sum(delta[: size - 1])
    flat, mu, stiff = centring(size), sp.Symbol("mu", real=True), sp.Symbol("t_b", positive=True)
    D = flat * sp.diag(*delta) * flat
    square = (delta.T * delta)[0]
    return identity(
        f"a bias and norms, K = {size}",
        rf"$K = {size}$: $\|\Pi\mathrm{{diag}}(\delta)\Pi\|^2 = (1 - \frac2K)\|\delta\|^2$, and $TDr = "
        r"T\mathrm{diag}(\delta)r$. So $\|\mu\delta\|^2/(t + \lambda_b)$ is "
        r"$\mu^2/((1 - \frac2K)(t + \lambda_b))$ a unit.",
        [
            sp.expand((D * D).trace()),
            *(T * D * r - T * sp.diag(*delta) * r).applyfunc(sp.expand),
            mu**2 * square / stiff / ((1 - sp.Rational(2, size)) * square),
        ],
        [
            sp.expand((1 - sp.Rational(2, size)) * square),
            *[0] * size,
            mu**2 / ((1 - sp.Rational(2, size)) * stiff),
        ],
    )


def _free_bias():
    """μ, t, h₂ and the response of one-hot labels with a free bias, all in τ₁ and τ₂."""
    own = tau_1 * (1 - 1 / K)  # T_cc, T_ll as in `_onehot`
    each = tau_1 / (K * (K - 1)) + tau_2 * (1 - 1 / (K - 1))
    mu = K * p_o * (own * (1 - 1 / K) - (K - 1) * each / K) / (K - 1)
    t = (tau_1 + (K - 2) * tau_2) / (K - 1)
    plain = (K * p_o) ** 2 * ((K - 2) * tau_1 + tau_2) / (K * (K - 1))
    second = K * (K - 1) * p_o**2 * tau_1 * tau_2 / (tau_1 + (K - 2) * tau_2)
    pull = 2 * mu / ((1 - 2 / K) * t)
    n = sp.Symbol("n", positive=True)
    return [
        identity(
            "one-hot: h₂ with a free bias",
            r"$\mu = \frac{K-2}{K-1}p_o(\tau_1 - \tau_2)$, $t = \frac{\tau_1 + (K-2)\tau_2}{K-1}$, and "
            r"$\lambda_H^2h_2 = K(K-1)p_o^2\frac{\tau_1\tau_2}{\tau_1 + (K-2)\tau_2}$.",
            [mu, plain - mu**2 / ((1 - 2 / K) * t)],
            [(K - 2) / (K - 1) * p_o * (tau_1 - tau_2), second],
        ),
        identity(
            "one-hot: response with a free bias",
            r"$\sum\delta_k(r_kr_k^\top - \nu\Pi\mathrm{diag}(r_k)\Pi) = ((Kp_o)^2 - \nu "
            r"Kp_o)\sum\delta_ku_ku_k^\top$, over $2\lambda_Hh_2$.",
            ((K * p_o) ** 2 - pull * K * p_o) * lambda_h / (2 * second),
            FREE,
        ),
        sign(
            "a free bias leaves some of it",
            r"$K\tau_2 - \tau_1 > 0$, as $(1+xP) - P(1+x/K) = (1 - P) + xP(1 - \frac1K)$: heavier classes keep "
            r"longer rows ($P = 1/(1+n)$, $K = 2 + m$).",
            ((1 + x * P) - P * (1 + x / K)).subs(P, 1 / (1 + n)).subs(K, 2 + sp.Symbol("m", positive=True)),
            "positive",
        ),
        identity(
            "what the sign is of",
            r"$K\tau_2 - \tau_1 = Kp_o\frac{(1+xP) - P(1+x/K)}{(1+xP)(1+x/K)}$.",
            K * OTHER - ALONG,
            K * p_o * ((1 + x * P) - P * (1 + x / K)) / ((1 + x * P) * (1 + x / K)),
        ),
    ]


def settings():
    """One-hot, mixed and smoothed labels, K = 2 … 5, weak to strong penalties; with biases too."""
    for law, decay in product((onehot(), mixup(1.0), smooth(0.2)), (2e-2, 0.15)):
        yield joint(3, law, decay, decay, nodes=8)
    for size in (2, 4):
        yield joint(size, mixup(1.0), 0.1, 0.1, nodes=8)
    yield joint(3, mixup(0.3, "different"), 0.1, 0.1, nodes=8)
    yield joint(5, onehot(), 2e-2, 5e-2)
    for size, law, bias in (
        (2, onehot(), 0.0),
        (3, mixup(1.0), 0.0),
        (4, smooth(0.2), 0.02),
        (4, onehot(), 0.0),
    ):
        yield joint(size, law, 0.1, 0.1, nodes=8, lambda_b=bias)


def compare(rng) -> list[Comparison]:
    """h₁ and h₂ of one-hot labels and the response, at 40 digits, beside the shipped traces."""
    from ufm.model.atoms import JointProblem, finite_law
    from ufm.theory.geometry.susceptibility import onehot_response, susceptibility

    values = {tau_1: ALONG, tau_2: OTHER}
    form, free = (
        sp.lambdify((K, lambda_h, x, P, p_o), one.subs(values), "mpmath") for one in (RESPONSE, FREE)
    )
    rows = []
    with mp.workdps(40):
        for _ in range(6):
            size, decay = int(rng.integers(4, 9)), float(10 ** rng.uniform(-3, -1))
            other = float(rng.uniform(0.01, 0.6)) ** 2 / size / decay
            wrong = mp.sqrt(mp.mpf(decay) * mp.mpf(other) / size)
            own = 1 - (size - 1) * wrong
            derived = form(size, mp.mpf(other), mp.log(own / wrong), own, wrong)
            rows.append(Comparison(f"coefficient, K={size}", derived, onehot_response(size, decay, other)))
            found = susceptibility(JointProblem(finite_law(onehot(), size), decay, other))
            shipped = found.response(np.eye(size)[:1], np.ones(1))
            # δ = e_0 − 1/K: entry (0, 0) of Σ δ_k u_k u_kᵀ is (1 − 1/K)(1 − 2/K)
            share = (1 - mp.mpf(1) / size) * (1 - mp.mpf(2) / size)
            rows.append(Comparison(f"dG_00, K={size}", derived * share, shipped[0, 0]))
            found = susceptibility(JointProblem(finite_law(onehot(), size), decay, other, lambda_b=0.0))
            shipped = found.response(np.eye(size)[:1], np.ones(1))
            derived = free(size, mp.mpf(other), mp.log(own / wrong), own, wrong) * share
            rows.append(Comparison(f"dG_00, K={size}, free bias", derived, shipped[0, 0]))
    return rows
