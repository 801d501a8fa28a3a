r"""Ordered classes with one score z = w·h and thresholds θ₁ < … < θ_{K−1}, one-hot labels of any weights q.

    min_z Σ q_k ℓ_k(z_k) + c s,  s = √(Σ q_k z_k²),   ℓ_k(z) = −log(σ(θ_k − z) − σ(θ_{k−1} − z)),
    1 − σ(θ_k − z_k) − σ(θ_{k−1} − z_k) = −c z_k/s;      z = 0 iff Σ q_k ℓ_k'(0)² ≤ c².

Idea: one score makes the nuclear norm a length, so that the problem is convex in z itself; each score follows from
s alone, and what they say of s has one root.
"""

import mpmath as mp
import sympy as sp

from proofs.engine.step import Comparison, Derivation, argued, identity, limit, sign
from proofs.tools.settings import shaped
from ufm.model.laws import LabelLaw, onehot

z, a, b = sp.symbols("z theta_- theta_+", real=True)
c, s, q, lambda_w, lambda_h, width = sp.symbols("c s q lambda_W lambda_H delta", positive=True)


def sigma(t):
    """The logistic function."""
    return 1 / (1 + sp.exp(-t))


LOSS = -sp.log(sigma(b - z) - sigma(a - z))
SLOPE = 1 - sigma(b - z) - sigma(a - z)


def derive() -> Derivation:
    """The loss and its slope, the price of scores, the one root, zero, and the certificate."""
    return Derivation("ordinal", [*_of_the_loss(), *_of_the_problem()], sp.Eq(SLOPE, -c * z / s), compare)


def _of_the_loss():
    """ℓ, ℓ' and ℓ'' of inner and outer classes."""
    return [
        identity(
            "three factors",
            r"$\sigma(\theta_+ - z) - \sigma(\theta_- - z) = \sigma(\theta_+ - z)\,\sigma(z - \theta_-)\,"
            r"(1 - e^{\theta_- - \theta_+})$.",
            sigma(b - z) - sigma(a - z),
            sigma(b - z) * sigma(z - a) * (1 - sp.exp(a - b)),
        ),
        identity(
            "slope",
            r"$\ell' = 1 - \sigma(\theta_+ - z) - \sigma(\theta_- - z)$, of the first and the last class too "
            r"($\theta_- = -\infty$, $\theta_+ = \infty$).",
            [
                sp.diff(LOSS, z),
                sp.diff(-sp.log(sigma(b - z)), z),
                sp.diff(-sp.log(1 - sigma(a - z)), z),
            ],
            [
                SLOPE,
                SLOPE + sigma(a - z),
                SLOPE - 1 + sigma(b - z),
            ],
        ),
        sign(
            "convex",
            r"$\ell'' = \sigma(1-\sigma)(\theta_+ - z) + \sigma(1-\sigma)(\theta_- - z) > 0$, each term by itself.",
            [sp.simplify(sp.diff(-sigma(b - z), z)), sp.simplify(sp.diff(-sigma(a - z), z))],
            "positive",
        ),
        sign(
            "bounded",
            r"$-1 < \ell' < 1$: $1 + \ell' = (1 - \sigma(\theta_+ - z)) + (1 - \sigma(\theta_- - z))$ "
            r"and $1 - \ell' = "
            r"\sigma(\theta_+ - z) + \sigma(\theta_- - z)$.",
            [sp.simplify(1 - sigma(b - z)), sp.simplify(1 - sigma(a - z)), sigma(b - z) + sigma(a - z)],
            "positive",
        ),
        identity(
            "midway",
            r"$\ell' = 0$ midway between two thresholds; there $\ell = -\log\tanh(\delta/4)$, $\delta = \theta_+ - "
            r"\theta_-$.",
            [SLOPE.subs({z: (a + b) / 2}), (sp.exp(-LOSS)).subs({a: -width / 2, b: width / 2, z: 0})],
            [0, (sp.exp(width / 2) - 1) / (sp.exp(width / 2) + 1)],
        ),
    ]


