"""The command python -m ufm.solve: its JSON contract, exit codes, files, bad input, and how it reads."""

import os
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from scipy.special import softmax

import ufm.agree.features
import ufm.commands.runs.features
import ufm.pictures.features
from tests.children import refused, strict
from ufm import solve
from ufm.theory.geometry.own_penalties import restoring_temperatures

ROOT = Path(__file__).resolve().parents[2]
K3 = ("--classes", "3")
SMALL = (*K3, "--lam", "0.3")  # 9 features, one compilation for the whole file
SIDE = {"coef_i", "coef_j", "p_i", "p_j", "p_other", "norm"}
WORDS = {"agrees", "proved", "fails", "undecided", "out of hypothesis"}


@pytest.fixture(autouse=True)
def _in_tmp(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def run(call_main):
    """The command in this process: (exit code, stdout, stderr)."""
    return partial(call_main, solve.main)


@pytest.fixture
def told(recall):
    """The same, where another test may have had it said: of words that read and write no file."""
    return partial(recall, solve.main)


@pytest.fixture
def record(run):
    """The JSON record of a run that ended with the expected code."""

    def call(*argv, code=0):
        found, out, err = run(*argv, "--json", "-")
        assert found == code, err
        return strict(out)

    return call


# --- the JSON contract -------------------------------------------------------------------------------


def test_record_has_the_documented_fields(record):
    data = record(*K3, "--lam", "0.3,0.8")
    assert data["schema"] == 1
    assert set(data) == {"schema", "problem", "features", "summary", "provenance"}
    assert {"classes", "dim", "multiplier", "sharpness", "lambda_w", "lambda_h"} <= set(data["problem"])
    assert {"loss", "labels", "alpha", "pairs", "threshold", "classifier"} <= set(data["problem"])
    assert set(data["summary"]) == {"count", "symmetry", "worst_error", "worst_bound", "errors", "verdict"}
    assert {"command", "seed", "versions", "device", "dtype"} <= set(data["provenance"])
    assert {"ufm", "jax", "numpy", "python"} <= set(data["provenance"]["versions"])
    for row in data["features"]:
        assert set(row) == {"kind", "lam", "classes", "theory", "numeric", "error", "bound", "verdict"}
        pair = row["classes"]
        assert len(pair) == 2 and (pair[0] == pair[1]) == (row["kind"] == "same")
        assert set(row["theory"]) == SIDE == set(row["numeric"]) - {"p_bound"} < set(row["numeric"])


def test_record_command_and_seed_repeat_the_run(record):
    argv = (*K3, "--samples", "2", "--seed", "7")
    data = record(*argv)
    assert data["provenance"]["command"] == ["python", "-m", "ufm.solve", *argv, "--json", "-"]
    assert data["provenance"]["seed"] == 7 and data["provenance"]["dtype"] == "float64"
    assert record(*data["provenance"]["command"][3:-2])["features"] == data["features"]


@pytest.mark.parametrize(
    "pairs, kinds, per_lam",
    [("all", ["same", "different"], 9), ("different", ["different"], 6), ("same", ["same"], 3)],
)
def test_one_row_per_kind_and_distinct_lam(record, pairs, kinds, per_lam):
    data = record(*K3, "--lam", "0.8,0.3,0.8,0.5", "--pairs", pairs)
    rows = [(row["kind"], row["lam"]) for row in data["features"]]
    assert rows == [(kind, lam) for kind in kinds for lam in (0.3, 0.5, 0.8)]
    assert data["summary"]["count"] == 3 * per_lam  # features solved: pairs × distinct λ


def test_rows_hold_what_they_say(record):
    """Probabilities sum to one, h = coef_i w_i + coef_j w_j has the stated norm, errors are small."""
    data = record("--classes", 4, "--lam", "0,0.3")
    K, m = 4, data["problem"]["multiplier"]
    for row in data["features"]:
        for side in (row["theory"], row["numeric"]):
            u, v, same = side["coef_i"], side["coef_j"], row["kind"] == "same"
            assert np.isclose(m * np.sqrt(u * u + v * v - 2 * u * v / (K - 1)), side["norm"], rtol=1e-9)
            total = side["p_i"] + (side["p_j"] or 0) + (K - 1 if same else K - 2) * side["p_other"]
            assert np.isclose(total, 1, atol=1e-12)
            assert (side["p_j"] is None) == same and (v == 0 or not same)
        assert row["verdict"] == "agrees" and 0 <= row["error"] <= row["bound"] <= 1e-8
    summary = data["summary"]
    assert summary["worst_error"] == max(row["error"] for row in data["features"])
    assert summary["worst_bound"] == max(row["bound"] for row in data["features"])
    assert summary["verdict"] == "agrees"


def test_same_class_rows_do_not_depend_on_lam(record):
    same = [row for row in record(*K3, "--lam", "0,0.3,1")["features"] if row["kind"] == "same"]
    assert same[0]["theory"] == same[1]["theory"] == same[2]["theory"]


def test_two_classes_have_one_coefficient(record):
    data = record("--classes", 2, "--lam", "0,0.3,0.5,1")
    for row in data["features"]:
        for side in (row["theory"], row["numeric"]):
            assert side["coef_j"] == 0 and (side["p_other"] is None or row["kind"] == "same")
            assert np.isclose(abs(side["coef_i"]) * data["problem"]["multiplier"], side["norm"], atol=1e-12)


def test_swapping_lam_swaps_the_pair(record):
    low, high = record("--classes", 4, "--lam", "0.2,0.8")["features"][2:]
    for route in ("theory", "numeric"):
        assert np.isclose(low[route]["coef_i"], high[route]["coef_j"], rtol=1e-9)
        assert np.isclose(low[route]["p_j"], high[route]["p_i"], rtol=1e-9)


@pytest.mark.parametrize(
    "argv, kind, rows, count",
    [
        (("--labels", "onehot"), "same", 1, 3),
        (("--labels", "smoothing"), "smoothing", 1, 3),
        (("--labels", "kway", "--ways", "2", "--samples", "5"), "kway", 5, 5),
        (("--smoothing", "0.1", "--samples", "5"), "mixup", 5, 5),
        (("--labels", "cutmix", "--samples", "2", "--pairs", "different"), "different", 2, 12),
    ],
)
def test_other_laws(record, argv, kind, rows, count):
    data = record(*K3, *argv)
    assert [row["kind"] for row in data["features"]] == [kind] * rows
    assert data["summary"]["count"] == count and data["summary"]["verdict"] == "agrees"
    for row in data["features"]:
        assert set(row) == {"kind", "lam", "classes", "theory", "numeric", "error", "bound", "verdict"}
        if kind not in ("same", "different"):
            assert row["lam"] is None and set(row["numeric"]) == {"coef", "p", "norm", "p_bound"}
            assert len(row["numeric"]["coef"]) == 3 and np.isclose(sum(row["numeric"]["p"]), 1)


def test_json_to_a_file_is_the_same_record(run, told):
    code, out, _ = run(*SMALL, "--json", "record.json")
    assert code == 0 and "agrees" in out
    written = strict(Path("record.json").read_text())
    assert written["features"] == strict(told(*SMALL, "--json", "-")[1])["features"]


def test_quadrature_nodes_are_the_rows(record):
    data = record(*K3, "--quadrature", 2, "--pairs", "different")
    nodes = [0.5 - np.sqrt(1 / 12), 0.5 + np.sqrt(1 / 12)]  # Gauss–Legendre on [0, 1]: alpha = 1
    assert np.allclose([row["lam"] for row in data["features"]], nodes, atol=1e-13)


def test_default_draws_64_weights(record):
    data = record(*K3, "--pairs", "same")
    assert len(data["features"]) == 64 and data["summary"]["count"] == 192


# --- verdicts and exit codes ---------------------------------------------------------------------------


def test_exit_0_when_all_agree(told):
    assert told(*SMALL)[0] == 0


def test_exit_3_for_a_truncated_solve(run, record):
    assert run(*SMALL, "--max-steps", 1)[0] == 3
    data = record(*SMALL, "--max-steps", 1, code=3)
    assert data["summary"]["verdict"] == "undecided"
    assert {row["verdict"] for row in data["features"]} == {"undecided"}


def test_no_steps_return_the_starting_point(record):
    for row in record(*SMALL, "--max-steps", 0, code=3)["features"]:
        assert row["numeric"]["norm"] == row["numeric"]["coef_i"] == 0
        assert row["verdict"] == "undecided" and row["error"] <= row["bound"]


def test_zero_steps_never_agree_even_where_zero_is_the_optimum(record):
    """K = 2, λ = ½ has its optimum at the starting point."""
    data = record("--classes", 2, "--lam", "0.5", "--pairs", "different", "--max-steps", 0, code=3)
    assert data["features"][0]["verdict"] == "undecided"


@pytest.mark.parametrize("steps", [1, 2, 3])
@pytest.mark.parametrize("method", ["newton", "lbfgs", "gd"])
def test_error_never_exceeds_bound_when_truncated(record, method, steps):
    argv = (*K3, "--lam", "0.02,0.3", "--method", method, "--max-steps", steps)
    for row in record(*argv, code=3)["features"]:
        assert row["error"] <= row["bound"] and row["verdict"] == "undecided"


def test_exit_1_for_a_wrong_theory(run, record, monkeypatch):
    """A closed form off by 1e-9 relative: the bounds are far below that, so it must fail."""
    exact = ufm.agree.stream.sources._pair_table

    def wrong(problem, lam):
        x_i, x_j, *p = exact(problem, lam)
        return x_i * (1 + 1e-9), x_j, *p

    monkeypatch.setattr(ufm.agree.stream.sources, "_pair_table", wrong)
    code, out, _ = run(*SMALL, "--explain")
    assert code == 1 and "fails" in out and "exceeds both bounds" in out
    assert {row["verdict"] for row in record(*SMALL, code=1)["features"]} == {"fails"}


def test_a_wrong_theory_never_hides_behind_a_loose_tolerance(run, monkeypatch):
    exact = ufm.agree.stream.sources._pair_table
    monkeypatch.setattr(
        ufm.agree.stream.sources, "_pair_table", lambda *a: [part * (1 + 1e-9) for part in exact(*a)]
    )
    assert run(*SMALL, "--tol", "1e3")[0] == 1


def test_a_wrong_theory_is_refuted_rigorously_too(run, monkeypatch):
    exact = ufm.agree.stream.sources._pair_table
    monkeypatch.setattr(
        ufm.agree.stream.sources, "_pair_table", lambda *a: [part * (1 + 1e-9) for part in exact(*a)]
    )
    assert run(*SMALL, "--rigorous")[0] == 1


def test_tight_tolerance_is_undecided(record):
    assert record(*SMALL, "--tol", "1e-17", code=3)["summary"]["verdict"] == "undecided"


def test_rigorous_proves(record):
    data = record(*K3, "--lam", "0,1e-9,0.5", "--rigorous")
    assert {row["verdict"] for row in data["features"]} == {"proved"}
    assert data["summary"]["verdict"] == "proved" and data["provenance"]["rigorous"] is True


@pytest.mark.parametrize(
    "argv", [("--labels", "smoothing"), ("--labels", "kway", "--ways", "2", "--samples", "2")]
)
def test_rigorous_proves_other_laws(record, argv):
    assert record(*K3, *argv, "--rigorous")["summary"]["verdict"] == "proved"


def test_float32_is_judged_by_what_it_can_promise(record):
    data = record(*SMALL, "--precision", "float32")
    assert data["provenance"]["dtype"] == "float32" and data["provenance"]["tol"] == 1e-2
    assert all(row["error"] <= row["bound"] <= 1e-2 for row in data["features"])
    assert data["summary"]["worst_bound"] > 1e-8


# --- threshold, extreme laws -----------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["cross-entropy", "squared-error"])
def test_trivial_problem_is_said_and_its_optimum_is_zero(run, record, loss):
    argv = (*SMALL, "--lambda-w", 1, "--lambda-h", 1, "--loss", loss)
    _, out, _ = run(*argv)
    assert "trivial" in out and "non-trivial" not in out
    data = record(*argv)
    assert data["problem"]["multiplier"] == 0 and data["summary"]["verdict"] == "agrees"
    for row in data["features"]:
        for side in (row["theory"], row["numeric"]):
            assert side["norm"] == 0 and np.isclose(side["p_i"], 1 / 3)


def test_threshold_is_the_one_of_mixup(record):
    problem = record(*SMALL, "--alpha", 2)["problem"]
    assert np.isclose(problem["threshold"], 3 / (5 * 3), rtol=1e-12)  # (α+1)/((2α+1) K)


def test_at_the_threshold_the_multiplier_is_zero(record):
    limit = 2 / 9  # alpha 1, K = 3
    argv = (*SMALL, "--lambda-h", 1, "--lambda-w")
    assert record(*argv, limit * (1 + 1e-9))["problem"]["multiplier"] == 0
    assert 0 < record(*argv, limit * (1 - 1e-6))["problem"]["multiplier"] < 1e-2


@pytest.mark.parametrize("alpha, centre", [("1e-12", (0, 1)), ("1e6", (0.5,))])
def test_extreme_alpha(record, alpha, centre):
    data = record(*K3, "--alpha", alpha, "--samples", 6)
    lam = np.array([row["lam"] for row in data["features"]])
    assert np.abs(lam[:, None] - np.array(centre)).min(1).max() < 5e-3
    assert data["summary"]["verdict"] == "agrees"


# --- user's own W and labels -------------------------------------------------------------------------


def etf(K, m, d, seed=0):
    """A rotated simplex ETF, made here."""
    rotation = np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))[0][:K]
    return m * np.sqrt(K / (K - 1)) * (np.eye(K) - 1 / K) @ rotation


