r"""The hypotheses of the theorem joint-etf are needed: labels that favour some pairs, too few dimensions.

Cyclic pairs: y = λ e_i + (1−λ) e_{i+1 mod K}, i uniform, K ≥ 4, λ with P(0 < λ < 1) > 0. Then no ETF
with optimal features is a critical point of the joint problem, though every class has the same weight.
Idea: with W Wᵀ = g Π a residual is r = z/a; M is circulant, and neighbours and second neighbours differ by

    K (M_{0,1} − M_{0,2}) = E (r_i − r_o)(r_j − r_o) = E x_i x_j/a² > 0,

while M W = c² W with rank K−1 needs M = c² Π, all of whose off-diagonal entries are equal.
Dimension: Π has rank K−1, so an ETF needs d ≥ K−1.
"""

from itertools import product

import mpmath as mp
import numpy as np
import sympy as sp

from proofs.engine.step import Comparison, Derivation, formal, identity, sign
from proofs.joint_etf import PAIR, K, a, lam, x_i, x_j
from proofs.tools.matrices import centring, real
from proofs.tools.roots import increasing_root
from proofs.tools.settings import joint
from ufm.model.laws import mixup

r_1, r_2, r_o = sp.symbols("r_i r_j r_o", real=True)
rho = sp.Symbol("rho", positive=True)  # E[λ² + (1−λ)²]

NEIGHBOURS = x_i * x_j / a**2  # K (M_01 − M_02), before averaging over λ
LABEL_SPECTRUM = {1: rho / 4, 2: (2 * rho - 1) / 4}  # K = 4, Fourier modes 1 (twice) and 2
SPLIT = NEIGHBOURS / 2  # K = 4: eigenvalue of mode 1 less that of mode 2


def derive() -> Derivation:
    """Entries of the circulant M for symbolic K, its spectrum for K = 4, signs, and the rank of Π."""
    o = (x_i + x_j) / K
    residual = {r_1: (x_i - o) / a, r_2: (x_j - o) / a, r_o: -o / a}
    first = r_1 * r_2 + r_2 * r_o + r_o * r_1 + (K - 3) * r_o**2
    second = 2 * r_1 * r_o + 2 * r_2 * r_o + (K - 4) * r_o**2
    x, mass = sp.symbols("x o", positive=True)
    positive, real_x = sp.symbols("x_i x_j", positive=True), sp.Symbol("x", real=True)
    return Derivation(
        "necessity",
        [
            formal(
                "what an ETF would need",
                r"At a critical point (no bias) with $WW^\top = g\,\Pi$, $g > 0$, of any law, $z = a\,r$ with "
                r"$a = g/\lambda_H$, and $M = c^2\Pi$: so $M_{01} = M_{02}$. (Coq: labels finite in number; "
                "any other law as in the theorem duality.)",
                "Needed.simplex_critical",
            ),
            identity(
                "neighbours and second neighbours",
                r"For the pair $(i, i+1)$ the residual is $r_i$, $r_j$ and $r_o$ at the $K-2$ others. Going "
                r"round the cycle, positions at distance 1 meet as $(r_i, r_j)$, $(r_j, r_o)$, $(r_o, r_i)$ "
                r"and $K-3$ times $(r_o, r_o)$; at distance 2 as $(r_i, r_o)$, $(r_j, r_o)$, each twice, "
                r"and $K-4$ times $(r_o, r_o)$. The difference is $K(M_{01} - M_{02}) = \mathbb{E}(r_i - "
                r"r_o)(r_j - r_o)$, for every $K \ge 4$.",
                first - second,
                (r_1 - r_o) * (r_2 - r_o),
            ),
            identity(
                "in logits",
                r"With $x_k = z_k - z_o$, $\sum z = 0$: $ar_i = x_i - (x_i + x_j)/K$, $ar_j$ likewise, "
                r"$ar_o = -(x_i + x_j)/K$. So $r_i + r_j + (K-2)r_o = 0$ and the difference is "
                r"$\mathbb{E}\,x_ix_j/a^2$.",
                [(r_1 + r_2 + (K - 2) * r_o).subs(residual), ((r_1 - r_o) * (r_2 - r_o)).subs(residual)],
                [0, NEIGHBOURS],
            ),
            identity(
                "zero of the coefficient",
                r"$x_i$ solves $x + o(e^x - 1) = a\lambda$ with $o = ap_o > 0$ (theorem joint-etf)"
                r": the left side is $0$ at $x = 0$ …",
                (x + mass * (sp.exp(x) - 1)).subs(x, 0),
            ),
            sign(
                "sign of the coefficients",
                r"… and increases: its derivative $1 + oe^x$ is positive. So $x_i > 0$ for $\lambda > 0$ "
                r"and $x_j > 0$ for $\lambda < 1$.",
                sp.diff(real_x + mass * (sp.exp(real_x) - 1), real_x),
                "positive",
            ),
            sign(
                "strict",
                r"$x_ix_j/a^2 > 0$ where $0 < \lambda < 1$, which has positive probability, and $\ge 0$ "
                r"elsewhere: $M_{01} > M_{02}$, for every $a > 0$. No ETF is critical.",
                NEIGHBOURS.subs({x_i: positive[0], x_j: positive[1]}),
                "positive",
            ),
            *[_circulant(size) for size in (4, 5, 6)],
            _fourier(),
            _three(),
            identity(
                "labels of the cycle",
                r"At $W = 0$ already, $K = 4$: $\mathbb{E}(y - \mathbf{1}/4)(y - \mathbf{1}/4)^\top$ has "
                r"eigenvalue $\rho/4$ on the Fourier modes $\pm 1$ and $(2\rho - 1)/4$ on the mode $2$, "
                r"$\rho = \mathbb{E}[\lambda^2 + (1-\lambda)^2]$: they differ by "
                r"$\frac12\mathbb{E}\lambda(1-\lambda) = (1-\rho)/4$. Triviality is decided by $\rho/4$, "
                r"and modes leave zero one by one.",
                _label_modes(),
                [LABEL_SPECTRUM[1], LABEL_SPECTRUM[2], (1 - rho) / 4],
            ),
            sign(
                "more weight on mode 1",
                r"$\rho = \mathbb{E}[1 - 2\lambda(1-\lambda)] < 1$, so $(1-\rho)/4 > 0$; here $\rho = "
                r"1/(1+\eta)$.",
                ((1 - rho) / 4).subs(rho, 1 / (1 + sp.Symbol("eta", positive=True))),
                "positive",
            ),
            identity(
                "rank of an ETF",
                r"$\Pi$ without its last row and column is $I - \mathbf{1}\mathbf{1}^\top/K$ of size $K-1$: "
                r"on $\mathbf{1}$ it is $1 - (K-1)/K = 1/K \ne 0$, elsewhere $1$. So $\mathrm{rank}\,\Pi = "
                r"K-1$.",
                1 - (K - 1) / K,
                1 / K,
            ),
            *[_rank(size) for size in (2, 3, 4)],
            formal(
                "dimensions of an ETF",
                r"So $WW^\top = g\,\Pi$ with $g > 0$ needs $d \ge K-1$.",
                "Needed.simplex_dimension",
            ),
            formal(
                "too few dimensions",
                "And for an exchangeable law below its threshold ($F(a) = (K-1)c^2$ for an $a > 0$), $d < "
                r"K-1$: $L > \mathbb{E}\,\mathrm{Entropy}(p_a(y))$ for every $W$, $b$, $h$. That bound is not "
                "attained.",
                "Needed.too_few_dimensions",
            ),
        ],
        sp.Eq(K * sp.Symbol("M_{01} - M_{02}"), sp.Symbol(r"\mathbb{E}") * NEIGHBOURS),
        compare,
    )


