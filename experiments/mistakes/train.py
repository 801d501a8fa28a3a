"""Networks trained on blobs in a few classes, with their data, and a copy from early in training."""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from experiments.mistakes.nets import Adam, Net, Spec, backward, begin, forward, update_running


class Inputs(NamedTuple):
    """Mixed inputs with their labels λ e_i + (1−λ) e_j, and the first of both inputs as it was."""

    x: np.ndarray
    i: np.ndarray
    j: np.ndarray
    lam: np.ndarray
    clean: np.ndarray

    def dense(self, spec: Spec) -> np.ndarray:
        """(n, K), smoothed."""
        Y, rows = np.zeros((len(self.i), spec.classes)), np.arange(len(self.i))
        np.add.at(Y, (rows, self.i), self.lam)
        np.add.at(Y, (rows, self.j), 1 - self.lam)
        return (1 - spec.smoothing) * Y + spec.smoothing / spec.classes


@dataclass
class Run:
    """A trained network, the same at a third of its training, the inputs it was trained on (in random order)."""

    net: Net
    early: Net
    inputs: Inputs


def blobs(spec: Spec) -> tuple[np.ndarray, np.ndarray]:
    """Inputs about class means on a sphere, bent by a random layer; classes in random order."""
    rng = np.random.default_rng([spec.seed, 0])
    share = spec.imbalance ** -np.arange(spec.classes)
    y = rng.choice(spec.classes, spec.samples, p=share / share.sum())
    means = rng.normal(size=(spec.classes, spec.inputs))
    x = means[y] + spec.spread * rng.normal(size=(spec.samples, spec.inputs))
    return np.tanh(x @ rng.normal(size=(spec.inputs, spec.inputs)) / np.sqrt(spec.inputs)) + 0.3 * x, y


def mixed(spec: Spec, x, y, rng, mixing: str) -> Inputs:
    """Mixup with λ uniform, within batches where each has one."""
    n = len(x)
    if not mixing:
        return Inputs(x, y, y, np.ones(n), x)
    lam, other = rng.random(n), rng.permutation(n)
    if mixing == "batch":
        batches = np.arange(n) // spec.batch
        lam = rng.random(batches[-1] + 1)[batches]
    x2 = lam[:, None] * x + (1 - lam[:, None]) * x[other]
    return Inputs(x2, y, y[other], lam, x)


@lru_cache(maxsize=64)
def trained(spec: Spec) -> Run:
    """By batches; in one batch of fixed inputs where there are explicit penalties, the theory's setting."""
    rng = np.random.default_rng([spec.seed, 2])
    x, y = blobs(spec)
    inputs = mixed(spec, x, y, rng, spec.mixing)
    fixed = spec.penalties is not None
    batch = len(x) if fixed else spec.batch
    net = begin(spec)
    adam, early = Adam(net, spec.epochs * -(-len(x) // batch)), net.copy()
    for epoch in range(spec.epochs):
        order = np.arange(len(x)) if fixed else rng.permutation(len(x))
        for start in range(0, len(x), batch):
            some = order[start : start + batch]
            part = (
                Inputs(*(a[some] for a in inputs))
                if fixed
                else mixed(spec, x[some], y[some], rng, spec.mixing)
            )
            found = forward(net, part.x, rng, training=True)
            update_running(net, found)
            adam.step(backward(net, found, part.dense(spec)))
        if epoch + 1 == max(spec.epochs // 3, 1):
            early = net.copy()
    return Run(net, early, inputs)


def saved(run: Run, logits: bool = True) -> dict[str, np.ndarray]:
    """What a file would hold of it, in float32."""
    found = forward(run.net, run.inputs.x)
    arrays = {"H": found.H, "W": run.net.params["W"], **labels(run)}
    if "b" in run.net.params:
        arrays["b"] = run.net.params["b"]
    arrays |= {"logits_H": found.Z} if logits else {}
    return {key: np.asarray(a, np.float32) if a.dtype.kind == "f" else a for key, a in arrays.items()}


def labels(run: Run) -> dict[str, np.ndarray]:
    """Of the inputs, as y where none is mixed."""
    spec, inputs = run.net.spec, run.inputs
    if not spec.mixing:
        return {"y": inputs.i}
    return {"i": inputs.i, "j": inputs.j, "lam": inputs.lam}
