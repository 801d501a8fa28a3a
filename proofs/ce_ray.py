r"""Gradient flow of the mean cross-entropy over W and the features of the classes, no penalty, from a simplex,
W₀W₀ᵀ = H₀H₀ᵀ = W₀H₀ᵀ = x₀Π.

    W Hᵀ = x Π for all t,   dx/dt = 2x/(e^x + K − 1),   Ei(x) + (K−1) log x = 2t + const,   x ~ log t.

Idea: on the ray the residuals are a multiple of the logits, so W and H grow at one rate and nothing else moves; a
smooth flow has one solution.
"""

import mpmath as mp
import sympy as sp

from proofs.engine.step import Comparison, Derivation, argued, identity, limit, sign
from proofs.tools.matrices import centring
from proofs.tools.settings import shaped
from ufm.model.laws import onehot

K, x = sp.symbols("K x", positive=True)
SPEED = 2 * x / (sp.exp(x) + K - 1)
TIME = (sp.Ei(x) + (K - 1) * sp.log(x)) / 2


def derive() -> Derivation:
    """The residual along the ray, both gradients, the speed, the time, and how x grows."""
    more = sp.Symbol("s", positive=True)
    return Derivation(
        "ce-ray",
        [
            *[_residual(size) for size in (2, 3)],
            *ray_steps(1 / (sp.exp(x) + K - 1), SPEED),
            identity(
                "time",
                r"$\frac{d}{dx}\frac12[\mathrm{Ei}(x) + (K-1)\log x] = \frac{e^x + K - 1}{2x} = 1/\dot x$.",
                sp.diff(TIME, x),
                1 / SPEED,
            ),
            sign("it never stops", r"$\dot x > 0$.", SPEED.subs(K, 1 + more), "positive"),
            limit(
                "slower and slower",
                r"$e^x\dot x/(2x) \to 1$: $2t \sim e^x/x$ and $x \sim \log t$.",
                SPEED * sp.exp(x) / (2 * x),
                x,
                sp.oo,
                1,
            ),
            argued(
                "invariant",
                r"The flow is smooth, so its solution through a point is unique: the one on the ray is it. "
                r"The start is on it: $\|W_0 - H_0\|^2 = \mathrm{tr}(W_0W_0^\top + H_0H_0^\top - "
                r"2W_0H_0^\top) = 0$.",
            ),
        ],
        sp.Eq(sp.Symbol("t"), TIME),
        compare,
    )


def _residual(size: int):
    """z = x Π: p_o = 1/(e^x + K − 1) and r_k = K p_o u_k."""
    wrong = 1 / (sp.exp(x) + size - 1)
    p = sp.Matrix(size, size, lambda i, k: sp.exp(x) * wrong if i == k else wrong)
    return identity(
        f"residuals, K = {size}",
        rf"$K = {size}$: $z_k = x(e_k - \frac1K)$ gives $r_k = Kp_o(e_k - \frac1K)$.",
        sp.eye(size) - p,
        size * wrong * centring(size),
    )


def ray_steps(rate, speed):
    """Ẇ = rate·W and ḣ = rate·h for residuals K·rate·u_k, and dx/dt = 2·rate·x: shared with squared error."""
    return [
        *[_gradients(size) for size in (2, 3)],
        identity(
            "speed",
            r"$WH^\top = x\Pi$ is a product of two factors that grow at this rate: $\dot x = 2\,\mathrm{rate}\,x$.",
            2 * rate * x,
            speed,
        ),
    ]


def _gradients(size: int):
    """(1/K) Σ r_k h_kᵀ = f W and (1/K) Wᵀ r_k = f h_k for r_k = K f u_k, W = H = any factor of Π: through Grams."""
    f, flat = sp.Symbol("f", positive=True), centring(size)
    gram = x * flat  # W Wᵀ = H Hᵀ = W Hᵀ
    r = size * f * flat  # columns r_k
    return identity(
        f"gradients, K = {size}",
        rf"$K = {size}$, $W = H$, $WW^\top = x\Pi$: $\frac1K\sum_kr_kh_k^\top = fW$ and $\frac1KW^\top r_k "
        rf"= fh_k$ for "
        r"$r_k = Kf(e_k - \frac1K)$ (both sides times $W^\top$).",
        [*(r * gram / size), *(gram * r / size)],
        [*(f * gram), *(f * gram)],
    )


def settings():
    """Two classes, ten, a short and a long time."""
    for size, start, time in ((2, 0.5, 3.0), (4, 0.1, 200.0), (10, 0.1, 38.5), (3, 4.0, 10.0)):
        yield shaped("gradient-flow", (start, time), size, onehot(), free_dim=size - 1)


def compare(rng) -> list[Comparison]:
    """The time at 40 digits beside the shipped one, and the gap after that time."""
    from ufm.theory.variants.ray import ray_gap, ray_time

    form, rows = sp.lambdify((K, x), TIME, "mpmath"), []
    with mp.workdps(50):
        for _ in range(6):
            size, start = int(rng.integers(2, 30)), float(rng.uniform(0.05, 2))
            end = start + float(rng.uniform(0.5, 6))
            exact = form(mp.mpf(size), mp.mpf(end)) - form(mp.mpf(size), mp.mpf(start))
            rows.append(Comparison(f"t, K={size}", exact, ray_time(size, start, end)))
            back = ray_gap(size, start, float(exact), "cross-entropy")
            rows.append(Comparison(f"x, K={size}", mp.mpf(end), back))
    return rows
