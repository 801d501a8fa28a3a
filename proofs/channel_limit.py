"""The limit λ_H → 0: along the channel the feature diverges like log a, across it tends to logit λ.

Keep the multiplier m, the mixing weight λ ∈ (0, 1) and K ≥ 3, and let λ_H → 0, that is a → ∞. The
excess logits grow like log a only, so y − p = z/a → 0 and D = log(p_i/p_j) → L = logit λ, free of
λ_H; while s = W₀((aK/2)√(p_i p_j)) diverges like s₀ = W₀((aK/2)√(λ(1−λ))). Expanding log(p_i/p_j)
in 1/a gives the first correction,

    D = L + [(1 − 2/K)(2λ − 1) s₀ − L/2] / (a λ(1−λ)) + O((log a)²/a²).
"""

from itertools import product

import mpmath as mp
import numpy as np
import sympy as sp

from proofs.different_class import solve
from proofs.engine.step import (
    Comparison,
    Derivation,
    argued,
    exactly,
    formal,
    identity,
    limit,
    series_order,
    sign,
)
from proofs.tools.order import measured_order
from proofs.tools.roots import DIGITS, increasing_root
from ufm.model.problem import Problem
from ufm.theory.theorems.theorem import Setting

K, a, m, s, w, x, ridge = sp.symbols("K a m s w x lambda_H", positive=True)
lam, rest, eps, sigma = sp.symbols("lambda mu epsilon sigma", positive=True)  # μ = 1 − λ, ε = 1/a
D, L = sp.symbols("D L", real=True)
MORE = sp.Symbol("n", positive=True)  # K = 2 + n
P_I = lam - eps * (sigma + D / 2)  # with σ = s (1 − 2/K)
P_J = rest - eps * (sigma - D / 2)
CORRECTION = ((1 - 2 / K) * (2 * lam - 1) * s - L / 2) / (a * lam * (1 - lam))
BOUND = -sp.log(1 - x / (a * lam)) - sp.log(1 - x / (a * rest))  # B, x the same-class root
SHIFT = -s / (1 + s) * ((1 - 2 / K) * s - (2 * lam - 1) * L / 2) / (2 * a * lam * (1 - lam))  # s − s₀


def derive() -> Derivation:
    """What diverges and how fast, the limit of D, its first correction, the displacement across."""
    steps = _bound() + _sizes() + _expansion() + _lengths()
    return Derivation("channel-limit", steps, sp.Le(sp.Abs(D - L), BOUND), compare, 0.05)


def _bound() -> list:
    """|D − logit λ| ≤ B for every a with x < a min(λ, 1−λ), x the same-class root."""
    z_i, z_j = sp.symbols("z_i z_j", real=True)
    share = sp.Symbol("u", real=True)
    return [
        identity(
            "log-ratio",
            r"$p_i = \lambda - z_i/a$ and $p_j = \mu - z_j/a$ ($\mu = 1 - \lambda$, theorem calibration): "
            r"$p_i/p_j = \frac\lambda\mu \cdot \frac{1 - z_i/(a\lambda)}{1 - z_j/(a\mu)}$, so $D - L = \log(1 - "
            r"\frac{z_i}{a\lambda}) - \log(1 - \frac{z_j}{a\mu})$.",
            (lam - z_i / a) / (rest - z_j / a),
            lam / rest * (1 - z_i / (a * lam)) / (1 - z_j / (a * rest)),
        ),
        identity(
            "same class",
            r"The same-class root, $x(e^x + K - 1) = aK$, is $x + \frac xK(e^x - 1) = a$.",
            K * (x + x / K * (sp.exp(x) - 1)),
            x * (sp.exp(x) + K - 1),
        ),
        formal(
            "no logit exceeds the same-class one",
            r"$0 \le x_i, x_j \le x$, the same-class root, and centred, $|z_i|, |z_j| \le x$ too.",
            "Signs.pair_below_same_class",
        ),
        identity(
            "logarithms",
            r"$\frac{1}{1 - |u|} - (1 + |u|) = \frac{u^2}{1 - |u|} \ge 0$: $|\log(1 - u)| \le -\log(1 - |u|)$ for "
            r"$|u| < 1$.",
            1 / (1 - sp.Abs(share)) - (1 + sp.Abs(share)),
            share**2 / (1 - sp.Abs(share)),
        ),
        argued(
            "bound",
            r"Hypotheses: $0 < \lambda < 1$ and $x < a\min(\lambda, \mu)$ (else $B = \infty$ and nothing is said). "
            r"Together $|\log(p_i/\lambda)| \le -\log(1 - \frac{x}{a\lambda})$ and its mirror: $|D - L| \le B$, "
            r"and $|s - s_0| \le \frac12|\log\frac{p_ip_j}{\lambda\mu}| \le \frac B2$, as $s = "
            r"W_0(\frac{aK}2\sqrt{p_ip_j})$ (theorem different-class), by the slope of $W_0(e^u)$ below.",
        ),
        identity(
            "same-class share",
            r"$x/a = K/(e^x + K - 1)$ by the same-class equation …",
            x / (x * (sp.exp(x) + K - 1) / K),
            K / (sp.exp(x) + K - 1),
        ),
        limit(
            "share vanishes",
            r"… which tends to $0$ as $x \to \infty$, that is as $a \to \infty$ …",
            K / (sp.exp(x) + K - 1),
            x,
            sp.oo,
            0,
        ),
        limit(
            "bound vanishes",
            r"… and with $x/a = \epsilon \to 0$ the bound $B$ tends to $0$, for every fixed $\lambda \in (0, 1)$.",
            BOUND.subs(x, a * eps),
            eps,
            0,
            0,
        ),
    ]