def test_explicit_etf_agrees(record):
    np.save("W.npy", etf(3, 1.3, 5))
    data = record(*SMALL, "--classifier", "W.npy")
    assert data["summary"]["verdict"] == "agrees" and data["problem"]["dim"] == 5
    assert np.isclose(data["problem"]["multiplier"], 1.3)
    plain = record(*SMALL, "--multiplier", "1.3", "--dim", 5)
    for ours, theirs in zip(data["features"], plain["features"]):
        assert np.isclose(ours["numeric"]["coef_i"], theirs["numeric"]["coef_i"], rtol=1e-9)


@pytest.mark.parametrize("perturbed", [1e-6, 1e-9, None])
def test_other_classifiers_are_out_of_hypothesis(record, perturbed):
    W = np.random.default_rng(1).normal(size=(3, 5)) if perturbed is None else etf(3, 1.3, 5)
    W[0] += perturbed or 0
    np.save("W.npy", W)
    data = record(*SMALL, "--classifier", "W.npy")
    for row in data["features"]:
        assert row["verdict"] == "out of hypothesis" and row["theory"] is None and row["error"] is None
        assert 0 < row["bound"] < 1e-8 and set(row["numeric"]) == SIDE | {"p_bound"}
    assert data["summary"]["worst_error"] is None


