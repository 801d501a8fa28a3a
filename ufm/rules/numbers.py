"""What public functions check of what they are given: one rule and one sentence for each kind of value. Numpy only.

Each returns the value as the package takes it, or raises InputError with the parameter's name, what is allowed and
what was given. Whoever is public checks, once; the private functions below it trust what they get.
"""

from collections.abc import Collection
from math import isfinite
from numbers import Integral, Real

import numpy as np

from ufm.rules.errors import InputError

LOSS_NAMES = ("cross-entropy", "squared-error")
JOINT_LOSS_NAMES = (*LOSS_NAMES, "binary-cross-entropy")  # where W is free too
RANGE = (1e-100, 1e100)  # of every positive number of a problem, far inside float64's own
NETWORK = (1e-60, 1e60)  # of activations: squares of products, weighted, neither over- nor underflow
MAX_SIZE = 10**7
MAX_STEPS = 2**31 - 1
MAX_SEED = 2**63 - 1
COMPARISON = {"bins": (1, 1000), "replicates": (0, 10_000), "seed": (0, MAX_SEED)}  # of `compare`
SUM = 1e-9  # how far weights, or labels as float64, may be from their sum and still be taken as they stand


def real(name: str, value, allowed: str = "be a finite number", within=lambda value: True):
    """A finite real number that lies within what is allowed; True is no number, and neither is text."""
    found = value.item() if getattr(value, "ndim", None) == 0 else value
    if isinstance(found, bool) or not isinstance(found, Real) or not _is_finite(found) or not within(found):
        raise InputError(f"{name} must {allowed}, got {value!r}")
    return found


def _is_finite(value) -> bool:
    try:
        return isfinite(value)
    except OverflowError:  # an integer beyond every float
        return False


def nonnegative(name: str, value):
    """A finite number >= 0."""
    return real(name, value, "be a finite number >= 0", lambda value: value >= 0)


def positive(name: str, value):
    """A finite number > 0."""
    return real(name, value, "be a positive finite number", lambda value: value > 0)


def unit(name: str, value):
    """A number in [0, 1]."""
    return real(name, value, "lie in [0, 1]", lambda value: 0 <= value <= 1)


def penalty(name: str, value, *, zero: bool = False):
    """A penalty or scale of a problem: positive (or 0 where that means something), and in RANGE."""
    found = nonnegative(name, value) if zero else positive(name, value)
    if found != 0 and not RANGE[0] <= found <= RANGE[1]:
        either = "be 0 or " if zero else ""
        raise InputError(f"{name} must {either}lie in {RANGE[0]:g} … {RANGE[1]:g}, got {value!r}")
    return found


def penalties(name: str, value, count: int | str) -> np.ndarray:
    """`count` positive penalties or scales, in RANGE."""
    found = array(name, value, (count,))
    bad = ~((found >= RANGE[0]) & (found <= RANGE[1]))
    if bad.any():
        raise InputError(
            f"{name} must be positive, in {RANGE[0]:g} … {RANGE[1]:g}, got {float(found[bad][0])!r}"
        )
    return found


def bias_penalty(name: str, value):
    """λ_b: None without a bias, 0 for a free one, else a penalty."""
    return None if value is None else penalty(name, value, zero=True)


def integer(name: str, value, least: int, most: int = MAX_SIZE) -> int:
    """An integer; True is none."""
    if (
        isinstance(value, (bool, np.bool_))
        or not isinstance(value, Integral)
        or not least <= int(value) <= most
    ):
        raise InputError(f"{name} must be an integer, at least {least} and at most {most}, got {value!r}")
    return int(value)


def choice(name: str, value, allowed: Collection[str]) -> str:
    """One of a few words."""
    if not isinstance(value, str) or value not in allowed:
        raise InputError(f"{name} must be one of {', '.join(allowed)}, got {value!r}")
    return value


