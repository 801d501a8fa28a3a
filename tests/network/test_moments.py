"""What the second reading of a set adds: Σ_W, replicates of the class sums, and what they say."""

import numpy as np
import pytest

import ufm
from tests.network.test_metrics import sample
from ufm.model.etf import simplex_etf
from ufm.network import moments
from ufm.network.collapse.conventions import CONVENTIONS
from ufm.network.collapse.metrics import all_metrics
from ufm.network.collapse.spectrum import squared_error, variability_index
from ufm.network.collapse.statistics import class_statistics
from ufm.network.moments import Second
from ufm.network.resample import poisson_weights

PLAIN = CONVENTIONS["plain"]


def looked(H, y, W, b, replicates=30, rows=700):
    """The second reading in blocks of some rows."""
    second = Second(W, b, replicates, 3)

    def stream():
        for n in range(0, len(y), rows):
            yield H[n : n + rows], y[n : n + rows], np.ones(len(y[n : n + rows]))

    return class_statistics(stream, len(W), W, b, watch=second), second


def classes(K, d, n, spread, seed=0, means=None):
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.repeat(np.arange(K), n))
    means = simplex_etf(K, d) if means is None else means
    return means[y] + spread * rng.normal(size=(len(y), d)), y


@pytest.mark.parametrize("bias", [False, True])
def test_the_spectrum_is_that_of_the_arrays(bias):
    (H, y), (_, _, W, b) = classes(4, 6, 300, 0.5), sample(4, 6)
    b = b if bias else None
    stats, second = looked(H, y, W, b)
    variability, squared, of = second.spectrum(stats)
    assert variability == pytest.approx(variability_index(H, y, 4), rel=1e-9) and of == len(y)
    assert squared == pytest.approx(squared_error(H, y, W, b), rel=1e-9)


def test_a_replicate_is_the_set_with_rows_counted_so_often(monkeypatch):
    """Each row written down as often as its Poisson weight says, and measured from the beginning."""
    (H, y), (_, _, W, b) = classes(3, 5, 500, 0.3), sample(3, 5)
    _, second = looked(H, y, W, b, 4)
    found = second.bootstrap.metrics(W, b)
    blocks = [poisson_weights(n, min(1024, len(y) - n), 4, 3) for n in range(0, len(y), 1024)]
    times = np.concatenate(blocks)[:, 1:].astype(int)
    for n, row in enumerate(found):
        again = np.repeat(np.arange(len(y)), times[:, n])
        expected = all_metrics(looked(H[again], y[again], W, b, 0)[0], W, b, PLAIN)
        assert {name: row[name] for name in moments.RESAMPLED if name != "nc1"} == pytest.approx(
            {name: expected[name] for name in moments.RESAMPLED if name != "nc1"}, rel=1e-9
        )
        # along the directions of all rows' means: the replicate's are turned by about spread/√n
        assert row["nc1"] == pytest.approx(expected["nc1"], rel=5 * 0.3 / np.sqrt(500))


def test_how_a_set_is_cut_changes_no_interval():
    (H, y), (_, _, W, b) = classes(3, 5, 700, 0.3), sample(3, 5)
    found = []
    for rows in (97, 2100):
        stats, second = looked(H, y, W, b, 5, rows)
        found.append(second.intervals(all_metrics(stats, W, b, PLAIN)))
    assert set(found[0]) == set(moments.RESAMPLED)
    for name, ends in found[0].items():
        assert found[1][name] == pytest.approx(ends, rel=1e-9, abs=1e-12)


def test_intervals_cover_what_many_samples_have():
    """Of 40 sets of 4 x 100 samples; percentiles of the replicates, not turned round, miss the spread (control)."""
    means, W = simplex_etf(4, 16) + 0.1 * sample(4, 16)[2], simplex_etf(4, 16)
    names = ("nc1", "nc1_ratio", "cdnv", "nc2_simplex_means", "nc3_distance")
    H, y = classes(4, 16, 20000, 0.4, 99, means)
    true = all_metrics(looked(H, y, W, None, 0)[0], W, None, PLAIN)
    hits, naive = dict.fromkeys(names, 0), dict.fromkeys(names, 0)
    for seed in range(40):
        stats, second = looked(*classes(4, 16, 100, 0.4, seed, means), W, None, 60)
        ends = second.intervals(all_metrics(stats, W, None, PLAIN))
        rows = second.bootstrap.metrics(W, None)
        for name in names:
            low, high = np.quantile([row[name] for row in rows], [0.025, 0.975])
            hits[name] += ends[name][0] <= true[name] <= ends[name][1]
            naive[name] += low <= true[name] <= high
    # with 95% each, fewer than 30 of 40 have probability 6e-5; the bootstrap of 100 samples has a little less
    assert all(count >= 30 for count in hits.values())
    assert naive["nc1_ratio"] < 30


