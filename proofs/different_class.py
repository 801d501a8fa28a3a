"""Different-class mixtures: h = (x_i w_i + x_j w_j)/g, and one real parameter describes the whole channel.

Take y = λ e_i + (1−λ) e_j, i ≠ j, K ≥ 3. The other classes have equal labels, so equal
probabilities p_o, and x_k = log(p_k/p_o) vanishes except for i and j. The fixed point z = a (y − p)
of the soft-label theorem becomes two equations,

    x_i + ((x_i + x_j)/K)(e^{x_i} − 1) = a λ,    x_j + ((x_i + x_j)/K)(e^{x_j} − 1) = a (1−λ),

since x_i + x_j = a K p_o. In the coordinates s = (x_i + x_j)/2 along the channel and D = x_i − x_j
across it their sum is free of λ, 2s(1 − 2/K) + (4s/K) e^s cosh(D/2) = a, and gives s for every D;
their difference then gives λ, which increases with D.
"""

import mpmath as mp
import sympy as sp

from proofs.engine.step import Comparison, Derivation, formal, identity, limit, sign
from proofs.tools.frame import simplex_rows, softmax
from proofs.tools.roots import DIGITS, increasing_root
from proofs.tools.settings import two_hot

K = sp.Symbol("K", positive=True)
m, a, g, s = sp.symbols("m a g s", positive=True)
x_i, x_j, p_o = sp.symbols("x_i x_j p_o", positive=True)
lam = sp.Symbol("lambda", positive=True)
D = sp.Symbol("D", real=True)
MORE = sp.Symbol("n", positive=True)  # K = 2 + n: three classes or more

ALONG = 2 * s * (1 - 2 / K) + (4 * s / K) * sp.exp(s) * sp.cosh(D / 2)  # equals a
LABEL = s + D / 2 + (2 * s / K) * (sp.exp(s + D / 2) - 1)  # equals a λ
SYMBOLS = (s, D, K, a)
DISTANCE = sp.acosh(K * sp.exp(-s) * (a - 2 * s * (1 - 2 / K)) / (4 * s)) * 2  # |D| for given s


def derive() -> Derivation:
    """The two equations, their sum and difference, uniqueness, channel coordinates, full matrices."""
    return Derivation(
        "different-class",
        _equations() + _along() + _across() + _channel() + [_matrices(size) for size in (3, 4)],
        sp.Eq(ALONG, a),
        compare,
    )


def _equations() -> list:
    p_i, p_j = p_o * sp.exp(x_i), p_o * sp.exp(x_j)
    others = 1 - (K - 2) * p_o
    mean = (x_i + x_j) / K
    wide = sp.symbols("x_i x_j", real=True)
    share = sum(wide) / K
    return [
        formal(
            "equal others",
            "The optimal prediction gives one probability to all classes other than $i$ and $j$.",
            "Pair.pair_others_equal",
        ),
        identity(
            "sum",
            r"$x_k = z_k - z_o = a(y_k - p_k + p_o)$ for $k = i, j$. With $p_i + p_j = 1 - (K-2)p_o$ the sum "
            r"is $x_i + x_j = a(1 - p_i - p_j + 2p_o) = a K p_o$.",
            a * (1 - others + 2 * p_o),
            a * K * p_o,
        ),
        identity(
            "first equation",
            r"$x_i = a(\lambda - p_i + p_o)$ and $a p_o = (x_i+x_j)/K$ give "
            r"$x_i + \frac{x_i+x_j}{K}(e^{x_i} - 1) = a\lambda$; the mirror image has $x_j$ and $1-\lambda$.",
            (x_i - a * (lam - p_i + p_o)).subs(p_o, mean / a),
            x_i + mean * (sp.exp(x_i) - 1) - a * lam,
        ),
        identity(
            "second equation",
            r"$x_j + \frac{x_i+x_j}{K}(e^{x_j} - 1) = a(1-\lambda)$.",
            (x_j - a * (1 - lam - p_j + p_o)).subs(p_o, mean / a),
            x_j + mean * (sp.exp(x_j) - 1) - a * (1 - lam),
        ),
        identity(
            "normalisation",
            r"Conversely the two equations imply $p_i + p_j + (K-2)p_o = 1$ for $p_o = (x_i+x_j)/(aK)$, "
            r"$p_i = p_o e^{x_i}$, $p_j = p_o e^{x_j}$, so nothing is lost.",
            (x_i + mean * (sp.exp(x_i) - 1)) + (x_j + mean * (sp.exp(x_j) - 1)) - a,
            a * ((p_i + p_j + (K - 2) * p_o).subs(p_o, mean / a) - 1),
        ),
        identity(
            "one solution",
            r"The sum of the two left sides is $(x_i + x_j)\left(1 + \frac{e^{x_i} + e^{x_j} - 2}{K}\right)$ for "
            r"any real $x_i, x_j$ …",
            (wide[0] + share * (sp.exp(wide[0]) - 1)) + (wide[1] + share * (sp.exp(wide[1]) - 1)),
            sum(wide) * (1 + (sp.exp(wide[0]) + sp.exp(wide[1]) - 2) / K),
        ),
        sign(
            "positive sum",
            r"… with a positive bracket for $K = 2 + n$, so the sum being $a$ means $x_i + x_j > 0$: every real "
            r"solution gives positive $p_i, p_j, p_o$ of sum one.",
            (1 + (sp.exp(wide[0]) + sp.exp(wide[1]) - 2) / K).subs(K, 2 + MORE),
            "positive",
        ),
        formal(
            "the solution is the optimum",
            r"A real solution of the two equations makes $h = \frac1g(x_iw_i + x_jw_j)$ cost less than "
            r"any other point ($K \ge 2$).",
            "Pair.pair_optimum",
        ),
        formal(
            "exactly one solution",
            r"For $K \ge 3$ the two equations have exactly one real solution, for every $\lambda$.",
            "Pair.pair_root",
        ),
        identity(
            "feature",
            r"By the soft-label theorem $h = \sum_k (x_k/g) w_k = (x_i w_i + x_j w_j)/g$, as the other $x_k$ "
            r"vanish: $(y_k - p_k)/\lambda_H = (x_k - a p_o)/g$ for $k = i$, and $-a p_o/g$ for the others; "
            r"the common part drops out of $W^\top$.",
            (lam - p_i) / (g / a) + a * p_o / g,
            a * (lam - p_i + p_o) / g,
        ),
    ]


