"""Many devices and many processes: the numbers of one device, and a clear word when a process dies."""

import hashlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.children import refused, strict
from ufm import solve, sweep
from ufm.agree.stream.reductions import Batch, ErrorHistogram, WorstRows
from ufm.model.cases import PairCases
from ufm.model.problem import Problem
from ufm.output.shards import Shards
from ufm.runtime.devices import AXIS, own_rows, spread
from ufm.runtime.processes import ALONE, Group
from ufm.runtime.supervisor import LOST, SUPERVISED, is_lost, pass_on, peer

ROOT = Path(__file__).resolve().parents[2]
CLOSE = {"rtol": 1e-12, "atol": 1e-12}
PAIRS = (
    "--classes",
    "6",
    "--dim",
    "7",
    "--multiplier",
    "1.3",
    "--lam",
    "0,1e-9,0.1,0.3,0.5,0.8",
    "--lambda-h",
    "1e-3",
)
FREE = (
    "--classes",
    "4",
    "--classifier",
    "free",
    "--weights",
    "0.4,0.3,0.2,0.1",
    "--alpha",
    "0.5",
    "--bias",
    "free",
)
FREE += ("--lambda-w", "1e-3", "--lambda-h", "1e-3", "--quadrature", "6")
GRID = """
classes = [3, 4]
alpha = { from = 0.1, to = 10, count = 12, scale = "log" }
lambda_h = [1e-4, 1e-3]
lam = [0.1, 0.5]
block = 5
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """One cache of compiled programs for all runs of this file: that of all tests, where they keep one."""
    return os.environ.get("XDG_CACHE_HOME") or str(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def start(tmp_path, monkeypatch, cache):
    """start(module, *argv, devices=1, **environment): a command in a process of its own, in tmp_path."""
    monkeypatch.chdir(tmp_path)
    started = []

    def begin(*command, devices=1, **environment):
        here = {"PYTHONPATH": str(ROOT), "JAX_NUM_CPU_DEVICES": str(devices), "XDG_CACHE_HOME": cache}
        words = [sys.executable, *map(str, command)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        started.append(subprocess.Popen(words, env=os.environ | here | environment, **pipes))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def together(start):
    """together(count, *command, wait=True): the same command in several processes, and their (code, out, err)."""

    def begin(count, *command, wait=True, each=None, **more):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{probe.getsockname()[1]}"
        flags = ("--distributed", "--coordinator", address, "--processes", count, "--process")
        own = each or [{}] * count
        found = [start(*command, *flags, rank, **more, **own[rank]) for rank in range(count)]
        return [ended(process) for process in found] if wait else found

    return begin


def ended(process, timeout=240):
    out, err = process.communicate(timeout=timeout)
    return process.returncode, out, err


def numbers(record):
    """All numbers of a JSON value by their place in it, without provenance."""
    if isinstance(record, dict):
        return {
            f"{key}.{place}": value
            for key, part in record.items()
            if key != "provenance"
            for place, value in numbers(part).items()
        }
    if isinstance(record, list):
        return {
            f"{n}.{place}": value for n, part in enumerate(record) for place, value in numbers(part).items()
        }
    return {"": record}


def same(one: dict, other: dict, loose=()):
    """Equal words, and numbers to 1e-12; `loose` ones are all rounding, and need not be equal.

    Errors are rounding too, bounds are so up to a tenth; of the histogram only the sum is compared.
    """
    one, other = numbers(one), numbers(other)
    assert one.keys() == other.keys()
    counted = [
        sum(v for place, v in part.items() if "counts" in place or "exact" in place) for part in (one, other)
    ]
    assert counted[0] == counted[1]
    for place, value in one.items():
        if any(word in place for word in (*loose, "counts", "exact")):
            continue
        if not isinstance(value, float):
            assert other[place] == value, place
        elif "error" in place and "edges" not in place:
            assert max(value, other[place]) < 1e-14, place
        else:
            close = {"rtol": 0.1, "atol": 0} if "bound" in place else CLOSE
            np.testing.assert_allclose(other[place], value, **close, err_msg=place)


def alone(start, *argv, devices=1):
    """JSON record of `ufm.solve` in one process."""
    code, out, err = ended(start("-m", "ufm.solve", *argv, "--json", "-", devices=devices))
    assert code == 0, err
    return strict(out)


# --- the numbers of one device -------------------------------------------------------------------------------

ROUNDING = ("gap", "stationarity", "imbalance", "lambda_max", "spectrum", "rounding", "bound")


def test_eight_devices_give_the_features_of_one(start):
    one = alone(start, *PAIRS, "--save", "one.npz")
    eight = alone(start, *PAIRS, "--save", "eight.npz", devices=8)
    same(one, eight)
    off = json.loads(json.dumps(eight))
    off["features"][3]["numeric"]["norm"] *= 1 + 1e-11
    with pytest.raises(AssertionError, match="norm"):
        same(one, off)
    with np.load("one.npz") as one, np.load("eight.npz") as eight:
        assert set(one) == set(eight) and len(one["H"]) == 216
        for name in one:
            np.testing.assert_allclose(eight[name], one[name], **CLOSE)


def test_processes_give_the_rows_of_one(start, together):
    (code, out, err), *others = together(2, "-m", "ufm.solve", *PAIRS, "--json", "-")
    assert code == 0, err
    assert [other[:2] for other in others] == [(0, "")], "process 0 alone speaks"
    same(alone(start, *PAIRS), strict(out), loose=("classes",))  # of equal errors another pair may come first


@pytest.mark.slow
@pytest.mark.parametrize("command, more", [(PAIRS, ("--max-steps", "9")), (FREE, ("--tol", "1e-8"))])
def test_processes_with_other_settings_are_refused(start, command, more):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    group = ("--distributed", "--coordinator", address, "--processes", 2, "--process")
    both = [start("-m", "ufm.solve", *command, *own, *group, rank) for rank, own in enumerate(((), more))]
    for result in map(ended, both):
        refused(result, "process 1 was given another problem than process 0")


SMALL_SHARDS = """
import os, sys, time
os.environ["UFM_SUPERVISED"] = "1"  # the patch would not reach a child
import ufm.output.shards
from ufm import solve
ufm.output.shards.SHARD_BYTES = 7 * 8 * (7 + 3)
if "two/" in sys.argv:  # process 0 is longer at it than the others would wait at the end
    import ufm.commands.runs.features
    tell = ufm.commands.runs.features._tell
    ufm.commands.runs.features._tell = lambda *args: (time.sleep(18), tell(*args))
