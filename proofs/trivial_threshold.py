r"""The weight decay at which everything collapses to zero, and how the multiplier leaves zero.

For an exchangeable law the joint optimum is zero iff λ_W λ_H ≥ σ² = (E‖y‖² − 1/K)/(K−1), and without a bias
for any law iff λ_W λ_H ≥ λ_max(E(y − 1/K)(y − 1/K)ᵀ), which is how a claimed σ² is judged. Smoothing by δ: times
(1−δ)².
With k classes drawn uniformly, with replacement, and Dirichlet(α) weights (k = 2 is mixup, λ ~ Beta(α, α))

    E‖y‖² = 1/K + ((K−1)/K) (α+1)/(kα+1),      σ² = (α+1)/((kα+1) K).

Idea: at W = h = 0 the predictions are uniform, and the residual moment is E(y − 1/K)(y − 1/K)ᵀ (the label
covariance where the mean label is 1/K, and only there). The moments are ratios of gamma functions.
"""

from itertools import product

import mpmath as mp
import sympy as sp

from proofs.engine.step import Comparison, Derivation, formal, identity, limit, sign
from proofs.tools.matrices import basis_vector, centring, covariance
from proofs.tools.settings import joint
from ufm.model.laws import cutmix, label_variance, mixup, onehot

K, alpha, k = sp.symbols("K alpha k", positive=True)
a, delta = sp.symbols("a delta", positive=True)

CONCENTRATION = (alpha + 1) / (k * alpha + 1)  # s = E Σ u_l²
THRESHOLD = CONCENTRATION / K
DIFFERENT = (CONCENTRATION.subs(k, 2) - 1 / K) / (K - 1)  # mixup of different classes only
SLOPE = -2 / K  # F'(0)/F(0)


