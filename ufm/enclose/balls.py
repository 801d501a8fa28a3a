"""Vectors of balls, and what both enclosures do with them."""

import math
from collections.abc import Sequence

from flint import arb, arb_mat

Balls = Sequence[arb]


def complete(values: Sequence[float], counts: Sequence[int], top: int) -> list[arb]:
    """The label: the doubles as they are, but entry `top` (of count 1) equal to 1 − Σ of the others."""
    y = [arb(v) for v in values]
    y[top] = arb(0)
    y[top] = 1 - total(y, counts)
    return y


def softmax(z: Balls, counts: Sequence[int]) -> list[arb]:
    """p = e^z/Σe^z with multiplicities; shifted by an exact number so that no exponential overflows."""
    top = max(x.mid() for x in z)
    weights = [(x - top).exp() for x in z]
    normaliser = total(weights, counts)
    return [w / normaliser for w in weights]


def total(values: Balls, counts: Sequence[int]) -> arb:
    """Σ n x."""
    return sum((n * x for n, x in zip(counts, values)), arb(0))


def mean(values: Balls, counts: Sequence[int]) -> arb:
    """Σ n x / Σ n."""
    return total(values, counts) / sum(counts)


def norm(values: Balls, counts: Sequence[int] | None = None) -> arb:
    """√(Σ n x²), the square clipped at zero: its ball may reach below, the number cannot."""
    squares = [x * x for x in values]
    return total(squares, counts or [1] * len(squares)).nonnegative_part().sqrt()


def subtract(left: Balls, right: Balls) -> list[arb]:
    """left − right."""
    return [u - v for u, v in zip(left, right)]


def midpoints(balls: Balls) -> Balls:
    """The midpoints, exact."""
    return [x.mid() for x in balls]


def inflate(midpoints: Balls, radius: float) -> tuple[arb, ...]:
    """Midpoints ± radius."""
    return tuple(x + arb(0, radius) for x in midpoints)


def column(values: Balls) -> arb_mat:
    """A column of a matrix."""
    return arb_mat(len(values), 1, list(values))


def diagonal(values: Balls) -> arb_mat:
    """A diagonal matrix."""
    size = len(values)
    return arb_mat(size, size, [values[i] if i == j else 0 for i in range(size) for j in range(size)])


def solve(lam: arb, matrix: arb_mat, right: arb_mat) -> arb_mat:
    """(λ + matrix)⁻¹ right, approximately: an error here only costs a Newton step."""
    return (diagonal([lam] * matrix.nrows()) + matrix).solve(right, algorithm="approx")


def above(ball: arb) -> float:
    """The least double ≥ the ball, or the one after it; inf where there is none, or for nan."""
    if ball.is_nan():
        return math.inf
    upper = ball.upper()
    nearest = float(upper)
    return nearest if arb(nearest) >= upper else math.nextafter(nearest, math.inf)


def bounds(length: arb, radius: float) -> tuple[float, float]:
    """Outward doubles for a length known up to ± radius."""
    lower, upper = -above(-(length - radius)), above(length + radius)
    return max(0.0, lower), upper