def _along() -> list:
    mean_logit = sp.sqrt(p_o * sp.exp(x_i) * p_o * sp.exp(x_j)).subs({x_i: s + D / 2, x_j: s - D / 2})
    both = sum(LABEL.subs(D, side) for side in (D, -D))
    first = x_i + (x_i + x_j) / K * (sp.exp(x_i) - 1)
    return [
        identity(
            "s by Lambert's W",
            r"With $s = (x_i+x_j)/2 = aKp_o/2$: $\frac{aK}{2}\sqrt{p_i p_j} = \frac{aK}{2} p_o e^{s} = s "
            r"e^s$, hence $s = W_0\!\left(\frac{aK}{2}\sqrt{p_i p_j}\right)$.",
            a * K / 2 * mean_logit.subs(p_o, 2 * s / (a * K)),
            s * sp.exp(s),
        ),
        identity(
            "parametrisation",
            r"With $x_i = s + D/2$, $x_j = s - D/2$ the first equation is $s + \frac D2 + \frac{2s}{K}(e^{s + D/2} "
            r"- 1) = a\lambda$; the sum of both is $2s(1 - 2/K) + \frac{4s}{K} e^s \cosh(D/2) = a$.",
            [first.subs({x_i: s + D / 2, x_j: s - D / 2}, simultaneous=True), both.rewrite(sp.exp)],
            [LABEL, ALONG.rewrite(sp.exp)],
        ),
        sign(
            "s increases the sum",
            r"For $K = 2 + n$ the left side increases in $s > 0$ …",
            sp.diff(ALONG, s).subs(K, 2 + MORE),
            "positive",
        ),
        limit("s from zero", r"… from $0$ …", ALONG, s, 0, 0),
        limit(
            "s to infinity",
            r"… to $\infty$, at $D = 0$ and so for every $D$, as $\cosh \ge 1$: every $D$ has exactly one $s(D)$.",
            ALONG.subs({K: 2 + MORE, D: 0}),
            s,
            sp.oo,
            sp.oo,
        ),
        identity(
            "D for given s",
            r"Solved for $D$: $\cosh(D/2) = K e^{-s}\,(a - 2s(1-2/K))/(4s)$, real where that is at least one.",
            ALONG.subs(sp.cosh(D / 2), sp.cosh(DISTANCE / 2)),
            a,
        ),
    ]


