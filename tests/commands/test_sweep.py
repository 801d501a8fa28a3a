"""The command python -m ufm.sweep: the numbers of `ufm.solve`, verdicts, compilations, devices, output."""

import os
import re
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import jax
import numpy as np
import pyarrow.parquet as pq
import pytest

import ufm.agree.sweep.block
import ufm.commands.runs.progress
import ufm.commands.runs.sweep
from tests.children import strict
from tests.sweeps import free_kernel, rows
from ufm import solve, sweep
from ufm.agree.features import check_features
from ufm.agree.verdict import JUDGED, judge, judge_rows
from ufm.model.cases import PairCases
from ufm.model.problem import Problem

jax.devices()  # started here with the devices every test sees, not by the first sweep
ROOT = Path(__file__).resolve().parents[2]
OUT = Path("grid.parquet")
MAIN = """
classes = 3
alpha = [0.5, 2.0]
smoothing = [0, 0.1]
lambda_w = { from = 1e-5, to = 1e-1, count = 5, scale = "log" }
lambda_h = [1e-6, 1e-2, 10]
lam = [0.0, 0.3, 0.5]
block = 25
"""
SIDE = ("coef_i", "coef_j", "p_i", "p_j", "p_other", "norm")


@pytest.fixture(autouse=True)
def _in_tmp(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def run(call_main):
    return partial(call_main, sweep.main)


@pytest.fixture
def swept(run):
    """Rows of a grid, solved in this process."""

    def call(text: str, code=0) -> list[dict]:
        Path("grid.toml").write_text(text)
        found, _, err = run("grid.toml")
        assert found == code, err
        return rows(OUT)

    return call


@pytest.fixture(scope="module")
def main_rows(tmp_path_factory):
    """Rows of MAIN, and how often its program was compiled."""
    here, folder = os.getcwd(), tmp_path_factory.mktemp("main")
    os.chdir(folder)
    kernels, compile_block = [], ufm.agree.sweep.block.compile_block
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            ufm.commands.runs.sweep,
            "compile_block",
            lambda *args: kernels.append(compile_block(*args)) or kernels[-1],
        )
        Path("grid.toml").write_text(MAIN)
        assert sweep.main(["grid.toml"]) == 0
    os.chdir(here)
    return rows(folder / OUT), [kernel._cache_size() for kernel in kernels]


def flags(row: dict, lam: list[float]) -> list:
    """The command line of `ufm.solve` for the problem of a row."""
    given = {name: row[name] for name in ("classes", "dim", "labels", "loss", "lambda_w", "lambda_h")}
    given |= {"multiplier": row["multiplier"], "alpha": row["alpha"]}
    if row["labels"] in ("mixup", "cutmix"):
        given |= {"pairs": row["pairs"], "lam": ",".join(map(str, lam))}
    given = {f"--{name.replace('_', '-')}": value for name, value in given.items() if value is not None}
    return [str(word) for item in given.items() for word in item]


def compare(call_main, found: list[dict], numbers) -> None:
    """The problems numbered so, against `ufm.solve --json`."""
    for number in numbers:
        mine = [row for row in found if row["problem"] == number]
        lam = sorted({row["lam"] for row in mine})
        code, out, err = call_main(solve.main, *flags(mine[0], lam), "--json", "-")
        assert code == 0, err
        record = strict(out)
        theirs = record["features"]
        assert [(row["kind"], row["lam"]) for row in mine] == [(row["kind"], row["lam"]) for row in theirs]
        problem = record["problem"]
        assert mine[0]["m"] == pytest.approx(problem["multiplier"], rel=1e-12)
        assert mine[0]["a"] == pytest.approx(problem["sharpness"], rel=1e-12)
        assert mine[0]["dim"] == problem["dim"]
        for one, other in zip(mine, theirs):
            assert one["verdict"] == other["verdict"]
            assert one["bound"] <= 1.1 * other["bound"] + 1e-13 and one["error"] <= 1e-14
            for side in ("numeric", "theory"):
                same_numbers(one, other[side], side)


