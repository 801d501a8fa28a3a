"""How far ANY candidate is from the truth, rounding included: this room knows neither of the two routes.

features     certify_features: distance to the optimal features
explicit     the same against any W
local_bound  the theorem of the bound
curvature    verified inverses of small matrices
values       fitted probabilities and their bounds
joint        certify_joint: gap to the global joint optimum
"""

from ufm.facade import facade

__all__, __getattr__, __dir__ = facade(
    __name__,
    {
        "explicit": "certify_rows",
        "features": "certify_etf certify_features",
        "joint": (
            "EPS FREE JointCertificate centring certify_joint check_bias entropies losses mean_penalty residuals "
            "shrinkage squared_value"
        ),
        "values": "fitted fitted_error",
    },
)
