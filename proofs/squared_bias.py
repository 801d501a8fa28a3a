r"""Squared error with a penalised bias, balanced one-hot labels, d ≥ K: from a simplex ETF towards a frame.

ĉ = √(K λ_W λ_H) < 1, penalty (λ_b/2)‖b‖². For λ_b(1−ĉ) ≤ ĉ W Wᵀ ∝ Π, W h_k = (1−ĉ) u_k and b = 1/(K(1+λ_b));
beyond it W h_k gains the part (1−ĉ−ĉ/λ_b)/K along 1, and b = ĉ/(K λ_b). λ_b = 0: a free bias; λ_b → ∞: none, and
W H̄ = (1−ĉ) I, an orthogonal frame. Idea: the mean residual pays the bias, E r = λ_b b, and M along 1 reaches c²
exactly at the transition. For ĉ ≥ 1 the first case is every λ_b's: W = 0 and b = 1/(K(1+λ_b)).
"""

import mpmath as mp
import sympy as sp

from proofs.engine.step import Comparison, Derivation, argued, identity, limit, sign
from proofs.tools.settings import joint
from ufm.model.laws import onehot

K, hat, lambda_b = sp.symbols("K hat_c lambda_b", positive=True)
BELOW = 1 / (K * (1 + lambda_b))  # b
ABOVE = hat / (K * lambda_b)
ALONG = 1 - hat - hat / lambda_b  # eigenvalue of W H̄ along 1
TRANSITION = hat / (1 - hat)


def derive() -> Derivation:
    """The mean residual on both sides, the transition, the limits."""
    residual_below = 1 / K - BELOW  # entry of the mean residual, W h centred
    residual_above = 1 / K - ALONG / K - ABOVE
    share = sp.Symbol("s", positive=True)
    return Derivation(
        "squared-bias",
        [
            argued(
                "symmetry",
                r"The labels are exchangeable and the problem is convex in $(Z, b)$, strictly so in $z + b$, and "
                r"for $\lambda_b > 0$ in $b$. For $\lambda_b = 0$ it is $\mathbb{E}r = 0$ that fixes $b$: it makes "
                r"$\mathbb{E}h = W^\top\mathbb{E}r/\lambda_H = 0$. So the optimum is unique: "
                r"$\mathbb{E}rr^\top$ and "
                r"$WW^\top$ commute with all permutations, each $u\Pi + v\mathbf{1}\mathbf{1}^\top$, and $b$ is a "
                r"multiple of $\mathbf{1}$.",
            ),
            identity(
                "across",
                r"$W h_k = su_k$ across $\mathbf{1}$ leaves $r = (1 - s)u_k$, $M = (1-s)^2\Pi/K = "
                r"c^2\Pi$: $s = 1 - \hat c$.",
                (1 - (1 - hat)) ** 2 / K,
                hat**2 / K,
            ),
            identity(
                "bias below the transition",
                r"$\mathbb{E}r = \lambda_bb$ entry by entry: $1/K - b = \lambda_bb$.",
                [residual_below - lambda_b * BELOW],
                [0],
            ),
            identity(
                "M along 1 below",
                r"$\frac1K(\mathbf{1}^\top r)^2 = K(\lambda_bb)^2 = (\lambda_b/(1+\lambda_b))^2/K \le c^2 "
                r"= \hat c^2/K$ iff "
                r"$\lambda_b/(1 + \lambda_b) \le \hat c$, with equality at $\lambda_b = \hat c/(1 - \hat "
                r"c)$.",
                [
                    K * (lambda_b * BELOW) ** 2 - (lambda_b / (1 + lambda_b)) ** 2 / K,
                    (lambda_b / (1 + lambda_b)).subs(lambda_b, TRANSITION),
                ],
                [0, hat],
            ),
            identity(
                "beyond it",
                r"$\mathbb{E}r = \lambda_bb = \hat c/K$ in each entry, so that $M$ along $\mathbf{1}$ is "
                r"$c^2$, in use.",
                [residual_above - lambda_b * ABOVE, K * (lambda_b * ABOVE) ** 2],
                [0, hat**2 / K],
            ),
            identity(
                "continuous",
                r"At the transition both biases agree and the part along $\mathbf{1}$ is zero.",
                [sp.simplify((BELOW - ABOVE).subs(lambda_b, TRANSITION)), ALONG.subs(lambda_b, TRANSITION)],
                0,
            ),
            sign(
                "alive beyond",
                r"$\lambda_b = (1 + s)\hat c/(1 - \hat c)$, $\hat c = 1/(1 + t)$: $1 - \hat c - \hat "
                r"c/\lambda_b > 0$.",
                ALONG.subs(lambda_b, (1 + share) * TRANSITION).subs(
                    hat, 1 / (1 + sp.Symbol("t", positive=True))
                ),
                "positive",
            ),
            limit(
                "no bias",
                r"$\lambda_b \to \infty$: $1 - \hat c$, the orthogonal frame.",
                ALONG,
                lambda_b,
                sp.oo,
                1 - hat,
            ),
            limit("a free bias", r"$\lambda_b \to 0$: $b \to 1/K$.", BELOW, lambda_b, 0, 1 / K),
            argued(
                "optimal",
                r"Both are critical with $\lambda_{\max}(M) \le c^2$, the subgradient condition of the "
                r"convex problem ($d \ge "
                r"K$).",
            ),
        ],
        sp.Eq(sp.Symbol("b"), BELOW),
        compare,
    )


def settings():
    """ĉ = 0.2, threshold 0.25: free, below, next to it on both sides, above; K = 2 and 3; no W left."""
    for bias in (0.0, 0.1, 0.245, 0.255, 1.0, 100.0):
        yield joint(4, onehot(), 0.1, 0.1, loss="squared-error", lambda_b=bias)
    for classes, bias in ((2, 0.01), (2, 1.0), (3, 0.5)):
        yield joint(classes, onehot(), 0.02, 0.05, loss="squared-error", lambda_b=bias)
    yield joint(3, onehot(), 0.6, 0.6, loss="squared-error", lambda_b=0.5)


def compare(rng) -> list[Comparison]:
    """Biases of both sides and the threshold at 40 digits beside the shipped ones."""
    from ufm.theory.geometry.quadratic import bias_transition, biased_logits

    forms = {
        name: sp.lambdify((K, hat, lambda_b), form, "mpmath") for name, form in (("b", BELOW), ("c", ABOVE))
    }
    along, transition = sp.lambdify((hat, lambda_b), ALONG, "mpmath"), sp.lambdify(hat, TRANSITION, "mpmath")
    rows = []
    with mp.workdps(40):
        for _ in range(6):
            classes, decay = int(rng.integers(2, 30)), float(10 ** rng.uniform(-2, 0))
            other = float(rng.uniform(0.05, 0.8)) ** 2 / classes / decay
            root = mp.sqrt(classes * mp.mpf(decay) * mp.mpf(other))
            edge = bias_transition(classes, decay, other)
            rows.append(Comparison(f"transition, K={classes}", transition(root), edge))
            for factor, name in ((0.7, "b"), (1.5, "c")):
                bias = factor * edge
                _, part, shipped = biased_logits(classes, decay, other, bias)
                rows.append(Comparison(f"b, K={classes}", forms[name](classes, root, mp.mpf(bias)), shipped))
                if name == "c":
                    rows.append(Comparison(f"along 1, K={classes}", along(root, mp.mpf(bias)), part))
    return rows
