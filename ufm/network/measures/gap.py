"""How far a network is from the joint optimum: the dual gap of `ufm.certify.dual` over a stream of its samples.

Memory does not depend on their number, and a mean of n terms is granted n ε of rounding.
"""

from collections.abc import Callable, Iterable

import numpy as np
from jaxtyping import Float

import ufm.rules.numbers as checked
from ufm.certify.dual import Block, DualGap, Sample, dual_gap
from ufm.certify.joint import check_bias
from ufm.model.penalties import Penalties
from ufm.network.read.activations import Chunk


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
    """Bound the suboptimality of W, b and the features of a stream, which is read two to four times (`dual_gap`).

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

    def blocks():
        for chunk in chunks():  # rows without weight are left out, whatever they hold
            use = slice(None) if (chunk.weights > 0).all() else chunk.weights > 0
            H, Y = chunk.H[use], chunk.labels.dense()[use]
            if len(H):
                yield Block(H, Y, H @ W.T + b, chunk.weights[use], loss)

    return dual_gap(Sample(blocks), W, b, penalties, loss, dim)
