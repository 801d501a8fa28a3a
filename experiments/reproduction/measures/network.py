"""Everything measured on one trained network: numbers, curves, controls, and points for the contrast figure."""

from typing import NamedTuple

import numpy as np

from experiments.networks.activations import activations, classifier, outputs
from experiments.reproduction.controls import CONTROLS
from experiments.reproduction.measures.attacks import robust_accuracy
from experiments.reproduction.measures.geometry import Features, calibration_curve, measure_geometry
from experiments.reproduction.measures.held_out import measure_held_out
from experiments.reproduction.measures.layers import layer_profile
from experiments.reproduction.measures.samples import first_of_classes
from experiments.reproduction.presets import Sizes
from experiments.training.mixing import Mixed, mix_inputs
from ufm.network.read.activations import from_arrays
from ufm.pictures.plane import class_plane

SHOWN = 3  # classes of the usual picture
SAMPLE_SEED = 0  # of the inputs measured on: the same for all networks


class Measured(NamedTuple):
    """numbers and curves of one network, numbers of each control, and the picture's arrays."""

    numbers: dict
    curves: dict[str, list[float]]
    controls: dict[str, dict]
    picture: dict[str, np.ndarray]


def measure(trained, data, sizes: Sizes, controls: bool) -> Measured:
    """Measure a trained network on `data` (see `experiments.datasets`); controls only where asked for."""
    model, lambda_h = trained.model, trained.settings.lambda_h or None
    kept = first_of_classes(data.train_y, sizes.unmixed)
    x, y = data.train_x[kept], data.train_y[kept].astype(int)
    mixed = mix_inputs(data.train_x, data.train_y, sizes.mixed, seed=SAMPLE_SEED)
    found = network_features(model, mixed, x, y)
    numbers, curves = measure_geometry(found, lambda_h)
    numbers |= measure_held_out(
        (outputs(model, data.train_x)[1].astype(float), data.train_y.astype(int)),
        (outputs(model, data.test_x)[1].astype(float), data.test_y.astype(int)),
    )
    numbers |= _held_out_curve(model, found, data, sizes, numbers)
    attacked = slice(0, sizes.attacked)
    numbers |= robust_accuracy(
        model, data.test_x[attacked], data.test_y[attacked], sizes.epsilons, seed=SAMPLE_SEED
    )
    numbers["profile"] = _profile(model, mixed, x, y, sizes)
    spoilt = {name: spoil(found, SAMPLE_SEED) for name, spoil in CONTROLS.items()} if controls else {}
    spoilt = {name: measure_geometry(features, lambda_h)[0] for name, features in spoilt.items()}
    return Measured(numbers, curves, spoilt, picture(model, found, data, sizes.shown))


def network_features(model, mixed: Mixed, x: np.ndarray, y: np.ndarray) -> Features:
    """Last-layer features of mixed and unmixed inputs with the classifier, in float64."""
    W, b = classifier(model)
    H, pure = (outputs(model, part)[0].astype(np.float64) for part in (mixed.x, x))
    return Features(H, mixed.i, mixed.j, mixed.lam, pure, y, W, b)


def picture(model, found: Features, data, count: int) -> dict[str, np.ndarray]:
    """The usual picture: mixtures of classes 0, 1, 2 in the plane of their centred rows, centred at c.

    xy (n, 2), tips (3, 2) of the rows, i, j, lam.
    """
    rows = np.flatnonzero(data.train_y < SHOWN)
    mixed = mix_inputs(data.train_x[rows], data.train_y[rows], count, seed=SAMPLE_SEED)
    plane = class_plane(found.V)
    xy = (outputs(model, mixed.x)[0].astype(np.float64) - found.centre) @ plane
    return {"xy": xy, "tips": found.V[:SHOWN] @ plane, "i": mixed.i, "j": mixed.j, "lam": mixed.lam}


def _held_out_curve(model, found: Features, data, sizes: Sizes, numbers: dict) -> dict[str, float]:
    """The calibration curve on mixtures of test images, at the sharpness of the training features."""
    mixed = mix_inputs(data.test_x, data.test_y, sizes.mixed, seed=SAMPLE_SEED)
    H = outputs(model, mixed.x)[0].astype(np.float64)
    stream = from_arrays(H=H, W=found.W, i=mixed.i, j=mixed.j, lam=mixed.lam)
    a = numbers["a"] if numbers["a_known"] is None else numbers["a_known"]
    return {f"test_{name}": value for name, value in calibration_curve(stream, found, a)[0].items()}


def _profile(model, mixed: Mixed, x: np.ndarray, y: np.ndarray, sizes: Sizes):
    few = Mixed(*(part[: sizes.layers] for part in mixed))
    kept = first_of_classes(y, sizes.layers)
    return layer_profile(activations(model, few.x).layers, activations(model, x[kept]).layers, few, y[kept])
