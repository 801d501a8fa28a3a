r"""Minority collapse under budgets: ‖W‖²/K ≤ E_W, E‖h‖² ≤ E_H, one-hot, a classes of q_A, b ≥ 2 of q_B < q_A.

Cross-entropy, no bias, d ≥ K−1. With ρ = √(q_B/q_A) the rows of the small classes are equal at every optimum iff

    √(E_W E_H) ≤ √(q_A/K) ((a−1) log(p/s) + a x/μ),
    bμ² + aτ² = K,  s = ρ(K − bμ)/(aK),  p = s + 1 − ρ,
    x = (log p + (a−1) log s)/a − log(ρμ/K) = bρμ/(aτ) log((K − aτ)/(bτ)),  0 < τ < 1.

Idea: budgets bound one nuclear norm R, so an optimum is one of penalties whose c falls as R grows; the small
classes are one point iff q_B ≤ c² (theorem minority-collapse). So the threshold is R at c² = q_B. There E rrᵀ is c²
on all of 1^⊥, symmetry leaves one unknown, and R is a closed form in it.
"""

from functools import partial

import mpmath as mp
import sympy as sp

from proofs.engine.step import Comparison, Derivation, argued, formal, identity, limit, sign
from proofs.tools.matrices import basis_vector, centring
from proofs.tools.settings import shaped
from ufm.model.laws import LabelLaw

a, b, rho, mu, tau, x = sp.symbols("a b rho mu tau x", positive=True)
K = a + b
ELSE = rho * (K - b * mu) / (a * K)  # s
OWN = ELSE + 1 - rho  # p
ACROSS = (sp.log(OWN) + (a - 1) * sp.log(ELSE)) / a - sp.log(rho * mu / K)  # x, of a large class
BACK = sp.log((K - a * tau) / (b * tau))  # of a small one
SQUARE = (K - b * mu**2) / a  # τ²
SIZE = ((a - 1) * sp.log(OWN / ELSE) + a * x / mu) / rho  # R/√q_B


