"""The sets that a comparison reads, from loaders and a network of any kind: H, its labels, clean and held-out rows.

A network is a function from a batch of inputs to what its last layer takes and gives, and that layer's W and b.
NumPy and SciPy only.
"""

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from scipy.special import softmax

import ufm.rules.numbers as checked
from ufm.collect.mixing import Mixing
from ufm.collect.targets import Targets, join, read_classes, read_targets
from ufm.network.read.arrays import plain_array
from ufm.rules.brief import listed
from ufm.rules.errors import InputError

OFF = 0.02  # of |w| |h| + |b|: two roundings of bfloat16, and what a product in parts adds
PAIR = "unpack=lambda batch: (batch[...], batch[...]) says which parts of a batch are x and y"


class Network(NamedTuple):
    """run: x -> (H, logits or None); head: () -> (W (K, d), b (K) or None, words), after the first run. place: puts
    x or y where the network wants it; spare: a copy that mixing may overwrite."""

    run: Callable[[Any], tuple[Any, Any]]
    head: Callable[[], tuple[Any, Any, str]]
    place: Callable[[Any], Any] = lambda part: part
    spare: Callable[[Any], Any] = lambda part: part


class Wanted(NamedTuple):
    """Which sets, and how their batches are read: the keywords of `from_torch`."""

    mix: Callable | None = None
    test: Iterable | None = None
    clean: Iterable | bool = True
    ood: Iterable | None = None
    unpack: Callable | None = None
    limit: int | None = None
    lambda_w: float | None = None
    lambda_h: float | None = None
    smoothing: float | None = None

    @property
    def loaders(self) -> list:
        """Those of the sets apart."""
        return [part for part in (self.test, self.clean, self.ood) if not isinstance(part, bool | None)]


class Found(dict):
    """The arrays of a comparison by the names of a file: compare_network(**found), np.savez(path, **found).
    layer: which one was taken for the last."""

    def __init__(self, arrays: Mapping, layer: str):
        super().__init__(arrays)
        self.layer = layer

    def __repr__(self) -> str:
        return listed("Found", {"layer": self.layer, **self})


class Rows:
    """Rows of one set, batch by batch."""

    def __init__(self, limit: int | None):
        self.limit, self.count = limit, 0
        self.H: list[np.ndarray] = []
        self.logits: list[np.ndarray] = []
        self.labels: list[Any] = []

    def add(self, H: np.ndarray, logits: np.ndarray | None, labels=None) -> None:
        """A batch."""
        self.H.append(H)
        self.count += len(H)
        self.logits += [] if logits is None else [logits]
        self.labels += [] if labels is None else [labels]

    @property
    def full(self) -> bool:
        """Whether the limit is reached."""
        return self.limit is not None and self.count >= self.limit

    def cut(self, parts: list[np.ndarray]) -> np.ndarray:
        """Batches as one array of at most `limit` rows."""
        return np.concatenate(parts)[: self.limit]


def from_features(features: Callable, W, b, loader: Iterable, **sets) -> Found:
    """Arrays of a comparison of any network: features(x) is what its last layer takes, W (K, d), b (K) or None.

    features: batch of inputs -> (B, d); arrays of any framework. loader, sets: as of `from_torch`. A function of
    JAX is best compiled: from_features(jax.jit(features), …). logits are H Wᵀ + b. Raises InputError as
    `from_torch` does.
    """
    if not callable(features):
        raise InputError(f"features must be a function of a batch of inputs, got {type(features).__name__}")
    rows = plain_array("W", W)
    if rows.ndim != 2:
        raise InputError(f"W must be a matrix K x d, got shape {rows.shape}")
    words = f"features, and W {rows.shape[0]} x {rows.shape[1]}"
    return gather(Network(lambda x: (features(x), None), lambda: (rows, b, words)), loader, wanted(sets))


