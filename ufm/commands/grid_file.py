"""A grid from a TOML file, checked whole before any work.

    alpha = [0.2, 1.0]                                                 # values
    lambda_w = { from = 1e-5, to = 1e-2, count = 40, scale = "log" }   # a range, both ends included
    lam = [0.0, 0.3, 0.5]                                              # mixing weights: rows, not an axis

Axes are named like the flags of `ufm.solve` and default as they do; tol is its --tol, block the problems a file.
"""

import tomllib
from itertools import product

import numpy as np

from ufm.model.grid import AXES, UNMIXED, Grid, Group, make_law
from ufm.model.laws import PAIRS
from ufm.model.problem import Problem
from ufm.rules.errors import InputError, meant
from ufm.rules.files import read_text
from ufm.rules.numbers import LOSS_NAMES

WORDS = {"labels": ("mixup", "cutmix", *UNMIXED), "pairs": PAIRS[:3], "loss": LOSS_NAMES}
INTEGERS = ("classes", "dim")
DEFAULTS = {"labels": "mixup", "pairs": "all", "loss": "cross-entropy", "classes": 10}
DEFAULTS |= {"lambda_w": 5e-4, "lambda_h": 5e-4}
LAM = {"from": 0.0, "to": 1.0, "count": 11}
BLOCK, TOL = 2048, 1e-6
KEYS = (*AXES, "lam", "tol", "block")
MAX_PROBLEMS, MAX_BLOCKS, MAX_BLOCK, MAX_VALUES, MAX_LAM = 10**9, 10**6, 10**6, 10**6, 10**4


def read_grid(path: str) -> Grid:
    """The grid of a TOML file. Raises InputError saying what was given and what is allowed."""
    try:
        data = tomllib.loads(read_text(path))
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except RecursionError:
        raise InputError(f"{path} is no grid: it is nested too deep") from None
    except ValueError as error:  # TOML or UTF-8
        raise InputError(f"{path} is not TOML: {error}") from None
    return make_grid(data)


def make_grid(data: dict) -> Grid:
    """The grid of parsed TOML, checked."""
    for key in data:
        if key not in KEYS:
            raise InputError(f"unknown key {key!r}{meant(key, KEYS)}; a grid has {', '.join(KEYS)}")
    axes = {name: _read_axis(name, data[name]) if name in data else (DEFAULTS.get(name),) for name in AXES}
    grid = Grid(
        axes,
        tuple(sorted(_read_axis("lam", data.get("lam", LAM)))),
        _read_number("tol", data.get("tol", TOL)),
        _read_block(data.get("block", BLOCK)),
    )
    _check_scope(grid, data)
    _check_sizes(grid)
    for group in grid.groups:
        _check_corners(grid, group)
    return grid


def _read_axis(name: str, given) -> tuple:
    """The values of an axis: one, a list, or a range; each once."""
    values = _read_range(name, given) if isinstance(given, dict) else given
    values = values if isinstance(values, list) else [values]
    values = tuple(_read_value(name, value) for value in values)
    if not values:
        raise InputError(f"{name} is empty: give at least one value, or leave it out")
    if len(set(values)) < len(values):
        raise InputError(f"{name} has a value twice: every row would be doubled")
    return values


def _read_range(name: str, given: dict) -> list[float]:
    """Both ends included; scale: linear (default) or log. Rounded to 15 digits, so that 0.3 is 0.3."""
    usage = '{ from = A, to = B, count = N } with scale = "linear" or "log"'
    if name in WORDS or not {"from", "to", "count"} <= set(given) <= {"from", "to", "count", "scale"}:
        raise InputError(f"{name} = {given}: a range of numbers is {usage}")
    low, high, count = _read_number(name, given["from"]), _read_number(name, given["to"]), given["count"]
    scale = given.get("scale", "linear")
    if scale not in ("linear", "log") or type(count) is not int or not 2 <= count <= MAX_VALUES:
        raise InputError(f"{name} = {given}: a range is {usage}, N from 2 to {MAX_VALUES:,}")
    if scale == "log" and not (low > 0 and high > 0):
        raise InputError(
            f"{name}: both ends of a logarithmic range must be positive, got {low:g} and {high:g}"
        )
    values = (np.geomspace if scale == "log" else np.linspace)(low, high, count)
    return [float(f"{value:.15g}") for value in values]


