"""Arrays of any framework as NumPy arrays, without importing a framework."""

import numpy as np

from ufm.rules.errors import InputError


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
