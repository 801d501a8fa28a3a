r"""Binary cross-entropy with a free bias, one-hot or smoothed labels, d ≥ K−1: the probabilities of softmax.

    σ(v) = (ĉ+ε)/K,    σ(u) = 1 − (K−1)(ĉ+ε)/K,    W Wᵀ = x √(λ_H/(Kλ_W)) Π,    b = (u + (K−1)v)/K if ĉ+ε < 1,

else W = 0 and σ = 1/K; u, v the logits of the own class and of each other one, x = u − v, ĉ = √(K λ_W λ_H). Idea: a
free bias asks for E r = 0, so that the residual of class k is K β u_k, as it is under softmax; and E rrᵀ = c² Π.
"""

from itertools import product

import mpmath as mp
import sympy as sp

from proofs.engine.step import Comparison, Derivation, argued, identity, limit, sign
from proofs.tools.matrices import basis_vector, centring
from proofs.tools.settings import joint
from ufm.model.laws import onehot, smooth

BCE = "binary-cross-entropy"
K = sp.Symbol("K", positive=True)
hat, beta, epsilon, lambda_w, lambda_h = sp.symbols("hat_c beta epsilon lambda_W lambda_H", positive=True)
WRONG = (hat + epsilon) / K
OWN = 1 - (K - 1) * WRONG
U, V = sp.log(OWN / (1 - OWN)), sp.log(WRONG / (1 - WRONG))
BIAS = (U + (K - 1) * V) / K
GAIN = (U - V) * sp.sqrt(lambda_h / (K * lambda_w))


def derive() -> Derivation:
    """The mean residual, its moment, logits, gain and bias, the threshold; matrices for K = 2, 3, 4."""
    share, n, x = sp.symbols("s n x", positive=True)
    odds = sp.exp(U - V)
    return Derivation(
        "bce",
        [
            argued(
                "symmetry and certificate",
                r"The loss is convex in $z$, strictly so, and the labels are exchangeable: the optimal "
                r"$\sigma(z)$ is "
                r"unique and equivariant, $u$ at the class of the label and $v$ elsewhere. By the theorem "
                r"duality with "
                r"the entropies of $K$ coins in place of one, a critical point with $\mathbb{E}r = 0$ (the free "
                r"bias) "
                r"and $\lambda_{\max}(\mathbb{E}rr^\top) \le c^2$ is optimal ($d \ge K-1$).",
            ),
            identity(
                "no mean residual",
                r"$r$ is $\alpha$ at the class and $-\beta$ elsewhere; $\mathbb{E}r = 0$ is $\alpha = "
                r"(K-1)\beta$, so "
                r"that $r = K\beta(e_k - \mathbf{1}/K)$.",
                [(K - 1) * beta, -beta],
                [K * beta * (1 - 1 / K), K * beta * (0 - 1 / K)],
            ),
            identity(
                "equation",
                r"$\mathbb{E}rr^\top = K\beta^2\Pi = c^2\Pi$, $\hat c = \sqrt K c$: $\beta = \hat c/K$, and "
                r"$\sigma(v) = "
                r"\varepsilon/K + \beta$, $\sigma(u) = 1 - (K-1)\varepsilon/K - (K-1)\beta$.",
                [
                    (K * beta**2).subs(beta, hat / K) - hat**2 / K,
                    epsilon / K + hat / K,
                    1 - (K - 1) * epsilon / K - (K - 1) * hat / K,
                ],
                [0, WRONG, OWN],
            ),
            identity(
                "gain",
                r"$z - b = WW^\top r/\lambda_H$: $x = gK\beta/\lambda_H = g\hat c/\lambda_H$, $\hat c = "
                r"\sqrt{K\lambda_W"
                r"\lambda_H}$.",
                (lambda_h * (U - V) / hat - GAIN.subs(lambda_w, hat**2 / (K * lambda_h))),
                0,
            ),
            identity(
                "bias",
                r"$z = x(e_k - \mathbf{1}/K) + b$ has the mean $b$: $u = (K-1)x/K + b$, $v = -x/K + b$.",
                [(K - 1) * (U - V) / K + BIAS, -(U - V) / K + BIAS],
                [U, V],
            ),
            sign(
                "alive below the threshold",
                r"$\hat c + \varepsilon = 1/(1 + s)$, $K = 1 + n$: $e^x - 1 > 0$.",
                sp.factor(sp.together((odds - 1).subs(hat, 1 / (1 + share) - epsilon).subs(K, 1 + n))),
                "positive",
            ),
            limit(
                "at the threshold",
                r"$x \to 0$ as $\hat c + \varepsilon \to 1$.",
                odds.subs({hat: share - epsilon, K: 3}),
                share,
                1,
                1,
                "-",
            ),
            identity(
                "zero beyond",
                r"$W = 0$: $b$ alone, $\sigma = 1/K$, $r = (1-\varepsilon)(e_k - \mathbf{1}/K)$ and "
                r"$\mathbb{E}rr^\top = "
                r"(1-\varepsilon)^2\Pi/K \preceq c^2 I$ iff $1 - \varepsilon \le \hat c$.",
                [(1 - (K - 1) * epsilon / K) - 1 / K, epsilon / K - 1 / K],
                [(1 - epsilon) * (1 - 1 / K), -(1 - epsilon) / K],
            ),
            *[_moment(size, x) for size in (2, 3, 4)],
        ],
        sp.Eq(sp.Symbol("b"), BIAS),
        compare,
    )


