r"""Squared error with a free bias: the joint optimum shrinks the centred labels by one factor.

L = E[½‖W h_y + b − y‖² + (λ_H/2)‖h_y‖²] + (λ_W/2)‖W‖², exchangeable law, d ≥ K−1, c² = λ_W λ_H,
σ² = (E‖y‖² − 1/K)/(K−1). Every global optimum has

    b = 1/K,      W h_y = (1 − c/σ)₊ (y − 1/K),      W Wᵀ = g Π,      a = g/λ_H = (σ/c − 1)₊,

so mixed features are exactly affine in the label. Idea: the gap identity of the theorem duality with the
convex conjugate of ½‖·‖² instead of the entropy, evaluated at s = (c/σ)(y − 1/K): every term is zero.
"""

import mpmath as mp
import sympy as sp

from proofs.engine.step import Comparison, Derivation, formal, identity, sign
from proofs.tools.matrices import centring, real
from proofs.tools.settings import joint
from proofs.trivial_threshold import THRESHOLD, alpha, k
from ufm.model.laws import cutmix, kway, mixup, onehot

K, c, sigma, lambda_h, lambda_w = sp.symbols("K c sigma lambda_H lambda_W", positive=True)
SHARPNESS = sigma / c - 1
SHRINK = 1 - c / sigma
NORM_SQUARED = SHARPNESS * (K - 1) * lambda_h / K


