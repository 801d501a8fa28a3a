"""What a comparison comes to, in a sentence with its because, and what to do next."""

from collections.abc import Callable

from ufm.network.comparison import Comparison
from ufm.network.resemblance import CRITERIA, INCONCLUSIVE, REPRODUCED, Finding

MOST = 2  # reasons that are told
RIGHT = 0.9  # of the rows of one class are put into it where labels, W and features belong together
ORDER = ["sharpness", "alignment", "plane", "closed-form", "linear", "displacement", "etf", "excess"]
ORDER += ["amplification", "probabilities"]
Said = Callable[[float], str]
BECAUSE: dict[str, Said] = {
    "alignment": lambda v: f"features of one class point along its row of W with a cosine of only {v:.2f}",
    "plane": lambda v: f"{v:.0%} of mixed features lie outside the plane of their two rows of W",
    "displacement": lambda v: f"mixed features are {v:.3g} times as far across the channel as at the optimum",
    "amplification": lambda v: f"they bend beyond the chord {v:.3g} times as far as at the optimum",
    "closed-form": lambda v: f"the closed form explains the logits with R² {v:.3f}",
    "linear": lambda v: f"a straight line in the label explains the logits better, by {-v:.3g} in R²",
    "sharpness": lambda v: f"the logits fit {_times(v)} the sharpness that lambda_H and W give",
    "probabilities": lambda v: f"probabilities of mixed inputs are {v:.2g} from the optimum's on average",
    "excess": lambda v: f"the features' objective is {v:.1%} of the way from their optimum to that of h = 0",
    "etf": lambda v: f"the rows of W are {v:.0%} from a simplex ETF",
}
NEXT = {
    "sharpness": "lambda_H is not what these features were trained with, or they are not trained to the end",
    "etf": "train longer, or see whether classes are of one size: only then is an ETF the optimum",
    "alignment": "see that rows of W, labels and features belong together",
    "plane": "train longer, or take the features that the last layer sees",
    "closed-form": "give the network's own logits as logits_H to see whether W and H belong together",
    "displacement": "train longer: the slope across the channel comes late",
    "linear": "this is how squared error, or a small sharpness, looks",
    "excess": "train longer, or see whether lambda_H is the penalty of each feature on average",
    "amplification": "give clean features as H_clean: their means are the ends of the chord",
    "probabilities": "see whether these are the labels that the inputs were mixed with",
}


def headline(found: Comparison) -> str:
    """One or two sentences."""
    law = found.kind.words
    if found.word == REPRODUCED:
        return (
            f"These features look like the optimum for their labels ({law}): {_proof(found)}.{_cause(found)}"
        )
    worst = _worst(found.findings, found.word)
    if found.word == INCONCLUSIVE or not worst:
        reasons = "; ".join(f"{finding.name}: {finding.reason}" for finding in worst[:MOST])
        because = f" {reasons}." if reasons else ""
        return f"Whether these features are the optimum for their labels ({law}) is open.{because}{_cause(found)}"
    because = "; ".join(BECAUSE[f.name](f.value) for f in worst[:MOST] if f.value is not None)
    then = _cause(found) or f" Next: {NEXT[_first(found, worst[0])]}."
    return f"These features are not the optimum for their labels ({law}): {because}.{then}"


def _first(found: Comparison, worst: Finding) -> str:
    """What to see to: rows that are classified right belong together, and a poor alignment is one of training."""
    right = (found.features.clean.accuracy or 0.0) >= RIGHT
    return "plane" if worst.name == "alignment" and right else worst.name


def _cause(found: Comparison) -> str:
    """A mistake that was found, with its remedy."""
    if not found.diagnoses:
        return ""
    first = found.diagnoses[0]
    return f" {'Cause' if first.sure else 'Most often'}: {first.name}; {first.remedy}."


def _worst(findings: list[Finding], word: str) -> list[Finding]:
    """Decisive findings of this word, the most telling first."""
    found = [f for f in findings if f.word == word and CRITERIA[f.name].decisive]
    return sorted(found, key=lambda f: ORDER.index(f.name))


def _proof(found: Comparison) -> str:
    """The numbers behind a good word."""
    values = {f.name: f.value for f in found.findings if f.word == REPRODUCED and f.value is not None}
    said = {
        "closed-form": "R² {:.4f} of the closed form",
        "sharpness": "a sharpness {:.3g} times that of lambda_H",
        "etf": "W within {:.1%} of a simplex ETF",
        "excess": "an excess of {:.2g} of that of h = 0",
    }
    return ", ".join(text.format(values[name]) for name, text in said.items() if name in values)


def _times(value: float) -> str:
    return f"{value:.3g} times" if value >= 0.01 else f"1/{1 / value:.3g} of" if value > 0 else "none of"
