"""torch's L-BFGS on the sum of the objectives, on the first CUDA device; where torch has none, the row says so."""

import os

from experiments.benchmark.processes import DEVICE
from experiments.benchmark.tasks import FeatureTask, Solver
from experiments.peers import torch_batched

PACKAGES = ("torch",)
COUNTS = {10: 100_000, 100: 10_000, 1000: 1_000}


def lbfgs(task: FeatureTask) -> Solver:
    """As on a CPU, with more labels at once. RuntimeError where torch has no such device."""
    return torch_batched.lbfgs(task, COUNTS, _device())


def _device() -> str:
    import torch

    if os.environ.get(DEVICE) == "cpu":
        return "cpu"
    if not torch.cuda.is_available():
        raise RuntimeError("torch sees no CUDA device")
    return "cuda"


VARIANTS = {"torch L-BFGS, batched": lbfgs}
