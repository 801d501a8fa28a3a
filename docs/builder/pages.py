"""Pages made from the code at build time, into docs/generated/, which git ignores: the theorems and the API."""

import inspect
import json
import shutil
from importlib import import_module
from pathlib import Path

import ufm
from docs.builder import gallery
from docs.builder.docstrings import prose
from ufm.explore.document import explorer_page

ROOT = Path(__file__).resolve().parents[2]
TABLES, GENERATED = ROOT / "proofs" / "tables", ROOT / "docs" / "generated"
PICTURES = ("figures", "phases")  # folders of docs/ with pictures and captions.json
FOOT = """
On your own parameters: `python -m ufm.verify --classes 7 --alpha 0.4`. The derivation is `proofs/{file}.py`, the
theorem as a value is `{name}` of `ufm.theory.THEOREMS`.
"""


def make(folder: Path = GENERATED) -> None:
    """All pages; what was there before is removed, so that no page outlives its theorem or room."""
    shutil.rmtree(folder, ignore_errors=True)
    theorems(folder / "theorems")
    api(folder / "api")
    explorer(folder / "whole")
    gallery.notebooks(folder / "gallery")


def explorer(folder: Path) -> None:
    """The explorer as it is, beside the pages: `html_extra_path` copies it to their top."""
    folder.mkdir(parents=True)
    (folder / "ufm.html").write_text(explorer_page(), encoding="utf-8")


# --- theorems ------------------------------------------------------------------------------------------------


def theorems(folder: Path) -> None:
    """A page a theorem: the committed page of its proof and checks, a picture of the checks; and their index."""
    from ufm.theory import THEOREMS

    folder.mkdir(parents=True)
    for name, theorem in THEOREMS.items():
        record = json.loads((TABLES / f"{name}.json").read_text(encoding="utf-8"))
        _require_fresh(theorem, record)
        draw_checks(record["rows"], folder / f"{name}.svg")
        (folder / f"{name}.md").write_text(theorem_page(record), encoding="utf-8")
    summaries = json.loads((TABLES / "theorems.json").read_text(encoding="utf-8"))["theorems"]
    (folder / "index.md").write_text(theorem_index(summaries), encoding="utf-8")
    (folder / "scopes.md").write_text(scope_index(THEOREMS.values()), encoding="utf-8")


def _require_fresh(theorem, record: dict) -> None:
    """ValueError where the committed table is of another theorem than the one in the package."""
    said = [assumption.text for assumption in theorem.assumptions]
    if (theorem.statement, said) != (record["statement"], record["assumptions"]):
        raise ValueError(f"proofs/tables/{theorem.name}.json is out of date: run python -m proofs")


def theorem_page(record: dict) -> str:
    """Statement, assumptions, figures, proof steps, picture of the checks, table."""
    name = record["name"]
    text = (TABLES / f"{name}.md").read_text(encoding="utf-8")
    text = text.replace("## Proof", figures(name) + "## Proof", 1)
    head, mark, tail = text.partition("## Checks\n\n")
    picture = f"![Error and bounds of every row of the table below]({name}.svg)\n\n"
    return head + mark + picture + tail + FOOT.format(name=name, file=name.replace("-", "_"))


def figures(theorem: str) -> str:
    """What `experiments.theorem_figures` and `experiments.phase_diagram` drew of a theorem, with their captions."""
    found = []
    for folder in PICTURES:
        words = json.loads((ROOT / "docs" / folder / "captions.json").read_text(encoding="utf-8"))
        for name, said in words.items():
            if said["theorem"] == theorem:
                found.append(f"![{said['alt']}](../../{folder}/{name}.png)\n\n{said['caption']}\n\n")
    return "".join(found)


