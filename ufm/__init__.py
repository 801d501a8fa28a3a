"""Unconstrained features models: numerical optima, closed forms, and certificates.

A room is a verb, a file in it is a noun; a room imports only from the levels below its own:

    commands
    pictures
    output
    network
    agree
    optimize  theory  certify
    model  runtime  enclose  loss
    rules

Names are loaded on first use, so that `python -m ufm.solve --help` never imports jax.
"""

from ufm.facade import facade

__version__ = "0.2.0"
__all__, __getattr__, __dir__ = facade(
    __name__,
    {
        "model.problem": "Problem",
        "model.laws": "LabelLaw mixup cutmix kway onehot smooth soft",
        "model.etf": "simplex_etf etf_deviation frame_distance",
        "optimize.features": "solve_features",
        "optimize.implicit": "optimal_features optimal_features_etf",
        "theory.predict": "predict_features predict_pairs",
        "theory.multiplier": "joint_multiplier multiplier_slopes",
        "theory.features": "two_hot_optimum",
        "certify.features": "certify_features",
        "enclose.features": "enclose_etf enclose_features",
        "model.atoms": "FiniteLaw JointProblem Point finite_law",
        "optimize.joint": "solve_joint",
        "certify.joint": "certify_joint",
        "agree.joint": "check_joint",
        "model.cases": "choose_cases",
        "agree.features": "check_features Settings",
        "pictures.features": "draw_features",
        "network.comparison": "compare_activations",
    },
)
