"""The metrics of neural collapse of a network in training, for a row of its log."""

import numpy as np
from flax import nnx

from experiments.networks.activations import classifier, outputs
from ufm.model.etf import etf_deviation, etf_multiplier
from ufm.network.collapse.conventions import CONVENTIONS
from ufm.network.collapse.metrics import all_metrics
from ufm.network.collapse.statistics import class_statistics
from ufm.network.read.activations import from_arrays

MOST = 2000  # training images looked at, evenly spaced


def row_collapse(run, state, data) -> dict[str, float | None]:
    """All metrics by name, convention "centred", and W's multiplier and distance from an ETF."""
    stride = -(-len(data.train_x) // MOST)
    model = nnx.merge(run.eval_graph, state.params, state.rest)
    H, _ = outputs(model, data.train_x[::stride])
    W, b = classifier(model)
    V = W - W.mean(0)
    pure = from_arrays(H=H.astype(np.float64), W=V, b=b, y=data.train_y[::stride].astype(int))
    stats = class_statistics(pure.pure_chunks, len(W), V, b)
    own = {"multiplier": etf_multiplier(V), "etf_deviation": etf_deviation(V) if V.any() else None}
    return all_metrics(stats, V, b, CONVENTIONS["centred"]) | own
