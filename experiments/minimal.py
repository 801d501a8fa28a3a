"""The theory in one sitting: python -m experiments.minimal. Imports no ufm; rederives the headline numbers.

Mixup with α over K classes, cross-entropy. The optimal classifier is a simplex ETF of some multiplier m. With
g = m² K/(K−1) and a = g/λ_H the optimal feature of a soft label y has z = W h = a (y − p), p = softmax(z):

    same class        h = (x/g) w_c,  x (eˣ + K − 1) = a K,  whatever the mixing weight λ
    different class   h = (x_i w_i + x_j w_j)/g,  x_i = log(p_i/p_o) = s + D/2,  x_j = log(p_j/p_o) = s − D/2,
                      2s (1 − 2/K) + (4s/K) eˢ cosh(D/2) = a,  D + (4s/K) eˢ sinh(D/2) = a (2λ − 1)
    multiplier        E‖y − p_a(y)‖² = (K−1) λ_W λ_H  fixes a,  m² = a (K−1) λ_H/K
    threshold         non-trivial iff λ_W λ_H < (α+1)/((2α+1) K)

Each line of the table sets a number found one way beside the same number found another way.
"""

import mpmath as mp
import numpy as np
from scipy.optimize import brentq, fsolve, minimize
from scipy.special import lambertw, logsumexp, softmax

K, ALPHA, LAMBDA_W, LAMBDA_H = 10, 1.0, 5e-4, 5e-4
WEIGHT = 0.3  # the mixing weight λ of the feature shown


def root(function, low, high):
    """The root of a monotone function to full relative accuracy."""
    return brentq(function, low, high, xtol=1e-300)


def same_class_gap(a):
    """x with x (eˣ + K − 1) = a K, a > 0; it lies below min(a, log(1 + aK))."""
    return root(lambda x: x * (np.exp(x) + K - 1) - a * K, 0, 1.01 * min(a, np.log1p(a * K)))


def mean_logit(a, D):
    """s(D), at most W₀(aK/4) ≤ log(1 + aK/4)."""
    top = np.log1p(a * K / 4)
    return root(lambda s: 2 * s * (1 - 2 / K) + 4 * s / K * np.exp(s) * np.cosh(D / 2) - a, 0, top)


def weight_of(a, D, s):
    """λ(D)."""
    return 0.5 + (D + 4 * s / K * np.exp(s) * np.sinh(D / 2)) / (2 * a)


def weight_slope(a, D, s):
    """dλ/dD, with ds/dD by the implicit function theorem."""
    e, c, sh = 4 / K * np.exp(s), np.cosh(D / 2), np.sinh(D / 2)
    ds = -(s * e * sh / 2) / (2 * (1 - 2 / K) + (1 + s) * e * c)
    return (1 + (1 + s) * e * sh * ds + s * e * c / 2) / (2 * a)


def two_logits(a, lam):
    """(x_i, x_j) of a given λ."""
    edge = same_class_gap(a)
    D = root(lambda D: weight_of(a, D, mean_logit(a, D)) - lam, -edge, edge)
    s = mean_logit(a, D)
    return s + D / 2, s - D / 2


def deficit(a, x_i, x_j):
    """‖y − p‖² = ‖z‖²/a², z the mean-free part of x_i e_i + x_j e_j."""
    return (x_i**2 + x_j**2 - (x_i + x_j) ** 2 / K) / a**2


def mean_deficit(a, alpha=ALPHA, nodes=64):
    """E‖y − p‖²: a pair is of one class with probability 1/K; the others as a Gauss–Legendre integral over D.

    In D ∈ [−x, x], unlike in λ, the integrand has no boundary layer of width 1/a. For α ≥ 1.
    """
    gap = same_class_gap(a)
    points, weights = np.polynomial.legendre.leggauss(nodes)
    D = gap * points
    s = np.array([mean_logit(a, v) for v in D])
    density = (weight_of(a, D, s) * weight_of(a, -D, s)) ** (alpha - 1) * weight_slope(a, D, s)
    different = np.average(deficit(a, s + D / 2, s - D / 2), weights=weights * density)
    return deficit(a, gap, 0.0) / K + (1 - 1 / K) * different


