r"""A temperature for each class makes the classifier an ETF under any imbalance. One-hot, d ≥ K−1, no bias,
weights q.

    (e^{s_k} + K − 1)/s_k = K q_k/(g λ_W),    δ_k = (s_k/g) √(λ_H q_k/λ_W)    ⟹    W Wᵀ = g Π

at every global optimum. A temperature δ is a penalty λ_H/δ² in logits δ z, so the moment is M = E δ² r rᵀ. Idea:
make class k predicted as one-hot labels are at √K c = t_k = c/(δ_k √q_k); then M = c² Π whatever the weights. The
left side has a minimum, so that there is a largest g, and below it two temperatures a class.
"""

from functools import partial

import mpmath as mp
import numpy as np
import sympy as sp

from proofs.engine.step import Comparison, Derivation, argued, identity, sign
from proofs.tools.matrices import basis_vector, centring
from proofs.tools.penalised import tempered
from proofs.tools.roots import increasing_root

K, n = sp.symbols("K n", positive=True)
q, c, s, g, lambda_w, lambda_h, delta = sp.symbols("q c s g lambda_W lambda_H delta", positive=True)
LEVEL = (sp.exp(s) + K - 1) / s  # = K q/(g λ_W)
TEMPERATURE = s / g * sp.sqrt(lambda_h * q / lambda_w)
WRONG = c / (delta * sp.sqrt(q))  # t


def derive() -> Derivation:
    """The residual, the moment, the equation of a class, its minimum; matrices for K = 2, 3, 4."""
    t = sp.Symbol("t", positive=True)
    return Derivation(
        "restored-temperatures",
        [
            argued(
                "certificate",
                r"With $\rho_k = 1/\delta_k^2$ and logits $\delta_kz$ the problem is that of the theorem duality "
                r"with "
                r"$M = \mathbb{E}rr^\top/\rho$: a critical point ($h = \delta_k W^\top r/\lambda_H$) with "
                r"$\lambda_{\max}(M) \le c^2$ is optimal ($d \ge K-1$), and $r$ is unique, cross-entropy being "
                r"strictly "
                r"convex modulo $\mathbf{1}$.",
            ),
            identity(
                "residual",
                r"Class $k$ predicted as $1 - (K-1)t/K$, and $t/K$ elsewhere: $r_k = t(e_k - \mathbf{1}/K)$.",
                [1 - (1 - (K - 1) * t / K), -t / K],
                [t * (1 - 1 / K), t * (0 - 1 / K)],
            ),
            identity(
                "moment",
                r"$q\delta^2t^2 = c^2$ with $t = c/(\delta\sqrt q)$: $M = \sum_k c^2u_ku_k^\top = c^2\Pi$.",
                q * delta**2 * WRONG**2,
                c**2,
            ),
            *[_moment(size) for size in (2, 3, 4)],
            identity(
                "gap of logits",
                r"$p_k/p_o = K/t - K + 1 = e^s$, and $\delta z = \delta^2 g r/\lambda_H$: $s = "
                r"g\delta^2t/\lambda_H$. With "
                r"this $\delta$, $t = K/(e^s + K - 1)$ is the equation.",
                [
                    (1 - (K - 1) * t / K) / (t / K),
                    (g * delta**2 * WRONG / lambda_h)
                    .subs(delta, TEMPERATURE)
                    .subs(c, sp.sqrt(lambda_w * lambda_h)),
                    (K / WRONG).subs(delta, TEMPERATURE).subs(c, sp.sqrt(lambda_w * lambda_h)),
                ],
                [K / t - K + 1, s, K * q * s / (g * lambda_w)],
            ),
            identity(
                "minimum of the left side",
                r"Its derivative vanishes iff $(s-1)e^s = K-1$, and the value there is $e^{s_*}$.",
                [sp.diff(LEVEL, s) * s**2, LEVEL.subs(K, 1 + (s - 1) * sp.exp(s))],
                [(s - 1) * sp.exp(s) - (K - 1), sp.exp(s)],
            ),
            sign(
                "two sides of it",
                r"$(s-1)e^s - (K-1)$ increases for $s > 0$ from $-K$: the left side falls to $s_*$ and rises "
                r"after it, to "
                r"$\infty$ at both ends.",
                sp.diff((s - 1) * sp.exp(s), s),
                "positive",
            ),
            sign(
                "heavier classes are sharper",
                r"On the upper side $s$ grows with $q$, and $\delta/\sqrt q \propto s$: here $\partial_s$ of the "
                r"left side at "
                r"$K = 1 + (s-1)e^s - n$, beyond its minimum.",
                sp.expand(sp.diff(LEVEL, s).subs(K, 1 + (s - 1) * sp.exp(s) - n) * s**2),
                "positive",
            ),
        ],
        sp.Eq(sp.Symbol("delta"), TEMPERATURE),
        compare,
    )


