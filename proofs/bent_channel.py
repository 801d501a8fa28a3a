"""Under cross-entropy no mixed feature path is straight: at λ = ½ the channel is higher than its ends' mean.

The channel's parametrisation 2s(1 − 2/K) + (4s/K) eˢ cosh(D/2) = a holds at the end λ = 1, where D = x and
s = x/2, and in the middle, where D = 0. Its left side grows with s and with |D|, so s is larger in the middle.
"""

import sympy as sp

from proofs.different_class import ALONG, D, K, a, s
from proofs.engine.step import Comparison, Derivation
from proofs.squared_error_affine import bent_steps
from proofs.tools.settings import fixed


def derive() -> Derivation:
    """The steps that the contrast with squared error uses, and the equation of the middle."""
    return Derivation("bent-channel", bent_steps(), sp.Eq(ALONG.subs(D, 0), a), compare)


def settings():
    """K ≥ 3, from weak to sharp."""
    return fixed((3, 10, 100))


def compare(rng) -> list[Comparison]:
    """The height at λ = ½, the 40-digit root of that equation, beside the shipped coefficient."""
    import mpmath as mp

    from proofs.tools.roots import increasing_root
    from ufm.theory.features import two_hot_optimum

    left = sp.lambdify((s, K, a), ALONG.subs(D, 0) - a, "mpmath")
    rows = []
    for _ in range(20):
        classes, sharpness = int(10 ** rng.uniform(0.5, 4)), float(10 ** rng.uniform(-3, 8))
        root = increasing_root(lambda t, k=classes, q=sharpness: left(t, k, mp.mpf(q)), 0, sharpness)
        shipped = float(two_hot_optimum(0.5, sharpness, classes).x_i)
        rows.append(Comparison(f"K={classes}, a={sharpness:.3g}", root, shipped))
    return rows
