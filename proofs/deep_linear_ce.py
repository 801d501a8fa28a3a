r"""N factors (features counted), one-hot cross-entropy, equal weights: two critical families beside zero.

    simplex: min_x log(1 + (K−1)e^{−x}) + (N/2) Λ^{1/N} (K−1)(x/√K)^{2/N},
    K-gon:   min_t log Σ_l e^{t(cos(2πl/K) − 1)} + N Λ^{1/N} (t√K/2)^{2/N},      Λ = λ_W^{N−1} λ_H.

Idea: for given logits the penalties cost a Schatten quasi-norm, of power 2/N: from N = 3 on two directions may be
cheaper than three. That nothing else is lower for K ≤ 4 is numerical evidence; for K = 5 and 6 other polyhedra are.
"""

import mpmath as mp
import sympy as sp

from proofs.engine.step import Comparison, Derivation, argued, identity, limit, sign
from proofs.tools.matrices import centring
from proofs.tools.settings import shaped
from ufm.model.laws import onehot

K, N, x, t, s, lambda_w, lambda_h, root = sp.symbols("K N x t s lambda_W lambda_H Lambda", positive=True)
PRICE = N / 2 * root * s ** (2 / N)  # of a direction, root = Λ^{1/N}
SIMPLEX = sp.log(1 + (K - 1) * sp.exp(-x)) + (K - 1) * PRICE.subs(s, x / sp.sqrt(K))
RING = 2 * PRICE.subs(s, t * sp.sqrt(K) / 2)


def derive() -> Derivation:
    """What a direction costs, the singular values of both families, and their first-order conditions."""
    return Derivation(
        "deep-linear-ce",
        [
            *[_price(factors) for factors in (2, 3, 4)],
            argued(
                "no cheaper factors",
                r"For given $Z$ the least of all penalties is $\frac N2\Lambda^{1/N}\sum_is_i^{2/N}$ over "
                r"the singular "
                r"values of $Z/\sqrt K$ (arithmetic and geometric means; products of singular values, Horn).",
            ),
            *[_simplex(size) for size in (2, 3, 4)],
            _square(),
            identity(
                "condition of the simplex",
                r"$\frac{d}{dx}$: $(K-1)p_o = \Lambda^{1/N}(K-1)K^{-1/N}x^{2/N-1}$, $p_o = 1/(e^x + K - 1)$.",
                sp.diff(SIMPLEX, x),
                -(K - 1) / (sp.exp(x) + K - 1) + root * (K - 1) * K ** (-1 / N) * x ** (2 / N - 1),
            ),
            identity(
                "condition of the K-gon",
                r"The price of the K-gon has the slope $2\Lambda^{1/N}(\frac{\sqrt K}2)^{2/N}t^{2/N-1}$, the fit "
                r"$-\sum_lp_l(1 - \cos\frac{2\pi l}K)$.",
                sp.diff(RING, t),
                2 * root * (sp.sqrt(K) / 2) ** (2 / N) * t ** (2 / N - 1),
            ),
            sign(
                "less the more there is",
                r"$N \ge 3$: the price of a direction is concave in $s$, $\frac{d^2}{ds^2} < 0$ (written "
                r"for $N = 2 + m$).",
                sp.diff(PRICE, s, 2).subs(N, 2 + sp.Symbol("m", positive=True)),
                "negative",
            ),
            limit(
                "the fit of the K-gon",
                r"$t \to \infty$: both fits vanish (shown: $K = 4$).",
                sp.log(1 + 2 * sp.exp(-t) + sp.exp(-2 * t)),
                t,
                sp.oo,
                0,
            ),
            argued(
                "optimality",
                r"Not proved. For $K \le 4$ no blind start of 24 ends below; for $K = 5$ and $6$ a "
                r"bipyramid and an "
                r"octahedron do, which is why $K \le 4$ is assumed.",
            ),
        ],
        sp.Eq(sp.Symbol("L"), sp.Min(SIMPLEX, sp.Symbol("f") + RING), evaluate=False),
        compare,
    )


