"""Below the collapse table of the page: variability collapse index, parts of a squared error, classes."""

import numpy as np

from ufm.network.features import FeatureSet
from ufm.output.sections import OnPage, Sentence, Table, Two, Words
from ufm.output.text import fixed

ROWS = 20  # classes shown
COLUMNS = {
    "samples": ("samples", "n_k"),
    "accuracy": ("accuracy", "argmax W h + b is k"),
    "scatter": ("spread within", "E|h - mean|^2"),
    "cdnv": ("CDNV", "mean over other classes"),
    "norm_means": ("length of mean", "|mean - centre|"),
    "norm_rows": ("length of row of W", "|w_k|"),
    "cosine": ("row of W and mean", "their cosine, 1: collapse"),
    "disagreement": ("NC4", "share not classified by the nearest mean"),
}
PARTS = {
    "loss": ("squared error of W h + b", "half of the mean of |W h + b - e_y|^2, what it is made of below"),
    "nc1": ("of it LNC1", "spread within classes, as the least-squares W sees it"),
    "nc23": ("of it LNC2/3", "class means that the least-squares W does not send to e_k"),
    "perp": ("of it L-perp", "W and b that are not the least-squares ones; large after cross-entropy"),
}


def _small(words: str) -> Sentence:
    """On the page alone."""
    return Sentence(Two("", words))


def squared_parts(part: FeatureSet) -> list:
    """VCI and MSE, on the page alone."""
    if part.stats is None:
        return []
    if part.squared is None:
        return [
            _small(
                f"no variability collapse index and squared error: {(part.missing or {}).get('squared_error')}"
            )
        ]
    vci = "VCI: share of spread along class means that is within classes, same under any linear map; 0: collapse"
    rows: list[list[Words]] = [[f"variability collapse index\n{vci}", fixed(part.variability)]]
    rows += [
        [f"{words}\n{meaning}", fixed(getattr(part.squared, name))]
        for name, (words, meaning) in PARTS.items()
    ]
    some = (
        ""
        if part.of == part.count
        else f"; spread within classes of a random {part.of} of {part.count} samples"
    )
    note = "without a penalty; no intervals: these ask for a d x d matrix of every replicate"
    return [OnPage(Table(["of all directions together", "value"], rows)), _small(note + some)]


def class_parts(part: FeatureSet) -> list:
    """A row a class, on the page alone: the least accurate ones where there are many."""
    if part.by_class is None:
        return []
    found = part.by_class
    order = np.argsort(found["accuracy"], kind="stable")
    order = order[:ROWS] if len(order) > ROWS else np.arange(len(order))
    rows: list[list[Words]] = [
        [str(k), f"{found['samples'][k]:g}", *(fixed(float(found[name][k])) for name in list(COLUMNS)[1:])]
        for k in order.tolist()
    ]
    heads = ["class", *(f"{words}\n{meaning}" for words, meaning in COLUMNS.values())]
    count = len(found["samples"])
    few = f"the {ROWS} least accurate of {count} classes; all are in the record" if count > ROWS else ""
    return [OnPage(Table(heads, rows)), _small(few)]
