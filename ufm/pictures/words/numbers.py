"""Numbers as a caption says them: never better than they are."""

import math
from collections.abc import Mapping, Sequence
from decimal import ROUND_CEILING, Context, Decimal
from typing import Any


def above(value: float) -> str:
    """A distance in two digits, rounded up, so that it is within what is said."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else "no bound"
    up = Context(prec=2, rounding=ROUND_CEILING).create_decimal(value)
    return f"{float(up):g}" if up >= Decimal("0.001") else f"{float(up):.1e}"


def counted(number: int, what: str) -> str:
    """A number of things: 1 point, 2 points."""
    return f"{number} {what}{'s' * (number != 1)}"


def ends(rows: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> str:
    """Where each column starts and ends, by its name in words; what is no number is left out."""
    parts = []
    for key, name in names.items():
        values = [row[key] for row in rows if row.get(key) is not None and math.isfinite(row[key])]
        if values:
            parts.append(
                f"{name} {' to '.join(f'{value:.3g}' for value in (values[0], values[-1])[: len(values)])}"
            )
    return ", ".join(parts) or "nothing to draw"
