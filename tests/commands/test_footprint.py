"""Estimates of memory against what commands take: never less, and not more than four times as much."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from ufm.commands.footprint import count_features
from ufm.model.cases import choose_cases
from ufm.model.laws import LabelLaw, kway, mixup, onehot, smooth
from ufm.model.problem import Problem

ROOT = Path(__file__).resolve().parents[2]
CASES = {  # a small command that compiles and loads what all need, then large ones
    "a batch of long features": (
        "ufm.solve",
        "--classes 10 --lam 0.3 --symmetry --multiplier 1",
        "--classes 500000 --lam 0.3 --symmetry --multiplier 1",
    ),
    "rows of the table": (
        "ufm.solve",
        "--classes 10 --samples 100 --symmetry --json a.json",
        "--classes 10 --samples 80000 --symmetry --json a.json",
    ),
    "dense labels": (
        "ufm.solve",
        "--classes 10 --labels kway --multiplier 1",
        "--classes 40000 --labels kway --multiplier 1",
    ),
    "dense labels with their record": (
        "ufm.solve",
        "--classes 10 --labels kway --multiplier 1 --json a.json",
        "--classes 10000 --labels kway --multiplier 1 --json a.json",
    ),
    "theorems": ("ufm.verify", "--classes 10", "--classes 2500"),
    "a file of features": (
        "ufm.solve",
        "--classes 5 --lam 0.3 --save a.npz",
        "--classes 150 --lam 0.3 --save a.npz",
    ),
    "given labels": ("ufm.solve", "--classes 4 --labels small.npy", "--classes 200 --labels large.npy"),
    "a block of a sweep": ("ufm.sweep", "small.toml", "large.toml"),
    "labels of a finite law": (
        "ufm.solve",
        "--classes 5 --classifier free --quadrature 2",
        "--classes 12 --classifier free --quadrature 256",
    ),
    "features of a finite law": (
        "ufm.solve",
        "--classes 3 --classifier free --quadrature 2",
        "--classes 3 --classifier free --quadrature 2 --dim 4000",
    ),
    "a comparison": ("ufm.compare", "small.npz", "large.npz"),
}


@pytest.fixture
def files(tmp_path):
    """What the commands read."""
    rng = np.random.default_rng(0)
    np.save(tmp_path / "small.npy", rng.dirichlet(np.ones(4), 20))
    np.save(tmp_path / "large.npy", rng.dirichlet(np.ones(200), 4000))
    (tmp_path / "small.toml").write_text("classes = 4\nmultiplier = [1.0, 2.0]\nlam = [0.3]")
    (tmp_path / "large.toml").write_text(
        f"classes = 60_000\nmultiplier = 1.0\nlam = {[n / 20 for n in range(16)]}"
    )
    for name, K, N in (("small", 4, 200), ("large", 500, 4000)):
        H, W = rng.standard_normal((N, K)), rng.standard_normal((K, K))
        np.savez(tmp_path / f"{name}.npz", H=H, W=W, y=np.arange(N) % K)
    return tmp_path


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="peaks are read from /proc")
@pytest.mark.parametrize("name", CASES)
def test_estimates_are_neither_too_low_nor_far_too_high(files, name):
    module, *commands = CASES[name]
    done = subprocess.run(
        [sys.executable, "-m", "tests.peaks", module, json.dumps(commands)],
        capture_output=True,
        text=True,
        timeout=900,
        cwd=files,
        env=os.environ | {"PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(files)},
    )
    assert done.returncode == 0, done.stderr
    _, *found = json.loads(done.stdout.splitlines()[-1])
    for estimate, peak in found:
        assert peak <= estimate <= 4 * peak, (estimate / 2**20, peak / 2**20)


def test_features_are_counted_as_the_cases_are():
    args = SimpleNamespace(symmetry=False)
    choice = {"lam": None, "samples": None, "quadrature": None}
    for law in (LabelLaw("onehot"), onehot(), smooth(0.1), mixup(1.0), mixup(1.0, "cyclic"), kway(1.0)):
        problem = Problem(5, multiplier=1.0, law=law)
        assert count_features(args, problem, choice) == choose_cases(law, 5).count, law
