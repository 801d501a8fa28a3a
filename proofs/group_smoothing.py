r"""Labels with a symmetry: W Wᵀ is the entrywise logarithm of the labels less a ridge.

Labels Y (row y_k, weight 1/K), Y = Yᵀ, left as they are by a group of class permutations that moves any class to
any other; ĉ = √(K λ_W λ_H), P = Y − ĉ Π > 0 entry by entry. If Π log(P) Π ⪰ 0 (log entry by entry),

    W Wᵀ = √(λ_H/(K λ_W)) Π log(P) Π     at every global optimum with d ≥ K−1.

Idea: theorem inverse-design read backwards: c/√q_k = ĉ, the predictions are the rows of P, and G must have the
columns √(λ_H/(Kλ_W)) Π log p_k, which are those of one symmetric matrix. Contains one-hot labels, smoothing, rings.
"""

import mpmath as mp
import numpy as np
import sympy as sp

from proofs.engine.step import Comparison, Derivation, argued, identity
from proofs.inverse_design import LOGIT, SCALE, K, c, lambda_h, lambda_w, q
from proofs.onehot_ce import GAIN
from proofs.tools.designs import labelled
from proofs.tools.matrices import centring
from ufm.refute.made import ring

ROOT = sp.sqrt(lambda_h / (K * lambda_w))


def derive() -> Derivation:
    """The scale, the inverse reading, one-hot labels as a case, and symmetric circulants for K = 3, 4, 5."""
    return Derivation(
        "group-smoothing",
        [
            identity(
                "the ridge",
                r"$q_k = 1/K$: $c/\sqrt{q_k} = \sqrt K c = \hat c$, and $r_k = \hat cu_k$ are the rows of "
                r"$\hat c\,\Pi$.",
                SCALE.subs(q, 1 / K),
                sp.sqrt(K) * c,
            ),
            identity(
                "the scale",
                r"$z_k = (\hat c/\lambda_H)Gu_k$ with $z_k = \Pi\log p_k$: $Gu_k = (\lambda_H/\hat "
                r"c)\,\Pi\log p_k$, and "
                r"$\lambda_H/\hat c = \sqrt{\lambda_H/(K\lambda_W)}$.",
                1 / LOGIT.subs({q: 1 / K, c: sp.sqrt(lambda_w * lambda_h)}),
                ROOT,
            ),
            argued(
                "one matrix",
                r"$P$ is symmetric and invariant, so $\log P$ is, and its rows have equal sums ($\log "
                r"P\,\mathbf{1}$ is "
                r"invariant under a transitive group). So $\Pi\log P = \Pi\log(P)\Pi$, which is "
                r"symmetric: the columns "
                r"asked for are those of one $G = G^\top$, $G\mathbf{1} = 0$. By hypothesis $G \succeq 0$.",
            ),
            argued(
                "the theorem",
                r"The labels are then those of the theorem inverse-design for this $G$ ($d \ge K-1$, no "
                r"bias).",
            ),
            argued(
                "the hypothesis is needed",
                r"With a negative eigenvalue no $W$ has $WW^\top = G$: at the optimum those directions "
                r"are unused, and $P$ "
                r"is another one.",
            ),
            *[_circulant(size) for size in (3, 4, 5)],
            *[_onehot(size) for size in (2, 3, 4)],
        ],
        sp.Eq(sp.Symbol("WW^T"), ROOT * sp.Symbol(r"\Pi\log(P)\Pi")),
        compare,
    )


def _circulant(size: int):
    """Any symmetric circulant of positive entries: Π log(P) = Π log(P) Π, symmetric; predictions come back."""
    entries = [sp.Symbol(f"p_{k}", positive=True) for k in range(size // 2 + 1)]
    logs = sp.Matrix(size, size, lambda i, j: sp.log(entries[min((i - j) % size, (j - i) % size)]))
    flat = centring(size)
    right = flat * logs
    G = ROOT.subs(K, size) * flat * logs * flat
    back = LOGIT.subs({q: sp.Rational(1, size), c: sp.sqrt(lambda_w * lambda_h)}) * G
    return identity(
        f"rings, K = {size}",
        rf"$K = {size}$, $P$ any symmetric circulant: $\Pi\log P = \Pi\log(P)\Pi$ is symmetric, and "
        rf"$(\hat c/\lambda_H)G = "
        r"\Pi\log P$: the softmax of its columns is $P$.",
        [*(right - right * flat), *(right - right.T), *back],
        [0] * (2 * size * size) + list(right),
    )


def _onehot(size: int):
    """P of one-hot labels and the gain of the theorem onehot-ce."""
    hat = sp.sqrt(size) * c
    own, other = 1 - hat * (1 - sp.Rational(1, size)), hat / size
    logs = (sp.log(own) - sp.log(other)) * sp.eye(size) + sp.log(other) * sp.ones(size, size)
    G = ROOT.subs(K, size) * centring(size) * logs * centring(size)
    return identity(
        f"one-hot labels, K = {size}",
        rf"$Y = I$, $K = {size}$: $P$ has $1 - \hat c(1 - 1/K)$ and $\hat c/K$; $G$ is that of the "
        rf"theorem onehot-ce.",
        [
            sp.exp(logs[0, 0] - logs[0, 1]),
            *(G - ROOT.subs(K, size) * (logs[0, 0] - logs[0, 1]) * centring(size)),
        ],
        [sp.exp(GAIN.subs(K, size) / ROOT.subs(K, size)).subs(lambda_w, c**2 / lambda_h), *[0] * size**2],
    )


def settings():
    """Rings of 4 and 5 classes, two commuting symmetries, one-hot labels."""
    yield labelled(ring(5, 0.62, 0.17, 0.02), 1e-2, 1e-2)
    yield labelled(ring(5, 0.6, 0.12, 0.08), 2e-2, 5e-3)
    yield labelled(ring(4, 0.7, 0.12, 0.06), 1e-2, 1e-2)
    yield labelled(ring(3, 0.8, 0.1), 1e-2, 1e-2)
    pairs = np.kron([[0.8, 0.2], [0.2, 0.8]], [[0.85, 0.15], [0.15, 0.85]])  # two commuting exchanges
    yield labelled(pairs, 1e-2, 1e-2)
    yield labelled(np.eye(4), 1e-2, 1e-2)


def compare(rng) -> list[Comparison]:
    """Entries of G at 40 digits beside what the shipped reading makes of the labels."""
    from ufm.theory.geometry.design import read_design

    root = sp.lambdify((lambda_h, lambda_w, K), ROOT, "mpmath")
    rows = []
    with mp.workdps(40):
        for _ in range(10):
            size, decay, other = (
                int(rng.integers(3, 8)),
                *(float(10 ** rng.uniform(-4, -2.5)) for _ in range(2)),
            )
            row = rng.uniform(0.02, 0.03, size // 2 + 1)  # nearly even: G is positive
            labels = ring(size, *row)
            labels += np.diag(1 - labels.sum(1))
            found = read_design(labels, np.full(size, 1 / size), decay, other)
            hat = mp.sqrt(size * mp.mpf(decay) * mp.mpf(other))
            flat = mp.eye(size) - mp.ones(size) / size
            logs = mp.matrix(size, size)
            for i in range(size):
                for j in range(size):
                    logs[i, j] = mp.log(mp.mpf(float(labels[i, j])) - hat * flat[i, j])
            G = root(mp.mpf(other), mp.mpf(decay), size) * (flat * logs * flat)
            rows.append(Comparison(f"G_00, K={size}", G[0, 0], found.G[0, 0]))
    return rows
