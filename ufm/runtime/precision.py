"""Which arithmetic the numerical route uses; the certificate is in the precision of its answer."""

import numpy as np

CHOICES = {  # dtype of the answer, and the one Newton begins in (None: the same)
    "float64": (np.float64, None),
    "float32": (np.float32, None),
    "mixed": (np.float64, np.float32),
}
TOLERANCE = {"float64": 1e-6, "float32": 1e-2}


def choose_precision(name: str, method: str) -> tuple[type, type | None, float]:
    """dtype of the answer, dtype to begin in, and default tolerance. "auto" is float64, begun in float32 by
    newton where the device is slow in float64; asks JAX for its devices.
    """
    if name == "auto":
        from ufm.runtime.devices import float64_is_slow

        name = "mixed" if method == "newton" and float64_is_slow() else "float64"
    dtype, first = CHOICES[name]
    return dtype, first, TOLERANCE[np.dtype(dtype).name]
