"""Optima that know no theorem: for the dots of the figures."""

import numpy as np

from ufm.model.atoms import FiniteLaw, JointProblem
from ufm.model.variants.problem import Variant, VariantProblem


def joint(law: FiniteLaw, c: float, dim: int | None = None, bias: float | None = None, loss="cross-entropy"):
    """The joint optimum at λ_W = λ_H = c."""
    from ufm.optimize.joint import solve_joint

    return solve_joint(JointProblem(law, c, c, dim, bias, loss))


def onehot(weights) -> FiniteLaw:
    """Labels e_k of these weights; a number: that many equal ones."""
    q = np.full(weights, 1 / weights) if isinstance(weights, int) else np.asarray(weights, float)
    return FiniteLaw(np.eye(len(q)), q)


def variant(kind: str, numbers: tuple, weights, c: float, dim: int, loss="cross-entropy"):
    """The best of all starts."""
    from ufm.optimize.variants.flow import flow
    from ufm.optimize.variants.models import solve_variant

    problem = VariantProblem(Variant(kind, numbers), JointProblem(onehot(weights), c, c, dim, None, loss))
    return (flow if kind == "gradient-flow" else solve_variant)(problem)
