r"""The whole Hessian at neural collapse: labels of single classes, smoothed by ε or not, no bias, d ≥ K−1.

Coordinates √λ_W W and √(λ_H/K) H, one feature a class; x the gap of logits, s = x(1 + ε/ĉ), P = p_own. At the
optimum both are αU, UᵀU = I on K−1 columns, α² = xĉ/K, and for a direction (ω, η)

    Q = ‖ω‖² + ‖η‖² − 2⟨Πω, η⟩ + (s/K) Σ_k (ωU_k + Uη_k)ᵀ S̃_k (ωU_k + Uη_k),   S̃_k = Π + (KP−1) û_k û_kᵀ.

Idea: ω = XU, η = YU + mean; with N = X + Yᵀ the sum is ‖N‖² + (KP−1)K/(K−1) Σ N_kk², and ‖X − Y‖² is left. The
symmetric N fall into size, norms and angles; the mean of the features meets the norms alone.
"""

import mpmath as mp
import numpy as np
import sympy as sp

from proofs.engine.step import Comparison, Derivation, argued, identity
from proofs.tools.frame import simplex_rows
from proofs.tools.matrices import centring
from proofs.tools.settings import joint
from ufm.model.laws import onehot, smooth

K, P, s, hat, epsilon, x, c = sp.symbols("K P s hat_c varepsilon x c", positive=True)
WEIGHT = (K * P - 1) * K / (K - 1)  # of Σ N_kk²
SIZE, ANGLES, TURNS = 2 * s * P, 2 * s / K, 2 + 2 * s / K
NORMS = 2 * s * ((K - 2) * P + 1 / K) / (K - 1)
MEANS = 1 + s * (P + (K - 2) / K) / (K - 1)
OFF = sp.sqrt(2 * (K - 2)) * s * (K * P - 1) / (K * (K - 1))


