r"""A free classifier is a simplex ETF whenever the labels treat all classes alike.

If π is exchangeable (invariant under permuting the classes), d ≥ K−1 and c² = λ_W λ_H, every global
optimum of the joint problem has W Wᵀ = g Π, z = a (y − p) with a = g/λ_H, b = 0 up to a multiple of 1,
‖w_k‖² = m² = a (K−1) λ_H/K, and a is the one root of

    F(a) = E‖y − p_a(y)‖² = (K−1) λ_W λ_H,      p_a = softmax(a (y − p_a)),

or W = h = 0 where λ_W λ_H ≥ F(0)/(K−1). Idea: p_a moves with the classes, so E rrᵀ is a multiple of Π; an ETF
closes the gap of the theorem duality, and a closed gap makes every other optimum one.
"""

from functools import partial
from itertools import product

import mpmath as mp
import sympy as sp

from proofs.engine.step import Comparison, Derivation, formal, identity, sign
from proofs.tools.frame import softmax
from proofs.tools.matrices import basis_vector, centring, covariance, real, simplex
from proofs.tools.roots import increasing_root
from proofs.tools.settings import joint
from ufm.model.laws import cutmix, kway, mixup, onehot
from ufm.rules.errors import InputError

K = sp.Symbol("K", positive=True)
a, g, lambda_w, lambda_h = sp.symbols("a g lambda_W lambda_H", positive=True)
x, x_i, x_j = sp.symbols("x x_i x_j", real=True)
lam = sp.Symbol("lambda", real=True)

# ‖y − p_a(y)‖² for λ e_i + (1−λ) e_j, i ≠ j, and for e_i; and the equations of x_i, x_j and x.
DIFFERENT = (x_i**2 + x_j**2 - (x_i + x_j) ** 2 / K) / a**2
SAME = x**2 * (1 - 1 / K) / a**2
PAIR = (
    x_i + (x_i + x_j) / K * (sp.exp(x_i) - 1) - a * lam,
    x_j + (x_i + x_j) / K * (sp.exp(x_j) - 1) - a * (1 - lam),
)
CLASS = x * (sp.exp(x) + K - 1) - a * K
NORM_SQUARED = a * (K - 1) * lambda_h / K


