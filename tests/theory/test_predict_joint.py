"""The closed form of the joint optimum as a point, judged by the certificate alone."""

from dataclasses import replace

import numpy as np
import pytest

from ufm.certify.joint import certify_joint
from ufm.model.atoms import JointProblem, Point, finite_law
from ufm.model.laws import mixup, onehot
from ufm.rules.errors import InputError
from ufm.theory.polygon import regular_polygon
from ufm.theory.predict import predict_joint


@pytest.mark.parametrize("loss, lambda_b", [("cross-entropy", None), ("squared-error", 0.0)])
def test_the_prediction_is_certified_and_a_wrong_one_is_not(loss, lambda_b):
    problem = JointProblem(finite_law(mixup(1.0), 3, 8), 0.01, 0.02, 4, lambda_b, loss)
    found = predict_joint(problem)
    right = certify_joint(problem, found)
    assert right.gap <= 4 * right.rounding
    wrong = certify_joint(problem, replace(found, W=1.01 * found.W))
    assert wrong.gap > 1e6 * right.gap
    assert found.W.shape == (3, 4) and found.multiplier == pytest.approx(np.linalg.norm(found.W[0]))


def test_beyond_the_threshold_all_is_zero_and_without_hypotheses_there_is_none():
    atoms = finite_law(mixup(1.0), 3, 8)
    found = predict_joint(JointProblem(atoms, 1.0, 1.0))
    assert not found.W.any() and not found.H.any() and found.sharpness == 0
    with pytest.raises(InputError, match="dim = 1 < 2"):
        predict_joint(JointProblem(atoms, 0.01, 0.01, 1))
    cyclic = finite_law(mixup(1.0, "cyclic"), 3, 8)
    with pytest.raises(InputError, match="not exchangeable"):
        predict_joint(JointProblem(cyclic, 0.01, 0.01))


@pytest.mark.parametrize("classes, lambda_w, lambda_h", [(3, 0.01, 0.02), (5, 1e-3, 0.1), (8, 1e-2, 1e-4)])
def test_the_polygon_is_a_critical_point_and_its_objective_is_told(classes, lambda_w, lambda_h):
    """Features along the rows of W, as long as balanced penalties make them."""
    found = regular_polygon(classes, lambda_w, lambda_h)
    turn = 2 * np.pi * np.arange(classes) / classes
    W = found.multiplier * np.stack([np.cos(turn), np.sin(turn)], 1)
    task = JointProblem(finite_law(onehot(), classes, 8), lambda_w, lambda_h, 2)
    H = task.atoms.labels @ W * np.sqrt(classes * lambda_w / lambda_h)
    judged = certify_joint(task, Point(W, H))
    assert judged.stationarity <= 1e-12 and judged.imbalance <= 1e-12
    assert judged.objective == pytest.approx(found.objective, rel=1e-12)
    assert found.logit == pytest.approx(H[0] @ W[np.argmax(task.atoms.labels[0])], rel=1e-12)


def test_a_polygon_beyond_its_threshold_is_a_point():
    assert regular_polygon(5, 0.5, 0.5) == (0.0, 0.0, np.log(5))
    assert regular_polygon(5, 0.2 - 1e-6, 1.0).multiplier > 0
