"""`proofs` and `experiments` as the map says: a theorem is one value and one file; doors are at the top."""

import ast
from importlib import import_module

import pytest

from tests.house.test_walls import FILES, LINES, ROOT, imports, module_name, parse
from ufm.theory.theorems.catalogue import THEOREMS

PROOF_DOORS = {"__init__", "__main__", "refute"}
STRANGERS = {"proofs": {"experiments", "tests"}, "experiments": {"proofs", "tests"}}


def sizes(house: str) -> dict[str, int]:
    """Lines of every file of proofs or experiments, by its path from there."""
    paths = sorted((ROOT / house).rglob("*.py"))
    return {
        path.relative_to(ROOT / house).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in paths
    }


def size_breaches(lines: dict[str, int]) -> list[str]:
    """Files that are too long, and rooms of too many files; the top may hold any number of doors."""
    found = [f"{name} has {count} lines" for name, count in lines.items() if count > LINES]
    rooms = [name.rpartition("/")[0] for name in lines if not name.endswith("__init__.py")]
    return found + [
        f"{room}/ has {rooms.count(room)} files"
        for room in sorted({*rooms} - {""})
        if rooms.count(room) > FILES
    ]


def proof_files() -> dict[str, set[str]]:
    """The functions of every file at the top of proofs that is no door."""
    found = {}
    for path in (ROOT / "proofs").glob("*.py"):
        body = parse(path.read_text(encoding="utf-8")).body
        found[path.stem] = {node.name for node in body if isinstance(node, ast.FunctionDef)}
    return {name: names for name, names in found.items() if name not in PROOF_DOORS}


def proof_breaches(theorems, files: dict[str, set[str]]) -> list[str]:
    """Theorems without a file, files without a theorem, files without a proof or settings to check it at."""
    names = {name.replace("-", "_") for name in theorems}
    found = [f"no file proves {name}" for name in sorted(names - set(files))]
    found += [f"{name}.py proves no theorem" for name in sorted(set(files) - names)]
    return found + [
        f"{name}.py has no {word}"
        for name in sorted(names & set(files))
        for word in sorted({"derive", "settings"} - files[name])
    ]


def house_imports(house: str) -> dict[str, set[str]]:
    """Everything that each module of proofs or experiments imports, inside functions too."""
    paths = sorted((ROOT / house).rglob("*.py"))
    return {module_name(ROOT, path): imports(module_name(ROOT, path), path) for path in paths}


def import_breaches(house: str, edges: dict[str, set[str]]) -> list[str]:
    """Imports of another house, and of a door: a door is run, and what others need is in a room."""
    top = {f"{house}.{path.stem}" for path in (ROOT / house).glob("*.py")} - {f"{house}.__init__"}
    doors = top if house == "experiments" else {f"proofs.{name}" for name in PROOF_DOORS}
    found = []
    for name, targets in edges.items():
        heads = {target.split(".")[0] for target in targets}
        found += [f"{name} imports {head}" for head in sorted(heads & STRANGERS[house])]
        found += [f"{name} imports the door {door}" for door in sorted(targets & doors - {name})]
    return found


@pytest.mark.parametrize("house", STRANGERS)
def test_files_and_rooms_are_small(house):
    assert size_breaches(sizes(house)) == []


def test_a_planted_size_is_found():
    lines = sizes("experiments")
    assert size_breaches(lines | {"train.py": LINES + 1}) == [f"train.py has {LINES + 1} lines"]
    assert size_breaches(lines | {f"attic/{n}.py": 1 for n in range(FILES + 1)}) == [
        f"attic/ has {FILES + 1} files"
    ]


def test_a_theorem_is_one_value_and_one_file():
    assert proof_breaches(THEOREMS, proof_files()) == []


def test_a_planted_theorem_and_a_planted_file_are_found():
    files = proof_files()
    assert proof_breaches({*THEOREMS, "new-one"}, files) == ["no file proves new_one"]
    assert proof_breaches(THEOREMS, files | {"lemma": {"derive", "settings"}}) == [
        "lemma.py proves no theorem"
    ]
    assert proof_breaches(THEOREMS, files | {"duality": {"derive"}}) == ["duality.py has no settings"]


@pytest.mark.parametrize("house", STRANGERS)
def test_houses_and_doors_are_left_alone(house):
    assert import_breaches(house, house_imports(house)) == []


PLANTED = [
    ("proofs", "proofs.duality", "experiments.minimal", "proofs.duality imports experiments"),
    (
        "proofs",
        "proofs.engine.record",
        "proofs.refute",
        "proofs.engine.record imports the door proofs.refute",
    ),
    ("experiments", "experiments.peers.ours", "tests.oracle", "experiments.peers.ours imports tests"),
    (
        "experiments",
        "experiments.terminal.runs",
        "experiments.train",
        "experiments.terminal.runs imports the door experiments.train",
    ),
]


@pytest.mark.parametrize("house, source, target, breach", PLANTED, ids=[breach for *_, breach in PLANTED])
def test_a_planted_import_is_found(house, source, target, breach):
    edges = house_imports(house)
    assert import_breaches(house, edges | {source: edges[source] | {target}}) == [breach]


@pytest.mark.parametrize("room", ["engine", "tools", "hunt"])
def test_a_room_of_proofs_says_what_each_of_its_files_is_for(room):
    _, table = import_module(f"proofs.{room}").__doc__.split("\n\n", 1)
    said = {line.split()[0] for line in table.splitlines() if line.strip()}
    assert said == {path.stem for path in (ROOT / "proofs" / room).glob("*.py")} - {"__init__"}
