"""Labels and logits that differ from zero at two classes at most: four numbers a feature until they are solved."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int


class Placed(NamedTuple):
    """The arrays (K, B) with at_i in row i, at_j in row j (unless i = j), and zero elsewhere."""

    at_i: Float[Array | np.ndarray, "B"]
    at_j: Float[Array | np.ndarray, "B"]
    i: Int[Array | np.ndarray, "B"]
    j: Int[Array | np.ndarray, "B"]


def dense(part, classes: int):
    """(K, B) of what is placed; an array as it is."""
    if not isinstance(part, Placed):
        return part
    k = jnp.arange(classes, dtype=part.i.dtype)[:, None]
    return jnp.where(k == part.i, part.at_i, jnp.where(k == part.j, part.at_j, jnp.zeros_like(part.at_i)))
