r"""Laws that the shift k → k + 1 of all classes leaves as they are; cross-entropy, d ≥ K−1, any bias.

    W Wᵀ = Σ_f g_f P_f,    tr(P_f M) = c² rank P_f where g_f > 0, ≤ where g_f = 0,    M = E(y−p)(y−p)ᵀ,

P_f, f = 1, …, ⌊K/2⌋, the projection on cos(2πfk/K) and sin(2πfk/K). Idea: as for superclasses. The optimal p is
unique, hence equivariant, hence W Wᵀ and M are symmetric and circulant, that is combinations of the P_f; then
M W = c² W and λ_max(M) ≤ c² are a scalar condition each frequency. Cyclic pairs are one such law, rings another.
"""

import mpmath as mp
import numpy as np
import sympy as sp

from proofs.engine.step import Comparison, Derivation, argued, identity
from proofs.tools.designs import labelled
from proofs.tools.matrices import basis_vector, centring
from proofs.tools.settings import joint
from ufm.model.laws import mixup, soft
from ufm.refute.made import ring

c, lam = sp.symbols("c lambda", real=True)


def projection(size: int, f: int) -> sp.Matrix:
    """P_f: (2/K) cos(2πf(k − l)/K), half of that at f = K/2."""
    share = sp.Rational(1 if 2 * f == size else 2, size)
    return sp.Matrix(size, size, lambda k, l: share * sp.cos(2 * sp.pi * f * (k - l) / size))


def derive() -> Derivation:
    """The commutant, the conditions, what is zero, and two laws whose optimum or threshold is known."""
    return Derivation(
        "circulant-laws",
        [
            argued(
                "symmetry",
                r"The problem is convex in $z$, strictly modulo $\mathbf{1}$: the shift leaves the optimal $p$ "
                r"equivariant, so $M$ and the optimal $WW^\top$ commute with it. It moves any class to any other: "
                r"$\mathbb{E}r$ is a multiple of $\mathbf{1}$, so it is zero, and so is any bias up to a multiple "
                r"of $\mathbf{1}$.",
            ),
            *[_commutant(size) for size in (3, 4, 6)],
            argued(
                "certificate",
                r"Theorem duality: with $h = W^\top r/\lambda_H$ a point is optimal iff $MW = c^2W$ and "
                r"$\lambda_{\max}(M) \le c^2$ ($d \ge K-1$). $M = \sum\mu_fP_f$ with $\mu_f\,\mathrm{rank}\,P_f = "
                r"\mathrm{tr}(P_fM)$, so these are $\mu_f = c^2$ where $g_f > 0$ and $\mu_f \le c^2$ where $g_f = "
                r"0$.",
            ),
            *[_pairs(size) for size in (4, 6)],
            *[_one_gain(size) for size in (4, 6)],
            *[_ring(size) for size in (4, 6)],
        ],
        sp.Eq(sp.Symbol(r"\mathrm{tr}(P_fM)"), c**2 * sp.Symbol(r"\mathrm{rank}P_f")),
        compare,
    )


