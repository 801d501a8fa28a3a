r"""Laws whose classes come in B groups of m that may be permuted, as may the classes of each; d ≥ K−1, any bias.

    W Wᵀ = g_w P_w + g_b P_b,    tr(P M) = c² rank P where its g > 0, ≤ where g = 0,    M = E(y−p)(y−p)ᵀ,

P_w, P_b the projections on differences within groups and between their means. Idea: the optimal p is unique, hence
equivariant, hence W Wᵀ and M commute with the group, whose commutant on 1⊥ is spanned by the two projections; then
M W = c² W and λ_max(M) ≤ c² are two scalar conditions. Mixup with a preference for the own group is one such law.
"""

import mpmath as mp
import numpy as np
import sympy as sp

from proofs.engine.step import Comparison, Derivation, argued, identity
from proofs.tools.designs import labelled
from proofs.tools.settings import joint
from ufm.model.laws import mixup, soft
from ufm.theory.geometry.groups import grouped_mixup
from ufm.theory.geometry.hierarchy import hierarchical_labels

c, gw, gb, epsilon, delta = sp.symbols("c g_w g_b epsilon delta", positive=True)
B, m = sp.symbols("B m", positive=True)
RANKS = (B * (m - 1), B - 1)


def matrices(groups: int, size: int) -> tuple[sp.Matrix, sp.Matrix]:
    """P_w and P_b."""
    near = sp.Matrix(sp.kronecker_product(sp.eye(groups), sp.ones(size, size))) / size
    K = groups * size
    return sp.eye(K) - near, near - sp.ones(K, K) / K


def derive() -> Derivation:
    """The commutant, the conditions, collapse within groups, and two laws whose optimum is known."""
    share = 1 - epsilon - delta
    hat = sp.sqrt(B * m) * c
    return Derivation(
        "superclass-laws",
        [
            argued(
                "symmetry",
                r"The problem is convex in $z$, strictly modulo $\mathbf{1}$: permutations that leave the "
                r"law as it is "
                r"leave the optimal $p$ equivariant, so $M$ and the optimal $WW^\top$ commute with them. They act "
                r"transitively on classes: $\mathbb{E}r \propto \mathbf{1}$, so it is zero, and so is any "
                r"bias up to a "
                r"multiple of $\mathbf{1}$.",
            ),
            *[_commutant(*shape) for shape in ((2, 2), (3, 2), (2, 3))],
            argued(
                "certificate",
                r"Theorem duality: with $h = W^\top r/\lambda_H$ a point is optimal iff $MW = c^2W$ and "
                r"$\lambda_{\max}(M) \le c^2$ ($d \ge K-1$). $M = \mu_wP_w + \mu_bP_b$ with "
                r"$\mu\,\mathrm{rank}\,P = "
                r"\mathrm{tr}(PM)$, so these are $\mu = c^2$ where $g > 0$ and $\mu \le c^2$ where $g = 0$.",
            ),
            identity(
                "collapse within groups",
                r"$g_w = 0$: $z$ and $p$ are equal within groups, $P_wp = 0$, so that $\mathrm{tr}(P_wM) = "
                r"\mathbb{E}\|P_wy\|^2$ whatever $g_b$ is. Two groups of two:",
                list(matrices(2, 2)[0] * sp.Matrix([sp.Symbol(name) for name in "uuvv"])),
                [0] * 4,
            ),
            identity(
                "one gain only for exchangeable laws",
                r"$g_w = g_b = g$ is $g\Pi$, and both conditions together are $\mathbb{E}\|r\|^2 = (K-1)c^2$.",
                [sum(RANKS), *(gw * (matrices(2, 2)[0] + matrices(2, 2)[1]))],
                [B * m - 1, *(gw * (sp.eye(4) - sp.ones(4, 4) / 4))],
            ),
            identity(
                "hierarchical smoothing",
                r"$r = \hat c u_k$ across and within groups (theorem superclass-collapse): $\mathbb{E}\|P_wr\|^2 = "
                r"\hat c^2(1-1/m)$ and $\mathbb{E}\|P_br\|^2 = \hat c^2(1/m - 1/K)$ are $c^2$ times the ranks.",
                [hat**2 * (1 - 1 / m), hat**2 * (1 / m - 1 / (B * m))],
                [c**2 * RANKS[0], c**2 * RANKS[1]],
            ),
            identity(
                "its collapse",
                r"$\mathbb{E}\|P_wy\|^2 = (1-\varepsilon-\delta)^2(1-1/m) \le c^2B(m-1)$ iff "
                r"$1-\varepsilon-\delta \le "
                r"\hat c$.",
                share**2 * (1 - 1 / m) - c**2 * RANKS[0],
                (1 - 1 / m) * (share - hat) * (share + hat),
            ),
        ],
        sp.Eq(sp.Symbol(r"\mathrm{tr}(P_wM)"), c**2 * RANKS[0]),
        compare,
    )


