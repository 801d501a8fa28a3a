"""A network's activations on disk: features H, classifier W, labels; checked, and streamed in blocks of rows.
 Files: an .npz (numpy.savez) or a folder of .npy files with H (N, d), W (K, d) and labels as y (N), as i, j, lam (N
each: y = λ e_i + (1−λ) e_j), or as soft Y (N, K). Optional: b (K), weights (N), lambda_w, lambda_h, smoothing (δ of
labels given as y or i, j, lam), logits_H (N, K), the network's own logits of H, and sets apart: features of clean
inputs of the training H_clean with y_clean, of held-out ones H_test with y_test, of other data H_ood, and logits
(N2, K) of held-out data with their classes y_logits (N2). What `python -m ufm.solve --save` writes is such a file;
there i = j = −1 and lam = NaN mean "see Y". Arrays of rows are mapped and read in blocks: memory is bounded
whatever N is.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Shaped

from ufm.network.read.arrays import along, finite, in_range, is_bfloat16, plain_array
from ufm.network.read.checks import (
    LABELS,
    MEANT,
    SETS,
    check_matrix,
    check_shapes,
    held_out_key,
    label_keys,
    scalar,
)
from ufm.network.read.label_law import LabelKind, label_kind
from ufm.network.read.label_rows import LabelBlock, class_numbers, pair_rows, soft_rows, weight_rows
from ufm.network.read.mapped import Stored, held_names, open_arrays
from ufm.network.read.tidy import IDS, tidy
from ufm.rules.errors import InputError
from ufm.rules.numbers import scaled
from ufm.rules.soft_labels import BFLOAT16, PROBABILITIES, are_probabilities, from_bfloat16, said

KEYS: tuple[str, ...] = (
    "H",
    "W",
    "b",
    "y",
    "i",
    "j",
    "lam",
    "Y",
    "weights",
    "lambda_w",
    "lambda_h",
    "smoothing",
)
KEYS += ("logits", "y_logits", "logits_H", "H_clean", "y_clean", "H_test", "y_test", "H_ood")
BLOCK = 2**25  # bytes of one block in float64
LABEL_ROWS = 2**15  # at most, of a block of labels alone


Part = tuple[int, dict[str, np.ndarray]]  # where a block of rows starts, and its arrays by name


class Chunk(NamedTuple):
    """Rows start … start + n of the file: features in float64, labels, weights (ones if not given), ‖h‖² of each
    row. inside: Qᵀh, where Q was given; then H is as it is stored, for the few rows that are needed in full.
    products: W h, where they were asked for."""

    start: int
    H: Shaped[np.ndarray, "n d"]
    labels: LabelBlock
    weights: Float[np.ndarray, " n"]
    size: Float[np.ndarray, " n"]
    inside: Float[np.ndarray, "n r"] | None = None
    products: Float[np.ndarray, "n K"] | None = None


@dataclass(frozen=True, eq=False)
class Outline:
    """What is known of activations without any of their rows: sizes, names of the arrays of labels, notes, the last
    layer."""

    count: int
    classes: int
    dim: int
    held_out: int
    labels: tuple[str, ...]
    notes: tuple[str, ...]
    W: Float[np.ndarray, "K d"]
    b: Float[np.ndarray, " K"] | None


@dataclass(frozen=True, eq=False)
class Activations:
    """Checked activations. W (K, d) and b (K) are in memory; the stored arrays are read by `chunks`.

    `labels` names the arrays that hold the labels of H: ("y",), ("i", "j", "lam"), ("Y",) or the last two.
    notes: what was put right on the way, a line each. smoothing: δ as given; kind: what the labels are.
    """

    W: Float[np.ndarray, "K d"]
    b: Float[np.ndarray, " K"] | None
    labels: tuple[str, ...]
    stored: dict[str, Stored]
    lambda_w: float | None = None
    lambda_h: float | None = None
    notes: tuple[str, ...] = ()
    smoothing: float | None = None
    kind: LabelKind | None = None

    @property
    def classes(self) -> int:
        """K."""
        return self.W.shape[0]

    @property
    def dim(self) -> int:
        """d."""
        return self.W.shape[1]

    @property
    def count(self) -> int:
        """N, the rows of H."""
        return self.stored["H"].shape[0]

    @property
    def held_out(self) -> int:
        """N2, the rows of held-out logits; 0 without."""
        return self.stored["logits"].shape[0] if "logits" in self.stored else 0

    @property
    def outline(self) -> Outline:
        """Without the rows, which may be many."""
        return Outline(**{part.name: getattr(self, part.name) for part in fields(Outline)})

    @property
    def rows(self) -> int:
        """Rows of a block of about 32 MiB."""
        return max(1, BLOCK // (8 * max(self.W.shape)))

    def chunks(self, rows: int | None = None) -> Iterator[Chunk]:
        """All rows in order, `rows` at a time; InputError naming the row for NaN or infinity."""
        yield from map(self.chunk, self.parts(rows))

    def parts(self, rows: int | None = None) -> Iterator[Part]:
        """The same as they are stored: what `chunk` is made of, in any thread."""
        return self._stream(("H", *self._row_keys), rows)

    def chunk(self, stored: Part, Q: Float[np.ndarray, "d r"] | None = None, products: bool = False) -> Chunk:
        """One block checked, with what it comes to along the columns of Q, or the products with W."""
        start, part = stored
        labels, weights = self._labels(part, start)[0], weight_rows(part, start, len(part["H"]))
        if Q is not None:
            return Chunk(start, part["H"], labels, weights, *along("H", part["H"], start, Q))
        H, size = in_range("H", part["H"], start)
        return Chunk(start, H, labels, weights, size, products=H @ self.W.T if products else None)

    def label_chunks(self, rows: int | None = None) -> Iterator[tuple[LabelBlock, np.ndarray]]:
        """Labels and weights of all rows in blocks."""
        for labels, _, weights in self._measured_labels(rows):
            yield labels, weights

    def _measured_labels(self, rows: int | None = None) -> Iterator[tuple[LabelBlock, float, np.ndarray]]:
        """Labels, how far soft ones were from sums of one, weights."""
        few = max(1, min(LABEL_ROWS, BLOCK // (8 * self.classes)))
        for start, part in self._stream(self._row_keys, few if rows is None else rows):
            labels, off = self._labels(part, start)
            yield labels, off, weight_rows(part, start, len(labels.i))

    def pure_chunks(self, rows: int | None = None) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """(H, class or −1, weight) of each block: what `ufm.network.collapse.statistics.class_statistics` reads."""
        for chunk in self.chunks(rows):
            yield chunk.H, chunk.labels.pure(), chunk.weights

    def clean_chunks(self, rows: int | None = None) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """The same without the other rows, which are not read, nor is a checksum."""
        start, H = 0, self.stored["H"]
        for labels, weights in self.label_chunks(rows):
            label = labels.pure()
            use = np.flatnonzero(label >= 0)
            block = H.some(start, use)
            if not np.isfinite([block.max(initial=0), block.min(initial=0)]).all():
                finite("H", H.some(start, np.arange(len(label))), start)
            yield block.astype(np.float64, copy=False), label[use], weights[use]
            start += len(label)

    @property
    def sets(self) -> tuple[str, ...]:
        """Which of the sets apart are there: "clean", "test", "ood"."""
        return tuple(name for name in SETS if f"H_{name}" in self.stored)

    def set_chunks(
        self, name: str, rows: int | None = None
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """(H, class, weight 1) of a set apart in blocks; all of "ood" has class 0."""
        key = f"y_{name}"
        keys = (f"H_{name}", *((key,) if key in self.stored else ()))
        for start, part in self._stream(keys, rows):
            H, _ = in_range(keys[0], part[keys[0]], start)
            none = np.zeros(len(H), np.int64)
            yield (
                H,
                class_numbers(key, part[key], self.classes, start) if key in part else none,
                np.ones(len(H)),
            )

    def own_logits(self, rows: int | None = None) -> Iterator[np.ndarray]:
        """The network's own logits of H in blocks, if there."""
        for start, part in self._stream(("logits_H",) if "logits_H" in self.stored else (), rows):
            yield finite("logits_H", np.array(part["logits_H"], np.float64), start)

    def held_out_chunks(self, rows: int | None = None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """(logits float64, class) of the held-out data in blocks; nothing without logits."""
        if "logits" not in self.stored:
            return
        key = held_out_key(self.stored, self.labels)
        for start, part in self._stream(("logits", key), rows):
            logits = finite("logits", np.array(part["logits"], np.float64), start)
            scaled("logits", logits, small=True)
            yield logits, class_numbers(key, part[key], self.classes, start)

    @property
    def _row_keys(self) -> tuple[str, ...]:
        return (*self.labels, *(("weights",) if "weights" in self.stored else ()))

    def _stream(self, keys: tuple[str, ...], rows: int | None) -> Iterator[Part]:
        rows = self.rows if rows is None else rows
        if rows < 1:
            raise InputError(f"rows must be at least 1, got {rows}")
        streams = [self.stored[key].blocks(rows) for key in keys]
        for number, blocks in enumerate(zip(*streams, strict=True)):
            yield number * rows, dict(zip(keys, blocks))

    def _labels(self, part: dict[str, np.ndarray], start: int) -> tuple[LabelBlock, float]:
        soft, off = soft_rows(part["Y"], start) if "Y" in part else (None, 0.0)
        delta = self.smoothing or 0.0
        if "y" in self.labels:
            y = class_numbers("y", part["y"], self.classes, start)
            return LabelBlock(y, y, np.ones(len(y)), None, self.classes, delta), off
        if soft is None or "i" in part:
            block = pair_rows(part, soft, self.classes, start, delta)
        else:
            none = np.full(len(soft), -1)
            block = LabelBlock(none, none, np.full(len(soft), np.nan), soft, self.classes, delta)
        return (block if self.kind is None else block.named(self.kind.delta, self.kind.tolerance)), off


def read_activations(path: str, names: Sequence | np.ndarray | None = None) -> Activations:
    """Open an .npz or a folder of .npy files and check everything but the numbers in H.

    Raises InputError: missing arrays, wrong shapes or dtypes, labels out of range or not normalised,
    NaN or infinity, damaged files (see `ufm.network.read.mapped`).
    """
    stored = open_arrays(path, KEYS)
    for key in ("H", "W"):
        if key not in stored:
            raise InputError(_absent(path, key))
    return check_activations(stored, names)


def _absent(path: str, key: str) -> str:
    """What the path holds in the place of H or W, and what to give instead."""
    inside = sorted(part.name for part in Path(path).glob("*.npz"))
    if shards := [name for name in inside if name.startswith("shard-")]:
        return (
            f"{path} is a folder of {len(shards)} shards, which --save FOLDER/ writes: give one of them, "
            f"like {Path(path) / shards[0]}, or write one file with --save PATH.npz"
        )
    held = ", ".join(held_names(path)[:20])
    if inside and not held:
        return f"{path} is a folder that holds {', '.join(inside[:5])}: give one of these files"
    return f"{path} has no {key}; it holds {held or 'nothing'}. Save H (N x d), W (K x d) and {LABELS}"


def from_arrays(names: Sequence | np.ndarray | None = None, **arrays) -> Activations:
    """The same from arrays in memory, by the names of the file: from_arrays(H=H, W=W, y=y).

    NumPy, JAX and torch arrays of any kind; None counts as not given. names: what the classes are called in y, i,
    j, in the order of the rows of W, where they are not 0 … K−1.
    """
    arrays = {key: value for key, value in arrays.items() if value is not None}
    check_names(arrays)
    missing = [key for key in ("H", "W") if key not in arrays]
    if missing:
        raise InputError(f"arrays are named {', '.join(KEYS)} (H and W needed), got {', '.join(arrays)}")
    coarse = "Y" in arrays and is_bfloat16(arrays["Y"])
    stored = {key: Stored(key, plain_array(key, value)) for key, value in arrays.items()}
    for key, value in stored.items():
        if value.array.dtype.kind not in ("fiubUS" if key in IDS else "fiu"):
            raise InputError(
                f"{key} must hold real numbers (floats or integers), got dtype {value.array.dtype}"
            )
    if coarse and stored["Y"].array.ndim == 2:
        stored["Y"] = Stored("Y", from_bfloat16(stored["Y"].array))
    return check_activations(stored, names, BFLOAT16 if coarse else 0.0)


def check_names(arrays: Iterable[str]) -> None:
    """InputError for a name that no array has, with the one that may be meant."""
    for name in sorted(set(map(str, arrays)) - set(KEYS)):
        known = {key.lower(): key for key in reversed(KEYS)}
        near = get_close_matches(name.lower(), known, 1, 0.6)
        found = MEANT.get(name.lower()) or (near and known[near[0]])
        meant = f": did you mean {found}?" if found else "."
        raise InputError(f"{name} is no array of a comparison{meant} Arrays are named {', '.join(KEYS)}")


def check_activations(
    stored: dict[str, Stored], names: Sequence | np.ndarray | None = None, unit: float = 0.0
) -> Activations:
    """Check shapes, classifier, labels, weights, held-out logits and scalars; H is not read. unit: ε of the type
    that Y was made in, where that is not its own."""
    stored, notes = tidy(stored, names)
    check_matrix(stored["H"], "N x d", 1)
    check_matrix(stored["W"], "K x d", 2)
    (N, d), (K, width) = stored["H"].shape, stored["W"].shape
    if width != d:
        raise InputError(f"H is {N} x {d} and W is {K} x {width}: both need the same number of columns, d")
    labels = label_keys(stored)
    check_shapes(stored, labels, N, K)
    b = stored["b"].whole() if "b" in stored else None
    penalties = scalar(stored, "lambda_w"), scalar(stored, "lambda_h")
    smoothing = scalar(stored, "smoothing")
    if smoothing is not None and not smoothing < 1:
        raise InputError(f"smoothing must lie in [0, 1), got {smoothing}")
    if smoothing and labels == ("Y",):
        raise InputError("smoothing is of labels given as y or i, j, lam: Y says itself what was done")
    found = Activations(stored["W"].whole(), b, labels, stored, *penalties, smoothing=smoothing)
    scaled("W", found.W)
    if b is not None:
        scaled("b", b, small=True)
    if "Y" in stored and stored["Y"].array.dtype.kind == "f":
        unit = max(unit, float(np.finfo(stored["Y"].array.dtype).eps))
    off, kind = _check_values(found, unit)
    if note := said(off):
        notes.append(note)
    return replace(found, notes=tuple(notes), kind=kind)


def _check_values(found: Activations, unit: float) -> tuple[float, LabelKind]:
    """Read all labels, weights and logits once: what is wrong with them is said before any work.

    How far soft labels, of a type of this ε, were from sums of one, and what the labels are.
    """
    far = [0.0]

    def measured():
        for labels, off, weights in found._measured_labels():
            far[0] = max(far[0], off)
            yield labels, weights

    kind = label_kind(measured(), found.classes, found.smoothing, unit)
    for name in ("clean", "test"):
        if name in found.sets:
            for start, part in found._stream((f"y_{name}",), None):
                class_numbers(f"y_{name}", part[f"y_{name}"], found.classes, start)
    dtype = found.stored["logits"].array.dtype if found.held_out else None
    # every block is read to its end: that is where its checksum is held against the file's
    if found.held_out and all([are_probabilities(z, dtype) for z, _ in found.held_out_chunks()]):
        raise InputError(PROBABILITIES)
    return far[0], kind
