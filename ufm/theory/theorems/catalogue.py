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
from ufm.theory.theorems.variants.budgets import LAYER_PEELED_MINORITY
from ufm.theory.theorems.variants.constrained import CONSTRAINED
from ufm.theory.theorems.variants.deep import DEEP
from ufm.theory.theorems.variants.limits import LIMITS
from ufm.theory.theorems.variants.losses import LOSSES

_FEATURES = (*FIXED, *OF_CLASSES, SUPPORT_SIZE)
_FREE = (*JOINT, *SINGLE, *DESIGNS, *QUADRATIC, *RESPONSES)
_PROBLEMS = (*BINARY, *OWN_PENALTIES, *GROUPED)
_VARIANTS = (*CONSTRAINED, LAYER_PEELED_MINORITY, *DEEP, *LIMITS, *LOSSES)
_ALL = (*_FEATURES, *_FREE, *_PROBLEMS, *_VARIANTS)
THEOREMS: dict[str, Theorem] = {theorem.name: theorem for theorem in _ALL}
