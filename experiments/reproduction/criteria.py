"""The claims and when each counts as reproduced. Written down and committed before the first full run.

A part compares one number a seed with a threshold; `ufm.agree.finite_data.interval` over the seeds decides
(`verdict`). m[arm] holds the numbers of one seed (`measures`); what two arms have in common (seed, data, order
of the inputs measured on) is paired. Thresholds are not changed after a full run; a new one needs a new part.

Where the thresholds come from
  alignment 0.9        cos² > 0.81: four fifths of a feature's squared length lie along its own row; a wrong row
                       of an ETF gives −1/(K−1)
  middle ratio 0.55    straight interpolation gives at most 0.5; a tenth above it. Closed form, K = 10: 0.61 at
                       a = 5, 0.78 at a = 100, 0.86 at a = 6000
  amplification 1.1    the same tenth against the straight line between the network's own class means
  displacement 0.9     R² about zero of the closed form's curve, with nothing fitted but the one a of all logits
  bend 0.1             a tenth of a feature's length; closed form, K = 10: 0.10 at a = 5, 0.36 at a = 100; squared
                       error: 0
  accuracy −0.01       one point: the largest loss that still counts as none
  curve 0.5            the closed form accounts for more than half of the squared distance to the labels
  profile 1            mixup's early layers lie nearer to manifold mixup's than to ERM's
  all others 0         a difference in the claimed direction
"""

from collections.abc import Mapping

from experiments.reproduction.claim import Claim, Part, attacked, difference, less, nearer, number

PAPER = "Fisher, Meng, Papyan, ICLR 2024"
AROUND = "claimed for mixup in the literature around it"
ALIGNED, MIDDLE, AMPLIFIED, BENT = 0.9, 0.55, 1.1, 0.1


def aligned(arm: str) -> Part:
    """Same-class mixtures align with the classifier."""
    return Part(
        "mean cosine of same-class mixed features with their row of W", number(arm, "alignment"), ">", ALIGNED
    )


def channel(arm: str) -> tuple[Part, ...]:
    """Different-class mixtures run outwards of the straight line."""
    return (
        Part("middle-to-vertex ratio", number(arm, "middle_ratio"), ">", MIDDLE),
        Part(
            "λ ≈ ½ against the straight line between class means",
            number(arm, "amplification"),
            ">",
            AMPLIFIED,
        ),
    )


def last_layer_claims() -> list[Claim]:
    """Claims 1 to 6: the last layer, and the layers before it."""
    return [
        Claim(
            "same-class",
            "Same-class mixed features align with the classifier",
            PAPER,
            (aligned("mixup"),),
            (
                ("at λ ≈ ½ only", number("mixup", "alignment_middle")),
                ("projected onto the span of W", number("mixup", "alignment_in_span")),
                ("fixed ETF", number("etf", "alignment")),
                ("ERM", number("erm", "alignment")),
            ),
        ),
        Claim(
            "channels",
            "Different-class mixed features run in channels along the decision boundary",
            PAPER,
            (
                *channel("mixup"),
                Part(
                    "middle-to-vertex ratio, mixup less ERM",
                    less(("mixup", "middle_ratio"), ("erm", "middle_ratio")),
                    ">",
                    0.0,
                ),
            ),
            (
                ("ERM's ratio", number("erm", "middle_ratio")),
                ("squared error's ratio", number("squared", "middle_ratio")),
                ("share of a feature outside span{w_i, w_j}", number("mixup", "outside")),
            ),
        ),
        Claim(
            "displacement",
            "Displacement across the channel follows the closed form at finite a, and logit λ",
            "consequence of the closed form",
            (
                Part("R² of the closed form's curve", number("mixup", "displacement_finite"), ">", 0.9),
                Part(
                    "R² of the best multiple of logit λ less that of 2λ − 1",
                    less(("mixup", "displacement_logit"), ("mixup", "displacement_straight")),
                    ">",
                    0.0,
                ),
            ),
            (
                ("slope on logit λ", number("mixup", "slope")),
                ("slope predicted at a", number("mixup", "slope_predicted")),
                ("slope in the limit", number("mixup", "slope_limit")),
                ("fixed ETF, nothing fitted: R²", number("etf", "displacement_finite")),
            ),
        ),
        Claim(
            "not-convex",
            "Mixed features are no convex combinations of class means under cross-entropy, but are under squared "
            "error",
            PAPER,
            (
                Part("bend of the mean path, cross-entropy", number("mixup", "bend"), ">", BENT),
                Part("bend of the mean path, squared error", number("squared", "bend"), "<", BENT),
            ),
            (
                ("predicted at a, cross-entropy", number("mixup", "bend_predicted")),
                ("single features, cross-entropy", number("mixup", "nonlinearity")),
                ("single features, squared error", number("squared", "nonlinearity")),
            ),
        ),
        Claim(
            "fixed-etf",
            "A classifier fixed to an ETF brings features closer to the theory without loss of accuracy",
            PAPER,
            (
                Part(
                    "R² of the closed form, fixed ETF (nothing fitted) less learned (a fitted)",
                    less(("etf", "r2_known"), ("mixup", "r2")),
                    ">",
                    0.0,
                ),
                Part(
                    "test accuracy, fixed ETF less learned",
                    less(("etf", "accuracy"), ("mixup", "accuracy")),
                    ">",
                    -0.01,
                ),
            ),
            (
                ("R², fixed ETF, nothing fitted", number("etf", "r2_known")),
                ("R², fixed ETF, a fitted", number("etf", "r2")),
                ("R², learned, a fitted", number("mixup", "r2")),
                ("R², learned, straight line", number("mixup", "r2_linear")),
                ("R², fixed ETF, straight line", number("etf", "r2_linear")),
            ),
        ),
        Claim(
            "early-layers",
            "Earlier layers look as if trained with manifold mixup",
            PAPER,
            (
                Part(
                    "distance of early-layer geometry to manifold mixup's over that to ERM's",
                    nearer("mixup", "manifold", "erm"),
                    "<",
                    1.0,
                ),
            ),
        ),
    ]


