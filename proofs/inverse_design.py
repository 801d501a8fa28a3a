r"""Inverse design: every centred G ⪰ 0 is W Wᵀ at the certified optimum of an explicit label law.

G 1 = 0, weights q > 0, u_k = e_k − 1/K, c² = λ_W λ_H, cross-entropy, d ≥ K−1. Class k, of weight q_k, is labelled

    y_k = softmax(z_k) + (c/√q_k) u_k,     z_k = (c/(λ_H √q_k)) G u_k = √(λ_W/(λ_H q_k)) G u_k.

If every y_k ≥ 0, that is c ≤ K √q_k softmax(z_k)_l for l ≠ k, then W Wᵀ = G at every global optimum. z_k depends on
the ratio λ_W/λ_H alone, so a small c is feasible for any G. Idea: with r_k = (c/√q_k) u_k the moment E rrᵀ is c² Π
whatever G is, which is the certificate; and z = G r/λ_H is the critical point of that residual.
"""

import mpmath as mp
import sympy as sp

from proofs.engine.step import Comparison, Derivation, argued, formal, identity, limit, sign
from proofs.tools.designs import UNEVEN, at_share
from proofs.tools.matrices import basis_vector, centring, simplex
from ufm.refute.made import random_gram

c, lambda_w, lambda_h, q = sp.symbols("c lambda_W lambda_H q_k", positive=True)
K, p_l = sp.symbols("K p_l", positive=True)
SCALE = c / sp.sqrt(q)  # of the residual r_k = SCALE u_k
LOGIT = SCALE / lambda_h  # z_k = LOGIT G u_k
LARGEST = K * sp.sqrt(q) * p_l  # of c, for each l other than k


def derive() -> Derivation:
    """The moment, stationarity, E zzᵀ, feasibility; the matrices with arbitrary G and weights for K = 2, 3."""
    small = sp.Symbol("c_0", positive=True)
    return Derivation(
        "inverse-design",
        [
            argued(
                "the candidate",
                r"$W$ any $K \times d$ matrix with $WW^\top = G$ (it exists: $d \ge K-1 \ge "
                r"\mathrm{rank}\,G$), $h_k = "
                r"W^\top r_k/\lambda_H$, so that $Wh_k = Gr_k/\lambda_H = z_k$ and $y_k - "
                r"\mathrm{softmax}(z_k) = r_k$.",
            ),
            *[_moment(size) for size in (2, 3)],
            formal(
                "optimal",
                r"Any $W$ with $\mathbf{1}^\top W = 0$, $G = WW^\top$, and $h_k = W^\top r_k/\lambda_H$ are a "
                r"global minimum without a bias, for any $d$, wherever the labels $y_k$ so made have no "
                r"negative entry …",
                "Design.inverse_design",
            ),
            formal(
                "every global optimum",
                r"… and every other global optimum $W'$ has $W'W'^\top = G$.",
                "Design.inverse_design",
            ),
            identity(
                "balance",
                r"$\mathbb{E}\|h\|^2\lambda_H = \mathrm{tr}(GM)/\lambda_H = \lambda_W\mathrm{tr}\,G$: the "
                r"two penalties are "
                r"equal, $c^2/\lambda_H = \lambda_W$ times the trace.",
                (c**2 / lambda_h).subs(c, sp.sqrt(lambda_w * lambda_h)),
                lambda_w,
            ),
            identity(
                "logits know the ratio of penalties alone",
                r"$c/(\lambda_H\sqrt{q_k}) = \sqrt{\lambda_W/(\lambda_Hq_k)}$.",
                LOGIT.subs(c, sp.sqrt(lambda_w * lambda_h)),
                sp.sqrt(lambda_w / (lambda_h * q)),
            ),
            identity(
                "labels sum to one",
                r"$u_k$ has the entries $1 - 1/K$, once, and $-1/K$, $K - 1$ times.",
                SCALE * (1 - 1 / K) - (K - 1) * SCALE / K,
                0,
            ),
            identity(
                "feasible",
                r"$y_{kl} = p_l - c/(K\sqrt{q_k})$ for $l \ne k$ vanishes at $c = K\sqrt{q_k}p_l$; "
                r"$y_{kk} > p_k$.",
                (p_l - SCALE / K).subs(c, LARGEST),
                0,
            ),
            sign(
                "below that it is positive",
                r"$p_l - c/(K\sqrt{q_k})$ at $c = K\sqrt{q_k}p_l/(1 + c_0)$, $c_0 > 0$.",
                sp.factor((p_l - SCALE / K).subs(c, LARGEST / (1 + small))),
                "positive",
            ),
            limit(
                "small penalties", r"As $c \to 0$, $y_{kl} \to p_l > 0$: any $G$.", p_l - SCALE / K, c, 0, p_l
            ),
            argued(
                "all others",
                r"Any $r_k = (c/\sqrt{q_k}) \times$ column $k$ of a $Q$ with $QQ^\top = \Pi$, "
                r"$\mathbf{1}^\top Q = 0$ gives "
                r"the same moment, and these are all (one label a class): a law with $WW^\top = G$ is $y_k = "
                r"\mathrm{softmax}(Gr_k/\lambda_H) + r_k$ for one of them. $Q = \Pi$ is the one above.",
            ),
            *[_rotated(size) for size in (2, 3)],
        ],
        sp.Eq(sp.Symbol("y_k"), sp.Symbol(r"\mathrm{softmax}(z_k)") + SCALE * sp.Symbol("u_k")),
        compare,
    )


