"""Given labels are read: single classes by name, laws that permutations leave alone; and no others."""

from itertools import permutations

import numpy as np
import pytest

from ufm.model.laws import cutmix, mixup, soft
from ufm.model.variants.reading import is_exchangeable, read_law


def smoothed(delta, K=4):
    return (1 - delta) * np.eye(K) + delta / K


@pytest.mark.parametrize("delta", [0.0, 1e-3, 0.1, 1 / 3, 0.9])
@pytest.mark.parametrize("order", [[0, 1, 2, 3], [2, 0, 3, 1]])
def test_labels_of_single_classes_are_read_in_any_order(delta, order):
    law = read_law(soft(smoothed(delta)[order]))
    assert law.name == "onehot" and abs(law.smoothing - delta) < 1e-15 and law.class_weights is None
    q = np.array([0.4, 0.3, 0.2, 0.1])
    weighted = read_law(soft(smoothed(delta)[order], q[order]))
    np.testing.assert_allclose(weighted.class_weights, q, rtol=1e-15)


def spoilt(row, column, by):
    """Smoothed labels of which one entry is moved to another class."""
    Y = smoothed(0.1)
    Y[row, column] += by
    Y[row, (column + 1) % 4] -= by
    return Y


@pytest.mark.parametrize(
    "labels",
    [
        spoilt(0, 1, 1e-9),
        np.eye(4)[[0, 1, 2, 2]],
        np.eye(4)[:3],
        np.full((4, 4), 0.25),
        np.eye(3) * 1e-16 + 1 / 3,  # δ rounds to one
        np.concatenate([np.diag([0.9, 0.8, 0.9]) + np.roll(np.diag([0.1, 0.2, 0.1]), 1, 1), np.eye(3)]),
    ],
)
def test_other_labels_stay_what_they_are(labels):
    law = soft(labels)
    assert read_law(law) is law


@pytest.mark.parametrize("law", [mixup(1.0), cutmix(0.5)])
def test_a_law_with_a_name_is_itself(law):
    assert read_law(law) is law and is_exchangeable(law)


def orbit(*row):
    return np.array(sorted(set(permutations(row))))


def test_a_law_is_exchangeable_iff_every_permutation_of_a_label_is_there_and_as_likely():
    both = np.concatenate([orbit(0.7, 0.3, 0, 0), np.eye(4)])
    weights = np.repeat([0.06, 0.07], [12, 4])
    assert is_exchangeable(soft(both, weights)) and is_exchangeable(soft(smoothed(0.1)))
    assert is_exchangeable(soft(np.concatenate([both, both]), np.tile(weights / 2, 2)))
    assert not is_exchangeable(soft(both[1:], weights[1:] / weights[1:].sum()))
    moved = weights + 1e-9 * np.array([1, -1, *np.zeros(14)])
    assert not is_exchangeable(soft(both, moved / moved.sum()))
    assert not is_exchangeable(soft(spoilt(0, 1, 1e-9)))
