"""The mistakes, each made of what was saved of a trained network, and the diagnosis that should be told."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from experiments.mistakes.nets import Spec, forward
from experiments.mistakes.train import Run, saved, trained
from ufm.network.diagnose import diagnosis as said

Arrays = dict[str, np.ndarray]


class Mistake(NamedTuple):
    """make: arrays as they should be, and the run, to arrays as they are. told, alone: what should be said with the
    network's own logits and without (names joined by +); "" where nothing can be known."""

    spec: Spec
    make: Callable[[Arrays, Run], Arrays]
    told: str
    alone: str = ""


def _batches(run: Run, training: bool, dropout: bool):
    """H and logits, batch by batch, in the modes that are asked for."""
    rng, x, size = np.random.default_rng(7), run.inputs.x, run.net.spec.batch
    parts = [
        forward(run.net, x[n : n + size], rng if dropout else None, training) for n in range(0, len(x), size)
    ]
    return {"H": np.concatenate([p.H for p in parts]), "logits_H": np.concatenate([p.Z for p in parts])}


def _permuted(a: Arrays, _: Run) -> Arrays:
    order = np.roll(np.arange(len(a["W"])), 1)
    return a | {"W": a["W"][order]} | ({"b": a["b"][order]} if "b" in a else {})


def _two_rows(a: Arrays, _: Run) -> Arrays:
    order = np.arange(len(a["W"]))
    order[[0, 1]] = 1, 0
    return a | {"W": a["W"][order]}


def _early(a: Arrays, run: Run) -> Arrays:
    return a | {key: run.early.params[key] for key in ("W", "b") if key in run.early.params}


def _early_features(a: Arrays, run: Run) -> Arrays:
    return a | {"H": forward(run.early, run.inputs.x).H}


def _whitened(a: Arrays, _: Run) -> Arrays:
    H = a["H"] - a["H"].mean(0)
    left, size, _ = np.linalg.svd(H.astype(float), full_matrices=False)
    white = np.where(size > 1e-5 * size[0], left * np.sqrt(len(H)), 0.0)
    return a | {"H": white[:, : a["W"].shape[1]]}


def _standardised(a: Arrays, _: Run) -> Arrays:
    std = a["H"].std(0)
    return a | {"H": (a["H"] - a["H"].mean(0)) / np.where(std > 0, std, 1)}


def _rotated(a: Arrays, _: Run) -> Arrays:
    turn = np.linalg.qr(np.random.default_rng(5).normal(size=(a["H"].shape[1],) * 2))[0]
    return a | {"H": (a["H"] - a["H"].mean(0)) @ turn}


def _clean(a: Arrays, run: Run) -> Arrays:
    found = forward(run.net, run.inputs.clean)
    return a | {"H": found.H, "logits_H": found.Z}


def _probabilities(a: Arrays, run: Run) -> Arrays:
    e = np.exp(a["logits_H"] - a["logits_H"].max(1, keepdims=True))
    return a | {"logits_H": e / e.sum(1, keepdims=True)}


def _sigmoids(a: Arrays, run: Run) -> Arrays:
    return a | {"logits_H": 1 / (1 + np.exp(-a["logits_H"].astype(np.float64)))}


def _shuffled(a: Arrays, _: Run) -> Arrays:
    return a | {"logits_H": a["logits_H"][np.random.default_rng(3).permutation(len(a["H"]))]}


def _penalty(factor: Callable[[int], float]) -> Callable[[Arrays, Run], Arrays]:
    def make(a: Arrays, run: Run) -> Arrays:
        assert run.net.spec.penalties is not None
        return a | {"lambda_h": np.array(run.net.spec.penalties[1] * factor(len(a["H"])))}

    return make


def _foreign(a: Arrays, run: Run) -> Arrays:
    other = trained(Spec(seed=41, widths=run.net.spec.widths, classes=run.net.spec.classes))
    return a | {"W": other.net.params["W"]}


