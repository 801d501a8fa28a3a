"""Batches mixed as in training, of NumPy, JAX and torch arrays alike, with the labels that they then have.

    mixup:   x' = λ x + (1−λ) x_σ        λ ~ Beta(α, α), one a row, σ a permutation of the batch
    CutMix:  a box of x is that of x_σ    its sides √(1−λ) of the image's, centred anywhere, cut off at the edge;
                                          λ is then the share of x that is left

Sources: Zhang et al., arXiv:1710.09412; Yun et al., arXiv:1905.04899. NumPy only; torch where a tensor is given.
"""

from dataclasses import dataclass, field

import numpy as np

import ufm.rules.numbers as checked
from ufm.rules.errors import InputError

ALPHA = (1e-3, 1e3)  # as everywhere in `ufm`


@dataclass
class Mixing:
    """mix(x, y) -> (x mixed, (y, y[σ], λ)); `fresh` begins its random numbers anew, so that each collection is of
    the same mixtures."""

    name: str
    alpha: float
    seed: int = 0
    axes: tuple[int, int] | None = None
    rng: np.random.Generator = field(init=False, repr=False, compare=False)

    def __post_init__(self):
        checked.real(
            "alpha",
            self.alpha,
            f"lie in {ALPHA[0]:g} … {ALPHA[1]:g}",
            lambda value: ALPHA[0] <= value <= ALPHA[1],
        )
        checked.integer("seed", self.seed, 0, checked.MAX_SEED)
        if self.axes is not None and not _are_axes(self.axes):
            raise InputError(f"axes must be two different integers from 1 on, got {self.axes!r}")
        self.rng = np.random.default_rng(self.seed)

    def fresh(self) -> "Mixing":
        """The same from its first random number on."""
        return Mixing(self.name, self.alpha, self.seed, self.axes)

    def __call__(self, x, y):
        """Mix a batch. Raises InputError for inputs of integers under mixup, and without axes for CutMix."""
        rows = len(x)
        other = self.rng.permutation(rows)
        lam = self.rng.beta(self.alpha, self.alpha, rows).astype(np.float32)
        share, lam = self._share(x, lam)
        return _blend(x, other, share), (y, _take(y, other), _beside(x, lam.astype(np.float32)))

    def _share(self, x, lam: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What is left of x, in a shape that multiplies it, and λ of each row."""
        if self.name == "mixup":
            if not _is_float(x):
                raise InputError(f"mixup needs inputs of floats, got {x.dtype}: convert the images first")
            return lam.reshape(-1, *[1] * (x.ndim - 1)), lam
        first, second = axes = self.axes or ((2, 3) if hasattr(x, "detach") else (1, 2))
        if max(first, second) >= x.ndim:
            raise InputError(f"cutmix needs images: axes {axes} of inputs of shape {tuple(x.shape)}")
        inside = [self._span(x.shape[axis], np.sqrt(1 - lam)) for axis in axes]
        shapes = [
            [len(x) if n == 0 else x.shape[axis] if n == axis else 1 for n in range(x.ndim)] for axis in axes
        ]
        box = inside[0].reshape(shapes[0]) & inside[1].reshape(shapes[1])
        return 1.0 - box, 1.0 - inside[0].mean(1) * inside[1].mean(1)

    def _span(self, size: int, part: np.ndarray) -> np.ndarray:
        """Which of the pixels of one axis lie in the box, a row of them for each image."""
        half = (part * size).astype(int) // 2
        centre = self.rng.integers(size, size=len(part))
        place = np.arange(size)
        return (place >= (centre - half)[:, None]) & (place < (centre + half)[:, None])


def mixup(alpha: float = 1.0, *, seed: int = 0) -> Mixing:
    """Mixup of a batch with weights λ ~ Beta(α, α), one a row: mix(x, y) -> (x mixed, (y, y_other, lam)).

    For NumPy, JAX and torch arrays of floats of any shape; y are classes. Raises InputError for α outside
    0.001 … 1000 and a seed that is none.
    """
    return Mixing("mixup", alpha, seed)


def cutmix(alpha: float = 1.0, *, seed: int = 0, axes: tuple[int, int] | None = None) -> Mixing:
    """CutMix of a batch of images: mix(x, y) -> (x mixed, (y, y_other, lam)), λ the share of x that is left.

    axes: height and width; without them (2, 3) of tensors (B, C, H, W), (1, 2) of other arrays (B, H, W, C).
    Raises InputError for α outside 0.001 … 1000, a seed that is none, and inputs without these axes.
    """
    return Mixing("cutmix", alpha, seed, axes)


def _are_axes(axes) -> bool:
    return (
        isinstance(axes, tuple | list)
        and len(axes) == 2
        and all(isinstance(axis, int) and axis > 0 for axis in axes)
        and axes[0] != axes[1]
    )


def _is_float(x) -> bool:
    return "float" in str(x.dtype)


def _beside(x, lam: np.ndarray):
    """λ of tensors is a tensor on their device, so that it multiplies a loss."""
    if hasattr(x, "detach"):
        import torch

        return torch.as_tensor(lam, device=x.device)
    return lam


def _blend(x, other: np.ndarray, share: np.ndarray):
    """share x + (1 − share) x[other], in float32 where x has 16 bits; of the type of x."""
    if hasattr(x, "detach"):
        import torch

        wide = x if x.dtype == torch.float64 or not _is_float(x) else x.float()
        part = torch.as_tensor(share, device=x.device).to(wide.dtype)
        return (part * wide + (1 - part) * _take(wide, other)).to(x.dtype)
    wide = x if x.dtype == np.float64 or not _is_float(x) else x.astype(np.float32)
    part = share.astype(wide.dtype)
    return (part * wide + (1 - part) * wide[other]).astype(x.dtype)


def _take(part, other: np.ndarray):
    """Rows in another order."""
    if hasattr(part, "detach"):
        import torch

        return part[torch.as_tensor(other, device=part.device)]
    return np.asarray(part)[other] if isinstance(part, list) else part[other]
