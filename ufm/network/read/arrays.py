"""Arrays of any framework as NumPy arrays, without importing a framework, and blocks of rows, checked and measured
while they are in the cache."""

import numpy as np
from jaxtyping import Float, Shaped

from ufm.rules.errors import InputError
from ufm.rules.numbers import NETWORK, scaled

PART = 2**20  # bytes of rows that are still in the nearest cache when they are squared
SMALL = 10**6  # products of numbers up to which OpenBLAS multiplies matrices without copying them first
FEW = 8  # with fewer rows in such a product it is better copied


def plain_array(name: str, value) -> np.ndarray:
    """A NumPy array of a NumPy, JAX or torch array on any device (bfloat16 as float32), or of nested lists.

    What has `detach` is taken off its graph and to the CPU. Raises InputError for masked entries and for what is
    no array of numbers or names.
    """
    if np.ma.is_masked(value):
        raise InputError(f"{name} has masked entries: leave those rows out, or fill them")
    if hasattr(value, "detach"):
        value = _tensor(value)
    if is_bfloat16(value):
        value = np.asarray(value).astype(np.float32)
    try:
        found = np.asarray(value)
    except (ValueError, TypeError) as error:  # rows of different lengths, a sparse tensor
        raise InputError(f"{name} must be an array, got {type(value).__name__} ({error})") from None
    if found.dtype.kind == "O":
        raise InputError(f"{name} must hold real numbers (floats or integers), got {_said(value)}")
    return found


def finite(name: str, block: np.ndarray, start: int = 0) -> np.ndarray:
    """The block itself; InputError naming the first row with NaN or infinity, counted from `start`."""
    good = np.isfinite(block)
    if good.all():
        return block
    if not block.ndim:
        raise InputError(f"{name} holds NaN or infinity")
    rows = np.flatnonzero(~good.reshape(len(block), -1).all(1))
    more = f" and in {len(rows) - 1} more" if len(rows) > 1 else ""
    advice = "" if name == "W" else " (rows count from 0): leave such samples out"
    raise InputError(f"{name} holds NaN or infinity in row {start + rows[0]}{more}{advice}")


def in_range(
    name: str, block: Shaped[np.ndarray, "n d"], start: int
) -> tuple[Float[np.ndarray, "n d"], Float[np.ndarray, " n"]]:
    """The block in float64 and ‖h‖² of its rows; InputError naming the row of NaN or infinity, or for what is too
    large to be squared."""
    rows, size = np.empty(block.shape), np.empty(len(block))
    step = max(1, PART // (8 * max(block.shape[1], 1)))
    with np.errstate(over="ignore", invalid="ignore"):
        for n in range(0, len(block), step):
            part = rows[n : n + step]
            part[...] = block[n : n + step]
            np.vecdot(part, part, out=size[n : n + step])
    # no entry is larger than the root of the largest size
    if not size.max(initial=0.0) <= NETWORK[1]:
        scaled(name, finite(name, rows, start), small=True)
    return rows, size


def along(
    name: str, block: Shaped[np.ndarray, "n d"], start: int, Q: Float[np.ndarray, "d r"]
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, "n r"]]:
    """‖h‖² and Qᵀh of the rows of a block in float64, a part of them at a time; InputError as `in_range` says."""
    d, r = Q.shape
    size, inside, few = np.empty(len(block)), np.empty((len(block), r)), min(PART // 8, SMALL // r) // d
    step = PART // (8 * d) // few * few if few >= FEW else max(1, len(block))
    with np.errstate(over="ignore", invalid="ignore"):
        for n in range(0, len(block), step):
            part = np.asarray(block[n : n + step], np.float64)
            np.vecdot(part, part, out=size[n : n + step])
            shape = (-1, few) if few >= FEW and len(part) % few == 0 else (1, len(part))
            np.matmul(part.reshape(*shape, d), Q, out=inside[n : n + step].reshape(*shape, r))
    if not size.max(initial=0.0) <= NETWORK[1]:
        in_range(name, block, start)
    return size, inside


def squeezed(array: np.ndarray, least: int) -> np.ndarray:
    """Without trailing axes of one, down to `least` axes: (N, d, 1, 1) is (N, d), (N, 1) of labels is (N)."""
    shape = array.shape
    while len(shape) > least and shape[-1] == 1:
        shape = shape[:-1]
    return array if shape == array.shape else array.reshape(shape)


def _tensor(value):
    """A torch tensor as an array."""
    value = value.detach().cpu()
    if getattr(value, "is_sparse", False):
        value = value.to_dense()
    return (value.float() if is_bfloat16(value) else value).numpy()


def is_bfloat16(value) -> bool:
    """Of any framework; NumPy knows the type as a void."""
    return str(getattr(value, "dtype", "")).endswith("bfloat16")


def _said(value) -> str:
    if callable(value):
        return f"a {type(value).__name__}, which is a module or function and not an array"
    return f"{type(value).__name__} of objects"
