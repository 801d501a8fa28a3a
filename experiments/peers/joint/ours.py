"""`solve_joint`: Newton's method in the Gram matrix W Wᵀ."""

import numpy as np

from experiments.benchmark.joint import CLASSES, DIM, Descent, Recorder, Snapshot

PACKAGES = ("jax", "ufm")


def newton(law, penalty: float, repeats: int = 5) -> Descent:
    """The descent cut off after 1, 2, … steps, then the whole of `solve_joint`: a snapshot each.

    Each is the median of `repeats` runs from the start, after a first one that compiles.
    """
    import jax.numpy as jnp

    from ufm.model.atoms import JointProblem
    from ufm.optimize.gram import Atoms, Penalties, descend_gram, logit_basis
    from ufm.optimize.joint import solve_joint

    penalties = Penalties(*(jnp.asarray(value, float) for value in (penalty, penalty, 0.0)))
    B = jnp.asarray(logit_basis(CLASSES, "cross-entropy"))

    def cut_off(steps):
        atoms = Atoms(jnp.asarray(law.labels.T), jnp.asarray(law.weights), penalties)
        point = descend_gram(B, atoms, loss_name="cross-entropy", bias=False, max_steps=steps).point
        return np.asarray(B @ point.V), np.asarray(point.h).T

    def whole():
        found = solve_joint(JointProblem(law, penalty, penalty, DIM))
        return found.W, found.H, found.steps

    clock = Recorder()
    steps = whole()[2]
    clock.keep(0.0)
    snapshots = [timed(lambda count=count: cut_off(count), repeats) for count in range(1, steps)]
    snapshots.append(timed(lambda: whole()[:2], repeats))
    return Descent(snapshots, clock.kept[0][0] - snapshots[-1].seconds, f"{steps} outer steps")


def timed(call, repeats: int) -> Snapshot:
    """Median times of a call that returns W and H."""
    times = []
    for _ in range(repeats):
        clock = Recorder()
        W, H = call()
        clock.keep(0.0)
        times.append(clock.kept[0][:2])
    return Snapshot(*map(float, np.median(times, axis=0)), W, H)


VARIANTS = {"ours: Newton in W Wᵀ": newton}
