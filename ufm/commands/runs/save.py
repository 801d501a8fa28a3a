"""What a run leaves beside its record: features in one .npz file, kept while they are solved, and the picture."""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from ufm.model.cases import LabelCases, PairCases
from ufm.model.problem import Problem
from ufm.output.files import Outputs
from ufm.output.shards import label_arrays
from ufm.runtime.processes import Group


def save_picture(outputs: Outputs, draw: Callable[[], Any]) -> None:
    """The `Picture` that is drawn, where --plot asks for one, and its caption on standard error."""
    if "plot" not in outputs.paths:
        return
    with outputs.stage("plot") as path:
        figure = draw()
        figure.savefig(path)
    print(f"{outputs.paths['plot'].name}: {figure.caption}", file=sys.stderr)


class Kept:
    """The numerical optima of every feature, in the order of the stream; none were kept before the run."""

    def __init__(self, problem: Problem, cases: PairCases | LabelCases, dtype):
        self.problem, self.cases = problem, cases
        self.H = np.zeros((cases.count, problem.d), dtype)

    def keep(self, n: np.ndarray, H: np.ndarray) -> None:
        """Features H (B, d) of numbers n (B)."""
        self.H[n] = H

    def combine(self, group: Group) -> None:
        """Those of the other processes of the group too."""
        if group.count > 1:
            self.H = group.total(self.H)

    def save(self, target) -> None:
        """An npz: H (N, d), W (K, d), i, j, lam (N; −1 and NaN where a label is not two-hot), Y (N, K), lambda_w,
        lambda_h, and weights (N) of given labels that have them."""
        n = np.arange(self.cases.count)
        arrays: dict[str, Any] = {"H": self.H, "W": self.problem.W, **label_arrays(self.cases, n)}
        if isinstance(self.cases, PairCases):
            arrays["Y"] = np.zeros((len(n), self.problem.classes))
            c = self.cases.take(n)
            arrays["Y"][n, c.j] = c.colam
            arrays["Y"][n, c.i] = np.where(c.i == c.j, 1.0, c.lam)
        np.savez(target, **arrays, lambda_w=self.problem.lambda_w, lambda_h=self.problem.lambda_h)
