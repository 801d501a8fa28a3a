r"""Budgets in place of penalties: ‖W‖²/K ≤ E_W, E‖h‖² ≤ E_H, one-hot labels of equal weights, d ≥ K − 1.

    min E CE = log(1 + (K−1) e^{−x}),   x = K/(K−1) √(E_W E_H).

Idea: that of norm-constrained, whose bound uses the sums of squares alone.
"""

import mpmath as mp
import sympy as sp

from proofs.engine.step import Comparison, Derivation, argued, identity, sign
from proofs.norm_constrained import LOSS, K, predictions, simplex, x
from proofs.tools.matrices import centring
from proofs.tools.settings import shaped
from ufm.model.laws import onehot

E_w, E_h = sp.symbols("E_W E_H", positive=True)
GAP = K / (K - 1) * sp.sqrt(E_w * E_h)


def derive() -> Derivation:
    """The bound of norm-constrained, equality, the simplex, and the price of a class average."""
    wrong, more = sp.Symbol("p_o", positive=True), sp.Symbol("s", positive=True)
    return Derivation(
        "layer-peeled",
        [
            argued(
                "bound",
                r"As in norm-constrained: $\mathbb{E}\mathrm{CE} \ge \mathbb{E}\mathrm{Ent}(p) - "
                r"\|W\|\sqrt{\mathbb{E}\|h\|^2}\sqrt{\lambda_{\max}(\mathbb{E}rr^\top)}$, and now "
                r"$\|W\|^2 \le KE_W$, "
                r"$\mathbb{E}\|h\|^2 \le E_H$.",
            ),
            *predictions(),
            simplex(),
            identity(
                "equality",
                r"With the $p$ of gap $x$: $(K-1)p_ox = \sqrt{KE_WE_H}\sqrt Kp_o$ at $x = "
                r"\frac{K}{K-1}\sqrt{E_WE_H}$.",
                ((K - 1) * wrong * x - sp.sqrt(K * E_w * E_h) * sp.sqrt(K) * wrong).subs(x, GAP),
                0,
            ),
            *[_simplex(size) for size in (2, 3)],
            sign(
                "both budgets count",
                r"The gap grows with either budget.",
                [sp.diff(GAP.subs(K, 1 + more), E_w), sp.diff(GAP.subs(K, 1 + more), E_h)],
                "positive",
            ),
        ],
        sp.Eq(sp.Symbol("L"), LOSS.subs(x, GAP)),
        compare,
    )


def _simplex(size: int):
    """W Wᵀ = K E_W/(K−1) Π spends the budget, and its logits have the gap."""
    gram = size * E_w / (size - 1) * centring(size)
    logits = gram * sp.sqrt(E_h / E_w)
    return identity(
        f"attained, K = {size}",
        rf"$K = {size}$: $WW^\top = \frac{{KE_W}}{{K-1}}\Pi$ has trace $KE_W$, features $\sqrt{{E_H/E_W}}\,w_k$ "
        r"have mean square $E_H$ and the logits the gap $x$.",
        [gram.trace(), (gram * E_h / E_w).trace() / size, logits[0, 0] - logits[0, 1]],
        [size * E_w, E_h, GAP.subs(K, size)],
    )


def settings():
    """K = 2 to 5, small and large budgets."""
    for size, dim, numbers in (
        (2, 2, (0.5, 3.0)),
        (3, 2, (1e-3, 0.1)),
        (4, 3, (1.0, 5.0)),
        (4, 4, (2.0, 6.0)),
        (5, 4, (2.0, 2.0)),
    ):
        yield shaped("layer-peeled", numbers, size, onehot(), free_dim=dim)


def compare(rng) -> list[Comparison]:
    """The loss at 40 digits beside the shipped one."""
    from ufm.theory.variants.constrained import constrained_gap, gap_loss

    loss, rows = sp.lambdify((K, E_w, E_h), LOSS.subs(x, GAP), "mpmath"), []
    with mp.workdps(50):
        for _ in range(10):
            size, one, other = int(rng.integers(2, 40)), *map(float, rng.uniform(0.01, 9.0, 2))
            shipped = gap_loss(size, constrained_gap(size, float(mp.sqrt(mp.mpf(one) * mp.mpf(other)))))
            rows.append(Comparison(f"K={size}", loss(mp.mpf(size), mp.mpf(one), mp.mpf(other)), shipped))
    return rows