def derive() -> Derivation:
    """From budgets to a penalty, the point at c² = q_B, one root, and its nuclear norm."""
    t = sp.Symbol("t", positive=True)
    return Derivation(
        "layer-peeled-minority",
        [
            argued(
                "one matrix",
                r"$X = (\sqrt{q_k}\,z_k)_k$, $R = \sqrt{KE_WE_H}$. $\|X\|_* = \min\|W\|\sqrt{\mathbb{E}\|h\|^2}$ "
                r"over $Wh_k = z_k$ for $d \ge \mathrm{rank}\,X$, and a factor moved from one to the other spends "
                r"both budgets: the problem is $f(R) = \min\{\mathbb{E}\,\mathrm{CE} : \|X\|_* \le R\}$, convex "
                r"in $X$. Centring $z$ keeps CE and does not lengthen $X$, so $\mathrm{rank} \le K-1 \le d$.",
            ),
            argued(
                "a penalty",
                r"$f$ is convex, and falls strictly: $\inf f = 0$ is not attained. So for $R > 0$ there is a "
                r"multiplier $c > 0$, the optimum minimises $\mathbb{E}\,\mathrm{CE} + c\|X\|_*$, uniquely (CE is "
                r"strictly convex in centred $z$), and spends $R$. With $\lambda_W = c\sqrt{E_H/(KE_W)}$, "
                r"$\lambda_H = c\sqrt{KE_W/E_H}$ its $W$ and $h$ are optimal for the penalised problem of "
                r"$\lambda_W\lambda_H = c^2$.",
            ),
            formal(
                "collapse at a penalty",
                r"There, $d \ge K-1$, no bias, rows of two classes of the weight $q_B$ are equal exactly if $q_B "
                r"\le c^2$ (theorem minority-collapse).",
                "Weighted.onehot_collapse",
            ),
            argued(
                "the multiplier falls",
                r"$-c$ is a slope of the convex $f$: $c$ does not rise in $R$. Let $R^*$ be $\|X\|_*$ of the "
                r"optimum at $c^2 = q_B$. For $R \le R^*$, $c^2 \ge q_B$. For $R > R^*$, $c^2 \le q_B$, and not "
                r"$=$, whose optimum is unique and has $R^*$. So rows are equal exactly if $R \le R^*$.",
            ),
            argued(
                "symmetry",
                r"At $c^2 = q_B$ the unique optimum is the same when classes of one weight change places, and the "
                r"small classes have one row: a large class's sample has $p$, $s$ (others large) and $m = "
                r"\rho\mu/K$ (small), a small one's $t = \tau/K$ (large) and $(1 - at)/b$. $G = WW^\top$ is a "
                r"number on differences of large classes, one on $v = \frac1a1_A - \frac1b1_B$, and $0$ on "
                r"differences of small ones. It is not $0$ on the first ($q_A > c^2$), and not on $v$ (below).",
            ),
            identity(
                "large classes apart",
                r"$r_k$ of a large class is $1 - p + s$ times $e_k - \frac1a1_A$, and along $v$. So "
                r"$\mathbb{E}rr^\top = c^2$ there is $q_A(1 - p + s)^2 = q_B$: $p - s = 1 - \rho$.",
                [(1 - OWN + ELSE) ** 2, OWN + (a - 1) * ELSE + b * rho * mu / K],
                [rho**2, 1],
            ),
            identity(
                "large from small",
                r"$r$ has $-bm$ on the small classes, or $-at$ on the large: along $v$, $\mathbb{E}rr^\top = "
                r"(\frac1a + \frac1b)(aq_A(bm)^2 + bq_B(at)^2) = q_B$ is $b\mu^2 + a\tau^2 = K$.",
                (1 / a + 1 / b) * (a / rho**2 * (b * rho * mu / K) ** 2 + b * (a / K) ** 2 * SQUARE),
                1,
            ),
            *[_moment(*sizes) for sizes in ((1, 2), (2, 2), (2, 3))],
            identity(
                "logits along residuals",
                r"$z = Gr/\lambda_H$: $x$ over $bm$ is the gap the other way over $at$, $x = "
                r"\frac{b\rho\mu}{a\tau}\log\frac{K-a\tau}{b\tau}$, the second gap being $\log\frac{1-at}b - \log "
                r"t$.",
                [
                    b * rho * mu / K / (a * tau / K) * BACK,
                    sp.expand_log(sp.log((1 - a * tau / K) / b) - sp.log(tau / K) - BACK, force=True),
                ],
                [b * rho * mu / (a * tau) * BACK, 0],
            ),
            sign(
                "one side falls in μ",
                r"$x$ falls in $\mu$: $s$ and $p$ do, $\log m$ rises; and $\mu^2$ falls in $\tau$.",
                [-sp.diff(ELSE, mu), sp.diff(sp.log(rho * mu / K), mu), -sp.diff((K - a * tau**2) / b, tau)],
                "positive",
            ),
            sign(
                "the other rises in it",
                r"$\log\frac{K-a\tau}{b\tau}$ and $1/\tau$ fall in $\tau$, and so does $\mu$: the right side "
                r"falls in $\tau$ where it is positive, for $\tau < 1$ ($K - a\tau - b\tau = K(1-\tau)$).",
                [
                    -sp.diff(sp.log((a + b) / tau - a), tau).subs(tau, 1 / (1 + t)),
                    ((K - a * tau) - b * tau).subs(tau, 1 / (1 + t)),
                ],
                "positive",
            ),
            identity(
                "at τ = 1",
                r"There $\mu = 1$, $s = m = \rho/K$, $p = s + 1 - \rho$: the left side is $\frac1a\log(p/s) > 0$, "
                r"the right $0$.",
                [
                    SQUARE.subs(mu, 1),
                    ELSE.subs(mu, 1) - rho / K,
                    BACK.subs(tau, 1),
                    sp.expand_log(a * ACROSS.subs(mu, 1), force=True)
                    - sp.log(1 - rho + rho / K)
                    + sp.log(rho / K),
                ],
                [1, 0, 0, 0],
            ),
            limit(
                "at τ = 0",
                r"The right side tends to $\infty$, the left is finite ($K > \sqrt{Kb}$): one root, $0 < \tau < "
                r"1$.",
                BACK.subs(b, a * t) / tau,
                tau,
                0,
                sp.oo,
            ),
            argued(
                "alive along v",
                r"$G = 0$ on $v$ would make both gaps $0$: $\tau = 1$ in what the second says, and "
                r"$\mathbb{E}rr^\top \le c^2$ there $\mu \le 1$. But $x$ falls in $\mu$ and is positive at $\mu = "
                r"1$. With the root, both gaps are positive, $G \succeq 0$, and $\mathbb{E}rr^\top = c^2\Pi$: it "
                r"is the optimum.",
            ),
            identity(
                "nuclear norm",
                r"$X$ has $\sqrt{q_A}\log(p/s)$ on differences of large classes ($a-1$ times) and one value along "
                r"$v$, of square $\frac{ab}K(aq_Ax^2 + bq_By^2)$, $y = \frac{a\tau}{b\rho\mu}x$ the other gap: "
                r"$(\sqrt{q_A}\,ax/\mu)^2$.",
                a * b / K * (a * x**2 / rho**2 + b * SQUARE * (a * x / (b * rho * mu)) ** 2),
                (SIZE * rho - (a - 1) * sp.log(OWN / ELSE)) ** 2 / rho**2,
            ),
        ],
        sp.Le(
            sp.sqrt(sp.Symbol("E_W") * sp.Symbol("E_H")),
            sp.sqrt(sp.Symbol("q_A") / sp.Symbol("K"))
            * ((a - 1) * sp.log(sp.Symbol("p") / sp.Symbol("s")) + a * x / mu),
        ),
        compare,
    )


