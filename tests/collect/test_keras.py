"""from_keras: logits are logits, whatever the network ends in."""

import os
from importlib.util import find_spec

import numpy as np
import pytest

import ufm
from ufm.rules.errors import InputError

if find_spec("keras"):
    os.environ.setdefault("KERAS_BACKEND", "jax")  # which is there in any case
keras = pytest.importorskip("keras")
K, D, INPUTS, N, B = 3, 5, 7, 12, 5
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(N, INPUTS)).astype(np.float32), np.arange(N) % K
LOADER = [(X[n : n + B], Y[n : n + B]) for n in range(0, N, B)]


def network(end="logits"):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((INPUTS,))
    hidden = keras.layers.Dropout(0.5)(keras.layers.Dense(D, activation="tanh", name="first")(inputs))
    activation = "softmax" if end == "softmax" else None
    outputs = keras.layers.Dense(K, activation=activation, use_bias=end != "no bias", name="head")(hidden)
    if end == "softmax layer":
        outputs = keras.layers.Softmax(name="softmax")(outputs)
    return keras.Model(inputs, outputs)


@pytest.mark.parametrize("end", ["logits", "softmax", "softmax layer", "no bias"])
@pytest.mark.parametrize("layer", ["head", "module", None])
def test_what_is_collected_is_a_pass_by_hand(end, layer):
    model = network(end)
    first, shift, kernel, *bias = model.get_weights()
    b = bias[0] if bias else np.zeros(K)
    given = model.get_layer("head") if layer == "module" else layer
    found = ufm.collect.from_keras(model, given, LOADER, mix=ufm.collect.mixup(1.0), test=LOADER)
    H = np.tanh(X @ first + shift)
    np.testing.assert_allclose(found["H_clean"], H, atol=1e-5)
    np.testing.assert_array_equal(found["W"], kernel.T)
    np.testing.assert_array_equal(found["b"], b)
    np.testing.assert_allclose(found["logits"], H @ kernel + b, atol=1e-5)
    assert ("logits_H" in found) == (end != "softmax") and found.layer == "layer head, 3 x 5"
    if end != "softmax":
        np.testing.assert_allclose(found["logits_H"], found["H"] @ kernel + b, atol=1e-5)


@pytest.mark.parametrize("scale", [1.0, 0.25])
def test_a_scale_behind_the_layer_is_noticed(scale, recwarn):
    model = keras.Sequential(
        [keras.Input((INPUTS,)), keras.layers.Dense(K, name="last"), keras.layers.Rescaling(scale)]
    )
    ufm.collect.from_keras(model, None, LOADER)
    said = [str(warning.message) for warning in recwarn if "behind it" in str(warning.message)]
    assert len(said) == (scale != 1) and (scale == 1 or "layer last: the model gives 0.25 times" in said[0])


def test_a_sequential_network_and_a_tracker(tmp_path):
    model = keras.Sequential(
        [keras.Input((INPUTS,)), keras.layers.Dense(D), keras.layers.Dense(K, name="last")]
    )
    assert ufm.collect.from_keras(model, None, LOADER).layer == "layer last, 3 x 5"
    assert ufm.Tracker(tmp_path / "run.csv", model=model, loader=LOADER).step(0)["samples"] == N


def test_what_is_refused_says_what_to_do():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.head = keras.layers.Dense(K, name="head")

        def call(self, x):
            return self.head(x)

    own = Own()
    own(X)
    for model, layer, words in (
        (3, None, "model must be a keras.Model"),
        (
            network("softmax layer"),
            "softmax",
            "layer softmax is a Softmax, no Dense: its Dense layers are first, head",
        ),
        (network(), "tail", "layer 'tail' is no Dense layer of the model"),
        (own, None, "no one input in a graph of layers"),
        (network(), "first", "the model gives B x 3, and layer first has 5 rows: it is not the last layer"),
    ):
        with pytest.raises(InputError, match=words):
            ufm.collect.from_keras(model, layer, LOADER)