def derive() -> Derivation:
    """Uniqueness and symmetry in words; the algebra of M, G, F and F' in symbols."""
    u, v = sp.symbols("u v", real=True)
    y_k, p_k, z_k, log_p = sp.symbols("y_k p_k z_k log_p_k", real=True)
    log_partition = sp.Symbol("Lambda", real=True)
    return Derivation(
        "joint-etf",
        [
            formal(
                "unique predictions",
                r"Any law, $d \ge K-1$, no bias: all global optima predict the same. (Coq: labels finite in "
                "number; any other law as in the theorem duality.)",
                "Unused.unique_predictions",
            ),
            formal(
                "symmetry",
                r"Hypothesis: $\pi$ exchangeable. For every $a \ge 0$ the residuals $r = y - p_a(y)$ have "
                r"$\mathbb{E}rr^\top = \frac{F(a)}{K-1}\Pi$.",
                "Joint.joint_moment",
            ),
            formal("mean", r"And $\mathbb{E}r = 0$.", "Joint.joint_mean"),
            formal(
                "matrices that commute",
                r"For every $K \ge 2$, of any $\rho(y)$ that moves with the classes and sums to zero: "
                r"$\mathbb{E}\rho\rho^\top = \frac{\mathbb{E}\|\rho\|^2}{K-1}\Pi$.",
                "Exchange.equivariant_moment",
            ),
            *[_commutation(size) for size in (2, 3, 4)],
            identity(
                "kernel",
                r"$(uI + v\mathbf{1}\mathbf{1}^\top)\mathbf{1} = (u + Kv)\mathbf{1}$ vanishes only for $v = "
                r"-u/K$: diagonal $u(1 - 1/K)$, other entries $-u/K$, that is $u\,\Pi$. So $M = \mu\,\Pi$, "
                r"as $\mathbf{1}^\top r = 0$.",
                [sp.solve(u + K * v, v)[0], (u + v).subs(v, -u / K)],
                [-u / K, u * (1 - 1 / K)],
            ),
            *[_spectrum(size) for size in (2, 3, 4)],
            formal(
                "an ETF attains the bound",
                r"Let $F(a) = (K-1)c^2$, $a > 0$, $d \ge K-1$. There is a $W$ with $WW^\top = "
                r"a\lambda_H\Pi$ and an $h$ that are a global optimum, with a free bias too.",
                "Joint.simplex_exists",
            ),
            formal(
                "M at a non-zero optimum",
                r"Then every global optimum without a bias predicts $p_a(y)$, and its residuals have "
                r"$\mathbb{E}rr^\top = c^2\Pi$.",
                "Joint.joint_predictions",
            ),
            formal(
                "G is a multiple of Π",
                r"Every global optimum without a bias has $WW^\top = a\lambda_H\Pi$, $h = W^\top(y - "
                r"p_a(y))/\lambda_H$ and $L = \mathbb{E}\,\mathrm{Entropy}(p_a)$.",
                "Joint.joint",
            ),
            formal(
                "with a free bias",
                r"The same with a free bias, which is a multiple of $\mathbf{1}$ …",
                "Joint.joint_free_bias",
            ),
            formal(
                "with a penalised bias",
                "… and with a penalised one, which is zero.",
                "Joint.joint_penalised_bias",
            ),
            identity(
                "logits and norm",
                r"$z = WW^\top r/\lambda_H = (g/\lambda_H)\,\Pi r = a\,r$, each entry "
                r"$\frac{g}{\lambda_H}(r_k - \frac{1}{K}\sum_l r_l)$ with $\sum_l r_l = 0$. A row has "
                r"$\|w_k\|^2 = g(1 - 1/K) = m^2$, so that $m^2 = a(K-1)\lambda_H/K$ and $g = m^2K/(K-1)$.",
                [(g * (1 - 1 / K)).subs(g, a * lambda_h), NORM_SQUARED * K / (K - 1)],
                [NORM_SQUARED, a * lambda_h],
            ),
            identity(
                "scalar equation",
                r"The trace of $M = c^2\,\Pi$: $\mathbb{E}\|r\|^2 = Kc^2(1 - 1/K) = "
                r"(K-1)\lambda_W\lambda_H$.",
                K * lambda_w * lambda_h * (1 - 1 / K),
                (K - 1) * lambda_w * lambda_h,
            ),
            *[_slope(size) for size in (2, 3, 4)],
            *_decreasing(),
            identity(
                "bound",
                r"$\log p_k = z_k - \Lambda$, so $(y_k - p_k)z_k = y_k\log p_k - p_k\log p_k + (y_k - "
                r"p_k)\Lambda$; summed, $a\|r\|^2 = r\cdot z = \mathrm{Entropy}(p) - \mathrm{CE} \le \log "
                r"K$. So $F(a) \le (\log K)/a$, which tends to $0$.",
                (y_k - p_k) * z_k,
                (y_k * log_p - p_k * log_p + (y_k - p_k) * log_partition).subs(log_p, z_k - log_partition),
            ),
            identity(
                "at zero",
                r"At $a = 0$, $p = \mathbf{1}/K$: each entry contributes $(y_k - 1/K)^2 = y_k^2 - 2y_k/K + "
                r"1/K^2$, with sum $\|y\|^2 - 2/K + 1/K = \|y\|^2 - 1/K$. So $F(0) = \mathbb{E}\|y\|^2 - "
                r"1/K$.",
                [sp.expand((y_k - 1 / K) ** 2), -2 / K + K / K**2],
                [y_k**2 - 2 * y_k / K + 1 / K**2, -1 / K],
            ),
            formal(
                "one root, or none",
                r"There is an $a > 0$ with $F(a) = (K-1)c^2$ iff $c^2 < \sigma^2 = (\mathbb{E}\|y\|^2 - "
                "1/K)/(K-1)$, for any law.",
                "Trivial.sharpness_exists_iff",
            ),
            formal("no other root", "And no other.", "Trivial.sharpness_unique"),
            formal(
                "zero otherwise",
                r"$\pi$ exchangeable, $d \ge K-1$, no bias: $W = 0$ at a global optimum iff $\sigma^2 \le c^2$.",
                "Joint.trivial_iff",
            ),
            *_two_hot(),
        ],
        sp.Eq(sp.Symbol(r"\mathbb{E}\|y - p_a(y)\|^2"), (K - 1) * lambda_w * lambda_h),
        compare,
    )


