"""The collapse table: by convention in the text, in words on the page; train beside test; other data."""

from ufm.network.collapse.conventions import CONVENTIONS
from ufm.network.comparison import Comparison
from ufm.network.features import FeatureSet
from ufm.network.moments import LEVEL, RESAMPLED_IN
from ufm.output.sections import Sentence, Table, Two, Words
from ufm.output.text import fixed

WORDS = {
    "nc1": ("spread within classes over spread between (NC1)", "how far features of a class still differ"),
    "nc1_ratio": ("the same, as a ratio of traces", "not weighted by direction"),
    "cdnv": ("class-distance normalised variance", "spread of two classes over the distance of their means"),
    "nc2_norms_means": ("class means: unequal lengths", "std over mean of the lengths"),
    "nc2_norms_rows": ("rows of W: unequal lengths", "std over mean of the lengths"),
    "nc2_angles_means": ("class means: angles from those of a simplex", "mean of |cos + 1/(K-1)|"),
    "nc2_angles_rows": ("rows of W: angles from those of a simplex", "mean of |cos + 1/(K-1)|"),
    "nc2_simplex_means": ("class means: distance from a simplex ETF", "of Gram matrices of norm 1"),
    "nc2_simplex_rows": ("rows of W: distance from a simplex ETF", "of Gram matrices of norm 1"),
    "nc3_distance": ("W against class means (NC3)", "distance of both, each of norm 1"),
    "nc3_product": ("W times class means from a simplex", "of norm 1"),
    "nc4_disagreement": ("not classified by the nearest mean (NC4)", "share of these features"),
    "nc4_bias": ("|W mean + b|", "what the bias does not cancel"),
}


def collapse_parts(found: Comparison) -> list:
    """By convention; then, where there is a test set, train beside test, and other data."""
    clean, test, nc5 = found.features.clean, found.features.test, found.features.nc5
    if clean.metrics is None:
        advice = "" if "H_clean" in clean.words else ": give features of clean inputs as H_clean, y_clean"
        return [Sentence(f"{clean.reason}{advice}")]
    names = list(clean.metrics)
    rows: list[list[Words]] = [
        [_named(key), *(_value(clean, name, key) for name in names)] for key in clean.metrics[names[0]]
    ]
    sources = [f"{name}: {CONVENTIONS[name].source}" for name in names]
    page = "\n".join([_intervals(clean), "Conventions", *sources])
    other = (
        [] if nc5 is None else [f"other data (NC5): mean |cos| of its mean with the class means {fixed(nc5)}"]
    )
    return [
        Table(["metric (0: collapse)", *names], rows),
        Sentence(Two("", page)),
        *_beside(clean, test),
        *other,
    ]


def _value(part: FeatureSet, convention: str, key: str) -> Words:
    """A metric; on the page with its interval below, where it has one."""
    assert part.metrics is not None
    value = fixed(part.metrics[convention][key])
    ends = (part.intervals or {}).get(key) if convention == RESAMPLED_IN else None
    return value if ends is None else Two(value, "{}\n{} to {}".format(value, *map(fixed, ends)))


def _intervals(part: FeatureSet) -> str:
    """How the intervals were made, or why there are none."""
    if part.intervals is None:
        return f"no intervals: {(part.missing or {}).get('intervals')}"
    return (
        f"{LEVEL:.0%} intervals of {RESAMPLED_IN}: bootstrap over samples, less the bias that it shows (a value "
        "outside its own interval is of too few samples); none of rows of W alone, which are no sample, and "
        "of NC4, whose nearest means would change"
    )


def _named(key: str) -> Two:
    """The key in the text; on the page words, with the key and what it means below."""
    words, meaning = WORDS[key]
    return Two(key, f"{words}\n{key}: {meaning}")


def _beside(clean: FeatureSet, test: FeatureSet | None) -> list:
    """The same metrics of the test set, in the first convention."""
    if test is None or clean.metrics is None:
        return []
    if test.metrics is None:
        return [Sentence(f"test features: {test.reason}")]
    name = next(iter(clean.metrics))
    rows: list[list[Words]] = [
        [_named(key), _value(clean, name, key), _value(test, name, key)] for key in clean.metrics[name]
    ]
    return ["", Table([f"{name}", f"train, {clean.count}", f"test, {test.count}"], rows)]
