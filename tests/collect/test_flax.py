"""from_flax on networks of nnx and linen, in evaluation mode whatever mode the training is in."""

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

import ufm
from ufm.rules.errors import InputError

nnx = pytest.importorskip("flax.nnx")
linen = pytest.importorskip("flax.linen")
K, D, INPUTS, N, B = 3, 5, 7, 12, 5
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(N, INPUTS)).astype(np.float32), np.arange(N) % K
LOADER = [(X[n : n + B], Y[n : n + B]) for n in range(0, N, B)]


@pytest.fixture(autouse=True)
def _as_users_have_it():
    """Without the test run's own type checks, which come first."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


class Net(nnx.Module):
    def __init__(self, rngs, bias=True, twice=False):
        self.first, self.norm = nnx.Linear(INPUTS, D, rngs=rngs), nnx.BatchNorm(D, rngs=rngs)
        self.dropout, self.head = nnx.Dropout(0.5, rngs=rngs), nnx.Linear(D, K, use_bias=bias, rngs=rngs)
        self.twice = twice

    def features(self, x):
        return jnp.tanh(self.dropout(self.norm(self.first(x))))

    def __call__(self, x):
        H = self.features(x)
        return jax.nn.softmax(self.head(H) + (self.head(H) if self.twice else 0.0))


class Dense(linen.Module):
    bias: bool = True

    @linen.compact
    def __call__(self, x, train=True):
        x = linen.Dense(D, name="first")(x)
        x = linen.BatchNorm(use_running_average=not train, name="norm")(x)
        x = linen.Dropout(0.5, deterministic=not train)(jnp.tanh(x))
        return linen.softmax(linen.Dense(K, use_bias=self.bias, name="head")(x))


def check(found, H, W, b):
    np.testing.assert_allclose(found["H_clean"], H, atol=1e-5)
    np.testing.assert_allclose(found["H_test"], H, atol=1e-5)
    np.testing.assert_allclose(found["W"], W, atol=1e-7)
    np.testing.assert_allclose(found["b"], b, atol=1e-7)
    np.testing.assert_allclose(found["logits"], H @ np.transpose(W) + b, atol=1e-5)
    np.testing.assert_allclose(found["logits_H"], found["H"] @ np.transpose(W) + b, atol=1e-5)
    np.testing.assert_array_equal(found["i"], Y)
    assert found.layer == "layer head, 3 x 5"


class Scaled(nnx.Module):
    def __init__(self, after):
        self.head, self.after = nnx.Linear(INPUTS, K, rngs=nnx.Rngs(0)), after

    def __call__(self, x):
        return self.after(self.head(x))


@pytest.mark.parametrize(
    "after, words",
    [
        (lambda z: z, None),
        (jax.nn.log_softmax, None),
        (lambda z: z / 4, "layer head: the model gives 0.25 times what the layer gives"),
        (jnp.negative, "something else than a softmax"),
    ],
)
def test_what_follows_the_layer_is_noticed(after, words, recwarn):
    ufm.collect.from_flax(Scaled(after), None, LOADER)
    said = [str(warning.message) for warning in recwarn if "behind it" in str(warning.message)]
    assert len(said) == (words is not None) and (words is None or words in said[0])


@pytest.mark.parametrize("layer", ["module", "head", None])
def test_a_network_of_nnx(layer):
    model = Net(nnx.Rngs(0), bias=layer != "head")
    before = jax.tree.map(np.asarray, nnx.to_pure_dict(nnx.state(model, nnx.Any(nnx.Param, nnx.BatchStat))))
    drawn, usual = model.dropout.rngs.count[...], nnx.Linear.__call__
    given = model.head if layer == "module" else layer
    found = ufm.collect.from_flax(model, given, LOADER, mix=ufm.collect.mixup(1.0), test=LOADER)
    assert not model.dropout.deterministic and not model.norm.use_running_average
    assert model.dropout.rngs.count[...] == drawn and nnx.Linear.__call__ is usual
    after = nnx.to_pure_dict(nnx.state(model, nnx.Any(nnx.Param, nnx.BatchStat)))
    jax.tree.map(np.testing.assert_array_equal, before, after)
    model.eval()
    b = np.zeros(K) if model.head.bias is None else np.asarray(model.head.bias[...])
    check(found, np.asarray(model.features(X)), np.asarray(model.head.kernel[...]).T, b)


@pytest.mark.parametrize("layer", ["head", None])
def test_a_network_of_linen(layer):
    model = Dense(bias=layer is None)
    variables = model.init(jax.random.key(0), X, train=False)
    found = ufm.collect.from_flax(
        model,
        layer,
        LOADER,
        variables=variables,
        call={"train": False},
        mix=ufm.collect.mixup(1.0),
        test=LOADER,
    )
    params = variables["params"]
    hidden = X @ params["first"]["kernel"] + params["first"]["bias"]
    H = np.tanh(hidden / np.sqrt(1 + 1e-5))
    b = params["head"].get("bias", np.zeros(K))
    check(found, np.asarray(H), np.asarray(params["head"]["kernel"]).T, np.asarray(b))


def test_bfloat16_is_widened():
    model = nnx.Sequential(
        nnx.Linear(INPUTS, D, dtype=jnp.bfloat16, param_dtype=jnp.bfloat16, rngs=nnx.Rngs(0)),
        nnx.Linear(D, K, dtype=jnp.bfloat16, param_dtype=jnp.bfloat16, rngs=nnx.Rngs(1)),
    )
    found = ufm.collect.from_flax(model, None, LOADER)
    assert found["H"].dtype == found["W"].dtype == np.float32 and found.layer == "layer layers.1, 3 x 5"


def test_a_tracker_takes_a_network_of_nnx(tmp_path):
    tracker = ufm.Tracker(tmp_path / "run.csv", model=Net(nnx.Rngs(0)), loader=LOADER)
    assert tracker.step(0)["samples"] == N


LINEN = Dense()
REFUSED = {
    "a function": ({"model": np.tanh}, "model must be an nnx.Module or a linen Module"),
    "no variables": ({"model": LINEN}, "a linen model needs variables"),
    "variables of nnx": ({"variables": {}}, "variables belong to a linen model"),
    "another name": ({"layer": "tail"}, "layer 'tail' is no module of the model: it has"),
    "another module": ({"layer": nnx.Linear(1, 1, rngs=nnx.Rngs(0))}, "a Linear, is no module of the model"),
    "a number": ({"layer": 3}, "layer must be a module or its path"),
    "not the last": (
        {"layer": "first"},
        "the model gives 5 x 3, and layer first has 5 rows: it is not the last",
    ),
    "no kernel": ({"layer": "dropout"}, "layer dropout is a Dropout, which has no kernel d x K"),
    "called twice": (
        {"model": Net(nnx.Rngs(0), twice=True)},
        "layer head is called 2 times in a forward pass",
    ),
    "a word too many": ({"held": LOADER}, "held: the keywords are"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_says_what_to_do(name):
    given, words = REFUSED[name]
    with pytest.raises(InputError, match=words):
        ufm.collect.from_flax(**{"model": Net(nnx.Rngs(0)), "layer": "head", "loader": LOADER} | given)


def test_of_linen_a_layer_is_its_path():
    variables = LINEN.init(jax.random.key(0), X, train=False)
    for layer, words in ((3, "is its path"), ("tail", "layer tail is called 0 times")):
        with pytest.raises(InputError, match=words):
            ufm.collect.from_flax(LINEN, layer, LOADER, variables=variables, call={"train": False})
