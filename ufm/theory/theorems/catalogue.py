"""All theorems, in the order of their proofs."""

from ufm.theory.theorems.fixed import FIXED
from ufm.theory.theorems.fixed_class import OF_CLASSES
from ufm.theory.theorems.fixed_support import SUPPORT_SIZE
from ufm.theory.theorems.free.binary import BINARY
from ufm.theory.theorems.free.design import DESIGNS
from ufm.theory.theorems.free.groups import GROUPED
from ufm.theory.theorems.free.onehot import SINGLE
from ufm.theory.theorems.free.own_penalties import OWN_PENALTIES
from ufm.theory.theorems.free.quadratic import QUADRATIC
from ufm.theory.theorems.free.response import RESPONSES
from ufm.theory.theorems.joint import JOINT
from ufm.theory.theorems.theorem import Theorem

_FEATURES = (*FIXED, *OF_CLASSES, SUPPORT_SIZE)
_FREE = (*JOINT, *SINGLE, *DESIGNS, *QUADRATIC, *RESPONSES)
_PROBLEMS = (*BINARY, *OWN_PENALTIES, *GROUPED)
THEOREMS: dict[str, Theorem] = {theorem.name: theorem for theorem in (*_FEATURES, *_FREE, *_PROBLEMS)}
