"""What would take years is refused before it begins, and said in numbers; what takes minutes is not touched."""

from pathlib import Path

import pytest

from ufm import solve, sweep
from ufm.commands.grid_file import KEYS
from ufm.runtime import effort

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _in_tmp(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    "words", ["--classes 1000000", "--classes 200000 --lam 0.3", "--classes 300000 --labels cutmix"]
)
def test_a_run_of_years_is_refused(call_main, words):
    code, out, err = call_main(solve.main, *words.split(), "--memory", "1000GiB")
    assert code == 2 and out == "" and "years" in err and "--symmetry" in err and len(err.splitlines()) == 1


def test_a_sweep_of_years_is_refused(call_main, monkeypatch):
    monkeypatch.setattr(
        effort, "YEAR", effort.YEAR / 1e5
    )  # a small grid: the largest allowed takes a few years
    Path("grid.toml").write_text(
        "classes = 100000\nalpha = { from = 1, to = 2, count = 20000 }\nblock = 100000"
    )
    code, out, err = call_main(sweep.main, "grid.toml", "--dry-run", "--memory", "10000GiB")
    assert code == 2 and out == "" and "years" in err and "split the grid" in err, err


class Alone:
    process = processes = None


@pytest.mark.parametrize(
    "features, classes, words",
    [(16 * 10**6, 1000, ""), (64 * 10**8, 10**4, "days"), (64 * 10**12, 10**6, None)],
)
def test_a_day_is_said_and_a_year_is_refused(features, classes, words, capsys, monkeypatch):
    monkeypatch.setattr(effort, "usable_cores", lambda: 2)
    work = effort.seconds(features, classes)
    if words is None:
        with pytest.raises(effort.InputError, match="about 200,000 years"):
            effort.judge(work, Alone, "leave it")
        return
    effort.judge(work, Alone, "leave it")
    err = capsys.readouterr().err
    assert (words in err and "leave it" in err) if words else err == ""


@pytest.mark.parametrize(
    "time, words",
    [
        (1.2, "about 1 day here"),
        (1.6, "about 2 days here"),
        (370, "about 1 year here"),
        (900, "about 2 years here"),
    ],
)
def test_one_is_no_plural(time, words, capsys):
    try:
        effort.judge(time * effort.DAY, Alone, "leave it")
        text = capsys.readouterr().err
    except effort.InputError as error:
        text = str(error)
    assert words in text


def test_a_sweep_names_its_keys():
    """As --help and the page on sweeps have them: some of the flags of ufm.solve, not all."""
    page = (ROOT / "docs" / "sweeps.md").read_text(encoding="utf-8")
    source = (ROOT / "ufm" / "commands" / "sweep.py").read_text(encoding="utf-8")
    for key in KEYS:
        assert f"`{key}`" in page and key in source.split("class Arguments")[1].split("def run")[0], key
