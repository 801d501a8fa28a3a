r"""Norms in place of penalties: ‖w_k‖ ≤ R_W, ‖h‖ ≤ R_H, one-hot labels of equal weights, d ≥ K − 1.

    min E CE = log(1 + (K−1) e^{−x}),   x = K/(K−1) R_W R_H,   W = R_W s, H = R_H s, s a simplex of norm one.

Idea: for any distributions p with r = y − p the loss is at least E Ent(p) − E rᵀW h, and the last term is at most
√K R_W R_H √λ_max(E r rᵀ); with the p of the simplex itself both sides are equal.
"""

import mpmath as mp
import sympy as sp

from proofs.engine.step import Comparison, Derivation, argued, identity, limit, sign
from proofs.tools.matrices import centring
from proofs.tools.settings import shaped
from ufm.model.laws import onehot

K, x, R_w, R_h = sp.symbols("K x R_W R_H", positive=True)
GAP = K / (K - 1) * R_w * R_h
LOSS = sp.log(1 + (K - 1) * sp.exp(-x))
WRONG = 1 / (sp.exp(x) + K - 1)


def predictions():
    """Entropy and residual moment of predictions that are ahead by x: shared with other theorems."""
    own, wrong = sp.symbols("P p_o", positive=True)
    entropy = -own * sp.log(own) - (K - 1) * wrong * (sp.log(own) - x)
    return [
        identity(
            "entropy",
            r"$\log p_o = \log P - x$ and $P + (K-1)p_o = 1$: $\mathrm{Ent}(p) = -\log P + (K-1)p_ox$.",
            entropy.subs(own, 1 - (K - 1) * wrong),
            -sp.log(1 - (K - 1) * wrong) + (K - 1) * wrong * x,
        ),
        identity(
            "loss",
            r"$-\log P = \log(1 + (K-1)e^{-x})$ for $p_o = 1/(e^x + K - 1)$.",
            sp.exp(LOSS) * (1 - (K - 1) * WRONG),
            1,
        ),
        *[_moment(size) for size in (2, 3, 4)],
    ]


def _moment(size: int):
    """E r rᵀ = K p_o² Π."""
    wrong = sp.Symbol("p_o", positive=True)
    P = wrong * sp.ones(size, size) + (1 - size * wrong) * sp.eye(size)
    r = sp.eye(size) - P
    return identity(
        f"residuals, K = {size}",
        rf"$K = {size}$: $r_k = Kp_o(e_k - \frac1K)$ and $\frac1K\sum_kr_kr_k^\top = Kp_o^2\Pi$.",
        [*(r - size * wrong * centring(size)), *(r * r.T / size)],
        [*sp.zeros(size, size), *(size * wrong**2 * centring(size))],
    )


def derive() -> Derivation:
    """The bound, that the simplex attains it, and what the gap does to the loss."""
    wrong, cosine = sp.Symbol("p_o", positive=True), -1 / (K - 1)
    return Derivation(
        "norm-constrained",
        [
            argued(
                "bound",
                r"$\mathrm{CE}(z, y) \ge \mathrm{Ent}(p) - r^\top z$ for every $p \in \Delta$ (equality at "
                r"$p = \mathrm{softmax}\,z$). $\mathbb{E}r^\top Wh \le \|W\|\sqrt{\mathbb{E}\|h\|^2}"
                r"\sqrt{\lambda_{\max}(\mathbb{E}rr^\top)}$ (Cauchy-Schwarz), and $\|W\|^2 \le KR_W^2$, "
                r"$\mathbb{E}\|h\|^2 \le R_H^2$.",
            ),
            *predictions(),
            identity(
                "equality",
                r"With that $p$ the bound is $-\log P + (K-1)p_ox - \sqrt KR_WR_H\sqrt Kp_o$, which is the loss "
                r"at $x = \frac{K}{K-1}R_WR_H$.",
                ((K - 1) * wrong * x - sp.sqrt(K) * R_w * R_h * sp.sqrt(K) * wrong).subs(x, GAP),
                0,
            ),
            identity(
                "attained",
                r"Rows of norm $R_W$ and features of norm $R_H$ along a simplex ($d \ge K-1$), of cosines "
                r"$-\frac1{K-1}$: own less other logit is $R_WR_H(1 + \frac1{K-1})$.",
                R_w * R_h * (1 - cosine),
                GAP,
            ),
            simplex(),
            sign(
                "longer is better",
                r"The loss falls with $x$: both constraints are used up.",
                sp.diff(LOSS.subs(K, 1 + sp.Symbol("n", positive=True)), x),
                "negative",
            ),
            limit("no norm", r"$x \to 0$: $\log K$.", LOSS, x, 0, sp.log(K)),
            limit("many classes", r"$K \to \infty$: the gap tends to $R_WR_H$.", GAP, K, sp.oo, R_w * R_h),
        ],
        sp.Eq(sp.Symbol("L"), LOSS.subs(x, GAP)),
        compare,
    )


def simplex():
    """Every optimum is one: shared with budgets."""
    return argued(
        "nothing else attains it",
        r"Equality makes $p$ the softmax of the logits, so $z_k = xu_k$ modulo $\mathbf 1$; that of Cauchy-Schwarz "
        r"makes $W \propto \mathbb{E}rh^\top$, of columns without a mean, and $\sum_kh_k = 0$, as $r_k "
        r"\propto u_k$: $W "
        r"\propto H$, $WH^\top = x\Pi$ and $WW^\top \propto \Pi$.",
    )


def settings():
    """K = 2 with d = 1, enough dimensions and more; short and long rows."""
    for size, dim, numbers in (
        (2, 1, (1.3, 2.0)),
        (3, 2, (1e-3, 0.1)),
        (4, 3, (1.3, 2.0)),
        (4, 5, (2.0, 1.3)),
        (5, 4, (1.0, 4.0)),
    ):
        yield shaped("norm-constrained", numbers, size, onehot(), free_dim=dim)


def compare(rng) -> list[Comparison]:
    """Gap and loss at 40 digits beside the shipped ones."""
    from ufm.theory.variants.constrained import constrained_gap, gap_loss

    gap, loss = sp.lambdify((K, R_w, R_h), GAP, "mpmath"), sp.lambdify((K, x), LOSS, "mpmath")
    rows = []
    with mp.workdps(50):
        for _ in range(6):
            size, one, other = int(rng.integers(2, 40)), *map(float, rng.uniform(0.01, 4.0, 2))
            product = one * other
            found = gap(mp.mpf(size), mp.mpf(product), mp.mpf(1))
            rows.append(Comparison(f"x, K={size}", found, constrained_gap(size, product)))
            value = loss(mp.mpf(size), found)
            rows.append(Comparison(f"loss, K={size}", value, gap_loss(size, constrained_gap(size, product))))
    return rows
