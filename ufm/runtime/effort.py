"""How long a command will take, from sizes alone and to a factor of ten: a typing error is not to run for ages.

A feature against an ETF costs about RATE seconds a class on one core (docs/speed.md, docs/large_pairs.md), against
any other W, of rank at most r, about r/8 times as much. What would take more than a day is said; what would take
more than a year is refused. The processes of a run share the work. Standard library only.
"""

import sys

from ufm.rules.errors import InputError
from ufm.runtime.threads import usable_cores

RATE = 2e-7  # seconds a core
FLOPS = 2e9  # a second, of the joint problem's sums over labels
SMALL = 0.05  # seconds; less is not worth what optimising the programs takes
DAY = 86400.0
YEAR = 365.25 * DAY


def seconds(features: int, classes: int, rank: int | None = None) -> float:
    """Of this machine, for so many features; rank: min(K, d) of an explicit classifier."""
    return features * classes * RATE * max(1.0, (rank or 0) / 8) / usable_cores()


def joint_seconds(labels: float, classes: int) -> float:
    """Of a joint problem with a matrix a label: ten Newton steps of about 2 n K⁴ operations."""
    return 20.0 * labels * float(classes) ** 4 / FLOPS


def judge(work: float, args, advice: str) -> None:
    """InputError for what takes years, a line on standard error for what takes days; args: of the command."""
    share = work / (args.processes or 1)
    if share > YEAR:
        raise InputError(
            f"this would take about {_many(float(f'{share / YEAR:.1g}'), 'year')} here: {advice}"
        )
    if share > DAY and not args.process:  # one of the processes speaks
        print(
            f"this will take about {_many(float(round(share / DAY)), 'day')} here: {advice}", file=sys.stderr
        )


def _many(count: float, unit: str) -> str:
    return f"{count:,.0f} {unit}{'s' * (count != 1)}"
