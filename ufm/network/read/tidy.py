"""What people have in hand, as the arrays that a comparison reads: shapes, class numbers, mixing weights.

Accepted: trailing axes of one, whole numbers as floats, class labels of any kind with their `names` in the order of
the rows of W, one λ for all rows or for each batch. Refused, with what to do: feature maps, a transposed W, one-hot
rows as y, classes counted from one.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ufm.network.read.arrays import squeezed
from ufm.network.read.mapped import FEATURES, Stored
from ufm.rules.errors import InputError

IDS = ("y", "i", "j", "y_logits", "y_clean", "y_test")


def tidy(
    stored: dict[str, Stored], names: Sequence | np.ndarray | None = None
) -> tuple[dict[str, Stored], list[str]]:
    """The arrays by the names of a file, with a line for what was read in a way that should be said."""
    found = {key: _squeezed(part) for key, part in stored.items()}
    for key in FEATURES:
        if key in found:
            _check_features(found[key])
    if "H" not in found or "W" not in found or found["W"].array.ndim != 2 or found["H"].array.ndim != 2:
        return found, []  # said by the checks that follow
    _check_upright(found["H"].shape, found["W"].shape)
    classes = found["W"].shape[0]
    for key in IDS:
        if key in found:
            found[key] = _ids(found[key], classes, names)
    note = ""
    if "lam" in found:
        found["lam"], note = _spread(found["lam"], found["H"].shape[0])
    return found, [note] if note else []


def _squeezed(part: Stored) -> Stored:
    """Without trailing axes of one."""
    array = squeezed(part.array, 2 if part.name in (*FEATURES, "W", "Y", "logits") else 1)
    return part if array is part.array else replace(part, array=array)


def _check_features(part: Stored) -> None:
    if len(part.shape) > 2:
        of_what = (
            f"batches are joined, np.concatenate({part.name}); of tokens take what the head does, like "
            f"{part.name}[:, 0]"
            if len(part.shape) == 3
            else f"of feature maps take the pooled ones, like {part.name}.mean((2, 3)), or flatten them as the "
            "network does"
        )
        raise InputError(
            f"{part.name} has shape {part.shape}: it must be what the last layer takes, N x d; {of_what}"
        )


def _check_upright(features: tuple[int, ...], rows: tuple[int, ...]) -> None:
    """Columns of H and W that do not match, where it is told why."""
    (n, d), (K, width) = features, rows
    if width == d:
        return
    said = f"H is {n} x {d} and W is {K} x {width}: "
    if d == K:
        raise InputError(
            f"{said}give W.T, a row a class, or if H are logits what the last layer takes instead"
        )
    if width == n:
        raise InputError(f"{said}give H.T, a row a sample")
    if width == d + 1:
        raise InputError(f"{said}if a column of W is the bias, give it apart as b")


def _ids(part: Stored, classes: int, names: Sequence | np.ndarray | None) -> Stored:
    """Class numbers from 0; as they are where they are integers and no names are given."""
    if part.array.ndim == 2:
        raise InputError(
            f"{part.name} has shape {part.shape}: rows of probabilities or one-hot labels are given as Y, "
            f"class numbers as {part.name}.argmax(1)"
        )
    if names is not None:
        return Stored(part.name, _looked_up(part.name, part.values(), names, classes))
    if part.array.dtype.kind == "f":
        part = Stored(part.name, _whole(part.name, part.values()))
    elif part.array.dtype.kind == "b":
        if classes > 2:
            raise InputError(
                f"{part.name} is True or False, and W has {classes} rows: give class numbers 0 … {classes - 1}"
            )
        part = Stored(part.name, part.array.astype(np.int64))
    elif part.array.dtype.kind not in "iu":
        raise InputError(
            f"{part.name} holds {part.array.dtype}: give names=[...], a name for each row of W, in order"
        )
    return part


def _whole(name: str, values: np.ndarray) -> np.ndarray:
    """Floats that are integers, as such."""
    bad = ~(np.isfinite(values) & (values == np.round(values)))
    if bad.any():
        row = int(np.argmax(bad))
        raise InputError(
            f"{name} must hold class numbers, row {row} holds {values[row]}: soft labels are given as Y"
        )
    return values.astype(np.int64)


def _looked_up(name: str, values: np.ndarray, names: Sequence | np.ndarray, classes: int) -> np.ndarray:
    """Places in `names`; −1 stays (see Y)."""
    known = np.asarray(names)
    if known.ndim != 1 or len(known) != classes or len(np.unique(known)) != classes:
        raise InputError(f"names must be {classes} different names, one for each row of W in order")
    order = np.argsort(known)
    try:
        place = np.clip(np.searchsorted(known[order], values), 0, classes - 1)
        found = order[place]
        bad = known[found] != values
    except TypeError:
        bad = np.ones(len(values), bool)
    unsaid = values == -1 if values.dtype.kind in "iuf" and name in "ij" else np.zeros(len(values), bool)
    if (bad & ~unsaid).any():
        row = int(np.argmax(bad & ~unsaid))
        raise InputError(f"{name} holds {values[row]!r} in row {row}, which is none of the {classes} names")
    return np.where(unsaid, -1, found)


def _spread(part: Stored, rows: int) -> tuple[Stored, str]:
    """λ of every row, from one for all of them or one a batch (all batches equal but the last)."""
    given = part.array.ndim and part.shape[0]
    if given == rows or part.array.ndim > 1:
        return part, ""
    if given in (0, 1):
        return Stored("lam", np.full(rows, part.values().item())), "lam: one for all rows"
    batch = -(-rows // given)
    if given > rows or not (given - 1) * batch < rows:
        return part, ""  # refused by the checks of shapes
    return Stored("lam", np.repeat(part.values(), batch)[:rows]), f"lam: one for each batch of {batch} rows"