def derive() -> Derivation:
    """The scale of the sum, the parts of X − Y, each space, the coupling; matrices for K = 3, 4."""
    form = sp.Symbol("f", positive=True)
    return Derivation(
        "collapse-hessian",
        [
            identity(
                "residual",
                r"$r_k = \hat cu_k$, smoothed or not (theorem label-smoothing): the term $-2r_k^\top "
                r"dW\,dh_k/K$ is $-2"
                r"\sqrt K\hat c/(Kc)\,u_k^\top\omega\eta_k = -2u_k^\top\omega\eta_k$, as $\hat c = \sqrt "
                r"Kc$.",
                (sp.sqrt(K) * hat / (K * c)).subs(hat, sp.sqrt(K) * c),
                1,
            ),
            identity(
                "scale",
                r"$dz_k = \frac{\sqrt K}{c}\alpha(\omega U_k + U\eta_k)$ and $S_k = p_o\tilde S_k$: "
                r"$\frac1K\frac K{c^2}\alpha^2p_o$ "
                r"with $\alpha^2 = x\hat c/K$, $p_o = (\hat c + \varepsilon)/K$, is $s/K$.",
                (x * hat / K / c**2 * (hat + epsilon) / K).subs(c, hat / sp.sqrt(K)),
                x * (1 + epsilon / hat) / K,
            ),
            argued(
                "what no logit sees",
                r"$\omega$ along $\mathbf{1}$ ($d$ dimensions; $\tilde S_k\mathbf{1} = 0$, $\Pi\mathbf{1} "
                r"= 0$) and the mean of "
                r"$\eta$ off the range of $U^\top$ ($d-K+1$): $Q = \|\cdot\|^2$, eigenvalue $1$.",
            ),
            identity(
                "spare columns",
                r"$\omega$, $\eta$ off the range of $U^\top$, $\Pi\omega = \omega$: $\|\omega\|^2 + "
                r"\|\eta\|^2 - 2\langle\omega, "
                r"\eta\rangle$ has the eigenvalues $0$ and $2$, $(K-1)(d-K+1)$ each.",
                [sp.det(sp.Matrix([[1 - s, -1], [-1, 1 - s]]))],
                [s * (s - 2)],
            ),
            *[_parts(size) for size in (3, 4)],
            argued(
                "turns",
                r"$\|X - Y\|^2 = \|X_s - Y_s\|^2 + \|X_a - Y_a\|^2$ (symmetric and antisymmetric parts), "
                r"and $N = (X_s + Y_s) + "
                r"(X_a - Y_a)$. So $X_s - Y_s$: eigenvalue $2$ ($K(K-1)/2$); $X_a + Y_a$: $0$, rotations "
                r"($(K-1)(K-2)/2$); $X_a - "
                r"Y_a$: $2 + 2\frac sK$, as $N_{kk} = 0$; $X_s + Y_s$: $\frac{2s}K$ times $f(N)/\|N\|^2$.",
            ),
            identity(
                "size",
                r"$N = \Pi$: $\|N\|^2 = K-1$, $\sum N_{kk}^2 = (K-1)^2/K$: $2sP$.",
                2 * s / K * (1 + WEIGHT * (K - 1) ** 2 / K / (K - 1)),
                SIZE,
            ),
            identity(
                "angles",
                r"$N_{kk} = 0$: $2s/K$, of dimension $K(K-1)/2 - K = K(K-3)/2$; antisymmetric: $2 + 2s/K$.",
                [2 * s / K * (form / form), 2 + 2 * s / K * (form / form), K * (K - 1) / 2 - K],
                [ANGLES, TURNS, K * (K - 3) / 2],
            ),
            identity(
                "norms",
                r"$N = \Pi\,\mathrm{diag}(\delta)\Pi$, $\sum\delta = 0$: $N_{kk} = (1 - "
                r"\frac2K)\delta_k$, $\|N\|^2 = (1 - "
                r"\frac2K)\|\delta\|^2$.",
                2 * s / K * (1 + WEIGHT * (1 - 2 / K)),
                NORMS,
            ),
            identity(
                "means",
                r"$\eta = \frac{1}{\sqrt K}\mathbf{1}v^\top$: $t = Uv/\sqrt K$, $\sum_k\tilde S_k = (K + "
                r"WEIGHT)\Pi$: $1 + \frac "
                r"sK(K + (KP-1)\frac{K}{K-1})/K$.".replace("WEIGHT", r"(KP-1)\frac{K}{K-1}"),
                1 + s / K * (K + WEIGHT) / K,
                MEANS,
            ),
            identity(
                "coupling",
                r"$\frac sK\sum_kt^\top\tilde S_kNu_k = \frac sK(KP-1)\frac{K}{K-1}\sum_k(t\cdot "
                r"u_k)N_{kk}$, with $N/\sqrt2$ and "
                r"$t = \delta/\sqrt K$ of unit $\delta$, $N$ of unit norm: $b$.",
                s / K * WEIGHT * (1 - 2 / K) / sp.sqrt(1 - 2 / K) / sp.sqrt(K) * sp.sqrt(2),
                OFF,
            ),
            *[_coupling(size) for size in (3, 4)],
            identity(
                "all dimensions",
                r"With $e = d-K+1$: the multiplicities sum to $2Kd$.",
                _count(),
                2 * K * sp.Symbol("d"),
            ),
        ],
        sp.Matrix([[NORMS, OFF], [OFF, MEANS]]),
        compare,
    )


def _count():
    d = sp.Symbol("d")
    spare = (K - 1) * (d - K + 1)
    turns = (K - 1) * (K - 2) / 2
    return (
        (turns + spare)
        + (K * (K - 1) / 2 + spare)
        + (2 * d - K + 1)
        + 1
        + K * (K - 3) / 2
        + turns
        + 2 * (K - 1)
    )


def _sum(size: int, N, t):
    """Σ_k (N u_k + t)ᵀ S̃_k (N u_k + t)."""
    flat, total = centring(size), 0
    for k in range(size):
        u = flat.col(k)
        v = N * u + t
        total += (v.T * flat * v)[0] + (size * P - 1) * (u.T * v)[0] ** 2 / (u.T * u)[0]
    return sp.expand(total)