def _frequencies(size: int) -> list[sp.Matrix]:
    return [projection(size, f) for f in range(1, size // 2 + 1)]


def _commutant(size: int):
    """A symmetric circulant is Σ g_f P_f + a multiple of 11ᵀ; the P_f are orthogonal projections."""
    P, half = _frequencies(size), size // 2
    entries = sp.symbols(f"a_0:{half + 1}", real=True)
    circulant = sp.Matrix(size, size, lambda k, l: entries[min((k - l) % size, (l - k) % size)])
    first = circulant.row(0)
    gains = [
        sum(first[j] * sp.cos(2 * sp.pi * f * j / size) for j in range(size)) for f in range(1, half + 1)
    ]
    whole = sum((g * part for g, part in zip(gains, P)), sp.ones(size, size) * sum(first) / size)
    across = [entry for n, one in enumerate(P) for other in P[n + 1 :] for entry in one * other]
    return identity(
        f"commutant, K = {size}",
        rf"$K = {size}$: a symmetric circulant with first row $a$ is $\sum_fg_fP_f$ and a multiple of "
        r"$\mathbf{1}\mathbf{1}^\top$, $g_f = \sum_ja_j\cos(2\pi fj/K)$; the $P_f$ are projections, "
        r"$P_fP_{f'} = 0$, of rank $2$, or $1$ at $f = K/2$.",
        [
            *(circulant - whole),
            *(entry for part in P for entry in part * part - part),
            *(across or [sp.Integer(0)]),
            *(part.trace() for part in P),
        ],
        [0] * (size**2 * (1 + half) + (len(across) or 1))
        + [1 if 2 * f == size else 2 for f in range(1, half + 1)],
    )


def _pairs(size: int):
    """tr(P_f E yyᵀ)/rank P_f of cyclic pairs, given λ."""
    moment = sp.zeros(size, size)
    for i in range(size):
        y = lam * basis_vector(size, i) + (1 - lam) * basis_vector(size, i + 1)
        moment += y * y.T / size
    P = _frequencies(size)
    mass = lam**2 + (1 - lam) ** 2
    return identity(
        f"zero, cyclic pairs, K = {size}",
        rf"$K = {size}$: at $p = 1/K$ the conditions are $\mathrm{{tr}}(P_f\mathbb{{E}}yy^\top) \le "
        r"c^2\,\mathrm{rank}\,P_f$; for pairs $(i, i+1)$ the left side is the rank times $\frac1K(\rho + "
        r"(1-\rho)\cos(2\pi f/K))$, $\rho = \mathbb{E}[\lambda^2 + (1-\lambda)^2]$ (theorem necessity).",
        [(part * moment).trace() for part in P],
        [
            part.trace() * (mass + (1 - mass) * sp.cos(2 * sp.pi * f / size)) / size
            for f, part in enumerate(P, 1)
        ],
    )


def _one_gain(size: int):
    """All gains alike are an ETF."""
    P = _frequencies(size)
    return identity(
        f"one gain for exchangeable laws, K = {size}",
        rf"$K = {size}$: $\sum_fP_f = \Pi$, of rank $K - 1$: one gain for all is an ETF, and the conditions "
        r"together $\mathbb{E}\|r\|^2 = (K-1)c^2$.",
        [*sum(P, sp.zeros(size, size)), sum(part.trace() for part in P)],
        [*centring(size), size - 1],
    )


def _ring(size: int):
    """One label a class, r_k = ĉ u_k: every condition holds as an equation."""
    flat = centring(size)
    M = sum(
        (c**2 * flat.col(k) * flat.col(k).T for k in range(size)), sp.zeros(size, size)
    )  # ĉ² = K c², of weight 1/K each
    return identity(
        f"rings, K = {size}",
        rf"$K = {size}$: where all gains are positive, one label a class and $Y = Y^\top$, $r_k = \hat "
        rf"cu_k$ (theorem "
        r"group-smoothing) has $\mathrm{tr}(P_fM) = c^2\,\mathrm{rank}\,P_f$: $g_f$ is the Fourier sum of "
        r"$\sqrt{\lambda_H/(K\lambda_W)}\log(y_{0j} - \hat c\,\Pi_{0j})$.",
        [(part * M).trace() for part in _frequencies(size)],
        [c**2 * part.trace() for part in _frequencies(size)],
    )


def settings():
    """Cyclic pairs with all, some and no frequencies in use, and biases; rings; labels without a mirror image."""
    for size, decay in ((5, 1e-2), (6, 0.2), (5, 0.45)):
        yield joint(size, mixup(1.0, "cyclic"), decay, decay, nodes=2)
    for bias in (0.0, 0.3):
        yield joint(4, mixup(1.0, "cyclic"), 0.05, 0.05, nodes=2, lambda_b=bias)
    yield labelled(ring(5, 0.6, 0.12, 0.08), 2e-2, 5e-3)
    yield labelled(
        ring(6, 0.7, 0.15, 0.0, 0.0), 1e-2, 1e-3
    )  # a frequency in use at first, and not in the end
    row = np.array([0.6, 0.25, 0.1, 0.05, 0.0])
    yield joint(5, soft(np.stack([np.roll(row, k) for k in range(5)])), 5e-2, 2e-2, free_dim=4)


def compare(rng) -> list[Comparison]:
    """Gains of rings at 40 digits, by the Fourier sum of logarithms, beside the shipped ones."""
    from ufm.theory.geometry.groups import block_optimum, cyclic_projections

    rows = []
    with mp.workdps(40):
        for size in (3, 4, 5, 6, 7):
            row = np.sort(rng.uniform(0.02, 0.05, size // 2))[::-1]  # falls with the distance: G is positive
            labels = ring(size, 0.5, *row)
            labels += np.diag(1 - labels.sum(1))
            decay, other = (float(10 ** rng.uniform(-4, -3)) for _ in range(2))
            found = block_optimum(labels, np.full(size, 1 / size), cyclic_projections(size), decay, other)
            hat = mp.sqrt(size * mp.mpf(decay) * mp.mpf(other))
            root = mp.sqrt(mp.mpf(other) / (size * mp.mpf(decay)))
            logs = [
                mp.log(mp.mpf(y) - hat * ((j == 0) - mp.mpf(1) / size))
                for j, y in enumerate(labels[0].tolist())
            ]
            for f, shipped in enumerate(found.gains.tolist(), 1):
                gain = root * mp.fsum(one * mp.cos(2 * mp.pi * f * j / size) for j, one in enumerate(logs))
                rows.append(Comparison(f"g_{f}, K={size}", gain, shipped))
    return rows
