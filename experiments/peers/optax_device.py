"""optax's L-BFGS, vmapped, on one accelerator: the same as on a CPU with as many labels at once as pay there."""

from functools import partial

from experiments.peers.optax_lbfgs import vmapped

PACKAGES = ("jax", "optax")
COUNTS = {10: 20_000, 100: 2_000, 1000: 200}

VARIANTS = {"optax L-BFGS, vmapped": partial(vmapped, counts=COUNTS)}