def _across() -> list:
    weight = sp.Function("A")(D)  # a (p_i + p_j)
    width = sp.Symbol("D", positive=True)
    slope = -sp.diff(ALONG, D) / sp.diff(ALONG, s)
    mass, growth = sp.symbols("A c", positive=True)
    rising = sp.diff(D + weight * sp.tanh(D / 2), D)
    x = sp.Symbol("x", positive=True)
    edge = {s: x / 2, D: x}
    return [
        identity(
            "difference",
            r"The difference: $D + \frac{4s}{K} e^s \sinh(D/2) = a(2\lambda - 1)$.",
            (LABEL - LABEL.subs(D, -D)).rewrite(sp.exp),
            (D + 4 * s / K * sp.exp(s) * sp.sinh(D / 2)).rewrite(sp.exp),
        ),
        identity(
            "D's own equation",
            r"Put the parametrisation in: $D + A\tanh(D/2) = a(2\lambda - 1)$ with "
            r"$A = a - 2s(1 - 2/K)$, which is $a(p_i + p_j)$.",
            (4 * s / K * sp.exp(s) * sp.sinh(D / 2)).rewrite(sp.exp),
            ((ALONG - 2 * s * (1 - 2 / K)) * sp.tanh(D / 2)).rewrite(sp.exp),
        ),
        identity(
            "mass of the pair",
            r"$a - 2s(1-2/K) = a(1 - (K-2)p_o)$, since $p_o = 2s/(aK)$.",
            a - 2 * s * (1 - 2 / K),
            (a * (1 - (K - 2) * p_o)).subs(p_o, 2 * s / (a * K)),
        ),
        sign(
            "s decreases with |D|",
            r"$ds/dD < 0$ for $D > 0$ and $K = 2 + n$, by implicit differentiation of the parametrisation; so "
            r"$A$ increases with $D > 0$.",
            slope.subs({D: width, K: 2 + MORE}),
            "negative",
        ),
        identity(
            "slope of the label",
            r"$\frac{d}{dD}\left[D + A\tanh(D/2)\right] = 1 + A'\tanh(D/2) + "
            r"\frac{A}{2}\operatorname{sech}^2(D/2)$ …",
            rising,
            1 + sp.diff(weight, D) * sp.tanh(D / 2) + weight / 2 * (1 - sp.tanh(D / 2) ** 2),
        ),
        sign(
            "one D for each label",
            r"… is positive for $D > 0$, where $A > 0$ and $A' = c > 0$, by symmetry for $D < 0$, and at $D = 0$, "
            r"where it is $1 + A/2$: $\lambda$ and $D$ determine each other.",
            rising.subs(sp.diff(weight, D), growth).subs(weight, mass).subs(D, width).rewrite(sp.sech),
            "positive",
        ),
        identity(
            "swap",
            r"$D \to -D$ keeps $s$ and turns $a\lambda$ into $a - a\lambda$: exchanging $\lambda$ and "
            r"$1-\lambda$ exchanges $x_i$ and $x_j$.",
            (ALONG - LABEL).rewrite(sp.exp),
            LABEL.subs(D, -D).rewrite(sp.exp),
        ),
        identity(
            "the ends",
            r"At $s = x/2$, $D = x$ the equations read $a(1-\lambda) = 0$ and $x(e^x + K - 1) = aK$: at "
            r"$\lambda = 1$ the channel starts at the same-class feature, so $D$ runs through $[-x, x]$.",
            [LABEL.subs(D, -D).subs(edge), K * ALONG.rewrite(sp.exp).subs(edge)],
            [0, x * (sp.exp(x) + K - 1)],
        ),
    ]


def _channel() -> list:
    gain = m**2 * K / (K - 1)
    norm, inner = g * (1 - 1 / K), -g / K  # ‖w_i‖², w_i · w_j
    scale = (K - 1) / (K * m)
    return [
        identity(
            "two directions",
            r"$x_i w_i + x_j w_j = s\,(w_i + w_j) + \frac{D}{2}(w_i - w_j)$, along two directions that are "
            r"orthogonal because $\|w_i\| = \|w_j\|$.",
            [(x_i + x_j) / 2 + (x_i - x_j) / 2, (x_i + x_j) / 2 - (x_i - x_j) / 2],
            [x_i, x_j],
        ),
        identity(
            "length along the channel",
            r"$\|w_i + w_j\|^2 = 2g(1 - 2/K)$ with $g = m^2K/(K-1)$: along $w_i + w_j$ the feature has length "
            r"$s\,\frac{K-1}{Km}\sqrt{2(K-2)/(K-1)}$ (the step compares squares).",
            ((s / g) ** 2 * (2 * norm + 2 * inner)).subs(g, gain),
            s**2 * scale**2 * 2 * (K - 2) / (K - 1),
        ),
        identity(
            "length across the channel",
            r"$\|w_i - w_j\|^2 = 2g$: across, along $w_i - w_j$, it has length "
            r"$\frac{D}{2}\,\frac{K-1}{Km}\sqrt{2K/(K-1)}$.",
            ((D / 2 / g) ** 2 * (2 * norm - 2 * inner)).subs(g, gain),
            (D / 2) ** 2 * scale**2 * 2 * K / (K - 1),
        ),
        sign(
            "unique coefficients",
            r"The Gram determinant of $w_i, w_j$ is $g^2(1 - 2/K) > 0$ for $K = 2 + n$: the coefficients of "
            r"$h$ are unique for $K \ge 3$ …",
            (norm**2 - inner**2).subs(K, 2 + MORE),
            "positive",
        ),
        identity(
            "two classes",
            r"… and it vanishes at $K = 2$, where only $x_i - x_j$ means anything.",
            (norm**2 - inner**2).subs(K, 2),
        ),
    ]


