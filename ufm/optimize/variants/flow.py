"""Gradient flow of E ℓ(W h, y) over W and H, without a penalty, from the balanced simplex ETF with logit gap x:

    Ẇ = −∂/∂W E ℓ,   ḣ_y = −∂/∂h_y E ℓ,   W₀ = √x B,  H₀ = Y W₀,   B Bᵀ = Π.

All of W and H moves: nothing here knows that the simplex stays one.
"""

import jax
import jax.numpy as jnp
import numpy as np

from ufm.loss import LOSSES
from ufm.model.variants.problem import VariantProblem
from ufm.optimize.variants.models import VariantSolution

TOLERANCES = (1e-9, 1e-12)  # relative; what the two runs differ by is the error of the first, about


def flow(problem: VariantProblem) -> VariantSolution:
    """W and H after the time, E ℓ there, and as `violation` the estimate of the integration's error in W and H."""
    from scipy.integrate import solve_ivp  # as slow to import as half of JAX

    (K, d, n), joint = problem.size, problem.joint
    gap, time = problem.variant.numbers
    B = np.zeros((K, d))
    B[:, : min(K - 1, d)] = np.linalg.svd(np.eye(K) - 1 / K)[0][:, : min(K - 1, d)]
    W = np.sqrt(gap) * B
    start = np.concatenate([W.ravel(), (joint.atoms.labels @ W).ravel()])
    Y, q, loss = jnp.asarray(joint.atoms.labels.T), joint.atoms.weights, LOSSES[joint.loss]

    @jax.jit
    def objective(x):
        return jnp.sum(q * loss.value(x[: K * d].reshape(K, d) @ x[K * d :].reshape(n, d).T, Y))

    slope = jax.jit(jax.grad(objective))
    coarse, fine = (
        solve_ivp(
            lambda _, x: -np.asarray(slope(x)), (0.0, time), start, "DOP853", rtol=rtol, atol=rtol / 10
        ).y[:, -1]
        for rtol in TOLERANCES
    )
    return VariantSolution(
        fine[: K * d].reshape(K, d),
        fine[K * d :].reshape(n, d),
        float(objective(fine)),
        float(np.linalg.norm(slope(fine))),
        np.zeros(0),
        float(np.abs(fine - coarse).max()),
        (),
    )
