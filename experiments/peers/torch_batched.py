"""torch on many labels at once, in float64 and in K coordinates: L-BFGS on the sum of the objectives, and SGD."""

import time

from experiments.benchmark.tasks import CHECKED, FeatureTask, Solver

PACKAGES = ("torch",)
COUNTS = {10: 2000, 100: 200, 1000: 32}
RATE, MOMENTUM, STEPS = 0.1, 0.9, 30_000
SGD_COUNTS = {10: 1000, 100: 200, 1000: 32}
LIMIT = 9.0  # seconds for SGD: fewer steps are reported as such


def _problem(task: FeatureTask, device: str = "cpu"):
    """torch, W (on the device) and V in K coordinates, and the sum of all objectives as a function of H and Y."""
    import torch

    torch.set_default_dtype(torch.float64)
    W, V = task.reduced()
    W = torch.from_numpy(W).to(device)

    def total(H, Y):
        Z = H @ W.T
        return (torch.logsumexp(Z, 1) - (Y * Z).sum(1)).sum() + 0.5 * task.lambda_h * (H * H).sum()

    return torch, W, V, total


def lbfgs(task: FeatureTask, counts: dict = COUNTS, device: str = "cpu") -> Solver:
    """torch.optim.LBFGS with the strong Wolfe line search, history 20, tolerances at rounding level."""
    torch, W, V, total = _problem(task, device)

    def solve(labels):
        Y = torch.from_numpy(labels).to(device)
        H = torch.zeros(len(Y), W.shape[1], device=device, requires_grad=True)
        method = torch.optim.LBFGS(
            [H],
            max_iter=1000,
            max_eval=2000,
            history_size=20,
            tolerance_grad=1e-14,
            tolerance_change=0.0,
            line_search_fn="strong_wolfe",
        )

        def closure():
            method.zero_grad()
            value = total(H, Y)
            value.backward()
            return value

        method.step(closure)
        return H.detach().cpu().numpy(), method.state[H]["n_iter"]

    return Solver(
        solve,
        counts.get(task.classes, CHECKED),
        features=lambda found: found[0] @ V.T,
        note=lambda found: f"{found[1]} steps",
    )


def sgd(task: FeatureTask) -> Solver:
    """Rate 0.1, momentum 0.9, 30 000 full steps of each feature, the gradient written out; no noise."""
    torch, W, V, _ = _problem(task)

    def descend(labels, steps):
        Y, began = torch.from_numpy(labels), time.monotonic()
        H, M = torch.zeros(len(Y), W.shape[1]), torch.zeros(len(Y), W.shape[1])
        for done in range(1, steps + 1):
            slope = torch.softmax(H @ W.T, 1).sub_(Y) @ W
            M.mul_(MOMENTUM).add_(slope).add_(H, alpha=task.lambda_h)
            H.sub_(M, alpha=RATE)
            if done % 100 == 0 and time.monotonic() - began > LIMIT:
                break
        return H.numpy(), done

    batch = SGD_COUNTS.get(task.classes, CHECKED)
    labels = task.labels(batch)
    return Solver(
        lambda labels: descend(labels, STEPS),
        batch,
        features=lambda found: found[0] @ V.T,
        warm=lambda: descend(labels, 100),
        note=lambda found: f"{found[1]} steps" + (", time limit" if found[1] < STEPS else ""),
    )


VARIANTS = {"torch L-BFGS, batched": lbfgs, "torch SGD": sgd}