def _of_the_problem():
    """Price, the root, zero, the certificate, and two classes."""
    size, curvature, share = sp.symbols("alpha ell'' tau", positive=True)
    score, slope = sp.symbols("z_k ell'_k", real=True)
    moves = c * z / (s * (curvature * s + c))  # dz/ds
    two = sp.log(1 / c - 1)
    return [
        identity(
            "price",
            r"$w = \alpha e$, $h_k = (z_k/\alpha)e$: the penalties are $cs + \frac12(\sqrt{\lambda_W}\alpha - "
            r"\sqrt{\lambda_H}s/\alpha)^2$, at best $cs$.",
            lambda_w * size**2 / 2 + lambda_h * s**2 / size**2 / 2,
            sp.sqrt(lambda_w * lambda_h) * s
            + (sp.sqrt(lambda_w) * size - sp.sqrt(lambda_h) * s / size) ** 2 / 2,
        ),
        argued(
            "one line",
            r"$s^2 = \mathbb{E}(w\cdot h)^2 \le \|w\|^2\,\mathbb{E}\|h\|^2$, so no features of any "
            r"dimension pay less "
            r"than $cs$. The problem in $z$ is strictly convex (a sum of the $\ell_k$ and a norm) and "
            r"has a minimum: "
            r"it grows at least like $cs$.",
        ),
        identity(
            "condition",
            r"$s > 0$: $\frac{\partial}{\partial z_k} = q_k(\ell_k' + cz_k/s)$ (shown for the norm, two classes).",
            [sp.diff(c * sp.sqrt(q * z**2 + (1 - q) * score**2), one) for one in (z, score)],
            [
                weight * c * one / sp.sqrt(q * z**2 + (1 - q) * score**2)
                for weight, one in ((q, z), (1 - q, score))
            ],
        ),
        identity(
            "how a score moves",
            r"$\ell_k'(z) + cz/s = 0$ along $s$: $\frac{dz}{ds}(\ell'' + \frac cs) = \frac{cz}{s^2}$, and "
            r"$\frac{d}{ds}\frac zs = -\frac{z\ell''}{s(\ell''s + c)}$.",
            [moves * (curvature + c / s) - c * z / s**2, moves / s - z / s**2],
            [0, -z * curvature / (s * (curvature * s + c))],
        ),
        sign(
            "one root",
            r"So $\sum_kq_k(z_k/s)^2$ falls: $\frac{d}{ds}(z/s)^2 = -\frac{2(z/s)^2\ell''}{\ell''s + "
            r"c} < 0$ ($\tau = "
            r"|z/s|$). It is one at one $s$ at most.",
            (2 * (z / s) * (moves / s - z / s**2)).subs(z, share * s),
            "negative",
        ),
        argued(
            "where the root is",
            r"As $s \to 0$ the scores vanish and $z_k/s \to -\ell_k'(0)/c$; as $s \to \infty$, $z_k/s \to 0$ "
            r"($|z| \to \infty$ else, where $\ell'$ vanishes or has the sign of $z$, and $-cz/s$ does "
            r"neither). So there "
            r"is a root iff "
            r"$\sum_kq_k\ell_k'(0)^2 > c^2$.",
        ),
        argued(
            "zero",
            r"$\sum_kq_k\ell_k(z_k) \ge \sum_kq_k\ell_k(0) + \sum_kq_k\ell_k'(0)z_k \ge \sum_kq_k\ell_k(0) - "
            r"s\sqrt{\sum_kq_k\ell_k'(0)^2}$ (convex; Cauchy and Schwarz): zero is the optimum if that root is at "
            r"most $c$. If it is more, $L$ falls from zero along $z_k = -\varepsilon\ell_k'(0)$.",
        ),
        identity(
            "certificate",
            r"Tangents at $z_k$: $\mathbb{E}\,\ell' z' \ge -s'\sqrt{\mathbb{E}\,\ell'^2} = -cs'$ for all $z'$; of "
            r"$\ell' = -cz/s$, $-\mathbb{E}\,\ell'z = cs$ and $\mathbb{E}\,\ell'^2 = c^2$: the bound "
            r"is the objective.",
            [
                (-slope * z).subs(slope, -c * z / s).subs(z**2, s**2),
                (slope**2).subs(slope, -c * z / s).subs(z**2, s**2),
            ],
            [c * s, c**2],
        ),
        identity(
            "two classes",
            r"$K = 2$, $\theta = 0$, equal weights: $z = \mp\log(\frac1c - 1)$, zero from $c = \frac12$ on.",
            [1 - sigma(two), two.subs(c, sp.Rational(1, 2))],
            [c, 0],
        ),
        limit(
            "the outer classes",
            r"The first class loses nothing as $z \to -\infty$.",
            sp.log(1 + sp.exp(-z)),
            z,
            sp.oo,
            0,
        ),
    ]


