r"""In the plane (d = 2) the regular K-gon is critical under one-hot cross-entropy. ĉ = √(K λ_W λ_H) < 1, no bias.

    w_k = m (cos 2πk/K, sin 2πk/K),   h_k = √(K λ_W/λ_H) w_k,   p = softmax(t cos(2πl/K)) at distance l,
    1 − Σ_l p_l cos(2πl/K) = ĉ,       m² = t √(λ_H/(K λ_W)).

Idea: W^T W and every sum over the ring are multiples of the identity by rotation. That no other point is better is
numerical evidence: for K ≥ 4 > d + 1 no gap can close, and the table says what is certain. For ĉ ≥ 1 the equation
has no t > 0 (its left side is below one there), and W = 0 is critical.
"""

import mpmath as mp
import sympy as sp

from proofs.engine.step import Comparison, Derivation, argued, identity, limit, sign
from proofs.tools.roots import increasing_root
from proofs.tools.settings import joint
from ufm.model.laws import onehot

K, t, lambda_w, lambda_h, m = sp.symbols("K t lambda_W lambda_H m", positive=True)
NORM_SQUARED = t * sp.sqrt(lambda_h / (K * lambda_w))


def derive() -> Derivation:
    """Sums over the ring, stationarity in h and in W, the scalar equation's slope; K = 3, 4, 6 in full."""
    ratio = sp.sqrt(K * lambda_w / lambda_h)
    mean, square = sp.symbols("mean square", positive=True)
    shift = sp.Symbol("s", real=True)
    return Derivation(
        "polygon",
        [
            *[_ring(size) for size in (3, 4, 6)],
            identity(
                "logits",
                r"$w_l\cdot h_k = \sqrt{K\lambda_W/\lambda_H}\,m^2\cos(2\pi(l-k)/K) = t\cos(\cdot)$.",
                ratio * NORM_SQUARED,
                t,
            ),
            argued(
                "stationary in h",
                r"$W^\top r_k = w_k - \sum_lp_lw_{k+l} = (1 - \sum_lp_l\cos\frac{2\pi l}{K})w_k$ (the "
                r"sines cancel, as $p_l = "
                r"p_{-l}$). It is $\lambda_Hh_k$ iff $1 - \sum_lp_l\cos\frac{2\pi l}{K} = "
                r"\lambda_H\sqrt{K\lambda_W/\lambda_H} "
                r"= \hat c$.",
            ),
            identity(
                "that scale",
                r"$\lambda_H\sqrt{K\lambda_W/\lambda_H} = \sqrt{K\lambda_W\lambda_H}$.",
                lambda_h * ratio,
                sp.sqrt(K * lambda_w * lambda_h),
            ),
            argued(
                "stationary in W",
                r"$\mathbb{E}r_{kl}h_k$ at row $l$ is $\frac1K\sqrt{K\lambda_W/\lambda_H}(1 - \sum "
                r"p\cos)w_l$ by the same sum, "
                r"and this is $\lambda_Ww_l$ under the same condition.",
            ),
            identity(
                "the two agree",
                r"$\frac1K\sqrt{K\lambda_W/\lambda_H}\,\hat c = \lambda_W$.",
                ratio / K * sp.sqrt(K * lambda_w * lambda_h),
                lambda_w,
            ),
            identity(
                "one root",
                r"$\frac{d}{dt}\sum_lp_l\cos\theta_l$ is the variance of $\cos\theta$ under $p$: with "
                r"weights $p \propto "
                r"e^{t\cos}$, the derivative of $N/D$ with $N' = \sum\cos^2e^{t\cos}$, $D' = N$.",
                sp.diff(sp.Function("N")(t) / sp.Function("D")(t), t).subs(
                    {sp.diff(sp.Function("D")(t), t): sp.Function("N")(t)}
                ),
                sp.diff(sp.Function("N")(t), t) / sp.Function("D")(t)
                - (sp.Function("N")(t) / sp.Function("D")(t)) ** 2,
            ),
            sign(
                "it is positive",
                r"A variance: $\sum p(\cos\theta - s)^2$ is positive at each term.",
                square * mean + (shift - mean) ** 2,
                "positive",
            ),
            limit(
                "from one to nothing",
                r"At $t = 0$ the left side is $1 - \frac1K\sum\cos = 1$; as $t \to \infty$, $p_0 \to 1$ "
                r"and it tends to $0$: "
                r"one root iff $\hat c < 1$. (Shown: $K = 4$.)",
                1 - (sp.exp(t) - sp.exp(-t)) / (sp.exp(t) + 2 + sp.exp(-t)),
                t,
                sp.oo,
                0,
            ),
            argued(
                "optimality",
                r"Not proved. Blind starts end at the $K$-gon for $d = 2$ and $K$ up to some tens, and "
                r"the dual gap stays "
                r"open there as it must.",
            ),
        ],
        sp.Eq(m**2, NORM_SQUARED),
        compare,
    )


