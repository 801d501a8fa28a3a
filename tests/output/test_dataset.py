"""The dataset of a sweep: written whole or not at all, resumed after kill -9 and full disks, never mixed up."""

import errno
import json
import os
import random
import resource
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import jax
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import ufm.commands.runs.sweep
import ufm.output.dataset
import ufm.output.files
from tests.sweeps import free_kernel, rows
from ufm import sweep
from ufm.commands.grid_file import read_grid
from ufm.runtime.processes import ALONE, Group

jax.devices()  # started here with the devices every test sees, not by the first sweep
ROOT = Path(__file__).resolve().parents[2]
GRID = """
classes = 3
multiplier = 1.0
lam = [0.3, 0.5]
lambda_h = { from = 0.1, to = 1.0, count = 6 }
block = 2
"""


@pytest.fixture(autouse=True)
def _in_tmp(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ufm.commands.runs.sweep, "compile_block", free_kernel)
    Path("grid.toml").write_text(GRID)


@pytest.fixture
def run(call_main):
    return partial(call_main, sweep.main)


OUT = Path("grid.parquet")


def names() -> list[str]:
    return sorted(path.name for path in OUT.iterdir())


WHOLE = ["_lock", "_sweep.json", *(f"block-00000{n}.parquet" for n in range(3))]


def test_a_dataset_is_one_table(run):
    code, out, err = run("grid.toml")
    assert code == 0 and names() == WHOLE, err
    table = pq.read_table(OUT)  # as pandas does: the manifest and the lock are passed over
    assert table.num_rows == 6 * 4 and table.to_pylist() == rows(OUT)
    keys = {(row["problem"], row["kind"], row["lam"]) for row in rows(OUT)}
    assert keys == {(n, kind, lam) for n in range(6) for kind in ("same", "different") for lam in (0.3, 0.5)}
    assert {row["lambda_h"] for row in rows(OUT)} == {0.1, 0.28, 0.46, 0.64, 0.82, 1.0}
    assert out.splitlines()[0] == "sweep of grid.toml: 6 problems, 24 rows in grid.parquet"
    assert "24 agrees" in out


def test_provenance_is_in_the_manifest_and_in_every_file(run):
    run("grid.toml")
    manifest = json.loads((OUT / "_sweep.json").read_text())
    assert manifest["command"] == ["python", "-m", "ufm.sweep", "grid.toml"]
    assert manifest["grid"]["lam"] == [0.3, 0.5] and len(manifest["hash"]) == 64
    for n in range(3):
        footer = ufm.output.dataset.read_footer(OUT / f"block-00000{n}.parquet")
        assert footer["hash"] == manifest["hash"] and footer["command"] == manifest["command"]
        assert {"ufm", "jax", "numpy", "python"} <= set(footer["versions"])
        assert (footer["block"], footer["first"], footer["problems"]) == (n, 2 * n, 2)
        assert footer["verdicts"] == {"agrees": 8}


def test_a_finished_dataset_is_left_alone(run):
    run("grid.toml")
    before = {path.name: path.stat().st_mtime_ns for path in OUT.iterdir() if path.name != "_lock"}
    code, out, _ = run("grid.toml")
    assert code == 0 and "24 agrees" in out  # the summary is of all rows, whoever wrote them
    assert before == {path.name: path.stat().st_mtime_ns for path in OUT.iterdir() if path.name != "_lock"}


def test_only_what_is_missing_or_damaged_is_solved_again(run, monkeypatch):
    run("grid.toml")
    expected = rows(OUT)
    (OUT / "block-000001.parquet").unlink()
    damaged = OUT / "block-000002.parquet"
    damaged.write_bytes(damaged.read_bytes()[:-50])
    (OUT / ".block-000001.parquet.tmp").write_bytes(b"half")
    written = []
    monkeypatch.setattr(
        ufm.commands.runs.sweep,
        "make_table",
        lambda grid, block, answer, make=ufm.commands.runs.sweep.make_table: (
            written.append(block.number) or make(grid, block, answer)
        ),
    )
    assert run("grid.toml")[0] == 0
    assert written == [1, 2] and rows(OUT) == expected and names() == WHOLE


