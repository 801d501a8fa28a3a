"""A Keras 3 network with a graph of layers (Sequential or functional), on any backend."""

from collections.abc import Iterable
from functools import cache
from typing import Any

from ufm.collect.gather import Found, Network, check_last, gather, wanted, warn_of_what_follows
from ufm.rules.errors import InputError


def from_keras(model, layer, loader: Iterable, **sets) -> Found:
    """The arrays of a comparison of a Keras network, compare_network(**found).

    model: Sequential or functional. layer: the last Dense layer or its name; None: the last Dense of model.layers.
    loader: batches (x, y) of arrays, as of a tf.data set or a list. sets: mix, test, clean, ood, unpack, limit,
    lambda_w, lambda_h, smoothing as of `from_torch`.

    H (N, d) is what the layer takes, in inference. logits are H @ kernel + bias, also where the layer or what
    follows it is a softmax, which gives probabilities, not logits. Warns, and raises InputError, as `from_torch`
    does; raises it too for a subclassed model, which has no graph: `from_features` takes it.
    """
    import keras

    how = wanted(sets)
    if not isinstance(model, keras.Model):
        raise InputError(f"model must be a keras.Model, got {type(model).__name__}")
    last = _find(keras, model, layer)
    try:
        inputs, taken, given = model.inputs, last.input, last.output
    except (AttributeError, ValueError):
        raise InputError(
            f"{last.name} has no one input in a graph of layers, as in a subclassed model, or one that is not "
            "built or calls it twice: give ufm.collect.from_features what the last layer takes"
        ) from None
    check_last(f"layer {last.name}", last.units, tuple(model.outputs[0].shape))
    own = last.activation is keras.activations.linear
    watched, unchecked = keras.Model(inputs, [taken, given, model.outputs[0]]), [True]

    def run(x) -> tuple[Any, Any]:
        features, logits, out = watched.predict_on_batch(x)
        if unchecked:
            unchecked.clear()
            kernel, *bias = last.get_weights()
            warn_of_what_follows(f"layer {last.name}", features @ kernel + (bias[0] if bias else 0.0), out)
        return features, logits if own else None

    def head() -> tuple[Any, Any, str]:
        kernel, *bias = last.get_weights()
        words = f"layer {last.name}, {kernel.shape[1]} x {kernel.shape[0]}"
        return kernel.T, bias[0] if bias else None, words

    return gather(Network(run, cache(head)), loader, how)


def _find(keras, model, layer):
    """The Dense layer that is meant."""
    dense = [part for part in model.layers if isinstance(part, keras.layers.Dense)]
    said = f"its Dense layers are {', '.join(part.name for part in dense) or 'none'}"
    if layer is None:
        found = dense[-1:]
    else:
        found = [part for part in model.layers if part is layer or part.name == layer]
        if found and found[0] not in dense:
            raise InputError(f"layer {found[0].name} is a {type(found[0]).__name__}, no Dense: {said}")
    if not found:
        raise InputError(f"layer {layer!r} is no Dense layer of the model: {said}")
    return found[0]