def _general(size: int) -> sp.Matrix:
    """Any matrix with N 1 = 0 = 1ᵀN."""
    flat = centring(size)
    return flat * sp.Matrix(size, size, lambda i, j: sp.Symbol(f"N_{i}{j}", real=True)) * flat


def _parts(size: int):
    """The sum at t = 0 for any N."""
    N = _general(size)
    diagonal = sum(N[k, k] ** 2 for k in range(size))
    return identity(
        f"the sum, K = {size}",
        rf"$K = {size}$: $\sum_k(Nu_k)^\top\tilde S_k(Nu_k) = \|N\|^2 + "
        rf"(KP-1)\frac{{K}}{{K-1}}\sum_kN_{{kk}}^2$.",
        _sum(size, N, sp.zeros(size, 1)),
        sp.expand((N.T * N).trace() + WEIGHT.subs(K, size) * diagonal),
    )


def _coupling(size: int):
    """What t adds, for any N and any t of sum zero."""
    N, basis = _general(size), simplex_rows(size, 1)
    t = basis * sp.Matrix([sp.Symbol(f"v_{j}", real=True) for j in range(size - 1)])
    flat = centring(size)
    cross = sum((t.T * flat.col(k))[0] * N[k, k] for k in range(size))
    weight = WEIGHT.subs(K, size)
    return identity(
        f"the mean, K = {size}",
        rf"$K = {size}$: with $t$ the sum gains $2(KP-1)\frac{{K}}{{K-1}}\sum_k(t\cdot u_k)N_{{kk}} + (K + "
        r"(KP-1)\frac{K}{K-1})\|t\|^2$.",
        _sum(size, N, t) - _sum(size, N, sp.zeros(size, 1)),
        sp.expand(2 * weight * cross + (size + weight) * (t.T * t)[0]),
    )


def settings():
    """One-hot and smoothed, sharp and nearly flat, d = K − 1 and more, K = 2 … 5."""
    for law, decay in ((onehot(), 1e-2), (onehot(), 0.3), (smooth(0.2), 2e-2)):
        yield joint(3, law, decay, decay)
    yield joint(2, smooth(0.1), 2e-2, 5e-2)
    yield joint(4, onehot(), 1e-2, 1e-2, free_dim=3)
    yield joint(5, onehot(), 2e-2, 5e-2)


def compare(rng) -> list[Comparison]:
    """Size, angles and the roots of the block at 40 digits beside the shipped spectrum."""
    from ufm.theory.geometry.hessian import collapse_spectrum

    forms = [sp.lambdify((K, s, P), form, "mpmath") for form in (SIZE, ANGLES, NORMS, MEANS, OFF)]
    rows = []
    with mp.workdps(40):
        for _ in range(5):
            size, decay = int(rng.integers(4, 12)), float(10 ** rng.uniform(-3, -1))
            other, amount = float(rng.uniform(0.02, 0.5)) ** 2 / size / decay, float(rng.uniform(0, 0.4))
            root = mp.sqrt(size * mp.mpf(decay) * mp.mpf(other))
            wrong = (root + mp.mpf(amount)) / size
            own = 1 - (size - 1) * wrong
            scale = mp.log(own / wrong) * (1 + mp.mpf(amount) / root)
            two, angles, first, last, off = (form(size, scale, own) for form in forms)
            middle, half = (first + last) / 2, mp.sqrt(((first - last) / 2) ** 2 + off**2)
            shipped = np.array([value for value, _ in collapse_spectrum(size, size, decay, other, amount)])
            for name, value in (
                ("size", two),
                ("angles", angles),
                ("low", middle - half),
                ("high", middle + half),
            ):
                near = shipped[np.argmin(np.abs(shipped - float(value)))]
                rows.append(Comparison(f"{name}, K={size}, epsilon={amount:.3g}", value, float(near)))
    return rows
