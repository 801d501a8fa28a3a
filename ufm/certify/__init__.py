"""How far ANY candidate is from the truth, rounding included: this room knows neither of the two routes.

features     certify_features: distance to the optimal features
explicit     the same against any W
local_bound  the theorem of the bound
curvature    verified inverses of small matrices
values       fitted probabilities and their bounds
joint        certify_joint: any point of a joint problem
dual         its gap to the global optimum, wherever the samples are kept
sample       weighted samples block by block, and their means
classifier   certify_classifier: a given W from both sides; certify_zero: whether it is W = 0
variants     lower_bound: of a problem of another shape
"""

from ufm.facade import facade

__all__, __getattr__, __dir__ = facade(
    __name__,
    {
        "classifier": "certify_classifier certify_zero",
        "explicit": "certify_rows",
        "features": "certify_etf certify_features",
        "dual": "DualGap dual_gap dual_steps",
        "joint": "JointCertificate certify_joint check_bias",
        "local_bound": "Certificate",
        "sample": "Block Sample Sums TwoHot",
        "values": "fitted fitted_error",
        "variants": "lower_bound",
    },
)
