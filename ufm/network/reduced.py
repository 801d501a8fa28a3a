"""Features in the few coordinates that every measure needs, so that a large H is read once more and then no more.

With Q (d, r) an orthonormal basis of the rows of W, the class means and the mean of all features, h becomes (Qᵀh,
‖h − Q Qᵀh‖): inner products with these vectors, distances from them and ‖h‖ stay what they are. Spread within the
classes is not taken from here (`ufm.network.collapse.statistics` reads H itself): near collapse it is smaller than
the rounding of Qᵀh.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Float, Shaped

from ufm.network.read.activations import Activations
from ufm.network.read.mapped import Stored, room

CANCELS = 1e-3  # a squared distance from the span this small against ‖h‖²
RANK = 1e-13  # directions this small against the largest are rounding


def basis(*rows: Float[np.ndarray, "_ d"] | None) -> Float[np.ndarray, "d r"]:
    """An orthonormal basis of all the rows; of zeros alone some direction."""
    given = [part / max(np.abs(part).max(), 1e-300) for part in rows if part is not None]
    _, size, right = np.linalg.svd(np.concatenate(given), full_matrices=False)
    return right[: max(1, np.count_nonzero(size > RANK * size.max(initial=0.0)))].T


class Reducer:
    """Fills the reduced features block by block, in order."""

    def __init__(self, given: Activations, Q: Float[np.ndarray, "d r"]):
        self.given, self.Q, self.start = given, Q, 0
        self.rows = room((given.count, Q.shape[1] + 1), "reduced features")

    def add(
        self, H: Shaped[np.ndarray, "n d"], size: Float[np.ndarray, " n"], inside: Float[np.ndarray, "n r"]
    ) -> None:
        """The next rows; size, inside: ‖h‖² and Qᵀh of each."""
        rows = self.rows[self.start : self.start + len(H)]
        rest = size - np.vecdot(inside, inside)
        near = rest < CANCELS * size  # where the difference has lost digits it is taken of the vectors
        if near.any():
            apart = H[near] - inside[near] @ self.Q.T
            rest[near] = np.vecdot(apart, apart)
        rows[:, :-1], rows[:, -1] = inside, np.sqrt(rest)
        self.start += len(H)

    def vectors(self, rows: Float[np.ndarray, "*n d"]) -> Float[np.ndarray, "*n r1"]:
        """Vectors of the span in the same coordinates."""
        inside = rows @ self.Q
        return np.concatenate([inside, np.zeros_like(inside[..., :1])], -1)

    def result(self) -> Activations:
        """The same activations with fewer columns."""
        stored = self.given.stored | {"H": Stored("H", self.rows)}
        return replace(self.given, W=self.vectors(self.given.W), stored=stored)


def worthwhile(given: Activations) -> bool:
    """Whether the reduced features are at most half as wide."""
    return 2 * (2 * given.classes + 2) <= given.dim
