"""Closed forms and theorems: never reaches `ufm.loss`, `ufm.optimize`, `ufm.certify`, `ufm.enclose`.

features    optimal features for any soft label against an ETF
closed_form closed_form_logits, closed_form_features: traced, with exact derivatives
implicit    optimal_sharpness: the jointly optimal a of mixup, with its derivatives
predict     predict_features, predict_joint: from a problem to its closed form
multiplier  the jointly optimal row norm m
sharpness   the jointly optimal a as one traced function
slopes      derivatives in a and λ
response    how an optimum answers a small change
thresholds  where the joint optimum changes its shape
polygon     d = 2, one-hot: the regular K-gon
variants/   closed forms of problems of another shape
formulas/   the equations of closed forms, each once: what the routes iterate on and Coq proves
geometry/   the geometry of the joint optimum: of labels of single classes, by design, and how it answers
theorems/   every theorem as a value: statement, assumptions, formula, problem, source
"""

from ufm.facade import facade

__all__, __getattr__, __dir__ = facade(
    __name__,
    {
        "closed_form": "ClosedForm closed_form_features closed_form_logits",
        "geometry.design": "Design design",
        "geometry.quadratic": "regression_fit",
        "geometry.own_penalties": "Temperatures restoring_temperatures",
        "geometry.susceptibility": "Susceptibility pattern_susceptibility susceptibility",
        "features": "TwoHotOptimum label_optimum logit_gap solve_patterns two_hot_optimum",
        "implicit": "SharpnessOptimum optimal_sharpness",
        "multiplier": "Multiplier joint_multiplier multiplier_slopes pattern_multiplier require_float64",
        "polygon": "Escape Polygon polygon_escape regular_polygon",
        "predict": (
            "JointPrediction Prediction predict_features predict_joint predict_pairs rounding_bound spread "
            "spread_pairs two_hot_or_same violated_assumption violated_hypothesis"
        ),
        "sharpness": "PairRule joint_sharpness pair_labels pair_rule",
        "theorems.catalogue": "THEOREMS",
        "theorems.joint": "GAP_TOLERANCE blurred closed_form_divergence mean_divergence",
        "theorems.theorem": (
            "Assumption FeatureClaim Finding JointClaim JointOptimum MIXING Setting Theorem VariantClaim "
            "VariantOptimum joint_labels "
            "within_reach"
        ),
        "thresholds": "Threshold cyclic_variance minority_collapse triviality",
    },
)
