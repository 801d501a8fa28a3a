"""All theorems, in the order of their proofs."""

from ufm.theory.theorems.fixed import FIXED
from ufm.theory.theorems.joint import JOINT
from ufm.theory.theorems.theorem import Theorem

THEOREMS: dict[str, Theorem] = {theorem.name: theorem for theorem in (*FIXED, *JOINT)}