# --- refused ------------------------------------------------------------------------------------------


def refused(result, *words):
    code, out, err = result
    assert code == 2 and out == "" and len(err.splitlines()) == 1, (code, out, err)
    for word in words:
        assert word in err


@pytest.mark.parametrize(
    "change, name",
    [("lam = [0.3, 0.5]", "lam"), ("block = 2", "block"), ("multiplier = 1.0", "multiplier")],
)
def test_a_changed_grid_is_refused(run, change, name):
    run("grid.toml")
    before = rows(OUT)
    Path("grid.toml").write_text(GRID.replace(change, f"{name} = {3 if name == 'block' else 0.7}"))
    for flag in ((), ("--dry-run",)):
        refused(run("grid.toml", *flag), f"another grid ({name} changed)", "restore the grid")
    assert rows(OUT) == before and names() == WHOLE
    assert run("grid.toml", "--out", "other")[0] == 0
    Path("grid.toml").write_text("# the same\n" + GRID)
    assert run("grid.toml")[0] == 0


def test_folders_of_others_are_refused(run):
    OUT.mkdir()
    (OUT / "thesis.tex").write_text("text")
    refused(run("grid.toml"), "holds thesis.tex and no _sweep.json")
    refused(run("grid.toml", "--out", "grid.toml"), "exists and is not a folder")
    refused(run("grid.toml", "--out", "/proc/here"), "cannot be written")
    assert names() == ["thesis.tex"]


def test_foreign_parquet_files_would_double_rows(run):
    run("grid.toml")
    for name in ("copy.parquet", "block-000007.parquet"):
        (OUT / name).write_bytes((OUT / "block-000000.parquet").read_bytes())
        refused(run("grid.toml"), f"{name} is not a block of this grid")
        (OUT / name).unlink()
    pq.write_table(pa.table({"x": [1]}), OUT / "x.parquet")
    refused(run("grid.toml"), "x.parquet is not a block of this grid")


def test_a_damaged_manifest_is_refused(run):
    run("grid.toml")
    (OUT / "_sweep.json").write_text("{")
    refused(run("grid.toml"), "_sweep.json cannot be read")


def test_two_runs_at_once_are_refused(run):
    import fcntl

    run("grid.toml")
    (OUT / "block-000001.parquet").unlink()
    with open(OUT / "_lock") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        refused(run("grid.toml"), "another run is writing there")
    assert run("grid.toml")[0] == 0 and names() == WHOLE


# --- full disk ----------------------------------------------------------------------------------------


class _FullFile:
    """An open file on a full disk: some bytes go in, then it refuses."""

    def __init__(self, path, mode):
        self.file = open(path, mode)  # noqa: SIM115 (closed on exit)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def write(self, data):
        self.file.write(data[:100])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("flags", [[], ["--dry-run"]], ids=["run", "dry"])
def test_without_pyarrow_one_line_says_what_to_install(run, monkeypatch, flags):
    for name in ("ufm.output.dataset", "ufm.commands.runs.sweep"):
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pyarrow", None)  # as if it were not installed
    refused(run("grid.toml", *flags), "pip install pyarrow")
    assert not OUT.exists()


@pytest.mark.parametrize("call", ["open", "write", "fsync", "replace"])
@pytest.mark.parametrize("after", [1, 2])
def test_full_disk(run, monkeypatch, call, after):
    """The manifest and `after` − 1 blocks are written; then the disk is full at the call."""
    run("grid.toml", "--out", "expected")
    calls = []

    def fill(real, refuse, *args, **kwargs):
        calls.append(args)
        return (refuse if len(calls) > after * (2 if call == "fsync" else 1) else real)(*args, **kwargs)

    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        if call in ("open", "write"):
            refuse = full if call == "open" else _FullFile
            patch.setattr(ufm.output.files, "open", partial(fill, open, refuse), raising=False)
        else:
            patch.setattr(ufm.output.files.os, call, partial(fill, getattr(os, call), full))
        refused(
            run("grid.toml"), f"block-00000{after - 1}.parquet cannot be written: No space left on device"
        )
    assert names() == WHOLE[: 1 + after]  # nothing of the block that failed
    assert run("grid.toml")[0] == 0
    assert names() == WHOLE and rows(OUT) == rows(Path("expected"))


