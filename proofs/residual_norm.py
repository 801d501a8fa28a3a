r"""The mean squared residual of an exchangeable law: E‖y − p‖² = (K−1) min(λ_W λ_H, σ²), σ² = (E‖y‖² − 1/K)/(K−1).

It depends on the penalties alone: not on α, the smoothing, or what is mixed with what. Idea: at a non-zero
optimum M = E(y−p)(y−p)ᵀ is c² Π (theorem joint-etf), of which this is the trace; at W = 0, p = 1/K.
"""

from itertools import product

import mpmath as mp
import numpy as np
import sympy as sp

from proofs.engine.step import Comparison, Derivation, formal, identity
from proofs.onehot_ce import PROBABILITY, K, c
from proofs.tools.matrices import centring, real
from proofs.tools.settings import joint
from ufm.model.laws import kway, mixup, onehot, smooth

SIZE = (K - 1) * c**2


def derive() -> Derivation:
    """The trace, the other branch, the one-hot case, and matrices for K = 2, 3, 4."""
    y = sp.Symbol("y_k", real=True)
    return Derivation(
        "residual-norm",
        [
            formal(
                "the moment",
                r"$\pi$ exchangeable, $d \ge K-1$, $\lambda_W\lambda_H < \sigma^2$: $M = "
                r"\mathbb{E}rr^\top = c^2\Pi$ at every global optimum without a bias. (With one, features, "
                "logits up to a common shift, and so $r$ are the same: theorem joint-etf. Coq: labels finite in "
                "number; any other law as in the theorem duality.)",
                "Joint.joint_predictions",
            ),
            identity(
                "its trace",
                r"$\mathbb{E}\|r\|^2 = \mathrm{tr}\,M = Kc^2(1 - 1/K)$.",
                K * c**2 * (1 - 1 / K),
                SIZE,
            ),
            identity(
                "the trivial branch",
                r"$W = 0$: $p = \mathbf{1}/K$ and each entry is $(y_k - 1/K)^2$, in all "
                r"$\mathbb{E}\|y\|^2 - 1/K = "
                r"(K-1)\sigma^2 \le (K-1)c^2$; the two branches meet at the threshold.",
                [sp.expand((y - 1 / K) ** 2) - y**2, -2 / K + K / K**2],
                [-2 * y / K + 1 / K**2, -1 / K],
            ),
            identity(
                "one-hot labels",
                r"$K(K-1)p_o^2$ with $p_o = c/\sqrt K$ (theorem onehot-ce) is the same.",
                K * (K - 1) * PROBABILITY**2,
                SIZE,
            ),
            *[_trace(size) for size in (2, 3, 4)],
        ],
        sp.Eq(sp.Symbol(r"\mathbb{E}\|y - p\|^2"), SIZE),
        compare,
    )


def _trace(size: int):
    """tr E rrᵀ = E‖r‖² for any residual, and the trace of c² Π."""
    r = real("r", size)
    return identity(
        f"trace, K = {size}",
        rf"$K = {size}$: $\mathrm{{tr}}\,rr^\top = \|r\|^2$ and $\mathrm{{tr}}\,c^2\Pi = (K-1)c^2$.",
        [(r * r.T).trace(), (c**2 * centring(size)).trace()],
        [(r.T * r)[0], SIZE.subs(K, size)],
    )


def settings():
    """Laws that share nothing but their symmetry, at the same penalties; and both sides of a threshold."""
    for law in (onehot(), mixup(1.0), mixup(0.3, "different"), smooth(0.3), kway(1.0, 3)):
        yield joint(3, law, 1e-2, 1e-2, nodes=8)
    for size, share in product((2, 4), (0.9, 1.1)):
        decay = share * (2 / (3 * size)) ** 0.5
        yield joint(size, mixup(1.0), decay, decay, nodes=8)


def compare(rng) -> list[Comparison]:
    """The law of the derivation beside the residuals of the shipped closed form, E‖y − p_a‖² at its a."""
    from ufm.model.laws import mixup, pattern_rule
    from ufm.theory.features import solve_patterns
    from ufm.theory.multiplier import joint_multiplier

    size = sp.lambdify((c, K), SIZE, "mpmath")
    rows = []
    for _ in range(10):
        alpha, classes = float(rng.uniform(0.3, 3)), int(rng.integers(2, 30))
        decay, other = (float(10 ** rng.uniform(-3, -0.8)) for _ in range(2))
        law = mixup(alpha)
        a = joint_multiplier(law, classes, decay, other).sharpness
        if a == 0:
            continue
        at = pattern_rule(law, classes)
        best = solve_patterns(at.values, at.counts, a)
        z = best.x - np.sum(at.counts * best.x, 1, keepdims=True) / classes
        shipped = float(at.weights @ np.sum(at.counts * (z / a) ** 2, 1))
        derived = size(mp.sqrt(mp.mpf(decay) * mp.mpf(other)), mp.mpf(classes))
        rows.append(Comparison(f"K={classes}, alpha={alpha:.3g}, c^2={decay * other:.3g}", derived, shipped))
    return rows
