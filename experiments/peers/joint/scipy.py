"""scipy's L-BFGS-B over W and all features of the joint problem: memory 30, tolerances 0, up to 5000 iterations."""

from functools import partial

from scipy.optimize import minimize

from experiments.benchmark.joint import Descent, Recorder
from experiments.peers.joint.variables import Variables

PACKAGES = ("scipy", "jax")  # jax: for the certificates
ITERATIONS = 5000


def lbfgs(law, penalty: float, plain: bool, iterations: int = ITERATIONS) -> Descent:
    """Until it can go no further. A first run of three iterations warms numpy up."""
    variables = Variables(law, penalty, plain)
    options = {"maxcor": 30, "maxfun": 2 * iterations, "ftol": 0.0, "gtol": 0.0}

    def descend(iterations, record):
        return minimize(
            variables.value_and_gradient,
            variables.start(),
            method="L-BFGS-B",
            jac=True,
            options=options | {"maxiter": iterations},
            callback=lambda x: record(x),
        )

    descend(3, Recorder())
    record = Recorder()
    found = descend(iterations, record)
    record.keep(found.x)
    return Descent(variables.snapshots(record.kept), 0.0, f"{found.nit} iterations")


VARIANTS = {
    "scipy L-BFGS-B, all variables": partial(lbfgs, plain=True),
    "scipy L-BFGS-B, features by √π": partial(lbfgs, plain=False),
}