@pytest.mark.parametrize(
    ("name", "value", "missing"),
    [
        ("WIDE", 3, {"squared_error": "up to 3"}),
        ("SUMS", 100, {"intervals": "too many to resample"}),
        ("WORK", 1e3, {"intervals": "too many to resample"}),
    ],
)
def test_what_costs_too_much_is_said(monkeypatch, name, value, missing):
    monkeypatch.setattr(moments, name, value)
    (H, y), (_, _, W, b) = classes(4, 6, 50, 0.5), sample(4, 6)
    stats, second = looked(H, y, W, b)
    found = second.spectrum(stats), second.intervals(all_metrics(stats, W, b, PLAIN))
    assert list(second.missing) == list(missing) and (found[1] is None) == ("intervals" in missing)
    assert all(words in second.missing[key] for key, words in missing.items())
    assert (found[0][1] is None) == ("squared_error" in missing)


@pytest.mark.parametrize("name", ["WORK", "SUMS"])
def test_many_classes_and_many_directions_cost_too(monkeypatch, name):
    """METRICS K² d operations a replicate however few the samples, and 8 bytes of each of K d and r² numbers."""
    W, K, d = simplex_etf(6, 5)[:, :4], 6, 4
    H, y = classes(K, d, 30, 0.5, means=W)
    whole = {"WORK": 10 * moments.METRICS * K**2 * d, "SUMS": 8 * 10 * (K * d + d * d)}[name]
    monkeypatch.setattr(moments, "FEW", 0)
    for limit, words in ((0.9 * whole, "too many to resample"), (2 * whole, "")):
        monkeypatch.setattr(moments, name, limit)
        assert words in looked(H, y, W, None, 10)[1].missing.get("intervals", "")
    assert "intervals" not in looked(H, y, W, None, 10)[1].missing


def test_fewer_samples_than_intervals_ask_for_are_told():
    H, y = classes(3, 9, 26, 0.3)
    second = looked(H, y, simplex_etf(3, 9), None)[1]
    assert second.bootstrap is None and "3 d = 27 samples a class" in second.missing["intervals"]
    assert looked(*classes(3, 9, 27, 0.3), simplex_etf(3, 9), None)[1].bootstrap is not None


def test_few_samples_have_neither(monkeypatch):
    monkeypatch.setattr(moments, "FEW", 0)
    H, y = classes(3, 9, 2, 0.3)
    stats, second = looked(H, y, simplex_etf(3, 9), None)
    assert second.spectrum(stats) == (None, None, 0)
    assert second.intervals(all_metrics(stats, simplex_etf(3, 9), None, PLAIN)) is None
    assert "least squares fits any labels" in second.missing["squared_error"]
    assert "too few samples of a class" in second.missing["intervals"]
    assert looked(H, y, simplex_etf(3, 9), None, 0)[1].missing["intervals"] == "no replicates were asked for"


def test_thinned_rows_have_the_same_covariance(monkeypatch):
    (H, y), (_, _, W, b) = classes(3, 5, 3000, 0.5), sample(3, 5)
    whole = looked(H, y, W, b, 0)
    monkeypatch.setattr(moments, "PRODUCTS", 25 * 3000)
    stats, second = looked(H, y, W, b, 0)
    variability, _, of = second.spectrum(stats)
    assert 2800 < of < 3200  # 3000 of 9000, standard deviation 45
    # the covariance of n rows is off by about √(2/n) in every direction
    assert variability == pytest.approx(whole[1].spectrum(stats)[0], rel=6 * np.sqrt(2 / of))


def test_record_and_page_have_them_by_class(tmp_path):
    H, y = classes(3, 8, 60, 0.2)
    W = 2 * simplex_etf(3, 8)
    H[y == 2] = H[y == 1].mean(0) + 0.01 * H[y == 2]  # class 2 looks like class 1
    report = ufm.compare_network(H=H, W=W, y=y, replicates=20)
    part = report.to_dict()["sets"]["clean"]
    right = [float(np.mean((H[y == k] @ W.T).argmax(1) == k)) for k in range(3)]
    assert part["by_class"]["accuracy"] == pytest.approx(right) and right[2] < 1 == right[0]
    assert part["by_class"]["norm_means"] == pytest.approx(
        np.linalg.norm(
            [H[y == k].mean(0) - np.mean([H[y == l].mean(0) for l in range(3)], 0) for k in range(3)], axis=1
        )
    )
    error = part["squared_error"]
    assert error["loss"] == pytest.approx(error["nc1"] + error["nc23"] + error["perp"], rel=1e-9)
    assert part["variability_index"] == pytest.approx(variability_index(H, y, 3), rel=1e-9)
    low, high = part["intervals"]["nc1_ratio"]
    assert low < part["metrics"]["plain"]["nc1_ratio"] < high
    page = report.page()
    for words in (
        "variability collapse index",
        "LNC2/3",
        "L-perp",
        "row of W and mean",
        "95% intervals of plain",
    ):
        assert words in page
    assert "variability collapse index" not in str(report)
    title, some = "class by class", y < 2  # where a class is missing there is nothing below the title
    assert title in page
    lacking = ufm.compare_network(H=H[some], W=W, y=y[some], replicates=0).page()
    assert title not in lacking and "need a sample" in lacking
