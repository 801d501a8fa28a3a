r"""Small penalties, labels whose supports S are exchangeable, d ≥ K − 1: the centred supports are the logits.

    min c‖ZQ^{1/2}‖_* over z_i − z_j ≥ 1 (i ∈ S, j ∉ S), z equal within S, is
    c √((K−1) E[|S|(1 − |S|/K)]), at z_S = Π 1_S.

Idea: by symmetry E zzᵀ is a multiple v of Π, and equal multipliers c/(K√v) for all pairs are feasible and give
the same.
"""

import mpmath as mp
import numpy as np
import sympy as sp

from proofs.engine.step import Comparison, Derivation, argued, identity, sign
from proofs.tools.matrices import centring
from proofs.tools.settings import shaped
from ufm.model.laws import LabelLaw, onehot, soft

K, n, c = sp.symbols("K n c", positive=True)
SIZE = n * (1 - n / K)  # ‖Π 1_S‖² of |S| = n


def derive() -> Derivation:
    """Size and moment of centred supports, feasibility, multipliers, equality."""
    m = sp.Symbol("m", positive=True)
    return Derivation(
        "support-svm",
        [
            argued(
                "the limit",
                r"Where a label names several classes, the logits of these stay together as $c \to 0$ and "
                r"only margins "
                r"grow: the direction solves the support vector machine (Zhao and Thrampoulidis 2024). Let "
                r"$v > 0$: "
                r"else every label names all classes, no margin is asked for and $Z = 0$.",
            ),
            identity(
                "length",
                r"$\|\Pi1_S\|^2 = n(1 - \frac nK)^2 + (K-n)\frac{n^2}{K^2} = n(1 - \frac nK)$.",
                n * (1 - n / K) ** 2 + (K - n) * n**2 / K**2,
                SIZE,
            ),
            identity(
                "margins",
                r"$i \in S \not\ni j$: $(1 - \frac nK) + \frac nK = 1$; within $S$ all are equal.",
                (1 - n / K) - (-n / K),
                1,
            ),
            *[_moment(size, count) for size, count in ((3, 1), (3, 2), (4, 2))],
            identity(
                "nuclear norm",
                r"$\mathbb{E}zz^\top = v\Pi$, $v = \mathbb{E}[n(1-n/K)]/(K-1)$: $\mathrm{tr}(v\Pi)^{1/2} "
                r"= (K-1)\sqrt v$, "
                r"whose square is $(K-1)\mathbb{E}[n(1-n/K)]$.",
                (K - 1) ** 2 * (SIZE / (K - 1)),
                (K - 1) * SIZE,
            ),
            identity(
                "multipliers",
                r"Equal multipliers $\frac{c}{K\sqrt v}$ on all pairs sum to $\frac{c}{\sqrt v}\Pi1_S$: "
                r"entry $i \in S$ is "
                r"$(K-n)m$, entry $j \notin S$ is $-nm$, with $m = \frac c{K\sqrt v}$.",
                [(K - n) * m, -n * m],
                [K * m * (1 - n / K), K * m * (-n / K)],
            ),
            identity(
                "their value",
                r"$\mathbb{E}\,n(K-n)\frac{c}{K\sqrt v} = c\,\mathbb{E}[n(1-\frac nK)]/\sqrt v = "
                r"c(K-1)\sqrt v$: no gap, and "
                r"$\Lambda = \frac c{\sqrt v}ZQ^{1/2}$ has the norm $c$.",
                n * (K - n) * c / K / sp.sqrt(SIZE / (K - 1)),
                c * (K - 1) * sp.sqrt(SIZE / (K - 1)),
            ),
            sign(
                "they are multipliers",
                r"$\frac c{K\sqrt v} > 0$ (written for $K = n + m$).",
                (c / K / sp.sqrt(SIZE / (K - 1)))
                .subs(K, n + 1 + m)
                .subs(n, 1 + sp.Symbol("l", positive=True)),
                "positive",
            ),
        ],
        sp.Eq(sp.Symbol("L"), c * sp.sqrt((K - 1) * SIZE)),
        compare,
    )


def supports(size: int, count: int) -> list[list[int]]:
    """Indicators of all subsets of so many classes."""
    found = [[]]
    for _ in range(size):
        found = [[*row, bit] for row in found for bit in (0, 1)]
    return [row for row in found if sum(row) == count]


def _moment(size: int, count: int):
    """The mean of z zᵀ over all supports of a size is n(1 − n/K)/(K−1) Π."""
    flat, rows = centring(size), supports(size, count)
    mean = sum((flat * sp.Matrix(row) * sp.Matrix(row).T * flat for row in rows), sp.zeros(size, size))
    return identity(
        f"moment, K = {size}, n = {count}",
        rf"$K = {size}$, $n = {count}$: the mean of $zz^\top$ over all supports is $\frac{{n(1-n/K)}}{{K-1}}\Pi$.",
        mean / len(rows),
        SIZE.subs({K: size, n: count}) / (size - 1) * flat,
    )


def set_law(size: int, shares: dict[int, float]) -> LabelLaw:
    """All supports of each size, equally likely, labels uniform on them."""
    rows = [(row, share / len(supports(size, n))) for n, share in shares.items() for row in supports(size, n)]
    labels = np.array([row for row, _ in rows], float)
    return soft(labels / labels.sum(1, keepdims=True), np.array([weight for _, weight in rows]))


def settings():
    """One size and two; K = 2 to 4; one-hot labels, which are supports of one class."""
    yield shaped("max-margin", (), 2, onehot(), 1.0, 1.0, free_dim=1)
    for size, shares in ((3, {2: 1.0}), (3, {1: 0.5, 2: 0.5}), (4, {1: 0.4, 2: 0.6})):
        yield shaped("max-margin", (), size, set_law(size, shares), 1.0, 1.0, free_dim=size - 1)


def compare(rng) -> list[Comparison]:
    """c √((K−1) E[n(1 − n/K)]) at 40 digits beside the shipped nuclear norm of the labels."""
    from ufm.theory.variants.margins import margin_objective

    form, rows = sp.lambdify((K, n), SIZE, "mpmath"), []
    with mp.workdps(50):
        for _ in range(10):
            size, share, decay = (
                int(rng.integers(3, 6)),
                float(rng.uniform(0.1, 0.9)),
                float(rng.uniform(0.1, 2)),
            )
            shares = {1: 1 - share, 2: share}
            law = set_law(size, shares)
            mean = mp.fsum(mp.mpf(w) * form(mp.mpf(size), mp.mpf(k)) for k, w in shares.items())
            exact = mp.mpf(decay) * mp.sqrt((size - 1) * mean)
            shipped = margin_objective(law.labels, law.probabilities, decay, decay)
            rows.append(Comparison(f"K={size}, share={share:.3g}", exact, shipped))
    return rows
