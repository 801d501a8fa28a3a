"""What the commands of the table read, made small: every maker takes the path that it is to fill."""

import re
import shutil
import struct
from pathlib import Path

import numpy as np

from experiments.commands.shown import ROOT

TREE = ("README.md", "CONTRIBUTING.md", "pyproject.toml", "docs", "experiments", "proofs", "tests", "ufm")


def make(names: tuple[str, ...], folder: Path) -> None:
    """The named files in a folder; a name that ends with a slash is a folder."""
    for name in names:
        MAKERS[name](folder / name)


def copy_tree(folder: Path, root: Path = ROOT) -> None:
    """The checkout, without what runs leave in it: long commands write into a tree of their own."""
    for name in TREE:
        if (root / name).is_dir():
            shutil.copytree(
                root / name,
                folder / name,
                ignore=shutil.ignore_patterns("__pycache__", "results", "generated"),
            )
        else:
            shutil.copy2(root / name, folder / name)


def activations(path: Path) -> None:
    """Noisy affine features of mixed inputs against a random W, and held-out logits."""
    rng = np.random.default_rng(0)
    N, d, K = 400, 12, 5
    W, lam, (i, j, y) = rng.normal(size=(K, d)), rng.random(N), rng.integers(0, K, (3, N))
    H = lam[:, None] * W[i] + (1 - lam[:, None]) * W[j] + 0.1 * rng.normal(size=(N, d))
    logits = (W[y] + 0.5 * rng.normal(size=(N, d))) @ W.T
    np.savez(path, H=H, W=W, b=np.zeros(K), i=i, j=j, lam=lam, logits=logits, y_logits=y)


def classifier(path: Path) -> None:
    """A Gaussian W (10, 16)."""
    np.save(path, np.random.default_rng(0).normal(size=(10, 16)))


def grid(path: Path) -> None:
    """The grid of the page on sweeps, word for word."""
    page = (ROOT / "docs" / "sweeps.md").read_text(encoding="utf-8")
    path.write_text(re.search(r"^```toml\n(.*?)^```", page, re.DOTALL | re.MULTILINE)[1], encoding="utf-8")


def conjecture(path: Path) -> None:
    """A claim of the page on conjectures, word for word."""
    shutil.copy2(ROOT / "docs" / "conjectures" / path.name, path)


def images(path: Path) -> None:
    """Noise in the shape of Fashion-MNIST, 100 images a class to train and 50 to test, as IDX files."""
    path.mkdir()
    rng = np.random.default_rng(0)
    for part, each in (("train", 100), ("t10k", 50)):
        y = rng.permutation(np.repeat(np.arange(10, dtype=np.uint8), each))
        x = rng.integers(0, 256, (len(y), 28, 28), dtype=np.uint8)
        for name, data in ((f"{part}-images-idx3-ubyte", x), (f"{part}-labels-idx1-ubyte", y)):
            head = struct.pack(f">HBB{data.ndim}I", 0, 8, data.ndim, *data.shape)
            (path / name).write_bytes(head + data.tobytes())


MAKERS = {
    "activations.npz": activations,
    "other.npz": activations,
    "W.npy": classifier,
    "grid.toml": grid,
    "threshold.py": conjecture,
    "squared_error.py": conjecture,
    "smoothing.py": conjecture,
    "data/": images,
    "docs/": lambda path: path.mkdir(exist_ok=True),  # a copy of the checkout has it
}
