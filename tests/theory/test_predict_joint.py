"""The closed form of the joint optimum as a point, judged by the certificate alone."""

from dataclasses import replace

import numpy as np
import pytest

from ufm.certify.joint import certify_joint
from ufm.model.atoms import JointProblem, finite_law
from ufm.model.laws import mixup
from ufm.rules.errors import InputError
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