@pytest.mark.parametrize("steps", [0, 3])
@pytest.mark.parametrize("labels", ["mixup", "Y.npy"])
def test_a_truncated_solve_outside_the_hypotheses_is_undecided_and_says_both(run, steps, labels):
    """The optimum is far away: exit 0 would call it solved."""
    np.save("W.npy", np.array([[0.0], [1.0], [-300.0]]))
    np.save("Y.npy", np.eye(3)[[1]])
    lam = () if labels == "Y.npy" else ("--lam", "0.3")
    flags = (
        *K3,
        "--classifier",
        "W.npy",
        "--labels",
        labels,
        *lam,
        "--lambda-h",
        "1e-3",
        "--max-steps",
        steps,
    )
    code, out, _ = run(*flags, "--explain")
    said = " ".join(out.split())
    assert code == 3 and ": undecided" in said
    assert ("no step was taken" if steps == 0 else "exceeds the tolerance 1e-06") in said
    assert "not a simplex ETF" in said or "no simplex ETF of 3 classes fits" in said
    data = strict(run(*flags, "--json", "-")[1])
    assert data["summary"]["verdict"] == "undecided" and data["summary"]["worst_error"] is None


def test_too_few_dimensions_are_out_of_hypothesis(record):
    np.save("W.npy", np.random.default_rng(1).normal(size=(4, 2)))
    data = record("--classes", 4, "--lam", "0.3,1", "--classifier", "W.npy")
    assert data["summary"]["verdict"] == "out of hypothesis" and data["problem"]["dim"] == 2