def stiffness():
    """a of the optimal classifier, a decreasing function of λ_W λ_H."""
    target = (K - 1) * LAMBDA_W * LAMBDA_H
    return np.exp(root(lambda u: np.log(mean_deficit(np.exp(u)) / target), 0, 15))


def gap_by_halving(a):
    """The same-class x again, by bisection in 30 digits."""
    with mp.workdps(30):
        return float(mp.findroot(lambda x: x * (mp.exp(x) + K - 1) - a * K, (0, 50), solver="bisect"))


def simplex_etf(m):
    """Rows w_k ∈ R^{K−1} with W Wᵀ = (m²K/(K−1)) (I − 11ᵀ/K), from an orthonormal basis of 1⊥."""
    basis = np.linalg.qr(np.column_stack([np.ones(K), np.eye(K)[:, 1:]]))[0][:, 1:]
    return m * np.sqrt(K / (K - 1)) * basis


def blind_feature(W, y):
    """argmin over h of CE(softmax(Wh), y) + (λ_H/2)‖h‖², by scipy from a random start: no theory."""

    def value(h):
        return logsumexp(W @ h) - y @ W @ h + LAMBDA_H / 2 * h @ h

    def gradient(h):
        return W.T @ (softmax(W @ h) - y) + LAMBDA_H * h

    start = np.random.default_rng(0).normal(size=W.shape[1])
    lowest = minimize(value, start, jac=gradient, options={"gtol": 1e-9}).x
    # A value fixes its minimiser to √ε only; the gradient does to ε.
    return fsolve(gradient, lowest, xtol=1e-13)


def table():
    """Lines (what, one way, another way)."""
    a, labels = stiffness(), np.eye(K)
    m = np.sqrt(a * (K - 1) * LAMBDA_H / K)
    W, g = simplex_etf(m), m**2 * K / (K - 1)
    x, (x_i, x_j) = same_class_gap(a), two_logits(a, WEIGHT)
    pure, mixed = blind_feature(W, labels[0]), blind_feature(W, WEIGHT * labels[0] + (1 - WEIGHT) * labels[1])
    z = W @ mixed
    p = softmax(z)
    yield "a: own quadrature", a, 6197.719470182
    yield "m: own quadrature", m, 1.67002208416
    yield "same class x: float, 30 digits", x, gap_by_halving(a)
    yield "same class x: closed form, blind", x, np.ptp(W @ pure)
    yield f"λ = {WEIGHT}, x_i: closed form, blind", x_i, z[0] - z[2:].mean()
    yield f"λ = {WEIGHT}, x_j: closed form, blind", x_j, z[1] - z[2:].mean()
    lambert = lambertw(a * K / 2 * np.sqrt(p[0] * p[1])).real
    yield "s: closed form, W₀((aK/2)√(p_i p_j))", (x_i + x_j) / 2, lambert
    yield "‖h − blind h‖: closed form, 0", np.linalg.norm((x_i * W[0] + x_j * W[1]) / g - mixed), 0.0
    threshold = (ALPHA + 1) / ((2 * ALPHA + 1) * K)
    yield "threshold: E‖y−p‖²/(K−1) as a → 0, formula", mean_deficit(1e-9) / (K - 1), threshold


def main():
    print(f"K = {K}, α = {ALPHA:g}, λ_W = {LAMBDA_W:g}, λ_H = {LAMBDA_H:g}\n")
    print(f"{'':44}{'one way':>18}{'another':>18}{'difference':>12}")
    for what, one, other in table():
        print(f"{what:44}{one:18.13g}{other:18.13g}{one - other:12.1e}")


if __name__ == "__main__":
    main()
