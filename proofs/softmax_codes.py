r"""Unit vectors that are furthest from the convex hull of the others: small temperatures on the sphere.

    max_w min_k dist(w_k, conv{w_j, j ≠ k}) = K/(K−1) for K ≤ d+1,   1 for d+2 ≤ K ≤ 2d.

Idea: a mean over k in the first case; in the second some point of the hull is a mixture of at most d+1 vectors, so
that one vector is left out, and is no further from it than 1. Simplices in orthogonal directions attain 1.
"""

import mpmath as mp
import sympy as sp

from proofs.engine.step import Comparison, Derivation, argued, identity, sign
from proofs.tools.settings import shaped
from ufm.model.laws import onehot

K, d = sp.symbols("K d", positive=True)
DISTANCE = K / (K - 1)
CROWDED = sp.Integer(1)


def derive() -> Derivation:
    """The two bounds, and the codes that attain them."""
    total, nearest, more = sp.symbols("S c s", positive=True)
    n, blocks = sp.symbols("n B", positive=True)
    own = (K**2 - 2 * K * sp.Symbol("w") + total) / (K - 1) ** 2
    return Derivation(
        "softmax-codes",
        [
            identity(
                "distance from the mean of the others",
                r"$w_k - \frac{\Sigma - w_k}{K-1} = \frac{Kw_k - \Sigma}{K-1}$, $\Sigma = \sum_jw_j$, $S "
                r"= \|\Sigma\|^2$: the "
                r"mean over $k$ of the squares is $\frac{K^2 - S}{(K-1)^2}$ ($\sum_kw_k\cdot\Sigma = S$).",
                own.subs(sp.Symbol("w"), total / K),
                (K**2 - total) / (K - 1) ** 2,
            ),
            identity(
                "first bound",
                r"$S \ge 0$: the least distance is at most $K/(K-1)$.",
                ((K**2 - total) / (K - 1) ** 2).subs(total, 0),
                DISTANCE**2,
            ),
            identity(
                "a simplex attains it",
                r"$d \ge K-1$: $w_k\cdot(w_k - w_j) = 1 + \frac1{K-1}$ for every $j$.",
                1 + 1 / (K - 1),
                DISTANCE,
            ),
            argued(
                "the limit",
                r"As $\tau \to 0$ the codes of least cross-entropy tend to those of largest "
                r"one-against-rest distance "
                r"(Jiang et al. 2023, cited); that distance is what is proved and checked here.",
            ),
            argued(
                "one vector is left out",
                r"$K \ge d+2$. Let $c$ be the point of $\mathrm{conv}\{w_j\}$ nearest to $0$; by "
                r"Carathéodory it is a mixture "
                r"of at most $d+1$ of the vectors, so some $w_k$ has $c \in \mathrm{conv}\{w_j\}_{j \ne k}$, and "
                r"$w_k\cdot c \ge \|c\|^2$ as $c$ is nearest.",
            ),
            sign(
                "second bound",
                r"$w_k\cdot c = \|c\|^2 + s$: $\|w_k - c\|^2 - 1 = -2w_k\cdot c + \|c\|^2 = -\|c\|^2 - 2s \le 0$.",
                -2 * (nearest**2 + more) + nearest**2,
                "negative",
            ),
            identity(
                "how many simplices",
                r"$B$ simplices of $n_i$ vectors in orthogonal directions need $d = \sum(n_i - 1) = K - "
                r"B$ dimensions: "
                r"$B = K - d \ge 2$, and $n_i \ge 2$ asks for $K \ge 2(K - d)$, $K \le 2d$.",
                [K - blocks - d, 2 * (K - d) - K],
                [K - d - blocks, K - 2 * d],
            ),
            sign(
                "they attain it",
                r"Within a simplex $w_k\cdot(w_k - w_j) = 1 + \frac1{n-1} > 1$, across simplices it is $1$.",
                1 / n,
                "positive",
            ),
            *[_orthogonal(sizes) for sizes in ((2, 3), (2, 2, 2))],
        ],
        sp.Eq(sp.Symbol(r"\mathrm{dist}"), sp.Piecewise((DISTANCE, d + 1 >= K), (CROWDED, 2 * d >= K))),
        compare,
    )


def _orthogonal(sizes: tuple[int, ...]):
    """The Gram matrix of simplices in orthogonal directions: its rank is K − B, its least margin one."""
    blocks = [(sp.eye(n) - sp.ones(n, n) / n) * sp.Rational(n, n - 1) for n in sizes]
    gram = sp.diag(*blocks)
    count, (first, *_) = sum(sizes), sizes
    return identity(
        f"sizes {', '.join(map(str, sizes))}",
        rf"Sizes {', '.join(map(str, sizes))}: unit vectors, rank $K - B$, cosines $-\frac1{{n-1}}$ and $0$.",
        [gram.rank(), *gram.diagonal(), gram[0, 1], gram[0, first]],
        [count - len(sizes), *[1] * count, -sp.Rational(1, first - 1), 0],
    )


def settings():
    """Simplices, the first K beyond one, between and at K = 2d."""
    for size, dim in ((2, 1), (4, 3), (4, 2), (5, 3), (6, 3), (7, 4)):
        yield shaped("softmax-codes", (), size, onehot(), free_dim=dim)


def compare(rng) -> list[Comparison]:
    """The formula, and the least margin of the shipped code at 40 digits, beside the shipped distance."""
    from ufm.theory.variants.constrained import code_distance, orthogonal_simplices

    form, rows = sp.lambdify(K, DISTANCE, "mpmath"), []
    with mp.workdps(50):
        for _ in range(6):
            dim = int(rng.integers(2, 9))
            for size in (int(rng.integers(2, dim + 2)), int(rng.integers(dim + 2, 2 * dim + 1))):
                exact = form(mp.mpf(size)) if size <= dim + 1 else mp.mpf(int(CROWDED))
                shipped = code_distance(size, dim)
                rows.append(Comparison(f"K={size}, d={dim}", exact, shipped))
                W = mp.matrix(orthogonal_simplices(size, dim).tolist())
                gram = W * W.T
                least = min(gram[k, k] - gram[k, j] for k in range(size) for j in range(size) if j != k)
                rows.append(Comparison(f"margin, K={size}, d={dim}", exact, float(least)))
    return rows
