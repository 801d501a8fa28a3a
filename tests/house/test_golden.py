"""The golden set's tool: a record agrees with the same code; one digit that differs is found and shown."""

import ast
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests import golden, golden_commands, golden_text

CHEAP = {  # commands that answer without JAX
    "refused": "ufm.solve --lam 0.5,1.5",
    "counted": "ufm.sweep grid.toml --dry-run",
}


@pytest.fixture
def call(monkeypatch, capsys):
    """The tool in this process, on CHEAP alone: (exit code, standard output)."""
    monkeypatch.setattr(golden, "CASES", CHEAP)

    def run(*argv):
        code = golden.main([str(word) for word in argv])
        return code, capsys.readouterr().out

    return run


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """A record of CHEAP."""
    folder = tmp_path_factory.mktemp("golden")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(golden, "CASES", CHEAP)
        assert golden.main(["--record", str(folder)]) == 0
    return folder


@pytest.fixture
def same(once, monkeypatch):
    """The commands give what they gave, without being run again."""
    texts = {lines: golden.read(once, name) for name, lines in CHEAP.items()}
    monkeypatch.setattr(golden, "run_case", lambda lines, cache: texts[lines])


@pytest.fixture
def found(once, tmp_path):
    """A copy of the record, to spoil."""
    for path in once.glob("*.txt"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def spoil(path: Path, old: str, new: str) -> None:
    """Negative control: a planted difference."""
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_the_same_code_agrees_with_its_record(call, found):
    text = (found / "refused.txt").read_text(encoding="utf-8")
    assert text.startswith("$ python -m ufm.solve --lam 0.5,1.5\nexit 2\n--- stdout\n--- stderr\n")
    assert "lam must lie in [0, 1], got 1.5" in text
    assert "24 problems" in (found / "counted.txt").read_text(encoding="utf-8")
    code, out = call("--compare", found)
    assert code == 0 and "2 of 2 cases agree" in out and len(out.splitlines()) == 1


def test_a_digit_of_an_output_is_found(call, same, found):
    spoil(found / "refused.txt", "got 1.5", "got 1.6")
    code, out = call("--compare", found)
    shown = out.splitlines()
    assert code == 1 and shown[:2] == ["refused", "  --- stderr"] and "1 of 2 cases agree" in shown[-1]
    assert shown[2].startswith("  - ") and shown[2].endswith("got 1.6")
    assert shown[3].startswith("  + ") and shown[3].endswith("got 1.5")


def test_another_number_of_the_code_is_found(call, found, monkeypatch):
    """What runs changes, not the record."""
    grid = golden_commands.GIVEN["grid.toml"]()
    monkeypatch.setitem(golden_commands.GIVEN, "grid.toml", lambda: grid.replace("count = 3", "count = 4"))
    code, out = call("--compare", found, "--only", "counted")
    assert code == 1 and "- sweep of grid.toml: 24 problems" in out and "+ sweep of grid.toml: 32 pr" in out


SPOILT = {
    "exit code": (lambda folder: spoil(folder / "counted.txt", "exit 0", "exit 3"), "- exit 3"),
    "end of line": (lambda folder: spoil(folder / "refused.txt", "got 1.5\n", "got 1.5"), "--- stderr"),
    "no record": (lambda folder: (folder / "counted.txt").unlink(), "not in the record"),
    "case gone": (lambda folder: (folder / "gone.txt").write_text("$\n"), "no case any more"),
    "other machine": (lambda folder: spoil(folder / "machine.txt", "numpy ", "numpy 1"), "- numpy 1"),
}


@pytest.mark.parametrize("change, says", SPOILT.values(), ids=SPOILT)
def test_whatever_else_differs_is_found(call, same, found, change, says):
    change(found)
    code, out = call("--compare", found)
    assert code == 1 and says in out


def test_recording_anew_forgets_cases_that_are_gone(call, same, found):
    (found / "gone.txt").write_text("$\n")
    assert call("--record", found, "--only", "refused")[0] == 0
    assert golden.recorded(found) == set(CHEAP)


def test_an_interrupted_record_goes_on(call, same, found):
    """What is there stays, also where it is wrong: only --compare judges it."""
    spoil(found / "refused.txt", "got 1.5", "got 1.6")
    (found / "counted.txt").unlink()
    assert call("--record", found, "--missing")[1].startswith("1 cases recorded")
    assert golden.recorded(found) == set(CHEAP) and call("--compare", found)[0] == 1


@pytest.mark.parametrize(
    "argv",
    [
        (),
        ("--compare", ".", "--missing"),
        ("--record", "a", "--compare", "a"),
        ("--compare", "none"),
        ("--record", "."),
        ("--record", "new", "--only", "none"),
        ("--record", "new", "--jobs", "0"),
    ],
)
def test_wrong_usage_is_exit_2(call, tmp_path, monkeypatch, argv):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "letter").write_text("not a record")
    with pytest.raises(SystemExit) as stop:
        call(*argv)
    assert stop.value.code == 2 and sorted(path.name for path in tmp_path.iterdir()) == ["letter"]