def _matrices(size: int):
    """The gradient written out for free x_i, x_j; a and λ follow from the two equations."""
    W = simplex_rows(size, g)
    mean = (x_i + x_j) / size
    right = [x + mean * (sp.exp(x) - 1) for x in (x_i, x_j)]
    sharpness = sum(right)
    y = sp.Matrix([right[0] / sharpness, right[1] / sharpness, *[0] * (size - 2)])
    h = W.T * sp.Matrix([x_i, x_j, *[0] * (size - 2)]) / g
    gradient = W.T * (softmax(W * h) - y) + g / sharpness * h
    sides = [W.row(0) + W.row(1), W.row(0) - W.row(1)]
    parts = [(side * h)[0] for side in sides]
    claimed = [c / g * (side * side.T)[0] for c, side in zip([(x_i + x_j) / 2, (x_i - x_j) / 2], sides)]
    return identity(
        f"matrices, K = {size}",
        rf"For $K = {size}$ and any $x_i, x_j$, with $a$ and $\lambda$ from the two equations, the gradient "
        rf"written out "
        r"vanishes at $h = (x_i w_i + x_j w_j)/g$, whose components along $w_i \pm w_j$ are $(x_i+x_j)/2$ and "
        r"$(x_i-x_j)/2$ times $\|w_i \pm w_j\|/g$.",
        [*gradient, *parts],
        [*[0] * (size - 1), *claimed],
    )


def settings():
    """λ at and next to 0, ½ and 1, K ≥ 3."""
    return two_hot((3, 10, 100))


def compare(rng) -> list[Comparison]:
    """x_i, x_j and D from the parametrisation, s by bisection at 40 digits, beside the shipped ones."""
    import jax

    from ufm.theory.features import two_hot_optimum

    shipped = jax.jit(two_hot_optimum)
    rows = []
    for _ in range(20):
        classes, sharpness = int(10 ** rng.uniform(0.48, 4)), float(10 ** rng.uniform(-3, 8))
        mix = float(rng.uniform(0.001, 0.999))
        along, across = solve(classes, sharpness, mix)
        found = shipped(mix, sharpness, float(classes))
        where = f"K={classes}, a={sharpness:.3g}, lambda={mix:.3f}"
        rows += [
            Comparison(f"{where}: x_i", along + across / 2, float(found.x_i)),
            Comparison(f"{where}: x_j", along - across / 2, float(found.x_j)),
            Comparison(f"{where}: D", across, float(found.gap)),
        ]
    return rows


def solve(classes: int, sharpness, mix, digits: int = DIGITS):
    """(s, D) at λ = mix, for K ≥ 3: the label falls as s rises from x/2, where λ is 0 or 1, to D = 0."""
    along, distance, label = (sp.lambdify(SYMBOLS, e, "mpmath") for e in (ALONG, DISTANCE, LABEL))
    with mp.workdps(digits + 20):
        sharp, mix = mp.mpf(sharpness), mp.mpf(mix)

        def total(s, D):
            return along(s, D, classes, sharp) - sharp

        def across(s):
            return mp.re(distance(s, 0, classes, sharp))

        largest = max(mix, 1 - mix)
        top = increasing_root(lambda s: total(s, 0), 0, sharp * classes, digits)
        bottom = increasing_root(lambda s: total(s, 2 * s), 0, top, digits)
        middle = increasing_root(
            lambda s: sharp * largest - label(s, across(s), classes, sharp), bottom, top, digits
        )
        return middle, across(middle) if mix > 0.5 else -across(middle)
