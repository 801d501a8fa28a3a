"""Unconstrained features models: numerical optima, closed forms, and certificates.

Names are loaded on first use (PEP 562), so that `python -m ufm.solve --help` never imports jax.
"""

from importlib import import_module

_HOME = {
    "Problem": "model.problem",
    "LabelLaw": "model.laws",
    "mixup": "model.laws",
    "cutmix": "model.laws",
    "kway": "model.laws",
    "onehot": "model.laws",
    "smooth": "model.laws",
    "soft": "model.laws",
    "simplex_etf": "model.etf",
    "etf_deviation": "model.etf",
    "frame_distance": "model.etf",
    "solve_features": "optimize.features",
    "predict_features": "theory.predict",
    "predict_pairs": "theory.predict",
    "joint_multiplier": "theory.multiplier",
    "multiplier_slopes": "theory.multiplier",
    "two_hot_optimum": "theory.features",
    "certify_features": "certify.features",
    "enclose_etf": "enclose.features",
    "enclose_features": "enclose.features",
    "finite_law": "model.atoms",
    "solve_joint": "optimize.joint",
    "certify_joint": "certify.joint",
    "check_joint": "agree.joint",
    "JointProblem": "model.atoms",
    "choose_cases": "model.cases",
    "check_features": "agree.features",
    "Settings": "agree.features",
    "draw_features": "pictures.features",
    "compare_activations": "network.comparison",
}

__version__ = "0.1.0"
__all__ = [*_HOME]


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module 'ufm' has no attribute {name!r}")
    return getattr(import_module(f"ufm.{_HOME[name]}"), name)


def __dir__():
    return sorted([*globals(), *_HOME])