# --- files as text ------------------------------------------------------------------------------------


def test_a_bit_of_an_array_is_seen(tmp_path):
    parts = {
        "H": np.array([[0.1, 1 / 3]]),
        "i": np.arange(2),
        "x": np.float32([0.1]),
        "name": np.array("a b"),
    }
    np.savez(tmp_path / "a.npz", **parts)
    was = golden_text.shown(tmp_path / "a.npz")
    assert was.startswith(
        "H float64 (1, 2)\n0.1 0.3333333333333333\ni int64 (2,)\n0 1\nx float32 (1,)\n0.1000"
    )
    for key, value in (
        ("H", np.nextafter(parts["H"], 1)),
        ("x", parts["x"].astype(float)),
        ("i", np.arange(1, 3)),
    ):
        np.savez(tmp_path / "b.npz", **parts | {key: value})
        assert golden_text.shown(tmp_path / "b.npz") != was


def test_a_bit_of_a_table_and_its_footer_are_seen(tmp_path):
    def written(value=0.1, footer=b'{"count": 1, "ufm": "0.1.0"}', kind="float64"):
        rows = pa.table({"kind": ["same", None], "error": pa.array([value, None], kind)})
        pq.write_table(rows.replace_schema_metadata({b"ufm": footer}), tmp_path / "a.parquet")
        return golden_text.masked(golden_text.shown(tmp_path / "a.parquet"))

    was = written()
    assert was.startswith("kind string: 'same' None\nerror double: 0.1 None\nfooter ufm\n{\n")
    assert was == written(footer=b'{"count": 1, "ufm": "0.2.0"}')
    others = written(np.nextafter(0.1, 1)), written(footer=b'{"count": 2}'), written(kind="float32")
    assert len({was, *others}) == 4


def test_a_pixel_of_a_picture_is_seen(tmp_path):
    import matplotlib.image

    def drawn(value, software):
        pixels = np.zeros((4, 5, 3), np.uint8)
        pixels[2, 3] = value
        matplotlib.image.imsave(tmp_path / "a.png", pixels, metadata={"Software": software})
        return golden_text.shown(tmp_path / "a.png")

    assert drawn(0, "one") == drawn(0, "other") != drawn(1, "one")
    assert drawn(0, "one").startswith("picture (4, 5, 4), pixels")


def test_only_what_varies_is_masked(tmp_path):
    text = "9 of 9 features, about 0 s left\n5 steps, 1.3 s\nworst error 2.1e-16 at 3 s of 4\nFOLDER"
    masked = golden_text.masked(text.replace("FOLDER", str(tmp_path)), tmp_path)
    assert masked == "5 steps, # s\nworst error 2.1e-16 at 3 s of 4\nFOLDER"


def test_a_long_line_is_shown_where_it_differs():
    was, now = ("theory double: " + "0.125 " * 200 + digit for digit in "12")
    minus, plus = golden.difference(f"--- file a\n{was}\n", f"--- file a\n{now}\n")[1:]
    assert max(len(minus), len(plus)) <= golden.WIDTH + 4
    assert minus.startswith("  - theory double: ") and minus[-1] == "1" and plus[-1] == "2"


def test_many_differences_are_counted():
    was, now = ("\n".join(f"{word} {n}" for n in range(50)) for word in ("old", "new"))
    shown = golden.difference(was, now)
    assert len(shown) == golden.SHOWN + 1 and shown[-1] == f"  … {101 - golden.SHOWN} more lines"


# --- the set ------------------------------------------------------------------------------------------


def test_the_set_is_about_all_commands():
    lines = [line for case in golden_commands.CASES.values() for line in case.splitlines()]
    assert len(golden_commands.CASES) >= 60
    assert {line.split()[0] for line in lines} == {"ufm.solve", "ufm.verify", "ufm.compare", "ufm.sweep"}
    words = {word for line in lines for word in line.split()}
    assert golden_commands.GIVEN.keys() <= words, "a given file that no command reads"
    laws = {"mixup", "cutmix", "kway", "smoothing", "onehot"}
    assert words >= laws - {"mixup"} | {
        "squared-error",
        "free",
        "--symmetry",
        "--rigorous",
        "float32",
        "Y.npy",
    }


def test_nothing_of_the_package_is_imported():
    """So that the tool works before and after its files move."""
    for part in (golden, golden_commands, golden_text):
        tree = ast.parse(Path(part.__file__).read_text(encoding="utf-8"))
        names = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        names += [a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names]
        assert names and not [name for name in names if name.split(".")[0] == "ufm"]