def _moment(size: int):
    """Σ q_k δ_k² r_k r_kᵀ for weights and temperatures of each class."""
    weights, deltas = (sp.symbols(f"{name}_1:{size + 1}", positive=True) for name in ("q", "delta"))
    moment = sp.zeros(size, size)
    for k, (weight, own) in enumerate(zip(weights, deltas)):
        r = WRONG.subs({delta: own, q: weight}) * (basis_vector(size, k) - sp.ones(size, 1) / size)
        moment += weight * own**2 * r * r.T
    return identity(
        f"moment, K = {size}",
        rf"$K = {size}$: $\sum_k q_k\delta_k^2r_kr_k^\top = c^2\Pi$ for all weights and temperatures.",
        [*moment],
        [*(c**2 * centring(size))],
    )


def settings():
    """Mild and strong imbalance, both temperatures and mixtures of them, the largest g; K = 2, 3, 4."""
    four, three = (0.4, 0.3, 0.2, 0.1), (0.5, 0.3, 0.2)
    yield tempered(four, 1.5, 1e-2, 1e-2)
    yield tempered(four, 1.5, 1e-2, 1e-2, lower=(1, 3))
    yield tempered(four, 8.0, 1e-2, 1e-2)  # the largest is 8.047
    for gain, decay in ((0.3, (0.1, 1e-3)), (1.0, (1e-3, 0.1))):
        yield tempered(three, gain, *decay, free_dim=2)
    yield tempered((0.95, 0.05), 1.0, 1e-2, 1e-3)


def compare(rng) -> list[Comparison]:
    """Both temperatures by bisection at 40 digits beside the shipped ones; the gains read back; the largest g."""
    from ufm.theory.geometry.own_penalties import restoring_temperatures, temperature_gains

    level = sp.lambdify((s, K), LEVEL, "mpmath")
    temperature = sp.lambdify((s, g, q, lambda_w, lambda_h), TEMPERATURE, "mpmath")
    rows = []
    with mp.workdps(40):
        for _ in range(5):
            classes, decay, other = (
                int(rng.integers(2, 30)),
                *(float(10 ** rng.uniform(-5, 1)) for _ in range(2)),
            )
            weights = rng.dirichlet(np.full(classes, 3.0))
            bottom = increasing_root(lambda x, K=classes: (x - 1) * mp.exp(x) - (K - 1), 0, 40)
            largest = classes * mp.mpf(float(weights.min())) * mp.exp(-bottom) / mp.mpf(decay)
            gain = float(largest) * float(10 ** rng.uniform(-4, -0.1))
            found = restoring_temperatures(weights, gain, decay, other)
            rows.append(Comparison(f"largest g, K={classes}", largest, found.largest_gain))
            size, goal = (
                mp.mpf(float(weights[0])),
                classes * mp.mpf(float(weights[0])) / (mp.mpf(gain) * mp.mpf(decay)),
            )
            above = partial(_excess, level, classes, goal)
            upper = increasing_root(above, bottom, 10 + mp.log(goal) * 2)
            lower = increasing_root(lambda x, f=above: -f(x), mp.mpf(10) ** -12, bottom)
            for gap, shipped in ((upper, found.upper), (lower, found.lower)):
                exact = temperature(gap, mp.mpf(gain), size, mp.mpf(decay), mp.mpf(other))
                rows.append(Comparison(f"delta, K={classes}, g={gain:.3g}", exact, float(shipped[0])))
            read = temperature_gains(weights, found.upper, decay, other)
            rows.append(Comparison(f"g read back, K={classes}", mp.mpf(gain), float(read[0])))
    return rows


def _excess(level, classes, goal, x):
    """Of the left side of the equation over its right side."""
    return level(x, classes) - goal