def wanted(given: Mapping[str, Any]) -> Wanted:
    """The keywords, checked. Raises InputError naming one that is none."""
    if unknown := set(given) - set(Wanted._fields):
        raise InputError(f"{', '.join(sorted(unknown))}: the keywords are {', '.join(Wanted._fields)}")
    found = Wanted(**given)
    for name in ("mix", "unpack"):
        if getattr(found, name) is not None and not callable(getattr(found, name)):
            kind = type(getattr(found, name)).__name__
            raise InputError(f"{name} must be a function, got {kind}")
    if found.limit is not None:
        checked.integer("limit", found.limit, 1, 2**62)
    for name in ("lambda_w", "lambda_h"):
        if getattr(found, name) is not None:
            checked.penalty(name, getattr(found, name), zero=True)
    if found.smoothing is not None:
        checked.real("smoothing", found.smoothing, "lie in [0, 1)", lambda value: 0 <= value < 1)
    return found


def gather(network: Network, loader: Iterable, how: Wanted) -> Found:
    """Run every set through the network. Raises InputError for what cannot be read, with what to do."""
    mix = how.mix.fresh() if isinstance(how.mix, Mixing) else how.mix
    own, clean, test, ood = (Rows(how.limit) for _ in range(4))
    beside = mix is not None and how.clean is True
    for x, y in _batches("loader", loader, how, network):
        if beside:
            _add(network, clean, "clean", x, y)
        _add(network, own, "loader", *(_mixed(mix, network.spare(x), network.spare(y)) if mix else (x, y)))
        if own.full:
            break
    for name, rows, source in (("clean", clean, how.clean), ("test", test, how.test), ("ood", ood, how.ood)):
        for x, y in () if isinstance(source, bool | None) else _batches(name, source, how, network):
            _add(network, rows, name, x, y)
            if rows.full:
                break
    W, b, words = network.head()
    return Found(_arrays(W, b, own, clean, test, ood) | _known(how), words)


def _known(how: Wanted) -> dict[str, float]:
    names = ("lambda_w", "lambda_h", "smoothing")
    return {name: getattr(how, name) for name in names if getattr(how, name) is not None}


def _arrays(W, b, own: Rows, clean: Rows, test: Rows, ood: Rows) -> dict[str, Any]:
    W, b = _wide(plain_array("W", W)), np.zeros(len(W)) if b is None else _wide(plain_array("b", b))
    labels = {key: part[: own.limit] for key, part in join(own.labels, len(W)).items()}
    found = {"H": own.cut(own.H), "W": W, "b": b, **labels}
    if own.logits:
        found["logits_H"] = own.cut(own.logits)
    for name, rows in (("clean", clean), ("test", test)):
        if rows.count:
            found |= {f"H_{name}": rows.cut(rows.H), f"y_{name}": rows.cut(rows.labels)}
    if test.count:
        logits = test.cut(test.logits) if test.logits else found["H_test"] @ W.T + b
        found |= {"logits": logits, "y_logits": found["y_test"]}
    if ood.count:
        found["H_ood"] = ood.cut(ood.H)
    return found


def _batches(name: str, loader: Iterable, how: Wanted, network: Network) -> Iterator[tuple[Any, Any]]:
    """x and y of every batch, where the network wants them. InputError where there is none."""
    some = False
    try:
        batches = iter(loader)
    except TypeError:
        raise InputError(f"{name} must yield batches (x, y), got {type(loader).__name__}") from None
    for batch in batches:
        some = True
        x, y = _unpacked(name, batch, how.unpack)
        yield network.place(x), network.place(y)
    if not some:
        raise InputError(
            f"{name} yields nothing: a generator that was read before? give a list or a DataLoader"
        )


def _unpacked(name: str, batch, unpack: Callable | None) -> tuple[Any, Any]:
    if unpack is not None:
        batch = unpack(batch)
    if isinstance(batch, tuple | list) and len(batch) == 2:
        return batch[0], batch[1]
    if name == "ood" and not isinstance(batch, tuple | list | Mapping):
        return batch, None
    said = (
        f"a dictionary of {', '.join(map(str, batch))}"
        if isinstance(batch, Mapping)
        else type(batch).__name__
    )
    said = f"{len(batch)} parts" if isinstance(batch, tuple | list) else said
    raise InputError(f"{name} yields {said} where (x, y) is asked for: {PAIR}")


def _mixed(mix: Callable, x, y) -> tuple[Any, Any]:
    """mix(x, y): inputs and targets; (x, y, y_other, lam) is taken too."""
    found = mix(x, y)
    if isinstance(found, tuple | list) and len(found) == 4:
        return found[0], tuple(found[1:])
    if not isinstance(found, tuple | list) or len(found) != 2:
        raise InputError(f"mix must give (x mixed, targets), got {type(found).__name__}")
    return found[0], found[1]


