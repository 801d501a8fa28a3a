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
