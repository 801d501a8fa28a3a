"""What is kept of a stream of features: numbers a row and counts, whatever the length of the stream."""

from typing import NamedTuple

import numpy as np

from ufm.runtime.processes import Group

DECADES = range(-18, 1)
EDGES = np.array([float(f"1e{k}") for k in DECADES])  # correctly rounded, which 10.0**k need not be


class Batch(NamedTuple):
    """Relative errors and bounds of some features (error is −1 without a closed form)."""

    row: np.ndarray
    error: np.ndarray
    bound: np.ndarray
    theory_bound: np.ndarray
    unit: np.ndarray
    numeric: np.ndarray  # candidates, in the space they were compared in
    theory: np.ndarray | None  # where they are asked for
    norm: np.ndarray
    slope: np.ndarray  # ‖∇f‖ at the numerical candidates, at most
    steps: int


class WorstRows:
    """Per row the worst error, bounds and error − bounds, and the feature with the worst error."""

    def __init__(self, rows: int):
        self.error, self.bound, self.theory_bound, self.excess, self.rank = np.full((5, rows), -np.inf)
        self.feature = np.zeros(rows, int)

    def update(self, n, batch: Batch) -> None:
        """Fold a batch in; features are ranked by error, or by bound where there is no closed form."""
        row, rank = batch.row, np.where(batch.error < 0, batch.bound, batch.error)
        best = self.rank.copy()
        np.maximum.at(best, row, rank)
        # of equal ones the first counts, however the stream is divided: here it is written last
        top = np.flatnonzero((rank == best[row]) & (rank > self.rank[row]))[::-1]
        self.feature[row[top]], self.rank = n[top], best
        with np.errstate(invalid="ignore"):  # NaN wins, and is judged as such
            for name in ("error", "bound", "theory_bound"):
                np.maximum.at(getattr(self, name), row, getattr(batch, name))
            np.maximum.at(self.excess, row, batch.error - batch.bound - batch.theory_bound)

    def combine(self, group: Group) -> None:
        """Fold in what the other processes of the group found in their parts of the stream."""
        self.error, self.bound, self.theory_bound, self.excess = group.gather(
            np.stack([self.error, self.bound, self.theory_bound, self.excess])
        ).max(0)  # NaN wins here too
        rank, feature = group.gather(self.rank), group.gather(self.feature)
        best = np.argmax(rank, 0)[None]  # the first of equal ones: parts are in the order of the ranks
        self.rank, self.feature = (np.take_along_axis(part, best, 0)[0] for part in (rank, feature))


class ErrorHistogram:
    """Numbers of features by relative error: exactly 0, below 1e-18, each decade, and 1 and above.

    counts[0] lies below EDGES[0], counts[k] in [EDGES[k−1], EDGES[k]), counts[-1] at EDGES[-1] and above,
    where what is not a number is counted too.
    """

    def __init__(self):
        self.exact, self.counts = 0, np.zeros(len(EDGES) + 1, np.int64)

    def update(self, error: np.ndarray) -> None:
        """Fold in relative errors; negative ones mark features without a closed form and are left out."""
        self.exact += int(np.sum(error == 0))
        places = np.searchsorted(EDGES, error[~(error <= 0)], side="right")  # NaN sorts last
        self.counts += np.bincount(places, minlength=len(self.counts))

    def combine(self, group: Group) -> None:
        """Add the counts of the other processes of the group."""
        self.exact, self.counts = int(group.total(self.exact)), group.total(self.counts)