def _commutant(groups: int, size: int):
    """P_w, P_b are projections, orthogonal, of these ranks; every invariant matrix is a combination with 11ᵀ/K."""
    within, between = matrices(groups, size)
    K = groups * size
    a, b, d = sp.symbols("a b d")
    near = sp.Matrix(sp.kronecker_product(sp.eye(groups), sp.ones(size, size)))
    invariant = a * sp.eye(K) + b * near + d * sp.ones(K, K)  # one number for each orbit of pairs of classes
    mean = sp.ones(K, K) / K
    return identity(
        f"commutant, B = {groups}, m = {size}",
        rf"$B = {groups}$, $m = {size}$: pairs of classes have three orbits (equal, same group, other), so that an "
        r"invariant matrix is $aI + b\,\mathrm{near} + d\mathbf{1}\mathbf{1}^\top = aP_w + (a+bm)P_b + "
        r"(a+bm+dK)\mathbf{1}\mathbf{1}^\top/K$; both are projections, $P_wP_b = 0$, with the ranks "
        r"$B(m-1)$, $B-1$.",
        [
            *(invariant - (a * within + (a + b * size) * between + (a + b * size + d * K) * mean)),
            *(within**2 - within),
            *(between**2 - between),
            *(within * between),
            within.trace(),
            between.trace(),
        ],
        [0] * (4 * K**2) + [part.subs({B: groups, m: size}) for part in RANKS],
    )


NODES = (np.array([0.02, 0.3, 0.7, 0.98]), np.full(4, 0.25))


def settings():
    """All four kinds of optimum; mixup that prefers or avoids the own group; cyclic pairs; hierarchical labels."""
    for within, decay in ((0.8, 1e-2), (0.8, 0.45), (0.8, 0.6), (0.2, 0.4), (0.2, 1e-2)):
        labels, weights = grouped_mixup(2, 2, within, *NODES)
        yield joint(4, soft(labels, weights), decay, decay)
    yield joint(4, mixup(1.0, "cyclic"), 1e-2, 1e-2, nodes=6)
    yield labelled(hierarchical_labels(3, 2, 0.2, 0.1), 1e-2, 1e-2, free_dim=5)


def compare(rng) -> list[Comparison]:
    """Both gains at 25 digits, by a root in two numbers over logits found by Newton, beside the shipped ones."""
    from ufm.theory.geometry.groups import group_optimum

    rows, within = [], 0.8
    lam, decay, other = (float(rng.uniform(*ends)) for ends in ((0.1, 0.9), (0.01, 0.1), (0.01, 0.1)))
    labels, weights = grouped_mixup(2, 2, within, [lam], [1.0])
    found = group_optimum(labels, weights, np.array([0, 0, 1, 1]), decay, other)
    with mp.workdps(25):
        parts = [mp.matrix(part.tolist()) for part in matrices(2, 2)]
        goal = [mp.mpf(decay) * mp.mpf(other) * rank for rank in (2, 1)]

        def scaled(logs):
            return (parts[0] * mp.exp(logs[0]) + parts[1] * mp.exp(logs[1])) / mp.mpf(other)

        def short(*logs):
            G, sums = scaled(logs), [mp.mpf(0), mp.mpf(0)]
            for y, weight in zip(labels.tolist(), weights.tolist()):
                r = _residual(mp.matrix(y), G)
                sums = [s + mp.mpf(weight) * (r.T * part * r)[0] for s, part in zip(sums, parts)]
            return [mp.log(s / one) for s, one in zip(sums, goal)]

        start = (mp.log(found.within) + mp.mpf("1e-3"), mp.log(found.between) - mp.mpf("1e-3"))
        exact = mp.findroot(short, start, tol=1e-18)
        for name, value, shipped in zip("wb", exact, (found.within, found.between)):
            rows.append(Comparison(f"g_{name}, within {within}", mp.exp(value), shipped))
        G = scaled(exact)
        for y, p in zip(labels[:3].tolist(), found.p):
            chances = mp.matrix(y) - _residual(mp.matrix(y), G)
            rows += [Comparison(f"p of {y}", chance, own) for chance, own in zip(chances, p.tolist())]
    return rows


def _residual(y, G):
    """r = y − softmax(G r) of one label, by Newton on z = G r."""
    z = mp.matrix(len(y), 1)
    for _ in range(60):
        top = [mp.exp(value) for value in z]
        p = mp.matrix([value / mp.fsum(top) for value in top])
        S = mp.diag(list(p)) - p * p.T
        step = mp.lu_solve(mp.eye(len(y)) + G * S, G * (y - p) - z)
        reach = max(step) - min(step)
        z += step * (mp.log(1 + reach) / reach if reach > 1 else 1)
        if reach < mp.mpf(10) ** -22:
            break
    top = [mp.exp(value) for value in z]
    return y - mp.matrix([value / mp.fsum(top) for value in top])
