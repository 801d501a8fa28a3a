"""Roots at 40 digits, by bisection: slow, and beyond doubt."""

import mpmath as mp

from ufm.rules.errors import InputError

DIGITS = 40


def increasing_root(function, low, high, digits: int = DIGITS):
    """Root of an increasing mpmath function on [low, high], to so many digits; InputError without a sign change."""
    with mp.workdps(digits + 10):
        low, high = mp.mpf(low), mp.mpf(high)
        if not (function(low) <= 0 <= function(high)):
            raise InputError("no sign change")
        while high - low > mp.mpf(10) ** -digits * max(abs(high), abs(low), mp.mpf(10) ** -digits):
            middle = (low + high) / 2
            low, high = (middle, high) if function(middle) < 0 else (low, middle)
        return (low + high) / 2
