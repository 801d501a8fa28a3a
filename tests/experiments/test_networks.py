"""Networks of the experiments: their layers, their heads, what evaluation mode means, published sizes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from experiments.networks import build_network
from experiments.networks.activations import activations, classifier, evaluation_parts, logits_fn, outputs
from experiments.networks.network import Fixed, Network
from experiments.networks.resnet import BasicBlock, batch_norm, pool
from experiments.networks.vit import vit_stages
from experiments.networks.wide_resnet import WideBlock
from experiments.training.arms import mix
from experiments.training.settings import NETWORKS, default_settings
from ufm.model.etf import simplex_etf

pytestmark = pytest.mark.slow  # networks are compiled

DTYPE = jnp.dtype("float32")


def images(count=6, size=8, channels=3, seed=0):
    return np.random.default_rng(seed).random((count, size, size, channels), np.float32)


def build(network="mlp", classes=4, x=None, seed=0, **changes):
    settings = default_settings(network, **{"width": 16, "depth": 3, **changes})
    return build_network(settings, classes, images() if x is None else x, nnx.Rngs(seed))


def shapes(network, classes=10, size=32, **changes):
    """Parameters and activations of a network as shapes, without any arithmetic."""
    x = images(2, size)
    model = nnx.eval_shape(lambda: build(network, classes, x, **changes))
    graph, params, rest = evaluation_parts(model)
    found = jax.eval_shape(lambda p, r: nnx.merge(graph, p, r)(x), params, rest)
    return sum(leaf.size for leaf in jax.tree.leaves(params)), found


def randomised(model, seed=1):
    """The same network with every trained number drawn anew, so that nothing is zero."""
    graph, params, rest = nnx.split(model, nnx.Param, ...)
    rng = np.random.default_rng(seed)
    draw = lambda p: jnp.asarray(rng.normal(0, 0.3, p.shape), p.dtype)  # noqa: E731
    return nnx.merge(graph, jax.tree.map(draw, params), rest)


# published counts for 10 classes and 3 channels; ResNet-8 with projections and their norms
PUBLISHED = {"resnet8": 78_042, "resnet18": 11_173_962}


@pytest.mark.parametrize("network, count", PUBLISHED.items())
def test_published_sizes(network, count):
    assert shapes(network)[0] == count


def test_wide_resnet_has_its_size():
    """WRN-40-10 counted layer by layer: 55.9 million."""
    count, width = 3 * 9 * 16, 16
    for out in (160, 320, 640):
        for block in range(6):
            inputs = width if block == 0 else out
            count += (
                9 * inputs * out + 9 * out * out + 2 * inputs + 2 * out + (inputs * out if block == 0 else 0)
            )
        width = out
    assert shapes("wrn40-10")[0] == count + 2 * 640 + 640 * 10 + 10


LAYERS = {
    "mlp": [(2, 16)] * 3,
    "resnet8": [(2, 32, 32, 16), (2, 16, 16, 32), (2, 8, 8, 64), (2, 64)],
    "resnet18": [(2, 32, 32, 64), (2, 16, 16, 128), (2, 8, 8, 256), (2, 4, 4, 512), (2, 512)],
    "wrn40-10": [(2, 32, 32, 160), (2, 16, 16, 320), (2, 8, 8, 640), (2, 640)],
    "vit4": [(2, 64, 192)] * 7 + [(2, 192)],
    "vit-small": [(2, 16, 64)] * 3 + [(2, 64)],
}


@pytest.mark.parametrize("network", NETWORKS)
def test_every_layer_is_returned(network):
    found = shapes(network)[1]
    assert [layer.shape for layer in found.layers] == LAYERS[network]
    assert found.features.shape == LAYERS[network][-1] and found.logits.shape == (2, 10)


@pytest.mark.parametrize("network", NETWORKS)
def test_linear_features_end_every_network(network):
    """One more layer of the same width (the mlp: its last layer); and a fixed ETF trains no classifier."""
    plain, linear = shapes(network), shapes(network, linear_features=True)
    d = plain[1].features.shape[1]
    assert linear[1].features.shape == (2, d)
    assert linear[0] - plain[0] == (0 if network == "mlp" else d * d + d)
    assert shapes(network, classifier="etf")[0] == linear[0] - (10 * d + 10)


def test_the_mlp_is_its_formula():
    x = images()
    model = randomised(build(x=x))
    h = ((x - x.mean((0, 1, 2))) / x.std((0, 1, 2))).reshape(len(x), -1).astype(np.float64)
    found = activations(model, x)
    for stage, layer in zip(model.stages, found.layers):
        h = np.maximum(h @ np.asarray(stage.linear.kernel[...]) + np.asarray(stage.linear.bias[...]), 0)
        np.testing.assert_allclose(layer, h, rtol=1e-4, atol=1e-5)
    W, b = classifier(model)
    np.testing.assert_allclose(found.logits, h @ W.T + b, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(found.features, found.layers[-1])


def test_linear_features_have_no_relu():
    assert activations(randomised(build()), images()).features.min() >= 0
    found = activations(randomised(build(linear_features=True)), images())
    assert found.features.min() < 0 <= found.layers[-2].min()


def test_heads_start_at_zero_but_never_both():
    """A learned classifier starts at zero; with a fixed one the linear features do; else gradients would vanish."""
    x = images()
    learned = activations(build(linear_features=True), x)
    assert not learned.logits.any() and learned.features.any()
    fixed = activations(build(classifier="etf"), x)
    assert not fixed.features.any() and not fixed.logits.any()


def test_the_fixed_classifier_is_the_etf_and_not_a_parameter():
    model = build(classifier="etf", multiplier=2.5)
    W, b = classifier(model)
    np.testing.assert_allclose(W, simplex_etf(4, 16, 2.5), rtol=1e-6, atol=1e-7)
    assert not b.any() and np.allclose(np.linalg.norm(W, axis=1), 2.5)
    trained = jax.tree.leaves(nnx.state(model, nnx.Param))
    assert all(leaf.shape != W.shape for leaf in trained)
    assert any(leaf.shape == W.shape for leaf in jax.tree.leaves(nnx.state(model, Fixed)))


def test_an_etf_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="dim >= 9"):
        build(classes=10, width=8, classifier="etf")


def test_images_that_cannot_be_cut_are_refused():
    with pytest.raises(ValueError, match="10 x 10 cannot be cut into 4 x 4"):
        build("vit4", x=images(size=10))


@pytest.mark.parametrize("stage", [0, 1, 2])
def test_a_mixer_acts_from_its_stage_on(stage):
    model, x = randomised(build()), images()
    plain = model(x)
    mixed = model(x, lambda n, h: mix(h, jnp.array([0.3])) if n == stage else h)
    same = [bool(jnp.array_equal(a, b)) for a, b in zip(plain.layers, mixed.layers)]
    assert same == [n < stage for n in range(3)]


@pytest.mark.parametrize("block, outside", [(BasicBlock, nnx.relu), (WideBlock, lambda x: x)])
def test_a_residual_block_without_branch_is_its_shortcut(block, outside):
    made = block(3, 3, 1, DTYPE, nnx.Rngs(0))
    made.conv2.kernel[...] = jnp.zeros_like(made.conv2.kernel[...])
    x = jnp.asarray(images()) - 0.5
    np.testing.assert_allclose(made(x), outside(x), atol=1e-6)


def test_batch_statistics_move_in_training_and_rest_in_evaluation():
    x = images(8)
    stages = [nnx.Sequential(batch_norm(3, DTYPE, nnx.Rngs(0)), pool)]
    model = Network(stages, nnx.Linear(3, 4, rngs=nnx.Rngs(0)), np.zeros(3), np.ones(3))
    model(x)
    after = jax.tree.leaves(nnx.state(model, nnx.BatchStat))
    means, variances = x.mean((0, 1, 2)), x.var((0, 1, 2))
    np.testing.assert_allclose(after[0], 0.1 * means, rtol=1e-5)
    np.testing.assert_allclose(after[1], 0.9 + 0.1 * variances, rtol=1e-5)
    whole, alone = outputs(model, x)[0], outputs(model, x[:1])[0]
    np.testing.assert_allclose(whole[:1], alone, rtol=1e-5, atol=1e-6)
    assert all(map(jnp.array_equal, after, jax.tree.leaves(nnx.state(model, nnx.BatchStat))))


def test_only_positions_tell_a_transformer_where_a_patch_was():
    x = jnp.asarray(images())
    stages, _ = vit_stages(x.shape[1:], 4, 6, 1, 1, DTYPE, nnx.Rngs(0))
    swapped = jnp.concatenate([x[:, 4:], x[:, :4]], axis=1)
    here = np.random.default_rng(0).normal(size=stages[0].position.shape)

    def features(x, scale):
        stages[0].position[...] = jnp.asarray(scale * here, DTYPE)
        return stages[2](stages[1](stages[0](x)))

    assert np.allclose(features(x, 0), features(swapped, 0), atol=1e-5)
    assert not np.allclose(features(x, 1), features(swapped, 1), atol=1e-2)


@pytest.mark.parametrize("changes", [{}, {"classifier": "etf"}])
def test_bfloat16_computes_close_to_float32_with_float32_parameters(changes):
    x = images()
    exact = randomised(build(x=x, **changes))
    coarse = randomised(build(x=x, dtype="bfloat16", **changes))
    assert {leaf.dtype for leaf in jax.tree.leaves(nnx.state(coarse, nnx.Param))} == {DTYPE}
    assert coarse(x).features.dtype == jnp.bfloat16 and coarse(x).logits.dtype == DTYPE
    a, b = activations(exact, x).features, activations(coarse, x).features
    scale = np.abs(a).max()
    assert 0 < np.abs(a - b).max() < 0.05 * scale


def test_blocks_of_images_join_to_the_same_numbers(monkeypatch):
    x, model = images(7), randomised(build())
    whole = activations(model, x)
    monkeypatch.setattr("experiments.networks.activations.BLOCK", 3)
    for a, b in zip(jax.tree.leaves(whole), jax.tree.leaves(activations(model, x))):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    H, z = outputs(model, x)
    np.testing.assert_allclose(H, whole.features, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(z, whole.logits, rtol=1e-5, atol=1e-5)


def test_logits_can_be_differentiated_in_the_image():
    model, x = randomised(build()), jnp.asarray(images(2))
    z = logits_fn(model)
    np.testing.assert_allclose(z(x), outputs(model, np.asarray(x))[1], rtol=1e-5, atol=1e-5)
    slope = jax.grad(lambda x: z(x)[0, 1])(x)
    assert not slope[1].any(), "one image does not act on another"
    step = 1e-3 * slope / jnp.linalg.norm(slope)
    rise = float((z(x + step) - z(x - step))[0, 1]) / 2e-3
    assert rise == pytest.approx(float(jnp.linalg.norm(slope)), rel=0.02)