sys.exit(solve.main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_processes_write_the_shards_of_one(start, together):
    code, _, err = ended(start("-c", SMALL_SHARDS, *PAIRS, "--save", "one/"))
    assert code == 0, err
    assert {code for code, *_ in together(2, "-c", SMALL_SHARDS, *PAIRS, "--save", "two/")} == {0}
    one, two = (json.loads(Path(folder, "index.json").read_text()) for folder in ("one", "two"))
    assert one == two and one["complete"] and len(one["shards"]) == 31
    for shard in one["shards"]:
        with np.load(f"one/{shard['file']}") as mine, np.load(f"two/{shard['file']}") as other:
            for name in mine:
                np.testing.assert_allclose(other[name], mine[name], **CLOSE)


@pytest.mark.slow
def test_processes_of_several_devices_give_the_joint_optimum_of_one(start, together):
    """Two processes of two devices, their LAPACK made for different processors (x86): one basis for all."""
    processors = [{"OPENBLAS_CORETYPE": name} for name in ("Haswell", "Nehalem")]
    command = ("-m", "ufm.solve", *FREE, "--json", "-")
    (code, out, err), other = together(2, *command, devices=2, each=processors)
    assert code == 0 and other[:2] == (0, ""), err + other[2]
    one, four = alone(start, *FREE), strict(out)
    same(one["joint"], four["joint"], ROUNDING)
    assert 0 < four["joint"]["gap"] <= 1e-9 * four["joint"]["objective"]


@pytest.mark.long
def test_more_processes_than_labels(start, together):
    few = (
        "--classes",
        "2",
        "--labels",
        "onehot",
        "--classifier",
        "free",
        "--lambda-w",
        "1e-3",
        "--lambda-h",
        "1e-3",
    )
    (code, out, err), *others = together(3, "-m", "ufm.solve", *few, "--json", "-")
    assert code == 0 and [other[0] for other in others] == [0, 0], err
    same(alone(start, *few)["joint"], strict(out)["joint"], ROUNDING)


EIGHT = """
import jax, numpy as np
jax.config.update("jax_enable_x64", True)
from ufm.runtime.devices import local_mesh, one_device
from ufm.model.atoms import JointProblem, finite_law
from ufm.model.laws import LabelLaw
from ufm.optimize.joint import solve_joint
law = finite_law(LabelLaw("mixup", alpha=0.5, class_weights=(0.4, 0.3, 0.2, 0.1)), 4, 5)
assert local_mesh().size == 8 and len(law.weights) % 8
for dim in (4, 2):  # in the Gram matrix, and on the classifier itself
    task = JointProblem(law, 1e-3, 1e-3, dim, 0.0)
    one, eight = (solve_joint(task, mesh=mesh()) for mesh in (one_device, local_mesh))
    assert eight.H.shape == one.H.shape == (len(law.weights), dim)
    grams = one.W @ one.W.T, eight.W @ eight.W.T
    print(abs(eight.objective / one.objective - 1), np.abs(grams[1] - grams[0]).max() / np.abs(grams[0]).max())
"""


@pytest.mark.slow
def test_eight_devices_give_the_joint_optimum_of_one(start):
    code, out, err = ended(start("-c", EIGHT, devices=8))
    assert code == 0, err
    apart = np.array([line.split() for line in out.splitlines()], float)
    assert apart.shape == (2, 2) and (apart[:, 0] <= 1e-14).all() and (apart[:, 1] <= 1e-12).all(), out


APART = """
import sys, jax
jax.config.update("jax_enable_x64", True)
jax.distributed.initialize(sys.argv[1], 2, int(sys.argv[2]))
from ufm.model.atoms import JointProblem, finite_law
from ufm.agree.joint import check_joint
from ufm.model.laws import mixup
if jax.process_index() == 1:
    found = check_joint(JointProblem(finite_law(mixup(1.0), 3, 4), 1e-3, 1e-3))
    print(jax.process_count(), len(found.solution.H) == len(found.problem.atoms.weights), found.verdict.word)
"""


def test_one_process_of_several_can_solve_by_itself(start):
    """A library call without a group asks nothing of the other processes of the program."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    both = [start("-c", APART, address, rank) for rank in range(2)]
    (idle, *_), (code, out, err) = (ended(process, timeout=100) for process in both)
    assert (idle, code) == (0, 0), err
    assert out.split() == ["2", "True", "agrees"]


def rows(folder: str) -> dict[str, np.ndarray]:
    tables = [pq.read_table(path) for path in sorted(Path(folder).glob("block-*.parquet"))]
    return {name: np.concatenate([t[name].to_numpy() for t in tables]) for name in tables[0].column_names}


def same_rows(one: str, other: str, problems: int):
    mine, theirs = rows(one), rows(other)
    assert mine.keys() == theirs.keys() and len(mine["problem"]) == problems * 4
    for name, values in mine.items():
        if values.dtype.kind == "f":
            np.testing.assert_allclose(theirs[name], values, **CLOSE)
        else:
            assert (theirs[name] == values).all()


@pytest.mark.slow
def test_processes_share_a_sweep(start, together):
    Path("grid.toml").write_text(GRID)
    assert ended(start("-m", "ufm.sweep", "grid.toml", "--out", "one"))[0] == 0
    (code, out, err), other = together(2, "-m", "ufm.sweep", "grid.toml", "--out", "two")
    assert code == 0 and other[0] == 0 and other[1] == "", err
    assert "48 problems, 192 rows" in out
    same_rows("one", "two", 48)


# --- a process that dies -------------------------------------------------------------------------------------


def lives(process: int) -> bool:
    """Neither gone nor waiting for someone to take note of its end (Linux)."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


LONG = ("-m", "ufm.solve", "--classes", "10", "--samples", "60000", "--dim", "10")


def worker_of(supervisor: int) -> int:
    """The child that does the work (Linux)."""
    found = subprocess.run(["pgrep", "-P", str(supervisor)], capture_output=True, text=True).stdout.split()
    return int(found[0])


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
@pytest.mark.parametrize(
    "dead, how", [pytest.param(1, signal.SIGKILL, marks=pytest.mark.slow), (0, signal.SIGTERM)]
)
def test_a_dead_process_is_reported_within_a_minute(together, dead, how):
    running = together(3, *LONG, wait=False)
    assert running[0].stdout.readline().startswith("unconstrained"), "all have met"
    worker = worker_of(running[dead].pid)
    os.kill(running[dead].pid, how)  # the supervisor: its worker goes with it
    died = time.monotonic()
    found = [ended(process, timeout=60) for process in running]
    assert time.monotonic() - died < 60 and not lives(worker)
    assert found[dead][0] == (-how if how == signal.SIGKILL else 128 + how)
    for code, _, err in found[:dead] + found[dead + 1 :]:
        assert code == LOST, err
        last = err.strip().splitlines()[-1]
        assert last.startswith(f"ufm.solve: process {dead} died, or lost its connection") and "again" in last
        assert "@ 0x" not in err and "Traceback" not in err


@pytest.mark.slow
def test_a_sweep_goes_on_after_a_process_died(together, start):
    Path("grid.toml").write_text(GRID.replace("block = 5", "block = 1").replace("[3, 4]", "[3]"))
    running = together(2, "-m", "ufm.sweep", "grid.toml", "--out", "two", wait=False)
    until = time.monotonic() + 100
    while not list(Path("two").glob("block*")) and time.monotonic() < until:
        time.sleep(0.02)
    os.kill(worker_of(running[1].pid), signal.SIGKILL)
    code, _, err = ended(running[1])
    assert code == 128 + signal.SIGKILL and "SIGKILL" in err
    assert ended(running[0], timeout=60)[0] == LOST
    assert ended(start("-m", "ufm.sweep", "grid.toml", "--out", "two"))[0] == 0
    assert ended(start("-m", "ufm.sweep", "grid.toml", "--out", "one"))[0] == 0
    same_rows("one", "two", 24)


# --- words ---------------------------------------------------------------------------------------------------

STAMP = "1123 06:37:05.276019   14578 "
SILENCE = (
    f"E{STAMP}coordination_service.cc:1] These tasks are unhealthy (stopped sending heartbeats):\n1, 3\nThe\n"
)
LEADER = (
    f"F{STAMP}client.h:80] JAX distributed service: Either the leader task was preempted\n    @ 0x7fa1 absl\n"
)
ABSENT = (
    f"F{STAMP}client.h:80] DEADLINE_EXCEEDED\nRPC: /xla.coordination.CoordinationService/RegisterTask\n@\n"
)
SLOW = f"E{STAMP}slow_operation_alarm.cc:73] Very slow compile?\n"


def test_the_cause_in_words(monkeypatch):
    assert peer([SILENCE]).startswith("process 1, 3 died")
    assert peer([LEADER]).startswith("process 0 died")
    assert peer([ABSENT]).startswith("the processes did not meet within a minute")
    assert peer(["F: Check failed: a == b"]) is None
    assert not is_lost(ValueError("Gloo AllGather failed")), (
        "without a supervisor there are no other processes"
    )
    monkeypatch.setenv(SUPERVISED, "1")
    assert not is_lost(ValueError("--alpha must be positive"))


@pytest.mark.long
def test_a_process_that_never_comes(start):
    """JAX aborts after a minute, with a page of stack trace."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    group = ("--distributed", "--coordinator", address, "--processes", 3, "--process")
    for code, _, err in [
        ended(process) for process in [start("-m", "ufm.solve", *group, rank) for rank in (0, 2)]
    ]:
        assert code == LOST and err.startswith("ufm.solve: the processes did not meet within a minute"), err
        assert len(err.splitlines()) == 1


def test_a_port_in_use_is_named(start):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        group = ("--distributed", "--coordinator", address, "--processes", "2", "--process", "0")
        refused(
            ended(start("-m", "ufm.solve", *group)), "process 0 cannot listen there (Address already in use)"
        )


def passed(text: str, capsys) -> tuple[str, list[str]]:
    held = []
    pass_on(io.StringIO(text), held)
    return capsys.readouterr().err, held


def test_only_the_runtime_is_kept_back(capsys):
    said = "72640 of 666666 features, about 3 min left\n"
    assert passed(said + SILENCE + "    @ 0x7f\n", capsys) == (
        said,
        (SILENCE + "    @ 0x7f\n").splitlines(True),
    )
    assert passed(f"[Gloo] Rank 1 is connected\n{said}", capsys) == (said, ["[Gloo] Rank 1 is connected\n"])
    assert passed(SLOW + said, capsys) == (SLOW + said, []), "an alarm of the compiler is no end"


LAST = f"""print({f"E{STAMP}coordination: gone"!r}, file=sys.stderr)
print("last", file=sys.stderr)
sys.exit(2)"""
CHILD = """
import os, signal, sys, time
print("word", file=sys.stderr, flush=True)
sys.stderr.buffer.write(b"\\xff\\n")
{}
"""


@pytest.mark.parametrize(
    "does, code, words",
    [
        ("sys.exit(3)", 3, ["word", "\ufffd"]),
        (LAST, 2, ["word", "\ufffd", "last"]),
        ("sys.exit(75)", 75, ["word", "\ufffd", "program: another process died"]),
        ("os.kill(os.getpid(), 9)", 137, ["word", "\ufffd", "program: ended by SIGKILL (out of memory?)"]),
        ("os.abort()", 134, ["word", "\ufffd", "program: ended by SIGABRT"]),
    ],
)
def test_the_child_speaks_for_itself(tmp_path, does, code, words):
    (tmp_path / "program.py").write_text(CHILD.format(does))
    call = "from ufm.runtime.supervisor import supervise; raise SystemExit(supervise('program', []))"
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}
    done = subprocess.run([sys.executable, "-c", call], env=environment, capture_output=True, text=True)
    lines = done.stderr.splitlines()
    assert done.returncode == code and len(lines) == len(words), done.stderr
    assert all(line.startswith(word) for line, word in zip(lines, words)), lines


@pytest.mark.parametrize(
    "argv, word",
    [
        (("--coordinator", "127.0.0.1:9999"), "--coordinator needs --distributed"),
        (("--distributed", "--processes", "2"), "--coordinator, --process"),
        (("--distributed", "--coordinator", "here", "--processes", "2", "--process", "0"), "HOST:PORT"),
        (("--distributed", "--coordinator", "h:0", "--processes", "2", "--process", "0"), "HOST:PORT"),
        (("--distributed", "--coordinator", "h:80", "--processes", "2", "--process", "2"), "at most 1"),
        (("--distributed", "--classifier", "free", "--save", "x.npz"), "--save with --classifier free"),
    ],
)
def test_wrong_flags(call_main, tmp_path, monkeypatch, argv, word):
    monkeypatch.chdir(tmp_path)
    refused(call_main(solve.main, *argv), word)


def test_wrong_flags_of_a_sweep(call_main, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused(call_main(sweep.main, "grid.toml", "--process", "1"), "--process needs --distributed")


@pytest.mark.slow
def test_slurm_tells_who_takes_part(start):
    """With its variables --distributed is enough. The job's number makes the port: one that is free."""
    low = 2**16 - 2**12
    port = next(port for port in np.random.default_rng().permutation(np.arange(low, 2**16)) if is_free(port))
    told = {"SLURM_JOB_ID": str(port - low), "SLURM_STEP_NODELIST": "localhost", "SLURM_NTASKS": "2"}
    each = [{"SLURM_PROCID": rank, "SLURM_LOCALID": rank} for rank in "01"]
    running = [start("-m", "ufm.solve", *PAIRS, "--distributed", **told, **own) for own in each]
    (code, out, err), other = [ended(process) for process in running]
    assert (code, other[0]) == (0, 0), err + other[2]
    assert "216 features" in out and other[1] == ""


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", int(port)))
        except OSError:
            return False
    return True


def test_without_a_cluster(start):
    """Nothing tells this machine of one: said at once, with what to give instead."""
    code, out, err = ended(start("-m", "ufm.solve", "--distributed"))
    assert code == 2 and out == "" and "--coordinator" in err.strip().splitlines()[-1]


# --- parts and their sum -------------------------------------------------------------------------------------


class Known(Group):
    """A group whose exchanges are known beforehand."""

    def gather(self, array):
        return next(self.exchanges)


def known(size: int, exchanges) -> Known:
    group = Known(0, size)
    object.__setattr__(group, "exchanges", iter(exchanges))
    return group


@pytest.mark.parametrize("count, unit", [(0, 1), (1, 1), (17, 1), (17, 5), (100, 7), (3, 10)])
@pytest.mark.parametrize("size", [1, 2, 3, 8])
def test_parts_cover_the_whole_once(count, unit, size):
    parts = [Group(rank, size).part(count, unit) for rank in range(size)]
    assert [n for part in parts for n in part] == list(range(count))
    assert all(part.start % unit == 0 for part in parts if len(part))


def stream(count=60, rows=4):
    rng = np.random.default_rng(3)
    error = rng.integers(0, 9, count) / 8.0  # with ties
    nothing = np.zeros((2, count))
    bound = rng.random(count)
    return Batch(np.arange(count) % rows, error, bound, bound / 2, bound, nothing, nothing, bound, bound, 3)


def folded(batch: Batch, part) -> tuple[WorstRows, ErrorHistogram]:
    worst, errors = WorstRows(4), ErrorHistogram()
    n = np.arange(part.start, part.stop)
    cut = Batch(*(v[..., n] if isinstance(v, np.ndarray) else v for v in batch))
    for half in np.array_split(np.arange(len(n)), 2):
        worst.update(n[half], Batch(*(v[..., half] if isinstance(v, np.ndarray) else v for v in cut)))
    errors.update(cut.error)
    return worst, errors


@pytest.mark.parametrize("size", [2, 3])
def test_reductions_of_parts_are_that_of_the_whole(size):
    batch = stream()
    whole, all_errors = folded(batch, range(60))
    parts = [folded(batch, Group(rank, size).part(60)) for rank in range(size)]
    names = ("error", "bound", "theory_bound", "excess", "rank", "feature")
    assert any((getattr(parts[0][0], name) != getattr(whole, name)).any() for name in names), (
        "a part is not all"
    )
    sent = [
        [
            np.stack([w.error, w.bound, w.theory_bound, w.excess]),
            w.rank,
            w.feature,
            np.asarray(e.exact),
            e.counts,
        ]
        for w, e in parts
    ]
    for worst, errors in parts:
        group = known(size, [np.stack(part) for part in zip(*sent)])
        worst.combine(group)
        errors.combine(group)
        for name in names:
            np.testing.assert_array_equal(getattr(worst, name), getattr(whole, name))
        assert errors.exact == all_errors.exact and (errors.counts == all_errors.counts).all()


def test_other_problems_are_refused():
    ALONE.require_same(b"one")
    one, other = (np.frombuffer(hashlib.sha256(what).digest(), np.uint8) for what in (b"one", b"other"))
    known(3, [np.stack([one, one, one])]).require_same(b"one")
    with pytest.raises(ValueError, match="process 2 was given another problem"):
        known(3, [np.stack([one, one, other])]).require_same(b"one")


def test_a_missing_shard_is_noticed(tmp_path):
    """Processes that see different folders: what the others wrote is not there."""
    task, pairs = Problem(4, multiplier=1.0, lambda_h=1e-3), PairCases(4, np.array([0.3]))
    store = Shards(tmp_path, task, pairs, {"shards": []}, ALONE)
    with pytest.raises(ValueError, match=r"lacks shard-000000.npz: give a folder that all processes see"):
        store.finish()
    store.keep(np.arange(16), np.zeros((16, 4)))
    store.finish()
    assert json.loads((tmp_path / "index.json").read_text())["complete"]


def test_one_process_is_a_group():
    assert ALONE.leads and (ALONE.gather([1.0, 2.0]) == [[1.0, 2.0]]).all()
    assert ALONE.share(b"word") == b"word" and ALONE.total(3) == 3


# --- shares --------------------------------------------------------------------------------------------------


def double(shared, x):
    return shared * x, jax.numpy.sum(x)[None]


def test_every_device_has_its_share():
    mesh = jax.sharding.Mesh(np.array(jax.devices()[:1]), (AXIS,))
    twice, sums = spread(double, mesh)(2.0, np.arange(6.0))
    np.testing.assert_array_equal(twice, 2 * np.arange(6.0))
    assert sums.shape == (1,) and len(twice.sharding.device_set) == 1
    assert spread(double, mesh) is spread(double, mesh), "compiled once"
    assert own_rows(5, mesh) == slice(0, 5)