def test_own_labels(record):
    Y = np.array([[0.2, 0.3, 0.5], [1, 0, 0], [1 / 3, 1 / 3, 1 / 3]])
    np.save("Y.npy", Y)
    data = record(*K3, "--labels", "Y.npy", "--multiplier", 1)
    assert [row["kind"] for row in data["features"]] == ["labels"] * 3
    a = data["problem"]["sharpness"]
    for y, row in zip(Y, data["features"]):
        coef, p = np.array(row["numeric"]["coef"]), np.array(row["numeric"]["p"])
        z = coef * 1.5  # g = m² K/(K−1)
        assert np.allclose(softmax(z), p, atol=1e-12) and np.allclose(z, a * (y - p), atol=1e-9)
        assert row["verdict"] == "agrees"


def lopsided(path):
    """Labels on two of three classes: λ_max of E[(y−1/3)(y−1/3)ᵀ] is 1/6, the mean of its two others 7/75."""
    np.save(path, np.array([[0.6, 0.4, 0.0], [0.4, 0.6, 0.0]]))


def test_threshold_of_labels_that_are_not_exchangeable(record):
    """W = 0 is the joint optimum iff λ_W λ_H ≥ λ_max, whatever the symmetrised labels would do."""
    lopsided("Y.npy")
    argv = (*K3, "--labels", "Y.npy", "--lambda-h", 1, "--lambda-w")
    for penalty, extra in ((0.05, ()), (0.12, ("--multiplier", 1)), (0.17, ())):
        problem = record(*argv, penalty, *extra)["problem"]
        assert np.isclose(problem["threshold"], 1 / 6, rtol=1e-12)
        assert (problem["multiplier"] == 0) == (penalty > 1 / 6)


def test_between_the_thresholds_no_multiplier_is_derived(run, elsewhere):
    """7/75 < 0.12 < 1/6: the symmetrised labels say m = 0, which is not the optimum of these labels."""
    lopsided(elsewhere / "Y.npy")
    argv = (*K3, "--labels", elsewhere / "Y.npy", "--lambda-h", 1, "--lambda-w", 0.12)
    refused(run(*argv), "not exchangeable", "--multiplier", "--classifier free")


# --- saved features ------------------------------------------------------------------------------------


def stationary(data) -> float:
    """Worst ‖λ_H h − Wᵀ(y − softmax(W h))‖ over the saved features."""
    H, W, Y = data["H"], data["W"], data["Y"]
    return float(np.abs(data["lambda_h"] * H - (Y - softmax(H @ W.T, 1)) @ W).max())


def test_saved_features_are_stationary(run):
    assert run("--classes", 4, "--dim", 6, "--lam", "0.3,0.9", "--save", "run.npz")[0] == 0
    with np.load("run.npz") as data:
        assert set(data) == {"H", "W", "i", "j", "lam", "Y", "lambda_w", "lambda_h"}
        assert data["H"].shape == (32, 6) and data["W"].shape == (4, 6) and data["Y"].shape == (32, 4)
        assert float(data["lambda_w"]) == float(data["lambda_h"]) == 5e-4
        assert stationary(data) < 1e-13
        assert np.array_equal(np.unique(data["lam"]), [0.3, 0.9])
        n, i, j, lam = np.arange(32), data["i"], data["j"], data["lam"]
        Y = np.zeros((32, 4))
        np.add.at(Y, (n, i), lam)
        np.add.at(Y, (n, j), 1 - lam)
        assert np.allclose(Y, data["Y"], atol=1e-15)
        assert len({*zip(i.tolist(), j.tolist(), lam.tolist())}) == 32


@pytest.mark.parametrize(
    "argv",
    [
        ("--labels", "smoothing"),
        ("--labels", "onehot"),
        ("--labels", "kway", "--ways", "2", "--samples", "3"),
        ("--lam", "0.3", "--classifier", "W.npy"),
        ("--lambda-w", "1", "--lambda-h", "1", "--lam", "0.3"),
    ],
)
def test_saved_features_of_other_problems_are_stationary(run, argv):
    np.save("W.npy", np.random.default_rng(1).normal(size=(3, 5)))
    assert run(*K3, *argv, "--save", "run.npz")[0] == 0
    with np.load("run.npz") as data:
        assert stationary(data) < 1e-12 and np.allclose(data["Y"].sum(1), 1)
        assert len(data["H"]) == len(data["i"]) == len(data["j"]) == len(data["lam"])


# --- files are whole or not at all -------------------------------------------------------------------


def fail(*args, **kwargs):
    raise RuntimeError("planted")


