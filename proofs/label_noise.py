r"""A feature that is shared by several labels sees only their mean: noise, teachers and smoothing are one.

Σ_i w_i CE(z, y_i) = CE(z, Σ_i w_i y_i) for weights of sum one. So labels of a class that are replaced by another
one with probability η are smoothing by ε = ηK/(K−1); a symmetric teacher, (P, p_o, …, p_o), is smoothing by K p_o.
Against a simplex ETF the feature is (x/g) w_c with x + aε = aK/(eˣ + K − 1), x < 0 for ε > 1.
"""

from functools import partial

import mpmath as mp
import sympy as sp

from proofs.engine.step import Comparison, Derivation, formal, identity, limit, sign
from proofs.same_class import EQUATION, K, a, x
from proofs.tools.matrices import real
from proofs.tools.settings import fixed

eta, epsilon = sp.symbols("eta varepsilon", positive=True)
NOISE = eta * K / (K - 1)
BALANCE = x + a * epsilon - a * K / (sp.exp(x) + K - 1)


def derive() -> Derivation:
    """Affinity of the loss, the smoothing of noise, the root; the loss for K = 2, 3, 4 in full."""
    p_o = sp.Symbol("p_o", positive=True)
    return Derivation(
        "label-noise",
        [
            *[_affine(size) for size in (2, 3, 4)],
            formal(
                "a shared feature sees the mean label",
                "The mean cross-entropy of the labels of one feature is that of their mean.",
                "Gap.mean_label_loss",
            ),
            formal(
                "and has the optimum of the mean label",
                "Against a simplex ETF, with the ridge, it has one minimum, that of the mean label.",
                "Forms.soft_label_optimum",
            ),
            identity(
                "label noise",
                r"$(1-\eta)e_c + \frac{\eta}{K-1}(\mathbf{1} - e_c)$ is $(1-\varepsilon)e_c + "
                r"\varepsilon/K$ with "
                r"$\varepsilon = \eta K/(K-1)$: entries at $c$ and elsewhere.",
                [(1 - NOISE) + NOISE / K, NOISE / K],
                [1 - eta, eta / (K - 1)],
            ),
            identity(
                "a symmetric teacher",
                r"$(1 - (K-1)p_o, p_o, \dots)$ is smoothing by $Kp_o$.",
                [1 - K * p_o + K * p_o / K, K * p_o / K],
                [1 - (K - 1) * p_o, p_o],
            ),
            identity(
                "the root",
                r"$z = xu_c$ and $r = (Kp_o - \varepsilon)u_c$ (theorem label-smoothing), so $z = ar$ is "
                r"$x = a(Kp_o - "
                r"\varepsilon)$, $p_o = 1/(e^x + K - 1)$; for $\varepsilon = 0$ it is that of the theorem "
                r"same-class.",
                [
                    x - a * (K / (sp.exp(x) + K - 1) - epsilon),
                    BALANCE.subs(epsilon, 0) * (sp.exp(x) + K - 1),
                ],
                [BALANCE, EQUATION],
            ),
            sign(
                "one root",
                r"The left side increases in $x$.",
                sp.diff(BALANCE, x).subs(K, 1 + sp.Symbol("n", positive=True)),
                "positive",
            ),
            limit(
                "noise that says nothing",
                r"$\varepsilon = 1$, $\eta = (K-1)/K$: $x = 0$.",
                BALANCE.subs(epsilon, 1),
                x,
                0,
                0,
            ),
        ],
        sp.Eq(x + a * epsilon, a * K / (sp.exp(x) + K - 1)),
        compare,
    )


def _affine(size: int):
    """Two labels of arbitrary weights."""
    z, y, other = real("z", size), real("y", size), real("t", size)
    weight = sp.Symbol("w", real=True)
    partition = sp.log(sum(sp.exp(entry) for entry in z))

    def loss(label):
        return partition * sum(label) - (label.T * z)[0]

    return identity(
        f"affine in the label, K = {size}",
        rf"$K = {size}$: $w\,\mathrm{{CE}}(z, y) + (1-w)\,\mathrm{{CE}}(z, y') = \mathrm{{CE}}(z, wy + "
        rf"(1-w)y')$.",
        weight * loss(y) + (1 - weight) * loss(other),
        loss(weight * y + (1 - weight) * other),
    )


def settings():
    """Every K, from weak to sharp."""
    return fixed((2, 3, 10), ((0.5, 1e3), (1.0, 1.0), (1.67, 5e-4)))


def compare(rng) -> list[Comparison]:
    """The root at 40 digits beside the shipped one, below and above ε = 1."""
    from ufm.theory.theorems.fixed_class import smoothed_gap

    balance, rows = sp.lambdify((x, a, K, epsilon), BALANCE, "mpmath"), []
    with mp.workdps(40):
        for _ in range(10):
            classes, sharp = int(rng.integers(2, 60)), float(10 ** rng.uniform(-2, 5))
            amount = float(rng.uniform(0, 0.9))
            found = smoothed_gap(sharp, classes, amount)
            exact = partial(balance, a=mp.mpf(sharp), K=classes, varepsilon=mp.mpf(amount))
            root = mp.findroot(exact, found)
            rows.append(Comparison(f"K={classes}, a={sharp:.3g}, epsilon={amount:.3g}", root, found))
    return rows
