"""Labels of a batch, in the forms that training code has them, as rows of a file of activations.

(B) integers                       classes
(B, K)                             soft labels: what timm, torchvision and label smoothing give
(y, y_other, lam)                  λ y + (1−λ) y_other, λ one number or one a row
{"i": …, "j": …, "lam": …}         the same by the names of a file; {"Y": …} and {"y": …} too
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from ufm.network.read.arrays import plain_array
from ufm.network.read.label_rows import IGNORED
from ufm.rules.errors import InputError

FORMS = (
    "class numbers (B), soft labels (B, K), a tuple (y, y_other, lam), or a dictionary with i, j, lam, with Y "
    "or with y"
)
HALF = 2e-2  # how far a row of soft labels in 16 bits may be from a sum of one


class Targets(NamedTuple):
    """λ e_i + (1−λ) e_j of every row, or soft labels Y; lam None: the class i."""

    i: Int[np.ndarray, " B"] | None
    j: Int[np.ndarray, " B"] | None
    lam: Float[np.ndarray, " B"] | None
    Y: Float[np.ndarray, "B K"] | None


def read_targets(given, rows: int, classes: int) -> Targets:
    """The labels of a batch of so many rows. Raises InputError for any other form."""
    if isinstance(given, Mapping):
        return _named(given, rows, classes)
    if isinstance(given, tuple | list) and len(given) == 3 and np.ndim(_plain(given[0])) >= 1:
        return _pairs(given[0], given[1], given[2], rows, classes)
    if isinstance(given, tuple | list) and len(given) == 2 and hasattr(given[0], "shape"):
        raise InputError(f"targets are a pair of arrays: give {FORMS}")
    return _one(_plain(given), rows, classes)


def read_classes(name: str, given, rows: int, classes: int) -> Int[np.ndarray, " B"]:
    """One class a row: numbers, or rows of labels with one entry above a half (one-hot ones, smoothed or not)."""
    found = read_targets(given, rows, classes)
    if found.lam is not None or (found.Y is not None and not (found.Y.max(1) > 0.5).all()):
        raise InputError(f"{name} must have one class a row, and holds mixed labels: give unmixed batches")
    if found.Y is not None:
        return found.Y.argmax(1)
    assert found.i is not None
    return found.i


def join(parts: list[Targets], classes: int) -> dict[str, np.ndarray]:
    """Labels of all batches by the names of a file: y, or i, j, lam, or Y where any batch has such."""
    if any(part.Y is not None for part in parts):
        return {"Y": np.concatenate([dense(part, classes) for part in parts])}
    if all(part.lam is None for part in parts):
        return {"y": np.concatenate([_must(part.i) for part in parts])}
    one = [np.ones(len(_must(part.i))) if part.lam is None else part.lam for part in parts]
    j = [_must(part.i if part.j is None else part.j) for part in parts]
    return {
        "i": np.concatenate([_must(part.i) for part in parts]),
        "j": np.concatenate(j),
        "lam": np.concatenate(one),
    }


def dense(part: Targets, classes: int) -> Float[np.ndarray, "B K"]:
    """Soft labels of all rows."""
    if part.Y is not None:
        return part.Y
    eye, i = np.eye(classes), _must(part.i)
    if part.lam is None:
        return eye[i]
    lam = part.lam[:, None]
    return lam * eye[i] + (1 - lam) * eye[_must(part.j)]


def _must(part: np.ndarray | None) -> np.ndarray:
    assert part is not None
    return part


def _named(given: Mapping, rows: int, classes: int) -> Targets:
    keys = set(given)
    if keys == {"i", "j", "lam"}:
        return _pairs(given["i"], given["j"], given["lam"], rows, classes)
    if len(keys) == 1 and keys <= {"Y", "y"}:
        return _one(_plain(given[keys.pop()]), rows, classes)
    raise InputError(f"targets are a dictionary of {', '.join(map(str, given)) or 'nothing'}: give {FORMS}")


def _pairs(first, second, lam, rows: int, classes: int) -> Targets:
    i, j = (_ids(_one(_plain(part), rows, classes)) for part in (first, second))
    share = _plain(lam).astype(np.float64).reshape(-1)
    if len(share) not in (1, rows):
        raise InputError(f"lam has {len(share)} entries for {rows} rows: give one, or one a row")
    if not ((share >= 0) & (share <= 1)).all():
        raise InputError(f"lam must lie in [0, 1], got {share[~((share >= 0) & (share <= 1))][0]}")
    return Targets(i, j, np.broadcast_to(share, (rows,)), None)


def _ids(found: Targets) -> np.ndarray:
    """The class of a row of y or y_other, also where it is one-hot."""
    if found.Y is None:
        return _must(found.i)
    if not ((found.Y == 0) | (found.Y == 1)).all():
        raise InputError(
            "targets (y, y_other, lam) mix two classes a row: mixtures of soft labels are given as Y"
        )
    return found.Y.argmax(1)


def _one(found: np.ndarray, rows: int, classes: int) -> Targets:
    """Classes or soft labels, by the shape of one array."""
    if found.ndim == 2 and found.shape == (rows, 1):
        found = found[:, 0]
    if found.shape == (rows, classes) and found.dtype.kind in "fiub":
        return Targets(None, None, None, _summed(found))
    if found.shape == (rows,):
        if found.dtype.kind == "b" and classes > 2:
            raise InputError(f"targets are True or False, and W has {classes} rows: give class numbers")
        whole = found.dtype.kind in "iub" or (found.dtype.kind == "f" and (found == np.round(found)).all())
        if whole and ((found >= 0) & (found < classes)).all():
            return Targets(found.astype(np.int64), None, None, None)
        if whole:
            wrong = found[(found < 0) | (found >= classes)][0]
            left = "; leave rows that a loss ignores out of the batches" if wrong == IGNORED else ""
            raise InputError(
                f"targets hold class {wrong:g}: classes are 0 … {classes - 1}, the rows of W{left}"
            )
    raise InputError(
        f"targets of unknown form, {found.dtype} of shape {found.shape} for {rows} rows and {classes} classes: "
        f"give {FORMS}"
    )


def _summed(Y: np.ndarray) -> Float[np.ndarray, "B K"]:
    """Soft labels of 16 bits are made to sum to one; all others stay as they are, for the checks that follow."""
    if Y.dtype != np.float16 and not _is_rounded(Y):
        return Y.astype(np.float64) if Y.dtype.kind != "f" else Y
    Y = Y.astype(np.float64)
    total = Y.sum(1, keepdims=True)
    return Y / total if (np.abs(total - 1) < HALF).all() else Y


def _is_rounded(Y: np.ndarray) -> bool:
    """Whether these are bfloat16 numbers, which come as float32 with 16 empty bits."""
    return Y.dtype == np.float32 and not (np.ascontiguousarray(Y).view(np.uint32) & 0xFFFF).any()


def _plain(value) -> np.ndarray:
    return plain_array("targets", value)
