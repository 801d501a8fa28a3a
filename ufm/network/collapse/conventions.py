"""How published code computes the metrics of neural collapse: what a `Convention` can say, and presets by author.

Published code differs in the 1/K of NC1, in what Σ_B is divided by, in squaring NC3, in averaging μ_G over classes
or samples, in centring W, in ddof and in the sign of a bias norm. "plain" is the definitions of
`ufm.network.collapse.metrics`, "centred" our own; the others follow the code of their authors as read at `source`.
`CONVENTIONS` are those that `ufm compare` shows side by side, `PRESETS` all.
"""

from dataclasses import dataclass

import ufm.rules.numbers as checked
from ufm.network.collapse.statistics import CENTRES


@dataclass(frozen=True)
class Convention:
    """How published code computes the metrics.

    centre: μ_G averages class means ("class") or samples ("sample"); the same thing if classes are balanced.
    per_class: NC1 is divided by K. squared: the NC3 distance is squared. centre_rows: the mean row of W and
    the mean bias are subtracted first (they never act on the softmax and decay only with weight decay).
    ddof: of the standard deviation in coefficients of variation. bias_sign: ‖W μ_G + sign · b‖.
    by_dim: Σ_B is divided by d in the place of K, in NC1 and in the ratio of traces.
    """

    name: str
    centre: str = "class"
    per_class: bool = True
    squared: bool = False
    centre_rows: bool = False
    ddof: int = 0
    bias_sign: int = 1
    by_dim: bool = False
    source: str = "re-derived from the definitions"

    def __post_init__(self):
        checked.choice("centre", self.centre, CENTRES)
        checked.integer("ddof", self.ddof, 0, 1)
        checked.real("bias_sign", self.bias_sign, "be 1 or -1", lambda sign: sign in (-1, 1))
        for name in ("per_class", "squared", "centre_rows", "by_dim"):
            checked.flag(name, getattr(self, name))


CONVENTIONS = {
    convention.name: convention
    for convention in (
        Convention("plain"),
        Convention("centred", centre_rows=True),
        Convention(
            "papyan",
            per_class=False,
            squared=True,
            ddof=1,  # torch.std
            source="Papyan, Han, Donoho, PNAS 2020 and Han, Papyan, Donoho, ICLR 2022: neuralcollapse.ipynb "
            "of github.com/neuralcollapse/neuralcollapse",
        ),
        Convention(
            "zhu",
            centre="sample",
            bias_sign=-1,  # compute_Wh_b_relation subtracts b
            source="Zhu et al., NeurIPS 2021: validate_NC.py of github.com/tding1/Neural-Collapse",
        ),
    )
}
PRESETS = CONVENTIONS | {
    convention.name: convention
    for convention in (
        Convention(
            "kothapalli",
            source="Kothapalli, TMLR 2023 (arXiv 2206.04041), as defined in the paper: the numbers of plain",
        ),
        Convention(
            "markou",
            centre="sample",
            ddof=1,  # torch.std
            source="Markou, Ajanthan, Gould, NeurIPS 2024: nc/validate_NC.py of "
            "github.com/evanmarkou/Guiding-Neural-Collapse",
        ),
        Convention(
            "wu",
            ddof=1,  # torch.std and torch.var
            source="Wu and Papyan, NeurIPS 2024: github.com/rhubarbwu/linguistic-collapse, and covariance_ratio of "
            "github.com/rhubarbwu/neural-collapse where it divides by K",
        ),
        Convention(
            "wu-by-dim",
            ddof=1,
            by_dim=True,  # V_inter = M_centred.mT @ M_centred / D
            source="covariance_pinv, covariance_ratio and their forerunners variability_pinv and variability_ratio "
            "of github.com/rhubarbwu/neural-collapse, as of commit c3864c2",
        ),
    )
}
