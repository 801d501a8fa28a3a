r"""The supervised contrastive loss of n features a class, all of norm ρ, d ≥ K − 1.

    min Σ_i −1/(n−1) Σ_{p ∈ P(i)} log(e^{h_i·h_p}/Σ_{a≠i} e^{h_i·h_a})
        = N log(n − 1 + (N − n) e^{−Kρ²/(K−1)}),   N = nK.

Idea: the loss is convex in the Gram matrix of the features, and so is what that matrix may be once d is forgotten;
both are symmetric under permutations of classes and within classes, so a Gram matrix of three entries is optimal.
"""

import mpmath as mp
import sympy as sp

from proofs.engine.step import Comparison, Derivation, argued, identity, limit, sign
from proofs.tools.settings import shaped
from ufm.model.laws import onehot

K, n, rho = sp.symbols("K n rho", positive=True)
a, b = sp.symbols("a b", real=True)
APART = -K * rho**2 / (K - 1)
LOSS = n * K * sp.log(n - 1 + n * (K - 1) * sp.exp(APART))


def derive() -> Derivation:
    """Symmetric Gram matrices, which are possible, and the best of them."""
    more, many, t = sp.symbols("s m t", positive=True)
    least = -(rho**2 + (n - 1) * a) / ((K - 1) * n)
    inside = n * K * (sp.log((n - 1) * sp.exp(a) + n * (K - 1) * sp.exp(b)) - a)
    return Derivation(
        "supcon",
        [
            argued(
                "symmetry",
                r"In $X = (h_i\cdot h_j)$ the loss is a sum of $\log\sum\exp$ of entries less entries: "
                r"convex. $X \succeq "
                r"0$ with diagonal $\rho^2$ is a convex set. Both are invariant under permutations of "
                r"classes and of the "
                r"members of a class, so the mean over all permutations of a minimiser is one: $a$ within "
                r"a class, $b$ "
                r"between classes.",
            ),
            identity(
                "loss of three entries",
                r"$N[\log((n-1)e^a + (N-n)e^b) - a] = N\log(n - 1 + (N-n)e^{b-a})$.",
                sp.exp(inside / (n * K)),
                n - 1 + n * (K - 1) * sp.exp(b - a),
            ),
            *[_spectrum(classes, copies) for classes, copies in ((2, 2), (3, 2), (2, 3))],
            identity(
                "the least b",
                r"The eigenvalue of $\mathbf 1$ vanishes at $b = -\frac{\rho^2 + (n-1)a}{(K-1)n}$.",
                rho**2 + (n - 1) * a + (K - 1) * n * least,
                0,
            ),
            sign(
                "closer within is further between",
                r"With that $b$, $\frac{d}{da}(b - a) < 0$: $a$ is as large as it may be, $\rho^2$.",
                sp.diff(least - a, a).subs({K: 1 + more, n: 1 + many}),
                "negative",
            ),
            identity(
                "collapse",
                r"$a = \rho^2$: $b - a = -\frac{K\rho^2}{K-1}$, the simplex of norm $\rho$ ($d \ge K-1$).",
                (least - a).subs(a, rho**2),
                APART,
            ),
            sign(
                "further is better",
                r"The loss grows with $e^{b-a}$.",
                sp.diff(sp.log(n + n * more * t), t),
                "positive",
            ),
            limit(
                "no radius",
                r"$\rho \to 0$: $N\log(N-1)$ (shown: $K = n = 2$).",
                LOSS.subs({K: 2, n: 2}),
                rho,
                0,
                4 * sp.log(3),
            ),
        ],
        sp.Eq(sp.Symbol("L"), LOSS),
        compare,
    )


def _spectrum(classes: int, copies: int):
    """Eigenvectors: within a class, between classes, all."""
    size = classes * copies
    same = sp.Matrix(size, size, lambda i, j: int(i // copies == j // copies))
    X = rho**2 * sp.eye(size) + a * (same - sp.eye(size)) + b * (sp.ones(size, size) - same)
    within = sp.Matrix([1, -1, *[0] * (size - 2)])
    between = sp.Matrix([1] * copies + [-1] * copies + [0] * (size - 2 * copies))
    everything = sp.ones(size, 1)
    return identity(
        f"spectrum, K = {classes}, n = {copies}",
        rf"$K = {classes}$, $n = {copies}$: the eigenvalues of $X$ are $\rho^2 - a$, $\rho^2 + (n-1)a - "
        rf"nb$ and $\rho^2 + "
        r"(n-1)a + (K-1)nb$.",
        [*(X * within), *(X * between), *(X * everything)],
        [
            *((rho**2 - a) * within),
            *((rho**2 + (copies - 1) * a - copies * b) * between),
            *((rho**2 + (copies - 1) * a + (classes - 1) * copies * b) * everything),
        ],
    )


def settings():
    """Pairs, triples and more; small and large radii; the fewest dimensions and one more."""
    for size, dim, numbers in (
        (2, 2, (2, 0.5)),
        (3, 2, (2, 1.3)),
        (3, 3, (4, 0.5)),
        (4, 3, (2, 2.0)),
        (4, 3, (3, 3.0)),
    ):
        yield shaped("contrastive", numbers, size, onehot(), free_dim=dim)


def compare(rng) -> list[Comparison]:
    """The loss at 40 digits beside the shipped one."""
    from ufm.theory.variants.constrained import contrastive_loss

    loss, rows = sp.lambdify((K, n, rho), LOSS, "mpmath"), []
    with mp.workdps(50):
        for _ in range(10):
            size, copies, radius = (
                int(rng.integers(2, 20)),
                int(rng.integers(2, 9)),
                float(rng.uniform(0.1, 3)),
            )
            value = loss(mp.mpf(size), mp.mpf(copies), mp.mpf(radius))
            rows.append(Comparison(f"K={size}, n={copies}", value, contrastive_loss(size, copies, radius)))
    return rows