def derive() -> Derivation:
    """Gap identity, candidate, uniqueness; matrices for K = 2, 3, 4."""
    z, y, s, u, h, centred = sp.symbols("z_k y_k s_k u_j h_j y'_k", real=True)
    excess, short = sp.symbols("eta nu", positive=True)
    shrink, residual = SHRINK, c / sigma * centred
    g = SHARPNESS * lambda_h
    return Derivation(
        "squared-error-joint",
        [
            identity(
                "conjugate, class by class",
                r"For any $s$: $\frac12(z - y)^2 = (sy - \frac12s^2) - sz + \frac12(y - s - z)^2$, entry by "
                r"entry, for every $K$.",
                (z - y) ** 2 / 2,
                s * y - s**2 / 2 - s * z + (y - s - z) ** 2 / 2,
            ),
            identity(
                "features, coordinate by coordinate",
                r"$\frac{\lambda_H}{2}h_j^2 - u_jh_j = \frac{\lambda_H}{2}(h_j - u_j/\lambda_H)^2 - "
                r"u_j^2/(2\lambda_H)$, $u = W^\top s$.",
                lambda_h / 2 * h**2 - u * h,
                lambda_h / 2 * (h - u / lambda_h) ** 2 - u**2 / (2 * lambda_h),
            ),
            *[_gap_identity(size) for size in (2, 3, 4)],
            formal(
                "gap identity",
                r"For any $W$, $b$, $h$ and $s$: $L - \mathbb{E}[s\cdot y - \frac12\|s\|^2] = "
                r"\frac12\mathbb{E}\|y - s - z\|^2 + \frac{\lambda_H}{2}\mathbb{E}\|h - W^\top "
                r"s/\lambda_H\|^2 + \mathrm{tr}\,W^\top(c^2I - \mathbb{E}ss^\top)W/(2\lambda_H) - "
                r"b\cdot\mathbb{E}s$. (Coq: labels finite in number; any other law as in the theorem "
                "duality.)",
                "Squared.squared_gap_identity",
            ),
            formal(
                "weak duality",
                r"Where $\mathbb{E}s = 0$ and $\mathbb{E}ss^\top \preceq c^2I$ the right side is not "
                "negative.",
                "Squared.squared_weak_duality",
            ),
            formal(
                "moments of the law",
                r"Hypothesis: $\pi$ exchangeable. $\mathbb{E}(y - \mathbf{1}/K)(y - \mathbf{1}/K)^\top = "
                r"\sigma^2\Pi$, $(K-1)\sigma^2 = \mathbb{E}\|y\|^2 - 1/K$ …",
                "Squared.label_moment",
            ),
            formal("mean of the law", r"… and $\mathbb{E}y = \mathbf{1}/K$.", "Squared.label_mean"),
            identity(
                "candidate",
                r"Let $c < \sigma$, $WW^\top = g\,\Pi$ with $g/\lambda_H = a = \sigma/c - 1$ (possible as "
                r"$d \ge K-1$), $b = \mathbf{1}/K$, $s = (c/\sigma)y'$, $y' = y - \mathbf{1}/K$, $h = "
                r"W^\top s/\lambda_H$. Then $Wh = a\,s = (1 - c/\sigma)y'$, so $y - s - Wh - b = 0$, and "
                r"$\mathbb{E}ss^\top = (c/\sigma)^2\sigma^2\Pi = c^2\Pi$.",
                [
                    g / lambda_h * residual,
                    (centred + 1 / K) - residual - shrink * centred - 1 / K,
                    (c / sigma) ** 2 * sigma**2,
                ],
                [shrink * centred, 0, c**2],
            ),
            *[_candidate(size) for size in (2, 3, 4)],
            sign(
                "active", r"$a > 0$ for $\sigma = c + \eta$.", SHARPNESS.subs(sigma, c + excess), "positive"
            ),
            sign(
                "trivial",
                r"For $\sigma \le c$, $c = \sigma + \nu$: $W = h = 0$, $s = y'$, $b = \mathbf{1}/K$ leave "
                r"no gap, and $\mathbb{E}ss^\top = \sigma^2\Pi \preceq c^2I$ as $c^2 - \sigma^2 > 0$ "
                r"(equality is as good).",
                (c**2 - sigma**2).subs(c, sigma + short),
                "positive",
            ),
            formal(
                "unique",
                r"For $c < \sigma$, $d \ge K-1$, every global optimum has $WW^\top = (\sigma/c - "
                r"1)\lambda_H\Pi$, $Wh_y = (1 - c/\sigma)(y - \mathbf{1}/K)$ and $b = \mathbf{1}/K$.",
                "Squared.squared_joint",
            ),
            formal(
                "zero otherwise",
                r"For $\sigma \le c$ it has $W = 0$, $h = 0$, $b = \mathbf{1}/K$.",
                "SquaredTrivial.squared_trivial",
            ),
            identity(
                "the determined product",
                r"$c\sigma(1 - c/\sigma)/\lambda_W$ is $g = a\lambda_H$, as $\lambda_W = c^2/\lambda_H$; "
                r"rows have $m^2 = g(1 - 1/K) = a(K-1)\lambda_H/K$.",
                [c * sigma * shrink * lambda_h / c**2, g * (1 - 1 / K)],
                [g, NORM_SQUARED],
            ),
            identity(
                "the fixed-ETF feature",
                r"$h = \frac{c}{\sigma\lambda_H}W^\top y$ (as $W^\top\mathbf{1} = 0$) is the optimum "
                r"$W^\top y/(g + \lambda_H)$ against that fixed classifier: affine in $\lambda$.",
                1 / (g + lambda_h),
                c / (sigma * lambda_h),
            ),
            identity(
                "threshold",
                r"$a = 0$ at $c^2 = \sigma^2$, the threshold of cross-entropy as well; for mixup "
                r"$(\alpha+1)/((2\alpha+1)K)$ (theorem trivial-threshold).",
                [SHARPNESS.subs(c, sigma), THRESHOLD.subs(k, 2)],
                [0, (alpha + 1) / ((2 * alpha + 1) * K)],
            ),
        ],
        sp.Eq(sp.Symbol("m") ** 2, NORM_SQUARED),
        compare,
    )


def _gap_identity(size: int):
    """The whole identity for two labels of weights w and 1 − w, d = 2, and a bias."""
    W, b, mass = real("W", size, 2), real("b", size), sp.Symbol("w", positive=True)
    moment, mean, left, right = sp.zeros(size, size), sp.zeros(size, 1), 0, 0
    for label, share in (("0", mass), ("1", 1 - mass)):
        y, s, h = real(f"y{label}", size), real(f"s{label}", size), real(f"h{label}", 2)
        z, pulled = W * h + b, h - W.T * s / lambda_h
        loss = (z - y).dot(z - y) / 2 + lambda_h / 2 * h.dot(h)
        left += share * (loss - s.dot(y) + s.dot(s) / 2)
        right += share * ((y - s - z).dot(y - s - z) / 2 + lambda_h / 2 * pulled.dot(pulled))
        moment, mean = moment + share * s * s.T, mean + share * s
    slack = (W.T * (lambda_w * lambda_h * sp.eye(size) - moment) * W).trace()
    return identity(
        f"gap identity, K = {size}",
        rf"The whole identity for $K = {size}$, $d = 2$, two labels with arbitrary weights and a bias: "
        rf"every entry a symbol.",
        left + lambda_w / 2 * (W.T * W).trace(),
        right + slack / (2 * lambda_h) - b.dot(mean),
    )


