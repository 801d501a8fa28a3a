r"""Features that are never negative, one-hot cross-entropy with class weights q, d ≥ K, no bias.

    h_k ⊥ h_l,   z_k = x_k (e_k − 1/K),   x_k = log(√(K(K−1)q_k)/c − (K−1))₊;   class k dies iff c² ≥ (K−1) q_k/K.

Idea: for W of any kind and h ≥ 0 the penalties outweigh E rᵀW h as soon as c² I − A is copositive,
A_kl = √(q_k q_l) r_k·r_l. At this point A has the diagonal c² (or less) and no positive entry off it.
"""

import mpmath as mp
import sympy as sp

from proofs.engine.step import Comparison, Derivation, argued, identity, sign
from proofs.tools.matrices import basis_vector
from proofs.tools.settings import shaped
from ufm.model.laws import LabelLaw, onehot

K, q, c, x, lambda_w, lambda_h = sp.symbols("K q_k c x lambda_W lambda_H", positive=True)
WRONG = c / sp.sqrt(K * (K - 1) * q)
GAP = sp.log(sp.sqrt(K * (K - 1) * q) / c - (K - 1))


def derive() -> Derivation:
    """What a class costs, its best gap, the certificate, the value and the death of a class."""
    size, n = sp.symbols("size n", positive=True)
    cost = q * sp.log(1 + (K - 1) * sp.exp(-x)) + c * sp.sqrt(q * (K - 1) / K) * x
    wrong = sp.Symbol("p_o", positive=True)
    return Derivation(
        "relu-features",
        [
            identity(
                "length",
                r"$u_k = e_k - \frac1K$: $\|u_k\|^2 = 1 - \frac1K$, $u_k\cdot u_l = -\frac1K$.",
                [(1 - 1 / K) ** 2 + (K - 1) / K**2, 2 * (1 - 1 / K) * (-1 / K) + (K - 2) / K**2],
                [(K - 1) / K, -1 / K],
            ),
            identity(
                "price of a class",
                r"$z_k = x_ku_k$ through a direction of its own, $Wh_k = ab\,u_k$, $ab = x$: "
                r"$\frac{\lambda_W}2a^2\|u\|^2 + \frac{\lambda_H}2q_kb^2$ is least, $c\sqrt{q_k}\|u\|x$, at "
                r"$a^2 = \frac{x}{\|u\|}\sqrt{\lambda_Hq_k/\lambda_W}$.",
                _price(x / size * sp.sqrt(lambda_h * q / lambda_w), size),
                sp.sqrt(lambda_w * lambda_h * q) * size * x,
            ),
            identity(
                "slope",
                r"$\frac{d}{dx}[q_k\log(1 + (K-1)e^{-x}) + c\sqrt{q_k(K-1)/K}\,x] = -q_k(K-1)p_o + "
                r"c\sqrt{q_k(K-1)/K}$, zero at $p_o = c/\sqrt{K(K-1)q_k}$.",
                [
                    sp.diff(cost, x) + q * (K - 1) / (sp.exp(x) + K - 1),
                    q * (K - 1) * WRONG,
                ],
                [c * sp.sqrt(q * (K - 1) / K), c * sp.sqrt(q * (K - 1) / K)],
            ),
            identity("gap", r"$e^x = 1/p_o - (K-1)$.", sp.exp(GAP), 1 / WRONG - (K - 1)),
            sign(
                "convex in x",
                r"The second derivative is positive.",
                sp.diff(cost.subs(K, 1 + n), x, 2),
                "positive",
            ),
            identity(
                "diagonal of A",
                r"$r_k = Kp_ou_k$: $q_k\|r_k\|^2 = q_kK(K-1)p_o^2 = c^2$.",
                q * K**2 * WRONG**2 * (K - 1) / K,
                c**2,
            ),
            sign(
                "off the diagonal",
                r"$r_k\cdot r_l = K^2p_op_o'u_k\cdot u_l = -Kp_op_o' < 0$.",
                K**2 * wrong * size * (-1 / K),
                "negative",
            ),
            argued(
                "copositive",
                r"For fixed $h \ge 0$ the least of $\frac{\lambda_W}2\|W\|^2 - \mathbb{E}r^\top Wh$ over $W$ is "
                r"$-\frac1{2\lambda_W}\|\mathbb{E}rh^\top\|^2$, a sum over the coordinates of $h$; with $v_k = "
                r"\sqrt{q_k}h_k \ge 0$ of one coordinate the penalties leave "
                r"$\frac1{2\lambda_W}v^\top(c^2I - A)v$. "
                r"A matrix without negative entries is copositive, so nothing is below "
                r"$\mathbb{E}\,\mathrm{Ent}(p)$.",
            ),
            argued(
                "orthogonal at every optimum",
                r"An optimum has that value, so $v^\top(c^2I - A)v = 0$ in each coordinate. No entry of "
                r"$c^2I - A$ is "
                r"negative and those off the diagonal are positive (a dead class has $r_k = u_k$, and "
                r"$u_k\cdot u_l < "
                r"0$ too): $v_kv_l = 0$ in each coordinate, $h_k \perp h_l$.",
            ),
            identity(
                "value",
                r"$\mathrm{Ent}(p) = -\log P + (K-1)p_ox$ and $q_k(K-1)p_o = c\sqrt{q_k(K-1)/K}$: the bound is the "
                r"objective.",
                q * (K - 1) * WRONG * x,
                c * sp.sqrt(q * (K - 1) / K) * x,
            ),
            identity(
                "death",
                r"$p_o = \frac1K$, $x = 0$ at $c^2 = \frac{K-1}Kq_k$; beyond it $r_k = u_k$ and "
                r"$q_k\|u_k\|^2 \le c^2$.",
                [WRONG.subs(c, sp.sqrt((K - 1) * q / K)), q * (K - 1) / K],
                [1 / K, q * (K - 1) / K],
            ),
            *[_orthogonal(count) for count in (2, 3)],
        ],
        sp.Eq(sp.Symbol("x_k"), GAP),
        compare,
    )