def _moment(size: int, x):
    """E rrᵀ and λ_W G = E z rᵀ, written out; E r = 0."""
    moment, cross, mean = sp.zeros(size, size), sp.zeros(size, size), sp.zeros(size, 1)
    for k in range(size):
        u = basis_vector(size, k) - sp.ones(size, 1) / size
        r = hat * u
        moment, cross, mean = moment + r * r.T / size, cross + (x * u) * r.T / size, mean + r / size
    gain = x * hat / (size * lambda_w)  # x √(λ_H/(K λ_W))
    return identity(
        f"certificate, K = {size}",
        rf"$K = {size}$: $\mathbb{{E}}r = 0$, $\mathbb{{E}}rr^\top = \hat c^2\Pi/K$ and $\lambda_WG = "
        r"\mathbb{E}(z-b)r^\top$.",
        [*mean, *moment, *cross],
        [*sp.zeros(size, 1), *(hat**2 / size * centring(size)), *(lambda_w * gain * centring(size))],
    )


def settings():
    """K = 2, 3; one-hot and smoothed; both sides of the threshold; d = K − 1."""
    for size, law in product((2, 3), (onehot(), smooth(0.1))):
        yield joint(size, law, 1e-2, 1e-2, lambda_b=0.0, free_loss=BCE)
    for law, edge in ((onehot(), 1.0), (smooth(0.3), 0.7)):
        for share in (0.98, 1.02):
            decay = share * edge / 3**0.5
            yield joint(3, law, decay, decay, lambda_b=0.0, free_loss=BCE)
    yield joint(3, onehot(), 1e-3, 0.1, lambda_b=0.0, free_loss=BCE, free_dim=2)


def compare(rng) -> list[Comparison]:
    """b and g of the derivation at 40 digits beside the shipped ones."""
    from ufm.theory.geometry.binary import biased_optimum

    bias = sp.lambdify((hat, epsilon, K), BIAS, "mpmath")
    gain = sp.lambdify((hat, epsilon, K, lambda_w, lambda_h), GAIN, "mpmath")
    rows = []
    with mp.workdps(40):
        for _ in range(6):
            classes, decay = int(10 ** rng.uniform(0.31, 3)), float(10 ** rng.uniform(-6, 1))
            other, share = float(10 ** rng.uniform(-8, -1)) / decay / classes, float(rng.uniform(0, 0.5))
            found = biased_optimum(classes, decay, other, share)
            exact = [mp.mpf(value) for value in (share, classes, decay, other)]
            root = mp.sqrt(exact[1] * exact[2] * exact[3])
            where = f"K={classes}, c^2={decay * other:.3g}, eps={share:.3g}"
            rows.append(Comparison(f"b, {where}", bias(root, *exact[:2]), found.bias))
            rows.append(Comparison(f"g, {where}", gain(root, *exact), found.across))
    return rows
