"""Unconstrained features models: numerical optima, closed forms, and certificates.

Names are loaded on first use (PEP 562), so that `python -m ufm.solve --help` never imports jax.
"""

from importlib import import_module

_HOME = {
    "Problem": "problem",
    "LabelLaw": "labels",
    "mixup": "labels",
    "cutmix": "labels",
    "kway": "labels",
    "onehot": "labels",
    "smooth": "labels",
    "soft": "labels",
    "simplex_etf": "etf",
    "etf_deviation": "etf",
    "frame_distance": "etf",
    "solve_features": "optimize.features",
    "predict_features": "theory.predict",
    "predict_pairs": "theory.predict",
    "joint_multiplier": "theory.multiplier",
    "multiplier_slopes": "theory.multiplier",
    "two_hot_optimum": "theory.features",
    "certify": "certificate",
    "enclose_etf": "enclosure",
    "enclose_features": "enclosure",
    "finite_law": "finite",
    "solve_joint": "optimize.joint",
    "certify_joint": "duality",
    "check_joint": "joint_agreement",
    "JointProblem": "finite",
    "choose_cases": "cases",
    "check_features": "agreement",
    "Settings": "agreement",
    "draw_features": "plot",
    "compare_activations": "comparison",
}

__version__ = "0.1.0"
__all__ = [*_HOME]


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module 'ufm' has no attribute {name!r}")
    return getattr(import_module(f"ufm.{_HOME[name]}"), name)


def __dir__():
    return sorted([*globals(), *_HOME])