PLAIN, MIX, BATCHES = Spec(seed=20), Spec(seed=21, mixing="row"), Spec(seed=22, mixing="batch", bias=False)
LINEAR = Spec(seed=23, features="linear", mixing="row")
SKEWED = Spec(seed=24, imbalance=1.6)
DROP, HIDDEN = Spec(seed=25, dropout=0.3), Spec(seed=26, hidden=0.4, widths=(64, 64, 32))
DROP_EARLY = Spec(seed=32, dropout=0.5, epochs=2, features="linear")
DROP_MANY = Spec(seed=33, dropout=0.2, samples=300, epochs=2, classes=10, widths=(16,), batch=16)
NORM, NORM_LINEAR = Spec(seed=27, norm=True), Spec(seed=28, norm=True, features="linear")
BINARY = Spec(seed=29, loss="binary", classes=6)
PENALISED = Spec(
    seed=30,
    classes=4,
    widths=(128, 16),
    features="linear",
    bias=False,
    mixing="row",
    penalties=(5e-3, 5e-3),
    epochs=1500,
    inputs=64,
    samples=240,
)
BATCHED = replace(PENALISED, mixing="batch", batch=48, seed=31)


MISTAKES = {
    "rows of W permuted": Mistake(PLAIN, _permuted, said.PERMUTED, said.PERMUTED),
    "rows of W permuted, mixup": Mistake(BATCHES, _permuted, said.PERMUTED, said.PERMUTED),
    "two rows of W swapped, b not": Mistake(SKEWED, _two_rows, said.PERMUTED, said.PERMUTED),
    "bias dropped": Mistake(SKEWED, lambda a, _: {k: v for k, v in a.items() if k != "b"}, said.BIAS),
    "bias dropped, mixup": Mistake(MIX, lambda a, _: {k: v for k, v in a.items() if k != "b"}, said.BIAS),
    "bias of another layer": Mistake(PLAIN, lambda a, _: a | {"b": a["b"][::-1] + 0.5}, said.BIAS),
    "features before the ReLU": Mistake(
        PLAIN, lambda a, r: a | {"H": forward(r.net, r.inputs.x).before}, said.ACTIVATION
    ),
    "features before the ReLU, mixup": Mistake(
        MIX, lambda a, r: a | {"H": forward(r.net, r.inputs.x).before}, said.ACTIVATION
    ),
    "logits over a temperature of 2": Mistake(
        MIX, lambda a, _: a | {"logits_H": a["logits_H"] / 2}, said.TEMPERATURE
    ),
    "logits over 0.07, no bias": Mistake(
        BATCHES, lambda a, _: a | {"logits_H": a["logits_H"] / 0.07}, said.TEMPERATURE
    ),
    "features standardised": Mistake(MIX, _standardised, said.STANDARDISED, said.STANDARDISED),
    "features centred": Mistake(PLAIN, lambda a, _: a | {"H": a["H"] - a["H"].mean(0)}, said.STANDARDISED),
    "features whitened": Mistake(LINEAR, _whitened, said.WHITENED, said.WHITENED),
    "features rotated": Mistake(PLAIN, _rotated, said.AFFINE, said.LAYER),
    "features of length one": Mistake(
        MIX, lambda a, _: a | {"H": a["H"] / np.linalg.norm(a["H"], axis=1, keepdims=True)}, said.LENGTH
    ),
    "W of another run": Mistake(PLAIN, _foreign, said.LAYER, said.LAYER),
    "lambda and 1 - lambda swapped": Mistake(
        MIX, lambda a, _: a | {"lam": 1 - a["lam"]}, said.SWAPPED, said.SWAPPED
    ),
    "i and j swapped": Mistake(
        BATCHES, lambda a, _: a | {"i": a["j"], "j": a["i"]}, said.SWAPPED, said.SWAPPED
    ),
    "labels mixed on clean inputs": Mistake(MIX, _clean, said.CLEAN, said.CLEAN),
    "the same, labels as Y": Mistake(
        BATCHES, lambda a, r: _dense(_clean(a, r), r), said.CLEAN, said.CLEAN
    ),
    "sigmoid head (BCE)": Mistake(BINARY, lambda a, _: a, said.SIGMOID, said.SIGMOID),
    "probabilities as logits": Mistake(MIX, _probabilities, said.PROBABILITIES),
    "probabilities of sigmoids as logits": Mistake(
        BINARY, _sigmoids, f"{said.PROBABILITIES} + {said.SIGMOID}", said.SIGMOID
    ),
    "H with dropout, logits too": Mistake(
        DROP, lambda a, r: a | _batches(r, False, True), said.DROPOUT, said.DROPOUT
    ),
    "logits with dropout": Mistake(
        DROP, lambda a, r: a | {"logits_H": _batches(r, False, True)["logits_H"]}, said.DROPOUT
    ),
    "logits with dropout between layers": Mistake(
        HIDDEN, lambda a, r: a | {"logits_H": _batches(r, False, True)["logits_H"]}, said.DROPOUT
    ),
    "H with dropout": Mistake(
        DROP, lambda a, r: a | {"H": _batches(r, False, True)["H"]}, said.DROPOUT, said.DROPOUT
    ),
    "batch norm in training mode": Mistake(
        NORM, lambda a, r: a | _batches(r, True, False), said.BATCH_NORM, said.BATCH_NORM
    ),
    "the same, no ReLU behind": Mistake(
        NORM_LINEAR, lambda a, r: a | _batches(r, True, False), said.BATCH_NORM, said.BATCH_NORM
    ),
    "H with batch norm in training mode": Mistake(
        NORM, lambda a, r: a | {"H": _batches(r, True, False)["H"]}, said.BATCH_NORM, said.BATCH_NORM
    ),
    "H with dropout, no ReLU, 2 epochs": Mistake(
        DROP_EARLY, lambda a, r: a | {"H": _batches(r, False, True)["H"]}, said.DROPOUT, said.DROPOUT
    ),
    "H with dropout, 10 classes, 2 epochs": Mistake(
        DROP_MANY, lambda a, r: a | {"H": _batches(r, False, True)["H"]}, said.DROPOUT
    ),
    "logits with batch norm in training mode": Mistake(
        NORM, lambda a, r: a | {"logits_H": _batches(r, True, False)["logits_H"]}, said.BATCH_NORM
    ),
    "W of an earlier epoch": Mistake(PLAIN, _early, said.EPOCHS),
    "W of an earlier epoch, mixup": Mistake(MIX, _early, said.EPOCHS),
    "H of an earlier epoch": Mistake(MIX, _early_features, said.EPOCHS),
    "logits of a shuffled pass": Mistake(PLAIN, _shuffled, said.OTHER_ROWS),
    "lambda_h times N": Mistake(PENALISED, _penalty(lambda n: n), said.PENALTY, said.PENALTY),
    "lambda_h over N": Mistake(PENALISED, _penalty(lambda n: 1 / n), said.PENALTY, said.PENALTY),
    "lambda_h times the batch size": Mistake(BATCHED, _penalty(lambda n: 48), said.PENALTY, said.PENALTY),
    "lambda_h halved": Mistake(PENALISED, _penalty(lambda n: 0.5), said.PENALTY, said.PENALTY),
}  # fmt: skip


