"""A network in training, epoch by epoch: metrics of collapse, R², excess, in a log that a run may continue."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import ufm.rules.numbers as checked
from ufm.collect.gather import wanted
from ufm.collect.log import Log, Row
from ufm.rules.errors import InputError
from ufm.rules.files import picture_path

HOW = (
    "give model, layer and loader, or collect, a function that gives the arrays; without them, "
    "tracker.add(epoch, H=..., W=..., y=...)"
)


class Tracker:
    """A row an epoch of a network in training, in a .csv or .parquet log: Tracker("run.csv", model=model,
    layer=model.fc, loader=loader, every=5), and in the loop tracker.step(epoch).

    every: epochs from one row to the next, the first is 0; epochs: how many there are, so that the last of them has
    a row too. model, layer, loader and further keywords (mix,
    test, clean, ood, unpack, limit, lambda_w, lambda_h, smoothing): as of `from_torch`, or of `from_keras` and
    `from_flax` for their models; or collect() -> the arrays as a dictionary, of any framework. convention: of
    `collapse_metrics`. loss: of the training. compare: make the whole comparison each time, with intervals,
    which takes longer; `report` is then the last.

    Columns: epoch; accuracy of clean rows, test_accuracy; r2, r2_linear, sharpness (closed form against logits;
    NaN where sharpness_identified is 0, as the data do not say what it is); with lambda_h excess, excess_bound,
    excess_ratio, r2_known; every key of `collapse_metrics`; with compare finding_… and verdict. NaN where
    undefined, as the metrics are where a class has no clean row. A log that is there is continued: an epoch
    that it has is replaced. Raises InputError for another log's columns, and for what cannot be collected.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        model=None,
        layer=None,
        loader: Iterable | None = None,
        collect: Callable[[], Mapping[str, Any]] | None = None,
        every: int = 1,
        epochs: int | None = None,
        compare: bool = False,
        convention: Any = "plain",
        loss: str = "cross-entropy",
        **sets,
    ):
        self.every = checked.integer("every", every, 1)
        self.epochs = None if epochs is None else checked.integer("epochs", epochs, 1, 2**62)
        self.compare = checked.flag("compare", compare)
        self.loss = checked.choice("loss", loss, checked.LOSS_NAMES)
        self.convention = _convention(convention)
        self.report: Any = None  # a Comparison, with compare
        self.collect = _collector(model, layer, loader, collect, sets)
        self.log = Log(path)

    @property
    def rows(self) -> list[Row]:
        """All rows of the log, a dictionary each."""
        return self.log.rows

    def step(self, epoch: int) -> Row | None:
        """Measure if the epoch is one of every so many, or the last: the row, which is in the log then, or None."""
        if self.collect is None:
            raise InputError(f"there is nothing to step: {HOW}")
        number = checked.integer("epoch", epoch, 0, 2**62)
        if number % self.every and number + 1 != self.epochs:
            return None
        return self.add(epoch, **self.collect())

    def add(self, epoch: int, **arrays) -> Row:
        """Measure arrays by the names of a file (H, W, b, y, …), and log them as this epoch: the row."""
        from ufm.collect.tracked import measure

        number = checked.integer("epoch", epoch, 0, 2**62)
        found = measure(arrays, self.compare, self.convention, self.loss)
        self.report = found.report
        self.log.put({"epoch": number} | found.row)
        return self.rows[[row["epoch"] for row in self.rows].index(number)]

    def plot(self, path: str | Path | None = None):
        """The log against epochs, as a Matplotlib figure; path: where it is saved, with the suffix of a picture."""
        from ufm.pictures.tracker import draw_tracker

        if not self.rows:
            raise InputError(f"{self.log.path} has no row yet: there is nothing to plot")
        figure = draw_tracker(self.rows)
        if path is not None:
            figure.savefig(picture_path("path", path))
        return figure


def _convention(given):
    from ufm.network.collapse.conventions import PRESETS, Convention

    return given if isinstance(given, Convention) else checked.choice("convention", given, PRESETS)


def _collector(model, layer, loader, collect, sets: dict) -> Callable[[], Mapping[str, Any]] | None:
    """What gives the arrays of an epoch."""
    if collect is not None:
        if model is not None or loader is not None or layer is not None or sets:
            raise InputError("give either collect or a model with its loaders, not both")
        if not callable(collect):
            raise InputError(f"collect must be a function that gives arrays, got {type(collect).__name__}")
        return collect
    if (model is None) != (loader is None):
        raise InputError(f"model and loader come together: {HOW}")
    if model is None:
        if layer is not None or sets:
            raise InputError(
                f"{', '.join(['layer'] * (layer is not None) + sorted(sets))}: without a model; {HOW}"
            )
        return None
    source = _source(model)
    wanted({name: value for name, value in sets.items() if name not in ("variables", "call")})
    return lambda: source(model, layer, loader, **sets)


def _source(model) -> Callable:
    """The function for models of this framework, which is loaded already if there is one. Keras first: on the
    backend torch its models are torch's too."""
    from ufm.collect.flax_model import from_flax
    from ufm.collect.keras_model import from_keras
    from ufm.collect.torch_model import from_torch

    heads = {kind.__module__.split(".")[0] for kind in type(model).__mro__}
    for head, source in (("keras", from_keras), ("flax", from_flax), ("torch", from_torch)):
        if head in heads:
            return source
    raise InputError(f"model is a {type(model).__name__}, of no framework known here: {HOW}")