@pytest.mark.parametrize("name", ["save.Kept.save", "features.dump_json"])
def test_a_run_that_fails_midway_leaves_no_file(run, monkeypatch, name):
    monkeypatch.setattr(f"ufm.commands.runs.{name}", fail)
    code, _, err = run(*SMALL, "--json", "a.json", "--save", "a.npz")
    assert code == 70 and "planted" in err and os.listdir() == []


def test_a_picture_that_fails_leaves_no_file(run, monkeypatch):
    Path("a.json").write_text("old")
    monkeypatch.setattr(ufm.pictures.features, "draw_features", fail)
    code, _, err = run(*SMALL, "--json", "a.json", "--save", "a.npz", "--plot", "a.png")
    assert code == 70 and "planted" in err
    assert os.listdir() == ["a.json"] and Path("a.json").read_text() == "old"


def test_an_interrupted_run_leaves_no_file(run, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr("ufm.commands.runs.save.Kept.save", interrupt)
    code, _, err = run(*SMALL, "--json", "a.json", "--save", "a.npz")
    assert code == 130 and "interrupted" in err and os.listdir() == []


def test_files_are_replaced_whole(run):
    Path("a.json").write_text("old")
    assert run(*SMALL, "--json", "a.json", "--save", "a.npz")[0] == 0
    assert sorted(os.listdir()) == ["a.json", "a.npz"] and strict(Path("a.json").read_text())["schema"] == 1
    assert Path("a.json").stat().st_mode & 0o777 == 0o666 & ~umask()


def umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@pytest.mark.parametrize("kind", ["pipe", "dangling link"])
def test_a_special_file_is_never_replaced(run, kind):
    """A rename over /dev/null, a pipe or a link would destroy it: refuse, or write through it."""
    if kind == "pipe":
        os.mkfifo("a.json")
    else:
        os.symlink("target.json", "a.json")
    before = os.lstat("a.json")
    run(*SMALL, "--json", "a.json")
    after = os.lstat("a.json")
    assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)


def test_a_loop_of_links_is_refused(run):
    os.symlink("a.json", "a.json")
    code, out, err = run(*SMALL, "--json", "a.json")
    assert code == 2 and out == "" and "--json a.json cannot be written" in err
    assert os.listdir() == ["a.json"] and os.readlink("a.json") == "a.json"


def test_picture_is_a_picture(run):
    code, _, err = run(*SMALL, "--plot", "a.png")
    assert code == 0 and re.search(r"^a\.png: K = \d+, a = .* numerical points", err, re.MULTILINE)
    assert os.listdir() == ["a.png"] and Path("a.png").read_bytes().startswith(b"\x89PNG")


def test_a_format_names_the_file(run):
    code, _, err = run(*SMALL, "--plot", "a", "--format", "svg", "--size", "column")
    assert code == 0 and os.listdir() == ["a.svg"] and "\na.svg: K = " in f"\n{err}"
    assert 'width="237.6pt"' in Path("a.svg").read_text(encoding="utf-8")


# --- bad input -------------------------------------------------------------------------------------------

BAD = {
    "one class": ("--classes 1", "at least 2", "1"),
    "no classes": ("--classes 0", "at least 2"),
    "dim below K-1": ("--classes 10 --dim 8", ">= 9", "8"),
    "alpha 0": ("--alpha 0", "alpha", "positive"),
    "alpha negative": ("--alpha=-1", "alpha", "positive", "-1"),
    "alpha nan": ("--alpha nan", "alpha", "nan"),
    "alpha infinite": ("--alpha inf", "alpha", "inf"),
    "lambda_w negative": ("--lambda-w=-1e-3", "lambda_w", ">= 0"),
    "lambda_h negative": ("--lambda-h=-1e-3", "lambda_h", ">= 0"),
    "lambda_h nan": ("--lambda-h nan", "lambda_h", "nan"),
    "lambda_h zero": ("--lambda-h 0", "finite", "unique optimum", "> 0"),
    "lambda_w zero": ("--lambda-w 0", "multiplier"),
    "multiplier negative": ("--multiplier=-1", "multiplier", ">= 0"),
    "lam above 1": ("--lam 0.5,1.5", "[0, 1]", "1.5"),
    "lam below 0": ("--lam=-0.1", "[0, 1]", "-0.1"),
    "lam nan": ("--lam nan", "[0, 1]", "nan"),
    "lam words": ("--lam half", "half", "0.1,0.5"),
    "lam empty": ("--lam=", "0.1,0.5"),
    "no samples": ("--samples 0", "samples", "at least 1"),
    "no nodes": ("--quadrature 0", "quadrature", "at least 1"),
    "too many nodes": ("--quadrature 2049", "quadrature", "at most 2048", "2049"),
    "lam and samples": ("--lam 0.1 --samples 3", "lam", "samples", "exclude"),
    "lam and quadrature": ("--lam 0.1 --quadrature 3", "lam", "quadrature", "exclude"),
    "samples and quadrature": ("--samples 3 --quadrature 3", "samples", "quadrature", "exclude"),
    "unknown law": ("--labels mixpu", "did you mean mixup"),
    "alpha without mixing": ("--labels onehot --alpha 1", "--alpha", "onehot"),
    "ways without kway": ("--ways 3", "--ways", "mixup"),
    "one way": ("--labels kway --ways 1", "ways"),
    "pairs without pairs": ("--labels kway --pairs same", "--pairs", "kway"),
    "smoothing 1": ("--labels smoothing --smoothing 1", "[0, 1)"),
    "smoothing onehot": ("--labels onehot --smoothing 0.1", "--smoothing", "onehot"),
    "lam with kway": ("--labels kway --lam 0.3", "lam", "samples"),
    "lam with onehot": ("--labels onehot --lam 0.3", "lam"),
    "negative steps": ("--max-steps=-1", "--max-steps", "at least 0"),
    "zero tolerance": ("--tol 0", "--tol", "positive"),
    "nan tolerance": ("--tol nan", "--tol", "nan"),
    "negative seed": ("--seed=-1", "--seed"),
    "huge seed": (f"--seed {2**63}", "--seed"),
    "no such labels": ("--labels none.npy", "none.npy", "No such file"),
    "no such classifier": ("--classifier none.npy", "none.npy", "No such file"),
    "classifier not a file": ("--classifier ETF", "--classifier", "ETF"),
    "no such directory": ("--json no/where.json", "--json", "no/where.json"),
    "json is a directory": ("--json .", "--json", "directory"),
    "save elsewhere": ("--save no/where.npz", "--save", "no/where.npz"),
    "save suffix": ("--save run.txt", "--save", ".npz"),
    "plot elsewhere": ("--plot no/where.png", "--plot", "no/where.png"),
    "plot suffix": ("--plot run.txt", "--plot", ".png"),
    "plot without a suffix": ("--plot run", "--plot must end in .png or .pdf or .svg, got 'run'"),
    "plot of two formats": ("--plot run.png --format svg", "--plot ends in .png", "svg"),
    "format of no picture": ("--plot run --format gif", "--format", "svg"),
    "format without a picture": ("--format svg", "--format goes with --plot"),
    "size without a picture": ("--size column", "--size goes with --plot"),
    "one file twice": ("--json a.npz --save a.npz", "--json", "--save", "same file"),
    "not a number": ("--classes ten", "--classes", "ten"),
    "not a choice": ("--pairs some", "--pairs", "different"),
    "no value": ("--classes", "--classes"),
    "unknown flag": ("--clases 10", "--clases", "--classes"),
    "unknown flag, again": ("--lamda-h 1", "--lamda-h", "--lambda-h"),
    "unknown switch": ("--rigorus", "--rigorus", "--rigorous"),
    "loose word": ("mixup", "mixup"),
}


