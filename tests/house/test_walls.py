"""The walls of the house, read from the imports of every file: agreement means something only behind them."""

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

ROOT = Path(__file__).resolve().parents[2]
# Which rooms a room imports from: what is not written is forbidden, so a new room begins with nothing.
MAY = {
    "rules": "",
    "loss": "",
    "model": "rules",
    "enclose": "rules",
    "runtime": "rules",
    "optimize": "rules model loss runtime",
    "theory": "rules model",
    "certify": "rules model loss runtime",
    "agree": "rules model loss runtime optimize theory certify enclose",
    "refute": "rules model optimize theory certify agree",
    "network": "rules model loss runtime optimize theory certify agree",
    "output": "rules model runtime agree network",
    "pictures": "rules model optimize theory certify agree network output",
    "report": "rules network output pictures",
    "collect": "rules network output pictures report",
    "explore": "rules theory",
    "commands": "rules model loss runtime optimize theory certify enclose agree refute network output pictures "
    "report explore",
}
DOORS = {"solve", "verify", "compare", "sweep", "conjecture"}  # they import `commands` alone
# What no chain of imports may reach, whatever the table above comes to say.
NEVER = {
    "theory": {"loss", "optimize", "certify", "enclose"},
    "optimize": {"theory", "certify", "enclose"},
    "certify": {"theory", "optimize", "enclose"},
    "enclose": {"loss", "model", "theory", "optimize", "certify"},
    "model": {"loss", "theory", "optimize", "certify", "enclose"},
}
ALONE = {  # rooms that may import a library at the top of a file
    "matplotlib": {"pictures"},
    "tyro": {"commands"},
    "rich": {"commands", "output"},
    "jax": {"loss", "runtime", "optimize", "theory", "certify", "agree", "network", "pictures", "commands"},
}
ONLY = {"flint": "ufm.enclose", "pyarrow": "ufm.output.dataset"}  # inside functions too
PUBLIC_LIMIT = 49
FILES, LINES, FUNCTION = 10, 360, 50  # files in a folder, lines in a file, in a function


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


@cache
def statements_of(text: str, top: bool) -> tuple:
    """Of a file's text, walked once for all planted changes of another file."""
    return tuple(statements(parse(text), top))


def imports(name: str, path: Path, top: bool = False) -> set[str]:
    """Full dotted names imported by a file, `from a import b` as both a and a.b."""
    found = set()
    for node in statements_of(path.read_text(encoding="utf-8"), top):
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


def room_of(name: str) -> str:
    """The room of a module of ufm: its first word; the doors are one room, with the door of a room of its name."""
    word = name.split(".")[1]
    return "doors" if word in DOORS or name.endswith(".__main__") else word


def wall_breaches(edges: dict[str, set[str]]) -> list[str]:
    """Imports between rooms that the table does not allow, and rooms that are reached though they never may."""
    may = {"doors": {"commands"}, "facade": set()} | {name: set(words.split()) for name, words in MAY.items()}
    found = [
        f"{name} imports {target}"
        for name, targets in edges.items()
        for target in sorted(targets)
        if "." in name
        and room_of(target) not in {room_of(name), "facade"}
        and room_of(target) not in may.get(room_of(name), set())
    ]
    for start, never in NEVER.items():
        names = {name for name in edges if "." in name and room_of(name) == start}
        hit = {name for name in reach(edges, names) if "." in name and room_of(name) in never}
        found += [f"{start} reaches {name}" for name in sorted(hit)]
    return found


def library_breaches(root: Path = ROOT) -> list[str]:
    """Imports of what is no file of ufm, from places that may not."""
    found = []
    for name, path in sources(root).items():
        everything, at_import = imports(name, path), imports(name, path, top=True)
        heads = {target.split(".")[0] for target in everything}
        place = room_of(name) if "." in name else ""
        found += [f"{name} imports {head}" for head in sorted(heads & {"proofs", "experiments", "tests"})]
        for head in sorted(heads & set(ONLY)):
            if not f"{name}.".startswith(f"{ONLY[head]}."):
                found.append(f"{name} imports {head}")
        for head in sorted({target.split(".")[0] for target in at_import} & set(ALONE)):
            if place not in ALONE[head]:
                found.append(f"{name} imports {head} at top level")
        if "ufm" in everything:
            found.append(f"{name} imports from the package ufm itself")
        if "__future__.annotations" in everything:
            found.append(f"{name} imports annotations from __future__")
        hidden = {"importlib.import_module", "importlib.util"} & everything
        if name != "ufm.facade" and (hidden or "__import__" in path.read_text(encoding="utf-8")):
            found.append(f"{name} imports by a computed name, which no wall can see")
    return found


