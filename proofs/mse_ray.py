r"""Gradient flow of the mean squared error over W and the features of the classes, no penalty, from a simplex,
W₀W₀ᵀ = H₀H₀ᵀ = W₀H₀ᵀ = x₀Π.

    W Hᵀ = x Π for all t,   dx/dt = 2x(1 − x)/K,   x = 1/(1 + (1/x₀ − 1) e^{−2t/K}).

Idea: that of ce-ray; the part of the residuals along 1 does not move a simplex.
"""

import mpmath as mp
import sympy as sp

from proofs.ce_ray import K, ray_steps, x
from proofs.engine.step import Comparison, Derivation, argued, identity, limit
from proofs.tools.matrices import centring
from proofs.tools.settings import shaped
from ufm.model.laws import onehot

t, start = sp.symbols("t x_0", positive=True)
SPEED = 2 * x * (1 - x) / K
GAP = 1 / (1 + (1 / start - 1) * sp.exp(-2 * t / K))


def derive() -> Derivation:
    """The residual along the ray, what its mean does, both gradients, the speed and its solution."""
    return Derivation(
        "mse-ray",
        [
            *[_residual(size) for size in (2, 3)],
            *ray_steps((1 - x) / K, SPEED),
            identity("solution", r"$\dot x = 2x(1-x)/K$.", sp.diff(GAP, t), SPEED.subs(x, GAP)),
            identity("start", r"$x(0) = x_0$.", GAP.subs(t, 0), start),
            limit("end", r"$t \to \infty$: $x \to 1$, the labels less their mean.", GAP, t, sp.oo, 1),
            argued(
                "invariant",
                r"The flow is smooth, so its solution through a point is unique: the one on the ray is it. "
                r"The start is on it, $W_0 = H_0$ (theorem ce-ray).",
            ),
        ],
        sp.Eq(sp.Symbol("x"), GAP),
        compare,
    )


def _residual(size: int):
    """e_k − x u_k = (1 − x) u_k + 1/K, and 1 is orthogonal to the columns of W, H sums to zero."""
    flat, one = centring(size), sp.ones(size, 1)
    r = sp.eye(size) - x * flat
    return identity(
        f"residuals, K = {size}",
        rf"$K = {size}$: $r_k = (1-x)(e_k - \frac1K) + \frac1K\mathbf 1$, and $W^\top\mathbf 1 = 0 = "
        rf"\sum_kh_k$ ($\Pi\mathbf "
        r"1 = 0$).",
        [*(r - (1 - x) * flat), *(flat * one)],
        [*(sp.ones(size, size) / size), *sp.zeros(size, 1)],
    )


def settings():
    """From below and from above, a short and a long time."""
    for size, begin, time in ((2, 0.1, 1.0), (4, 0.01, 20.0), (4, 3.0, 2.0), (10, 0.5, 5.0)):
        yield shaped("gradient-flow", (begin, time), size, onehot(), loss="squared-error", free_dim=size - 1)


def compare(rng) -> list[Comparison]:
    """The logistic law at 40 digits beside the shipped gap."""
    from ufm.theory.variants.ray import ray_gap

    form, rows = sp.lambdify((K, start, t), GAP, "mpmath"), []
    with mp.workdps(50):
        for _ in range(10):
            size, begin, time = (
                int(rng.integers(2, 30)),
                float(rng.uniform(0.01, 2)),
                float(rng.uniform(0.1, 30)),
            )
            value = form(mp.mpf(size), mp.mpf(begin), mp.mpf(time))
            rows.append(Comparison(f"K={size}", value, ray_gap(size, begin, time, "squared-error")))
    return rows
