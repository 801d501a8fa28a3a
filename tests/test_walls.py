"""The walls of DESIGN.md, read from the imports of every file: agreement means something only behind them."""

import ast
import inspect
import json
import subprocess
import sys
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

import ufm

ROOT = Path(__file__).resolve().parent.parent
# the command's modules, and the only importers of a CLI library, rich or matplotlib at top level
FRONT = {"ufm.solve", "ufm.commands.runs.features", "ufm.output.text", "ufm.pictures.features"}
FRONT |= {
    "ufm.commands.runs.joint",
    "ufm.output.text_joint",
    "ufm.pictures.joint",
    "ufm.verify",
    "ufm.commands.runs.verify",
}
FRONT |= {
    "ufm.compare",
    "ufm.commands.runs.compare",
    "ufm.output.text_compare",
    "ufm.pictures.compare",
    "ufm.output.page",
}
FRONT |= {"ufm.sweep", "ufm.commands.runs.sweep", "ufm.output.progress"}
JUDGES = {
    "ufm.agree.rigour",
    "ufm.agree.joint",
    "ufm.agree.theorem",
}  # may ask the balls whether a stated bound holds
BALLS = {"ufm.enclose.features", "ufm.enclose.joint"}  # one room in two files: the only importers of flint
PUBLIC_LIMIT = 30


