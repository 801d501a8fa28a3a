"""The command python -m ufm.compare: exact optima, controls, its record, page, exit codes, bad input, memory."""

import os
import pickle
import shutil
import subprocess
import sys
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import matplotlib.image
import numpy as np
import pytest

import ufm.commands.runs.compare
from experiments.benchmark.waits.large import write_features
from experiments.tools.browser import BROWSERS, Browser, installed
from experiments.tools.memory import watched
from tests.activations import mixup
from tests.children import refused, strict
from ufm import compare, solve
from ufm.commands.runs.compare import load_pictures
from ufm.model.etf import gain
from ufm.model.problem import Problem
from ufm.network.comparison import Options
from ufm.network.findings import Measured, _displacement
from ufm.network.resemblance import (
    CRITERIA,
    INCONCLUSIVE,
    NOT_APPLICABLE,
    NOT_REPRODUCED,
    REPRODUCED,
    Finding,
    find,
    overall,
)
from ufm.report.network import compare_network
from ufm.theory.predict import predict_features

pytestmark = pytest.mark.slow  # whole runs of the command

ROOT = Path(__file__).resolve().parents[2]
QUICK = ("--replicates", "20")
KEYS = {"schema", "data", "metrics", "fit", "channel", "excess", "gap", "calibration", "verdicts", "verdict"}
KEYS |= {"missing", "sets", "optimum", "headline", "diagnoses"}


