"""Everything measured on one trained network of the terminal regime."""

import numpy as np

from experiments.networks.activations import activations, outputs
from experiments.reproduction.controls import CONTROLS
from experiments.reproduction.measures.held_out import measure_held_out
from experiments.reproduction.measures.layers import layer_profile
from experiments.reproduction.measures.network import Measured, network_features, picture
from experiments.terminal.cells import LAMBDA
from experiments.terminal.optimum import joint_of, measure_optimum, objective_excess
from experiments.training.mixing import Mixed, mix_inputs

MIXED, LAYERS, SHOWN = 6000, 1500, 1500  # inputs measured on, for all layers, in the picture
HELD_OUT = ("r2_logits_joint", "r2_known", "r2_linear", "alignment", "displacement_finite", "curve_explained")


def measure(trained, data, controls: bool) -> Measured:
    """Measure a trained network on mixtures of its training images, and of test images (both prepared)."""
    settings, model = trained.settings, trained.model
    joint = joint_of(settings, data.classes, LAMBDA)
    train = data.train_x, data.train_y.astype(int)
    test = data.test_x, data.test_y.astype(int)
    mixed = mix_inputs(*train, MIXED, seed=settings.seed)
    found = network_features(model, mixed, *train)
    numbers, curves = measure_optimum(found, settings, joint)
    if settings.lambda_h:
        numbers |= objective_excess(found, settings)
    held = network_features(model, mix_inputs(*test, MIXED, seed=settings.seed), *test)
    held_numbers, _ = measure_optimum(held, settings, joint)
    numbers |= {f"test_{name}": held_numbers[name] for name in HELD_OUT}
    numbers |= measure_held_out(*((outputs(model, x)[1].astype(float), y) for x, y in (train, test)))
    numbers["profile"] = _profile(model, mixed, *train)
    spoilt = {name: spoil(found, settings.seed) for name, spoil in CONTROLS.items()} if controls else {}
    spoilt = {name: measure_optimum(features, settings, joint)[0] for name, features in spoilt.items()}
    return Measured(numbers, curves, spoilt, picture(model, found, data, SHOWN))


def _profile(model, mixed: Mixed, x: np.ndarray, y: np.ndarray):
    few = Mixed(*(part[:LAYERS] for part in mixed))
    return layer_profile(activations(model, few.x).layers, activations(model, x).layers, few, y)