def _moment(size: int, entries) -> sp.Matrix:
    """(1/K) Σ over rotations of r rᵀ, r = (r_i, r_j, r_o, …, r_o)."""
    one, two, other = entries
    total = sp.zeros(size, size)
    for shift in range(size):
        r = sp.Matrix([{0: one, 1: two}.get((position - shift) % size, other) for position in range(size)])
        total += r * r.T
    return total / size


def _circulant(size: int):
    """All entries of M written out: circulant, and its first and second neighbours."""
    o = (x_i + x_j) / size
    M = _moment(size, ((x_i - o) / a, (x_j - o) / a, -o / a))
    shifted = sp.Matrix(size, size, lambda i, j: M[(i + 1) % size, (j + 1) % size])
    return identity(
        f"matrices, K = {size}",
        rf"$M$ for $K = {size}$ from its {size} rotated residuals: $M\mathbf{{1}} = 0$, $M$ is circulant, "
        rf"and $K(M_{{01}} - M_{{02}}) = x_ix_j/a^2$ given $\lambda$.",
        [*(M * sp.ones(size, 1)), *(M - shifted), size * (M[0, 1] - M[0, 2])],
        [0] * (size + size**2) + [NEIGHBOURS],
    )


def _fourier():
    """K = 4: M on the real Fourier vectors, and the difference of the eigenvalues."""
    o = (x_i + x_j) / 4
    M = _moment(4, ((x_i - o) / a, (x_j - o) / a, -o / a))
    cosine, sine, alternating = sp.Matrix([1, 0, -1, 0]), sp.Matrix([0, 1, 0, -1]), sp.Matrix([1, -1, 1, -1])
    one, two = M[0, 0] - M[0, 2], M[0, 0] - 2 * M[0, 1] + M[0, 2]
    return identity(
        "Fourier modes, K = 4",
        r"$M$ has eigenvalue $\mu_1 = M_{00} - M_{02}$ on $(1, 0, -1, 0)$ and $(0, 1, 0, -1)$, $\mu_2 = "
        r"M_{00} - 2M_{01} + M_{02}$ on $(1, -1, 1, -1)$, and $\mu_1 - \mu_2 = \mathbb{E}\,x_ix_j/(2a^2)$.",
        [*(M * cosine), *(M * sine), *(M * alternating), one - two],
        [*(one * cosine), *(one * sine), *(two * alternating), SPLIT],
    )