def _candidate(size: int):
    """h = Wᵀ s/λ_H with W Wᵀ = g Π: the logits, and the gradient in W, from E ssᵀ = c² Π."""
    y, projection = real("y", size), centring(size)
    y[size - 1] = 1 - sum(y[: size - 1])
    s = c / sigma * projection * y
    G = SHARPNESS * lambda_h * projection
    basis = real("W", size, size - 1)  # columns that sum to zero stand for any W of the family
    basis[size - 1, :] = -sp.ones(1, size - 1) * basis[: size - 1, :]
    return identity(
        f"candidate, K = {size}",
        rf"$K = {size}$: $WW^\top s/\lambda_H = (1 - c/\sigma)(y - \mathbf{{1}}/K)$, and $\nabla_WL = "
        rf"\lambda_WW - \mathbb{{E}}ss^\top W/\lambda_H = 0$ for $\mathbb{{E}}ss^\top = c^2\Pi$, $\lambda_W "
        r"= c^2/\lambda_H$, whenever $\mathbf{1}^\top W = 0$.",
        [*(G * s / lambda_h), *(c**2 / lambda_h * basis - c**2 * projection * basis / lambda_h)],
        [*((1 - c / sigma) * (y - sp.ones(size, 1) / size)), *[0] * len(basis)],
    )


def settings():
    """Exchangeable laws, from weak to strong penalties."""
    for law, K in ((mixup(1.0), 3), (mixup(0.2), 4), (cutmix(1.0), 3), (kway(1.0, 3), 3), (onehot(), 4)):
        for c in (1e-3, 1e-1, 0.9):
            yield joint(K, law, c, c, lambda_b=0.0, loss="squared-error", free_dim=K)


def compare(rng) -> list[Comparison]:
    """m, a and one logit, beside the shipped multiplier and features."""
    from ufm.model.laws import kway, mixup
    from ufm.theory.features import two_hot_optimum
    from ufm.theory.multiplier import joint_multiplier

    norm = sp.lambdify((sigma, c, K, lambda_h), sp.sqrt(NORM_SQUARED), "mpmath")
    sharpness, shrink = (sp.lambdify((sigma, c), e, "mpmath") for e in (SHARPNESS, SHRINK))
    threshold = sp.lambdify((alpha, k, K), THRESHOLD, "mpmath")
    rows = []
    with mp.workdps(40):
        for count in range(8):
            sharp, classes = float(10 ** rng.uniform(-0.5, 1)), int(rng.integers(3, 100))
            ways = 2 + count % 2
            root = mp.sqrt(threshold(mp.mpf(sharp), ways, mp.mpf(classes)))
            decay = float(10 ** rng.uniform(-4, 0))
            other = float((root * float(rng.uniform(0.05, 0.8))) ** 2 / decay)
            product = mp.sqrt(mp.mpf(decay) * mp.mpf(other))
            law = mixup(sharp) if ways == 2 else kway(sharp, ways)
            shipped = joint_multiplier(law, classes, other, decay, "squared-error")
            where = f"{law.name}, K={classes}, alpha={sharp:.3g}, c^2={float(product**2):.3g}"
            rows += [
                Comparison(f"m, {where}", norm(root, product, mp.mpf(classes), mp.mpf(decay)), shipped.value),
                Comparison(f"a, {where}", sharpness(root, product), shipped.sharpness),
            ]
            mix = float(rng.uniform(0.05, 0.95))
            logit = shrink(root, product) * mp.mpf(mix)
            feature = two_hot_optimum(mix, shipped.sharpness, classes, "squared-error")
            rows.append(Comparison(f"x_i, {where}", logit, float(feature.x_i)))
    return rows
