r"""Logit adjustment, ℓ = CE(W h + τ log E y, y): minority collapse is where it is without, for every τ.

Mixup of classes drawn independently from class weights q, or one-hot labels; penalties λ_W, λ_H, no other bias.
Classes of equal weight q_B have equal rows at every optimum if ρ q_B ≤ λ_W λ_H, and for d ≥ K−1 exactly if. So an
ETF, whose rows differ, is not restored there.

Idea: the adjustment is a bias that is given, the same for classes of one weight. The merging identity of
minority-collapse holds for any bias, and merging leaves this one as it is; the way out of a merged point below the
threshold is along a feature direction that no logit uses.
"""

from itertools import product

import sympy as sp

from proofs.engine.step import Derivation, argued, formal, identity
from proofs.minority_collapse import EIGENVALUE, RHO, _cases, compare, lam, rho
from proofs.tools.matrices import real
from proofs.tools.settings import WEIGHTS, shaped
from ufm.model.laws import LabelLaw

MERGED = (sp.Symbol("lambda_W") * sp.Symbol("lambda_H") - sp.Symbol("mu")) / (2 * sp.Symbol("lambda_H"))


def derive() -> Derivation:
    """The identity with a given bias, what equality needs, the moment, the way out."""
    y_k, y_l = sp.symbols("y_k y_l", real=True)
    lambda_w, lambda_h, mu, alpha = (sp.Symbol(name) for name in ("lambda_W", "lambda_H", "mu", "alpha"))
    apart = real("v", 2)
    beta = alpha / lambda_h
    return Derivation(
        "logit-adjustment",
        [
            formal(
                "merging two rows",
                r"For any $W$, $h$ and any bias, here the given one $b = \tau\log\mathbb{E}y$: $b_k = b_l$ for "
                r"classes of equal weight, so that merging the rows of $k$ and $l$ leaves $b$ as it is, and "
                r"lowers $L$ by $\frac{\lambda_W\lambda_H - \mu}{4\lambda_H}\|w_k - w_l\|^2$, $\mu = "
                r"\frac12\mathbb{E}(y_k - y_l)^2$, and by means of divergences and squares (theorem "
                r"minority-collapse).",
                "Merge.merging_identity",
            ),
            argued(
                "if",
                r"So for $\mu < \lambda_W\lambda_H$ an optimum has $w_k = w_l$, any $d$. For $\mu = "
                r"\lambda_W\lambda_H$ its divergences and squares are zero: $y$ and $y'$ ($k$ and $l$ exchanged) "
                r"have the same predictions, and $h(y) - h(y') = \frac{y_k - y_l}{\lambda_H}(w_k - w_l)$. Then "
                r"$W(h(y) - h(y'))$ is a multiple of $\mathbf 1$; by the next step $w_k = w_l$, as $y_k \ne y_l$ "
                r"for some $y$.",
            ),
            identity(
                "equality",
                r"Entry $k$ less entry $l$ of $W(h(y) - h(y'))$ is $\frac{y_k - y_l}{\lambda_H}\|w_k - w_l\|^2$.",
                (apart.T * (y_k - y_l) / lambda_h * apart)[0],
                (y_k - y_l) / lambda_h * sum(entry**2 for entry in apart),
            ),
            identity(
                "the moment",
                r"$\mu = q_B(\lambda^2 + (1-\lambda)^2)$ for each $\lambda$, by the cases of minority-collapse; "
                r"its mean is $\rho q_B$, for one-hot labels $q_B$.",
                [
                    sum(probability * square for probability, square in _cases()) / 2,
                    EIGENVALUE.subs(rho, 1),
                ],
                [
                    EIGENVALUE.subs(rho, lam**2 + (1 - lam) ** 2),
                    EIGENVALUE / rho,
                ],
            ),
            identity(
                "the way out",
                r"Where $w_k = w_l$, $u = (e_k - e_l)/\sqrt2$ and a direction $v$ that $W$ and $h$ do not use, "
                r"$dW = \alpha uv^\top$, $dh = \beta(u^\top r)v$, $\beta = \alpha/\lambda_H$: logits move by "
                r"$\alpha\beta(u^\top r)u$, and with $\mathbb{E}(u^\top r)^2 = \mu$ (symmetry, as there) $L$ "
                r"changes by $\frac{\lambda_W\lambda_H - \mu}{2\lambda_H}\alpha^2$ and higher powers.",
                -alpha * beta * mu + lambda_h / 2 * beta**2 * mu + lambda_w / 2 * alpha**2,
                MERGED * alpha**2,
            ),
            argued(
                "only if",
                r"Hypothesis: $d \ge K-1$. Columns of a critical $W$ are combinations of residuals, of sum zero. "
                r"With $w_k = w_l$ its rank is at most $K-2$, so such a $v$ exists, and for $\mu > "
                r"\lambda_W\lambda_H$ the point is no optimum. The bias enters nowhere: it only moves $p$, and "
                r"$p_k = p_l$ stays.",
            ),
        ],
        sp.Le(EIGENVALUE.subs(rho, RHO), lambda_w * lambda_h),
        compare,
    )


def settings():
    """Below and above the threshold, weak and strong adjustment; above it in two dimensions too; mixup."""
    law = LabelLaw("onehot", class_weights=WEIGHTS)
    for tau, share in product((0.5, 1.0, 2.0), (0.5, 0.99, 1.01, 1.5)):
        c = (share * WEIGHTS[-1]) ** 0.5
        yield shaped("logit-adjusted", (tau,), 4, law, c, c)
    c = (1.01 * WEIGHTS[-1]) ** 0.5
    yield shaped("logit-adjusted", (1.0,), 4, law, c, c, free_dim=2)
    mixed = LabelLaw("mixup", alpha=1.0, class_weights=(0.6, 0.2, 0.2))
    for share in (0.8, 1.2):
        c = (share * 0.4 / 3) ** 0.5
        yield shaped("logit-adjusted", (1.0,), 3, mixed, c, c, nodes=4)