def _commutation(size: int):
    """Solve P M = M P for a transposition and a cycle, which generate all permutations."""
    M = sp.Matrix(size, size, lambda i, j: sp.Symbol(f"M_{i}{j}"))
    swap = sp.Matrix.hstack(*[basis_vector(size, {0: 1, 1: 0}.get(k, k)) for k in range(size)])
    cycle = sp.Matrix.hstack(*[basis_vector(size, k + 1) for k in range(size)])
    equations = [*(swap * M - M * swap), *(cycle * M - M * cycle)]
    solved = M.subs(sp.solve(equations, list(M), dict=True)[0])
    diagonal, other = solved[0, 0], solved[0, 1]
    family = (diagonal - other) * sp.eye(size) + other * sp.ones(size, size)
    free = sp.Integer(len(solved.free_symbols))
    return identity(
        f"matrices that commute, K = {size}",
        rf"$PM = MP$ solved for $K = {size}$, $M$ arbitrary, $P$ a transposition and a full cycle: two free "
        r"numbers are left, and $M = uI + v\mathbf{1}\mathbf{1}^\top$.",
        [*solved, free],
        [*family, 2],
    )


def _spectrum(size: int):
    """ΠW = W where 1ᵀW = 0, and E z rᵀ = λ_W G where M = c² Π."""
    W = real("W", size, 2)
    W[size - 1, :] = -sp.ones(1, size - 1) * W[: size - 1, :]
    product = lambda_w * lambda_h
    G = W * W.T
    return identity(
        f"recovering G, K = {size}",
        rf"$K = {size}$: if $\mathbf{{1}}^\top W = 0$ then $\Pi W = W$; and $\mathbb{{E}}zr^\top = "
        rf"GM/\lambda_H$ with $M = c^2\Pi$ is $\lambda_W G$.",
        [*(centring(size) * W), *(G * product * centring(size) / lambda_h)],
        [*W, *(lambda_w * G)],
    )


def _slope(size: int):
    """The Jacobian of softmax, and r·Sv = vᵀSv + a‖Sv‖² where v + a S v = r."""
    z, v = real("z", size), real("v", size)
    p = softmax(z)
    probability = simplex("p", size)
    S = covariance(probability)
    r = v + a * S * v
    pairs = sum(probability[k] * probability[l] * (v[k] - v[l]) ** 2 for k in range(size) for l in range(k))
    return identity(
        f"slope, K = {size}",
        rf"$K = {size}$: $\partial p/\partial z = S = \mathrm{{diag}}(p) - pp^\top$. So $v = dz/da$ "
        rf"satisfies $v = r - aSv$, $dp/da = Sv$, and $-\frac12\frac{{d}}{{da}}\|r\|^2 = r^\top Sv = v^\top "
        r"Sv + a\|Sv\|^2$, with $v^\top Sv = \sum_{k<l}p_kp_l(v_k - v_l)^2$.",
        [*p.jacobian(z), (r.T * S * v)[0], (v.T * S * v)[0]],
        [*covariance(p), (v.T * S * v + a * (S * v).T * (S * v))[0], pairs],
    )


