"""How far a network is from the joint optimum: the dual gap of `ufm.certify.dual` over a stream of its samples.

Memory does not depend on their number, and a mean of n terms is granted n ε of rounding.
"""

from collections.abc import Callable, Iterable
from functools import partial

import numpy as np
from jaxtyping import Float

import ufm.rules.numbers as checked
from ufm.certify.dual import DualGap, dual_steps
from ufm.certify.joint import check_bias
from ufm.certify.sample import Block, Sums
from ufm.model.penalties import Penalties
from ufm.network.read.activations import Chunk
from ufm.network.read.together import Measure, Rows, alone


def certify_stream(
    chunks: Callable[[], Iterable[Chunk]],
    W: Float[np.ndarray, "K d"],
    lambda_w: float,
    lambda_h: float,
    *,
    b: Float[np.ndarray, " K"] | None = None,
    lambda_b: float | None = None,
    loss: str = "cross-entropy",
    dim: int | None = None,
) -> DualGap:
    """Bound the suboptimality of W, b and the features of a stream, which is read two or three times (`dual_gap`).

    dim: d, where W and features are in fewer coordinates. lambda_b: None no bias, 0 free, > 0 penalised. Raises
    InputError as `ufm.certify.joint.certify_joint` does.
    """
    W = checked.array("W", W, ("K", "d"))
    penalties = Penalties(
        checked.penalty("lambda_w", lambda_w),
        checked.penalty("lambda_h", lambda_h),
        checked.bias_penalty("lambda_b", lambda_b),
    )
    b = check_bias(b, lambda_b, len(W))
    checked.choice("loss", loss, checked.LOSS_NAMES)
    return alone(certifying(W, b, penalties, loss, dim), chunks, W, b)


def certifying(
    W: Float[np.ndarray, "K d"],
    b: Float[np.ndarray, " K"],
    penalties: Penalties,
    loss: str,
    dim: int | None = None,
) -> Measure[DualGap]:
    """`certify_stream` as one measure of several."""
    steps = dual_steps(W, b, penalties, loss, dim)
    parts = next(steps)
    while True:
        sums = Sums(parts)
        yield partial(_add, sums, loss)
        try:
            parts = steps.send(sums.means())
        except StopIteration as end:
            return end.value


def _add(sums: Sums, loss: str, rows: Rows) -> None:
    """A block. Whatever rows without weight hold, the first that has some stands there: programs are compiled for
    the number of rows."""
    used = np.flatnonzero(rows.use)
    if len(used) == 0:
        return
    some = slice(None) if len(used) == len(rows) else np.where(rows.use, np.arange(len(rows)), used[0])
    sums.add(Block(rows.H[some], rows.Y[some], rows.logits[some], rows.weights, loss))
    sums.count += len(used) - len(rows)
