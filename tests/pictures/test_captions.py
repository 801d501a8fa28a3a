"""Captions say the numbers and no better ones; another number is another caption."""

import numpy as np
import pytest

from ufm.output.network.runs import Run
from ufm.pictures.words import features, runs, tracker
from ufm.pictures.words.features import FeatureNumbers
from ufm.pictures.words.numbers import above

MIXUP = FeatureNumbers(
    10, 6198.0, "mixup, alpha 1", "cross-entropy", "newton", 128, True, 1.7204, 3.51e-16, 1.11e-13
)


@pytest.mark.parametrize(
    "value, said",
    [
        (0.0, "0"),
        (3.51e-16, "3.6e-16"),
        (1.1e-13, "1.1e-13"),
        (9.91e-13, "1.0e-12"),
        (0.0123, "0.013"),
        (0.996, "1"),
        (float("inf"), "no bound"),
        (float("nan"), "no bound"),
    ],
)
def test_a_distance_is_rounded_up(value, said):
    assert above(value) == said


def test_what_is_said_is_never_below_the_distance():
    values = 10.0 ** np.random.default_rng(0).uniform(-300, 2, 2000)
    said = np.array([float(above(value)) for value in values.tolist()])
    assert (said >= values).all() and (said <= 1.1 * values).all()


def test_the_caption_of_features_is_its_numbers():
    assert features.caption(MIXUP) == (
        "K = 10, a = 6198 (mixup, alpha 1; cross-entropy): the optimum bows 1.72 times the chord, halfway between "
        "two classes. 128 numerical points (Newton's method) within 3.6e-16 of the closed form, certified within "
        "1.2e-13 of the true optimum (shares of the longest feature)."
    )


@pytest.mark.parametrize(
    "change, word",
    [
        ({"sharpness": 6199.0}, "a = 6199"),
        ({"bow": 1.0}, "is the straight chord"),
        ({"bow": 1.0 + 1e-6}, "bows 1 times"),
        ({"distance": 0.25}, "within 0.25 of the closed form"),
        ({"distance": None, "sharpness": None, "bow": None}, "No closed form for this W"),
        ({"bound": float("inf")}, "not certified"),
        ({"points": 1}, "1 numerical point ("),
        ({"method": "gd"}, "gradient descent"),
    ],
)
def test_another_number_is_another_caption(change, word):
    other = features.caption(MIXUP._replace(**change))
    assert word in other and word not in features.caption(MIXUP)


@pytest.mark.parametrize(
    "change, word",
    [
        ({}, "bow outwards"),
        ({"bow": 0.9}, "bow inwards"),
        ({"bow": 1.0, "loss": "squared-error"}, "joined by straight lines"),
        ({"distance": 0.2}, "off the closed form"),
        ({"classes": 2, "bow": None}, "two classes run from one end"),
        ({"pairs": False, "bow": None}, "single labels"),
    ],
)
def test_what_is_seen_follows_the_numbers(change, word):
    assert word in " ".join(features.seen(MIXUP._replace(**change)))
    others = [{}, {"bow": 0.9}, {"bow": 1.0}, {"distance": 0.2}, {"classes": 2}, {"pairs": False}]
    assert sum(word in " ".join(features.seen(MIXUP._replace(**other))) for other in others) < len(others) - 1


def test_rows_and_networks_say_where_they_start_and_end():
    rows = [{"epoch": 0, "r2": 0.25, "nc1": float("nan")}, {"epoch": 5, "r2": 0.75, "nc1": 0.125}]
    assert tracker.caption(rows) == "2 rows, epoch 0 to 5: R² of the closed form 0.25 to 0.75, NC1 0.125."
    assert tracker.caption([{"epoch": 3}]) == "1 row, epoch 3: nothing to draw."
    first = Run("a", "open", 1.0, None, None, 0.5, None, 0.25, None, None, None)
    last = first._replace(name="b", r2=0.875, nc1=None)
    assert runs.caption([first, last]) == (
        "2 networks, a to b: R² of the closed form 0.5 to 0.875, NC1 1, W from a simplex ETF 0.25 to 0.25."
    )
    assert runs.caption([first]).startswith("1 network, a: R² of the closed form 0.5,")