def _moment(major: int, minor: int):
    """E rrᵀ with all entries written out, in units of q_B: Π."""
    here = {a: major, b: minor}
    s, p, m = ELSE.subs(here), OWN.subs(here), (rho * mu / K).subs(here)
    t = tau / (major + minor)
    size, total = major + minor, sp.zeros(major + minor, major + minor)
    for k in range(size):
        if k < major:
            r = basis_vector(size, k) - sp.Matrix([s] * major + [m] * minor) - (p - s) * basis_vector(size, k)
        else:
            r = basis_vector(size, k) - sp.Matrix([t] * major + [(1 - major * t) / minor] * minor)
        total += r * r.T / (rho**2 if k < major else 1)
    return identity(
        f"matrices, a = {major}, b = {minor}",
        rf"$a = {major}$, $b = {minor}$: with these, $\mathbb{{E}}rr^\top = q_B\Pi$, differences of small classes "
        r"included.",
        (total - centring(size)).applyfunc(lambda entry: sp.expand(entry).subs(tau**2, SQUARE.subs(here))),
        sp.zeros(size, size),
    )


def settings():
    """One large class and two; budgets of half, of nearly, of just over and of twice the threshold, unequal too."""
    from ufm.theory.variants.budgets import collapse_budget

    for major, minor, imbalance in ((1, 2, 2.0), (2, 2, 3.0), (1, 4, 20.0)):
        small = 1 / (major * imbalance + minor)
        law = LabelLaw("onehot", class_weights=(imbalance * small,) * major + (small,) * minor)
        for share in (0.5, 0.99, 1.01, 2.0):
            budget = share * collapse_budget(major, minor, imbalance)
            yield shaped("layer-peeled", (4 * budget, budget / 4), major + minor, law)


def compare(rng) -> list[Comparison]:
    """The root by bisection and the budget, at 40 digits, beside the shipped ones."""
    from ufm.theory.variants.budgets import collapse_budget

    height = sp.sqrt((K - a * tau**2) / b)
    left, right = ACROSS.subs(mu, height), b * rho * height / (a * tau) * BACK
    gap, rows = sp.lambdify((a, b, rho, tau), left - right, "mpmath"), []
    size = sp.lambdify((a, b, rho, tau), SIZE.subs(x, left).subs(mu, height), "mpmath")
    with mp.workdps(40):
        for _ in range(12):
            major, minor = int(rng.integers(1, 6)), int(rng.integers(2, 9))
            imbalance = 1 + float(10 ** rng.uniform(-4, 5))
            ratio = 1 / mp.sqrt(mp.mpf(imbalance))
            root = _bisected(partial(gap, major, minor, ratio))
            unit = 1 / mp.sqrt((major * mp.mpf(imbalance) + minor) * (major + minor))
            derived = unit * size(major, minor, ratio, root)
            where = f"a={major}, b={minor}, R={imbalance:.6g}"
            rows.append(Comparison(where, derived, collapse_budget(major, minor, imbalance)))
    return rows


def _bisected(rising):
    """Where it changes sign, by the logarithm of τ."""
    low, high = mp.mpf(-60), mp.mpf(0)
    for _ in range(150):
        middle = (low + high) / 2
        low, high = (low, middle) if rising(mp.exp(middle)) > 0 else (middle, high)
    return mp.exp(low)
