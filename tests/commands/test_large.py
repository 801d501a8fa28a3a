"""More features than memory: the error histogram, one pair an orbit, shards on disk, progress, flat memory."""

import errno
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy.special import softmax

import ufm.agree.features
import ufm.commands.runs.features
import ufm.commands.runs.progress
import ufm.output.shards
import ufm.output.text
from experiments import large_pairs
from tests.agree.spoilt import spoil_optima
from tests.children import refused, strict
from ufm import solve
from ufm.agree.features import Settings, check_features
from ufm.agree.stream import sources
from ufm.agree.stream.reductions import EDGES, ErrorHistogram
from ufm.commands.runs.progress import duration, progress_line
from ufm.model.cases import OrbitCases, PairCases, fold_lam
from ufm.model.laws import gauss_lam, mixup
from ufm.model.problem import Problem
from ufm.network.read.activations import read_activations
from ufm.optimize.features import solve_features
from ufm.output import files as outputs
from ufm.output.text import decades

LAM = np.array([0.0, 1e-9, 0.25, 0.5, 0.75, 1.0])
K4 = ("--classes", "4", "--lam", "0.3,0.9")
MIB = 2**20


@pytest.fixture(autouse=True)
def _in_tmp_in_batches_of_sixteen(tmp_path, monkeypatch):
    """One width for (nearly) all of this file, so that each problem is compiled once."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ufm.agree.features, "chunk_size", lambda problem: 16)


@pytest.fixture
def run(call_main):
    """The command in this process: (exit code, stdout, stderr)."""
    return partial(call_main, solve.main)


@pytest.fixture
def small_shards(monkeypatch):
    """Seven features of K4 in a shard, against batches of sixteen: neither divides the other."""
    monkeypatch.setattr(ufm.output.shards, "SHARD_BYTES", 7 * 8 * (4 + 3))


def plain():
    return Problem(4, multiplier=1.67, lambda_h=1e-3)


# --- the histogram ----------------------------------------------------------------------------------------


def test_histogram_counts_by_its_definition():
    error = np.array([0.0, 0.0, 1e-300, 9e-19, 1e-18, 1e-17, 9.99e-17, 0.5, 1.0, 7.0, np.inf, np.nan, -1.0])
    found = ErrorHistogram()
    for part in (error[:5], error[5:]):
        found.update(part)
    inside = [int(np.sum((low <= error) & (error < high))) for low, high in pairwise(EDGES)]
    assert found.exact == 2 and found.counts.tolist() == [2, *inside, 4]
    assert found.exact + found.counts.sum() == np.sum(error != -1)


def test_edges_are_the_decades():
    assert len(EDGES) == 19 and all(edge == float(f"1e{k}") for k, edge in zip(range(-18, 1), EDGES))


def test_every_feature_is_counted_once_whatever_the_batches(monkeypatch):
    parts = check_features(plain(), PairCases(4, LAM), Settings(max_steps=2)).errors
    monkeypatch.setattr(ufm.agree.features, "chunk_size", lambda problem: 128)
    whole = check_features(plain(), PairCases(4, LAM), Settings(max_steps=2)).errors
    assert parts.exact + parts.counts.sum() == PairCases(4, LAM).count
    assert np.abs(whole.counts - parts.counts).sum() <= 2, "a rounding at an edge moves one feature at most"


def test_a_planted_error_shows_in_its_decade(monkeypatch):
    exact = sources._pair_table

    def wrong(problem, lam):
        x_i, x_j, *p = exact(problem, lam)
        return 1.003 * x_i, 1.003 * x_j, *p

    monkeypatch.setattr(sources, "_pair_table", wrong)
    pairs = PairCases(4, np.array([0.3]))
    found = check_features(plain(), pairs).errors
    assert dict(zip(EDGES, found.counts[1:]))[1e-3] == pairs.count and found.exact == 0


def test_without_a_closed_form_there_is_no_histogram():
    problem = Problem(4, classifier=np.random.default_rng(0).normal(size=(4, 5)), lambda_h=0.01)
    assert check_features(problem, PairCases(4, LAM)).errors is None


def test_record_holds_the_histogram(run):
    _, out, _ = run(*K4, "--json", "-")
    found = strict(out)["summary"]["errors"]
    assert found["edges"] == EDGES.tolist() and len(found["counts"]) == len(EDGES) + 1
    assert found["exact"] + sum(found["counts"]) == 32


def test_histogram_is_printed_for_large_runs_only(run, monkeypatch):
    assert "errors by decade" not in run(*K4)[1]
    monkeypatch.setattr(ufm.output.text, "LARGE", 32)
    assert "errors by decade: 0: " in run(*K4)[1]


def test_decades_names_what_is_there():
    found = ErrorHistogram()
    found.update(np.array([0.0, 1e-30, 3e-17, 4e-17, 2.0]))
    assert decades(found) == "0: 1, below 1e-18: 1, 1e-17: 2, 1e+00: 1"


# --- symmetry -----------------------------------------------------------------------------------------------


def orbits(cases):
    """Kind and sorted label of every feature, by brute force."""
    c = cases.take(np.arange(cases.count))
    return {
        (i == j, (0.0, 1.0) if i == j else (min(a, b), max(a, b)))
        for i, j, a, b in zip(c.i, c.j, c.lam, c.colam)
    }


@pytest.mark.parametrize("pairs", ["all", "different", "same", "cyclic"])
@pytest.mark.parametrize("K", [2, 5])
def test_one_representative_of_each_orbit(K, pairs):
    """These λ and 1 − λ are exact, 1 − 1e-9 is not among them."""
    full, few = PairCases(K, LAM, pairs), OrbitCases(K, LAM, pairs)
    assert orbits(few) == orbits(full) and few.count == len(orbits(full))
    assert few.represented == full.count and len(few.kinds) == few.count


@pytest.mark.parametrize("alpha", [0.3, 1.0, 7.5])
@pytest.mark.parametrize("nodes, orbits", [(1, 1), (2, 1), (7, 4), (16, 8), (33, 17)])
def test_gauss_nodes_are_folded_to_the_last_bit(alpha, nodes, orbits):
    lam = gauss_lam(mixup(alpha), nodes).lam
    assert len(np.unique(lam)) == nodes and len(fold_lam(lam)) == orbits


@pytest.mark.parametrize(
    "lam, folded",
    [
        ([0.3, 0.7], [0.3]),
        ([0.1, 0.9, 0.5], [0.1, 0.5]),
        ([0.7], [0.7]),
        ([0.0, 1.0], [0.0]),
        ([1e-20, 1.0], [1e-20, 1.0]),  # 1 − 1e-20 rounds to 1, which is another label
        ([0.0, 1e-20, 1.0], [0.0, 1e-20]),
        ([0.3, 0.7 + 1e-9], [0.3, 0.7 + 1e-9]),
        ([0.3, np.nextafter(0.7, 1)], [0.3, np.nextafter(0.7, 1)]),
        ([0.5 - 2**-54, 0.5], [0.5 - 2**-54, 0.5]),
    ],
)
def test_weights_are_folded_where_one_is_one_minus_the_other(lam, folded):
    assert fold_lam(np.array(lam)).tolist() == folded


@pytest.mark.parametrize(
    "K, pairs, loss",
    [
        (2, "all", "cross-entropy"),
        (4, "all", "cross-entropy"),
        (4, "different", "cross-entropy"),
        (4, "cyclic", "cross-entropy"),
        (4, "all", "squared-error"),
    ],
)
def test_one_pair_has_the_worst_error_of_all(K, pairs, loss):
    """Solved to the end both are rounding; stopped after two steps (errors to compare) they are equal."""
    problem = Problem(K, multiplier=1.67, lambda_h=1e-3, loss=loss)
    for settings, close in (
        (Settings(), {"abs": 1e-14}),
        (Settings(max_steps=2), {"rel": 1e-9, "abs": 1e-14}),
    ):
        full = check_features(problem, PairCases(K, LAM, pairs), settings)
        few = check_features(problem, OrbitCases(K, LAM, pairs), settings)
        assert few.worst_error == pytest.approx(full.worst_error, **close)
        assert few.worst_bound == pytest.approx(full.worst_bound, rel=0.5)
        assert (few.verdict, few.represented) == (full.verdict, full.count)


def test_symmetry_does_not_see_what_breaks_it(monkeypatch):
    """Negative control: labels with weight on class 2 come out wrong; only the full run can tell."""
    spoil_optima(lambda Y: Y[2] > 0, monkeypatch)
    full, few = (check_features(plain(), kind(4, LAM)) for kind in (PairCases, OrbitCases))
    assert full.verdict == "undecided" and full.worst_error > 1e-5
    assert few.verdict == "agrees" and few.worst_error < 1e-14
    assert all("symmetry" in row.verdict.reason for row in few.rows)
    assert not any("symmetry" in row.verdict.reason for row in full.rows)


def test_a_wrong_formula_fails_by_symmetry_too(run, monkeypatch):
    exact = sources._pair_table
    monkeypatch.setattr(sources, "_pair_table", lambda *a: [part * (1 + 1e-9) for part in exact(*a)])
    assert run(*K4, "--symmetry")[0] == 1


def test_symmetry_is_said_everywhere(run):
    code, out, _ = run("--classes", 4, "--lam", "0.3,0.6,0.7", "--symmetry", "--explain", "--json", "a.json")
    flat, summary = " ".join(out.split()), strict(Path("a.json").read_text())["summary"]
    assert code == 0 and "48 features represented, 3 solved: symmetry of the classes is assumed" in flat
    assert "agrees, by symmetry" in flat and "one pair stands for each kind and weight" in flat
    assert "over all pairs" not in flat
    assert summary["count"] == {"represented": 48, "solved": 3} and summary["symmetry"] is True
    rows = strict(Path("a.json").read_text())["features"]
    assert [(row["kind"], row["lam"]) for row in rows] == [
        ("same", 1.0),
        ("different", 0.3),
        ("different", 0.6),
    ]


def test_a_run_without_symmetry_says_so(run):
    summary = strict(run(*K4, "--json", "-")[1])["summary"]
    assert summary["symmetry"] is False and summary["count"] == 32


def test_a_million_classes_by_symmetry():
    """K² λ is 3·10¹² features, of which three are solved."""
    cases = OrbitCases(10**6, np.array([0.1, 0.4, 0.9]))
    assert (cases.represented, cases.count) == (3 * 10**12, 3)


@pytest.mark.parametrize(
    "line, words",
    [
        ("--classifier W.npy", ["--symmetry", "built-in ETF", "W.npy"]),
        ("--classifier free", ["--symmetry", "built-in ETF", "free"]),
        ("--labels kway", ["--symmetry", "two-hot", "kway"]),
        ("--labels smoothing", ["--symmetry", "two-hot", "smoothing"]),
        ("--smoothing 0.1", ["--symmetry", "two-hot", "mixup with smoothing"]),
    ],
)
def test_symmetry_is_refused_where_it_is_not_given(run, line, words):
    refused(run("--classes", 3, "--symmetry", *line.split()), *words)


# --- shards --------------------------------------------------------------------------------------------------


def index(folder="out"):
    return strict((Path(folder) / "index.json").read_text())


def joined(folder="out"):
    """Arrays of all shards, in the order of the index."""
    parts = []
    for shard in index(folder)["shards"]:
        with np.load(Path(folder) / shard["file"]) as data:
            parts.append(dict(data))
            assert len(data["H"]) == shard["stop"] - shard["start"]
    return {name: np.concatenate([np.atleast_1d(part[name]) for part in parts]) for name in parts[0]}


def test_shards_hold_what_one_file_holds(run, small_shards):
    assert run(*K4, "--dim", 4, "--save", "out/")[0] == 0 and run(*K4, "--dim", 4, "--save", "a.npz")[0] == 0
    found, about = joined(), index()
    assert sorted(os.listdir("out")) == ["index.json", *(f"shard-{n:06d}.npz" for n in range(5))]
    assert about["complete"] is True and (about["count"], about["rows"]) == (32, 7)
    assert [(s["start"], s["stop"]) for s in about["shards"]] == [
        (0, 7),
        (7, 14),
        (14, 21),
        (21, 28),
        (28, 32),
    ]
    with np.load("a.npz") as data:
        for name in ("i", "j", "lam"):
            assert np.array_equal(found[name], data[name])
        assert found["H"].dtype == np.float64
        np.testing.assert_allclose(found["H"], data["H"], rtol=0, atol=1e-13)
        assert np.array_equal(found["W"][:4], data["W"])


@pytest.mark.parametrize(
    "argv",
    [
        ("--labels", "smoothing"),
        ("--labels", "kway", "--ways", "2", "--samples", "20"),
        ("--lam", "0.3,0.9", "--classifier", "W.npy"),
        ("--lam", "0.3,0.9", "--dim", "7", "--symmetry"),
        ("--lam", "0.3", "--lambda-w", "1", "--lambda-h", "1"),
    ],
)
def test_shards_of_other_problems_are_stationary(run, small_shards, argv):
    """λ_H h = Wᵀ(y − softmax(W h)), recomputed from what each shard holds."""
    np.save("W.npy", np.random.default_rng(1).normal(size=(4, 5)))
    assert run("--classes", 4, *argv, "--save", "out/")[0] == 0
    for path in sorted(Path("out").glob("*.npz")):
        with np.load(path) as data:
            Y = data["Y"] if "Y" in data else two_hot(data["i"], data["j"], data["lam"])
            H, W = data["H"], data["W"]
            gradient = data["lambda_h"] * H - (Y - softmax(H @ W.T, 1)) @ W
            assert np.abs(gradient).max() < 1e-12 and float(data["lambda_w"]) > 0


def two_hot(i, j, lam):
    Y = np.zeros((len(lam), 4))
    np.add.at(Y, (np.arange(len(lam)), i), lam)
    np.add.at(Y, (np.arange(len(lam)), j), 1 - lam)
    return Y


def test_compare_reads_a_shard(run):
    run(*K4, "--save", "out/")
    found = read_activations("out/shard-000000.npz")
    assert (found.count, found.classes, found.dim) == (32, 4, 4)


def test_keep_is_handed_what_was_solved():
    """H of every feature, numbered, in the order of the stream."""
    kept = []
    check_features(plain(), PairCases(4, np.array([0.3])), keep=lambda n, H: kept.append((n, H)))
    n, H = (np.concatenate(part) for part in zip(*kept))
    c = PairCases(4, np.array([0.3])).take(n)
    Y = np.zeros((16, 4))
    Y[n, c.j] = 0.7
    Y[n, c.i] = np.where(c.i == c.j, 1.0, 0.3)
    assert np.array_equal(n, np.arange(16))
    np.testing.assert_allclose(H, solve_features(plain(), Y).H, rtol=0, atol=1e-13)


KILLED = """
import os, signal, sys
import ufm.agree.features, ufm.output.files, ufm.output.shards
from ufm import solve

