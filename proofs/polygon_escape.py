r"""In a third dimension the K-gon (K ≥ 4, ĉ < 1, one-hot cross-entropy) is a strict saddle; this is the way out.

    dW = α u vᵀ, dh_k = β (uᵀ r_k) v, v ⊥ W:
    least curvature 1 − √λ_max(M)/c = 1 − max_j (1 − Σ_l p_l cos(2πjl/K))/ĉ.

Idea: along a direction that neither W nor a feature uses logits do not change to first order, and what is left of L
is bilinear in two new columns: its least eigenvalue is that of a two by two matrix for each eigenvector of M.
"""

import mpmath as mp
import sympy as sp

from proofs.engine.step import Comparison, Derivation, argued, identity, sign
from proofs.tools.matrices import basis_vector
from proofs.tools.roots import increasing_root
from proofs.tools.settings import joint
from ufm.model.laws import onehot

K, c, mu, lambda_w, lambda_h = sp.symbols("K c mu lambda_W lambda_H", positive=True)
CURVATURE = 1 - sp.sqrt(mu) / c


def derive() -> Derivation:
    """The second variation, its least eigenvalue, the spectrum of M on the ring, and its sign."""
    a, b, more = sp.symbols("alpha beta s", positive=True)
    block = sp.Matrix([[1, -sp.sqrt(mu) / c], [-sp.sqrt(mu) / c, 1]])
    return Derivation(
        "polygon-escape",
        [
            argued(
                "no first order",
                r"$v$ is orthogonal to all rows of $W$ and all features (which are combinations of rows), "
                r"so $dW\,h = 0 = "
                r"W\,dh$: of $z$ only $dW\,dh$ is left, of second order.",
            ),
            identity(
                "second variation",
                r"$\frac{\lambda_W}2a^2 + \frac{\lambda_H}2b^2\mu - ab\mu$ with $\|u\| = 1$, "
                r"$\mathbb{E}(u^\top r)^2 = \mu$; in "
                r"$\alpha = \sqrt{\lambda_W}a$, $\beta = \sqrt{\lambda_H\mu}\,b$: half of $\alpha^2 + \beta^2 - "
                r"2\alpha\beta\sqrt\mu/c$.",
                2
                * (lambda_w * a**2 / 2 + lambda_h * b**2 * mu / 2 - a * b * mu).subs(
                    {a: a / sp.sqrt(lambda_w), b: b / sp.sqrt(lambda_h * mu)}, simultaneous=True
                ),
                a**2 + b**2 - 2 * a * b * sp.sqrt(mu) / sp.sqrt(lambda_w * lambda_h),
            ),
            identity(
                "least curvature",
                r"The eigenvalues of $\begin{pmatrix}1 & -\sqrt\mu/c\\ -\sqrt\mu/c & 1\end{pmatrix}$ are "
                r"$1 \mp \sqrt\mu/c$.",
                list(block * sp.Matrix([1, 1])),
                [CURVATURE, CURVATURE],
            ),
            *[_modes(size) for size in (4, 5)],
            identity(
                "the plane itself",
                r"$j = 1$: $1 - \sum_lp_l\cos\frac{2\pi l}K = \hat c$ is the equation of the K-gon: no "
                r"curvature there.",
                CURVATURE.subs(mu, c**2),
                0,
            ),
            argued(
                "strict",
                r"$\hat c < 1$: if $\lambda_{\max}(M) \le c^2$, the K-gon, critical as it is, would be an "
                r"optimum for "
                r"every $d \ge K-1$ (theorem duality), of a $WW^\top$ of rank two. But that is unique, a "
                r"simplex of "
                r"rank $K-1 \ge 3$ (theorem onehot-ce). So $\mu > c^2$. For $\hat c \ge 1$, $W = 0$, all $p_l = "
                r"\frac1K$ and the curvature is $1 - 1/\hat c \ge 0$.",
            ),
            sign(
                "a way out",
                r"$\mu = c^2(1+s)^2$ beyond it: the curvature is $-s$.",
                CURVATURE.subs(mu, c**2 * (1 + more) ** 2),
                "negative",
            ),
        ],
        sp.Eq(sp.Symbol("lambda_min"), CURVATURE),
        compare,
    )


def _modes(size: int):
    """R = I − P is circulant and symmetric: cosines are its eigenvectors."""
    p = [sp.Symbol(f"p_{min(l, size - l)}", positive=True) for l in range(size)]
    R = sp.eye(size) - sp.Matrix(size, size, lambda i, k: p[(i - k) % size])
    angle = 4 * sp.pi / size
    wave = sum((sp.cos(angle * k) * basis_vector(size, k) for k in range(size)), sp.zeros(size, 1))
    value = 1 - sum(p[l] * sp.cos(angle * l) for l in range(size))
    total = 1 - sum(p[1:])
    return identity(
        f"modes, K = {size}",
        rf"$K = {size}$: residuals have the eigenvector $\cos\frac{{2\pi jk}}K$ with $1 - "
        rf"\sum_lp_l\cos\frac{{2\pi jl}}K$ "
        r"($j = 2$ shown), so $M = \frac1KRR^\top$ has $\sqrt\mu/c$ as said.",
        [entry.subs(p[0], total) for entry in R * wave - value * wave],
        [0] * size,
    )


def settings():
    """K = 4 to 8, sharp and near the threshold, and beyond it, where W = 0 is no saddle."""
    for size, decay in ((4, 1e-2), (5, 1e-2), (6, 3e-3), (8, 0.1), (4, 0.49), (4, 0.55)):
        yield joint(size, onehot(), decay, decay, free_dim=2)


def compare(rng) -> list[Comparison]:
    """t by bisection at 40 digits, the largest mode, and the curvature beside the shipped one."""
    from ufm.theory.polygon import polygon_escape

    form, rows = sp.lambdify((mu, c), CURVATURE, "mpmath"), []
    with mp.workdps(50):
        for _ in range(10):
            size, decay = int(rng.integers(4, 12)), float(10 ** rng.uniform(-2.5, -0.8))
            other = float(rng.uniform(0.05, 0.8)) ** 2 / size / decay
            hat = mp.sqrt(size * mp.mpf(decay) * mp.mpf(other))

            def mode(value, j, size=size):
                weights = [mp.exp(value * mp.cos(2 * mp.pi * l / size)) for l in range(size)]
                waves = [mp.cos(2 * mp.pi * j * l / size) for l in range(size)]
                return 1 - mp.fsum(w * u for w, u in zip(weights, waves)) / mp.fsum(weights)

            t = increasing_root(lambda value, hat=hat: hat - mode(value, 1), 0, 10**4)
            largest = max(mode(t, j) for j in range(1, size // 2 + 1))
            exact = form((largest / mp.sqrt(size)) ** 2, hat / mp.sqrt(size))
            rows.append(Comparison(f"K={size}", exact, polygon_escape(size, decay, other).curvature))
    return rows
