"""Multilayer perceptrons in NumPy: ReLU, dropout, batch norm; cross-entropy, binary cross-entropy, squared error.

    x → [affine → batch norm → ReLU → dropout] · layers → h → W h + b

Adam, with weight decay on matrices, or with (λ_W/2)‖W‖² + (λ_H/2) E‖h‖² and no other penalty.
"""

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

MOMENTUM = 0.1  # of the running statistics of batch norm
TINY = 1e-5


@dataclass(frozen=True)
class Spec:
    """A network and its training. features: "relu" or "linear"; dropout: after the last layer's features, `hidden`:
    after the others; mixing: "", "row" (a λ a row) or "batch"; penalties: (λ_W, λ_H) in place of weight decay."""

    seed: int = 0
    classes: int = 5
    widths: tuple[int, ...] = (64, 32)
    features: str = "relu"
    loss: str = "cross-entropy"
    bias: bool = True
    dropout: float = 0.0
    hidden: float = 0.0
    norm: bool = False
    mixing: str = ""
    smoothing: float = 0.0
    decay: float = 1e-4
    penalties: tuple[float, float] | None = None
    epochs: int = 30
    batch: int = 64
    inputs: int = 24
    samples: int = 1600
    spread: float = 0.6
    imbalance: float = 1.0


@dataclass
class Net:
    """Parameters by name, running mean and variance of each layer."""

    spec: Spec
    params: dict[str, np.ndarray]
    running: dict[str, np.ndarray] = field(default_factory=dict)

    def copy(self) -> "Net":
        """Of its own."""
        copied = ({key: value.copy() for key, value in part.items()} for part in (self.params, self.running))
        return Net(self.spec, *copied)


@dataclass
class Pass:
    """What a forward pass leaves for the way back; before: features before the last activation."""

    H: np.ndarray
    Z: np.ndarray
    before: np.ndarray
    kept: list[dict]


def begin(spec: Spec) -> Net:
    """He's initialization; the last layer as PyTorch does."""
    rng = np.random.default_rng([spec.seed, 1])
    sizes, params, running = (spec.inputs, *spec.widths), {}, {}
    for n, (a, c) in enumerate(pairwise(sizes)):
        params |= {f"A{n}": rng.normal(size=(a, c)) * np.sqrt(2 / a), f"c{n}": np.zeros(c)}
        if spec.norm:
            params |= {f"g{n}": np.ones(c), f"s{n}": np.zeros(c)}
            running |= {f"m{n}": np.zeros(c), f"v{n}": np.ones(c)}
    bound = 1 / np.sqrt(sizes[-1])
    params["W"] = rng.uniform(-bound, bound, (spec.classes, sizes[-1]))
    if spec.bias:
        params["b"] = rng.uniform(-bound, bound, spec.classes)
    return Net(spec, params, running)


def forward(net: Net, x: np.ndarray, rng: np.random.Generator | None = None, training: bool = False) -> Pass:
    """training: with statistics of these rows, and dropout by rng if it is given."""
    spec, p, kept, before = net.spec, net.params, [], x
    for n in range(len(spec.widths)):
        last = n == len(spec.widths) - 1
        layer = {"x": x}
        u = x @ p[f"A{n}"] + p[f"c{n}"]
        if spec.norm:
            mean, var = (u.mean(0), u.var(0)) if training else (net.running[f"m{n}"], net.running[f"v{n}"])
            layer |= {"mean": mean, "var": var, "unit": (u - mean) / np.sqrt(var + TINY)}
            u = layer["unit"] * p[f"g{n}"] + p[f"s{n}"]
        before, x = u, u
        if not last or spec.features == "relu":
            layer["on"] = u > 0
            x = np.where(layer["on"], u, 0.0)
        rate = spec.dropout if last else spec.hidden
        if rng is not None and rate:
            layer["mask"] = (rng.random(x.shape) >= rate) / (1 - rate)
            x = x * layer["mask"]
        kept.append(layer)
    return Pass(x, x @ p["W"].T + p.get("b", 0.0), before, kept)


def slope(loss: str, Z: np.ndarray, Y: np.ndarray) -> np.ndarray:
    """Of the mean loss, in the logits."""
    if loss == "binary":
        return (1 / (1 + np.exp(-Z)) - Y) / len(Z)
    if loss == "squared":
        return (Z - Y) / len(Z)
    e = np.exp(Z - Z.max(1, keepdims=True))
    return (e / e.sum(1, keepdims=True) - Y) / len(Z)


def backward(net: Net, found: Pass, Y: np.ndarray) -> dict[str, np.ndarray]:
    """Slopes of all parameters, penalties included."""
    spec, p, grads = net.spec, net.params, {}
    d = slope(spec.loss, found.Z, Y)
    grads["W"] = d.T @ found.H
    if spec.bias:
        grads["b"] = d.sum(0)
    d = d @ p["W"]
    if spec.penalties is not None:
        grads["W"] += spec.penalties[0] * p["W"]
        d = d + spec.penalties[1] * found.H / len(found.H)
    for n, layer in reversed(list(enumerate(found.kept))):
        d = d * layer["mask"] if "mask" in layer else d
        d = d * layer["on"] if "on" in layer else d
        if spec.norm:
            grads |= {f"g{n}": (d * layer["unit"]).sum(0), f"s{n}": d.sum(0)}
            d = d * p[f"g{n}"]
            d = (d - d.mean(0) - layer["unit"] * (d * layer["unit"]).mean(0)) / np.sqrt(layer["var"] + TINY)
        grads |= {f"A{n}": layer["x"].T @ d, f"c{n}": d.sum(0)}
        d = d @ p[f"A{n}"].T
    if spec.penalties is None:
        grads |= {key: grads[key] + spec.decay * p[key] for key in grads if key[0] in "AW"}
    return grads


class Adam:
    """Kingma and Ba (2015), its step falling to zero along half a cosine."""

    def __init__(self, net: Net, steps: int, rate: float = 3e-3):
        self.net, self.steps, self.rate, self.t = net, steps, rate, 0
        self.first, self.second = ({k: np.zeros_like(v) for k, v in net.params.items()} for _ in range(2))

    def step(self, grads: dict[str, np.ndarray]) -> None:
        """One."""
        self.t += 1
        rate = self.rate * (1 + np.cos(np.pi * self.t / self.steps)) / 2
        for key, g in grads.items():
            self.first[key] += 0.1 * (g - self.first[key])
            self.second[key] += 0.001 * (g * g - self.second[key])
            unbiased = self.second[key] / (1 - 0.999**self.t)
            self.net.params[key] -= rate * self.first[key] / (1 - 0.9**self.t) / (np.sqrt(unbiased) + 1e-8)


def update_running(net: Net, found: Pass) -> None:
    """Running statistics towards those of the batch."""
    for n, layer in enumerate(found.kept):
        if net.spec.norm:
            net.running[f"m{n}"] += MOMENTUM * (layer["mean"] - net.running[f"m{n}"])
            net.running[f"v{n}"] += MOMENTUM * (layer["var"] - net.running[f"v{n}"])