def _three():
    """K = 3: the neighbours are all the pairs; with λ and 1 − λ alike there is nothing to exclude."""
    M = _moment(3, (r_1, r_2, -r_1 - r_2))
    return identity(
        "three classes",
        r"For $K = 3$ every two classes are neighbours, and $M$ is a multiple of $\Pi$ for any residuals: "
        r"$K \ge 4$ is needed. (The law is then exchangeable if $\lambda$ and $1 - \lambda$ have the same "
        r"law.)",
        list(M),
        list(sp.Rational(3, 2) * M[0, 0] * centring(3)),
    )


def _label_modes():
    """Eigenvalues of the label covariance of the cycle of 4, with E λ² + E(1−λ)² = ρ; and their difference."""
    M = _moment(4, (lam - sp.Rational(1, 4), sp.Rational(3, 4) - lam, -sp.Rational(1, 4)))
    modes = [M[0, 0] - M[0, 2], M[0, 0] - 2 * M[0, 1] + M[0, 2]]
    # λ² = λ − (1−ρ)/2 in the mean, as ρ = 1 − 2 E λ(1−λ)
    modes = [sp.expand(mode).subs(lam**2, lam - (1 - rho) / 2) for mode in modes]
    return [*modes, modes[0] - modes[1]]


def _rank(size: int):
    """det of Π without its last row and column; Π² = Π; a product of K x (K−2) factors has no such minor."""
    thin = real("W", size - 1, size - 2) if size > 2 else sp.zeros(1, 1)
    return identity(
        f"rank, K = {size}",
        rf"$K = {size}$: that minor of $\Pi$ is $1/K$, while it is zero for $WW^\top$ with $d = K-2$.",
        [centring(size)[: size - 1, : size - 1].det(), (thin * thin.T).det()],
        [sp.Rational(1, size), 0],
    )


def settings():
    """Cyclic pairs of at least four classes."""
    for classes, exponent in product((4, 5), (0.2, 1.0, 5.0)):
        yield joint(classes, mixup(exponent, "cyclic"), 1e-2, 1e-2)


def compare(rng) -> list[Comparison]:
    """Label covariance of the shipped cyclic law, and the split of M at ETF points by the shipped certificate."""
    from ufm.model.atoms import given_lam
    from ufm.model.laws import mixup
    from ufm.theory.thresholds import triviality

    modes = {number: sp.lambdify(rho, value, "mpmath") for number, value in LABEL_SPECTRUM.items()}
    split = sp.lambdify((x_i, x_j, a), SPLIT, "mpmath")
    mixing = sp.lambdify((x_i, x_j, a), sp.expand(PAIR[0] / a + lam).subs(K, 4), "mpmath")  # λ from x_i, x_j
    whole = sp.lambdify((x_i, x_j, a), sp.expand(sum(PAIR)).subs(K, 4), "mpmath")  # λ drops out of the sum
    rows = []
    with mp.workdps(40):
        for _ in range(6):
            sharpness = float(10 ** rng.uniform(0, 1.3))
            points = [_coefficients(whole, float(slant), sharpness) for slant in rng.uniform(-0.9, 0.9, 3)]
            mixes = [mixing(*point, sharpness) for point in points]
            law = given_lam(mixup(1.0, "cyclic"), 4, np.array([float(mix) for mix in mixes]))
            mass = sum(mix**2 + (1 - mix) ** 2 for mix in mixes) / 3
            derived = sum(split(*point, sharpness) for point in points) / 3
            rows += [
                Comparison(f"threshold, rho={float(mass):.3g}", modes[1](mass), triviality(law, 0.1).value),
                Comparison(f"mode 2, rho={float(mass):.3g}", modes[2](mass), _least(law.covariance)),
                Comparison(f"mu_1 - mu_2, a={sharpness:.3g}", derived, _shipped_split(law, sharpness)),
            ]
    return rows


def _least(covariance) -> float:
    """The least eigenvalue but for the zero of 1."""
    return float(np.linalg.eigvalsh(covariance)[1])


def _shipped_split(law, sharpness: float) -> float:
    """μ₁ − μ₂ of the certificate at W Wᵀ = Π, λ_H = 1/a, with the shipped features."""
    from ufm.certify.joint import certify_joint
    from ufm.model.atoms import JointProblem, Point
    from ufm.theory.features import label_optimum

    basis = np.array([[1, 0, -1, 0], [0, 1, 0, -1], [np.sqrt(0.5)] * 4]).T / np.sqrt(2)
    basis[1::2, 2] *= -1
    best = label_optimum(law.labels, np.ones(law.labels.shape), sharpness)
    point = Point(basis, np.asarray(best.x) @ basis)
    spectrum = certify_joint(JointProblem(law, 0.1, 1 / sharpness), point).spectrum
    return spectrum[3] - spectrum[1]


def _coefficients(whole, slant: float, sharpness: float):
    """x_i = s(1 + slant), x_j = s(1 − slant) that belong to some λ: s from the sum of their two equations."""
    up, down = 1 + mp.mpf(slant), 1 - mp.mpf(slant)
    s = increasing_root(lambda s: whole(s * up, s * down, sharpness), 0, sharpness)
    return s * up, s * down