def _add(network: Network, rows: Rows, name: str, x, y) -> None:
    """One batch through the network, into its set."""
    H, logits = network.run(x)
    H, logits = _wide(plain_array("H", H)), None if logits is None else _wide(plain_array("logits", logits))
    W, _, words = network.head()
    K, d = W.shape
    if H.ndim != 2 or H.shape[1] != d:
        raise InputError(f"the last layer takes {tuple(H.shape)} where (B, {d}) is asked for: {words}")
    if logits is not None and logits.shape != (len(H), K):
        raise InputError(f"the last layer gives {logits.shape} for {len(H)} rows and {K} rows of W: {words}")
    if logits is not None and not rows.count:
        _check_layer(H, logits, *network.head())
    if name == "loader":
        labels: Targets | np.ndarray | None = read_targets(y, len(H), K)
    else:
        labels = None if name == "ood" else read_classes(name, y, len(H), K)
    rows.add(H, logits, labels)


def _check_layer(H: np.ndarray, logits: np.ndarray, W, b, words: str) -> None:
    """InputError where what the layer gives is not W h + b, to the rounding of any float type: a factor, a cosine,
    a correction of low rank, a softmax inside the layer."""
    W, b = plain_array("W", W).astype(np.float64), 0.0 if b is None else plain_array("b", b)
    sizes = np.linalg.norm(H, axis=1, keepdims=True).astype(np.float64) * np.linalg.norm(W, axis=1) + np.abs(
        b
    )
    off = np.abs(H.astype(np.float64) @ W.T + b - logits) - OFF * sizes
    if (off > 0).any():
        row, k = np.unravel_index(int(np.argmax(off)), off.shape)
        raise InputError(
            f"{words}: gives {logits[row, k]:.4g} where W h + b is {(H[row] @ W.T + b)[k]:.4g} in row {row}; "
            "the comparison is of a layer that gives W h + b: give the one before its scale or softmax"
        )


def check_last(words: str, rows: int, shape: tuple) -> None:
    """InputError where the network gives something of other columns than the layer: it is not the last."""
    if len(shape) == 2 and shape[1] != rows:
        given = f"{shape[0] or 'B'} x {shape[1]}"
        raise InputError(f"the model gives {given}, and {words} has {rows} rows: it is not the last layer")


def warn_of_what_follows(words: str, logits, out) -> None:
    """A warning where a network gives something else than its last layer's logits or their softmax: the loss may
    have seen it, the comparison does not. Both are arrays of one batch; of different shapes nothing is said."""
    z, o = (np.asarray(part).astype(np.float64) for part in (logits, out))
    if z.shape == o.shape and z.ndim == 2 and (said := _behind(z, o)):
        warnings.warn(f"{words}: {said}", stacklevel=3)


def _behind(z: np.ndarray, o: np.ndarray) -> str | None:
    """What follows logits z, where a softmax of it is not theirs; o: what the network gives."""
    off = 0.02 * float(np.abs(z).max())  # a rounding of bfloat16, and more
    probable = (o >= 0).all() and np.abs(o.sum(1) - 1).max() < 0.02
    if probable and np.abs(o - softmax(z, axis=1)).max() < 0.02:
        return None
    z, o = z - z.mean(1, keepdims=True), o - o.mean(1, keepdims=True)
    if np.abs(o - z).max() <= off:
        return None
    factor = float((o * z).sum() / max((z * z).sum(), 1e-300))
    told = "something else than a softmax or log-softmax of what the layer gives"
    remedy = "the comparison is of W h + b: see that the loss was of these logits"
    if factor > 0 and np.abs(o - factor * z).max() <= factor * off:
        told = f"{factor:.4g} times what the layer gives"
        remedy = f"where the loss saw that, multiply W, b and all logits of what is found by {factor:.4g}"
    return f"the model gives {told} (a temperature or scale behind it?); {remedy}"


def _wide(A: np.ndarray) -> np.ndarray:
    """At least 32 bits."""
    return A if A.dtype in (np.float32, np.float64) else A.astype(np.float32)