def _sizes() -> list:
    top = 2 * s * (1 - 2 / K) + 4 * s / K * sp.exp(s)
    omega = sp.LambertW(sp.exp(x))
    return [
        limit(
            "sharpness",
            r"$a = m^2K/((K-1)\lambda_H) \to \infty$ as $\lambda_H \to 0$.",
            (m**2 * K / ((K - 1) * ridge)).subs(K, 2 + MORE),
            ridge,
            0,
            sp.oo,
        ),
        identity(
            "deficits",
            r"$a(\lambda - p_i) = x_i - ap_o = s + D/2 - 2s/K$: $p_i = \lambda - (\sigma + D/2)/a$ with "
            r"$\sigma = s(1 - 2/K)$, and $p_j = 1 - \lambda - (\sigma - D/2)/a$.",
            [(s + D / 2) - 2 * s / K, (s - D / 2) - 2 * s / K],
            [s * (1 - 2 / K) + D / 2, s * (1 - 2 / K) - D / 2],
        ),
        limit(
            "deficits vanish",
            r"$s$ is largest at $D = 0$, where $a = 2s(1-2/K) + \frac{4s}{K}e^s$, so $s/a \to 0$ as $a \to "
            r"\infty$ …",
            (s / top).subs(K, 2 + MORE),
            s,
            sp.oo,
            0,
        ),
        argued(
            "probabilities",
            r"… and $|D| \le 2s$, because $x_i, x_j \ge 0$. Both deficits are at most $2s/a$, so $p_i \to "
            r"\lambda$ and $p_j \to 1 - \lambda$, uniformly in $\lambda \in [0, 1]$. Then $se^s = "
            r"\frac{aK}{2}\sqrt{p_ip_j} \to \infty$ for $\lambda \in (0, 1)$: $s$ diverges.",
        ),
        sign(
            "slope of log-Lambert",
            r"$u \mapsto W_0(e^u)$ has the slope $W_0/(1 + W_0) < 1$, so $|s - s_0| \le \frac12|\log p_ip_j - "
            r"\log\lambda(1-\lambda)| \to 0$ with $s_0 = W_0(\frac{aK}{2}\sqrt{\lambda(1-\lambda)})$.",
            1 - sp.diff(omega, x).subs(omega, w),
            "positive",
        ),
        limit(
            "logarithmic divergence",
            r"$s_0$ solves $w + \log w = \log a + \mathrm{const}$, and $w/(w + \log w) \to 1$: $s \sim \log "
            r"a$.",
            w / (w + sp.log(w)),
            w,
            sp.oo,
            1,
        ),
    ]


