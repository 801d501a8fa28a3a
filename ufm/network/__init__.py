"""Somebody's trained network against the optimum: activations read, measured, and held against the theory.

comparison     compare: every measure, and what they add up to
given          what a user has in hand, as activations
features       sets of features: statistics, metrics, accuracy
moments        what a second look adds: spread within classes, intervals
reduced        the few coordinates of features that other measures need
optimum        the certified optimum of a network's own labels
suboptimality  how far the network is from it, and which part of it
findings       the verdicts, and why some of them say nothing
resemblance    one verdict a statement, by fixed criteria
resample       random numbers that belong to a sample
diagnose/      mistakes in what was saved, by name
read/          activations, labels and arrays on disk
collapse/      what is kept of each class, and the metrics of neural collapse
measures/      channels, fit, calibration, excess, gap, quadratic
"""

from ufm.facade import facade

__all__, __getattr__, __dir__ = facade(
    __name__,
    {
        "comparison": "Comparison Options Progress compare",
        "diagnose.diagnosis": "Diagnosis",
        "findings": "ZERO",
        "given": "activations_of",
        "measures.calibration": "Calibration Reliability",
        "measures.channels": "weighted_mean",
        "measures.excess": "Excess feature_excess",
        "measures.fitting": "Fit closed_logits fit_sharpness",
        "collapse.angles": "cosine_margins equinorm_difference ood_orthogonality uniform_duality",
        "collapse.classes": "cdnv_grid class_values",
        "collapse.conventions": "CONVENTIONS PRESETS Convention",
        "collapse.flat": "collapse_metrics",
        "collapse.metrics": "all_metrics",
        "collapse.spectrum": "class_rank numerical_rank squared_error variability_index",
        "collapse.statistics": "MissingClass class_statistics",
        "collapse.uniformity": "uniformity uniformity_gap",
        "measures.directions": "directions dot orthogonal",
        "measures.mixed": "channel_prediction label_logit pair_optimum",
        "read.activations": "Activations Outline from_arrays read_activations",
        "read.arrays": "plain_array",
        "read.label_rows": "IGNORED LabelBlock",
        "read.mapped": "read_array",
        "resample": "Curve Estimate Reservoir",
        "resemblance": "CRITERIA INCONCLUSIVE NOT_APPLICABLE NOT_REPRODUCED OVERALL REPRODUCED Finding",
    },
)