def derive() -> Derivation:
    """Beta and Dirichlet moments, the threshold, its limits, the slope of F at 0, matrices for K = 2, 3, 4."""
    s, entry = sp.symbols("s r_k", real=True)
    square, product = _moments()
    part, ratio = sp.symbols("v R", positive=True)
    return Derivation(
        "trivial-threshold",
        [
            formal(
                "zero is optimal iff",
                r"Without a bias $W = h = 0$ is a global optimum iff $\lambda_{\max}(M) \le c^2$, $M = "
                r"\mathbb{E}(y - \mathbf{1}/K)(y - \mathbf{1}/K)^\top$, for any law and any $d \ge 1$. (Coq: "
                "labels finite in number; any other law as in the theorem duality.)",
                "Descent.zero_optimum_iff",
            ),
            formal(
                "no other optimum",
                "Then no other point is optimal, for any law and any $d$.",
                "Trivial.zero_is_the_only_optimum",
            ),
            formal(
                "exchangeable labels",
                r"For an exchangeable law $M = \sigma^2\Pi$, of trace $(K-1)\sigma^2 = \mathbb{E}\|y\|^2 "
                "- 1/K$ …",
                "Squared.label_moment",
            ),
            formal(
                "zero iff",
                r"… and with $d \ge K-1$ an optimum has $W = 0$ iff $\sigma^2 \le c^2$.",
                "Joint.trivial_iff",
            ),
            formal(
                "with a bias",
                r"Where $\sigma^2 \le c^2$, with a free bias too: $W = h = 0$ at every optimum, and $b$ is a "
                r"multiple of $\mathbf{1}$.",
                "Joint.trivial_free_bias",
            ),
            formal(
                "with a penalised bias",
                "And with a penalised one, which is zero.",
                "Joint.trivial_penalised_bias",
            ),
            formal(
                "finite grids",
                r"Mixup of two classes drawn uniformly and independently, with any finite grid of $\lambda$: "
                r"$\sigma^2 = \mathbb{E}[\lambda^2 + (1-\lambda)^2]/K$.",
                "Laws.mixup_threshold",
            ),
            formal(
                "label smoothing, any law",
                r"Smoothing scales $\sigma^2$ of any law by $(1-\delta)^2$.",
                "Laws.smoothed_threshold",
            ),
            identity(
                "Beta moments",
                r"$\lambda \sim \mathrm{Beta}(\alpha, \alpha)$: $\mathbb{E}\lambda^2 = B(\alpha+2, "
                r"\alpha)/B(\alpha, \alpha) = (\alpha+1)/(2(2\alpha+1))$, $\mathbb{E}\lambda(1-\lambda) = "
                r"\alpha/(2(2\alpha+1))$, so $\mathbb{E}[\lambda^2 + (1-\lambda)^2] = "
                r"(\alpha+1)/(2\alpha+1)$.",
                [square, product, 2 * square],
                [
                    (alpha + 1) / (2 * (2 * alpha + 1)),
                    alpha / (2 * (2 * alpha + 1)),
                    CONCENTRATION.subs(k, 2),
                ],
            ),
            identity(
                "Dirichlet moments",
                r"$u \sim \mathrm{Dirichlet}(\alpha, \dots, \alpha)$, $k$ entries: $u_l \sim "
                r"\mathrm{Beta}(\alpha, (k-1)\alpha)$, and $s = k\,\mathbb{E}u_l^2 = "
                r"(\alpha+1)/(k\alpha+1)$.",
                k * _ratio(_beta(alpha + 2, (k - 1) * alpha), _beta(alpha, (k - 1) * alpha)),
                CONCENTRATION,
            ),
            identity(
                "second moment of the label",
                r"$y = \sum_l u_le_{i_l}$: $\|y\|^2 = \sum_{l,m}u_lu_m[i_l = i_m]$. Two independent uniform "
                r"classes agree with probability $1/K$, and $\mathbb{E}\sum_{l \ne m}u_lu_m = 1 - s$: "
                r"$\mathbb{E}\|y\|^2 = s + (1-s)/K = 1/K + \frac{K-1}{K}s$. Mixup the other way: the two "
                r"classes agree with probability $1/K$, and then $\|y\|^2 = 1$.",
                [s + (1 - s) / K, 1 / K + (1 - 1 / K) * s],
                1 / K + (K - 1) / K * s,
            ),
            identity(
                "threshold",
                r"$\sigma^2 = (\mathbb{E}\|y\|^2 - 1/K)/(K-1) = s/K = (\alpha+1)/((k\alpha+1)K)$.",
                ((s + (1 - s) / K - 1 / K) / (K - 1)).subs(s, CONCENTRATION),
                THRESHOLD,
            ),
            identity(
                "different classes only",
                r"Mixup of different classes has $\mathbb{E}\|y\|^2 = s$, so $\sigma^2 = (s - 1/K)/(K-1)$; "
                r"and the law over all pairs is $1/K$ of one-hot labels, $\sigma^2 = 1/K$, and $1 - 1/K$ of "
                r"this one.",
                1 / K * (1 / K) + (1 - 1 / K) * DIFFERENT,
                THRESHOLD.subs(k, 2),
            ),
            identity(
                "label smoothing",
                r"$y \mapsto (1-\delta)y + \delta\mathbf{1}/K$ scales $y - \mathbf{1}/K$ by $1 - \delta$: "
                r"$\sigma^2$ becomes $(1-\delta)^2\sigma^2$; for mixup $(1-\delta)^2(\alpha+1)/((2\alpha+1)K)$.",
                [(1 - delta) * entry + delta / K - 1 / K, (1 - delta) ** 2 * THRESHOLD.subs(k, 2)],
                [(1 - delta) * (entry - 1 / K), (1 - delta) ** 2 * (alpha + 1) / ((2 * alpha + 1) * K)],
            ),
            limit(
                "one-hot limit",
                r"$\alpha \to 0$: labels are one-hot, $\sigma^2 \to 1/K$.",
                THRESHOLD,
                alpha,
                0,
                1 / K,
            ),
            limit(
                "even mixing limit",
                r"$\alpha \to \infty$: $\sigma^2 \to 1/(kK)$.",
                THRESHOLD,
                alpha,
                sp.oo,
                1 / (k * K),
            ),
            sign(
                "more mixing, lower threshold",
                r"$\sigma^2$ decreases in $\alpha$, for $k = 1 + v > 1$.",
                sp.diff(THRESHOLD, alpha).subs(k, 1 + part),
                "negative",
            ),
            identity(
                "slope at zero",
                r"$-\frac12\frac{d}{da}\|r\|^2 = r^\top(I + aS)^{-1}Sr$ (theorem joint-etf). At $a = 0$, $p "
                r"= \mathbf{1}/K$: $S = \mathrm{diag}(p) - pp^\top$ has diagonal $\frac1K - \frac1{K^2}$ "
                r"and other entries $-\frac{1}{K^2}$, so $(Sr)_k = r_k/K - \sum_l r_l/K^2 = r_k/K$. So "
                r"$F'(0) = -\frac{2}{K}F(0)$, and just below the threshold, $R = c^2/\sigma^2$, to first "
                r"order $1 - \frac{2}{K}a = R$: $a \approx \frac{K}{2}(1 - R)$.",
                [
                    -2 * entry * ((1 / K - 1 / K**2) * entry - (-entry) / K**2),
                    sp.solve(1 + SLOPE * a - ratio, a)[0],
                ],
                [SLOPE * entry**2, K / 2 * (1 - ratio)],
            ),
            *[_covariance(size) for size in (2, 3, 4)],
        ],
        sp.Eq(sp.Symbol("sigma") ** 2, THRESHOLD),
        compare,
    )