def same_numbers(row: dict, expected: dict, side: str) -> None:
    """Equal to 1e-12 of the largest of their kind: coefficients, probabilities (fitted values), norm."""
    for names in (SIDE[:2], SIDE[2:5], SIDE[5:]):
        pairs = [(row[f"{side}_{name}"], expected[name]) for name in names]
        assert [a is None for a, _ in pairs] == [b is None for _, b in pairs], (row, expected)
        pairs = [pair for pair in pairs if pair[0] is not None]
        scale = max((abs(b) for _, b in pairs), default=0)
        assert all(abs(a - b) <= 1e-12 * scale for a, b in pairs), (row, expected)


# --- numbers ------------------------------------------------------------------------------------------


def test_the_numbers_are_those_of_solve(main_rows, call_main):
    found, _ = main_rows
    plain = sorted({row["problem"] for row in found if row["smoothing"] == 0})
    chosen = np.random.default_rng(0).choice(plain, 4, replace=False).tolist()
    trivial = next(row["problem"] for row in found if row["m"] == 0 and row["smoothing"] == 0)
    compare(call_main, found, [*chosen, trivial])


@pytest.mark.parametrize("place", [0, -1])
def test_the_rounding_of_the_closed_form_is_that_of_one_problem(main_rows, place):
    """Each label has its own, which goes with its logits; so has their unit, of a sharp problem and a weak one."""
    alive = [row for row in main_rows[0] if row["m"] > 0 and row["smoothing"] == 0]
    one = sorted(alive, key=lambda row: row["a"])[place]
    mine = [row for row in alive if row["problem"] == one["problem"]]
    problem = Problem(3, multiplier=one["m"], lambda_h=one["lambda_h"])
    report = check_features(problem, PairCases(3, np.unique([row["lam"] for row in mine])))
    told = {(row.kind, row.lam): row.theory_bound for row in report.rows}
    assert len(set(told.values())) > 2
    for row in mine:
        assert row["theory_bound"] == pytest.approx(told[row["kind"], row["lam"]], rel=1e-9, abs=0)


def test_smoothed_mixtures_are_those_of_solve(main_rows, call_main):
    """`ufm.solve` draws them; as given labels they get K coefficients, which sum to zero."""
    found, _ = main_rows
    mine = [row for row in found if row["smoothing"] == 0.1 and row["m"] > 0][-6:]
    assert len({row["problem"] for row in mine}) == 1
    pure = {"same": np.eye(3)[[0, 0]], "different": np.eye(3)[:2]}
    mixed = [r["lam"] * pure[r["kind"]][0] + (1 - r["lam"]) * pure[r["kind"]][1] for r in mine]
    np.save("labels.npy", 0.9 * np.array(mixed) + 0.1 / 3)
    argv = ["--classes", 3, "--labels", "labels.npy", "--multiplier", repr(mine[0]["m"])]
    argv += ["--lambda-h", mine[0]["lambda_h"], "--json", "-"]
    code, out, err = call_main(solve.main, *argv)
    assert code == 0, err
    for row, other in zip(mine, strict(out)["features"]):
        for side in ("numeric", "theory"):
            coef, p = np.array(other[side]["coef"]), np.array(other[side]["p"])
            others = slice(1, None) if row["kind"] == "same" else slice(2, None)
            rest = coef[others].mean()
            assert row[f"{side}_coef_i"] == pytest.approx(coef[0] - rest, rel=1e-12, abs=1e-12)
            assert row[f"{side}_p_i"] == pytest.approx(p[0], rel=1e-12)
            assert row[f"{side}_p_other"] == pytest.approx(p[others].mean(), rel=1e-12)
            assert row[f"{side}_norm"] == pytest.approx(other[side]["norm"], rel=1e-12)
            if row["kind"] == "different":
                assert row[f"{side}_coef_j"] == pytest.approx(coef[1] - rest, rel=1e-12, abs=1e-12)
                assert row[f"{side}_p_j"] == pytest.approx(p[1], rel=1e-12)


