"""Figures of one preset: displacement against logit λ, calibration curves, dependence on α and on the network."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from experiments.reproduction.presets import Preset
from experiments.reproduction.verdict import judge
from ufm.pictures.plane import BLUE, CURVE, RED

ORANGE = "#d95f02"
PANELS = {"mixup": "mixup, learned W", "etf": "mixup, fixed ETF", "erm": "ERM"}
TRENDS = (
    ("last layer", {"alignment": (RED, "alignment"), "middle_ratio": (BLUE, "middle ratio")}),
    ("R²", {"r2": (BLUE, "closed form"), "r2_linear": ("0.55", "linear")}),
    ("ECE", {"ece": (BLUE, "")}),
    ("test accuracy", {"accuracy": (BLUE, "")}),
)


def draw_displacement(records: list[dict[str, dict]], classes: int) -> Figure:
    """z_i − z_j averaged over bins of λ against logit λ: every seed's dots, the closed form, its limit."""
    figure, axes = _page(3, (12, 4.2))
    for one, (arm, title) in zip(axes, PANELS.items()):
        _draw_arm_displacement(one, [seed[arm] for seed in records], classes)
        _name(one, title, r"$\mathrm{logit}\ \lambda$")
    axes[0].set_ylabel("logit difference across the channel", fontsize=12)
    axes[0].legend(fontsize=10.5, frameon=False, loc="upper left")
    return figure


def draw_calibration(records: list[dict[str, dict]]) -> Figure:
    """Mean probability of class i on mixtures λ x_i + (1−λ) x_j against λ, beside the closed form."""
    figure, axes = _page(3, (12, 4.2))
    for one, (arm, title) in zip(axes, PANELS.items()):
        one.plot([0, 1], [0, 1], color=ORANGE, ls="--", lw=1.4, label=r"label, $p = \lambda$")
        for number, curve in enumerate(_curves([seed[arm] for seed in records])):
            one.plot(curve["lam"], curve["first_predicted"], label=None if number else "closed form", **CURVE)
            one.plot(curve["lam"], curve["first"], "o", ms=4, color=BLUE, label=None if number else "network")
        _name(one, title, r"$\lambda$")
    axes[0].set_ylabel(r"mean $p_i$", fontsize=12)
    axes[0].legend(fontsize=10.5, frameon=False, loc="upper left")
    return figure


def draw_trends(preset: Preset, records: list[dict[str, dict]]) -> Figure:
    """Rows: against α, and by network; mean and interval over seeds."""
    figure = Figure(figsize=(13, 6.6), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, len(TRENDS), sharey="col")
    titles = {arm.name: arm.title.removeprefix("mixup, ") for arm in preset.arms}
    alphas = {arm: f"{alpha:g}" for arm, alpha in preset.alphas.items()}
    networks = {arm: "main" if arm == "mixup" else titles[arm] for arm in preset.architectures}
    for row, ticks, says in ((axes[0], alphas, r"mixup $\alpha$"), (axes[1], networks, "network")):
        for one, (title, measures) in zip(row, TRENDS):
            for number, (name, (colour, label)) in enumerate(measures.items()):
                shift = 0.12 * number  # two measures beside each other
                _draw_trend(one, records, list(ticks), name, colour, label, shift)
            one.set_title(title, fontsize=12)
            one.set_xlabel(says, fontsize=11)
            one.spines[["top", "right"]].set_visible(False)
            one.set_xticks(range(len(ticks)), list(ticks.values()), fontsize=10.5)
            one.set_xlim(-0.5, len(ticks) - 0.5)
    for one in axes[0, :2]:
        one.legend(fontsize=10, frameon=False)
    return figure


def _draw_arm_displacement(axes: Axes, runs: list[dict], classes: int) -> None:
    ends = np.array([-4.2, 4.2])
    axes.plot(ends, ends, color=ORANGE, ls="--", lw=1.4, label=r"limit, $\mathrm{logit}\ \lambda$")
    kept = [run for run in runs if run["curves"]]
    for number, run in enumerate(kept):
        curve = _arrays(run["curves"])
        # displacement times ‖w_i − w_j‖ of an ETF is the difference of the two logits
        unit = run["numbers"]["multiplier"] * np.sqrt(2 * classes / (classes - 1))
        label = (None, None) if number else ("closed form", "network")
        axes.plot(curve["logit"], unit * curve["displacement_predicted"], label=label[0], **CURVE)
        axes.plot(curve["logit"], unit * curve["displacement"], "o", ms=4, color=BLUE, label=label[1])


def _draw_trend(axes: Axes, records, arms: list[str], name: str, colour, label: str, shift: float) -> None:
    found = [judge([seed[arm]["numbers"].get(name) for seed in records], ">", 0.0) for arm in arms]
    for at, one in enumerate(found):
        if one.interval is not None:
            axes.plot([at + shift, at + shift], one.interval, color=colour, lw=1.6)
    means = [np.nan if one.mean is None else one.mean for one in found]
    axes.plot(np.arange(len(arms)) + shift, means, "o", ms=6, color=colour, label=label)


def _curves(runs: list[dict]) -> list[dict[str, np.ndarray]]:
    return [_arrays(run["curves"]) for run in runs if run["curves"]]


def _arrays(curves: dict[str, list]) -> dict[str, np.ndarray]:
    """Lists from JSON as arrays; an empty bin is NaN."""
    return {name: np.array(values, float) for name, values in curves.items()}


def _page(columns: int, size: tuple[float, float]) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=size, dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, columns, sharey=True)
    for one in axes:
        one.spines[["top", "right"]].set_visible(False)
        one.tick_params(labelsize=10.5)
    return figure, list(axes)


def _name(axes: Axes, title: str, x: str) -> None:
    axes.set_title(title, fontsize=13)
    axes.set_xlabel(x, fontsize=12)