def _beta(one, other):
    return sp.gamma(one) * sp.gamma(other) / sp.gamma(one + other)


def _ratio(above, below):
    return sp.gammasimp(above / below)


def _moments():
    """E λ² and E λ(1−λ) under Beta(α, α)."""
    below = _beta(alpha, alpha)
    return _ratio(_beta(alpha + 2, alpha), below), _ratio(_beta(alpha + 1, alpha + 1), below)


def _covariance(size: int):
    """E(y − 1/K)(y − 1/K)ᵀ of mixup over all K² ordered pairs, and S at the uniform prediction."""
    square, product = _moments()
    moment = sp.zeros(size, size)
    for i in range(size):
        for j in range(size):
            e, f = basis_vector(size, i), basis_vector(size, j)
            moment += (square * (e * e.T + f * f.T) + product * (e * f.T + f * e.T)) / size**2
    uniform = sp.ones(size, 1) / size
    return identity(
        f"label covariance, K = {size}",
        rf"Mixup, $K = {size}$, all ${size}^2$ pairs: $\mathbb{{E}}yy^\top - "
        rf"\mathbf{{1}}\mathbf{{1}}^\top/K^2 = \sigma^2\Pi$; and $S = \Pi/K$ at $p = \mathbf{{1}}/K$.",
        [*(moment - uniform * uniform.T), *covariance(uniform)],
        [*(THRESHOLD.subs({K: size, k: 2}) * centring(size)), *(centring(size) / size)],
    )


def settings():
    """One hundredth below and above the threshold."""
    for K, alpha, share in product((2, 3, 4), (0.2, 1.0, 5.0), (0.99, 1.01)):
        c = (share * (alpha + 1) / ((2 * alpha + 1) * K)) ** 0.5
        yield joint(K, mixup(alpha), c, c)
    for law, share in product((mixup(1.0, smoothing=0.2), cutmix(1.0), onehot()), (0.99, 1.01)):
        c = (share * label_variance(law, 3)) ** 0.5
        yield joint(3, law, c, c)


def compare(rng) -> list[Comparison]:
    """The shipped thresholds, the quadrature of E‖y‖², and a just below the threshold."""
    from ufm.model.laws import kway, label_variance, mixup, second_moment
    from ufm.theory.multiplier import joint_multiplier

    threshold = sp.lambdify((alpha, k, K), THRESHOLD, "mpmath")
    different = sp.lambdify((alpha, K), DIFFERENT, "mpmath")
    rows = []
    with mp.workdps(40):
        for _ in range(5):
            sharp, classes = float(10 ** rng.uniform(-1, 1)), int(rng.integers(2, 200))
            ways, decay = int(rng.integers(2, 7)), float(10 ** rng.uniform(-3, 0))
            smoothing = float(rng.uniform(0, 0.9))
            where = f"K={classes}, alpha={sharp:.3g}"
            value = threshold(mp.mpf(sharp), 2, mp.mpf(classes))
            rows += [
                Comparison(f"mixup, {where}", value, label_variance(mixup(sharp), classes)),
                Comparison(
                    f"{ways}-way, {where}",
                    threshold(mp.mpf(sharp), ways, mp.mpf(classes)),
                    label_variance(kway(sharp, ways), classes),
                ),
                Comparison(
                    f"E|y|^2, {where}",
                    1 / mp.mpf(classes) + (classes - 1) * value,
                    second_moment(mixup(sharp), classes),
                ),
                Comparison(
                    f"smoothed, {where}",
                    (1 - mp.mpf(smoothing)) ** 2 * value,
                    label_variance(mixup(sharp, smoothing=smoothing), classes),
                ),
                Comparison(
                    f"different, {where}",
                    different(mp.mpf(sharp), mp.mpf(classes)),
                    label_variance(mixup(sharp, "different"), classes),
                ),
                Comparison(
                    f"multiplier, {where}",
                    value,
                    joint_multiplier(mixup(sharp), classes, decay, 0.5 * float(value) / decay).threshold,
                ),
            ]
    return rows
