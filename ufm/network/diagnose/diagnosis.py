"""A mistake by its name, and what mends it."""

from typing import NamedTuple

PERMUTED, BIAS, TEMPERATURE = "rows of W permuted", "bias dropped", "logits scaled by a temperature"
ACTIVATION, LENGTH = "features before the activation", "features scaled to one length"
STANDARDISED, WHITENED = "features standardised", "features whitened"
AFFINE, LAYER = "another affine image of the features", "W is not the layer on H"
EPOCHS, OTHER_ROWS = "W and H from different epochs", "logits of other rows"
DROPOUT, BATCH_NORM = "dropout in training mode", "batch norm in training mode"
SWAPPED, CLEAN = "lambda and 1 - lambda swapped", "labels mixed on clean inputs"
SIGMOID, PROBABILITIES = "sigmoid head", "probabilities given as logits"
PENALTY = "lambda_h off by a factor"

REMEDIES = {
    PERMUTED: "give rows of W (and b) in the order of the class numbers, or names=[...] in the order of the rows",
    BIAS: "save the bias of the same layer, and no other: b = layer.bias",
    TEMPERATURE: "save logits before they are divided by a temperature, or multiply W and b by the same factor",
    ACTIVATION: "save what the last layer takes: hook its input, not the output of the layer before",
    LENGTH: "save features as the last layer takes them; where the network itself scales them, give W by its scale",
    STANDARDISED: "save the raw features that the last layer takes, not centred or scaled",
    WHITENED: "save the raw features that the last layer takes, not whitened",
    AFFINE: "save what the last layer takes, from a hook on its input; W and b from the same layer",
    LAYER: "save W and b of the very layer whose input H is, from the same checkpoint",
    EPOCHS: "save W, b and H in one go, from one checkpoint, in evaluation mode",
    OTHER_ROWS: "save H and its logits in one pass over the data, without shuffling between",
    DROPOUT: "call model.eval() (or train=False, deterministic=True) before features and logits are collected",
    BATCH_NORM: "call model.eval() (or use_running_average=True) before features and logits are collected",
    SWAPPED: "the label is lam e_i + (1 - lam) e_j: give 1 - lam as lam, or i and j in the other order",
    CLEAN: "mix inputs and labels alike before H is collected, or give the labels of the clean inputs as y",
    SIGMOID: "the theory here is of softmax cross-entropy: train with it, or read the verdicts as of another loss",
    PROBABILITIES: "save logits, before softmax or sigmoid",
    PENALTY: "lambda_h is of (lambda_h/2) E|h|^2 beside the mean loss of one sample: check sums against means",
}


class Diagnosis(NamedTuple):
    """One of `REMEDIES`: what is seen, with the number; what mends it; the numbers by name (a permutation as a
    tuple). sure: it explains the network's own logits to rounding, or holds exactly; else it is what most often
    looks so."""

    name: str
    sentence: str
    remedy: str
    evidence: dict[str, float | tuple[int, ...]]
    sure: bool


def diagnosis(name: str, sentence: str, sure: bool = False, **evidence) -> Diagnosis:
    """With the remedy of that name."""
    return Diagnosis(name, sentence, REMEDIES[name], evidence, sure)