def _read_value(name: str, value):
    if name in WORDS:
        if value not in WORDS[name]:
            raise InputError(f"{name} must be among {', '.join(WORDS[name])}, got {_as_written(value)}")
        return value
    number = _read_number(name, value)
    if name in INTEGERS:
        if number != round(number):
            raise InputError(f"{name} must be whole numbers, got {value!r}")
        return round(number)
    return number


def _read_number(name: str, value) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= 1e300:
        kind = "whole" if name in INTEGERS else "finite"
        raise InputError(f"{name} must be {kind} numbers, got {_as_written(value)}")
    return float(value) + 0.0  # no negative zero


def _as_written(value) -> str:
    """A value as TOML has it: a truth value is no 1."""
    return f"the truth value {str(value).lower()}" if isinstance(value, bool) else repr(value)


def _read_block(value) -> int:
    if type(value) is not int or not 1 <= value <= MAX_BLOCK:
        raise InputError(f"block must be a whole number from 1 to {MAX_BLOCK:,}, got {_as_written(value)}")
    return value


def _check_scope(grid: Grid, data: dict) -> None:
    """An axis that a law does not know would double its rows."""
    unused = {"alpha": UNMIXED, "pairs": UNMIXED, "smoothing": ("onehot",)}
    for name, laws in unused.items():
        for law in grid.axes["labels"]:
            if name in data and law in laws:
                raise InputError(f'{name} does not apply to labels "{law}": sweep it in a grid of its own')
    if "lam" in data and not set(grid.axes["labels"]) - set(UNMIXED):
        raise InputError(
            f"lam does not apply: {' and '.join(grid.axes['labels'])} labels have no mixing weight"
        )


def _check_sizes(grid: Grid) -> None:
    if grid.problems > MAX_PROBLEMS:
        raise InputError(f"the grid has {grid.problems:,} problems, more than {MAX_PROBLEMS:,}: split it")
    if grid.blocks > MAX_BLOCKS:
        raise InputError(
            f"the dataset would have {grid.blocks:,} files, more than {MAX_BLOCKS:,}: raise block"
        )
    if not grid.tol > 0:
        raise InputError(f"tol must be positive, got {grid.tol}")
    if len(grid.lam) > MAX_LAM or not all(0 <= value <= 1 for value in grid.lam):
        raise InputError(f"lam must be at most {MAX_LAM} numbers in [0, 1], got {grid.lam[:5]} …")


def _check_corners(grid: Grid, group: Group) -> None:
    """Every combination of extreme values is a valid problem; then so are those between."""
    ends = [_extremes(values) for values in grid.resolve(group).values()]
    for dim, alpha, smoothing, m, lambda_w, lambda_h in product(*ends):
        Problem(
            classes=group.classes,
            multiplier=1.0 if m is None else m,
            lambda_h=lambda_h,
            lambda_w=lambda_w,
            dim=dim,
            loss=group.loss,
            law=make_law(group, alpha, smoothing),
        )
        if grid.joint and lambda_w * lambda_h < 1e-60:
            raise InputError(
                f"lambda_w lambda_h = {lambda_w * lambda_h:g} leaves no jointly optimal multiplier within reach: "
                "give multiplier"
            )


def _extremes(values: tuple) -> set:
    """Least, greatest, and least positive value: 0 is allowed where tiny numbers are not."""
    if values == (None,):
        return {None}
    return {min(values), max(values), min((v for v in values if v > 0), default=max(values))}
