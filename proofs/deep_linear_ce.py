r"""N factors (features counted), one-hot cross-entropy, equal weights: three critical families beside zero.

    simplex: min_x log(1 + (K−1)e^{−x}) + (N/2) Λ^{1/N} (K−1)(x/√K)^{2/N},
    K-gon:   min_t log Σ_l e^{t(cos(2πl/K) − 1)} + N Λ^{1/N} (t√K/2)^{2/N},      Λ = λ_W^{N−1} λ_H,
    line:    min_{σ,u,v} (1/K) Σ_k log Σ_l e^{σ√K v_k(u_l − u_k)} + (N/2) Λ^{1/N} σ^{2/N},  u, v odd unit vectors.

Idea: for given logits the penalties cost a Schatten quasi-norm, of power 2/N: from N = 3 on two directions may be
cheaper than three, and one than two: just before zero wins the line is least (K = 3: two classes alive, the third
at zero). That nothing else is lower for K ≤ 4 and N ≤ 8 is numerical evidence; for K = 5 and 6 other
polyhedra are, and for K = 3 and N = 10 a line that is not odd.
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
THREE = (2 * sp.log(1 + sp.exp(-x) + sp.exp(-2 * x)) + sp.log(3)) / 3 + PRICE.subs(s, 2 * x / sp.sqrt(3))
size_m, psi = sp.symbols("m psi", positive=True)
COS, SIN = sp.cos(psi / 2), sp.sin(psi / 2)  # of v ∝ (a, b, −b, −a)
CROSS = [size_m * COS**2, size_m * COS * SIN, size_m * COS * SIN, size_m * SIN**2]
FOUR_FIT = sum(sp.log(1 + sp.exp(-2 * part)) for part in CROSS) / 2 + size_m * SIN**2
FOUR = FOUR_FIT + PRICE.subs(s, sp.sqrt(2) * size_m)


def derive() -> Derivation:
    """What a direction costs, the singular values of the families, and their first-order conditions."""
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
            *_lines(),
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
                r"Not proved, nor that of lines of four classes those with $v$ and $u$ as above are least. At "
                r"$K = 2, 3, 4$, $N = 3, 4, 6, 8$, on both sides of every tie of the branches and between, "
                r"none of 20 to 30 blind starts of every rank ended below; for $K = 5$ and $6$ a bipyramid and an "
                r"octahedron do, and for $K = 3$, $N = 10$, $\lambda_W = \lambda_H = 0.068$ a line that is not odd "
                r"(0.835278 against 0.835468): hence $K \le 4$ and $N \le 8$. For "
                r"$N = 2$ the simplex is proved (theorem onehot-ce).",
            ),
        ],
        sp.Eq(sp.Symbol("L"), sp.Min(SIMPLEX, sp.Symbol("f") + RING, sp.Symbol("g") + PRICE), evaluate=False),
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


def _lines():
    """One direction: K = 3, and K = 4 with the own and the other logits as sums of squares."""
    three = x * sp.Matrix([1, 0, -1]) * sp.Matrix([[1, 0, -1]])
    a, b = sp.symbols("a b", positive=True)
    v, u = sp.Matrix([a, b, -b, -a]), sp.Matrix([a + b, a - b, b - a, -a - b])
    four = size_m * v * u.T
    sums = [sp.expand(sum(sp.exp(sp.expand(z)) for z in four[k, :])) for k in (0, 1)]
    products = [4 * sp.cosh(size_m * a * y) * sp.cosh(size_m * b * y) for y in (a, b)]
    own = size_m * (a**2 + 2 * a * b - b**2)
    return [
        identity(
            "line, K = 3",
            r"$K = 3$: $Z = x\,(1,0,-1)^\top(1,0,-1)$ has the one singular value $2x$, and the fit $\frac23\log"
            r"(1 + e^{-x} + e^{-2x}) + \frac13\log 3$ (shown: its rows).",
            [
                (three * three.T / 3).trace(),
                *(sum(sp.exp(z - row[k]) for z in row) for k, row in _rows(three)),
            ],
            [
                (2 * x / sp.sqrt(3)) ** 2,
                *(1 + sp.exp(-x) + sp.exp(-2 * x), 3, 1 + sp.exp(-x) + sp.exp(-2 * x)),
            ],
        ),
        identity(
            "line, K = 4",
            r"$K = 4$: $Z = m\,vu^\top$ with $v = (a,b,-b,-a)$, $u = (a+b,a-b,b-a,-a-b)$: $\sum_le^{z_l}$ is "
            r"$4\cosh(ma^2)\cosh(mab)$ and $4\cosh(mab)\cosh(mb^2)$, own logits add up to $m(a^2 + 2ab - b^2)$, "
            r"and $\|Z\|_F^2/4 = 2m^2$ for $a^2 + b^2 = 1$.",
            [*sums, four[0, 0] + four[1, 1], (four * four.T / 4).trace()],
            [*(p.rewrite(sp.exp) for p in products), own, 2 * size_m**2 * (a**2 + b**2) ** 2],
        ),
        identity(
            "angle of the line",
            r"$K = 4$, $a = \cos\frac\psi2$, $b = \sin\frac\psi2$, $x = m(a^2, ab, ab, b^2)$: the fit $\frac12"
            r"\sum_i\log(1 + e^{-2x_i}) + mb^2$ is stationary in $\psi$ where $\frac{\sin\psi}2(2 + t_3 - t_1) = "
            r"(1 - t_2)\cos\psi$, $t_i = \tanh x_i$.",
            sp.diff(FOUR_FIT, psi),
            size_m * (COS * SIN * (_rest(0) + 2 - _rest(3)) - (COS**2 - SIN**2) * _rest(1)) / 2,
        ),
    ]


def _rows(Z):
    return [(k, list(Z[k, :])) for k in range(Z.rows)]


def _rest(part: int):
    """1 − tanh x of a part of CROSS."""
    return 2 / (sp.exp(2 * CROSS[part]) + 1)


LINES = ((3, 3, 0.26), (3, 4, 0.2), (3, 8, 0.1), (4, 3, 0.2539), (4, 4, 0.201), (4, 6, 0.15))  # K, N, Λ^{1/N}


def settings():
    """Two factors; three, where the simplex, the square, the line and zero are best; more; K = 2, 3, 4."""
    for size, factors, decay, other in (
        (2, 3, 0.05, 0.05),
        (3, 4, 0.02, 0.02),
        (3, 3, 0.26, 0.26),
        (3, 3, 0.2, 0.4),
        (3, 3, 0.3, 0.3),
        (4, 2, 0.02, 0.02),
        (4, 3, 0.005, 0.005),
        (4, 3, 0.02, 0.02),
        (4, 3, 0.1, 0.1),
        (4, 3, 0.2539, 0.2539),
        (4, 4, 0.201, 0.201),
        (4, 3, 0.3, 0.3),
    ):
        yield shaped("deep-linear", (factors,), size, onehot(), decay, other, free_dim=size - 1)


def compare(rng) -> list[Comparison]:
    """The objective at the shipped scale at 40 digits, its slope there, beside the shipped objective."""
    from ufm.theory.variants.deep import deep_cross_entropy, root_of_product

    simplex = sp.lambdify((K, N, x, root), SIMPLEX, "mpmath")
    ring = sp.lambdify((K, N, t, root), RING, "mpmath")
    three = sp.lambdify((N, x, root), THREE, "mpmath")
    four = sp.lambdify((N, size_m, psi, root), FOUR, "mpmath")
    rows, drawn = [], []
    for _ in range(12):
        size, factors = int(rng.integers(2, 7)), int(rng.integers(2, 6))
        drawn.append((size, factors, *(float(10 ** rng.uniform(-3, -1)) for _ in range(2))))
    with mp.workdps(50):
        for size, factors, decay, other in (*drawn, *((*line, line[-1]) for line in LINES)):
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
            elif found.branch == "line" and size == 3:
                value = three(mp.mpf(factors), scale, share)
            elif found.branch == "line":
                value = four(mp.mpf(factors), scale, mp.mpf(float(found.angle)), share)
            else:
                value = mp.log(size)
            rows.append(Comparison(f"{found.branch}, K={size}, N={factors}", value, found.objective))
    return rows
