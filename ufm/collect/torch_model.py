"""A PyTorch network: its last layer is watched while batches run through, and all is left as it was found."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np

from ufm.collect.gather import Found, Network, check_last, gather, wanted, warn_of_what_follows
from ufm.collect.torch_state import undisturbed
from ufm.rules.errors import InputError

SHELLS = ("_orig_mod", "module")  # what torch.compile, DataParallel and DistributedDataParallel wrap


def from_torch(
    model,
    layer,
    loader: Iterable,
    *,
    mix: Callable | None = None,
    test: Iterable | None = None,
    clean: Iterable | bool = True,
    ood: Iterable | None = None,
    unpack: Callable | None = None,
    limit: int | None = None,
    lambda_w: float | None = None,
    lambda_h: float | None = None,
    smoothing: float | None = None,
) -> Found:
    """The arrays of a comparison of a PyTorch network, compare_network(**found): H, W, b, labels, and sets apart.

    layer: the last one, a Linear of the model or its name ("fc", "head.out"); None: the last Linear that a
    forward pass calls. loader: batches (x, y) of what it was trained on, x a tensor, or a tuple or dictionary
    that the model takes as its arguments; unpack(batch) -> (x, y) for any others. mix(x, y) -> (x mixed,
    targets), called where training calls it, on the model's device: `mixup`, `cutmix`, timm's Mixup, any
    function; targets (and y, without mix) are classes (B), soft labels (B, K), (y, y_other, lam) or {"i", "j",
    "lam"}. test: held-out batches: H_test, y_test, logits. clean: True: the batches of loader before they are
    mixed; a loader; or False. ood: batches of other data, x alone or (x, y). limit: rows of each set, all if
    None. lambda_w, lambda_h, smoothing: of the training, where known; lambda_h is a penalty (λ_H/2) E‖h‖²,
    lambda_w is (λ_W/2)‖W‖², weight_decay of SGD.

    H (N, d) and logits_H (N, K) are what the layer takes and gives, whatever follows it, in evaluation mode and
    float32 (float64 of a model that is). Modes of all modules, gradients, hooks and random numbers (torch's of
    every device, NumPy's, Python's, the loaders') are afterwards what they were. Wrappers of torch.compile and
    of data parallel training are looked through. Batches may be NumPy arrays. Warns of a scale or temperature
    behind the layer, which the loss may have seen and the comparison does not. Raises InputError for a layer
    that is no Linear of the model, that a pass does not call or calls twice, that is not the last, or does not
    give W h + b; for loaders without batches, and targets of other forms.
    """
    import torch

    how = wanted(
        {
            **{"mix": mix, "test": test, "clean": clean, "ood": ood, "unpack": unpack, "limit": limit},
            **{"lambda_w": lambda_w, "lambda_h": lambda_h, "smoothing": smoothing},
        }
    )
    if not isinstance(model, torch.nn.Module):
        raise InputError(f"model must be a torch.nn.Module, got {type(model).__name__}")
    model = _bare(model)
    tap = Tap(model, _find(model, layer))
    with undisturbed(model, [loader, *how.loaders]), tap.open():
        return gather(Network(tap, cache(tap.head), tap.place, _copy), loader, how)


def _bare(model):
    """The network itself: hooks do not reach into what is compiled, and copies on other devices have none."""
    while type(model).__name__ in ("OptimizedModule", "DataParallel", "DistributedDataParallel"):
        model = next(getattr(model, name) for name in SHELLS if hasattr(model, name))
    return model


def _find(model, layer) -> Any:
    """The module that is meant, or None."""
    import torch

    names = dict(model.named_modules())
    linear = [name for name, part in names.items() if isinstance(part, torch.nn.Linear)]
    said = f"its Linear layers are {', '.join(linear[-8:]) or 'none'}"
    if layer is None:
        if not linear:
            raise InputError("the model has no Linear layer: name the last one, which has a weight K x d")
        return None
    if isinstance(layer, str):
        name = layer
        for shell in SHELLS:
            name = name.removeprefix(f"{shell}.")
        if name not in names:
            raise InputError(f"layer {layer!r} is no module of the model: {said}")
        layer = names[name]
    if not any(part is layer for part in names.values()):
        raise InputError(f"layer, a {type(layer).__name__}, is no module of the model: {said}")
    weight = getattr(layer, "weight", None)
    if getattr(weight, "ndim", 0) != 2 or isinstance(layer, torch.nn.Embedding):
        raise InputError(f"layer is a {type(layer).__name__}, which has no weight K x d: {said}")
    return layer


class Tap:
    """What the last layer takes and gives in each forward pass."""

    def __init__(self, model, layer):
        self.model, self.layer, self.calls, self.checked = model, layer, [], False

    @contextmanager
    def open(self):
        """Watch the layer; all Linear layers as long as none is chosen."""
        import torch

        parts = [part for part in self.model.modules() if isinstance(part, torch.nn.Linear)]
        parts = parts if self.layer is None else [self.layer]
        hooks = [part.register_forward_hook(self._seen, with_kwargs=True) for part in parts]
        try:
            yield self
        finally:
            for hook in hooks:
                hook.remove()

    def _seen(self, part, args, named, given) -> None:
        """A copy: what follows may work in place."""
        if self.layer is None or part is self.layer:
            self.calls.append((part, _copy(args[0] if args else next(iter(named.values()))), _copy(given)))

    def __call__(self, x):
        import torch

        self.calls.clear()
        x = self._cast(x)
        with torch.no_grad():
            out = (
                self.model(**x)
                if isinstance(x, Mapping)
                else self.model(*(x if isinstance(x, tuple) else (x,)))
            )
        if not self.calls:
            raise InputError(
                f"{self._name()} is not called in a forward pass: name the last layer of the network"
            )
        if self.layer is None:
            self.layer = self.calls[-1][0]
        calls = [call for call in self.calls if call[0] is self.layer]
        if len(calls) > 1:
            raise InputError(
                f"{self._name()} is called {len(calls)} times in one forward pass: one is asked for"
            )
        _, taken, given = calls[0]
        K = self.layer.weight.shape[0]
        check_last(self._name(), K, tuple(getattr(out, "shape", ())))
        if not self.checked and getattr(out, "shape", None) == given.shape:
            self.checked = True
            warn_of_what_follows(self._name(), *(part.detach().double().cpu() for part in (given, out)))
        return taken, given

    def head(self) -> tuple[Any, Any, str]:
        """W, b and words."""
        W, b = self.layer.weight, getattr(self.layer, "bias", None)
        words = f"{self._name()}, {W.shape[0]} x {W.shape[1]}{' without bias' if b is None else ''}"
        return _copy(W), None if b is None else _copy(b), words

    def _name(self) -> str:
        name = next((name for name, part in self.model.named_modules() if part is self.layer), "")
        return f"layer {name or type(self.layer).__name__}"

    def place(self, part):
        """On the model's device, off the graph."""
        device = next(self.model.parameters()).device
        return _each(part, lambda tensor: tensor.detach().to(device))

    def _cast(self, x):
        """Floats in the float type of the model."""
        own = next((part.dtype for part in self.model.parameters() if part.is_floating_point()), None)
        return _each(x, lambda tensor: tensor.to(own) if tensor.is_floating_point() else tensor)


def _each(part, change: Callable):
    """Every tensor of x or y, and every NumPy array of numbers as one, changed; what is neither as it is."""
    if isinstance(part, Mapping):
        return {name: _each(inner, change) for name, inner in part.items()}
    if isinstance(part, tuple | list):
        return tuple(_each(inner, change) for inner in part)
    if isinstance(part, np.ndarray) and part.dtype.kind in "fiub":
        import torch

        part = torch.as_tensor(part)
    return change(part) if hasattr(part, "detach") else part


def _copy(part):
    """Tensors that nobody else writes to."""
    return _each(part, lambda tensor: tensor.detach().clone())
