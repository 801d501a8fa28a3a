r"""Real targets under squared error: every direction of the targets is kept less c, or lost. c² = λ_W λ_H.

    W Wᵀ = √(λ_H/λ_W) (Σ^{1/2} − cI)₊,    W h_y = (I − c Σ^{−1/2})₊ (y − ȳ),

Σ = cov(y) and b = ȳ with a free bias, Σ = E yyᵀ and ȳ = 0 without one; d at least the rank. Idea: along an
eigenvector of Σ with eigenvalue σ² the residual is c/σ times the target where σ > c, so that M is c² there, and the
target itself else, where M is σ² ≤ c². Labels are targets too: theorems squared-error-joint and squared-imbalanced
are this one.
"""

import mpmath as mp
import numpy as np
import sympy as sp

from proofs.engine.step import Comparison, Derivation, argued, identity, sign
from proofs.tools.settings import joint
from ufm.model.atoms import FiniteLaw

sigma, c, lambda_w, lambda_h, K, q = sp.symbols("sigma c lambda_W lambda_H K q", positive=True)
KEPT = 1 - c / sigma  # of a direction that is kept
GAIN = sp.sqrt(lambda_h / lambda_w) * (sigma - sp.sqrt(lambda_w * lambda_h))


def derive() -> Derivation:
    """A direction that is kept, one that is lost, the bias, two theorems on labels."""
    share, y = sp.Symbol("s", positive=True), sp.Symbol("y", real=True)
    return Derivation(
        "regression",
        [
            argued(
                "certificate",
                r"The dual of squared error is $\max\{\mathbb{E}[r\cdot y - \frac12\|r\|^2]: "
                r"\mathbb{E}rr^\top \preceq "
                r"c^2I\}$, with $\mathbb{E}r = 0$ for a free bias (weak duality as in the theorem "
                r"duality, for any real "
                r"$y$): a point with $h = W^\top r/\lambda_H$, $MW = c^2W$, $\lambda_{\max}(M) \le c^2$ "
                r"is optimal, "
                r"and $z$ is unique.",
            ),
            identity(
                "a direction that is kept",
                r"Along an eigenvector of $\Sigma$, $\sigma > c$: $z = (1 - c/\sigma)y$ leaves $r = "
                r"(c/\sigma)y$, and "
                r"$\mathbb{E}r^2 = (c/\sigma)^2\sigma^2 = c^2$.",
                [y - KEPT * y - c / sigma * y, (c / sigma) ** 2 * sigma**2],
                [0, c**2],
            ),
            identity(
                "its gain",
                r"$z = gr/\lambda_H$: $g = \lambda_H(\sigma/c - 1) = \sqrt{\lambda_H/\lambda_W}(\sigma - c)$.",
                [
                    lambda_h * (sigma / c - 1) * c / (sigma * lambda_h) - KEPT,
                    (lambda_h * (sigma / c - 1)).subs(c, sp.sqrt(lambda_w * lambda_h)) - GAIN,
                ],
                [0, 0],
            ),
            sign(
                "alive above c",
                r"$\sigma = (1 + s)c$: $g > 0$.",
                GAIN.subs(sigma, (1 + share) * sp.sqrt(lambda_w * lambda_h)),
                "positive",
            ),
            identity(
                "a direction that is lost",
                r"$\sigma \le c$: $z = 0$, $r = y$, $\mathbb{E}r^2 = \sigma^2 \le c^2$; both cases meet "
                r"at $\sigma = c$.",
                [KEPT.subs(sigma, c), GAIN.subs(sigma, sp.sqrt(lambda_w * lambda_h))],
                [0, 0],
            ),
            _turned(),
            identity(
                "exchangeable labels with a free bias",
                r"$\mathrm{cov}(y) = \sigma^2\Pi$: $W h = (1 - c/\sigma)_+(y - \mathbf{1}/K)$, "
                r"$WW^\top = \lambda_H(\sigma/c - 1)_+\Pi$, theorem squared-error-joint.",
                (lambda_h * (sigma / c - 1)).subs(c, sp.sqrt(lambda_w * lambda_h)),
                GAIN,
            ),
            identity(
                "one-hot labels without a bias",
                r"$\mathbb{E}yy^\top = \mathrm{diag}(q_k)$: $g_k = \sqrt{q_k\lambda_H/\lambda_W} - "
                r"\lambda_H$, theorem "
                r"squared-imbalanced.",
                GAIN.subs(sigma, sp.sqrt(q)),
                sp.sqrt(q * lambda_h / lambda_w) - lambda_h,
            ),
        ],
        sp.Eq(sp.Symbol("g"), GAIN),
        compare,
    )


def _turned():
    """In any position: A Σ A = c² I for A = c Σ^{−1/2}, two directions turned by an angle."""
    angle = sp.Symbol("theta", real=True)
    sizes = sp.symbols("sigma_1 sigma_2", positive=True)
    turn = sp.Matrix([[sp.cos(angle), -sp.sin(angle)], [sp.sin(angle), sp.cos(angle)]])
    covariance, left = (
        turn * sp.diag(*(f(s) for s in sizes)) * turn.T for f in (lambda s: s**2, lambda s: c / s)
    )
    return identity(
        "directions do not mix",
        r"Two directions in any position: $r = c\Sigma^{-1/2}(y - \bar y)$ has $\mathbb{E}rr^\top = c^2I$.",
        [*(left * covariance * left).applyfunc(sp.trigsimp)],
        [*(c**2 * sp.eye(2))],
    )


def targets(seed: int, count: int = 8, size: int = 3) -> FiniteLaw:
    """Targets of unequal weight and spread, and of a mean that is not zero."""
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.full(count, 3.0))
    return FiniteLaw(rng.normal(size=(count, size)) * [2.0, 0.7, 0.2] + [3.0, -1.0, 0.1], weights, real=True)


def settings():
    """No direction lost, one, two, all; with and without a bias; d at the rank that is left."""
    for decay, bias in ((1e-2, 0.0), (0.3, 0.0), (1.0, 0.0), (5.0, 0.0), (1e-2, None), (0.5, None)):
        yield joint(3, _any(), decay, decay, loss="squared-error", lambda_b=bias, targets=targets(0))
    yield joint(3, _any(), 0.9, 1.1, loss="squared-error", lambda_b=0.0, targets=targets(0), free_dim=2)


def _any():
    from ufm.model.laws import onehot

    return onehot()


def compare(rng) -> list[Comparison]:
    """Gains of diagonal covariances, and of one turned, at 40 digits beside the shipped W Wᵀ."""
    from ufm.theory.geometry.quadratic import regression_fit

    gain = sp.lambdify((sigma, lambda_w, lambda_h), GAIN, "mpmath")
    rows = []
    with mp.workdps(40):
        for _ in range(6):
            spread = 10.0 ** rng.uniform(-1, 2, 3)
            decay = [float(value) for value in 10.0 ** rng.uniform(-3, 0, 2)]
            corners = np.concatenate([np.diag(spread), -np.diag(spread)])  # variance spread²/3 each
            turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
            for frame in (np.eye(3), turn):
                G, _ = regression_fit(corners @ frame.T, np.full(6, 1 / 6), *decay, centred=True)
                found = np.sort(np.diag(frame.T @ G @ frame))
                exact = []
                for size in sorted(spread.tolist()):
                    own = mp.mpf(size) / mp.sqrt(3)
                    exact.append(max(mp.mpf(0), gain(own, *map(mp.mpf, decay))))
                rows += [Comparison(f"g={float(g):.3g}", g, own) for g, own in zip(exact, found) if g > 0]
    return rows