def _price(square, size):
    """Both penalties at a² = square, b = x/a."""
    return lambda_w * square * size**2 / 2 + lambda_h * q * x**2 / square / 2


def _orthogonal(count: int):
    """h_k = b_k e_k ≥ 0 and W = Σ a_k u_k e_kᵀ give z_k = a_k b_k u_k."""
    a = sp.symbols(f"a_1:{count + 1}", positive=True)
    b = sp.symbols(f"b_1:{count + 1}", positive=True)
    u = [basis_vector(count, k) - sp.ones(count, 1) / count for k in range(count)]
    W = sum((a[k] * u[k] * basis_vector(count, k).T for k in range(count)), sp.zeros(count, count))
    left = [entry for k in range(count) for entry in W * (b[k] * basis_vector(count, k))]
    return identity(
        f"a direction each, K = {count}",
        rf"$K = {count}$, $d = K$: $h_k = b_ke_k \ge 0$, $W = \sum_ka_ku_ke_k^\top$ give $Wh_k = a_kb_ku_k$.",
        left,
        [a[k] * b[k] * entry for k in range(count) for entry in u[k]],
    )


def settings():
    """Equal and unequal weights; one class dead, all dead, next to the threshold of one; d = K and more."""
    uneven = LabelLaw("onehot", class_weights=(0.5, 0.3, 0.19, 0.01))
    for decay in (0.1, 0.0857, 0.02, 0.7):
        yield shaped("relu-features", (), 4, uneven, decay, decay, free_dim=4)
    yield shaped("relu-features", (), 3, onehot(), 1e-3, 1e-2, free_dim=5)
    yield shaped("relu-features", (), 2, LabelLaw("onehot", class_weights=(0.7, 0.3)), 0.3, 0.3, free_dim=2)


def compare(rng) -> list[Comparison]:
    """The gap at 40 digits beside the shipped one."""
    from ufm.theory.variants.constrained import rectified_gaps

    form, rows = sp.lambdify((K, q, c), GAP, "mpmath"), []
    with mp.workdps(50):
        for _ in range(4):
            size = int(rng.integers(2, 8))
            weights = rng.dirichlet([5.0] * size)
            decay, other = (float(10 ** rng.uniform(-4, -2)) for _ in range(2))
            found = rectified_gaps(weights, decay, other)
            root = mp.sqrt(mp.mpf(decay) * mp.mpf(other))
            for weight, shipped in zip(weights, found):
                if root**2 < (mp.mpf(size) - 1) * mp.mpf(float(weight)) / size:
                    value = form(mp.mpf(size), mp.mpf(float(weight)), root)
                    rows.append(Comparison(f"K={size}, q={weight:.3g}", value, float(shipped)))
    return rows