def test_every_row_is_there_and_agrees(main_rows):
    found, _ = main_rows
    keys = {(row["problem"], row["kind"], row["lam"]) for row in found}
    assert len(found) == len(keys) == 60 * 6
    assert {row["verdict"] for row in found} == {"agrees"}
    assert max(row["error"] for row in found) < 1e-14 and max(row["bound"] for row in found) < 1e-10
    assert all(row["error"] <= row["bound"] + row["theory_bound"] for row in found)


def test_one_compilation_serves_all_blocks(main_rows):
    assert main_rows[1] == [1]  # 60 problems in three blocks, the last shorter


def test_trivial_problems_are_zero(main_rows):
    trivial = [row for row in main_rows[0] if row["lambda_w"] * row["lambda_h"] > 0.5]
    assert trivial
    for row in trivial:
        assert row["m"] == row["a"] == row["numeric_norm"] == row["theory_norm"] == row["error"] == 0
        assert row["numeric_coef_i"] is None and row["numeric_p_i"] == pytest.approx(1 / 3, rel=1e-15)


OTHERS = {
    "two classes": "classes = 2\nmultiplier = [0, 0.5, 3]\nlambda_h = [1e-5, 0.1]\nlam = [0, 1e-9, 0.5, 0.51, 1]",
    "two classes, squared error": 'classes = 2\nloss = "squared-error"\nmultiplier = 1\nlam = [0.2, 0.5]',
}
SLOW = {
    "squared error": 'classes = 3\nloss = "squared-error"\nlambda_w = [1e-4, 0.03]\nlambda_h = [1e-4, 1]',
    "ten classes": "classes = 10\nalpha = [0.3, 2]\nlambda_w = [1e-4, 3e-2]\nlambda_h = [1e-5, 1e-2, 5]",
    "cutmix": 'classes = 4\nlabels = "cutmix"\nlambda_h = [1e-5, 1e-2]\npairs = "different"',
    "one-hot": 'classes = [2, 4]\nlabels = "onehot"\nlambda_w = [1e-4, 3e-2]\nlambda_h = [1e-5, 1e-2]',
    "same": 'classes = 3\npairs = "same"\nlambda_h = [1e-5, 1e-2]\ndim = [2, 3, 50]',
}


@pytest.mark.parametrize("text", OTHERS.values(), ids=OTHERS)
def test_other_problems_are_those_of_solve(swept, call_main, text):
    found = swept(text)
    compare(call_main, found, sorted({row["problem"] for row in found}))


