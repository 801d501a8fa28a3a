"""How far along a step: where a convex function φ of one variable, of which only φ' is asked, still falls.

φ' is monotone, so its sign brackets the minimum. It may be rounded: a wrong sign moves the bracket by no more than
where φ' is lost in rounding, and the number of rounds is limited.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

FALL = 1e-4  # of what its slope predicts, that a step must lower the objective by
ENOUGH = 0.1  # of φ'(0), that may be left at the end
ROUNDS = 60  # at most: a factor 1e6 is doubled in 20, and a kink within 1e-9 bisected in 30


class Bracket(NamedTuple):
    """φ' <= 0 at `low`, > 0 at `high` (infinite while unknown), the next trial t, and which still search."""

    low: Float[Array, "B"]
    high: Float[Array, "B"]
    t: Float[Array, "B"]
    open: Bool[Array, "B"]
    rounds: Int[Array, ""]


def lengthen(derivative: Callable, slope, shortest, wanted) -> Float[Array, "B"]:
    """t >= shortest with slope/10 <= φ'(t) <= 0, or nearly, where wanted; `shortest` elsewhere.

    slope: φ'(0) < 0. φ'(shortest) <= 0 is known; t = 1 is tried first, then doubled or bisected, geometrically.
    """

    def narrow(now: Bracket) -> Bracket:
        rise = derivative(now.t)
        falls = rise <= 0
        low = jnp.where(now.open & falls, now.t, now.low)
        high = jnp.where(now.open & ~falls, now.t, now.high)  # NaN is far beyond
        t = jnp.where(jnp.isinf(high), 2.0 * low, jnp.sqrt(low) * jnp.sqrt(high))
        return Bracket(low, high, t, now.open & ~(falls & (rise >= ENOUGH * slope)), now.rounds + 1)

    def unfinished(now: Bracket):
        return jnp.any(now.open) & (now.rounds < ROUNDS)

    one = jnp.ones_like(shortest)
    start = Bracket(shortest, jnp.inf * one, one, wanted, jnp.int32(0))
    return jax.lax.while_loop(unfinished, narrow, start).low


def backtrack(move: Callable, objective: Callable, value: float, slope: float):
    """The first of move(1), move(½), … that lowers the objective by a share of what is predicted; else None."""
    length = 1.0
    while length > 1e-6:
        trial = move(length)
        if objective(trial) < value + FALL * length * slope:
            return trial
        length /= 2
    return None
