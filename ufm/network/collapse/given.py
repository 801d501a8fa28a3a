"""Features, class ids and a last layer as people have them, checked: what `collapse_metrics` is given."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from ufm.network.collapse.statistics import check_size
from ufm.network.read.arrays import finite, plain_array, squeezed
from ufm.rules.errors import InputError


class Given(NamedTuple):
    """H in its own float type (integers as float64), not yet searched for NaN, which costs a pass of its own and
    shows in the sums; classes 0 … K − 1 of its rows; W and b in float64, or None."""

    H: Float[np.ndarray, "N d"]
    label: Int[np.ndarray, " N"]
    classes: int
    W: Float[np.ndarray, "K d"] | None
    b: Float[np.ndarray, " K"] | None


def read_given(H, y, W=None, b=None) -> Given:
    """All of it, from arrays of any framework. Raises InputError with what to do."""
    H = _features(plain_array("H", H))
    ids = _ids(plain_array("y", y), len(H))
    if W is None:
        if b is not None:
            raise InputError("b is given without W: give both, or neither")
        names, label = np.unique(ids, return_inverse=True)
        if len(names) < 2:
            raise InputError(f"y holds one class only ({names[0]}): metrics of collapse compare classes")
        return Given(H, label, len(names), None, None)
    W = _rows(plain_array("W", W), H.shape[1])
    return Given(
        H, _numbers_of(ids, len(W)), len(W), W, None if b is None else _bias(plain_array("b", b), len(W))
    )


def _features(H: np.ndarray) -> np.ndarray:
    H = squeezed(H, 2)
    if H.ndim > 2:
        raise InputError(
            f"H has shape {H.shape}: pool or flatten first, e.g. H.mean((2, 3)) or H.reshape(len(H), -1); "
            "one row of numbers a sample is asked for, (N, d)"
        )
    if H.ndim != 2 or 0 in H.shape or H.dtype.kind not in "fiu":
        raise InputError(f"H must be real numbers of shape (N, d), got {H.dtype} of shape {H.shape}")
    return H if H.dtype.kind == "f" and H.dtype.itemsize <= 8 else H.astype(np.float64)


def _ids(y: np.ndarray, count: int) -> np.ndarray:
    """Class ids (N): integers >= 0, or names."""
    if y.size == count:
        return _whole(y.reshape(count))
    if y.ndim == 2 and y.shape[0] == count:
        raise InputError(
            f"y has shape {y.shape}: give class ids, not one row of {y.shape[1]} a sample; of one-hot labels "
            "they are y.argmax(1), and mixed or smoothed labels have no class"
        )
    raise InputError(f"y must be {count} class ids, one a row of H, got shape {y.shape}")


def _whole(y: np.ndarray) -> np.ndarray:
    """Names, or integers >= 0."""
    if y.dtype.kind in "US":
        return y
    if y.dtype.kind not in "fiu":
        raise InputError(f"y must be class ids (integers or names), got {y.dtype}")
    if not (y == np.floor(y)).all():  # NaN is not equal to itself
        raise InputError(f"y must be whole numbers, got {y[~(y == np.floor(y))][0]}")
    if (y < 0).any():
        raise InputError(
            f"y holds the negative id {y.min():g}: leave the samples that are not labelled out of H and y"
        )
    return y.astype(np.int64)


def _rows(W: np.ndarray, dim: int) -> np.ndarray:
    """W (K, d) in float64."""
    if W.ndim != 2 or W.dtype.kind not in "fiu" or len(W) < 2 or W.shape[1] != dim:
        turned = W.ndim == 2 and W.shape[0] == dim
        hint = ": it is transposed, give W.T (torch has (K, d), Flax and Keras (d, K))" if turned else ""
        raise InputError(
            f"W must have one row a class, K >= 2 rows of {dim} numbers, got shape {W.shape}{hint}"
        )
    W = finite("W", W.astype(np.float64))
    check_size("W", W)
    return W


def _bias(b: np.ndarray, classes: int) -> np.ndarray:
    if b.shape not in ((classes,), (classes, 1)) or b.dtype.kind not in "fiu":
        raise InputError(f"b must be {classes} numbers, one a row of W, got {b.dtype} of shape {b.shape}")
    return finite("b", b.reshape(classes).astype(np.float64))


def _numbers_of(ids: np.ndarray, classes: int) -> np.ndarray:
    """Rows of W: the ids themselves, or, of K other ids, their places in sorted order."""
    names, place = np.unique(ids, return_inverse=True)
    whole = names.dtype.kind == "i"
    if whole and names[-1] < classes:
        return ids
    if whole and np.array_equal(names, np.arange(1, classes + 1)):
        raise InputError(f"y holds the ids 1 … {classes}, but rows of W are counted from 0: give y - 1")
    if len(names) == classes:
        return place
    raise InputError(
        f"y holds {len(names)} classes, {names[0]} … {names[-1]}, but W has {classes} rows: ids must be rows of W "
        f"(0 … {classes - 1}), or there must be {classes} of them, which are matched to the rows in sorted order"
    )
