"""A tracker's log: what a row holds, that a run may go on, that no other log is touched; and its picture."""

import sys

import jaxtyping
import numpy as np
import pytest

import ufm
from tests.activations import mixup
from ufm.collect.log import _text, read_log
from ufm.collect.tracker import Tracker
from ufm.pictures.tracker import draw_tracker
from ufm.rules.errors import InputError

K, D, N = 4, 6, 240
RNG = np.random.default_rng(3)
I, J, LAM, Y = mixup(N, K)
W = RNG.normal(size=(K, D))
H = 2 * (Y - 1 / K) @ np.linalg.pinv(W).T + 0.1 * RNG.normal(size=(N, D))
PAIRS = {"H": H, "W": W, "i": I, "j": J, "lam": LAM, "H_clean": np.linalg.pinv(W).T[I] + H / 10, "y_clean": I}
MORE = {"lambda_h": 0.02, "logits": H @ W.T, "y_logits": I}


@pytest.fixture(autouse=True)
def _as_users_have_it():
    """Without the test run's own type checks, which come first."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def equal(one, other) -> bool:
    """Rows with NaN in the same places."""
    return list(one) == list(other) and all(
        one[name] == other[name] or one[name] != one[name] for name in one
    )


def test_a_row_has_what_the_measures_say(tmp_path):
    tracker = Tracker(tmp_path / "run.csv")
    row = tracker.add(3, **PAIRS, **MORE)
    report = ufm.compare_network(**PAIRS, **MORE, replicates=0)
    assert row["epoch"] == 3 and tracker.report is None
    for name, value in ufm.collapse_metrics(PAIRS["H_clean"], I, W).items():
        assert row[name] == pytest.approx(value, nan_ok=True), name
    assert row["r2"] == pytest.approx(report.fit.r2) and row["r2_linear"] == pytest.approx(
        report.fit.r2_linear
    )
    assert row["r2_known"] == pytest.approx(report.fit.r2_known) and row["sharpness"] == pytest.approx(
        report.fit.a
    )
    assert row["excess"] == pytest.approx(report.excess.excess) and 0 <= row["excess_bound"] < 1e-6
    assert row["excess_ratio"] == pytest.approx(report.excess.excess / report.excess.at_zero)
    assert row["accuracy"] == np.mean((PAIRS["H_clean"] @ W.T).argmax(1) == I)
    assert row["test_accuracy"] == np.mean((H @ W.T).argmax(1) == I)


def test_without_penalty_or_held_out_rows_their_columns_are_not_there(tmp_path):
    row = Tracker(tmp_path / "run.csv").add(0, H=H, W=W, y=I)
    assert not {"excess", "r2_known", "test_accuracy", "verdict"} & set(row)
    assert row["nc1"] == pytest.approx(ufm.collapse_metrics(H, I, W)["nc1"])


@pytest.mark.parametrize("given", [{"y": np.minimum(I, 1)}, {"Y": np.full((N, K), 1 / K)}])
def test_a_class_without_a_clean_row_leaves_the_columns_as_they_are(tmp_path, given):
    tracker = Tracker(tmp_path / "run.csv")
    tracker.add(0, H=H, W=W, y=I)
    row = tracker.add(1, H=H, W=W, **given)
    assert np.isnan(row["nc1"]) and row["classes"] == K and row["samples"] == (N if "y" in given else 0)


def test_a_sharpness_that_the_data_do_not_say_is_none(tmp_path):
    """Uniform labels have the logits 0 at every a; mixed ones have not."""
    tracker = Tracker(tmp_path / "run.csv")
    row = tracker.add(0, H=H, W=W, Y=np.full((N, K), 1 / K))
    assert np.isnan(row["sharpness"]) and row["sharpness_identified"] == 0
    again = tracker.add(1, **PAIRS)
    assert again["sharpness"] == ufm.compare_network(**PAIRS, replicates=0).fit.a
    assert again["sharpness_identified"] == 1
    assert [row["sharpness_identified"] for row in read_log(tmp_path / "run.csv")] == [0, 1]


def test_the_last_epoch_has_a_row(tmp_path):
    arrays = {"H": H, "W": W, "y": I}
    told, untold = (
        Tracker(tmp_path / f"{epochs}.csv", collect=lambda: arrays, every=5, epochs=epochs)
        for epochs in (8, None)
    )
    for epoch in range(8):
        told.step(epoch), untold.step(epoch)
    assert [row["epoch"] for row in told.rows] == [0, 5, 7] and [row["epoch"] for row in untold.rows] == [
        0,
        5,
    ]
    with pytest.raises(InputError, match="epochs must be"):
        Tracker(tmp_path / "c.csv", epochs=0)


def test_a_convention_is_that_of_the_metrics(tmp_path):
    row = Tracker(tmp_path / "run.csv", convention="papyan").add(0, **PAIRS)
    assert row["nc1"] == pytest.approx(
        ufm.collapse_metrics(PAIRS["H_clean"], I, W, convention="papyan")["nc1"]
    )


def test_the_loss_is_that_of_the_excess(tmp_path):
    one, other = (
        Tracker(tmp_path / f"{loss}.csv", loss=loss).add(0, **PAIRS, lambda_h=0.02)
        for loss in ("cross-entropy", "squared-error")
    )
    assert one["excess"] != other["excess"]


@pytest.mark.slow
def test_the_whole_comparison_may_be_made(tmp_path):
    tracker = Tracker(tmp_path / "run.csv", compare=True)
    row = tracker.add(0, **PAIRS, **MORE)
    assert row["verdict"] == tracker.report.word and tracker.report.options.replicates > 0
    assert tracker.report.headline and tracker.report.given.count == N  # a report that can save its page
    for found in tracker.report.findings:
        value = row[f"finding_{found.name.replace('-', '_')}"]
        assert value == found.value or (found.value is None and np.isnan(value))
    assert read_log(tmp_path / "run.csv")[0]["verdict"] == row["verdict"]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_log_is_continued_without_an_epoch_twice(tmp_path, kind):
    if kind == "parquet":
        pytest.importorskip("pyarrow")
    path = tmp_path / f"run.{kind}"
    first = Tracker(path)
    for epoch in (0, 5, 10):
        first.add(epoch, H=H, W=W, y=I)
    again = Tracker(path)
    assert all(map(equal, again.rows, first.rows)) and len(again.rows) == 3
    changed = again.add(5, H=2 * H, W=W, y=I)
    again.add(15, H=H, W=W, y=I)
    rows = read_log(path)
    assert [row["epoch"] for row in rows] == [0, 5, 10, 15] and all(type(row["epoch"]) is int for row in rows)
    assert equal(rows[1], changed) and changed["sharpness"] != first.rows[1]["sharpness"]
    assert equal(rows[0], first.rows[0]) and not [part for part in tmp_path.iterdir() if part != path]


def test_a_log_of_an_older_version_is_continued(tmp_path):
    """It has no sharpness_identified: NaN there, all else as it was; where more is missing it is refused."""
    path = tmp_path / "run.csv"
    first = Tracker(path).add(0, H=H, W=W, y=I)
    old, older = (
        [{name: row[name] for name in row if name not in without} for row in read_log(path)]
        for without in (("sharpness_identified",), ("sharpness_identified", "nc1"))
    )
    path.write_bytes(_text(old))
    row = Tracker(path).add(1, H=H, W=W, y=I)
    rows = read_log(path)
    assert [list(part) for part in rows] == [list(row)] * 2 and np.isnan(rows[0].pop("sharpness_identified"))
    assert equal(rows[0], {name: first[name] for name in rows[0]}) and rows[1]["sharpness_identified"] in (
        0,
        1,
    )
    path.write_bytes(_text(older))
    with pytest.raises(InputError, match="adds sharpness_identified, nc1"):
        Tracker(path).add(1, H=H, W=W, y=I)


def test_a_log_of_other_columns_is_left_alone(tmp_path):
    path = tmp_path / "run.csv"
    Tracker(path).add(0, H=H, W=W, y=I)
    before = path.read_bytes()
    with pytest.raises(
        InputError, match=r"has other columns: this tracker adds test_accuracy, excess, excess_bound"
    ):
        Tracker(path).add(1, **PAIRS, **MORE)
    assert path.read_bytes() == before
    Tracker(tmp_path / "b.csv").add(0, H=H, W=W, y=I, lambda_h=0.1)
    with pytest.raises(InputError, match="this tracker lacks excess"):
        Tracker(tmp_path / "b.csv").add(1, H=H, W=W, y=I)


FOREIGN = {
    "other words": "a,b\n1,2\n",
    "nothing": "",
    "no rows": "epoch,r2\n",
    "short row": "epoch,r2\n1\n",
    "long row": "epoch,r2\n1,2,3\n",
    "no integer": "epoch,r2\nfirst,2\n",
    "quotes": 'epoch,r2\n1,"2\n',
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_foreign_file_is_refused_and_kept(tmp_path, name):
    path = tmp_path / "run.csv"
    path.write_text(FOREIGN[name])
    with pytest.raises(InputError, match=r"run\.csv"):
        Tracker(path)
    assert path.read_text() == FOREIGN[name]
    (tmp_path / "run.parquet").write_text("no Parquet")
    with pytest.raises(InputError, match=r"run\.parquet cannot be read"):
        pytest.importorskip("pyarrow")
        Tracker(tmp_path / "run.parquet")


def test_parquet_without_its_library_is_one_line(tmp_path, monkeypatch):
    monkeypatch.delitem(sys.modules, "ufm.output.dataset", raising=False)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"needs pyarrow: pip install 'ufm\[sweep\]', or give a .csv path"):
        Tracker(tmp_path / "run.parquet")


def test_one_line_in_a_loop_measures_every_so_many_epochs(tmp_path):
    made = []

    def collect():
        made.append(1)
        return {"H": H, "W": W, "y": I}

    tracker = Tracker(tmp_path / "run.csv", collect=collect, every=3)
    rows = [tracker.step(epoch) for epoch in range(5)]
    assert [row and row["epoch"] for row in rows] == [0, None, None, 3, None] and len(made) == 2


class Model:
    """Of no framework."""


REFUSED = {
    "another kind of file": ({"path": "run.txt"}, r"must end in \.csv or \.parquet, got 'run.txt'"),
    "no folder": ({"path": "gone/run.csv"}, "there is no folder gone"),
    "every": ({"every": 0}, "every must be an integer"),
    "compare": ({"compare": 1}, "compare must be True or False"),
    "loss": ({"loss": "hinge"}, "loss must be one of"),
    "convention": ({"convention": "mine"}, "convention must be one of"),
    "both": ({"collect": dict, "loader": []}, "either collect or a model"),
    "collect": ({"collect": 3}, "collect must be a function"),
    "no loader": ({"model": Model()}, "model and loader come together"),
    "no model": ({"mix": 3}, "mix: without a model"),
    "no framework": ({"model": Model(), "loader": []}, "is a Model, of no framework known here"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_says_what_to_do(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given, words = REFUSED[name]
    with pytest.raises(InputError, match=words):
        Tracker(**{"path": "run.csv"} | given)


def test_a_tracker_without_a_model_does_not_step(tmp_path):
    tracker = Tracker(tmp_path / "run.csv")
    with pytest.raises(InputError, match="nothing to step: give model, layer and loader"):
        tracker.step(0)
    with pytest.raises(InputError, match="has no row yet"):
        tracker.plot()
    with pytest.raises(InputError, match="epoch must be an integer"):
        tracker.add(-1, H=H, W=W, y=I)


def test_the_log_is_drawn(tmp_path):
    tracker = Tracker(tmp_path / "run.csv")
    for epoch in (0, 1):
        tracker.add(epoch, **PAIRS, **MORE)
    figure = tracker.plot(tmp_path / "run.png")
    assert (tmp_path / "run.png").read_bytes()[:4] == b"\x89PNG"
    assert len(figure.axes) == 5
    line = figure.axes[0].lines[0]
    np.testing.assert_array_equal(line.get_xdata(), [0, 1])
    np.testing.assert_array_equal(line.get_ydata(), [row["r2"] for row in tracker.rows])
    with pytest.raises(InputError, match=r"path must end in \.png or .*run\.xyz"):
        tracker.plot(tmp_path / "run.xyz")


def test_a_picture_has_the_panels_of_its_columns_and_no_point_that_is_none():
    rows = [{"epoch": n, "r2": value, "nc1": value} for n, value in enumerate((0.5, float("nan"), -1.0))]
    r2, nc1 = draw_tracker(rows).axes
    np.testing.assert_array_equal(np.isfinite(r2.lines[0].get_ydata()), [True, False, True])
    np.testing.assert_array_equal(np.isfinite(nc1.lines[0].get_ydata()), [True, False, False])
    assert nc1.get_yscale() == "log"