def _weights(size: int) -> list:
    return list(simplex("q", size))


def _gram(size: int) -> sp.Matrix:
    """An arbitrary symmetric matrix with G 1 = 0."""
    A = sp.Matrix(size, size, lambda i, j: sp.Symbol(f"A_{min(i, j)}{max(i, j)}", real=True))
    return (centring(size) * A * centring(size)).applyfunc(sp.expand)


def _moment(size: int):
    """M = c² Π, E z rᵀ = λ_W G and E z zᵀ = (c/λ_H)² G², for symbolic weights and any centred G."""
    G, weights, flat = _gram(size), _weights(size), centring(size)
    moment, cross, square = (sp.zeros(size, size) for _ in range(3))
    for k, weight in enumerate(weights):
        r = SCALE.subs(q, weight) * flat * basis_vector(size, k)
        z = LOGIT.subs(q, weight) * G * basis_vector(size, k)
        moment += weight * r * r.T
        cross += weight * z * r.T
        square += weight * z * z.T
    return identity(
        f"moments, K = {size}",
        rf"$K = {size}$, any $G = G^\top$ with $G\mathbf{{1}} = 0$, any weights: $\mathbb{{E}}rr^\top = "
        rf"c^2\Pi$, "
        r"$\mathbb{E}zr^\top = (c^2/\lambda_H)G = \lambda_WG$, $\mathbb{E}zz^\top = (c/\lambda_H)^2G^2$.",
        [*moment, *cross, *square],
        [*(c**2 * flat), *(c**2 / lambda_h * G), *((c / lambda_h) ** 2 * G * G)],
    )


def _rotated(size: int):
    """Residuals along the columns of any Q with Q Qᵀ = Π: a rotation in 1^⊥."""
    basis = sp.Matrix.hstack(
        *[sp.Matrix([1] * j + [-j] + [0] * (size - j - 1)) / sp.sqrt(j * (j + 1)) for j in range(1, size)]
    )
    angle = sp.Symbol("t", real=True)
    turn = (
        sp.Matrix([[-1]])
        if size == 2
        else sp.Matrix([[sp.cos(angle), -sp.sin(angle)], [sp.sin(angle), sp.cos(angle)]])
    )
    Q, weights = basis * turn * basis.T, _weights(size)
    moment = sp.zeros(size, size)
    for k, weight in enumerate(weights):
        r = SCALE.subs(q, weight) * Q.col(k)
        moment += weight * r * r.T
    return identity(
        f"other residuals, K = {size}",
        rf"$K = {size}$, $Q$ a rotation of $\mathbf{{1}}^\perp$: $\mathbb{{E}}rr^\top = c^2QQ^\top = "
        rf"c^2\Pi$, and "
        r"$\mathbf{1}^\top Q = 0$.",
        [*moment.applyfunc(sp.simplify), *(sp.ones(1, size) * Q)],
        [*(c**2 * centring(size)), *[0] * size],
    )


def settings():
    """Round and long G, even and uneven weights, λ_W/λ_H of 1 and 4, c up to its limit."""
    cases = [
        (1.5 * random_gram(size, ratio), UNEVEN[size], 1, 0.5) for size, ratio in ((2, 1), (3, 3), (4, 30))
    ]
    cases += [(random_gram(4, 100.0), UNEVEN[4], 1, 0.1), (random_gram(3, 5.0, seed=2), (1 / 3,) * 3, 4, 0.5)]
    cases += [(random_gram(3, 4.0), UNEVEN[3], 1, 0.999)]
    for G, weights, ratio, share in cases:
        yield at_share(G, weights, ratio, share)


def compare(rng) -> list[Comparison]:
    """Labels and the largest c at 40 digits beside those of `ufm.design`."""
    from ufm.theory.geometry.design import design

    scale, logit = sp.lambdify((c, q), SCALE, "mpmath"), sp.lambdify((c, q, lambda_h), LOGIT, "mpmath")
    largest = sp.lambdify((K, q, p_l), LARGEST, "mpmath")
    rows = []
    with mp.workdps(40):
        for count in range(6):
            size = int(rng.integers(2, 7))
            factor = rng.standard_normal((size, size - 1))
            factor -= factor.mean(0)
            G = factor @ factor.T
            masses = rng.uniform(0.2, 1.0, size)
            weights, ratio = masses / masses.sum(), float(10 ** rng.uniform(-1, 1))
            found = design(G, weights, 1e-6 * ratio, 1e-6)
            root = mp.sqrt(mp.mpf(1e-6 * ratio) * mp.mpf(1e-6))
            k, l = 0, 1 + count % (size - 1)
            z = [logit(root, mp.mpf(found.weights[k]), mp.mpf(1e-6)) * mp.mpf(float(g)) for g in G[:, k]]
            total = mp.fsum(mp.exp(value) for value in z)
            label = mp.exp(z[l]) / total - scale(root, mp.mpf(found.weights[k])) / size
            rows.append(Comparison(f"y_kl, K={size}", label, found.labels[k, l]))
            bounds = []
            for i in range(size):
                z = [logit(root, mp.mpf(found.weights[i]), mp.mpf(1e-6)) * mp.mpf(float(g)) for g in G[:, i]]
                total = mp.fsum(mp.exp(value) for value in z)
                bounds += [
                    largest(size, mp.mpf(found.weights[i]), mp.exp(z[j]) / total)
                    for j in range(size)
                    if j != i
                ]
            rows.append(Comparison(f"largest c, K={size}", min(bounds), found.largest_c))
    return rows
