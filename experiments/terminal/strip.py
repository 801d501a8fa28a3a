"""One network at six steps of its training beside the joint theorem's curve, all in the axes of the last W."""

from itertools import combinations
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from scipy.special import expit

from experiments.networks.activations import classifier, outputs
from experiments.reproduction.figures.contrast import Picture, draw_bars, draw_mixtures, draw_rows, row_length
from experiments.terminal.cells import LAMBDA, MIXUP, Cell
from experiments.terminal.measures import MIXED
from experiments.terminal.optimum import joint_features, joint_of, r_squared
from experiments.terminal.runs import Task, images_of
from experiments.training.mixing import mix_inputs
from experiments.training.snapshots import snapshots
from ufm.network.measures.fitting import closed_logits
from ufm.network.read.label_rows import LabelBlock
from ufm.pictures.plane import class_plane
from ufm.theory.multiplier import Multiplier

SHARES = (0, 1 / 60, 1 / 20, 1 / 6, 1 / 2, 1)  # of the run's steps
CLASSES, SHOWN = 3, 1000  # drawn, and their mixtures
REACH = 1.9  # of the axes in units: early features lie further out than the last, some outside
EDGE, POINTS = 14.0, 400  # the curve's λ, even in logit λ: the edge layer is narrow
LINE = {"color": "0.1", "lw": 1.3, "zorder": 4}


class Strip(NamedTuple):
    """Of each step a picture and R²; the theorem's curve of each pair of classes, and the unit of length."""

    steps: list[int]
    pictures: list[Picture]
    r2: list[float]
    curves: list[Float[np.ndarray, "n 2"]]
    unit: float


def watch(cell: Cell, data_dir: str | None = None) -> Strip:
    """Train the first mixup network of a cell, looking at its features at SHARES of the run."""
    task = Task(cell, MIXUP, cell.first_seed, data_dir, None)
    settings, data = cell.settings(MIXUP, task.seed), images_of(task)
    x, y = data.train_x, data.train_y.astype(int)
    few = np.flatnonzero(y < CLASSES)
    mixed, shown = mix_inputs(x, y, MIXED, seed=task.seed), mix_inputs(x[few], y[few], SHOWN)
    found = [
        (step, classifier(model)[0], *(outputs(model, part.x)[0].astype(float) for part in (mixed, shown)))
        for step, model in snapshots(settings, data, [round(share * settings.steps) for share in SHARES])
    ]
    steps, rows, all_features, features = zip(*found)
    joint, V = joint_of(settings, data.classes, LAMBDA), rows[-1] - rows[-1].mean(0)
    plane, best = class_plane(V), optimal(mixed.i, mixed.j, mixed.lam, V, joint)
    labels, k = {"i": shown.i, "j": shown.j, "lam": shown.lam}, np.arange(CLASSES)
    return Strip(
        list(steps),
        [labels | {"xy": H @ plane, "tips": (W - W.mean(0))[k] @ plane} for W, H in zip(rows, features)],
        [r_squared(H, best) for H in all_features],
        [curve @ plane for curve in optimal_curves(V, joint)],
        float(np.linalg.norm(optimal(k, k, np.ones(CLASSES), V, joint) @ plane, axis=1).mean()),
    )


def optimal(
    i: Int[np.ndarray, " n"], j: Int[np.ndarray, " n"], lam: Float[np.ndarray, " n"], V, joint: Multiplier
) -> Float[np.ndarray, "n d"]:
    """The joint theorem's features of labels λ e_i + (1−λ) e_j, turned onto V (K, d): nothing of its length."""
    z = closed_logits(LabelBlock(i, j, lam, None, len(V)), joint.sharpness)[0]
    return joint_features(z, V, joint.value)


def optimal_curves(V: Float[np.ndarray, "K d"], joint: Multiplier) -> list[Float[np.ndarray, "n d"]]:
    """The same along λ from 0 to 1, for each pair of the classes drawn."""
    lam = np.concatenate([[0.0], expit(np.linspace(-EDGE, EDGE, POINTS)), [1.0]])
    pairs = combinations(range(CLASSES), 2)
    return [optimal(np.full(len(lam), i), np.full(len(lam), j), lam, V, joint) for i, j in pairs]


def draw_strip(found: Strip) -> Figure:
    """A panel a step, in the same axes and units; only the last W's longest row is as long as in the contrast."""
    figure = Figure(figsize=(10.6, 7.0), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, 3, sharex=True, sharey=True)
    longest = row_length(found.pictures[-1]["tips"])
    for one, step, picture, r2 in zip(axes.flat, found.steps, found.pictures, found.r2):
        draw_mixtures(one, picture, found.unit, REACH)
        for curve in found.curves:
            one.plot(*(curve / found.unit).T, **LINE)
        draw_rows(one, picture["tips"], longest)
        one.set_title(title(step, r2), fontsize=15)
    draw_bars(figure, axes, shrink=0.5, aspect=24)
    figure.supxlabel(
        r"colour: $|2\lambda - 1|$      line: the theorem's optimum      arrows: rows of W, at their length",
        fontsize=12,
        color="0.25",
    )
    return figure


def title(step: int, r2: float) -> str:
    """Of a panel; below 0 the size of R² says only how large features are."""
    return f"step {step}: R² " + ("< 0" if r2 < 0 else f"= {r2:.3f}")
