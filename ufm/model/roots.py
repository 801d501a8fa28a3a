"""A bracketed scalar root."""

from collections.abc import Callable

from ufm.rules.errors import InputError


def bracketed_root(f: Callable[[float], float], low: float, high: float) -> float:
    """Root of f between low and high, where f changes sign, to the last representable digit or so.

    Illinois false position, with a bisection whenever it fails to halve the bracket in three steps.
    Raises InputError when f does not change sign.
    """
    f_low, f_high = f(low), f(high)
    if f_low == 0 or f_high == 0:
        return low if f_low == 0 else high
    if (f_low > 0) == (f_high > 0):
        raise InputError(f"no sign change on [{low}, {high}]")
    goal, patience = abs(high - low) / 2, 3
    for _ in range(200):
        middle = low + (high - low) / 2 if patience == 0 else high - f_high * (high - low) / (f_high - f_low)
        if middle in (low, high) or not min(low, high) < middle < max(low, high):
            middle = low + (high - low) / 2
        if middle in (low, high):
            break
        value = f(middle)
        if value == 0:
            return middle
        if (value > 0) != (f_high > 0):
            low, f_low = high, f_high
        else:
            f_low /= 2
        high, f_high = middle, value
        shrunk = abs(high - low) <= goal
        goal, patience = (abs(high - low) / 2, 3) if shrunk else (goal, (patience or 4) - 1)
    return high