@pytest.fixture(autouse=True)
def _in_tmp(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


FREE = ("--classes", "4", "--classifier", "free")
RUNS = {
    "fixed": ("--classes", "4", "--samples", "24", "--lambda-h", "1e-3"),
    "squared": ("--classes", "4", "--samples", "24", "--loss", "squared-error"),
    "free": FREE,
    "unbalanced": (*FREE, "--weights", "0.4,0.3,0.2,0.1", "--bias", "free"),
    "two": ("--classes", "2", "--samples", "24"),
}


class Saved(dict):
    """Files of `ufm.solve --save` by name, each solved when it is first asked for."""

    def __init__(self, folder: Path):
        self.folder = folder

    def __missing__(self, name: str) -> str:
        path = str(self.folder / f"{name}.npz")
        assert solve.main([*RUNS[name], "--save", path]) == 0
        self[name] = path
        return path


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return Saved(tmp_path_factory.mktemp("saved"))


@pytest.fixture
def run(call_main):
    """The command in this process: (exit code, stdout, stderr)."""
    return partial(call_main, compare.main)


@pytest.fixture
def record(run):
    """The JSON record of a run that reported."""

    def call(*argv):
        code, out, err = run(*argv, *QUICK, "--json", "-")
        assert code == 0, err
        return strict(out)

    return call


def arrays(path) -> dict:
    return dict(np.load(path))


def written(path="a.npz", **parts) -> str:
    np.savez(path, **parts)
    return path


def network(N=600, K=4, d=6, **more) -> dict:
    """Features of no optimum, as a file holds them."""
    rng = np.random.default_rng(0)
    i, j, lam, Y = mixup(N, K)
    W = rng.normal(size=(K, d))
    H = 2 * (Y - 1 / K) @ np.linalg.pinv(W).T + 0.3 * rng.normal(size=(N, d))
    return {"H": H, "W": W, "i": i, "j": j, "lam": lam} | more


def verdicts(data: dict) -> dict:
    return {row["name"]: row["verdict"] for row in data["verdicts"]} | {"mixup-optimum": data["verdict"]}


# --- exact optima and controls -----------------------------------------------------------------------


@pytest.mark.promise("compare")
def test_a_fixed_etf_optimum_is_the_theory(record, saved):
    """What the issue of this command is about: R² = 1, displacement as predicted, no excess."""
    data = record(saved["fixed"])
    assert data["fit"]["r2_known"] == pytest.approx(1, abs=1e-12)
    assert data["fit"]["r2"] == pytest.approx(1, abs=1e-12)
    assert data["fit"]["a"] == pytest.approx(data["fit"]["a_known"], rel=1e-6)
    assert data["fit"]["a_identified"] and data["fit"]["r2_linear"] < 0.95
    channel = data["channel"]
    assert channel["slope"] == pytest.approx(channel["slope_predicted"], rel=1e-10)
    found, expected = channel["curves"]["displacement"]["value"], channel["predicted"]["displacement"]
    some = [n for n, value in enumerate(found) if value is not None]
    assert len(some) >= 5
    np.testing.assert_allclose(
        np.array(found, float)[some],
        np.array(expected, float)[some],
        rtol=0,
        atol=1e-10 * max(map(abs, (found[n] for n in some))),
    )
    assert abs(data["excess"]["excess"]) <= 1e-12 and data["excess"]["bound"] <= 1e-11
    assert set(verdicts(data).values()) == {REPRODUCED}
    limit = np.sqrt(3 / 8) / data["data"]["multiplier"]
    assert channel["slope_limit"] == pytest.approx(limit, rel=1e-12)


@pytest.mark.parametrize("name", ["free", "unbalanced"])
def test_a_free_optimum_closes_its_gap(record, saved, name):
    data = record(saved[name])
    assert 0 <= data["gap"]["relative_gap"] <= 1e-9
    assert verdicts(data)["global"] == REPRODUCED
    assert abs(data["excess"]["excess"]) <= 1e-12
    etf = data["data"]["etf_deviation"]
    assert (etf <= 1e-8) == (name == "free") and (etf > 0.05) == (name == "unbalanced")
    assert data["data"]["lambda_b"] == (None if name == "free" else 0.0)


def shuffled(parts):
    order = np.random.default_rng(0).permutation(len(parts["H"]))
    return parts | {key: parts[key][order] for key in ("i", "j", "lam", "Y")}


def permuted(parts):
    return parts | {"W": np.roll(parts["W"], 1, axis=0)}


def straight(parts):
    """Convex combinations of the features of pure labels."""
    pure = np.stack([parts["H"][(parts["i"] == k) & (parts["j"] == k)][0] for k in range(len(parts["W"]))])
    return parts | {"H": parts["Y"] @ pure}


CONTROLS = {
    "shuffled labels": (shuffled, {"alignment", "closed-form", "probabilities", "excess", "displacement"}),
    "permuted rows": (permuted, {"alignment", "plane", "closed-form", "probabilities", "excess"}),
    "straight interpolation": (straight, {"amplification", "closed-form", "excess"}),
}


@pytest.mark.promise("compare")
@pytest.mark.parametrize("name", CONTROLS)
def test_what_is_no_mixup_optimum_is_told_apart(record, saved, name):
    spoil, broken = CONTROLS[name]
    data = record(written(**spoil(arrays(saved["fixed"]))))
    found = verdicts(data)
    assert {key for key, word in found.items() if word == NOT_REPRODUCED} >= broken, found
    assert found["mixup-optimum"] == NOT_REPRODUCED
    assert data["gap"]["relative_gap"] > 0.01 or name == "straight interpolation"


@pytest.mark.parametrize("known", [True, False])
def test_a_squared_error_optimum_is_told_apart(record, saved, known):
    """Affine in the label; with λ_H its sharpness is known, without it the linear baseline wins."""
    parts = arrays(saved["squared"])
    if not known:
        parts = {key: value for key, value in parts.items() if key not in ("lambda_h", "lambda_w")}
    data = record(written(**parts))
    assert verdicts(data)["mixup-optimum"] == NOT_REPRODUCED
    assert data["fit"]["r2_linear"] == pytest.approx(1, abs=1e-12)
    assert data["channel"]["overall"]["nonlinearity"]["value"] <= 1e-12
    own = record(saved["squared"], "--loss", "squared-error")
    assert abs(own["excess"]["excess"]) <= 1e-12 and verdicts(own)["excess"] == REPRODUCED


def test_without_a_penalty_nothing_tells_of_a_squared_error(record, saved):
    """Alignment, plane and ETF do not see how long features are: a thousand times as long they say the same."""
    parts = {
        key: value for key, value in arrays(saved["fixed"]).items() if key not in ("lambda_h", "lambda_w")
    }
    for factor in (1.0, 1000.0):
        data = record(written(**parts | {"H": factor * parts["H"]}), "--loss", "squared-error")
        assert data["verdict"] == INCONCLUSIVE
        assert {name for name, word in verdicts(data).items() if word == INCONCLUSIVE} >= {"excess"}
        assert verdicts(data)["alignment"] == verdicts(data)["plane"] == verdicts(data)["etf"] == REPRODUCED


@pytest.mark.slow
def test_trained_networks_are_told_apart(record):
    """Digits, an MLP, a short run: mixup's network is no optimum yet, but only it bends as the theory says.

    The three differ by more than their intervals in the amplification, and squared error's logits are affine.
    """
    from experiments.datasets import load_dataset
    from experiments.training.train import default_settings, mix_inputs, save_activations, train

    data, found = load_dataset("digits"), {}
    mixed = mix_inputs(data.train_x, data.train_y, 3000)
    for arm in ("mixup", "erm", "mixup-squared"):
        trained = train(default_settings("mlp", arm, epochs=60, weight_decay=2e-3), data)
        save_activations(Path("a.npz"), trained, data, mixed)
        found[arm] = record("a.npz")
    words = {arm: verdicts(part) for arm, part in found.items()}
    assert words["mixup"]["amplification"] == REPRODUCED
    for arm in ("erm", "mixup-squared"):
        assert words[arm]["amplification"] == words[arm]["mixup-optimum"] == NOT_REPRODUCED
        wrong, right = (found[name]["channel"]["overall"]["amplification"] for name in (arm, "mixup"))
        assert wrong["high"] < 1 < right["low"]
    away = {arm: part["calibration"]["mixed"]["deviation"] for arm, part in found.items()}
    assert away["erm"]["low"] > away["mixup"]["high"]
    assert found["mixup-squared"]["fit"]["advantage"]["value"] < 0


SAMPLES = {
    "one class in nine of ten": dict(K=3, q=[0.9, 0.05, 0.05]),
    "one class in six of ten": dict(K=10, q=[0.6] + [0.4 / 9] * 9),
    "balanced": dict(K=4, q=[0.25] * 4),
}


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("name", SAMPLES)
def test_an_exact_optimum_is_reproduced_whatever_the_frequencies(record, name, known):
    K, q = SAMPLES[name]["K"], SAMPLES[name]["q"]
    problem = Problem(K, 1.5, lambda_h=gain(K, 1.5) / 1000)
    rng = np.random.default_rng(0)
    i, j = rng.choice(K, (2, 3000), p=q)
    lam = rng.beta(1, 1, 3000)
    i[: 3 * K] = j[: 3 * K] = np.arange(3 * K) % K
    Y = np.zeros((3000, K))
    Y[np.arange(3000), j] = 1 - lam
    Y[np.arange(3000), i] = np.where(i == j, 1.0, lam)
    penalty = {"lambda_h": problem.lambda_h} if known else {}
    data = record(written(H=predict_features(problem, Y).H, W=problem.W, i=i, j=j, lam=lam, **penalty))
    assert set(verdicts(data).values()) == {REPRODUCED}


@pytest.mark.parametrize("a", [0.3, 0.02])
def test_a_closed_form_that_is_nearly_linear_is_not_condemned(record, a):
    """At small a the linear baseline, its slope fitted, explains a little more: that decides nothing."""
    problem = Problem(4, 1.5, lambda_h=gain(4, 1.5) / a)
    i, j, lam, Y = mixup(300, 4)
    H = predict_features(problem, Y).H
    noisy = H + 0.2 * np.linalg.norm(H, axis=1).mean() * np.random.default_rng(0).normal(size=H.shape) / 2
    data = record(written(H=noisy, W=problem.W, i=i, j=j, lam=lam, lambda_h=problem.lambda_h))
    assert verdicts(data)["closed-form"] == REPRODUCED and verdicts(data)["amplification"] == NOT_APPLICABLE


TRIVIAL = {
    "W = 0": dict(W=np.zeros((3, 4)), H=np.zeros((60, 4))),
    "equal rows of W": dict(W=np.ones((3, 4)), H=np.random.default_rng(0).normal(size=(60, 4))),
    "H = 0": dict(W=np.eye(3, 4), H=np.zeros((60, 4))),
    "W = 0, reduced": dict(W=np.zeros((3, 20)), H=np.zeros((60, 20))),
    "equal rows of W, reduced": dict(W=np.ones((3, 20)), H=np.random.default_rng(0).normal(size=(60, 20))),
}


@pytest.mark.parametrize("penalties", [{}, {"lambda_h": 0.6, "lambda_w": 0.6}], ids=["unknown", "known"])
@pytest.mark.parametrize("name", TRIVIAL)
def test_trivial_networks_are_reported(record, run, name, penalties):
    """W = 0 is an optimum that `ufm.solve --classifier free --save` writes."""
    Y = mixup(60, 3)[3]
    path = written(**TRIVIAL[name], Y=Y, **penalties)
    data = record(path, "--plot", "r.png", "--report", "r.html")
    assert data["verdict"] != REPRODUCED
    assert REPRODUCED not in {verdicts(data)[key] for key in ("alignment", "amplification", "closed-form")}
    if penalties and name.startswith("W = 0"):
        assert data["gap"]["relative_gap"] <= 1e-9 and verdicts(data)["global"] == REPRODUCED
    assert all(len(line) <= 80 for line in run(path, *QUICK)[1].splitlines())


def test_uniform_labels(record):
    problem = Problem(3, 1.5, lambda_h=0.1)
    Y = np.full((40, 3), 1 / 3)
    data = record(written(H=predict_features(problem, Y).H, W=problem.W, Y=Y, lambda_h=0.1))
    assert verdicts(data)["excess"] == NOT_APPLICABLE and data["verdict"] != NOT_REPRODUCED


def test_smoothed_labels_say_why_there_is_no_geometry(record, run):
    problem = Problem(4, 1.5, lambda_h=0.01)
    *_, Y = mixup(200, 4)
    Y = 0.9 * Y + 0.025
    path = written(H=predict_features(problem, Y).H, W=problem.W, Y=Y, lambda_h=0.01)
    assert "200 labels are not two-hot" in str(record(path)["verdicts"])
    assert "200 samples left out" in " ".join(run(path, *QUICK, "--plot", "r.png")[1].split())


def test_few_samples_decide_nothing(record):
    problem = Problem(2, 1.5, lambda_h=0.01)
    Y = np.array([[1.0, 0.0], [0.0, 1.0], [0.7, 0.3]])
    data = record(written(H=predict_features(problem, Y).H, W=problem.W, Y=Y, lambda_h=0.01))
    assert verdicts(data)["alignment"] == verdicts(data)["plane"] == INCONCLUSIVE
    assert "only 2 samples of one class" in str(data["verdicts"])


@pytest.mark.parametrize("lambda_h", [1e9, 1e-30])
def test_a_sharpness_outside_the_range_searched_decides_nothing(record, run, lambda_h):
    problem = Problem(4, 1.5, lambda_h=lambda_h)
    i, j, lam, Y = mixup(200, 4)
    path = written(H=predict_features(problem, Y).H, W=problem.W, i=i, j=j, lam=lam)
    data = record(path)
    assert NOT_REPRODUCED not in verdicts(data).values() and "an end of the range" in str(data["verdicts"])
    assert "an end of the range searched" in run(path, *QUICK)[1]


def test_the_certified_bias_is_the_one_asked_for(record, run, saved):
    """Without a bias the optimum closes its gap; the same W and features are far from the best with a free one."""
    argv = ("--classes", "4", "--classifier", "free", "--weights", "0.7,0.1,0.1,0.1", "--save", "n.npz")
    assert solve.main([*argv, "--lambda-w", "0.1", "--lambda-h", "0.1"]) == 0
    none, free, some = (record("n.npz", *argv) for argv in ((), ("--bias", "free"), ("--bias", "2.0")))
    assert none["gap"]["relative_gap"] <= 1e-9 and none["data"]["lambda_b"] is None
    assert free["gap"]["gap"] > 0.1 and free["data"]["lambda_b"] == 0.0
    assert 1e-3 < some["gap"]["gap"] <= free["gap"]["gap"]
    assert "with a free bias" in " ".join(run("n.npz", *QUICK, "--bias", "free")[1].split())


def test_two_classes(record, saved):
    data = record(saved["two"])
    assert data["fit"]["r2_known"] == pytest.approx(1, abs=1e-12)
    assert verdicts(data)["amplification"] == NOT_APPLICABLE  # w_i + w_j = 0
    assert data["verdict"] == REPRODUCED


def test_an_unknown_sharpness_is_fitted_and_one_too_large_is_not_identified(record, run):
    i, j, lam, Y = mixup(400, 4)
    for a, identified in ((300.0, True), (1e12, False)):
        problem = Problem(4, 1.5, lambda_h=gain(4, 1.5) / a)
        path = written(H=predict_features(problem, Y).H, W=problem.W, i=i, j=j, lam=lam)
        data = record(path)
        assert data["fit"]["sharpness_source"] == "fitted" and data["fit"]["r2"] > 1 - 1e-9
        assert data["fit"]["a_identified"] == identified
        assert ("NOT identified" in run(path, *QUICK)[1]) != identified


# --- the rule ----------------------------------------------------------------------------------------


@pytest.mark.promise("compare")
@pytest.mark.parametrize(
    "value, low, high, word",
    [
        (0.95, 0.91, 0.99, REPRODUCED),
        (0.95, 0.89, 0.99, INCONCLUSIVE),
        (0.85, 0.80, 0.91, INCONCLUSIVE),
        (0.85, 0.80, 0.89, NOT_REPRODUCED),
        (0.95, None, None, REPRODUCED),
        (0.5, float("nan"), float("nan"), NOT_REPRODUCED),
        (float("nan"), None, None, INCONCLUSIVE),
    ],
)
def test_the_whole_interval_decides(value, low, high, word):
    assert find("alignment", value, low, high).word == word


@pytest.mark.promise("compare")
def test_the_worst_decisive_word_counts():
    def row(name, word):
        return Finding(name, 0.0, 0.0, 0.0, word, "")

    good = [row(name, REPRODUCED) for name in CRITERIA]
    assert overall(good) == REPRODUCED
    assert overall([*good, row("global", NOT_REPRODUCED)]) == REPRODUCED  # W and features may share the blame
    assert overall([*good, row("plane", NOT_APPLICABLE)]) == REPRODUCED
    assert overall([*good, row("plane", INCONCLUSIVE)]) == INCONCLUSIVE
    assert overall([*good, row("plane", INCONCLUSIVE), row("excess", NOT_REPRODUCED)]) == NOT_REPRODUCED
    assert overall([]) == INCONCLUSIVE


@pytest.mark.promise("compare")
@pytest.mark.parametrize(
    "none, at_end, words", [(None, True, "end of the range"), ("no samples", False, "no samples")]
)
def test_a_slope_is_not_held_against_one_that_is_not_known(none, at_end, words):
    """For want of a sharpness, or of samples."""
    slope = SimpleNamespace(slope=(1.0, 0.9, 1.1), slope_predicted=1.0)
    fit = SimpleNamespace(a_known=None, at_end=at_end)
    found = Measured(None, False, fit, slope, None, 1e16, 0.0, None, None, None)
    told = _displacement(found, none)
    assert told.word == INCONCLUSIVE and words in told.reason


# --- record and text -------------------------------------------------------------------------------


@pytest.mark.promise("compare")
def test_record_has_the_documented_fields(record, run):
    path = written(**network(logits=np.eye(4)[[0, 1, 2, 3]] * 3, y_logits=np.array([0, 1, 2, 0])))
    data = record(path)
    assert set(data) == KEYS | {"provenance"} and data["schema"] == 1
    assert {"r2", "r2_linear", "a", "a_identified"} <= set(data["fit"])
    assert {"slope", "slope_predicted", "slope_limit"} <= set(data["channel"])
    assert set(data["metrics"]) == {"plain", "centred", "papyan", "zhu"}
    assert data["excess"] is None and data["gap"] is None and set(data["missing"]) == {"excess", "gap"}
    assert data["calibration"]["observed"]["accuracy"] == 0.75
    assert data["provenance"]["command"][:3] == ["python", "-m", "ufm.compare"]
    assert data["provenance"]["seed"] == 0 and data["provenance"]["file"] == path
    again = record(path)
    dates = [part["provenance"].pop("date") for part in (data, again)]
    assert again == data and min(dates) >= "2026"  # the same seed, the same numbers
    assert record(path, "--seed", "5")["channel"]["slope_interval"] != data["channel"]["slope_interval"]


def test_penalties_on_the_command_line_count_first(record, saved):
    plain = record(saved["fixed"])
    other = record(saved["fixed"], "--lambda-h", "0.1", "--lambda-w", "0.2")
    assert other["data"]["lambda_h"] == 0.1 and other["fit"]["a_known"] != plain["fit"]["a_known"]
    assert other["excess"]["excess"] > 1e-3 and other["gap"]["relative_gap"] > 0.01


def test_metrics_are_null_with_a_reason_where_a_class_has_no_pure_sample(record, run):
    parts = network(200)
    away = (parts["i"] == parts["j"]) | (parts["lam"] == 1) | (parts["lam"] == 0)
    path = written(**{key: value if key == "W" else value[~away] for key, value in parts.items()})
    data = record(path)
    assert data["metrics"] is None and "pure label" in data["missing"]["metrics"]
    assert verdicts(data)["amplification"] == INCONCLUSIVE and verdicts(data)["alignment"] == NOT_APPLICABLE
    assert "pure label" in run(path, *QUICK)[1]


def test_what_labels_without_mixed_inputs_cannot_test_is_not_applicable(record, run):
    parts = network()
    path = written(H=parts["H"], W=parts["W"], y=parts["i"])
    data = record(path)
    assert data["channel"]["slope"] is None and data["calibration"]["mixed"]["deviation"] is None
    untested = ("plane", "displacement", "amplification", "linear", "probabilities")
    assert {verdicts(data)[name] for name in untested} == {NOT_APPLICABLE}
    assert "one-hot labels: no input is mixed" in {row["reason"] for row in data["verdicts"]}
    assert "one-hot labels: no input is mixed" in " ".join(run(path, *QUICK)[1].split())


@pytest.mark.parametrize("name", ["fixed", "unbalanced", "two"])
def test_text_fits_80_columns_and_nothing_is_cut(run, saved, name):
    shutil.copy(saved[name], "a.npz")
    code, out, err = run("a.npz", *QUICK)
    assert code == 0, err
    assert all(len(line) <= 80 for line in out.splitlines()) and "…" not in out
    for word in ("R^2", "slope", "global gap", "nc1", "held out", "simplex ETF (cross-entropy): "):
        assert word in out


def test_text_and_record_of_a_real_shape(run, record):
    """float32 features with a common mean, a bias, held-out logits: every section has numbers."""
    rng = np.random.default_rng(2)
    parts = network(d=40, b=rng.normal(size=4).astype(np.float32), lambda_h=0.01, lambda_w=0.01)
    parts |= {
        "H": (parts["H"] + 3).astype(np.float32),
        "logits": rng.normal(size=(50, 4)),
        "y_logits": np.arange(50) % 4,
    }
    path = written(**parts)
    code, _, err = run(path, *QUICK, "--json", "r.json", "--plot", "r.png", "--report", "r.html")
    assert code == 0 and "600 samples" in err
    data = strict(Path("r.json").read_text())
    assert data["gap"]["relative_gap"] > 0 and data["excess"]["solver"] == "newton"
    assert data["calibration"]["temperature"] is None or data["calibration"]["temperature"] > 0
    assert matplotlib.image.imread("r.png").shape[2] == 4
    assert record(path, "--bias", "0.5")["data"]["lambda_b"] == 0.5


# --- page --------------------------------------------------------------------------------------------


class Links(HTMLParser):
    """Every address a page names, and its tags."""

    def __init__(self):
        super().__init__()
        self.found, self.tags = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.found += [value for key, value in attrs if key in ("src", "href", "srcset", "action", "data")]


@pytest.mark.promise("compare")
def test_the_page_holds_everything_and_fetches_nothing(run, saved):
    name = "<!--<script><b>&name'.npz"
    shutil.copy(saved["fixed"], name)
    code, _, err = run(name, *QUICK, "--report", "r.html")
    assert code == 0, err
    page = Path("r.html").read_text(encoding="utf-8")
    links = Links()
    links.feed(page)
    assert links.found and all(link.startswith("data:image/png;base64,") for link in links.found)
    assert (
        "b" not in links.tags
        and "&lt;b&gt;&amp;name" in page
        and "script>" not in page.split("<body>")[1].split("<script type")[0]
    )  # names are text
    for word in ("url(", "@import", "http://", "https://", "javascript:"):
        assert word not in page.split("<h2>Neural")[0]
    start = page.index('id="record">') + len('id="record">')
    assert set(strict(page[start : page.index("</script>")])) == KEYS | {"provenance"}
    assert "default-src 'none'" in page


def test_the_page_opens_in_a_browser(run, saved):
    if not installed():
        pytest.skip(f"none of {', '.join(BROWSERS)} is installed")
    assert run(saved["fixed"], *QUICK, "--report", "r.html")[0] == 0
    with Browser() as browser:
        browser.size(1000, 2800)
        browser.open((Path.cwd() / "r.html").as_uri())
        browser.picture(Path("r.png"))
        text = browser.run("document.documentElement.outerHTML")
        assert browser.requests() == [] and browser.complaints() == []
    image = matplotlib.image.imread("r.png")[:, :, :3]
    colourful = np.ptp(image, axis=2) > 0.3  # dots of the picture, not text
    assert image.shape[:2] == (2800, 1000) and colourful.mean() > 1e-3
    links = Links()
    links.feed(text)
    assert links.tags.count("img") == 6 and links.tags.count("table") >= 6 and "reproduced" in text


# --- bad input ---------------------------------------------------------------------------------------


class Evil:
    """Would make a file when unpickled."""

    def __reduce__(self):
        return os.mkdir, ("executed",)


def _changed(key, place, value):
    def make():
        parts = network(60)
        parts[key] = np.array(parts[key])
        parts[key][place] = value
        return written(**parts)

    return make


def _pickled():
    Path("a.npy").write_bytes(pickle.dumps(Evil()))
    return "a.npy"


def _object_array():
    return written(**(network(60) | {"W": np.array([Evil()] * 4, dtype=object)}))


def _cut():
    path = written(**network(60))
    Path(path).write_bytes(Path(path).read_bytes()[:-400])
    return path


def _flipped():
    path = written(**network(60))
    data = bytearray(Path(path).read_bytes())
    data[400] ^= 1  # inside H
    Path(path).write_bytes(data)
    return path


BAD = {
    "missing file": (lambda: "absent.npz", "neither an .npz"),
    "missing key": (lambda: written(H=np.ones((3, 2)), y=np.arange(3)), "has no W"),
    "no labels": (lambda: written(H=np.ones((3, 2)), W=np.ones((2, 2))), "no labels"),
    "shapes": (lambda: written(**(network(60) | {"W": np.ones((4, 5))})), "same number of columns"),
    "NaN": (_changed("H", (17, 2), np.nan), "row 17"),
    "infinity in W": (_changed("W", (1, 1), np.inf), "W"),
    "label out of range": (_changed("i", 5, 4), "row 5"),
    "lam out of range": (_changed("lam", 5, 1.5), "lam"),
    "pickle": (_pickled, "not a whole .npz"),
    "object array": (_object_array, "W"),
    "cut off": (_cut, "not a whole .npz"),
    "a flipped bit": (_flipped, "damaged"),
    "NaN in logits": (
        lambda: written(**network(60, logits=np.full((2, 4), np.nan), y_logits=[0, 1])),
        "logits",
    ),
}


@pytest.mark.promise("compare")
@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_refused(run, name):
    make, words = BAD[name]
    path = make()
    before = sorted(os.listdir())
    code, out, err = run(path, "--json", "r.json", "--plot", "r.png", "--report", "r.html")
    assert code == 2 and out == "" and words in err and path in err, err
    assert len(err.strip().splitlines()) == 1 and err.startswith("ufm.compare: ")
    assert sorted(os.listdir()) == before  # nothing written, nothing executed


@pytest.mark.promise("compare")
@pytest.mark.parametrize(
    "argv, words",
    [
        ((), "FILE is needed"),
        (("--bins", "0"), "--bins must be an integer, at least 1 and at most 1000"),
        (("--bins", "100000"), "--bins must be an integer, at least 1 and at most 1000"),
        (("--replicates", "-1"), "--replicates"),
        (("--lambda-h", "0"), "--lambda-h must be a positive"),
        (("--lambda-w", "nan"), "--lambda-w must be a positive"),
        (("--bias", "some"), "--bias must be"),
        (("--plot", "r.txt"), "--plot must end in .png"),
        (("--report", "r.pdf"), "--report must end in .html"),
        (("--json", "no/such/folder.json"), "--json"),
        (("--centre", "middle"), "centre"),
    ],
)
def test_bad_flags_are_refused_before_the_file_is_read(run, argv, words):
    file = () if words == "FILE is needed" else ("absent.npz",)
    refused(run(*file, *argv), words)


@pytest.mark.promise("compare")
@pytest.mark.parametrize("argv", [("a.npz", "--json", "a.npz"), (".", "--json", "H.npy")])
def test_what_is_read_is_never_written_over(run, argv):
    parts = network(60)
    written(**parts)
    for key, value in parts.items():
        np.save(f"{key}.npy", value)
    before = {name: Path(name).read_bytes() for name in os.listdir()}
    code, out, err = run(*argv)
    assert code == 2 and "in the place of what is read" in err and out == ""
    assert {name: Path(name).read_bytes() for name in os.listdir()} == before


def test_a_closed_pipe_is_no_verdict_and_costs_no_file(saved):
    """`| head -1` ends with 141, and the page that was asked for is there."""
    script = "import sys\nfrom ufm import compare\nsys.exit(compare.main(sys.argv[1:]))"
    command = [sys.executable, "-c", script, saved["fixed"], *QUICK, "--report", "r.html"]
    running = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    running.stdout.close()
    assert running.wait(120) == 141, running.stderr.read().decode()
    assert "reproduced" in Path("r.html").read_text(encoding="utf-8")


def test_pictures_that_cannot_be_loaded_beside_are_no_word_before_they_are_drawn(monkeypatch, capfd):
    monkeypatch.setitem(sys.modules, "ufm.pictures.compare", None)
    load_pictures().join(10)
    assert capfd.readouterr() == ("", "")
    with pytest.raises(ImportError):
        compare_network(**network(60)).page()


def halved(H: np.ndarray) -> np.ndarray:
    """The upper halves of float32 numbers, as numpy.save writes bfloat16."""
    return np.ascontiguousarray(H.astype(np.float32).view(np.uint16)[:, 1::2]).view("V2")


def test_half_precision_of_machine_learning_is_named(run):
    parts = network(60)
    parts["W"] = halved(parts["W"])
    code, out, err = run(written(**parts))
    assert code == 2 and "save bfloat16 as float32" in err and out == ""


@pytest.mark.parametrize("kind", ["npz", "deflated", "folder"])
def test_features_may_be_bfloat16(run, kind, tmp_path):
    """The numbers are those of the same features cut to eight bits and written as float32."""
    parts = network(300)
    cut = (parts["H"].astype(np.float32).view(np.uint32) & 0xFFFF0000).view(np.float32)
    texts = []
    for H in (cut, halved(parts["H"])):
        given = parts | {"H": H}
        if kind == "folder":
            path = tmp_path / "features"
            path.mkdir(exist_ok=True)
            for key, value in given.items():
                np.save(path / f"{key}.npy", value)
        else:
            path = tmp_path / "features.npz"
            (np.savez_compressed if kind == "deflated" else np.savez)(path, **given)
        code, out, err = run(str(path))
        assert code in (0, 1, 3), err
        texts.append(out)
    assert texts[0] == texts[1] and "samples" in texts[0]


def test_a_bias_cannot_be_wished_away(run):
    path = written(**network(60, b=np.ones(4) * np.arange(4)))
    code, out, err = run(path, "--bias", "none")
    assert code == 2 and "holds a bias" in err and out == ""


@pytest.mark.skipif(sys.platform == "win32", reason="needs resource limits")
def test_a_full_disk_costs_the_files_and_not_the_report(saved):
    """A limit of 40 kB on any file: the text is there, exit 2, nothing is left behind."""
    script = "import resource, signal, sys\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    script += "resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))\n"
    script += "from ufm import compare\nsys.exit(compare.main(sys.argv[1:]))"
    # what is kept for others would be cut off too
    alone = {"PYTHONDONTWRITEBYTECODE": "1", "JAX_ENABLE_COMPILATION_CACHE": "false"}
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | alone
    done = subprocess.run(
        [sys.executable, "-c", script, saved["fixed"], *QUICK, "--report", "r.html"],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert done.returncode == 2 and "r.html cannot be written: File too large" in done.stderr, done.stderr
    assert "closed-form" in done.stdout and os.listdir() == []


@pytest.mark.promise("compare")
def test_huge_features_are_refused(run):
    parts = network(60)
    parts["H"][7] *= 1e200
    code, out, err = run(written(**parts), "--json", "-")
    assert code == 2 and "rescale" in err and out == ""


def test_a_page_that_cannot_be_made_leaves_nothing(run, saved, monkeypatch):
    """The record is not moved into place if the picture fails."""
    Path("r.json").write_text("kept")
    shutil.copy(saved["fixed"], "a.npz")

    def broken(*_):
        raise ValueError("no picture")

    import ufm.pictures.compare

    monkeypatch.setattr(ufm.pictures.compare, "draw_comparison", broken)
    code, out, err = run("a.npz", *QUICK, "--json", "r.json", "--plot", "r.png")
    assert code == 70 and "no picture" in err and "closed-form" in out  # the measurement is not lost
    assert Path("r.json").read_text() == "kept" and sorted(os.listdir()) == ["a.npz", "r.json"]


def test_help_does_not_load_jax():
    script = "import sys\nfrom ufm import compare\ntry:\n    compare.main(['--help'])\n"
    script += "except SystemExit:\n    pass\nassert 'jax' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and "held out" in done.stdout, done.stderr


def test_from_python(saved):
    found = compare_network(saved["fixed"], options=Options(replicates=0))
    assert found.word == REPRODUCED and np.isnan(found.channel.slope.low)
    with pytest.raises(ValueError, match="lambda_h must be a positive"):
        compare_network(saved["fixed"], options=Options(lambda_h=-1.0))


@pytest.mark.promise("compare")
def test_a_defect_is_no_verdict(run, saved, monkeypatch):
    def broken(*_):
        raise RuntimeError("defect")

    monkeypatch.setattr(ufm.commands.runs.compare, "reported", broken)
    code, out, err = run(saved["fixed"])
    assert code == 70 and "defect" in err and out == ""


# --- memory ------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="needs Linux's smaps_rollup")
def test_features_larger_than_the_memory_allowed_are_streamed(tmp_path):
    """40 000 rows, d = 2048: 0.61 GiB in float64, compared within 0.5 GiB of anonymous memory, page and all."""
    (tmp_path / "big").mkdir()
    write_features(tmp_path / "big", 40_000, 2048)
    argv = ("big", "--replicates", "20", "--json", "r.json", "--report", "r.html")
    found = watched("ufm.compare", *argv, cwd=tmp_path)
    assert found["code"] == 0 and 2**27 < found["peak"] < 2**29
    assert strict(Path("r.json").read_text())["data"]["count"] == 40_000
