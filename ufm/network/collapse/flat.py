"""`collapse_metrics`: all metrics of neural collapse of features in memory, as one flat dictionary for a log."""

from math import nan

import numpy as np

import ufm.rules.numbers as checked
from ufm.network.collapse.angles import equinorm_difference, uniform_duality
from ufm.network.collapse.blocks import array_statistics
from ufm.network.collapse.conventions import PRESETS, Convention
from ufm.network.collapse.given import read_given
from ufm.network.collapse.metrics import all_metrics, features_alone
from ufm.network.collapse.spectrum import numerical_rank
from ufm.network.collapse.uniformity import uniformity


def collapse_metrics(H, y, W=None, b=None, *, convention: str | Convention = "plain") -> dict[str, float]:
    """Metrics of neural collapse of features H (N, d) with class ids y (N), and of a last layer W (K, d), b (K).

    Arrays of NumPy, torch or JAX on any device, in any float type; nothing here imports JAX. Without W: NC1 and NC2
    of any layer. Every value is a float, NaN where the metric is undefined; docs/metrics.md has one line a key.
    y: whole numbers from 0 or names, (N) or (N, 1). With W they are its rows, counted from 0, or K other ids, which
    are matched to the rows in sorted order; without W, any ids. convention: a name of `PRESETS`, or a `Convention`.

    Raises InputError for labels that are one-hot or from 1 on, for H with more than two axes, a transposed W, NaN,
    and a class without a sample.
    """
    how = _convention(convention)
    given = read_given(H, y, W, b)
    stats, margins = array_statistics(*given, centre=how.centre)
    M = stats.centred(how.centre)
    if given.W is None or margins is None:
        found = features_alone(stats, how)
    else:
        found = all_metrics(stats, given.W, given.b, how) | _with_rows(given.W, M, margins, how)
    for kernel in ("distance", "log"):
        spread = uniformity(M, kernel)
        found[f"gnc2_{kernel}_mean"] = None if spread is None else spread.mean
        found[f"gnc2_{kernel}_variance"] = None if spread is None else spread.variance
    found |= {"rank_means": numerical_rank(M), "samples": float(stats.count), "classes": float(stats.classes)}
    return {name: nan if value is None else float(value) for name, value in found.items()}


def _convention(convention: str | Convention) -> Convention:
    if isinstance(convention, Convention):
        return convention
    return PRESETS[checked.choice("convention", convention, PRESETS)]


def _with_rows(W: np.ndarray, M: np.ndarray, margins: np.ndarray, how: Convention) -> dict[str, float | None]:
    """What needs the last layer besides `all_metrics`."""
    V = W - W.mean(0) if how.centre_rows else W
    cosine = uniform_duality(V, M)
    return {
        "nc2_norms_difference": equinorm_difference(V, M, how.ddof),
        "nc3_cosine_mean": None if cosine is None else cosine.mean,
        "nc3_cosine_variance": None if cosine is None else cosine.variance,
        "margin_mean": float(np.mean(margins)),
        "margin_least": float(np.min(margins)),
        "rank_rows": numerical_rank(V),
    }