def settings():
    """The check value; two classes; unequal distances; at, next to and beyond the threshold of zero; d > 1."""
    uneven = LabelLaw("onehot", class_weights=(0.1, 0.4, 0.3, 0.2))
    for decay, other, dim in ((0.02, 0.03, 1), (1e-4, 1e-3, 2), (0.5, 0.7, 4)):
        yield shaped("ordinal", (-1.0, 0.5, 2.0), 4, uneven, decay, other, free_dim=dim)
    for decay in (0.1, 0.495, 0.5, 0.505):
        yield shaped("ordinal", (0.0,), 2, onehot(), decay, decay, free_dim=1)
    yield shaped("ordinal", (-3.0, 0.001), 3, onehot(), 0.05, 0.05, free_dim=2)
    rare = LabelLaw("onehot", class_weights=(0.9, 0.09, 0.01))
    yield shaped("ordinal", (5.0, 5.5), 3, rare, 0.01, 0.01, free_dim=3)


def compare(rng) -> list[Comparison]:
    """Scores and s at 50 digits by Newton's method on all conditions at once, beside the shipped ones."""
    from ufm.theory.variants.losses import ordinal_optimum

    rows: list[Comparison] = []
    with mp.workdps(50):
        for _ in range(6):
            size = int(rng.integers(2, 6))
            thresholds = [float(one) for one in rng.uniform(-2, 0.5) + rng.uniform(0.3, 2, size - 1).cumsum()]
            weights, decay = rng.dirichlet([5.0] * size), float(10 ** rng.uniform(-4, -2))
            found = ordinal_optimum(weights, thresholds, decay, decay)
            rows += _compared(thresholds, weights, decay, found)
    return rows


def _compared(thresholds, weights, decay, found) -> list[Comparison]:
    ends = [-mp.inf, *map(mp.mpf, thresholds), mp.inf]
    q = [mp.mpf(float(one)) for one in weights]
    slope, loss = (sp.lambdify((z, a, b), form, "mpmath") for form in (SLOPE, LOSS))

    def conditions(*x):
        *scores, length = x
        rest = [slope(one, *ends[k : k + 2]) + decay * one / length for k, one in enumerate(scores)]
        return [*rest, mp.fsum(w * one**2 for w, one in zip(q, scores)) - length**2]

    start = [mp.mpf(float(one)) for one in (*found.scores, found.size)]
    *scores, length = mp.findroot(conditions, start)
    fit = mp.fsum(w * loss(one, *ends[k : k + 2]) for k, (w, one) in enumerate(zip(q, scores)))
    where = f"K={len(q)}, c={decay:.2g}"
    return [
        Comparison(f"s, {where}", length, found.size),
        Comparison(f"L, {where}", fit + decay * length, found.objective),
    ]
