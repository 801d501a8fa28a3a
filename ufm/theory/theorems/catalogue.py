"""All theorems, in the order of their proofs."""

from ufm.theory.theorems.fixed import FIXED
from ufm.theory.theorems.fixed_class import OF_CLASSES
from ufm.theory.theorems.free.design import DESIGNS
from ufm.theory.theorems.free.onehot import SINGLE
from ufm.theory.theorems.free.quadratic import QUADRATIC
from ufm.theory.theorems.joint import JOINT
from ufm.theory.theorems.theorem import Theorem

THEOREMS: dict[str, Theorem] = {
    theorem.name: theorem for theorem in (*FIXED, *OF_CLASSES, *JOINT, *SINGLE, *DESIGNS, *QUADRATIC)
}
