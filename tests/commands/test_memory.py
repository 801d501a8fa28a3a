"""The one limit of memory: how it is found and given, what it refuses, and that it changes nothing else."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import ufm.commands.footprint as footprint
import ufm.compare
import ufm.rules.memory as memory
import ufm.solve
import ufm.sweep
import ufm.verify
from tests.children import refused
from ufm.model.atoms import finite_law, given_lam
from ufm.model.laws import LabelLaw, cutmix, kway, mixup, onehot, smooth, soft
from ufm.rules.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
GIANT = [  # command lines that would take gigabytes to petabytes
    "ufm.solve --classifier free --classes 1000",
    "ufm.solve --classifier free --draws 1000000000",
    "ufm.solve --classifier free --draws 100000 --classes 1000",
    "ufm.solve --classifier free --labels onehot --classes 100000",
    "ufm.solve --classifier free --labels kway --classes 300",
    "ufm.solve --classifier free --labels smoothing --classes 20000",
    "ufm.solve --classifier free --classes 3 --dim 100000000",
    "ufm.solve --classifier free --classes 3 --samples 10000000",
    "ufm.solve --classifier free --labels cutmix --classes 3 --quadrature 2048",
    "ufm.solve --classifier free --classes 50 --starts 100000000",
    "ufm.solve --classifier free --labels onehot --classes 500 --dim 300",
    "ufm.solve --classes 3 --dim 100000000",
    "ufm.solve --classes 3 --dim 10000000 --save a.npz",
    "ufm.solve --classes 30 --dim 10000000 --lam 0.3 --save out/",
    "ufm.solve --classes 3 --dim 10000000 --plot a.png",
    "ufm.solve --classes 1000 --save a.npz",
    "ufm.solve --classes 10000000",
    "ufm.solve --classes 10000000 --labels kway",
    "ufm.solve --classes 10000000 --labels smoothing",
    "ufm.solve --classes 20000 --labels smoothing",
    "ufm.solve --classes 10000000 --smoothing 0.1",
    "ufm.solve --classes 10000000 --symmetry --lam 0.3 --multiplier 1",
    "ufm.solve --samples 10000000",
    "ufm.solve --samples 10000000 --symmetry",
    "ufm.solve --samples 10000000 --labels kway --json a.json",
    "ufm.solve --labels cutmix --quadrature 2048",
    "ufm.verify --classes 100000",
    "ufm.verify --classes 10 --dim 10000000",
    "ufm.verify --classes 50000 --pairs cyclic --json a.json",
    "ufm.sweep grid.toml",
    "ufm.sweep grid.toml --dry-run",
]
NUMBERS = [
    "ufm.solve --classes 3 --lam 0.3",
    "ufm.solve --classes 3 --labels onehot --classifier free",
    "ufm.verify --classes 3 --alpha 0.7",
]


@pytest.fixture(autouse=True)
def _in_tmp(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def run(call_main, words: str, *more):
    module, *argv = words.split()
    return call_main(sys.modules[module].main, *argv, *more)


@pytest.mark.parametrize("words", GIANT)
def test_giants_are_refused_with_their_size(call_main, words):
    if "grid.toml" in words:
        Path("../grid.toml").write_text("classes = 10000000")
        words = words.replace("grid.toml", "../grid.toml")
    code, out, err = run(call_main, words, *(() if "--dim 100000000" in words else ("--memory", "2GiB")))
    refused((code, out, err))
    assert len(err.splitlines()) == 1
    if "dim must be an integer" not in err:
        assert "would need about" in err and "are allowed (--memory)" in err


@pytest.mark.parametrize("words", ["--width 1000000", "--width 3000 --depth 1000", "--memory 1MiB"])
def test_a_giant_network_is_refused(call_main, words):
    from experiments.train import main

    result = call_main(main, *("--memory", "2GiB") * ("--memory" not in words), *words.split())
    refused(result, "for the network and its optimiser")


def test_giant_data_are_refused(call_main, monkeypatch):
    from experiments.compare_large import main

    monkeypatch.setattr(sys, "argv", ["compare_large", "--samples", str(10**13)])
    refused(call_main(lambda _: main(), ""), "for the labels and a block")


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of address space is Linux's")
def test_giants_are_refused_before_anything_is_taken():
    """Without --memory and with 2 GiB of address space, by a process that never loads JAX."""
    Path("grid.toml").write_text("classes = 10000000")
    program = (
        "import importlib, resource, sys\n"
        "resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31))\n"
        "for line in sys.argv[1:]:\n"
        "    module, *argv = line.split()\n"
        "    print(importlib.import_module(module).main(argv), 'jax' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *GIANT],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"},
    )
    assert done.stdout == "2 False\n" * len(GIANT), done.stderr
    assert len(done.stderr.splitlines()) == len(GIANT) and os.listdir() == ["grid.toml"]


def record(call_main, words: str, *more) -> dict:
    code, out, err = run(call_main, words, "--json", "-", *more)
    assert code in (0, 3), err
    found = json.loads(out)
    del found["provenance"]
    return found


@pytest.mark.parametrize("words", NUMBERS)
def test_the_limit_changes_no_number(call_main, words):
    assert record(call_main, words) == record(call_main, words, "--memory", "900GiB")


def test_a_theorem_is_undecided_for_its_size_whatever_the_limit(call_main):
    """By its number of multiplications; so a limit never makes a verdict."""
    words = "ufm.verify --classes 60"
    low, high = (record(call_main, words, "--memory", size) for size in ("200MiB", "900GiB"))
    assert low == high
    assert any("too many for the joint problem" in (t["reason"] or "") for t in low["theorems"])


def test_a_refusal_within_a_theorem_is_no_verdict(monkeypatch):
    from ufm.agree.theorem import check_theorem
    from ufm.model.problem import Problem
    from ufm.theory.theorems.catalogue import THEOREMS
    from ufm.theory.theorems.theorem import Setting

    def greedy(*_):
        memory.require(2**70, "a theorem")

    monkeypatch.setattr("ufm.agree.theorem.check_feature_claim", greedy)
    with pytest.raises(memory.TooLarge):
        check_theorem(THEOREMS["soft-label"], Setting(Problem(3, multiplier=1.0)))


@pytest.mark.parametrize(
    "text, size",
    [
        ("4GiB", 2**32),
        ("500MB", 500_000_000),
        ("1.5 G", 3 * 2**29),
        ("7b", 7),
        (".5kib", 512),
        ("2TB", 2 * 10**12),
    ],
)
def test_sizes(text, size):
    assert memory.parse_size(text) == size


@pytest.mark.parametrize("text", ["", "4", "GiB", "-1GiB", "4 gigabytes", "1e3MB", "nanGiB", "4GiB 2MB"])
@pytest.mark.parametrize("main", [ufm.solve.main, ufm.verify.main, ufm.compare.main, ufm.sweep.main])
def test_what_is_no_size(call_main, main, text):
    file = [] if main in (ufm.solve.main, ufm.verify.main) else ["absent"]
    code, out, err = call_main(main, *file, f"--memory={text}")
    assert code == 2 and out == "" and "--memory must be a size like 4GiB" in err


def test_a_limit_ends_with_its_command(call_main):
    before = memory.allowed()
    run(call_main, "ufm.verify --classes 100000 --memory 1MiB")
    assert memory.allowed() > before / 2 > 2**20


def tree(root: Path, version: int, limits: dict[str, tuple[str, int, int]]) -> Path:
    """A file system of control groups: limit, use, and inactive pages of files by group."""
    names = ("memory.max", "memory.current", "inactive_file")
    if version == 1:
        root, names = (
            root / "memory",
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        )
    for place, (most, used, cached) in limits.items():
        folder = root / place
        folder.mkdir(parents=True, exist_ok=True)
        (folder / names[0]).write_text(f"{most}\n")
        (folder / names[1]).write_text(f"{used}\n")
        (folder / "memory.stat").write_text(f"anon 5\n{names[2]} {cached}\n")
    return root


@pytest.mark.parametrize("version, line", [(1, "4:memory:/a/b"), (2, "0::/a/b")])
def test_control_groups_and_those_above_them_count(version, line, tmp_path):
    limits = {"a/b": ("max", 0, 0), "a": ("1000", 700, 50), "": ("5000", 1000, 0), "other": ("1", 0, 0)}
    tree(tmp_path, version, limits)
    own = tmp_path / "own"
    own.write_text(f"9:cpu:/a\n{line}\n")
    assert sorted(memory._control_groups(tmp_path, str(own))) == [350, 4000]
    own.write_text(line.replace("/a/b", "/known/to/the/host/only"))  # as in a container
    assert memory._control_groups(tmp_path, str(own)) == [4000]


@pytest.mark.skipif(sys.platform != "linux", reason="limits and /proc are Linux's")
def test_the_limit_of_address_space_counts():
    import resource

    soft_limit, hard = resource.getrlimit(resource.RLIMIT_AS)
    taken = 1024 * memory._fields("/proc/self/status")["VmSize"]
    try:
        resource.setrlimit(resource.RLIMIT_AS, (taken + 2**28, hard))
        assert memory.free_bytes() <= 2**28
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft_limit, hard))


def test_free_memory_without_a_system_that_tells(monkeypatch):
    monkeypatch.setattr(memory, "_text", lambda path: "")
    assert memory.free_bytes() > 2**20  # free pages
    monkeypatch.setattr(os, "sysconf", lambda name: -1)
    assert memory.free_bytes() <= memory.UNKNOWN


LAWS: dict[str, LabelLaw] = {
    "mixup": mixup(1.0),
    "cutmix": cutmix(0.5),
    "different": mixup(1.0, "different"),
    "cyclic": mixup(1.0, "cyclic"),
    "same": mixup(1.0, "same"),
    "smoothed": mixup(1.0, smoothing=0.1),
    "weighted": LabelLaw("mixup", alpha=1.0, class_weights=(0.4, 0.3, 0.2, 0.1)),
    "onehot": onehot(),
    "smoothing": smooth(0.1),
    "kway": kway(1.0),
    "four-way": kway(1.0, 4),
    "two-way": kway(1.0, 2),
    "given": soft(np.eye(4)[[0, 1, 1]]),
}


@pytest.mark.parametrize("name", LAWS)
@pytest.mark.parametrize("nodes", [4, 16])
def test_labels_of_a_finite_law_are_counted_before_they_are_made(name, nodes):
    law = LAWS[name]
    raw, most = footprint.count_atoms(law, 4, nodes)
    found = len(finite_law(law, 4, nodes).labels)
    assert found <= most <= raw <= 8 * found
    if name in ("mixup", "cutmix", "onehot", "smoothing", "given"):
        assert found == most


def test_labels_of_given_weights_are_counted():
    lam = np.array([0.1, 0.3, 0.5])
    raw, most = footprint.count_atoms(mixup(1.0), 4, 32, len(lam))
    assert raw == most == 4 + 12 * 3 >= len(given_lam(mixup(1.0), 4, lam).labels)


def test_the_largest_part_is_named():
    memory.allow("1KiB")
    try:
        with pytest.raises(InputError, match=r"about 3\.0 KiB for the cat and what goes with them; 1\.0 KiB"):
            footprint.refuse({"the mouse": 1024, "the cat": 2048})
        footprint.refuse({"the mouse": 1024})
    finally:
        memory.allow(None)
