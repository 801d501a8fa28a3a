"""The growth table as Markdown, JSON and a picture."""

import json
from dataclasses import asdict
from io import BytesIO
from pathlib import Path

from experiments.benchmark.growth.exponents import Fit, two_digits
from experiments.benchmark.growth.points import RESOLVED, Growth, Point, seconds_each
from experiments.benchmark.growth.routes import ROUTES
from experiments.tools.files import plain
from experiments.training.checkpoint import write_whole

LEGEND = (
    "One core, float64, every point in a process of its own; the time of a call is the least processor time after "
    "compilation, the memory its peak of anonymous memory above the idle process, which has imported and compiled "
    "everything; inputs and results count, zeros that are never written do not. time, memory: the exponent b of "
    "c·x^b by least squares in log-log, ± its standard error, which also says how far the points bend; end: the "
    "slope between the last two. Nothing but the varied size changes in a row. Memory below 0.25 MiB is not "
    "resolved and counts as that much. first: seconds that the first call takes longer (compilation). The whole "
    "checks stream: their memory is that of one batch. By symmetry: one pair of classes a mixing weight is solved "
    "and stands for all K². Against an ETF, Newton and the check work in K coordinates, and no more than K − 1 of "
    "the d are ever written."
)
SYMBOLS = {"classes": "K", "dim": "d"}
AXES = {"classes": "classes K", "dim": "dimension d", "count": "features N (weights λ, labels n)"}
COLUMNS = "route, varied, fixed, time, end, memory, end, time at the largest, memory, first"
HEAD = [f"| {COLUMNS.replace(', ', ' | ')} |", f"|{' --- |' * 3}{' ---: |' * 7}"]


def write(found: list[Growth], command: str, machine: dict, folder: Path, stem: str) -> list[Path]:
    """stem.md, .json and .png in the folder, each whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    data = {
        "md": markdown(found, command, machine).encode(),
        "json": (
            json.dumps(plain(record(found, command, machine)), indent=1, ensure_ascii=False) + "\n"
        ).encode(),
        "png": picture(found),
    }
    paths = [folder / f"{stem}.{suffix}" for suffix in data]
    for path, content in zip(paths, data.values()):
        write_whole(path, lambda file, content=content: file.write(content))
    return paths


def markdown(found: list[Growth], command: str, machine: dict) -> str:
    """The table, and what did not run."""
    parts = [
        "# Growth",
        "",
        f"`{command}`",
        "",
        ", ".join(f"{name} {value}" for name, value in machine.items()),
        "",
    ]
    parts += [LEGEND, "", *table_lines(found), ""]
    missing = [
        f"- {name_of(each)} = {each.value(point):,}: {point.status}"
        for each in found
        for point in each.points
        if point.seconds is None
    ]
    return "\n".join(parts + (["Not measured:", "", *missing, ""] if missing else []))


def table_lines(found: list[Growth]) -> list[str]:
    """One row a route and varied size, over the points that were measured."""
    return HEAD + [_line(each) for each in found]


def _line(growth: Growth) -> str:
    route, points = growth.series.route, growth.measured
    ends = " to ".join(f"{growth.value(point):,}" for point in points[:: max(1, len(points) - 1)])
    cells = [route, f"{symbol(growth)} {ends}", fixed(growth), *_fit_cells(growth.time())]
    cells += [*_fit_cells(growth.memory()), *(_largest(route, points[-1]) if points else [""] * 3)]
    return f"| {' | '.join(cells)} |"


def _fit_cells(fit: Fit | None) -> list[str]:
    return ["", ""] if fit is None else [str(fit), two_digits(fit.slopes[-1])]


def _largest(route: str, point: Point) -> list[str]:
    seconds = seconds_each(route, point)
    time = f"{three_digits(seconds * 1e6)} µs a feature" if ROUTES[route].each else f"{seconds:.3g} s"
    memory = f"{three_digits(point.memory / 2**20)} MiB" if point.memory > RESOLVED else "< 0.25 MiB"
    return [time, memory, f"{point.compile:.2f}"]


def three_digits(value: float) -> str:
    """At least; no exponent for thousands."""
    return f"{value:,.0f}" if value >= 999.5 else f"{value:.3g}"


def symbol(growth: Growth) -> str:
    """Of what is varied."""
    return SYMBOLS.get(growth.series.varied, ROUTES[growth.series.route].symbol)


def fixed(growth: Growth) -> str:
    """The sizes that stay."""
    names = {"classes": "K", "dim": "d", "count": ROUTES[growth.series.route].symbol}
    stay = [name for name in names if name != growth.series.varied]
    return ", ".join(f"{names[name]} = {getattr(growth.series.fixed, name):,}" for name in stay)


def name_of(growth: Growth) -> str:
    """The route and what is varied."""
    return f"{growth.series.route} against {symbol(growth)}"


def record(found: list[Growth], command: str, machine: dict) -> dict:
    """All points and fits as plain data; seconds are of a whole call, memory in bytes."""
    return {"schema": 1, "command": command, "machine": machine, "series": [_series(each) for each in found]}


def _series(growth: Growth) -> dict:
    series, fits = growth.series, {"time": growth.time(), "memory": growth.memory()}
    return {
        "route": series.route,
        "varied": series.varied,
        "values": series.values,
        "fixed": {name: value for name, value in asdict(series.fixed).items() if name != series.varied},
        "counts": ROUTES[series.route].counts,
        "points": [{"value": growth.value(point), **_numbers(point)} for point in growth.points],
        **{name: fit and fit._asdict() for name, fit in fits.items()},
    }


def _numbers(point: Point) -> dict:
    return {name: value for name, value in asdict(point).items() if name != "size"}


def picture(found: list[Growth]) -> bytes:
    """Time above memory, one column for each varied size, one line a route; both axes logarithmic."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    routes = list(dict.fromkeys(each.series.route for each in found))
    style = {
        name: {"color": colormaps["tab10"](n), "marker": "osD^vP*X"[n % 8]} for n, name in enumerate(routes)
    }
    columns = [varied for varied in AXES if any(each.series.varied == varied for each in found)]
    figure = Figure(figsize=(3.8 * len(columns), 7.2), layout="constrained")
    axes = figure.subplots(2, len(columns), sharex="col", sharey="row", squeeze=False)
    for column, varied in zip(axes.T, columns):
        for growth in (each for each in found if each.series.varied == varied):
            _draw(column, growth, style[growth.series.route])
        column[1].set_xlabel(AXES[varied])
    for row, label in zip(axes, ("time of a call / s", "peak memory above idle / MiB")):
        row[0].set_ylabel(label)
        for axis in row:
            axis.set(xscale="log", yscale="log")
            axis.grid(alpha=0.3)
    handles = [axes[0, 0].plot([], [], label=name, **style[name])[0] for name in routes]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=9)
    buffer = BytesIO()
    figure.savefig(buffer, dpi=120)
    return buffer.getvalue()


def _draw(column, growth: Growth, style: dict) -> None:
    """Seconds above; MiB below, no less than is resolved."""
    times = [(growth.value(point), point.seconds) for point in growth.measured]
    sizes = [(growth.value(point), max(point.memory, RESOLVED) / 2**20) for point in growth.measured]
    for axis, pairs in zip(column, (times, sizes)):
        if pairs:
            axis.plot(*zip(*pairs), markersize=5, **style)