def prediction_claims() -> list[Claim]:
    """Claims 7 to 10: what mixup does to predictions."""
    return [
        Claim(
            "calibration",
            "Mixup improves calibration",
            PAPER,
            (Part("ECE, ERM less mixup", less(("erm", "ece"), ("mixup", "ece")), ">", 0.0),),
            (("ECE, ERM", number("erm", "ece")), ("ECE, mixup", number("mixup", "ece"))),
        ),
        Claim(
            "calibration-curve",
            "The closed form explains the confidence deficit on mixed samples",
            "consequence of the closed form",
            (
                Part(
                    "share of the squared distance from the labels that it accounts for",
                    number("mixup", "curve_explained"),
                    ">",
                    0.5,
                ),
            ),
            (
                ("mean |p_i − closed form|", number("mixup", "curve_deviation")),
                ("mean |p_i − λ|", number("mixup", "label_deviation")),
                ("fixed ETF, nothing fitted", number("etf", "curve_explained")),
                ("on mixtures of test images", number("mixup", "test_curve_explained")),
            ),
        ),
        Claim(
            "accuracy",
            "Mixup improves test accuracy",
            AROUND,
            (
                Part(
                    "test accuracy, mixup less ERM",
                    less(("mixup", "accuracy"), ("erm", "accuracy")),
                    ">",
                    0.0,
                ),
            ),
            (("ERM", number("erm", "accuracy")), ("mixup", number("mixup", "accuracy"))),
        ),
        *(
            Claim(
                f"robust-{attack}",
                f"Mixup improves accuracy under {attack.upper()}",
                AROUND,
                (Part("mean over the radii, mixup less ERM", difference(mixup, erm), ">", 0.0),),
                (("ERM", erm), ("mixup", mixup)),
            )
            for attack in ("fgsm", "pgd")
            for mixup, erm in [(attacked("mixup", attack), attacked("erm", attack))]
        ),
        Claim(
            "overfitting-loss",
            "Mixup overfits less: gap of test to training loss",
            AROUND,
            (Part("gap, ERM less mixup, nats", less(("erm", "loss_gap"), ("mixup", "loss_gap")), ">", 0.0),),
            (("ERM", number("erm", "loss_gap")), ("mixup", number("mixup", "loss_gap"))),
        ),
        Claim(
            "overfitting-accuracy",
            "Mixup overfits less: gap of training to test accuracy",
            AROUND,
            (
                Part(
                    "gap, ERM less mixup", less(("erm", "accuracy_gap"), ("mixup", "accuracy_gap")), ">", 0.0
                ),
            ),
            (("ERM", number("erm", "accuracy_gap")), ("mixup", number("mixup", "accuracy_gap"))),
        ),
    ]


def persistence_claims(alphas: Mapping[str, float], networks: list[str]) -> list[Claim]:
    """Claim 11: the configuration of the last layer at every α (by arm) and on every network."""
    by_alpha = tuple(
        _named(f"α = {alpha:g}", part) for arm, alpha in alphas.items() for part in _persists(arm)
    )
    by_network = tuple(_named(arm, part) for arm in networks for part in _persists(arm))
    return [
        Claim("every-alpha", "Alignment and channels at every α", "asked here", by_alpha),
        Claim("every-network", "Alignment and channels on every network", "asked here", by_network),
    ]


def draw_claim(deviation: float, labels: int) -> Claim:
    """Claim 12: the classifier is no further from an ETF than a finite draw of labels alone would take it."""
    own = number("mixup", "etf_deviation")
    return Claim(
        "finite-draw",
        f"The classifier deviates from an ETF no more than the optimum on {labels} drawn labels",
        "asked here",
        (Part("its deviation less that of the draw", difference(own, lambda m: deviation), "<", 0.0),),
        (("deviation of the network", own), ("of the draw", lambda m: deviation)),
    )


# control -> the claims that it must refute, with the arm whose features are spoilt
REFUTED = {
    "rows of W permuted": {
        "same-class": "mixup",
        "channels": "mixup",
        "displacement": "mixup",
        "fixed-etf": "etf",
    },
    "labels shuffled": {
        "same-class": "mixup",
        "channels": "mixup",
        "displacement": "mixup",
        "not-convex": "mixup",
        "fixed-etf": "etf",
    },
    "straight interpolation": {"channels": "mixup", "displacement": "mixup", "not-convex": "mixup"},
}


def _persists(arm: str) -> tuple[Part, ...]:
    return aligned(arm), *channel(arm)


def _named(prefix: str, part: Part) -> Part:
    return part._replace(says=f"{prefix}: {part.says}")