def theorem_index(summaries: list[dict]) -> str:
    """The table of all theorems, and the order of their pages."""
    lines = [
        "# Every theorem",
        "",
        "Errors and bounds are the worst of a theorem's rows, relative to the largest prediction, or in √nats for "
        "joint optima; for an inequality the error is what exceeds it, 0 if nothing does.",
        "",
        "| theorem | says | steps (symbolic + formal + argued) | worst error | worst bound | verdict |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for s in summaries:
        worst = " | ".join(size(s[key]) for key in ("worst_error", "worst_bound"))
        steps = f"{s['symbolic']} + {s['formal']} + {s['argued']}"
        lines.append(
            f"| [{s['name']}]({s['name']}.md) | {s['title']} | {steps} | {worst} | {s['enclosure']} |"
        )
    names = "\n".join(["scopes", *(s["name"] for s in summaries)])
    return "\n".join(lines) + f"\n\n```{{toctree}}\n:hidden:\n\n{names}\n```\n"


def scope_index(theorems) -> str:
    """Theorems by loss, constraint, bias and balance of classes: what their assumptions admit."""
    from ufm.theory.theorems.scope import ASPECTS, CLASSICAL, admits, constraint

    heads = ("theorem", "loss", "W", "bias", "classes", "known as")
    lines = [
        "# Theorems by loss, constraint, bias and balance",
        "",
        "What the assumptions of each admit; `all` where none is about it. `fixed`: W is given; `free`: "
        "W is penalised. "
        "The same on the command line: `python -m ufm.verify --list --loss squared-error --balance weighted`.",
        "",
        f"| {' | '.join(heads)} |",
        "| --- " * len(heads) + "|",
    ]
    for t in theorems:
        found = {
            name: [value for value in values if admits(t, name, value)] for name, values in ASPECTS.items()
        }
        loss, bias, balance = (
            "all" if found[name] == list(ASPECTS[name]) else ", ".join(found[name]) for name in ASPECTS
        )
        cells = (f"[{t.name}]({t.name}.md)", loss, constraint(t), bias, balance, CLASSICAL.get(t.name, ""))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def size(value: float | None) -> str:
    """An error or a bound: two digits."""
    return "" if value is None else "0" if value == 0 else f"{value:.1e}"


def draw_checks(rows: list[dict], path: Path) -> None:
    """Error of every row as a dot, under a line at what its two bounds allow."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(7, 2.4), layout="constrained")
    axes = figure.subplots()
    across, floor = range(1, len(rows) + 1), 1e-18
    allowed = [row["bound"] + row["theory_bound"] for row in rows]
    axes.plot(across, allowed, "_", color="tab:orange", markersize=9, label="allowed: bound + rounding")
    errors = [max(row["error"] or 0, floor) for row in rows]
    axes.plot(across, errors, "o", color="tab:blue", markersize=3.5, label=f"error ({floor:.0e}: none)")
    axes.set(yscale="log", xlabel="row of the table", ylim=(floor / 3, None))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderpad=0)
    figure.savefig(path, metadata={"Date": None})


# --- API -----------------------------------------------------------------------------------------------------


def api(folder: Path) -> None:
    """A page for the public names of `ufm`, and one for the facade of each room."""
    folder.mkdir(parents=True)
    for name in ("ufm", *rooms()):
        (folder / f"{name}.rst").write_text(api_page(name), encoding="utf-8")


def rooms() -> list[str]:
    """The rooms that have a facade: packages of ufm with public names."""
    names = [f"ufm.{path.parent.name}" for path in sorted((ROOT / "ufm").glob("*/__init__.py"))]
    return [name for name in names if getattr(import_module(name), "__all__", None)]


def api_page(name: str) -> str:
    """Every public name with its signature and docstring; constants with their value."""
    module = import_module(name)
    title = "The public names of ufm" if name == "ufm" else f"Names of {name}"
    lines = [title, "=" * len(title), "", f".. currentmodule:: {name}", ""]
    about, _, files = inspect.getdoc(module).partition("\n\n")
    lines += [] if name == "ufm" else [prose(" ".join(about.split())), "", "::", "", *_indented(files), ""]
    for word in module.__all__:
        lines += (
            [_link(word)] if name != "ufm" and word in ufm.__all__ else _entry(word, getattr(module, word))
        )
    return "\n".join(lines) + "\n"


def _entry(name: str, thing) -> list[str]:
    if inspect.isclass(thing):
        kind = "autoexception" if issubclass(thing, Exception) else "autoclass"
        return [f".. {kind}:: {name}", "   :members:", ""]
    if callable(thing) and inspect.getdoc(thing) and hasattr(thing, "__name__"):
        return [f".. autofunction:: {name}", ""]
    return [f".. py:data:: {name}", "", *_indented(_value(thing)), ""]


def _link(name: str) -> str:
    """A public name has its entry on the page of `ufm`."""
    return f":py:obj:`{name} <ufm.{name}>`: a public name of ufm.\n"


def _value(thing) -> str:
    """A constant in a line of reStructuredText: its value where that is short, else its keys or type."""
    if isinstance(thing, dict):
        return "A table of " + ", ".join(f"``{key}``" for key in thing) + "."
    text = repr(thing).replace("\n", " ")
    return f"``{text}``" if len(text) < 120 else f"A value of type ``{type(thing).__name__}``."


def _indented(text: str) -> list[str]:
    return ["   " + line for line in text.splitlines()]


def setup(app) -> dict:
    """The pages are made before Sphinx looks for files."""
    app.connect("config-inited", lambda app, config: make())
    return {"parallel_read_safe": True, "parallel_write_safe": True}