def _expansion() -> list:
    first = -(sigma + D / 2) / lam + (sigma - D / 2) / rest
    product = -(sigma + D / 2) / lam - (sigma - D / 2) / rest
    return [
        series_order(
            "expansion of D",
            r"$D = \log(p_i/p_j)$ with the deficits, in $\epsilon = 1/a$ and with $\mu = 1-\lambda$: the "
            r"limit is $\operatorname{logit}\lambda = \log(\lambda/\mu)$, the coefficient of $\epsilon$ is "
            r"$-\frac{\sigma + D/2}{\lambda} + \frac{\sigma - D/2}{\mu}$.",
            sp.log(P_I / P_J),
            eps,
            0,
            {0: sp.log(lam / rest), 1: first},
        ),
        identity(
            "first correction",
            r"With $\mu = 1 - \lambda$, and $D$ replaced by its limit $L$, the coefficient is "
            r"$\frac{(1-2/K)(2\lambda-1)s - L/2}{\lambda(1-\lambda)}$.",
            first.subs({rest: 1 - lam, sigma: s * (1 - 2 / K), D: L}),
            a * CORRECTION,
        ),
        series_order(
            "expansion of s",
            r"$\log\sqrt{p_ip_j}$ moves by $\frac{\epsilon}{2}\left(-\frac{\sigma + D/2}{\lambda} - "
            r"\frac{\sigma - D/2}{\mu}\right)$ to first order …",
            sp.log(P_I * P_J) / 2,
            eps,
            0,
            {0: sp.log(lam * rest) / 2, 1: product / 2},
        ),
        identity(
            "first correction of s",
            r"… so $s - s_0$ is $\frac{s_0}{1+s_0}$ times it: $-\frac{s_0}{1+s_0}\,"
            r"\frac{(1-2/K)s_0 - (2\lambda-1)L/2}{2a\lambda(1-\lambda)}$.",
            (s / (1 + s) * product / 2).subs({rest: 1 - lam, sigma: s * (1 - 2 / K), D: L}),
            a * SHIFT,
        ),
        argued(
            "remainder",
            r"For $\lambda$ in a compact part of $(0, 1)$ the deficits are $O(s/a)$, so Taylor's remainder is "
            r"$O(s^2/a^2)$. Replacing $D$ by $L$ and $s$ by $s_0$ in the coefficient changes it by $O(s/a)$. "
            r"Hence $D = L + \frac{(1-2/K)(2\lambda-1)s_0 - L/2}{a\lambda(1-\lambda)} + O((\log a)^2/a^2)$.",
        ),
    ]


def _lengths() -> list:
    scale = (K - 1) / (K * m)
    return [
        identity(
            "displacement across",
            r"$\frac{D}{2}\frac{K-1}{Km}\sqrt{\frac{2K}{K-1}}$ at $D = L$ is $\sqrt{\frac{K-1}{2K}}\,L/m$, "
            r"free of $\lambda_H$ (squares compared).",
            (L / 2) ** 2 * scale**2 * 2 * K / (K - 1),
            (K - 1) / (2 * K) * L**2 / m**2,
        ),
        argued(
            "not uniform at the edges",
            r"For finite $a$, $|D| \le x$, the same-class root, while $|L| \to \infty$ at the edges: the "
            r"limit is uniform on compact parts of $(0, 1)$ only. For $K = 2$ the statements about $D$ hold "
            r"with $\sigma = 0$.",
        ),
    ]


def settings():
    """λ_H → 0 at fixed m."""
    for K, lambda_h in product((3, 10, 100), (1e-2, 1e-4, 1e-6, 1e-8)):
        yield Setting(Problem(K, multiplier=1.0, lambda_h=lambda_h), lam=(0.01, 0.1, 0.3, 0.5, 0.9))


def compare(rng) -> list[Comparison]:
    """Orders: the exponent of each remainder, fitted to a decade or more; and B itself, to rounding.

    Across: the shipped displacement minus its limit, in λ_H, divided by the bracket of the first
    correction (which varies like log a): order 1. s: the shipped s − s₀, treated likewise:
    order −1 in a. D: what the first correction leaves, over s₀², from the exact root, because
    float64 cannot resolve it: order −2.
    """
    rows = []
    for _ in range(5):
        classes, mix = int(rng.integers(3, 50)), float(rng.uniform(0.6, 0.9))
        where = f"K={classes}, lambda={mix:.3f}"
        rows += [
            Comparison(f"{where}: across, in lambda_H", 1, _order_across(classes, mix)),
            Comparison(f"{where}: s, in a", -1, _order_along(classes, mix)),
            Comparison(f"{where}: D beyond first order, in a (exact root)", -2, _order_beyond(classes, mix)),
        ]
    return rows + exactly([row for _ in range(5) for row in _bounds(rng)])


