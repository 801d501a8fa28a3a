"""Caption and alt text of the picture of a network's comparison."""

from ufm.network.comparison import Comparison
from ufm.network.findings import ZERO
from ufm.network.read.activations import Outline
from ufm.network.resemblance import OVERALL
from ufm.output.text import shown


def caption(given: Outline, found: Comparison) -> str:
    """Sizes, the sharpness and where it is from, R² of the closed form, and the verdict."""
    sizes = f"{given.count} samples of K = {given.classes} classes in {given.dim} dimensions"
    verdict = f"{OVERALL[0].upper()}{OVERALL[1:]}: {found.word}."
    if found.a is None:
        return f"{sizes}: {ZERO}. {verdict}"
    source = "of lambda_H" if found.a_known else "fitted" if found.fit.a_identified else "not identified"
    r2 = found.fit.r2_known if found.a_known else found.fit.r2
    said = f", R² {r2:.3f} (a straight line: {shown(found.fit.r2_linear, '.3f')})" if r2 is not None else ""
    return f"{sizes} beside the closed form at a = {found.a:.4g} ({source}){said}. {verdict}"


MIXED = [
    "Features of all pairs of classes as dots around the closed form's curve, from one class to the other.",
    "Displacement across the channel against the logit of the mixing weight.",
    "Probabilities of the two classes and of all others against the mixing weight.",
    "Amplification and non-linearity against the mixing weight.",
]
CLEAN = [
    "Heat map of cosines between class means.",
    "Heat map of cosines between rows of W and class means.",
    "Spread within classes, by class.",
    "Lengths of class means, by class.",
]


def seen(found: Comparison) -> list[str]:
    """What is seen in the six panels."""
    if found.a is None:
        return ["The words that W is zero: there is nothing to draw."]
    held = "Reliability of held-out predictions: accuracy against confidence."
    last = "Alignment with W and share outside the channel's plane." if found.calibration is None else held
    first = MIXED if found.channel.rows[1] else CLEAN
    return [*first, "Logits of the network against the closed form's, about the diagonal.", last]