def _ring(size: int):
    """Σ w wᵀ = (K/2) m² I, Σ w = 0, and Σ_l p_l w_{k+l} = (Σ p cos) w_k for symmetric p."""
    angle = [2 * sp.pi * k / size for k in range(size)]
    rows = [m * sp.Matrix([sp.cos(value), sp.sin(value)]) for value in angle]
    chance = [sp.Symbol(f"p_{min(l, size - l)}", positive=True) for l in range(size)]
    square = sum((row * row.T for row in rows), sp.zeros(2, 2))
    turned = [
        sum((chance[l] * rows[(k + l) % size] for l in range(size)), sp.zeros(2, 1)) for k in range(size)
    ]
    share = sum(chance[l] * sp.cos(angle[l]) for l in range(size))
    return identity(
        f"sums over the ring, K = {size}",
        rf"$K = {size}$: $\sum_kw_k = 0$, $\sum_kw_kw_k^\top = \frac K2m^2I$, $\sum_lp_lw_{{k+l}} = "
        rf"(\sum_lp_l\cos\frac{{2\pi "
        r"l}{K})w_k$ where $p_l = p_{-l}$.",
        [
            *sum(rows, sp.zeros(2, 1)),
            *square,
            *[entry for k in range(size) for entry in turned[k] - share * rows[k]],
        ],
        [0, 0, *(sp.Rational(size, 2) * m**2 * sp.eye(2)), *[0] * (2 * size)],
    )


def settings():
    """K from 3 (a simplex ETF) to 6, sharp and near the threshold, and beyond it."""
    for size, (lambda_w, lambda_h) in (
        (3, (1e-2, 1e-2)),
        (4, (1e-2, 1e-2)),
        (5, (1e-2, 1e-2)),
        (6, (2e-3, 4e-3)),
    ):
        yield joint(size, onehot(), lambda_w, lambda_h, free_dim=2)
    for share in (0.9, 1.1):
        yield joint(4, onehot(), share / 2, share / 2, free_dim=2)


def compare(rng) -> list[Comparison]:
    """t by bisection at 40 digits, and m², beside the shipped ones."""
    from ufm.theory.polygon import regular_polygon

    form, rows = sp.lambdify((t, K, lambda_w, lambda_h), NORM_SQUARED, "mpmath"), []
    with mp.workdps(50):
        for _ in range(6):
            size, decay = int(rng.integers(3, 12)), float(10 ** rng.uniform(-3, -1))
            other = float(rng.uniform(0.02, 0.8)) ** 2 / size / decay
            found = regular_polygon(size, decay, other)
            cosines = [mp.cos(2 * mp.pi * l / size) for l in range(size)]
            hat = mp.sqrt(size * mp.mpf(decay) * mp.mpf(other))

            def left(value, cosines=cosines, hat=hat):
                weights = [mp.exp(value * u) for u in cosines]
                return hat - 1 + mp.fsum(w * u for w, u in zip(weights, cosines)) / mp.fsum(weights)

            root = increasing_root(left, 0, 10**4)
            rows.append(Comparison(f"t, K={size}", root, found.logit))
            value = form(root, size, mp.mpf(decay), mp.mpf(other))
            rows.append(Comparison(f"m^2, K={size}", value, found.multiplier**2))
    return rows