def _decreasing():
    """The same quadratic form for symbolic K: two classes and n = K − 2 equal ones."""
    n, p_o = sp.symbols("n p_o", positive=True)  # n = K − 2 others; K = 2 is the matrix step above
    p_i, p_j = sp.symbols("p_i p_j", positive=True)
    v_i, v_j, v_o = sp.symbols("v_i v_j v_o", real=True)
    mean = p_i * v_i + p_j * v_j + n * p_o * v_o
    total = p_i + p_j + n * p_o
    variance = total * (p_i * v_i**2 + p_j * v_j**2 + n * p_o * v_o**2) - mean**2
    pairs = p_i * p_j * (v_i - v_j) ** 2 + n * p_o * (p_i * (v_i - v_o) ** 2 + p_j * (v_j - v_o) ** 2)
    weight = sp.Symbol("p_kl", positive=True)  # p_k p_l
    return [
        identity(
            "variance, any K",
            r"For a two-hot label the other $n = K-2$ classes share $p_o$ and $v_o$; with $p_i + p_j + np_o "
            r"= 1$: $v^\top Sv = p_ip_j(v_i - v_j)^2 + np_o\,(p_i(v_i - v_o)^2 + p_j(v_j - v_o)^2)$.",
            variance,
            pairs,
        ),
        sign("variance is not negative", r"Every term is a weight times a square.", pairs, "nonnegative"),
        sign(
            "slope",
            r"For any label and any $K$ (Hessian and variance of the theorem strong-convexity) "
            r"$\frac{d}{da}\|r\|^2 "
            r"= -2\,(\sum_{k<l}p_kp_l(v_k - v_l)^2 + a\|Sv\|^2)$: each term of it is not positive.",
            [-2 * weight * (v_i - v_j) ** 2, -2 * a * v_o**2],
            "nonpositive",
        ),
        formal(
            "strictly decreasing",
            r"$F(b) \le F(a)$ for $0 \le a < b$, with equality only where $F(a) = 0$.",
            "Roots.moment_falls_strictly",
        ),
    ]


def _two_hot():
    """F for two-hot labels, in the coordinates x_k = log(p_k/p_o)."""
    o = (x_i + x_j) / K
    p_o, z_o = o / a, -(x_i + x_j) / K
    p_i = p_o * sp.exp(x_i)
    residual = [lam - p_i, -p_o]
    only = sp.Symbol("x", positive=True)
    p_same = only / (a * K)
    return [
        identity(
            "equations of a two-hot label",
            r"Put $z_i = z_o + x_i$, $z_j = z_o + x_j$. $\sum z = 0$ gives $z_o = -(x_i + x_j)/K$, $z_o = "
            r"-ap_o$ gives $ap_o = (x_i + x_j)/K$, and $z_i = a(\lambda - p_i)$ with $p_i = p_oe^{x_i}$ is "
            r"$x_i + \frac{x_i + x_j}{K}(e^{x_i} - 1) = a\lambda$ (its mirror with $1 - \lambda$ for $j$).",
            [2 * z_o + x_i + x_j + (K - 2) * z_o, a * residual[1] - z_o, z_o + x_i - a * residual[0]],
            [0, 0, PAIR[0]],
        ),
        identity(
            "two-hot integrand",
            r"$\|r\|^2 = \|z\|^2/a^2 = (x_i^2 + x_j^2 - (x_i + x_j)^2/K)/a^2$; for $\lambda = 1$, $x_j = "
            r"0$, $x_i = x$: $x^2(1 - 1/K)/a^2$ with $x(e^x + K - 1) = aK$.",
            [
                ((z_o + x_i) ** 2 + (z_o + x_j) ** 2 + (K - 2) * z_o**2) / a**2,
                DIFFERENT.subs({x_i: x, x_j: 0}),
                K * PAIR[0].subs({x_i: only, x_j: 0, lam: 1}),
                PAIR[1].subs({x_i: only, x_j: 0, lam: 1}),
                p_same * (sp.exp(only) + K - 1) - 1,
            ],
            [
                DIFFERENT,
                SAME,
                CLASS.subs(x, only),
                0,
                CLASS.subs(x, only) / (a * K),
            ],
        ),
    ]


