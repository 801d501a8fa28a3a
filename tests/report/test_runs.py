"""Several networks on one page: their order, names, table, picture; what one of them refuses names it."""

import json
from html import escape

import numpy as np
import pytest

import ufm
from tests.activations import mixup
from ufm import compare
from ufm.output.network.runs import ordered, short_names
from ufm.report.runs import compare_runs
from ufm.rules.errors import InputError

K, D, N = 3, 5, 90
I, J, LAM, Y = mixup(N, K)
W = np.random.default_rng(0).normal(size=(K, D))


def network(seed=0, **more):
    rng = np.random.default_rng(seed)
    return {"H": Y @ W + 0.1 * rng.normal(size=(N, D)), "W": W, "i": I, "j": J, "lam": LAM} | more


def test_numbers_order_names_and_nothing_else_does():
    assert ordered(["run/epoch10.npz", "run/epoch9.npz"]) == ["run/epoch9.npz", "run/epoch10.npz"]
    assert ordered(["mixup", "erm"]) == ["mixup", "erm"]
    assert short_names(["run/epoch9.npz", "run/epoch10.npz"]) == ["epoch9", "epoch10"]
    assert short_names(["a.npz"]) == ["a"]


@pytest.fixture(scope="module")
def runs():
    return compare_runs({"mixup": network(), "erm": network(1, lambda_h=0.01)}, replicates=5)


def test_a_row_a_network(runs):
    assert [run.name for run in runs.rows] == ["mixup", "erm"] == list(runs.to_dict())
    alone = ufm.compare_network(**network(), replicates=5)
    assert runs.rows[0].r2 == alone.fit.r2 and runs.rows[0].sharpness is None is not runs.rows[1].sharpness
    assert "mixup: " in repr(runs) and escape(alone.headline) in runs.page()


def test_reports_are_taken_as_they_are(runs):
    again = compare_runs(runs.reports)
    assert again.rows == runs.rows and again.reports["erm"] is runs.reports["erm"]
    listed = compare_runs([runs.reports["erm"], runs.reports["mixup"]])
    assert list(listed.reports) == ["network 1", "network 2"] and listed.rows[0].r2 == runs.rows[1].r2
    mixed = compare_runs({"new": network(2), "old": runs.reports["erm"]}, replicates=5)
    assert mixed.rows[1].r2 == runs.rows[1].r2 and mixed.reports["new"].options.replicates == 5
    with pytest.raises(InputError, match="replicates: the networks are compared already"):
        compare_runs(runs.reports, replicates=5)
    with pytest.raises(InputError, match=r"a\.npz is there twice"):
        compare_runs(["a.npz", "a.npz"])


def largest(value, seen=None) -> int:
    """Rows of the largest array that an object leads to."""
    seen = set() if seen is None else seen
    if id(value) in seen:
        return 0
    seen.add(id(value))
    if isinstance(value, np.ndarray):
        whole = value if value.base is None else value.base
        return max(len(value) if value.ndim else 0, len(whole) if getattr(whole, "ndim", 0) else 0)
    if isinstance(value, dict):
        parts = list(value.values())
    elif isinstance(value, list | tuple):
        parts = list(value)
    else:
        parts = list(getattr(value, "__dict__", {}).values())
    return max((largest(part, seen) for part in parts), default=0)


@pytest.mark.parametrize("dim", [5, 40])  # below and above where few coordinates are taken
def test_a_report_keeps_no_row_but_those_it_draws(dim):
    from ufm.network.features import DRAWN

    many = 2000
    i, j, lam, soft = mixup(many, K)
    rows = np.random.default_rng(0).normal(size=(K, dim))
    arrays = {"H": soft @ rows, "W": rows, "i": i, "j": j, "lam": lam}
    report = ufm.compare_network(**arrays, lambda_h=0.01, lambda_w=0.01, replicates=2)
    assert largest(report) <= DRAWN < many == largest(arrays)
    assert len(report.features.drawn.H) == DRAWN and report.given.count == many
    assert len(report.plot().axes) >= 6


def test_page_and_picture(runs, tmp_path):
    runs.save_html(tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert page.count("<img") == 3 and "default-src 'none'" in page and "R²" in page
    runs.plot(tmp_path / "r.png")
    assert (tmp_path / "r.png").stat().st_size > 10_000


def test_what_one_refuses_names_it():
    with pytest.raises(InputError, match=r"^second: H is 90 x 5 and W is 5 x 3"):
        compare_runs({"first": network(), "second": network() | {"W": W.T}}, replicates=0)
    with pytest.raises(InputError, match="sources must be one network or more"):
        compare_runs([])
    assert list(compare_runs({0: network()}, replicates=0).reports) == ["0"]


def test_the_command_takes_several_files(call_main, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("epoch10", "epoch9"):
        np.savez(f"{name}.npz", **network())
    code, out, err = call_main(
        compare.main, "epoch10.npz", "epoch9.npz", "--replicates", "3", "--json", "r.json"
    )
    assert code == 0 and out.index("epoch9 ") < out.index("epoch10") and "2 networks" in err
    records = json.loads((tmp_path / "r.json").read_text())
    assert list(records) == ["epoch9.npz", "epoch10.npz"]
    assert records["epoch9.npz"]["provenance"]["command"][:4] == [
        "python",
        "-m",
        "ufm.compare",
        "epoch10.npz",
    ]
    code, _, err = call_main(compare.main, "epoch9.npz", "epoch10.npz", "--memory", "1MB")
    assert code == 2 and "epoch9.npz" in err and "memory" in err
    assert all(len(line) <= 80 for line in out.splitlines())
