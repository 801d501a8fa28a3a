"""All theorems, in the order of their proofs."""

from ufm.theory.fixed import FIXED
from ufm.theory.joint import JOINT
from ufm.theory.theorem import Theorem

THEOREMS: dict[str, Theorem] = {theorem.name: theorem for theorem in (*FIXED, *JOINT)}
