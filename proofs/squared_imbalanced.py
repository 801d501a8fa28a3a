r"""Squared error, no bias, one-hot labels of any class weights q, d ≥ K: every class is alone.

    W Wᵀ = diag(g_k),   g_k = (√(q_k λ_H/λ_W) − λ_H)₊,   W h_k = g_k/(g_k + λ_H) e_k;

class k dies iff q_k ≤ λ_W λ_H. Idea: for given Z the penalties cost c tr (E zzᵀ)^{1/2}, so with orthogonal
z_k = s_k e_k the objective falls apart into one convex problem a class; no other point is better, as the
subgradient condition λ_max(M) ≤ c² of the convex problem holds there.
"""

import mpmath as mp
import sympy as sp

from proofs.engine.step import Comparison, Derivation, argued, identity, limit, sign
from proofs.tools.settings import WEIGHTS, joint
from ufm.model.laws import LabelLaw, onehot

q, lambda_w, lambda_h, g, c = sp.symbols("q_k lambda_W lambda_H g c", positive=True)
GAIN = sp.sqrt(q * lambda_h / lambda_w) - lambda_h
FIT = GAIN / (GAIN + lambda_h)


def derive() -> Derivation:
    """The fit of a class, its gain, the certificate, the threshold; diagonal matrices for K = 2, 3."""
    more = sp.Symbol("s", positive=True)
    fit = g / (g + lambda_h)
    return Derivation(
        "squared-imbalanced",
        [
            identity(
                "feature",
                r"$h_k = W^\top r_k/\lambda_H$, $z_k = Gr_k/\lambda_H$; for $G = \mathrm{diag}(g)$, $r_k "
                r"= e_k - z_k$: "
                r"$z_k = g_k/(g_k + \lambda_H)e_k$, $r_k = \lambda_H/(g_k + \lambda_H)e_k$.",
                [g * (1 - fit) / lambda_h - fit, 1 - fit],
                [0, lambda_h / (g + lambda_h)],
            ),
            identity(
                "gain",
                r"$M = \mathrm{diag}(q_k\lambda_H^2/(g_k + \lambda_H)^2)$ is $c^2$ on the classes in use: "
                r"$g_k + \lambda_H = "
                r"\sqrt{q_k}\lambda_H/c = \sqrt{q_k\lambda_H/\lambda_W}$.",
                [
                    q * lambda_h**2 / (GAIN + lambda_h) ** 2,
                    (sp.sqrt(q) * lambda_h / c).subs(c, sp.sqrt(lambda_w * lambda_h)) - lambda_h,
                ],
                [lambda_w * lambda_h, GAIN],
            ),
            identity(
                "fit",
                r"$W h_k = (1 - c/\sqrt{q_k})e_k$.",
                FIT.subs(lambda_w, c**2 / lambda_h),
                1 - c / sp.sqrt(q),
            ),
            argued(
                "optimal",
                r"The problem is $\mathbb{E}\frac12\|z - y\|^2 + "
                r"c\,\mathrm{tr}(\mathbb{E}zz^\top)^{1/2}$, convex in $z$; its "
                r"subgradient condition says that $r$ is $c$ times a subgradient of that nuclear norm: $MW "
                r"= c^2W$, "
                r"$\lambda_{\max}(M) \le c^2$ ($d \ge K$). "
                r"A dead class has $g_k = 0$, $r_k = e_k$ and the eigenvalue $q_k \le c^2$. Strictly "
                r"convex: unique.",
            ),
            sign(
                "alive above the threshold",
                r"$q_k = \lambda_W\lambda_H(1 + s)^2$: $g_k = \lambda_Hs > 0$.",
                GAIN.subs(q, lambda_w * lambda_h * (1 + more) ** 2),
                "positive",
            ),
            limit(
                "at the threshold",
                r"$g_k \to 0$ continuously as $q_k \to \lambda_W\lambda_H$.",
                GAIN.subs(q, lambda_w * lambda_h * more),
                more,
                1,
                0,
            ),
            sign(
                "heavier classes have longer rows",
                r"$\partial g_k/\partial q_k > 0$.",
                sp.diff(GAIN, q),
                "positive",
            ),
            *[_balance(size) for size in (2, 3)],
        ],
        sp.Eq(sp.Symbol("g_k"), GAIN),
        compare,
    )


def _balance(size: int):
    """E z rᵀ = λ_W G with arbitrary weights."""
    weights = sp.symbols(f"q_1:{size + 1}", positive=True)
    gains = [GAIN.subs(q, weight) for weight in weights]
    cross = [
        weight * gain / (gain + lambda_h) * lambda_h / (gain + lambda_h)
        for weight, gain in zip(weights, gains)
    ]
    return identity(
        f"balance, K = {size}",
        rf"$K = {size}$: $\mathbb{{E}}zr^\top = \lambda_WG$, class by class.",
        cross,
        [lambda_w * gain for gain in gains],
    )


def settings():
    """Equal and unequal weights, all alive, some dead, both sides of a threshold."""
    law = LabelLaw("onehot", pairs="same", class_weights=WEIGHTS)
    for lambda_w, lambda_h in ((5e-2, 6e-2), (1e-3, 1e-2), (0.3, 0.32), (0.3, 0.34), (0.7, 0.8)):
        yield joint(4, law, lambda_w, lambda_h, loss="squared-error")
    yield joint(3, onehot(), 1e-2, 1e-2, loss="squared-error")


def compare(rng) -> list[Comparison]:
    """g_k at 40 digits beside the shipped one."""
    from ufm.theory.geometry.quadratic import class_gains

    form, rows = sp.lambdify((q, lambda_w, lambda_h), GAIN, "mpmath"), []
    with mp.workdps(40):
        for _ in range(12):
            share, decay = float(rng.uniform(0.02, 1)), float(10 ** rng.uniform(-4, 1))
            other = float(rng.uniform(0.01, 0.7)) * share / decay
            shipped = class_gains([share], decay, other)[0]
            rows.append(
                Comparison(f"q={share:.3g}", form(mp.mpf(share), mp.mpf(decay), mp.mpf(other)), shipped)
            )
    return rows