def _price(factors: int):
    """N equal penalties λ τ² whose singular values multiply to s."""
    tau = sp.sqrt(root * s ** sp.Rational(2, factors) / lambda_w)
    eta = sp.sqrt(root * s ** sp.Rational(2, factors) / lambda_h)
    whole = sp.root(lambda_w ** (factors - 1) * lambda_h, factors)
    return identity(
        f"price, N = {factors}",
        rf"$N = {factors}$: $\lambda_W\tau^2 = \lambda_H\eta^2 = \Lambda^{{1/N}}s^{{2/N}}$ has "
        rf"$\tau^{{N-1}}\eta = s$ and costs "
        r"$\frac N2\Lambda^{1/N}s^{2/N}$.",
        [
            (tau ** (factors - 1) * eta).subs(root, whole),
            (factors - 1) * lambda_w * tau**2 / 2 + lambda_h * eta**2 / 2,
        ],
        [s, PRICE.subs(N, factors)],
    )


def _simplex(size: int):
    """Z = x Π: all K−1 singular values of Z/√K are x/√K."""
    Z = x * centring(size)
    return identity(
        f"simplex, K = {size}",
        rf"$K = {size}$: $ZZ^\top/K = \frac{{x^2}}K\Pi$, and the own logit leads by $x$.",
        [*(Z * Z.T / size), Z[0, 0] - Z[0, 1]],
        [*(x**2 / size * centring(size)), x],
    )


def _square():
    """K = 4: Z = t cos(π(k − l)/2) has two singular values 2t, so those of Z/√K are t√K/2."""
    Z = sp.Matrix(4, 4, lambda k, l: t * sp.cos(sp.pi * (k - l) / 2))
    return identity(
        "square",
        r"$K = 4$: $Z = t\cos\frac{\pi(k-l)}2$ has $(ZZ^\top/K)^2 = t^2ZZ^\top/K$ and the trace $2t^2$: rank two, "
        r"singular values $t\sqrt K/2 = t$.",
        [*((Z * Z.T / 4) ** 2 - t**2 * Z * Z.T / 4), (Z * Z.T / 4).trace()],
        [*[0] * 16, 2 * (t * sp.sqrt(sp.Integer(4)) / 2) ** 2],
    )


def settings():
    """Two factors; three, where the simplex, the square and zero are best; more; K = 2, 3, 4."""
    for size, factors, decay in (
        (2, 3, 0.05),
        (3, 4, 0.02),
        (4, 2, 0.02),
        (4, 3, 0.005),
        (4, 3, 0.02),
        (4, 3, 0.1),
        (4, 3, 0.3),
    ):
        yield shaped("deep-linear", (factors,), size, onehot(), decay, decay, free_dim=size - 1)


def compare(rng) -> list[Comparison]:
    """The objective at the shipped scale at 40 digits, its slope there, beside the shipped objective."""
    from ufm.theory.variants.deep import deep_cross_entropy, root_of_product

    simplex = sp.lambdify((K, N, x, root), SIMPLEX, "mpmath")
    ring = sp.lambdify((K, N, t, root), RING, "mpmath")
    rows = []
    with mp.workdps(50):
        for _ in range(12):
            size, factors = int(rng.integers(2, 7)), int(rng.integers(2, 6))
            decay, other = (float(10 ** rng.uniform(-3, -1)) for _ in range(2))
            found = deep_cross_entropy(size, factors, decay, other)
            share = mp.root(mp.mpf(decay) ** (factors - 1) * mp.mpf(other), factors)
            rows.append(Comparison("Λ", share, root_of_product(factors, decay, other)))
            scale = mp.mpf(float(found.scale))
            if found.branch == "etf":
                value = simplex(mp.mpf(size), mp.mpf(factors), scale, share)
            elif found.branch == "polygon":
                cosines = [mp.cos(2 * mp.pi * l / size) for l in range(size)]
                fit = mp.log(mp.fsum(mp.exp(scale * (u - 1)) for u in cosines))
                value = fit + ring(mp.mpf(size), mp.mpf(factors), scale, share)
            else:
                value = mp.log(size)
            rows.append(Comparison(f"{found.branch}, K={size}, N={factors}", value, found.objective))
    return rows