@pytest.mark.parametrize("line, words", [(line, words) for line, *words in BAD.values()], ids=list(BAD))
def test_bad_input_is_one_clear_message(run, line, words):
    refused(run(*line.split()), *words)


@pytest.mark.parametrize("line", ["--classes 1", "--lam 2", "--labels none.npy"])
def test_bad_input_writes_none_of_the_files(run, line):
    refused(run(*line.split(), "--json", "a.json", "--save", "a.npz", "--plot", "a.png"))


@pytest.mark.parametrize("other", ["--save no/a.npz", "--plot no/a.png", "--json no/a.json"])
def test_one_unwritable_path_stops_all(run, other, monkeypatch):
    """Found before the work is done: nothing is solved and nothing else is written."""
    monkeypatch.setattr(ufm.commands.runs.features, "solve", fail)
    good = {"--save": "a.npz", "--plot": "a.png", "--json": "a.json"}
    flags = [part for flag, path in good.items() if flag not in other for part in (flag, path)]
    refused(run(*SMALL, *flags, *other.split()), "no/a", "cannot be written")


ARRAYS = {
    "empty": np.zeros((0, 3)),
    "scalar": np.float64(1),
    "vector": np.ones(3) / 3,
    "cube": np.ones((2, 3, 3)) / 3,
    "complex": np.ones((3, 3)) / 3 + 0j,
    "text": np.array([["a", "b", "c"]] * 3),
    "nan": np.full((3, 3), np.nan),
    "infinite": np.full((3, 3), np.inf),
    "too many columns or rows": np.ones((4, 4)) / 4,
}
BAD_LABELS = {**ARRAYS, "unnormalised": np.ones((3, 3)), "negative": np.array([[1.5, -0.5, 0.0]])}


@pytest.fixture
def elsewhere(tmp_path_factory):
    """A directory outside the one that must stay empty."""
    return tmp_path_factory.mktemp("input")


@pytest.mark.parametrize("name", BAD_LABELS)
def test_bad_label_array(run, elsewhere, name):
    np.save(elsewhere / "a.npy", BAD_LABELS[name])
    refused(run(*K3, "--labels", elsewhere / "a.npy", "--json", "a.json"), "labels")


@pytest.mark.parametrize("name", ARRAYS)
def test_bad_classifier_array(run, elsewhere, name):
    np.save(elsewhere / "a.npy", ARRAYS[name])
    refused(run(*SMALL, "--classifier", elsewhere / "a.npy", "--json", "a.json"), "classifier")


class Executed:
    """A pickle that leaves a file behind when it is loaded."""

    def __reduce__(self):
        return Path.touch, (Path("executed"),)


@pytest.mark.parametrize("flag", ["--labels", "--classifier"])
@pytest.mark.parametrize("content", ["pickle", "garbage", "nothing"])
def test_files_that_are_not_plain_arrays(run, elsewhere, flag, content):
    path = elsewhere / "a.npy"
    if content == "pickle":
        np.save(path, np.array([Executed()], object), allow_pickle=True)
    else:
        path.write_bytes(b"not an array" if content == "garbage" else b"")
    refused(run(*K3, flag, path), "a.npy", "not a plain .npy array")