def module_name(root: Path, path: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def sources(root: Path = ROOT) -> dict[str, Path]:
    """Every module of the package `ufm` under root, by name."""
    return {module_name(root, path): path for path in sorted((root / "ufm").rglob("*.py"))}


def package(name: str, path: Path, level: int) -> str:
    """What a relative import of the given level starts from."""
    parts = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    return ".".join(parts[: len(parts) - level + 1])


@cache
def parse(text: str) -> ast.Module:
    return ast.parse(text)


def statements(tree: ast.AST, top: bool):
    """Import statements; top: only those that run when the file is imported."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif not (top and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)):
            yield from statements(node, top)


def imports(name: str, path: Path, top: bool = False) -> set[str]:
    """Full dotted names imported by a file, `from a import b` as both a and a.b."""
    found = set()
    for node in statements(parse(path.read_text(encoding="utf-8")), top):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
            continue
        base = node.module or ""
        if node.level:
            base = f"{package(name, path, node.level)}.{base}".rstrip(".")
        found |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    return found


def graph(root: Path = ROOT) -> dict[str, set[str]]:
    """Which modules of ufm a module imports, anywhere in it. The lazy package file itself is not an edge."""
    files = sources(root)
    found = {}
    for name, path in files.items():
        targets = {target for target in imports(name, path) if target in files}
        # importing a.b.c runs a.b/__init__ as well
        targets |= {parent for target in targets for parent in parents(target) if parent in files}
        found[name] = targets - {"ufm", name}
    return found


def parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:n]) for n in range(1, len(parts))]


def reach(edges: dict[str, set[str]], starts) -> set[str]:
    """Everything reached from the starts, the starts included."""
    found, open_ = set(), list(starts)
    while open_:
        name = open_.pop()
        if name not in found:
            found.add(name)
            open_ += edges[name]
    return found


def room(names, prefix: str) -> set[str]:
    return {name for name in names if name == prefix or name.startswith(prefix + ".")}


# who must not reach whom, directly or through another room
FORBIDDEN = [
    ("ufm.theory", "ufm.loss"),
    ("ufm.theory", "ufm.optimize"),
    ("ufm.optimize", "ufm.theory"),
    ("ufm.certify.features", "ufm.theory"),
    ("ufm.certify.features", "ufm.optimize"),
    ("ufm.enclose.features", "ufm.theory"),
    ("ufm.enclose.features", "ufm.optimize"),
    ("ufm.enclose.features", "ufm.loss"),  # the loss is written a second time there, on purpose
    ("ufm.enclose.features", "ufm.certify.features"),
    ("ufm.enclose.joint", "ufm.theory"),
    ("ufm.enclose.joint", "ufm.optimize"),
    ("ufm.enclose.joint", "ufm.loss"),
    ("ufm.enclose.joint", "ufm.certify.joint"),
    ("ufm.certify.joint", "ufm.theory"),
    ("ufm.certify.joint", "ufm.optimize"),
    ("ufm.theory", "ufm.certify.joint"),
    ("ufm.optimize", "ufm.certify.joint"),
    ("ufm.theory", "ufm.certify.features"),
    ("ufm.theory", "ufm.enclose.features"),
    ("ufm.optimize", "ufm.certify.features"),
    ("ufm.optimize", "ufm.enclose.features"),
    ("ufm.model.problem", "ufm.theory"),
    ("ufm.model.problem", "ufm.optimize"),
]


def breaches(root: Path = ROOT) -> list[str]:
    """Every breach of every wall, in words."""
    files, edges = sources(root), graph(root)
    found = []
    for source, target in FORBIDDEN:
        hit = room(reach(edges, room(edges, source)), target)
        found += [f"{source} reaches {name}" for name in sorted(hit)]
    for name, path in files.items():
        everything, at_import = imports(name, path), imports(name, path, top=True)
        heads = {target.split(".")[0] for target in everything}
        found += [f"{name} imports {head}" for head in sorted(heads & {"proofs", "experiments", "tests"})]
        if "flint" in heads and name not in BALLS:
            found.append(f"{name} imports flint")
        if name not in BALLS | JUDGES:
            found += [f"{name} imports {ball}" for ball in sorted(BALLS & everything)]
        screens = {target.split(".")[0] for target in at_import} & {"tyro", "rich", "matplotlib"}
        if screens and name not in FRONT:
            found.append(f"{name} imports {', '.join(sorted(screens))} at top level")
        if "ufm" in everything:
            found.append(f"{name} imports from the package ufm itself")
        if "__future__.annotations" in everything:
            found.append(f"{name} imports annotations from __future__")
        if name != "ufm" and ({"importlib.import_module", "importlib.util"} & everything):
            found.append(f"{name} imports by a computed name, which no wall can see")
        if "__import__" in path.read_text(encoding="utf-8"):
            found.append(f"{name} imports by a computed name, which no wall can see")
    return found


def test_walls_hold():
    assert breaches() == []


def test_every_file_was_read():
    """The checker sees the rooms it is about; an empty graph would hold every wall."""
    edges = graph()
    rooms = {start.split(".")[1] for start, _ in FORBIDDEN} | {"solve", "session", "agreement"}
    assert {f"ufm.{name}" for name in rooms} <= set(edges)
    assert "ufm.theory.features" in edges["ufm.theory.predict"]
    assert room(reach(edges, ["ufm.commands.runs.features"]), "ufm.theory") and "ufm.loss" in reach(
        edges, ["ufm.commands.runs.features"]
    )
    assert reach(edges, ["ufm.solve"]) >= {
        "ufm.commands.runs.features",
        "ufm.enclose.features",
    }  # imports inside functions count


PLANTED = [
    ("theory/features.py", "from ufm.loss import LOSSES", "ufm.theory reaches ufm.loss"),
    (
        "labels.py",
        "import ufm.optimize.features",
        "ufm.theory reaches ufm.optimize.features",
    ),  # through a room
    ("theory/new.py", "def f():\n    from ..objective import LOSSES", "ufm.theory reaches ufm.loss"),
    ("optimize/features.py", "import ufm.theory.predict as t", "ufm.optimize reaches ufm.theory.predict"),
    (
        "certificate.py",
        "from ufm.theory.predict import EPS",
        "ufm.certify.features reaches ufm.theory.predict",
    ),
    ("enclosure.py", "from ufm import optimize", "ufm.enclose.features reaches ufm.optimize"),
    ("etf.py", "from proofs import anything", "ufm.model.etf imports proofs"),
    ("metrics.py", "import tests.oracle", "ufm.network.measures.metrics imports tests"),
    ("agreement.py", "import flint", "ufm.agree.features imports flint"),
    ("cases.py", "if True:\n    import matplotlib.pyplot", "ufm.model.cases imports matplotlib at top level"),
    ("verdict.py", "from ufm import Problem", "ufm.agree.verdict imports from the package ufm itself"),
    ("roots.py", "from __future__ import annotations", "ufm.model.roots imports annotations from __future__"),
    (
        "etf.py",
        "from importlib import import_module",
        "ufm.model.etf imports by a computed name, which no wall can see",
    ),
]


@pytest.mark.parametrize("file, line, breach", PLANTED, ids=[breach for *_, breach in PLANTED])
def test_a_planted_import_is_found(tmp_path, file, line, breach):
    """Negative control: the same tree with one forbidden line."""
    for path in sources().values():
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    target = tmp_path / "ufm" / file
    target.write_text((target.read_text(encoding="utf-8") if target.exists() else "") + f"\n{line}\n")
    assert breach in breaches(tmp_path)


def test_imports_have_no_cycle():
    """Data runs one way, so imports do (a package file and its members aside)."""
    edges = graph()
    for name, targets in edges.items():
        back = {target for target in targets if name in reach(edges, [target])}
        assert not back, f"{name} and {sorted(back)} import each other"


def test_minimal_stands_alone():
    """experiments/minimal.py rederives the headline numbers without ufm, in at most 150 lines."""
    path = ROOT / "experiments" / "minimal.py"
    heads = {name.split(".")[0] for name in imports("experiments.minimal", path)}
    assert not heads & {"ufm", "proofs", "tests", "experiments", "importlib", "runpy", "subprocess"}
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 150


def loaded_after(code: str) -> set[str]:
    """Modules in a fresh interpreter after running some code."""
    script = f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)
    return set(json.loads(run.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    "code, absent",
    [
        ("import ufm", {"jax", "numpy", "flint", "tyro", "rich", "matplotlib"}),
        ("import ufm.solve", {"jax", "jaxlib", "flint", "matplotlib", "optax"}),
        (
            "import ufm.sweep, ufm.commands.grid_file, ufm.output.dataset",
            {"jax", "jaxlib", "flint", "matplotlib", "optax"},
        ),
        ("import ufm.commands.inputs, ufm.output.files", {"jax", "jaxlib", "flint", "matplotlib", "optax"}),
        ("import ufm.theory.sharpness", {"ufm.loss", "ufm.optimize", "flint"}),
        ("import ufm.theory.predict, ufm.theory.multiplier", {"ufm.loss", "ufm.optimize", "flint"}),
        (
            "import ufm.optimize.features, ufm.optimize.descent",
            {"ufm.theory", "ufm.enclose.features", "flint"},
        ),
        ("import ufm.certify.features", {"ufm.theory", "ufm.optimize", "ufm.enclose.features", "flint"}),
    ],
)
def test_what_an_import_loads(code, absent):
    """The same walls as they are at run time, in a fresh interpreter."""
    assert not loaded_after(code) & absent


def test_importing_leaves_jax_alone():
    modules = "jax, ufm, ufm.model.problem, ufm.theory.predict, ufm.optimize.features"
    assert "jax" in loaded_after(f"import {modules}\nassert not jax.config.jax_enable_x64")


def test_public_names_are_few():
    assert len(ufm.__all__) == len(set(ufm.__all__)) <= PUBLIC_LIMIT
    assert set(ufm.__all__) <= set(dir(ufm))


@pytest.mark.parametrize("name", ufm.__all__)
def test_public_name_resolves_and_says_what_it_is(name):
    thing = getattr(ufm, name)
    text = inspect.getdoc(thing)
    assert text and not text.startswith(f"{name}("), "a docstring of its own, not one made by dataclass"


def test_an_unknown_public_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nonsense"):
        _ = ufm.nonsense


def test_every_public_function_of_every_module_has_a_docstring():
    """The library documents itself; files included."""
    bare = []
    for name in sources():
        module = import_module(name)
        things = {"": module} | {
            key: value
            for key, value in vars(module).items()
            if not key.startswith("_")
            and getattr(value, "__module__", None) == name
            and (inspect.isfunction(value) or inspect.isclass(value))
        }
        bare += [f"{name}.{key}".rstrip(".") for key, value in things.items() if not inspect.getdoc(value)]
    assert bare == []