def _dense(a: Arrays, run: Run) -> Arrays:
    return {k: v for k, v in a.items() if k not in ("i", "j", "lam")} | {"Y": run.inputs.dense(run.net.spec)}


HEALTHY = {
    "plain": Spec(seed=0),
    "plain, no bias, 10 classes": Spec(seed=1, bias=False, classes=10, widths=(128, 64)),
    "mixup, a lambda a row": Spec(seed=2, mixing="row"),
    "mixup, a lambda a batch": Spec(seed=3, mixing="batch", bias=False, classes=4),
    "label smoothing": Spec(seed=4, smoothing=0.1),
    "unbalanced classes": Spec(seed=5, imbalance=1.5),
    "dropout": Spec(seed=6, dropout=0.5, mixing="row"),
    "batch norm": Spec(seed=7, norm=True, widths=(64, 48)),
    "squared error, linear features": Spec(seed=8, loss="squared", features="linear"),
    "explicit penalties": PENALISED,
    "two classes, few epochs": Spec(seed=9, classes=2, epochs=2),
    "batch norm without ReLU, mixup": Spec(seed=10, norm=True, features="linear", mixing="batch"),
}


def healthy(name: str) -> Arrays:
    """What is saved of it."""
    run = trained(HEALTHY[name])
    penalties = run.net.spec.penalties
    known = (
        {} if penalties is None else {"lambda_w": np.array(penalties[0]), "lambda_h": np.array(penalties[1])}
    )
    return saved(run) | known


def made(name: str) -> Arrays:
    """What is saved where that mistake is made."""
    mistake = MISTAKES[name]
    run = trained(mistake.spec)
    return mistake.make(saved(run), run)


def without_logits(arrays: Arrays) -> Arrays:
    """The same, as most files are."""
    return {key: value for key, value in arrays.items() if key != "logits_H"}