def test_a_limit_on_file_size():
    """A real refusal by the system, half-way through a file."""
    script = (
        "import resource, sys; import tests.sweeps as s; s.ufm.commands.runs.sweep.compile_block = s.free_kernel;"
        "limit = int(sys.argv[1]); resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit));"
        "sys.exit(s.sweep.main(['grid.toml']))"
    )

    def limited(size):
        command = [sys.executable, "-c", script, str(size)]
        # bytecode would be cut off too, and be read by all who come after
        whole = {"PYTHONDONTWRITEBYTECODE": "1", "JAX_COMPILATION_CACHE_DIR": ""}
        environment = os.environ | {"PYTHONPATH": str(ROOT)} | whole
        return subprocess.run(command, capture_output=True, text=True, env=environment)

    ended = limited(5000)
    assert ended.returncode == 2, ended.stderr
    assert "block-000000.parquet cannot be written: File too large" in ended.stderr
    assert "Traceback" not in ended.stderr and names() == WHOLE[:2]
    assert limited(resource.RLIM_INFINITY).returncode == 0
    assert names() == WHOLE


# --- kill -9 ------------------------------------------------------------------------------------------

MANY = """
classes = 3
multiplier = 1.0
lam = [0.3, 0.5]
lambda_h = { from = 0.1, to = 1.0, count = COUNT }
block = 1
"""


class Nursery:
    """A process whose forks run the command and can be killed; see tests/sweeps.py."""

    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.sweeps"],
            cwd=os.getcwd(),
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def start(self, line: str) -> int:
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return int(self._number())

    def end(self) -> int:
        """Exit status of the fork that was started last; −9 if it was killed."""
        return int(self._number())

    def _number(self) -> str:
        for line in self.process.stdout:  # what the forks print is passed over
            if line.strip().lstrip("-").isdigit():
                return line
        raise AssertionError("the nursery ended")


@pytest.fixture
def nursery():
    found = Nursery()
    yield found
    found.process.stdin.close()
    found.process.wait()


def blocks_present() -> list[Path]:
    return sorted(OUT.glob("*.parquet")) if OUT.exists() else []


class Run:
    """One sweep that is started and killed again and again, and what its dataset must become."""

    def __init__(self, nursery: Nursery, expected: list[dict], line: str, seed: int):
        self.nursery, self.expected, self.line = nursery, expected, line
        self.random, self.seen = random.Random(seed), set()

    def kill(self) -> int:
        """Kill a run at a random moment; the exit status."""
        before, more = len(blocks_present()), self.random.randrange(6)
        child = self.nursery.start(self.line)
        deadline = time.monotonic() + 60
        while len(blocks_present()) < before + more and time.monotonic() < deadline:
            time.sleep(0.0005)
        time.sleep(self.random.uniform(0, 0.005 if more else 0.2))
        with suppress(ProcessLookupError):  # it ended by itself: the exit status says so
            os.kill(child, 9)
        return self.nursery.end()

    def look(self) -> None:
        """Every file that has its name is whole and right; those seen before are as they were."""
        for path in blocks_present():
            key = (path, path.stat().st_mtime_ns)
            if key not in self.seen:
                number = int(path.stem.split("-")[1])
                assert pq.read_table(path).to_pylist() == self.expected[4 * number : 4 * number + 4]
            self.seen.add(key)


def start(nursery: Nursery, run, line: str, blocks: int) -> Run:
    Path("grid.toml").write_text(MANY.replace("COUNT", str(blocks)))
    assert run("grid.toml", "--out", "expected")[0] == 0
    return Run(nursery, rows(Path("expected")), line, seed=0)


