"""The planted faults are faults: each changes its file, which still compiles, and has tests that are there."""

import ast

import pytest

from tests import mutants
from tests.mutants_known import EQUIVALENT, KILLERS

FILE = "ufm/agree/verdict.py"


def test_every_fault_changes_the_file_and_nothing_else():
    sound = ast.unparse(ast.parse((mutants.ROOT / FILE).read_text(encoding="utf-8")))
    found = mutants.mutants([FILE])
    texts = [mutants.mutated(one) for one in found]
    assert len(set(texts)) == len(found) > 10 and sound not in texts
    for text in texts:
        compile(text, FILE, "exec")
        assert sum(a != b for a, b in zip(text.splitlines(), sound.splitlines(), strict=True)) == 1


@pytest.mark.parametrize(
    "text", ["x: int = 1", 'def f():\n    "1 + 1"', "raise ValueError(1 + 1)", "import a"]
)
def test_what_computes_nothing_is_left_alone(text):
    """An annotation, a docstring, a message, an import; of the first the value computes."""
    changed = [node for node in mutants.walk(ast.parse(text)) if mutants.change(node)]
    assert len(changed) == (text == "x: int = 1")


def test_every_file_has_its_tests():
    rooms = [path for room in mutants.ROOMS for path in (mutants.ROOT / "ufm" / room).rglob("*.py")]
    for path in rooms:
        for test in mutants.killers(str(path.relative_to(mutants.ROOT))):
            name, _, function = test.partition("::")
            text = "" if test == "--slow" else (mutants.ROOT / name).read_text(encoding="utf-8")
            assert not function or f"def {function.split('[')[0]}(" in text, test
    for name in KILLERS:
        assert [path for path in rooms if str(path.relative_to(mutants.ROOT)).startswith(name)], name
    assert mutants.killers("ufm/certify/dual.py") != mutants.killers("ufm/certify/features.py")


def test_every_explained_fault_can_be_planted():
    rooms = [path for room in mutants.ROOMS for path in (mutants.ROOT / "ufm" / room).rglob("*.py")]
    names = {one.name for one in mutants.mutants([str(path.relative_to(mutants.ROOT)) for path in rooms])}
    assert not set(EQUIVALENT) - names
