"""The sentence that a comparison comes to: its because, its cause if a mistake was found, else what to do next."""

from types import SimpleNamespace

import pytest

from ufm.network.comparison import Comparison
from ufm.network.diagnose.diagnosis import diagnosis
from ufm.network.read.label_law import LabelKind
from ufm.network.resemblance import CRITERIA, INCONCLUSIVE, NOT_REPRODUCED, REPRODUCED, find
from ufm.output.network.headline import BECAUSE, NEXT, ORDER, headline

GOOD = {"closed-form": 0.99, "sharpness": 1.0, "etf": 0.01, "excess": 1e-3}


def said(word, values, diagnoses=(), accuracy=None):
    found = [find(name, value) for name, value in values.items()]
    comparison = object.__new__(Comparison)  # with what a headline needs, and nothing else
    parts = {"word": word, "findings": found, "kind": LabelKind(0.0, 2, 0.1, 3), "diagnoses": list(diagnoses)}
    clean = SimpleNamespace(accuracy=accuracy)
    vars(comparison).update(parts, features=SimpleNamespace(clean=clean))
    return headline(comparison)


def test_every_decisive_statement_has_its_because_and_its_next_step():
    decisive = {name for name, criterion in CRITERIA.items() if criterion.decisive}
    assert decisive == set(ORDER) == set(BECAUSE) == set(NEXT)


def test_what_is_reproduced_is_said_with_its_numbers():
    text = said(REPRODUCED, GOOD)
    assert "look like the optimum" in text and "R² 0.9900" in text and "Next" not in text


@pytest.mark.parametrize("name", BECAUSE)
def test_what_is_not_is_said_with_the_number_and_the_next_step(name):
    wrong = {"sharpness": 7.0, "etf": 0.5, "plane": 0.5, "displacement": 2.0, "amplification": 4.0}
    wrong |= {"alignment": 0.1, "closed-form": -1.0, "linear": -0.5, "probabilities": 0.4, "excess": 0.5}
    text = said(NOT_REPRODUCED, GOOD | {name: wrong[name]})
    assert "are not the optimum" in text and BECAUSE[name](wrong[name]) in text
    assert text.endswith(f"Next: {NEXT[name]}.")


def test_rows_that_are_classified_right_belong_together():
    for accuracy, name in ((0.5, "alignment"), (0.99, "plane")):
        text = said(NOT_REPRODUCED, GOOD | {"alignment": 0.8}, accuracy=accuracy)
        assert text.endswith(f"Next: {NEXT[name]}.")


def test_a_mistake_that_was_found_stands_in_the_place_of_the_next_step():
    found = diagnosis("features standardised", "columns have mean 0")
    text = said(NOT_REPRODUCED, GOOD | {"sharpness": 0.01}, [found])
    assert "1/" not in text and "0.01 times" in text
    assert f"Most often: features standardised; {found.remedy}." in text and "Next" not in text
    assert f"Cause: {found.name}" in said(NOT_REPRODUCED, {"etf": 0.5}, [found._replace(sure=True)])


def test_what_is_open_says_why():
    text = said(INCONCLUSIVE, GOOD | {"plane": None})
    assert "is open. plane: not defined here." in text
