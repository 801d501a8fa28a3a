"""The generated files: where they are, how they are read, what they must contain."""

import json
from itertools import zip_longest
from math import isclose
from pathlib import Path

from proofs.engine import render
from ufm.output.files import Outputs
from ufm.theory.theorems.variants.found import NUMERICAL, PROVED

TABLES = Path(__file__).parents[1] / "tables"


def load(names, folder: Path = TABLES) -> list[dict]:
    """The records of these theorems, in order, as far as their files exist."""
    paths = [folder / f"{name}.json" for name in names]
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.exists()]


def rendered(records: list[dict], folder: Path = TABLES) -> dict[Path, str]:
    """Every generated file and its text."""
    files = {}
    for record in records:
        files[folder / f"{record['name']}.json"] = render.dump(record)
        files[folder / f"{record['name']}.md"] = render.markdown(record)
        files[folder / f"{record['name']}.tex"] = render.tex(record)
    summaries = [render.summary(record) for record in records]
    files[folder / "theorems.json"] = render.dump({"theorems": summaries})
    files[folder / "theorems.md"] = render.index(summaries)
    files[folder / "theorems.tex"] = render.tex_index(summaries)
    return files


def write(files: dict[Path, str]) -> None:
    """All of them or none."""
    next(iter(files)).parent.mkdir(exist_ok=True)
    with Outputs({str(path): str(path) for path in files}) as outputs:
        for path, text in files.items():
            with outputs.stage(str(path)) as temporary:
                Path(temporary).write_text(text, encoding="utf-8")


def differences(files: dict[Path, str]) -> list[str]:
    """Files on disk that are not what their JSON renders to, with the first line that differs."""
    found = []
    for path, text in files.items():
        present = path.read_text(encoding="utf-8") if path.exists() else ""
        if present != text:
            pairs = enumerate(zip_longest(present.splitlines(), text.splitlines()), 1)
            line = next((n for n, (one, other) in pairs if one != other), 0)
            found.append(f"{path.name}, line {line}: not what the committed JSON renders to")
    return found


ROUNDING = 256 * 2.0**-52  # of a measured number, as everywhere
BLIND = 1e-9  # relative, of an objective that a blind search ended at


def disagreements(committed: dict, fresh: dict) -> list[str]:
    """What a fresh run contradicts in a committed record."""
    name = fresh["name"]
    loose = {"rows", "comparison"}
    found = [
        f"{name}: {key} differs" for key in fresh if key not in loose and committed.get(key) != fresh[key]
    ]
    found += [f"{name}: unknown entry {key}" for key in committed if key not in fresh]
    found += _comparison_disagreements(name, committed.get("comparison"), fresh["comparison"])
    rows = committed.get("rows", [])
    if len(rows) != len(fresh["rows"]):
        return [*found, f"{name}: {len(rows)} rows committed, {len(fresh['rows'])} in a fresh run"]
    for n, (old, new) in enumerate(zip(rows, fresh["rows"]), 1):
        found += [f"{name}, row {n}: {problem}" for problem in _row_disagreements(old, new)]
    return found


def _comparison_disagreements(name, old, new) -> list[str]:
    if old is None or new is None:
        return [] if old == new else [f"{name}: comparison differs"]
    exact = [f"{name}: comparison {key} differs" for key in ("count", "tolerance") if old[key] != new[key]]
    worst = max(old["worst"], new["worst"])
    return exact + (
        [f"{name}: derived and shipped differ by {worst:.1e}"] if worst > new["tolerance"] else []
    )


def _same_parameters(old: dict, new: dict) -> bool:
    """Equal, numbers to ROUNDING: some are results themselves, like the penalties of a designed law."""
    same = old.keys() == new.keys()
    return same and all(
        isclose(old[key], value, rel_tol=ROUNDING) if isinstance(value, float) else old[key] == value
        for key, value in new.items()
    )


def _numeric_slack(row: dict) -> float:
    """How far the numerical value may be off: by its bound; or by BLIND, where the error is of a given point and
    the value that of the best blind start, further from it than that error, which no bound holds."""
    unit = row["unit"] or 1.0
    given = (row["reason"] or "").endswith((NUMERICAL, PROVED))
    within = row["error"] + row["theory_bound"] + ROUNDING
    beside = given and abs(row["numeric"] - row["predicted"]) > within * unit
    return unit * (BLIND if beside else row["bound"] + ROUNDING)


def _row_disagreements(old: dict, new: dict) -> list[str]:
    """Words and parameters equal; errors within bounds; the two predictions, and the two numerical values,
    apart by no more than both runs' bounds on them, and ROUNDING of the unit: what is measured rounds too."""
    found = [] if old["verdict"] == new["verdict"] else ["verdict differs"]
    if not _same_parameters(old["parameters"], new["parameters"]):
        found.append("parameters differ")
    slack = {
        "predicted": sum(row["theory_bound"] * (row["unit"] or 1.0) for row in (old, new)),
        "numeric": sum(_numeric_slack(row) for row in (old, new)),
    }
    for key, allowed in slack.items():
        one, other = old[key], new[key]
        if (one is None) != (other is None) or (one is not None and not abs(one - other) <= allowed):
            found.append(f"{key} is {one}, a fresh run gives {other}")
    for row in (old, new):
        if not row["error"] <= row["bound"] + row["theory_bound"]:
            found.append(f"error {row['error']} exceeds its bounds")
    return found
