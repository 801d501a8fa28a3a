"""`ufm.compare` of many features, its time and memory, against reading them once."""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array

from experiments.tools.memory import watched
from ufm.network.read.mapped import widened

ROWS = 8192
TYPES = {"float32": np.dtype(np.float32), "bfloat16": np.dtype("V2")}


@dataclass(frozen=True)
class Large:
    """One comparison. Seconds of the wall and of processors of the command, of the same on few rows, of the plain
    pass; seconds of reading the file alone; what `watched` found."""

    samples: int
    dim: int
    classes: int
    dtype: str
    spent: np.ndarray
    fixed: np.ndarray
    plain: np.ndarray
    read: float
    found: dict

    @property
    def size(self) -> float:
        """GiB of the features."""
        return self.samples * self.dim * TYPES[self.dtype].itemsize / 2**30

    def row(self) -> str:
        """A line of the table."""
        times, rest = self.spent / self.plain, (self.spent - self.fixed) / self.plain
        return (
            f"| {self.classes} | {self.samples:,} | {self.dtype} | {self.size:.2f} | {self.size / self.read:.1f} | "
            f"{self.plain[0]:.1f} ({self.plain[1]:.1f}) | {self.spent[0]:.1f} ({self.spent[1]:.1f}) | "
            f"{times[0]:.1f} ({times[1]:.1f}) | {self.fixed[0]:.1f} ({self.fixed[1]:.1f}) | "
            f"{rest[0]:.1f} ({rest[1]:.1f}) | {self.found['peak'] / 2**30:.2f} |"
        )


HEADER = [
    "| K | N | type | GiB | GiB/s read | plain reading, s | comparison, s | times | of few rows, s "
    "| the others, times | peak, GiB |",
    "|--:|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|",
]


def write_features(folder: Path, N: int, d: int, K: int = 10, seed: int = 0, dtype: str = "float32") -> None:
    """H = 8 (λ w_i + (1−λ) w_j) + noise, block by block, with W, i, j, lam, lambda_w, lambda_h."""
    rng = np.random.default_rng(seed)
    W = (rng.normal(size=(K, d)) / np.sqrt(d)).astype(np.float32)
    i, j, lam = rng.integers(0, K, N), rng.integers(0, K, N), rng.beta(1, 1, N)
    H = np.lib.format.open_memmap(folder / "H.npy", "w+", TYPES[dtype], (N, d))
    for start in range(0, N, ROWS):
        part = slice(start, start + ROWS)
        mean = lam[part, None] * W[i[part]] + (1 - lam[part, None]) * W[j[part]]
        made = (8 * mean + 0.02 * rng.standard_normal(mean.shape, np.float32)).astype(np.float32)
        H[part] = made if dtype == "float32" else (made.view(np.uint32) >> 16).astype(np.uint16).view("V2")
    H.flush()
    for key, value in {"W": W, "i": i, "j": j, "lam": lam, "lambda_w": 1e-3, "lambda_h": 1e-3}.items():
        np.save(folder / f"{key}.npy", value)


def plain_pass(folder: Path) -> np.ndarray:
    """Seconds, and those of processors, of what no comparison can do without: the file once, block by block, times
    W in float32, and class sums."""
    H = np.load(folder / "H.npy", mmap_mode="r")
    W, i = np.load(folder / "W.npy"), np.load(folder / "i.npy")
    began, sums = clocks(), np.zeros(W.shape)
    for start in range(0, len(H), ROWS):
        block, label = widened(np.asarray(H[start : start + ROWS])), i[start : start + ROWS]
        logits = block @ W.T
        ones = np.ones(len(block), np.float32)
        sums += csr_array((ones, (label, np.arange(len(block)))), shape=(len(W), len(block))) @ block
    assert np.isfinite(sums).all() and np.isfinite(logits).all()
    return clocks() - began


def read_pass(folder: Path) -> float:
    """Seconds of reading the file, block by block into one buffer."""
    buffer, began = bytearray(2**25), time.perf_counter()
    with open(folder / "H.npy", "rb", buffering=0) as file:
        while file.readinto(buffer):
            pass
    return time.perf_counter() - began


def clocks() -> np.ndarray:
    """Of the wall and of this process's processors."""
    return np.array([time.perf_counter(), time.process_time()])


def measure(N: int, d: int, K: int, dtype: str = "float32") -> Large:
    """Write, read, compare."""
    with tempfile.TemporaryDirectory(prefix="features-", dir=".") as folder:
        data, few = (Path(folder) / name for name in ("activations", "few"))
        for place, rows in ((data, N), (few, min(N, ROWS))):
            place.mkdir()
            write_features(place, rows, d, K, dtype=dtype)
            timed(place)
        _, fixed = timed(few)
        before, read = plain_pass(data), read_pass(data)
        found, spent = timed(data)
        return Large(N, d, K, dtype, spent, fixed, (before + plain_pass(data)) / 2, read, found)


def timed(data: Path) -> tuple[dict, np.ndarray]:
    """What the command says of a folder, with seconds of the wall and of processors."""
    began = time.perf_counter()
    found = watched("ufm.compare", data.name, "--report", "page.html", cwd=data.parent)
    return found, np.array([time.perf_counter() - began, found["processor"]])