def flag(name: str, value) -> bool:
    """True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise InputError(f"{name} must be True or False, got {value!r}")
    return bool(value)


def instance(name: str, value, kind: type | tuple[type, ...], make: str = ""):
    """A value of this package, built by `make`."""
    if not isinstance(value, kind):
        wanted = " or ".join(part.__name__ for part in (kind if isinstance(kind, tuple) else (kind,)))
        raise InputError(f"{name} must be a {wanted}{make and f', see {make}'}, got {type(value).__name__}")
    return value


def precision(name: str, value) -> np.dtype:
    """float32 or float64: the types that anything here is computed in."""
    try:
        found = np.dtype(value)
    except TypeError:
        found = None
    if value is None or found not in (np.float32, np.float64):
        raise InputError(f"{name} must be float32 or float64, got {getattr(value, '__name__', value)!r}")
    return found


Shape = tuple[int | str, ...] | None


def numbers(name: str, value, shape: Shape) -> np.ndarray:
    """An array of real numbers, finite or not, in its own type; a letter of the shape is any size from 1 on, and
    the same wherever it stands, None any shape with something in it."""
    if np.ma.is_masked(value):
        raise InputError(f"{name} has masked entries: leave those rows out, or fill them")
    try:
        found = np.asarray(value)
    except (ValueError, TypeError):  # rows of different lengths, or no array at all
        raise InputError(
            f"{name} must be an array of numbers{_words(shape)}, got {type(value).__name__}"
        ) from None
    if found.dtype.kind not in "fiu" or not _fits(found.shape, shape):
        raise InputError(
            f"{name} must be an array of real numbers{_words(shape)}, got {found.dtype} of shape {found.shape}"
        )
    return found


def _fits(found: tuple[int, ...], shape: Shape) -> bool:
    if shape is None:
        return 0 not in found
    letters = {k: n for n, k in zip(found, shape) if isinstance(k, str)}
    wanted = tuple(letters.get(k) if isinstance(k, str) else k for k in shape)
    return 0 not in letters.values() and found == wanted


def _words(shape: Shape) -> str:
    return "" if shape is None else f" of shape ({', '.join(map(str, shape))}{',' * (len(shape) == 1)})"


def array(name: str, value, shape: Shape) -> np.ndarray:
    """A finite real array in float64."""
    found = numbers(name, value, shape).astype(np.float64, copy=False)
    if not np.isfinite(found).all():
        place = f" in row {np.argwhere(~np.isfinite(found))[0, 0]}" if found.ndim else ""
        raise InputError(f"{name} holds NaN or infinity{place}")
    return found


def doubles(name: str, value, shape: Shape) -> np.ndarray:
    """An array of real numbers, finite or not, that float64 holds exactly, in float64: of any float that is no
    longer (bfloat16 too), or of integers."""
    kind = getattr(value, "dtype", None)
    if getattr(kind, "name", "") == "bfloat16":  # which NumPy knows as a void
        value = np.asarray(value).astype(np.float32)
    given = numbers(name, value, shape)
    with np.errstate(invalid="ignore", over="ignore"):
        found = given.astype(np.float64)
        if given.dtype in (np.float16, np.float32, np.float64):
            return found
        lost = (found.astype(given.dtype) != given) & ~np.isnan(found)
        if given.dtype.kind in "iu":  # what is rounded up to beyond the largest may come back as that
            lost |= found >= float(np.iinfo(given.dtype).max) + 1
    if lost.any():
        raise InputError(f"{name} in {given.dtype} holds numbers that are no doubles: round them yourself")
    return found


def scaled(name: str, value: np.ndarray, *, small: bool = False) -> None:
    """InputError unless the largest entry is 0 or in NETWORK, below which it may stay if `small`."""
    low, high = NETWORK
    size = max(abs(float(value.max())), abs(float(value.min())))
    if size != 0 and not (size <= high and (small or size >= low)):
        raise InputError(
            f"the largest entry of {name} is {size:.3g} in size, but must be 0 or lie in {low:g} … {high:g}: "
            "rescale H and W"
        )


def weights(name: str, value, count: int | str, total=lambda share: share) -> np.ndarray:
    """Probabilities: `count` numbers >= 0 that sum to one; total: over the processes that share them."""
    found = array(name, value, (count,))
    whole = float(total(found.sum()))
    if (found < 0).any() or not abs(whole - 1) <= SUM:
        raise InputError(
            f"{name} must be numbers >= 0 that sum to 1 (within {SUM:g}), got a sum of {whole:.12g} "
            f"and a least of {found.min(initial=np.inf):.3g}"
        )
    return found


def mixing(name: str, value) -> np.ndarray:
    """Mixing weights λ, one or many, each in [0, 1], in float64; the shape is kept."""
    found = numbers(name, value, None).astype(np.float64, copy=False)
    inside = (found >= 0) & (found <= 1)
    if not inside.all():
        raise InputError(f"{name} must lie in [0, 1], got {float(found[~inside][0])!r}")
    return found


def class_numbers(name: str, value, classes: int) -> np.ndarray:
    """Numbers of classes, one or many, from 0 to K − 1; the shape is kept."""
    found = numbers(name, value, None)
    inside = (found >= 0) & (found < classes) & (found.dtype.kind != "f")
    if not inside.all():
        raise InputError(f"classes {name} must be integers in 0 … {classes - 1}, got {found[~inside][0]}")
    return found.astype(np.int64, copy=False)