def facade_breaches(root: Path = ROOT) -> list[str]:
    """Names that cross from room to room and are not in the facade of theirs, or come from a file not their own."""
    files = sources(root)
    named = {room: facade_of(files[f"ufm.{room}"]) for room in MAY if room not in ("loss", "commands")}
    found = []
    for name, path in files.items():
        for node in statements_of(path.read_text(encoding="utf-8"), False):
            if "." not in name or not isinstance(node, ast.ImportFrom) or node.module not in files:
                continue
            target, names = node.module, {alias.name for alias in node.names}
            if target.count(".") < 2 or f"{target}.{min(names)}" in files or room_of(target) == room_of(name):
                continue
            file = target.split(".", 2)[2]
            missing = names - named.get(room_of(target), {}).get(file, names)
            found += [f"{name} takes {word} of {target}, which its facade lacks" for word in sorted(missing)]
    return found


def facade_of(path: Path) -> dict[str, set[str]]:
    """Names by file, from the one call of `facade` in a room's __init__."""
    calls = [node for node in ast.walk(parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    (call,) = [node for node in calls if getattr(node.func, "id", "") == "facade"]
    return {file: set(names.split()) for file, names in ast.literal_eval(call.args[1]).items()}


def test_walls_hold():
    assert wall_breaches(graph()) == []
    assert library_breaches() == []


def test_what_crosses_rooms_is_in_a_facade():
    assert facade_breaches() == []


def test_every_file_was_read():
    """The checker sees the rooms it is about; an empty graph would hold every wall."""
    edges = graph()
    assert {room_of(name) for name in edges if "." in name} == {*MAY, "doors", "facade"}
    assert "ufm.theory.features" in edges["ufm.theory.predict"]
    # imports inside functions count
    assert reach(edges, ["ufm.solve"]) >= {"ufm.commands.runs.features", "ufm.enclose.features", "ufm.loss"}


PLANTED = [
    ("ufm.theory.features", "ufm.loss", "ufm.theory.features imports ufm.loss"),
    ("ufm.theory.features", "ufm.loss", "theory reaches ufm.loss"),
    ("ufm.model.laws", "ufm.optimize.features", "theory reaches ufm.optimize.features"),  # through a room
    ("ufm.optimize.features", "ufm.theory.predict", "optimize reaches ufm.theory.predict"),
    ("ufm.certify.joint", "ufm.theory.predict", "certify reaches ufm.theory.predict"),
    ("ufm.enclose.joint", "ufm.model.laws", "ufm.enclose.joint imports ufm.model.laws"),
    ("ufm.runtime.devices", "ufm.agree.verdict", "ufm.runtime.devices imports ufm.agree.verdict"),
    ("ufm.solve", "ufm.agree.features", "ufm.solve imports ufm.agree.features"),
    ("ufm.explore.__main__", "ufm.explore.document", "ufm.explore.__main__ imports ufm.explore.document"),
    ("ufm.newroom.file", "ufm.rules.errors", "ufm.newroom.file imports ufm.rules.errors"),
]


@pytest.mark.parametrize("source, target, breach", PLANTED, ids=[breach for *_, breach in PLANTED])
def test_a_planted_arrow_is_found(source, target, breach):
    """Negative control: the same graph with one arrow more."""
    edges = {name: set(targets) for name, targets in graph().items()}
    edges.setdefault(source, set()).add(target)
    assert breach in wall_breaches(edges)


LINES_PLANTED = [
    ("model/etf.py", "from proofs import anything", "ufm.model.etf imports proofs"),
    ("network/comparison.py", "import tests.oracle", "ufm.network.comparison imports tests"),
    ("agree/features.py", "import flint", "ufm.agree.features imports flint"),
    ("output/files.py", "def f():\n    import pyarrow", "ufm.output.files imports pyarrow"),
    (
        "model/cases.py",
        "if True:\n    import matplotlib.pyplot",
        "ufm.model.cases imports matplotlib at top level",
    ),
    ("model/cases.py", "import jax", "ufm.model.cases imports jax at top level"),
    ("agree/verdict.py", "from ufm import Problem", "ufm.agree.verdict imports from the package ufm itself"),
    (
        "model/roots.py",
        "from __future__ import annotations",
        "ufm.model.roots imports annotations from __future__",
    ),
    (
        "model/etf.py",
        "from importlib import import_module",
        "ufm.model.etf imports by a computed name, which no wall can see",
    ),
    (
        "pictures/plane.py",
        "from ufm.model.quadrature import gauss_unknown",
        "ufm.pictures.plane takes gauss_unknown of ufm.model.quadrature, which its facade lacks",
    ),
]


@pytest.mark.parametrize("file, line, breach", LINES_PLANTED, ids=[breach for *_, breach in LINES_PLANTED])
def test_a_planted_import_is_found(tmp_path, file, line, breach):
    """Negative control: the same tree with one forbidden line."""
    for path in sources().values():
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    with open(tmp_path / "ufm" / file, "a", encoding="utf-8") as target:
        target.write(f"\n{line}\n")
    assert breach in library_breaches(tmp_path) + facade_breaches(tmp_path)


@pytest.mark.parametrize("room", sorted(set(MAY) - {"loss"}))
def test_a_room_says_what_each_of_its_files_is_for(room):
    folder = ROOT / "ufm" / room
    _, table = import_module(f"ufm.{room}").__doc__.split("\n\n", 1)
    said = {line.split()[0] for line in table.splitlines() if line.strip()}
    files = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    assert said == files | {f"{path.parent.name}/" for path in folder.glob("*/*.py")}


@pytest.mark.parametrize("room", sorted(set(MAY) - {"loss", "commands"}))
def test_a_facade_gives_what_its_files_define(room):
    folder = ROOT / "ufm" / room
    for file, names in facade_of(folder / "__init__.py").items():
        tree = parse((folder / f"{file.replace('.', '/')}.py").read_text(encoding="utf-8"))
        bound = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
        bound |= {
            node.id
            for node in ast.walk(tree)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
        assert names <= bound
        assert not names & {path.stem for path in folder.iterdir()}, "a file would hide the name"


def long_functions(text: str, most: int) -> dict[str, int]:
    """Functions of more lines than that, signature and docstring counted."""
    sizes = {
        node.name: (node.end_lineno or 0) - node.lineno + 1
        for node in ast.walk(parse(text))
        if isinstance(node, ast.FunctionDef)
    }
    return {name: size for name, size in sizes.items() if size > most}


def test_functions_are_short():
    for path in sources().values():
        assert long_functions(path.read_text(encoding="utf-8"), FUNCTION) == {}, path.name
    assert long_functions("def f():\n" + "    pass\n" * FUNCTION, FUNCTION) == {"f": FUNCTION + 1}


def test_folders_and_files_are_small():
    sizes = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in sources().values()}
    assert {path.name: size for path, size in sizes.items() if size > LINES} == {}
    counts = {}
    for path in sizes:
        if path.name != "__init__.py" and path.parent != ROOT / "ufm":
            counts[path.parent] = counts.get(path.parent, 0) + 1
    assert {folder.name: count for folder, count in counts.items() if count > FILES} == {}


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


def loads(*names: str) -> set[str]:
    """Everything that importing some modules of ufm loads: files of ufm by name, libraries by their first word."""
    files, found, open_ = sources(), set(), list(names)
    while open_:
        name = open_.pop()
        if name in found:
            continue
        found.add(name)
        targets = imports(name, files[name], top=True)
        found |= {target.split(".")[0] for target in targets}
        open_ += [target for target in targets if target in files]
        open_ += [parent for parent in parents(name) if parent in files]
    return found


LIGHT = (
    "ufm.solve",
    "ufm.sweep",
    "ufm.commands.grid_file",
    "ufm.output.dataset",
    "ufm.commands.inputs",
    "ufm.output.files",
    "ufm.network.collapse.flat",
)
HEAVY = {"jax", "jaxlib", "flint", "matplotlib", "optax"}


@pytest.mark.parametrize(
    "names, absent",
    [
        (["ufm"], {"numpy", "tyro", "rich"} | HEAVY),
        *(([name], HEAVY) for name in LIGHT),
        (["ufm.theory.sharpness"], {"ufm.loss", "ufm.optimize.features", "flint"}),
        (["ufm.theory.predict", "ufm.theory.multiplier"], {"ufm.loss", "ufm.optimize", "flint"}),
        (
            ["ufm.optimize.features", "ufm.optimize.descent"],
            {"ufm.theory", "ufm.enclose.features", "flint"},
        ),
        (["ufm.certify.features"], {"ufm.theory", "ufm.optimize", "ufm.enclose.features", "flint"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_an_import_loads(names, absent):
    assert not loads(*names) & absent


def test_what_is_loaded_at_the_top_of_a_file_is_seen():
    assert {"jax", "ufm.loss", "ufm.rules.numbers", "numpy"} <= loads("ufm.certify.features")
    assert {"optax", "ufm.optimize.newton"} <= loads("ufm.optimize.descent")


def test_what_commands_load_before_their_flags_are_read():
    """The same at run time, in a fresh interpreter: of libraries too, whose own imports no graph of ours has."""
    found = loaded_after(
        "import ufm\nassert 'numpy' not in __import__('sys').modules\nimport " + ", ".join(LIGHT)
    )
    assert not found & HEAVY
    assert {name for name in found if name.split(".")[0] == "ufm"} == {
        name for name in loads(*LIGHT) if name.split(".")[0] == "ufm"
    }


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
