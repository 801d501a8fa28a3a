"""Caption and alt text of the picture of features."""

from typing import NamedTuple

from ufm.model.problem import Problem
from ufm.output.text import law_words
from ufm.pictures.words.numbers import above, counted

METHODS = {"newton": "Newton's method", "lbfgs": "L-BFGS", "gd": "gradient descent"}
STRAIGHT = 1e-9  # of the chord: less is rounding
SEEN = 5e-3  # of the largest feature: a distance that the eye can tell in print


class FeatureNumbers(NamedTuple):
    """What the picture of features holds. sharpness: a, None without a closed form; pairs: labels mix two classes.

    bow: how far out the closed form lies halfway between two classes, over the middle of their chord; None for two
    classes, whose halfway point is 0, and where it is not drawn. distance: the largest from a numerical point to
    the closed form; bound: the largest certified one to the true optimum; both over the longest feature.
    """

    classes: int
    sharpness: float | None
    law: str
    loss: str
    method: str
    points: int
    pairs: bool
    bow: float | None
    distance: float | None
    bound: float

    @staticmethod
    def of(problem: Problem, method: str, pairs: bool, bow: float | None, held) -> "FeatureNumbers":
        """Of a problem and what `ufm.pictures.points.hold` says of its points."""
        a = None if held.distance is None else problem.sharpness
        about = problem.classes, a, law_words(problem.law), problem.loss, method
        return FeatureNumbers(*about, held.points, pairs, bow, held.distance, held.bound)


def caption(n: FeatureNumbers) -> str:
    """Sizes and sharpness; how the optimum bows; how far the points are from it, as found and as certified."""
    head = f"K = {n.classes}" if n.sharpness is None else f"K = {n.classes}, a = {n.sharpness:.4g}"
    points = f"{counted(n.points, 'numerical point')} ({METHODS[n.method]})"
    if n.distance is None:
        found = f"No closed form for this W. {points}"
    else:
        found = f"{points} within {above(n.distance)} of the closed form"
    certified = f"certified within {above(n.bound)} of the true optimum" if n.bound < 1 else "not certified"
    return f"{head} ({n.law}; {n.loss}){_bowed(n)}. {found}, {certified} (shares of the longest feature)."


def _bowed(n: FeatureNumbers) -> str:
    if n.bow is None:
        return ""
    if abs(n.bow - 1) < STRAIGHT:
        return ": the optimum is the straight chord between two classes"
    return f": the optimum bows {n.bow:.3g} times the chord, halfway between two classes"


def seen(n: FeatureNumbers) -> list[str]:
    """What is seen in the three panels."""
    on = "" if n.distance is None else f", {'on' if n.distance < SEEN else 'off'} the closed form"
    if not n.pairs:
        return [
            f"Features of single labels as dots in the plane of three classes{on}.",
            "Residuals of the label's entries against the entries.",
            "Lengths of features against the largest entry.",
        ]
    return [
        f"{_lines(n)}; the numerical points are dots{on}.",
        "Coefficients of the feature on its classes' rows of W against the mixing weight.",
        f"Displacement across the channel against {_across(n)}.",
    ]


def _lines(n: FeatureNumbers) -> str:
    """What joins the classes."""
    if n.classes == 2:
        return "Features of two classes run from one end of a line to the other with the mixing weight"
    if n.bow is None:
        return "Features of three classes and of their mixtures, in a plane"
    bent = f"curves that bow {'outwards' if n.bow > 1 else 'inwards'}"
    return f"Three classes are corners, joined by {'straight lines' if abs(n.bow - 1) < SEEN else bent}"


def _across(n: FeatureNumbers) -> str:
    if n.loss != "cross-entropy":
        return "the mixing weight, a straight line"
    limit = ", beside the dashed straight line that is its limit for a small penalty"
    return "the logit of the mixing weight" + limit * (n.sharpness is not None)


ZERO = "W = 0: the optimum is zero for every label."


def nothing(classes: int) -> str:
    """Caption where W = 0."""
    return f"K = {classes}. {ZERO}"
