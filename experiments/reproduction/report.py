"""One reproduction from data to files: train what is missing, judge, write table, record and figures."""

import io
import platform
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from experiments.reproduction.draws import draw_baseline
from experiments.reproduction.evaluate import all_claims, evaluate, evaluate_controls, numbers
from experiments.reproduction.figures.contrast import draw_contrast
from experiments.reproduction.figures.trends import draw_calibration, draw_displacement, draw_trends
from experiments.reproduction.presets import Preset
from experiments.reproduction.runs import complete, read_picture
from experiments.reproduction.table import Reproduction, markdown, record
from experiments.tools.files import write_json
from experiments.training.checkpoint import write_whole

CONTRAST = {"erm": "ERM", "mixup": "mixup", "squared": "mixup, squared error"}
PACKAGES = ("jax", "flax", "numpy", "ufm")


def reproduce(preset: Preset, data, seeds: int, folder: Path, out: Path, command: list[str]) -> str:
    """Everything after the arguments; returns the Markdown page. Files appear under `out` at the end."""
    records = complete(preset, data, seeds, folder)
    a = mean_sharpness(records)
    draws = []
    if a is not None and preset.sizes.draws:
        print("solving for drawn labels", file=sys.stderr)
        draws = draw_baseline(data.classes, a, preset.sizes.draws)
    claims = all_claims(preset, draws)
    rows = [evaluate(claim, numbers(records)) for claim in claims]
    controls = evaluate_controls(claims, records)
    found = Reproduction(preset, rows, controls, records, draws, describe(data, seeds, a, command))
    figures = draw_all(preset, records, data.classes, folder, a)
    page = markdown(found, list(figures))
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / f"{preset.name}.json", record(found))
    for name, figure in figures.items():
        write_figure(out / f"{preset.name}-{name}.png", figure)
    write_whole(out / f"{preset.name}.md", lambda file: file.write(page.encode()))
    return page


def mean_sharpness(records) -> float | None:
    """Geometric mean over seeds of the a fitted to the mixup networks; None if one has none."""
    found = [seed["mixup"]["numbers"].get("a") for seed in records]
    return None if None in found else float(np.exp(np.mean(np.log(found))))


def draw_all(preset: Preset, records, classes: int, folder: Path, a: float | None) -> dict[str, Figure]:
    """The figures by name; no contrast figure where one of its networks failed."""
    figures = {}
    if a is not None and not any(records[0][arm]["failed"] for arm in CONTRAST):
        pictures = {title: read_picture(folder, arm) for arm, title in CONTRAST.items()}
        figures["contrast"] = draw_contrast(pictures, classes, a)
    figures["displacement"] = draw_displacement(records, classes)
    figures["calibration"] = draw_calibration(records)
    figures["trends"] = draw_trends(preset, records)
    return figures


def write_figure(path: Path, figure: Figure) -> None:
    """A PNG without a date in it, so that the same numbers give the same file."""
    image = io.BytesIO()
    figure.savefig(image, format="png", metadata={"Software": None})
    write_whole(path, lambda file: file.write(image.getvalue()))


def describe(data, seeds: int, a: float | None, command: list[str]) -> dict:
    """Provenance: what was run on what, with which versions and devices."""
    import jax

    return {
        "command": " ".join(command),
        "source": data.source,
        "checksums": data.checksums,
        "images": [len(data.train_x), len(data.test_x)],
        "seeds": seeds,
        "a": a,
        "versions": {name: version(name) for name in PACKAGES} | {"python": platform.python_version()},
        "device": jax.devices()[0].device_kind,
    }