@pytest.mark.slow
@pytest.mark.parametrize("text", SLOW.values(), ids=SLOW)
def test_more_problems_are_those_of_solve(swept, call_main, text):
    found = swept(text)
    numbers = sorted({row["problem"] for row in found})
    compare(call_main, found, numbers[:: max(1, len(numbers) // 3)])


@pytest.mark.slow
def test_devices_share_a_block(main_rows):
    """Eight devices give the numbers of one, and each its own program's share."""
    Path("grid.toml").write_text(MAIN)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "JAX_NUM_CPU_DEVICES": "8"}
    command = [sys.executable, "-m", "ufm.sweep", "grid.toml"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    for mine, other in zip(rows(OUT), main_rows[0], strict=True):
        for name, value in other.items():
            expected = pytest.approx(value, rel=1e-12, abs=1e-12) if isinstance(value, float) else value
            assert mine[name] == expected


def test_a_kernel_for_several_devices_is_sharded():
    devices = jax.devices() * 1
    assert (
        ufm.agree.sweep.block.block_width(25, devices) == 32
        and ufm.agree.sweep.block.block_width(5, devices) == 5
    )
    eight = devices * 8  # only their number and platform matter here
    assert (
        ufm.agree.sweep.block.block_width(2048, eight) == 2048
        and ufm.agree.sweep.block.block_width(5, eight) == 8
    )
    assert ufm.agree.sweep.block.block_width(300, eight) == 384


def test_float64_is_required():
    with jax.enable_x64(False), pytest.raises(RuntimeError, match="jax_enable_x64"):
        ufm.agree.sweep.block.compile_block(
            ufm.agree.sweep.block.Shape(3, "cross-entropy", "all", True), np.ones(1), jax.devices()
        )


# --- verdicts -----------------------------------------------------------------------------------------


def test_a_wrong_formula_fails(swept, run, monkeypatch):
    """Negative control: logits of the closed form off by one part in 10^9."""
    exact = ufm.agree.sweep.block.label_optimum

    def wrong(*args):
        best = exact(*args)
        return best._replace(x=best.x * (1 + 1e-9))

    monkeypatch.setattr(ufm.agree.sweep.block, "label_optimum", wrong)
    found = swept("classes = 3\nmultiplier = [0.5, 1]\nlam = 0.3", code=1)
    assert {row["verdict"] for row in found} == {"fails"}
    assert all(1e-10 < row["error"] < 1e-8 for row in found)
    code, out, _ = run("grid.toml")  # nothing left to do: the verdict stands
    assert code == 1 and "4 fails" in out


def test_a_tolerance_below_the_bound_is_undecided(run, monkeypatch):
    monkeypatch.setattr(ufm.commands.runs.sweep, "compile_block", free_kernel)
    Path("grid.toml").write_text("multiplier = 1\nlam = [0.3, 0.5]\ntol = 5e-15\n")
    code, out, _ = run("grid.toml")  # theory bounds of 3e-15, 6e-15 and 9e-15
    assert code == 3 and "undecided" in out and "agrees" in out


def test_verdicts_of_arrays_are_those_of_judge():
    values = [0.0, 1e-16, 1e-7, 1e-6, 2e-6, 1.0, np.inf, np.nan]
    error, bound, theory = (part.ravel() for part in np.meshgrid(values, values, values))
    found = judge_rows(error, bound, theory, 1e-6)
    for e, b, t, code in zip(error.tolist(), bound.tolist(), theory.tolist(), found):
        exceeds = e - b - t > 0 if np.isfinite(e - b - t) else False
        assert JUDGED[code] == judge(e, b, t, 1e-6, exceeds=exceeds).word, (e, b, t)
    assert set(found) == {0, 1, 2}


# --- the command --------------------------------------------------------------------------------------


def test_dry_run_says_what_a_run_would_do(main_rows, run):
    Path("grid.toml").write_text(MAIN)
    code, out, _ = run("grid.toml", "--dry-run")
    assert code == 0 and os.listdir() == ["grid.toml"]
    lines = out.splitlines()
    assert lines[0] == "sweep of grid.toml: 60 problems, 360 rows"
    assert "compilations  1" in out and "files         3 in grid.parquet" in out


def test_dry_run_guesses_the_bytes(swept, run, monkeypatch):
    monkeypatch.setattr(ufm.commands.runs.sweep, "compile_block", noisy_kernel)
    swept("multiplier = 1\nlambda_w = { from = 1e-3, to = 1e-2, count = 2000 }\n", code=1)
    _, out, _ = run("grid.toml", "--dry-run")
    guess = int(re.search(r"bytes +about ([\d,]+)", out)[1].replace(",", ""))
    size = sum(path.stat().st_size for path in OUT.glob("*.parquet"))
    assert 0.5 < guess / size < 2, (guess, size)
    assert "finished      1 of them" in out


def noisy_kernel(shape, lam, devices):
    """Numbers without structure: what compresses least."""
    rng, kernel = np.random.default_rng(0), free_kernel(shape, lam, devices)

    def answers(point):
        return jax.tree.map(lambda part: rng.random(np.shape(part)) * np.asarray(part), kernel(point))

    return answers


def test_dry_run_counts_compilations(run):
    Path("grid.toml").write_text('classes = [3, 4]\nloss = ["cross-entropy", "squared-error"]\ndim = [5, 6]')
    assert "compilations  4" in run("grid.toml", "--dry-run")[1]


def test_the_readme_s_large_grid_is_what_it_says(run):
    out = run(ROOT / "experiments" / "hundred_thousand.toml", "--dry-run")[1]
    assert "100,000 problems, 2,200,000 rows" in out and "compilations  1\n" in out


def test_dry_run_and_usage_errors_answer_without_jax():
    Path("grid.toml").write_text("classes = [3, 4]")
    Path("wrong.toml").write_text("clases = 3")
    code = "import sys; from ufm import sweep; print(sweep.main(sys.argv[1:]), 'jax' in sys.modules)"
    for argv, expected in ((["grid.toml", "--dry-run"], "0 False"), (["wrong.toml"], "2 False")):
        ended = subprocess.run(
            [sys.executable, "-c", code, *argv],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )
        assert ended.stdout.splitlines()[-1] == expected, ended.stderr


@pytest.mark.parametrize(
    "argv, words",
    [
        (("absent.toml",), "absent.toml: No such file"),
        (("grid.toml",), "did you mean alpha?"),
        (("grid.toml", "--dry-run", "--dry-run"), "given more than once"),
    ],
)
def test_wrong_usage_is_exit_2(run, argv, words):
    Path("grid.toml").write_text("alfa = 1")
    code, out, err = run(*argv)
    assert code == 2 and out == "" and words in err and os.listdir() == ["grid.toml"]


def test_help_and_missing_grid(run):
    code, out, _ = run("--help")
    assert code == 0 and "--dry-run" in out and "--out" in out
    assert run()[0] == 2


def test_progress_without_a_terminal(swept, run, monkeypatch):
    monkeypatch.setattr(ufm.commands.runs.sweep, "compile_block", free_kernel)
    monkeypatch.setattr(ufm.commands.runs.progress, "QUIET", -1)
    Path("grid.toml").write_text("multiplier = [1, 2, 3]\nblock = 1\nlam = [0.3, 0.5]")
    _, _, err = run("grid.toml")
    assert err.splitlines()[0].startswith("1 of 3 blocks, about ") and "3 of 3 blocks, about 0 s left" in err


def test_interrupted_says_how_to_go_on(run, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(ufm.commands.runs.sweep, "compile_block", stop)
    Path("grid.toml").write_text("multiplier = 1")
    code, _, err = run("grid.toml")
    assert code == 130 and "run the same command again" in err


def test_columns_and_types():
    """The schema people query; dictionaries for words, null for what is not there."""
    schema = pq.read_schema(one_block())
    words = {"labels", "pairs", "loss", "kind", "verdict"}
    integers = {"problem", "classes", "dim"}
    numbers = {"alpha", "smoothing", "multiplier", "lambda_w", "lambda_h", "m", "a", "lam"}
    numbers |= {f"{side}_{name}" for side in ("numeric", "theory") for name in SIDE}
    numbers |= {"error", "bound", "theory_bound"}
    assert set(schema.names) == words | integers | numbers
    assert all(str(schema.field(name).type).startswith("dictionary<values=string") for name in words)
    assert all("int" in str(schema.field(name).type) for name in integers)
    assert all(str(schema.field(name).type) == "double" for name in numbers)


def one_block() -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ufm.commands.runs.sweep, "compile_block", free_kernel)
        Path("grid.toml").write_text("classes = 3\nlam = [0.3, 0.5]\n")
        assert sweep.main(["grid.toml"]) == 0
    return OUT / "block-000000.parquet"


@pytest.mark.slow
def test_the_real_command_killed_twice(main_rows):
    """Kill -9 of the command itself, and its rows afterwards, next to an uninterrupted run's."""
    Path("grid.toml").write_text(MAIN.replace("block = 25", "block = 1"))
    command = [sys.executable, "-m", "ufm.sweep", "grid.toml"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "JAX_NUM_CPU_DEVICES": "1"}
    for files in (5, 20):
        child = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        while len(list(OUT.glob("*.parquet"))) < files:
            assert child.poll() is None
            time.sleep(0.05)  # a loop that spins takes the core that the child is to have
        child.kill()
        assert child.wait() == -9
    assert subprocess.run(command, env=environment, stdout=subprocess.DEVNULL).returncode == 0
    found = rows(OUT)
    assert len(found) == 360
    for mine, other in zip(found, main_rows[0]):
        assert [mine[key] for key in ("problem", "kind", "lam")] == [
            other[key] for key in ("problem", "kind", "lam")
        ]
        same_numbers(mine, {name: other[f"theory_{name}"] for name in SIDE}, "theory")
