"""Unconstrained features models: numerical optima, closed forms, and certificates.

A room is a verb, a file in it is a noun; a room imports only from the levels below its own:

    commands  collect
    report  explore
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
        "rules.status": "Status",
        "rules.errors": "InputError",
        "model.problem": "Problem",
        "model.laws": "LabelLaw mixup cutmix kway onehot smooth soft",
        "model.etf": "simplex_etf etf_deviation frame_distance",
        "optimize.features": "solve_features",
        "optimize.implicit": "optimal_features optimal_features_etf",
        "optimize.implicit_gram": "optimal_gram",
        "theory.predict": "predict_features predict_joint predict_pairs",
        "theory.closed_form": "closed_form_features closed_form_logits",
        "theory.implicit": "optimal_sharpness",
        "theory.multiplier": "joint_multiplier multiplier_slopes",
        "theory.features": "two_hot_optimum",
        "theory.geometry.design": "design",
        "theory.geometry.susceptibility": "susceptibility",
        "certify.features": "certify_features",
        "enclose.features": "enclose_etf enclose_features",
        "enclose.joint": "enclose_joint",
        "model.atoms": "FiniteLaw JointProblem Point finite_law",
        "optimize.joint": "solve_joint",
        "certify.joint": "certify_joint",
        "agree.joint": "check_joint",
        "model.cases": "choose_cases",
        "agree.features": "check_features Settings",
        "pictures.features": "draw_features",
        "report.network": "NetworkReport compare_activations compare_network",
        "report.runs": "compare_runs",
        "network.collapse.flat": "collapse_metrics",
        "collect.tracker": "Tracker",
    },
    rooms="collect",
)
