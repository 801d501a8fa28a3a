"""What a release holds, by names; `python -m tests.release` builds one and uses it."""

import re

import pytest

import ufm
from tests.release import IN_SDIST, ROOT, main, package_files, sdist_faults, tools, wheel_faults

SOURCES = {"ufm/__init__.py", "ufm/py.typed"}
WHEEL = [*sorted(SOURCES), "ufm-0.2.0.dist-info/METADATA"]
SDIST = [f"ufm-0.2.0/{name}" for name in (*sorted(SOURCES), *IN_SDIST)]


def test_right_names_pass():
    assert wheel_faults(WHEEL, SOURCES) == [] and sdist_faults(SDIST, SOURCES) == []


@pytest.mark.parametrize(
    "name", ["tests/oracle.py", "proofs/grid.py", "experiments/train.py", "docs/conf.py", "ufm/old.py"]
)
def test_a_wheel_with_more_is_refused(name):
    assert wheel_faults([*WHEEL, name], SOURCES) == [f"the wheel holds {name}"]


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_a_wheel_with_less_is_refused(name):
    assert wheel_faults([held for held in WHEEL if held != name], SOURCES) == [f"the wheel lacks {name}"]


@pytest.mark.parametrize("name", IN_SDIST)
def test_an_sdist_with_less_is_refused(name):
    held = [other for other in SDIST if other != f"ufm-0.2.0/{name}"]
    assert sdist_faults(held, SOURCES) == [f"the sdist lacks {name}"]


@pytest.mark.parametrize("name", ["docs/generated/api/ufm.rst", "tests/__pycache__/x.txt", "proofs/old.pyc"])
def test_an_sdist_with_what_was_made_is_refused(name):
    assert sdist_faults([*SDIST, f"ufm-0.2.0/{name}"], SOURCES) == [f"the sdist holds {name}"]


def test_the_package_is_its_sources_and_its_types():
    assert {"ufm/py.typed", "ufm/__init__.py", "ufm/theory/features.py"} <= package_files()
    assert all(name.startswith("ufm/") for name in package_files())


def test_the_version_is_said_once():
    """The metadata take it from the package; the citation and the changelog name the same."""
    assert 'dynamic = ["version"]' in (ROOT / "pyproject.toml").read_text()
    assert f"\nversion: {ufm.__version__}\n" in (ROOT / "CITATION.cff").read_text()
    assert re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[1] == ufm.__version__


def test_a_release_goes_outside_the_repository(tmp_path, capsys):
    for folder in (ROOT / "dist", tmp_path):
        with pytest.raises(SystemExit) as stop:
            main(["--out", str(folder)])
        assert stop.value.code == 2 and "outside the repository" in capsys.readouterr().err
    assert {re.match(r"[a-z]+", word)[0] for word in tools()} == {"build", "twine"}