def _bounds(rng) -> list[Comparison]:
    """B and B/2 at the same-class root, at 40 digits, beside the shipped bounds."""
    from ufm.model.problem import Problem
    from ufm.theory.theorems.fixed_labels import inner_labels
    from ufm.theory.theorems.fixed_limits import CHANNEL_LIMIT
    from ufm.theory.theorems.theorem import Setting

    classes, mix, ridge = (
        int(rng.integers(3, 50)),
        float(rng.uniform(0.2, 0.8)),
        float(10 ** rng.uniform(-8, -3)),
    )
    problem = Problem(classes=classes, multiplier=1.5, lambda_h=ridge)
    setting = Setting(problem, lam=(mix,))
    shipped = CHANNEL_LIMIT.claim.formula(setting, inner_labels(setting)).values[0]
    equation = sp.lambdify((x, K, a), x * (sp.exp(x) + K - 1) - a * K, "mpmath")
    with mp.workdps(DIGITS):
        sharp, share = mp.mpf(problem.sharpness), mp.mpf(mix)
        root = increasing_root(lambda x: equation(x, classes, sharp), 0, sharp * classes)
        bound = sp.lambdify((x, a, lam, rest), BOUND, "mpmath")(root, sharp, share, 1 - share)
    where = f"K={classes}, lambda={mix:.3f}, a={problem.sharpness:.3g}"
    return [
        Comparison(f"{where}: B", bound, float(shipped[0])),
        Comparison(f"{where}: B/2", bound / 2, float(shipped[1])),
    ]


def _leading(classes, sharpness, mix):
    """L, s₀, the first correction of D and of s, in mpmath."""
    share, sharp = mp.mpf(mix), mp.mpf(sharpness)
    logit = mp.log(share / (1 - share))
    start = mp.lambertw(sharp * classes / 2 * mp.sqrt(share * (1 - share))).real
    terms = (sp.lambdify((s, L, K, a, lam), e, "mpmath") for e in (CORRECTION, SHIFT))
    return (logit, start, *(term(start, logit, classes, sharp, share) for term in terms))


def _order_across(classes, mix) -> float:
    from ufm.model.problem import Problem
    from ufm.theory.predict import predict_pairs

    ridges, errors = np.geomspace(1e-4, 1e-6, 7), []
    for value in ridges:
        problem = Problem(classes=classes, multiplier=1.5, lambda_h=float(value))
        side = problem.W[0] - problem.W[1]
        across = float(predict_pairs(problem, 0, 1, mix).H[0] @ side / np.linalg.norm(side))
        logit, _, first, _ = _leading(classes, problem.sharpness, mix)
        claimed = mp.sqrt(mp.mpf(classes - 1) / (2 * classes)) * logit / problem.row_norm
        errors.append((across - claimed) / (first * problem.sharpness))
    return measured_order(ridges, errors)


def _order_along(classes, mix) -> float:
    import jax

    from ufm.theory.features import two_hot_optimum

    shipped, errors = jax.jit(two_hot_optimum), []
    sharpness = np.geomspace(1e4, 1e6, 7)
    for value in sharpness:
        found = shipped(mix, float(value), float(classes))
        _, start, _, shift = _leading(classes, value, mix)
        errors.append(((float(found.x_i) + float(found.x_j)) / 2 - start) / (shift * value))
    return measured_order(sharpness, errors)


def _order_beyond(classes, mix) -> float:
    sharpness, errors = np.geomspace(1e8, 1e12, 5), []
    with mp.workdps(60):
        for value in sharpness:
            across = solve(classes, value, mix)[1]
            logit, start, first, _ = _leading(classes, value, mix)
            errors.append((across - logit - first) / start**2)
    return measured_order(sharpness, errors)