def test_dim_must_match_the_classifier(run, elsewhere):
    np.save(elsewhere / "W.npy", etf(3, 1.0, 5))
    refused(run(*SMALL, "--classifier", elsewhere / "W.npy", "--dim", 4), "dim", "4", "5")


def test_multiplier_and_classifier_exclude_each_other(run, elsewhere):
    np.save(elsewhere / "W.npy", etf(3, 1.0, 5))
    refused(
        run(*SMALL, "--classifier", elsewhere / "W.npy", "--multiplier", 1), "--multiplier", "--classifier"
    )


# --- how it reads ------------------------------------------------------------------------------------------

READABLE = {
    "main": "--classes 10 --alpha 1.0",
    "float32": "--classes 10 --precision float32 --lam 0,1e-9,0.5",
    "kway": "--classes 4 --labels kway --ways 2 --samples 20",
    "smoothing": "--classes 10 --labels smoothing",
    "onehot": "--classes 10 --labels onehot",
    "own W": "--classes 3 --lam 0.3 --classifier W.npy",
    "own labels": "--classes 3 --labels Y.npy",
    "trivial": "--classes 10 --lambda-w 1 --lambda-h 1 --lam 0.3",
    "two classes": "--classes 2 --lam 0,1e-9,0.3,0.5,1",
    "many classes": "--classes 100 --lam 0.3 --pairs same",
    "explain": "--classes 3 --lam 0.3 --explain",
    "explain own W": "--classes 3 --lam 0.3 --classifier W.npy --explain",
    "truncated": "--classes 3 --lam 0.3 --max-steps 1 --explain",
    "extreme alpha": "--classes 3 --alpha 1e-12 --samples 6",
    "small penalty": "--classes 3 --lambda-h 1e-8 --multiplier 1 --lam 0.3",
    "quadrature": "--classes 3 --quadrature 30",
    "long features": "--classes 1000 --multiplier 0.66 --lam 0.0053001,0.02771 --symmetry",
    "long everything": "--classes 3 --lambda-h 1e-12 --multiplier 0.01 --lam 1.234e-9,0.25",
}


@pytest.mark.parametrize("line", READABLE.values(), ids=list(READABLE))
def test_readable_at_80_columns(run, line):
    """No line is longer, no cell cut short or broken over two lines, no colour codes, no NaN."""
    np.save("W.npy", np.random.default_rng(1).normal(size=(3, 5)))
    np.save("Y.npy", np.array([[0.2, 0.3, 0.5], [1, 0, 0]]))
    _, out, _ = run(*line.split())
    wide = [text for text in out.splitlines() if len(text) > 80]
    assert wide == [], "\n".join(wide)
    assert not any(mark in out for mark in ("\x1b", "…", "nan", "inf"))
    table = out.split("\n\n")[1].splitlines()
    rows = [text for text in table[1:] if not text.endswith(("all are in --json", "of the optimum's"))]
    assert rows and all(" num " in text or " thy " in text for text in rows), "\n".join(table)


def test_small_coefficients_and_close_weights_keep_their_digits(run):
    line = "--classes 4 --lam 0.3,0.30001,1 --multiplier 1e6 --lambda-h 1e-9"
    rows = [text.split() for text in run(*line.split())[1].splitlines() if " num " in text]
    assert [row[1] for row in rows] == ["0.3", "0.30001", "1"] * 2
    assert [row[3:5] for row in rows[3:5]] == [["3.3e-11", "3.4e-11"]] * 2
    assert [row[3:5] for row in rows[:3]] == [["3.5e-11", "0.000"]] * 3, "rounding noise is zero"


def test_table_shows_at_most_11_rows_and_says_how_many(run):
    _, out, _ = run(*K3, "--samples", 30)
    assert 2 <= out.count(" num ") <= 11 and "of 60 rows" in out


def test_rows_of_a_long_table_keep_their_numbers(run, record):
    """The label of a shown row is its number in the record, not its place in the table."""
    Y = np.stack([np.linspace(0.5, 0.9, 40), 0.5 - np.linspace(0.1, 0.45, 40), np.zeros(40)], 1)
    Y[:, 2] = 1 - Y[:, 0] - Y[:, 1]
    np.save("Y.npy", Y)
    argv = (*K3, "--labels", "Y.npy", "--multiplier", 1)
    rows = record(*argv)["features"]
    shown = [text.split() for text in run(*argv)[1].splitlines() if " num " in text]
    for _, number, _, largest, *_ in shown:
        assert np.isclose(float(largest), max(rows[int(number)]["numeric"]["coef"]), atol=1e-4)


def test_worst_row_is_shown(run, monkeypatch):
    """One row of many fails: it is in the table, and the summary says so."""
    exact = ufm.agree.stream.sources._pair_table

    def wrong(problem, lam):
        x_i, x_j, *p = (np.array(part) for part in exact(problem, lam))
        x_i[47] *= 1 + 1e-9
        return x_i, x_j, *p

    monkeypatch.setattr(ufm.agree.stream.sources, "_pair_table", wrong)
    code, out, _ = run(*K3, "--samples", 30)
    assert code == 1 and out.count("fails") >= 2


def test_problem_states_what_is_derived(told):
    _, out, _ = told(*SMALL)
    for word in (
        "3 classes",
        "mixup",
        "alpha 1",
        "lambda_W",
        "lambda_H",
        "m = ",
        "a = ",
        "threshold",
        "agrees",
    ):
        assert word in out


