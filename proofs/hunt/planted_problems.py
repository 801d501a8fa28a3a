"""False theorems on other problems than softmax with one penalty for all features; in both directions."""

from proofs.hunt.planted_free import slip
from proofs.hunt.slips import moved_threshold
from ufm.theory.theorems.free.binary import BCE, BCE_NO_BIAS
from ufm.theory.theorems.theorem import Theorem


def penalty_slips(theorem: Theorem, name: str) -> tuple[Theorem, ...]:
    """The theorem told a λ_W λ_H that is 2 % off, to either side."""
    return tuple(
        slip(theorem, f"{name}-{word}", f"λ_W λ_H taken 2 % too {size}", moved_threshold(theorem, share))
        for word, share, size in (("early", 0.98, "large"), ("late", 1.02, "small"))
    )


OF_PROBLEMS = (*penalty_slips(BCE, "bce"), *penalty_slips(BCE_NO_BIAS, "no-bias"))