real, calls = getattr(os, sys.argv[1]), []
def stop(*args):
    calls.append(args)
    if len(calls) == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*args)

ufm.output.shards.SHARD_BYTES = 7 * 8 * (4 + 3)
setattr(ufm.output.files.os, sys.argv[1], stop)
solve.main(sys.argv[3:])
"""


@pytest.mark.parametrize("call, number", [("fsync", 5), ("replace", 3)])
def test_killed_and_run_again(run, small_shards, call, number):
    """kill -9 while the second shard (after index and first shard) is about to reach the disk, or its name."""
    argv = [*K4, "--dim", "4", "--save", "out/"]
    command = [sys.executable, "-c", KILLED, call, str(number), *argv]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    shown = sorted(name for name in os.listdir("out") if not name.startswith("."))
    assert shown == ["index.json", "shard-000000.npz"] and ".shard-000001.npz.tmp" in os.listdir("out")
    assert index()["complete"] is False
    with np.load("out/shard-000000.npz") as data:
        assert len(data["H"]) == 7, "what has its name is whole"
    assert run(*argv)[0] == 0 and index()["complete"] is True
    assert not [name for name in os.listdir("out") if name.startswith(".")] and len(joined()["H"]) == 32


def test_a_disk_that_fills_up_leaves_whole_shards(run, small_shards, monkeypatch):
    right, calls = np.savez, []

    def full(file, **arrays):
        calls.append(file)
        if len(calls) == 3:
            file.write(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        right(file, **arrays)

    monkeypatch.setattr(ufm.output.shards.np, "savez", full)
    code, _, err = run(*K4, "--dim", 4, "--save", "out/", "--json", "a.json")
    assert (
        code == 2 and "shard-000002.npz cannot be written: No space left" in err and os.listdir() == ["out"]
    )
    assert sorted(os.listdir("out")) == ["index.json", "shard-000000.npz", "shard-000001.npz"]
    assert index()["complete"] is False


def test_an_interrupted_run_says_what_stays(run, small_shards, monkeypatch):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(ufm.output.shards.np, "savez", interrupt)
    code, _, err = run(*K4, "--save", "out/")
    assert code == 130 and "interrupted" in err and os.listdir("out") == ["index.json"]


@pytest.mark.parametrize(
    "change, word",
    [
        (("--lam", "0.3,0.8"), "stream"),
        (("--lam", "0.3,0.9", "--multiplier", "1"), "problem"),
        (("--lam", "0.3,0.9", "--precision", "float32"), "dtype"),
        (("--lam", "0.3,0.9", "--symmetry"), "count"),
    ],
)
def test_shards_of_another_run_are_not_overwritten(run, change, word):
    run(*K4, "--save", "out/")
    before = Path("out/shard-000000.npz").read_bytes()
    code, out, err = run("--classes", 4, *change, "--save", "out/")
    assert code == 2 and out == "" and "another run" in err and word in err and "new folder" in err
    assert Path("out/shard-000000.npz").read_bytes() == before and index()["complete"] is True


@pytest.mark.parametrize("content", ["a stranger", "a damaged index", "a file"])
def test_a_folder_that_holds_something_else_is_refused(run, content):
    if content == "a file":
        Path("out").write_text("mine")
    else:
        os.mkdir("out")
        (Path("out") / ("index.json" if "index" in content else "thesis.tex")).write_text("{")
    code, out, err = run(*K4, "--save", "out/")
    assert code == 2 and out == "" and "out" in err and "Traceback" not in err
    assert ("not a folder" if content == "a file" else "give a new folder") in err


def test_two_runs_do_not_share_a_folder(run):
    run(*K4, "--save", "out/")
    handle = os.open("out", os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        code, _, err = run(*K4, "--save", "out/")
    finally:
        os.close(handle)
    assert code == 2 and "another run is writing there" in err


def test_a_disk_without_room_is_found_before_the_work(run, monkeypatch):
    usage = shutil.disk_usage(".")._replace(free=1000)
    monkeypatch.setattr(ufm.output.shards.shutil, "disk_usage", lambda place: usage)
    monkeypatch.setattr(ufm.commands.runs.features, "check_features", lambda *args: pytest.fail("solved"))
    refused(run("--classes", 30, "--save", "out/"), "--save out/", "GiB are free", "larger disk")


def test_a_folder_that_cannot_be_made_is_one_message(run):
    Path("taken").write_text("")
    code, out, err = run(*K4, "--save", "taken/out/")
    assert code == 2 and out == "" and "--save taken/out/ cannot be written" in err


def test_the_stated_size_is_the_size(run, small_shards):
    run(*K4, "--dim", 4, "--save", "out/")
    cases = PairCases(4, np.array([0.3, 0.9]))
    expected = ufm.output.shards.shard_bytes(Problem(4, multiplier=1.0, dim=4), cases)
    size = sum(path.stat().st_size for path in Path("out").glob("*.npz"))
    assert expected <= size <= expected + 5 * 4096


def test_one_file_too_large_names_the_folder(run):
    flags = ("--classes", 100, "--samples", 50, "--memory", "200MiB", "--save")
    refused(run(*flags, "run.npz"), "for the file of features", "200.0 MiB are allowed", "--save FOLDER/")


@pytest.mark.parametrize("line", ["--save out", "--save out/ --classifier free"])
def test_only_a_slash_makes_a_folder(run, line):
    refused(run("--classes", 3, *line.split()), "--save must end in .npz")


def test_a_file_has_its_name_only_when_it_is_whole(tmp_path):
    target = tmp_path / "a.bin"
    with pytest.raises(RuntimeError), outputs.whole_file(target) as file:
        file.write(b"half")
        raise RuntimeError("planted")
    assert os.listdir(tmp_path) == []
    with outputs.whole_file(target) as file:
        file.write(b"whole")
        assert not target.exists()
    assert target.read_bytes() == b"whole" and os.listdir(tmp_path) == ["a.bin"]


# --- progress --------------------------------------------------------------------------------------------------


def test_progress_estimates_the_time_left():
    assert progress_line(250, 1000, 40.0) == "250 of 1000 features, about 2 min left"
    assert progress_line(1000, 1000, 40.0) == "1000 of 1000 features, about 0 s left"


@pytest.mark.parametrize(
    "seconds, words", [(0.0, "0 s"), (119.0, "119 s"), (120.0, "2 min"), (7199.0, "120 min"), (7200.0, "2 h")]
)
def test_durations_read_well(seconds, words):
    assert duration(seconds) == words


def test_progress_without_a_terminal_is_lines(run, monkeypatch):
    monkeypatch.setattr(ufm.commands.runs.progress, "QUIET", -1.0)
    lines = [line for line in run(*K4)[2].splitlines() if "left" in line]
    assert [line.split(",")[0] for line in lines] == ["16 of 32 features", "32 of 32 features"]
    assert lines[-1].endswith("about 0 s left")


# --- memory ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="needs Linux's smaps_rollup")
def test_memory_is_flat_in_the_number_of_features(tmp_path):
    """K = 200: four times the features, kept 183 MiB more, take less than 16 MiB more; shards, one at a time.

    Negative control: one file of features, which is put together in memory, takes more than its size.
    """
    one, four = (large_pairs.solve_pairs(200, nodes, tmp_path) for nodes in (1, 4))
    assert (one["code"], four["code"]) == (0, 0)
    assert four["record"]["summary"]["count"] == 4 * one["record"]["summary"]["count"] == 160_000
    assert four["peak"] - one["peak"] < 16 * MIB
    shards = large_pairs.solve_pairs(200, 4, tmp_path, "--save", "out/")
    assert shards["peak"] - one["peak"] < ufm.output.shards.SHARD_BYTES + 32 * MIB
    assert sum(path.stat().st_size for path in (tmp_path / "out").iterdir()) > 240 * MIB
    kept = large_pairs.solve_pairs(200, 1, tmp_path, "--save", "a.npz")
    assert kept["peak"] - one["peak"] > (tmp_path / "a.npz").stat().st_size


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="needs Linux's smaps_rollup")
def test_the_experiment_reports(capfd, tmp_path):
    output = tmp_path / "a.md"
    assert large_pairs.main(["--classes", "5", "--nodes", "2", "--output", str(output)]) == 0
    text = output.read_text()
    assert text in capfd.readouterr().out and "within the cap of 4 GiB" in text
    assert json.loads(text.split("```json")[1].split("```")[0])["count"] == 50


def test_the_experiment_fails_over_its_cap(capsys, monkeypatch):
    found = {"code": 0, "seconds": 1.0, "processor": 1.0, "peak": 2**30, "text": "", "record": None}
    monkeypatch.setattr(large_pairs, "solve_pairs", lambda *args: found)
    assert large_pairs.main(["--cap", "0.9"]) == 1 and "OVER the cap" in capsys.readouterr().out
    assert large_pairs.main(["--cap", "1"]) == 0