def test_explain_says_what_was_compared(told):
    _, out, _ = told(*SMALL, "--explain")
    flat = " ".join(out.split())
    for word in ("newton", "closed form", "certificate", "simplex ETF", "λ = 0.3: agrees:"):
        assert word in flat
    assert len(flat) > len(" ".join(told(*SMALL)[1].split())) + 200


@pytest.mark.parametrize("argv, word", [(("--max-steps", "1"), "undecided"), (("--rigorous",), "proved")])
def test_explain_has_a_sentence_for_each_verdict(run, argv, word):
    flat = " ".join(run(*SMALL, *argv, "--explain")[1].split())
    assert f"same λ = 0.3: {word}: " in flat and f"different λ = 0.3: {word}: " in flat


def test_json_on_stdout_leaves_the_table_out(told):
    code, out, err = told(*SMALL, "--json", "-")
    assert code == 0 and strict(out)["schema"] == 1 and out.startswith("{") and out.endswith("}\n")
    assert "agrees" in err and " num " not in err  # the summary is still said, on stderr


def test_json_on_stdout_moves_the_explanation_to_stderr(run):
    code, out, err = run(*SMALL, "--explain", "--json", "-")
    assert code == 0 and strict(out)["schema"] == 1 and out.startswith("{") and out.endswith("}\n")
    flat = " ".join(err.split())
    assert "λ = 0.3: agrees:" in flat and "closed form" in flat and " num " in flat


def test_nothing_is_warned_about(run):
    for line in ("--lam 0,1e-9,1", "--lambda-w 1 --lambda-h 1 --lam 0.3", "--alpha 1e-12 --samples 2"):
        assert "Warning" not in run(*K3, *line.split())[2]


# --- as a process ------------------------------------------------------------------------------------------


def process(*argv, **kwargs):
    command = [sys.executable, "-m", "ufm.solve", *argv]
    return subprocess.run(command, capture_output=True, text=True, check=False, **kwargs)


def test_process_writes_json_alone_on_stdout():
    done = process(*SMALL, "--json", "-")
    assert done.returncode == 0 and strict(done.stdout)["summary"]["verdict"] == "agrees"
    assert "Traceback" not in done.stderr and "Warning" not in done.stderr


def test_help_and_usage_errors_do_not_import_jax():
    """One process for all: what one of them loads, it has loaded at the end."""
    script = """
import sys
from ufm.solve import main
codes = []
for argv in (["--help"], ["--clases", "10"], ["--classes", "1"], ["--json", "no/a.json"]):
    try: codes.append(main(argv))
    except SystemExit as stop: codes.append(stop.code or 0)
print("LOADED", *codes, *({"jax", "jaxlib", "flint", "matplotlib", "optax"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "LOADED 0 2 2 2"
    assert "Traceback" not in done.stderr


def test_help_names_every_flag_and_fits():
    done = process("--help")
    flags = (
        "classes alpha dim multiplier lambda-w lambda-h loss labels smoothing ways classifier pairs lam "
        "samples quadrature seed method max-steps tol precision json save plot format size rigorous symmetry "
        "explain"
    )
    assert all(f"--{flag} " in done.stdout for flag in flags.split())
    assert [line for line in done.stdout.splitlines() if len(line) > 80] == []


def test_closed_stdout_is_no_traceback():
    """As with `| head -1`."""
    command = [sys.executable, "-m", "ufm.solve", *SMALL]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        child.stdout.close()
        err = child.stderr.read()
    assert "Traceback" not in err and "Exception ignored" not in err and "BrokenPipe" not in err


def test_given_labels_have_penalties_of_their_own(run, record):
    """--rho from numbers and from a file: the temperatures that make the optimum an ETF; refused elsewhere."""
    np.save("Y.npy", np.eye(3))
    q = np.array([0.5, 0.3, 0.2])
    rho = restoring_temperatures(q, 1.0, 5e-4, 5e-4).upper ** -2
    np.save("rho.npy", rho)
    flags = (*K3, "--classifier", "free", "--labels", "Y.npy", "--weights", "0.5,0.3,0.2")
    for given in ("rho.npy", ",".join(map(repr, rho.tolist()))):
        found = record(*flags, "--rho", given)["joint"]
        assert found["rho"] == rho.tolist() and found["relative_gap"] < 1e-9
        assert np.allclose(found["gram"], np.eye(3) - 1 / 3, atol=1e-9)
    code, out, _ = run(*flags, "--rho", "rho.npy", "--save", "a.npz")
    assert code == 0 and f"{rho.min():.4g} to {rho.max():.4g}" in " ".join(out.split())
    assert np.load("a.npz")["rho"].tolist() == rho.tolist()
    plain = record(*flags)["joint"]
    assert plain["rho"] is None and plain["etf_deviation"] > 0.01
    for argv, words in (
        ((*K3, "--classifier", "free", "--rho", "1,1,1"), ("--rho", "given labels")),
        ((*K3, "--labels", "Y.npy", "--rho", "1,1,1"), ("--rho", "--classifier free")),
        ((*flags, "--rho", "1,1"), ("--rho", "shape")),
        ((*flags, "--rho", "1,1,-1"), ("--rho", "positive")),
    ):
        code, _, err = run(*argv)
        assert code == 2 and all(word in err for word in words), err
