"""Blind descent of the joint problem under a focal loss with many classes, from a start near zero and one far off.

    mean over k of −(1−P_k)^γ log P_k + (c/2)(‖W‖² + ‖H‖²/K),    W, H (K, K−1), P = softmax(W h).

Nothing here knows of a simplex. `ufm.verify --variant focal` has a dense Hessian and stops at nine classes; jumps
begin at eighteen. No bound from below is known.
"""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import scipy

NEAR, FAR = 0.02, 2.0  # sizes of a start's entries, over √K
WEAKER = 0.9  # of the decay, where the way to the optimum is open


@cache
def _objective(classes: int):
    def value(x, gamma, c):
        W, H = x.reshape(2, classes, classes - 1)
        Z = H @ W.T
        whole = jax.nn.logsumexp(Z, axis=1)
        own = jnp.diagonal(Z) - whole
        others = jnp.where(jnp.eye(classes, dtype=bool), -jnp.inf, Z)
        wrong = jax.nn.logsumexp(others, axis=1) - whole
        penalty = jnp.sum(W**2) + jnp.sum(H**2) / classes
        return -jnp.mean(jnp.exp(gamma * wrong) * own) + c / 2 * penalty

    return jax.jit(jax.value_and_grad(value))


def search(classes: int, gamma: float, c: float) -> tuple[np.ndarray, tuple[np.ndarray, float]]:
    """W of the start near zero; W and objective of the best of that, one from afar, and the optimum at a weaker
    decay followed to this one: about the jump there are many minima in which some classes have merged."""
    near, far = start(classes, NEAR), start(classes, FAR)
    weaker = descend(classes, gamma, WEAKER * c, far)[0]
    ends = [descend(classes, gamma, c, x) for x in (near, far, weaker)]
    rows = [(x[: x.size // 2].reshape(classes, -1), value) for x, value in ends]
    return rows[0][0], min(rows, key=lambda end: end[1])


def start(classes: int, size: float) -> np.ndarray:
    """W and H, random, of a fixed seed."""
    return size / np.sqrt(classes) * np.random.default_rng(0).standard_normal(2 * classes * (classes - 1))


def descend(classes: int, gamma: float, c: float, x: np.ndarray) -> tuple[np.ndarray, float]:
    """W and H, and the objective, where L-BFGS from x ends."""
    f = _objective(classes)
    options = {"maxiter": 4000, "maxfun": 8000, "ftol": 0.0, "gtol": 1e-9, "maxcor": 30}
    found = scipy.optimize.minimize(
        lambda x: tuple(map(np.asarray, f(x, gamma, c))), x, jac=True, method="L-BFGS-B", options=options
    )
    return found.x, float(found.fun)
