"""Whatever a user has in hand as `Activations`."""

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path

import numpy as np

from ufm.network.read.activations import KEYS, Activations, check_names, from_arrays, read_activations
from ufm.rules.errors import InputError

FRAMEWORKS = {
    ".pt": "torch.load it",
    ".pth": "torch.load it",
    ".ckpt": "load it",
    ".safetensors": "load it",
    ".h5": "load it",
    ".keras": "load it",
    ".pkl": "load it",
    ".mat": "scipy.io.loadmat it",
}


def activations_of(source, names: Sequence | np.ndarray | None, arrays: Mapping) -> Activations:
    """Of a path, a dictionary, an open npz, `Activations`, or of arrays by name; InputError for anything else."""
    if source is None:
        return from_arrays(names, **arrays)
    if arrays:
        raise InputError(
            f"give a source or arrays, not both: got {type(source).__name__} and {', '.join(arrays)}"
        )
    if isinstance(source, Activations):
        return source
    if isinstance(source, (str, PathLike)):
        return _read(str(source), names)
    path = getattr(getattr(source, "zip", None), "filename", None)
    if path:  # an open npz: mapped instead of loaded
        return _read(str(path), names)
    if isinstance(source, Mapping):
        check_names(source)
        return from_arrays(names, **source)
    if hasattr(source, "keys") and hasattr(source, "__getitem__"):  # a file that is open may hold more
        return from_arrays(names, **{key: source[key] for key in list(source) if key in KEYS})
    raise InputError(
        "source must be a path, a dictionary, an open npz or Activations (arrays are given by name: H=H, W=W, "
        f"y=y), got {type(source).__name__}"
    )


def _read(path: str, names: Sequence | np.ndarray | None) -> Activations:
    advice = FRAMEWORKS.get(Path(path).suffix.lower())
    if advice:
        raise InputError(
            f"{path} is no .npz file: {advice}, and give its arrays, compare_network(H=..., W=..., y=...), or "
            "numpy.savez them"
        )
    return read_activations(path, names)
