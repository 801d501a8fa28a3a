"""cvxpy with Clarabel on the convex program E CE(Z, Y) + c‖Z √π‖_*, c² = λ_W λ_H.

The nuclear norm as ½ min over G ⪰ 0 of tr G + E zᵀG⁻¹z (times √(λ_H/λ_W) and back): one small matrix inequality a
label. cvxpy's own `normNuc` makes one of the size K + labels, a hundred times slower at 100 labels already.
"""

import time

import numpy as np

from experiments.benchmark.joint import Descent, Recorder, Snapshot

PACKAGES = ("cvxpy", "clarabel", "jax")
THREADS = (1,)  # Clarabel's factorisation is serial


def gram_program(law, penalty: float) -> Descent:
    """One solve; compilation is cvxpy's."""
    import cvxpy as cp

    n, K = law.labels.shape
    pi = law.weights
    Z, G = cp.Variable((K, n)), cp.Variable((K, K), PSD=True)
    fit = pi @ cp.log_sum_exp(Z, axis=0) - cp.sum(cp.multiply((pi[:, None] * law.labels).T, Z))
    ridge = cp.sum([pi[k] * cp.matrix_frac(Z[:, k], G) for k in range(n)])
    problem = cp.Problem(cp.Minimize(fit + penalty / 2 * (cp.trace(G) + ridge)))
    began = time.perf_counter()
    problem.get_problem_data(cp.CLARABEL)
    compiled = time.perf_counter() - began
    clock = Recorder()
    problem.solve(solver=cp.CLARABEL)
    clock.keep(0.0)
    W, H = factor(G.value, Z.value)
    return Descent(
        [Snapshot(*clock.kept[0][:2], W, H)],
        compiled,
        f"{problem.status}, {problem.solver_stats.num_iters} iterations",
    )


def factor(G: np.ndarray, Z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """W = G^{1/2} (K, K) and the features (n, K) nearest to W h = z up to a constant."""
    value, vector = np.linalg.eigh(G)
    W = vector * np.sqrt(np.maximum(value, 0.0))
    return W, (np.linalg.pinv(W, rcond=1e-9) @ (Z - Z.mean(0))).T


VARIANTS = {"cvxpy + Clarabel, nuclear norm": gram_program}