def settings():
    """Exchangeable laws, and mixup over K and the penalties, below and above the threshold."""
    laws = (
        mixup(1.0),
        mixup(0.2),
        mixup(5.0),
        cutmix(1.0),
        kway(1.0, 3),
        mixup(1.0, smoothing=0.1),
        onehot(),
    )
    for law in laws:
        yield joint(3, law, 1e-2, 1e-2, free_dim=2)
    for K, (lambda_w, lambda_h) in product((2, 3, 4, 6), ((5e-4, 5e-4), (1e-1, 1e-3), (0.2, 0.2))):
        yield joint(K, mixup(1.0), lambda_w, lambda_h, free_dim=2 * K)


def compare(rng) -> list[Comparison]:
    """λ_W λ_H from the derived integral at a chosen a; the shipped root must give that a and m back."""
    from ufm.model.laws import mixup
    from ufm.theory.multiplier import joint_multiplier

    rows = []
    with mp.workdps(30):
        for _ in range(5):
            alpha, classes = float(rng.uniform(0.5, 3)), int(rng.integers(2, 40))
            sharpness, decay = mp.mpf(float(10 ** rng.uniform(0, 3.5))), float(10 ** rng.uniform(-4, -1))
            moment = _moment(mp.mpf(alpha), classes, sharpness)
            product = moment / (classes - 1)
            shipped = joint_multiplier(mixup(alpha), classes, float(product / decay), decay)
            norm = mp.sqrt(NORM_SQUARED.subs({K: classes}).evalf(30, subs={a: sharpness, lambda_h: decay}))
            where = f"K={classes}, alpha={alpha:.3g}, c^2={float(product):.3g}"
            rows.append(Comparison(f"a, {where}", sharpness, shipped.sharpness))
            rows.append(Comparison(f"m, {where}", norm, shipped.value))
    return rows


def _moment(alpha, classes: int, sharpness):
    """F(a) for mixup, λ = 1/(1 + e^{−t}): trapezoid rule over t ≥ 0 by symmetry, x_i and x_j followed by Newton."""
    same = sp.lambdify((x, K, a), CLASS, "mpmath")
    root = increasing_root(partial(same, K=classes, a=sharpness), 0, sharpness * classes)
    equations = sp.Matrix(PAIR)
    system = sp.lambdify(
        (x_i, x_j, lam, K, a), [*equations, *equations.jacobian([x_i, x_j])], "mpmath", cse=True
    )
    square, edge = sp.lambdify((x_i, x_j, K, a), DIFFERENT, "mpmath"), sp.lambdify((x, K, a), SAME, "mpmath")
    step, total, mass, t = mp.mpf("0.1"), mp.mpf(0), mp.mpf(0), mp.mpf(0)
    half = sp.lambdify((x, K, a), PAIR[0].subs({x_i: x, x_j: x, lam: sp.Rational(1, 2)}), "mpmath")
    point = [increasing_root(partial(half, K=classes, a=sharpness), 0, sharpness)] * 2
    while alpha * t < 50:
        # the mirrored weight goes to 1 − λ, which keeps its own digits near the edge
        point = _newton(system, point, 1 / (1 + mp.exp(-t)), classes, sharpness)
        weight = (mp.exp(-t) / (1 + mp.exp(-t)) ** 2) ** alpha * (1 if t == 0 else 2)
        total += weight * square(*point, classes, sharpness)
        mass += weight
        t += step
    return edge(root, classes, sharpness) / classes + (1 - mp.mpf(1) / classes) * total / mass


def _newton(system, point, mix, classes, sharpness):
    for _ in range(60):
        f_i, f_j, ii, ij, ji, jj = system(*point, mix, classes, sharpness)
        determinant = ii * jj - ij * ji
        move = ((f_i * jj - f_j * ij) / determinant, (f_j * ii - f_i * ji) / determinant)
        point = [point[0] - move[0], point[1] - move[1]]
        if abs(move[0]) + abs(move[1]) < mp.mpf(10) ** -22 * (1 + abs(point[0])):
            return point
    raise InputError("Newton did not converge")
