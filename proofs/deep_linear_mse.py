r"""N factors (features counted), squared error, one-hot labels of equal weights, d ≥ K: every direction alone.

    min L = K min{1/(2K), min_s (1−s)²/(2K) + (N/2) Λ^{1/N} (s/√K)^{2/N}},   Λ = λ_W^{N−1} λ_H.

Idea: only the singular values of Z enter the penalties, and by von Neumann's inequality those directions fit best
that are the labels' own; then the objective is a sum over directions.
"""

import mpmath as mp
import sympy as sp

from proofs.deep_linear_ce import PRICE, N, root, s
from proofs.engine.step import Comparison, Derivation, argued, identity, sign
from proofs.tools.matrices import real
from proofs.tools.settings import shaped
from ufm.model.laws import onehot

K = sp.Symbol("K", positive=True)
MODE = (1 - s) ** 2 / (2 * K) + PRICE.subs(s, s / sp.sqrt(K))


def derive() -> Derivation:
    """The fit by singular values, the separated problem, its condition and the dead direction."""
    return Derivation(
        "deep-linear-mse",
        [
            *[_fit(size) for size in (2, 3)],
            argued(
                "directions",
                r"$\mathrm{tr}\,Z \le \sum_i\sigma_i(Z)$ (von Neumann), and the penalties are at least "
                r"$\frac N2\Lambda^{1/N}\sum_i(\sigma_i/\sqrt K)^{2/N}$ (theorem deep-linear-ce): so $L \ge \sum_i"
                r"[\frac{(1-\sigma_i)^2}{2K} + \frac N2\Lambda^{1/N}(\sigma_i/\sqrt K)^{2/N}]$, with "
                r"equality for $Z = "
                r"\mathrm{diag}(\sigma)$. Each term is least on its own.",
            ),
            identity(
                "by singular values",
                r"$\frac1{2K}(\sigma^2 - 2\sigma + 1) = \frac{(1-\sigma)^2}{2K}$.",
                (s**2 - 2 * s + 1) / (2 * K),
                (1 - s) ** 2 / (2 * K),
            ),
            identity(
                "condition",
                r"$\frac{1-s}K = \Lambda^{1/N}K^{-1/N}s^{2/N-1}$.",
                sp.diff(MODE, s),
                -(1 - s) / K + root * K ** (-1 / N) * s ** (2 / N - 1),
            ),
            identity(
                "two factors",
                r"$N = 2$: $s = 1 - \sqrt K\Lambda^{1/2}$, the theorem squared-imbalanced for equal weights.",
                sp.diff(MODE.subs(N, 2), s).subs(s, 1 - sp.sqrt(K) * root),
                0,
            ),
            sign(
                "too much is never best",
                r"Beyond $s = 1$ both terms grow.",
                sp.diff(MODE, s).subs(s, 1 + sp.Symbol("m", positive=True)),
                "positive",
            ),
            identity(
                "dead", r"$s = 0$ leaves $\frac1{2K}$.", ((1 - s) ** 2 / (2 * K)).subs(s, 0), 1 / (2 * K)
            ),
        ],
        sp.Eq(sp.Symbol("L"), K * sp.Min(1 / (2 * K), MODE), evaluate=False),
        compare,
    )


def _fit(size: int):
    """(1/K) Σ ½‖z_k − e_k‖² = (‖Z‖² − 2 tr Z + K)/(2K)."""
    Z = real("z", size, size)
    away = Z - sp.eye(size)
    return identity(
        f"fit, K = {size}",
        rf"$K = {size}$: $\frac1K\sum_k\frac12\|z_k - e_k\|^2 = \frac1{{2K}}(\|Z\|^2 - 2\,\mathrm{{tr}}\,Z + K)$.",
        sum(entry**2 for entry in away) / (2 * size),
        (sum(entry**2 for entry in Z) - 2 * Z.trace() + size) / (2 * size),
    )


def settings():
    """Two, three and four factors; alive and dead; unequal penalties."""
    for size, factors, decay, other in (
        (2, 2, 0.05, 0.05),
        (3, 3, 0.02, 0.05),
        (4, 3, 0.02, 0.02),
        (4, 3, 0.05, 0.05),
        (4, 3, 0.2, 0.2),
        (4, 4, 0.01, 0.01),
    ):
        yield shaped(
            "deep-linear", (factors,), size, onehot(), decay, other, loss="squared-error", free_dim=size
        )


def compare(rng) -> list[Comparison]:
    """The objective at the shipped s, at 40 digits, beside the shipped one."""
    from ufm.theory.variants.deep import deep_squared_error

    form, rows = sp.lambdify((K, N, s, root), K * MODE, "mpmath"), []
    with mp.workdps(50):
        for _ in range(12):
            size, factors = int(rng.integers(2, 7)), int(rng.integers(2, 6))
            decay, other = (float(10 ** rng.uniform(-3, -1.5)) for _ in range(2))
            found = deep_squared_error(size, factors, decay, other)
            share = mp.root(mp.mpf(decay) ** (factors - 1) * mp.mpf(other), factors)
            value = form(mp.mpf(size), mp.mpf(factors), mp.mpf(float(found.scale)), share)
            value = value if found.branch == "modes" else mp.mpf(1) / 2
            rows.append(Comparison(f"K={size}, N={factors}", value, found.objective))
    return rows
