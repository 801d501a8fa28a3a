"""Problems of another shape: solved blindly, bounded from below where a bound is known, for a theorem's judge."""

from functools import lru_cache, partial

from ufm.agree.flatness import excess
from ufm.certify.variants import lower_bound
from ufm.model.variants.problem import VariantProblem
from ufm.optimize.variants.flow import flow
from ufm.optimize.variants.models import VariantSolution, evaluate_variant, solve_variant
from ufm.theory.theorems.theorem import VariantOptimum


def variant_optimum(problem: VariantProblem) -> VariantOptimum:
    """The best point of all starts with its lower bound; of a flow, where it gets to."""
    found = _solved(problem)
    lower = lower_bound(problem, found.W, found.H, found.multipliers)
    return VariantOptimum(
        found.W,
        found.H,
        found.objective,
        lower,
        found.slope,
        found.violation,
        found.starts,
        partial(evaluate_variant, problem),
        partial(excess, problem.joint),
    )


@lru_cache(maxsize=1)
def _solved(problem: VariantProblem) -> VariantSolution:
    """All theorems on one setting, one after the other, ask for the same."""
    return (flow if problem.variant.kind == "gradient-flow" else solve_variant)(problem)
