"""Features of a long stream on disk: a folder of npz files of bounded size, each written whole or not at all.

    index.json         the problem, the stream, which features are in which shard, and whether all are there
    shard-000000.npz   features 0 … n−1 of the stream: H (n, d) float64, i, j, lam (n), W (K, d), lambda_w,
                       lambda_h, and Y (n, K) where labels are not two-hot

Each shard is a file that `python -m ufm.compare` reads by itself. Run again after it was killed, the same
command writes the shards anew, each in place of the old one; another problem is refused.
"""

import hashlib
import shutil
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ufm.model.cases import LabelCases, PairCases
from ufm.model.problem import Problem
from ufm.output.files import appears, whole_file
from ufm.output.folder import Folder
from ufm.rules.errors import InputError
from ufm.runtime.processes import ALONE, Group

SHARD_BYTES = 2**27  # of labels and features in one shard; the classifier comes on top
INDEX, SCHEMA = "index.json", 1


class Shards:
    """The folder of one stream of features; `open_shards` makes it."""

    def __init__(self, path: Path, problem: Problem, cases, index: dict, group: Group):
        self.folder, self.problem, self.cases, self.index = shards_folder(path), problem, cases, index
        self.group, self.rows = group, shard_rows(problem, cases)
        self.own = group.part(cases.count, self.rows)
        self.H = np.empty((min(self.rows, cases.count), problem.d))
        self.filled, self.written = 0, self.own.start

    def keep(self, n: np.ndarray, H: np.ndarray) -> None:
        """Take the features numbered n, which follow those of the last call; write each shard that is full."""
        while len(H):
            part = H[: len(self.H) - self.filled]
            self.H[self.filled : self.filled + len(part)] = part
            self.filled, H = self.filled + len(part), H[len(part) :]
            if self.filled == len(self.H) or self.written + self.filled == self.own.stop:
                self._write()

    def _write(self) -> None:
        """One shard, from the buffer."""
        stop, p = self.written + self.filled, self.problem
        arrays = label_arrays(self.cases, np.arange(self.written, stop))
        arrays |= {"lambda_w": np.array(p.lambda_w), "lambda_h": np.array(p.lambda_h)}
        with whole_file(self.folder.path / shard_name(self.written // self.rows)) as file:
            # numpy's stubs hold every array against allow_pickle too
            np.savez(file, H=self.H[: self.filled], W=p.W, **arrays)  # type: ignore[arg-type]
        self.written, self.filled = stop, 0

    def finish(self) -> None:
        """Say in the index that every shard is there, which it is once all processes have come here."""
        self.group.meet()
        if not self.group.leads:
            return
        count, patience = self.cases.count, 60.0 if self.group.count > 1 else 0.0
        found = [
            {"file": shard_name(n), "start": start, "stop": min(start + self.rows, count)}
            for n, start in enumerate(range(0, count, self.rows))
        ]
        for shard in found:
            if not appears(self.folder.path / shard["file"], patience):
                raise InputError(
                    f"{self.folder.name} lacks {shard['file']}: give a folder that all processes see"
                )
        self.folder.write(self.index | {"complete": True, "shards": found})


def label_arrays(cases: PairCases | LabelCases, n: np.ndarray) -> dict[str, np.ndarray]:
    """i, j, lam of features n; where labels are not two-hot −1, −1, NaN and the labels Y, with their weights."""
    if isinstance(cases, PairCases):
        c = cases.take(n)
        return {"i": c.i, "j": c.j, "lam": c.lam}
    none = np.full(len(n), -1)
    weights = {} if cases.weights is None else {"weights": cases.weights[n]}
    return {"i": none, "j": none, "lam": np.full(len(n), np.nan), "Y": cases.labels[n], **weights}


def shard_rows(problem: Problem, cases: PairCases | LabelCases) -> int:
    """Features in one shard: as many as SHARD_BYTES hold, at least one."""
    return max(1, SHARD_BYTES // row_bytes(problem, cases))


def row_bytes(problem: Problem, cases: PairCases | LabelCases) -> int:
    """Bytes of a feature with i, j, lam and, where labels are not two-hot, its label."""
    dense = 0 if isinstance(cases, PairCases) else problem.classes
    return 8 * (problem.d + 3 + dense)


def shard_bytes(problem: Problem, cases: PairCases | LabelCases) -> int:
    """Bytes of all shards, without the few kilobytes of their headers."""
    shards = -(-cases.count // shard_rows(problem, cases))
    return cases.count * row_bytes(problem, cases) + 8 * shards * problem.classes * problem.d


def shard_name(number: int) -> str:
    """File name of a shard."""
    return f"shard-{number:06d}.npz"


def shards_folder(path: Path) -> Folder:
    """The folder of shards, as the flag --save names it."""
    return Folder(path, f"--save {path}/", INDEX, "run")


def plan_shards(path: Path, problem: Problem, cases: PairCases | LabelCases, words: dict) -> dict:
    """The index of a stream before the first shard; `words`: what else its numbers depend on.

    Makes the folder. Raises InputError if it holds anything but shards of this stream, or has no room.
    """
    index = {
        "schema": SCHEMA,
        **words,
        "stream": stream_digest(problem, cases),
        "count": cases.count,
        "rows": shard_rows(problem, cases),
    }
    shards_folder(path).check(index)
    check_room(path, shard_bytes(problem, cases))
    shards_folder(path).make()
    return index


@contextmanager
def open_shards(path: Path, problem: Problem, cases, index: dict, group: Group = ALONE):
    """The shards of a planned stream, held against a second run until the end (`Folder.held`)."""
    store = Shards(path, problem, cases, index, group)
    with store.folder.held(group, index | {"complete": False, "shards": []}, anew=True):
        yield store


def stream_digest(problem: Problem, cases: PairCases | LabelCases) -> str:
    """SHA-256 of labels and classifier, of which the index cannot hold all numbers."""
    arrays = [cases.lam] if isinstance(cases, PairCases) else [cases.labels, cases.row]
    arrays += [] if problem.classifier is None else [problem.classifier]
    words = [type(cases).__name__, getattr(cases, "pairs", "")]
    return hashlib.sha256(b"".join([*map(str.encode, words), *(a.tobytes() for a in arrays)])).hexdigest()


def check_room(path: Path, needed: int) -> None:
    """Raise InputError where the disk has less than `needed` bytes beside what the folder holds already."""
    place = next(part for part in (path, *path.parents) if part.is_dir())
    room = shutil.disk_usage(place).free + sum(old.stat().st_size for old in path.glob("shard-*.npz"))
    if needed > room:
        raise InputError(
            f"--save {path}/ would write {needed / 2**30:.1f} GiB where {room / 2**30:.1f} GiB are free: "
            "give fewer --samples, or a folder on a larger disk"
        )