def survive(nursery: Nursery, run, kills: int, blocks: int) -> None:
    killed = start(nursery, run, "grid.toml", blocks)
    assert len(killed.expected) == 4 * blocks
    for _ in range(kills):
        assert killed.kill() == -9
        killed.look()
    assert 0 < len(killed.seen) < blocks  # and no file was written twice
    assert len(killed.seen) == len(blocks_present())
    nursery.start("grid.toml")
    assert nursery.end() == 0
    assert rows(OUT) == killed.expected and len(names()) == blocks + 2


def test_five_kills(nursery, run):
    survive(nursery, run, 5, 400)


@pytest.mark.long
def test_fifty_kills(nursery, run):
    survive(nursery, run, 50, 1500)


def test_a_careless_writer_is_found_out(nursery, run):
    """Negative control of the kill test: files that have their names before their bytes."""
    killed = start(nursery, run, "careless grid.toml", 100)
    with pytest.raises(pa.ArrowInvalid):
        for _ in range(20):
            killed.kill()
            killed.look()


# --- parts --------------------------------------------------------------------------------------------


def blocks() -> list[str]:
    return [name for name in names() if name.startswith("block")]


def test_parts_of_runs_that_do_not_know_each_other_are_the_whole(run):
    run("grid.toml", "--out", "whole")
    code, out, err = run("grid.toml", "--part", "2/2")
    assert code == 0 and blocks() == WHOLE[3:], err
    assert out.splitlines()[0] == "sweep of grid.toml, part 2/2: 4 problems, 16 rows in grid.parquet"
    assert out.splitlines()[-1].split() == ["left", "1", "of", "3", "blocks,", "of", "other", "parts"]
    code, out, err = run("grid.toml", "--part", "1/2")
    assert code == 0 and blocks() == WHOLE[2:] and "left" not in out, err
    assert rows(OUT) == rows(Path("whole"))
    code, out, _ = run("grid.toml")
    assert code == 0 and out.startswith("sweep of grid.toml: 6 problems, 24 rows")


def test_a_part_has_the_verdict_of_its_own_rows(run, monkeypatch):
    make = ufm.commands.runs.sweep.summarise
    with monkeypatch.context() as patch:
        failing = lambda table: make(table) | {"verdicts": {"fails": 8}}  # noqa: E731
        patch.setattr(ufm.commands.runs.sweep, "summarise", failing)
        assert run("grid.toml", "--part", "1/3")[0] == 1
    assert run("grid.toml", "--part", "2/3")[0] == 0 and run("grid.toml")[0] == 1


@contextmanager
def writing(part=None):
    """Another run that writes there, of a part (k − 1 and n) or of the whole."""
    folder, grid = ufm.output.dataset.dataset_folder(OUT), read_grid("grid.toml")
    folder.make()
    record = {"grid": grid.record()}
    with folder.held(ALONE, record, False) if part is None else folder.shared(Group(*part), record):
        yield


@pytest.mark.parametrize("part, flags", [((0, 2), ()), ((0, 2), (1, 2)), ((0, 2), (1, 3)), (None, (1, 2))])
def test_a_part_and_what_overlaps_it_are_not_written_at_once(run, part, flags):
    with writing(part):
        refused(
            run("grid.toml", *(("--part", "{}/{}".format(*flags)) if flags else ())), "another run is writing"
        )
    assert run("grid.toml")[0] == 0


def test_parts_are_written_at_once(run):
    with writing((0, 2)):
        assert run("grid.toml", "--part", "2/2")[0] == 0
        (OUT / ".block-000000.parquet.tmp").write_bytes(b"what the other one writes")
        assert run("grid.toml", "--part", "2/2")[0] == 0
        assert (OUT / ".block-000000.parquet.tmp").exists()
    assert run("grid.toml", "--part", "1/2")[0] == 0 and blocks() == WHOLE[2:]


@pytest.mark.parametrize("part", ["3/2", "0/2", "2", "1/", "a/b", "-1/2", "1/4"])
def test_parts_that_are_none_are_refused(run, part):
    refused(run("grid.toml", f"--part={part}"), "--part")
    assert not OUT.exists()


def test_parts_and_processes_are_two_ways(run):
    refused(run("grid.toml", "--part", "1/2", "--distributed"), "leave --distributed")
