"""How far ANY candidate is from the truth, rounding included: this room knows neither of the two routes.

features     certify_features: distance to the optimal features
explicit     the same against any W
local_bound  the theorem of the bound
curvature    verified inverses of small matrices
values       fitted probabilities and their bounds
joint        certify_joint: any point of a joint problem
dual         its gap to the global optimum, wherever the samples are kept
classifier   certify_classifier: a given W from both sides
"""

from ufm.facade import facade

__all__, __getattr__, __dir__ = facade(
    __name__,
    {
        "classifier": "certify_classifier",
        "explicit": "certify_rows",
        "features": "certify_etf certify_features",
        "dual": "Block DualGap Sample dual_gap",
        "joint": "JointCertificate certify_joint check_bias",
        "local_bound": "Certificate",
        "values": "fitted fitted_error",
    },
)
