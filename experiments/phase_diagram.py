"""The phases of the joint optimum under mixup, K = 4: solved points under the curves of the theory.

    python -m experiments.phase_diagram [--out DIR] [--quick]

(a) over (imbalance R, λ_W λ_H): classes 0, 1 of weight q_A and 2, 3 of weight q_B = q_A/R, α = 1;
(b) over (α, λ_W λ_H): equal weights. Cross-entropy, no bias, d = K, λ_W = λ_H.

Each point is solved blindly by `solve_joint` (no symmetry used), certified by the dual gap, and
its phase is read off its W:

  trivial    W = 0                                  theory: λ_max(E (y − 1/K)(y − 1/K)ᵀ) ≤ λ_W λ_H
  minority   w_2 = w_3 only                         theory: ρ q_B ≤ λ_W λ_H
  etf        a simplex ETF (equal weights)          theory: λ_W λ_H < (α+1)/((2α+1) K)
  distinct   no two rows equal, not an ETF          theory: otherwise

with ρ = E[λ² + (1−λ)²] = (α+1)/(2α+1); the large pair collapses only together with W = 0 (ρ q_A = λ_max).
A point counts as evidence where its relative gap is at most 1e-9 and it lies further than 0.1 % from
every curve (λ is a 16-node rule in the solved law).
Points are appended to the CSV one by one; a run that was stopped goes on where it stopped.
"""

import csv
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import tyro
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize, to_rgba
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from ufm.agree.geometry import collapsed_groups
from ufm.commands.frame import guarded
from ufm.model.atoms import FiniteLaw, finite_law
from ufm.model.etf import etf_deviation, etf_multiplier
from ufm.model.laws import LabelLaw
from ufm.rules.errors import InputError
from ufm.theory.theorems.joint import GAP_TOLERANCE
from ufm.theory.thresholds import minority_collapse, triviality

CLASSES, NODES = 4, 16
ETF_TOLERANCE = 1e-7  # deviation at which W counts as a simplex ETF
MARGIN = 1e-3  # relative distance from a curve below which a point is not judged
RESULTS = Path(__file__).parent / "results"


class Setting(NamedTuple):
    """A point of a plane: "imbalance" (a) or "alpha" (b), α, R = q_A/q_B, λ_W λ_H; and the law's size."""

    plane: str
    alpha: float
    imbalance: float
    product: float
    classes: int = CLASSES
    nodes: int = NODES


class Solved(NamedTuple):
    """What is kept of one solution; separation: ‖w_2 − w_3‖/‖w_0 − w_1‖ (0 where undefined)."""

    region: str
    relative_gap: float
    objective: float
    etf_deviation: float
    multiplier: float
    separation: float
    steps: int


class Curves(NamedTuple):
    """Values of λ_W λ_H from which on W = 0, and from which on the two small classes coincide."""

    trivial: float
    minority: float


class Tally(NamedTuple):
    """Counts of judged points: agree, disagree, not certified, within the margin of a curve."""

    agree: int
    disagree: int
    uncertified: int
    near: int


def log_grid(low: float, high: float, count: int) -> np.ndarray:
    """`count` points from low to high, equally spaced in the logarithm."""
    return np.geomspace(low, high, count)


def imbalance_plane(columns: int, rows: int) -> list[Setting]:
    """Plane (a): R from 1 to 100, α = 1."""
    products = log_grid(6e-4, 0.9, rows)
    return [
        Setting("imbalance", 1.0, float(R), float(c)) for R in log_grid(1, 100, columns) for c in products
    ]


def alpha_plane(columns: int, rows: int) -> list[Setting]:
    """Plane (b): α from 0.1 to 40, equal weights."""
    products = log_grid(0.02, 0.45, rows)
    return [Setting("alpha", float(a), 1.0, float(c)) for a in log_grid(0.1, 40, columns) for c in products]


def class_law(alpha: float, imbalance: float) -> LabelLaw:
    """Mixup of independent classes with weights (q_A, q_A, q_B, q_B), q_A/q_B = imbalance."""
    minor = 0.5 / (1 + imbalance)
    weights = None if imbalance == 1 else (0.5 - minor, 0.5 - minor, minor, minor)
    return LabelLaw("mixup", alpha=alpha, class_weights=weights)


@cache
def atoms(alpha: float, imbalance: float, classes: int, nodes: int) -> FiniteLaw:
    """The finite law that is solved; kept for the points of one column.

    Padded with labels of weight 0 to a common number of atoms, so that JAX compiles for one shape.
    """
    law = finite_law(class_law(alpha, imbalance), classes, nodes)
    missing = classes + classes * (classes - 1) // 2 * (nodes + 2) - len(law.weights)
    if missing <= 0:
        return law
    labels = np.concatenate([law.labels, np.tile(law.labels[:1], (missing, 1))])
    return FiniteLaw(labels, np.pad(law.weights, (0, missing)), law.exchangeable)


def solve_point(setting: Setting) -> Solved:
    """Solve from a random start, certify, classify. JAX is loaded here, not on import."""
    from ufm.certify.joint import certify_joint
    from ufm.optimize.joint import solve_joint

    law = atoms(setting.alpha, setting.imbalance, setting.classes, setting.nodes)
    penalty = float(np.sqrt(setting.product))
    found = solve_joint(law, penalty, penalty)
    certificate = certify_joint(found.W, found.H, law.labels, law.weights, penalty, penalty)
    return Solved(
        region=classify(found.W),
        relative_gap=certificate.gap / certificate.objective,
        objective=certificate.objective,
        etf_deviation=etf_deviation(found.W),
        multiplier=etf_multiplier(found.W),
        separation=separation(found.W),
        steps=found.steps,
    )


def classify(W: np.ndarray) -> str:
    """The phase of a 4-class classifier, from W alone; "other": none of those in the module's docstring."""
    if not W.any():
        return "trivial"
    groups = collapsed_groups(W)
    if not groups:
        return "etf" if etf_deviation(W) <= ETF_TOLERANCE else "distinct"
    return "minority" if groups == [[2, 3]] else "other"


def separation(W: np.ndarray) -> float:
    """‖w_2 − w_3‖/‖w_0 − w_1‖: 1 for an ETF, 0 when the minority has collapsed."""
    major = float(np.linalg.norm(W[0] - W[1]))
    return float(np.linalg.norm(W[2] - W[3])) / major if major > 0 else 0.0


@cache
def theory(alpha: float, imbalance: float) -> Curves:
    """The thresholds of one column. Equal weights: (α+1)/((2α+1)K), and nothing collapses before W = 0."""
    law = class_law(alpha, imbalance)
    if imbalance == 1:
        return Curves((alpha + 1) / ((2 * alpha + 1) * CLASSES), np.inf)
    least = minority_collapse(law, CLASSES, 1.0)[0]  # groups come in rising order of their weight
    return Curves(triviality(finite_law(law, CLASSES), 1.0).value, least.value)


def predict(setting: Setting, curves: Curves) -> str:
    """The phase that the theory gives for a point."""
    for name, value in zip(("trivial", "minority"), curves):
        if setting.product >= value:
            return name
    return "etf" if setting.imbalance == 1 else "distinct"


def tally(
    points: dict[Setting, Solved], curves: Callable[[float, float], Curves] = theory
) -> tuple[Tally, list[Setting]]:
    """Judge every point by the curves; the second value lists those that disagree."""
    agree, wrong, uncertified, near = 0, [], 0, 0
    for setting, solved in points.items():
        column = curves(setting.alpha, setting.imbalance)
        if not solved.relative_gap <= GAP_TOLERANCE:
            uncertified += 1
        elif any(abs(setting.product / value - 1) < MARGIN for value in column):
            near += 1
        elif predict(setting, column) != solved.region:
            wrong.append(setting)
        else:
            agree += 1
    return Tally(agree, len(wrong), uncertified, near), wrong


FIELDS = (*Setting._fields, *Solved._fields)


def read_points(path: Path) -> dict[Setting, Solved]:
    """The points of a CSV; a half-written last line is cut off the file first.

    Raises InputError for a file with other columns.
    """
    if not path.exists():
        return {}
    text = path.read_bytes()
    whole = text[: text.rfind(b"\n") + 1]
    if len(whole) < len(text):
        with path.open("r+b") as file:
            file.truncate(len(whole))
    rows = list(csv.reader(whole.decode().splitlines()))
    if rows and tuple(rows[0]) != FIELDS:
        raise InputError(f"{path} holds other columns than this program writes; move it away or give --out")
    return dict(map(_parse, rows[1:]))


def _parse(row: list[str]) -> tuple[Setting, Solved]:
    hints = Setting.__annotations__ | Solved.__annotations__
    values = [hints[name](text) for name, text in zip(FIELDS, row, strict=True)]
    return Setting(*values[: len(Setting._fields)]), Solved(*values[len(Setting._fields) :])


def fill(path: Path, settings: Iterable[Setting], solve=solve_point) -> dict[Setting, Solved]:
    """Solve the settings that the CSV lacks, appending each as it is done; returns those asked for."""
    known, settings = read_points(path), list(settings)
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        if file.tell() == 0:
            writer.writerow(FIELDS)
        for setting in settings:
            if setting not in known:
                known[setting] = solve(setting)
                writer.writerow([*map(_text, setting), *map(_text, known[setting])])
                file.flush()
    return {setting: known[setting] for setting in settings}


def _text(value) -> str:
    return repr(float(value)) if isinstance(value, float) else str(value)


def track(settings: list[Setting]):
    """The settings, with a progress bar on standard error."""
    from rich.console import Console
    from rich.progress import track

    return track(settings, "solving points", console=Console(stderr=True))


def report(points: dict[Setting, Solved]) -> int:
    """Print one line a plane; returns the number of points that disagree or are not certified."""
    bad = 0
    print(
        f"{'plane':<11}{'points':>7}{'agree':>7}{'disagree':>10}{'not certified':>15}{'on a curve':>12}"
        "  phases"
    )
    for plane in ("imbalance", "alpha"):
        part = {setting: solved for setting, solved in points.items() if setting.plane == plane}
        counts, wrong = tally(part)
        phases = Counter(solved.region for solved in part.values())
        worst = max(solved.relative_gap for solved in part.values())
        print(
            f"{plane:<11}{len(part):>7}{counts.agree:>7}{counts.disagree:>10}{counts.uncertified:>15}"
            f"{counts.near:>12}  {', '.join(f'{name} {n}' for name, n in phases.most_common())}"
        )
        print(f"{'':<11}largest relative gap {worst:.1e}")
        for setting in wrong[:10]:
            curves = theory(setting.alpha, setting.imbalance)
            print(f"  disagrees: {setting}: {part[setting].region}, theory {predict(setting, curves)}")
        bad += counts.disagree + counts.uncertified
    return bad


BLUE = ListedColormap(colormaps["Blues"](np.linspace(0.16, 0.86, 256)), name="blues-trimmed")
FLAT = {"trivial": "#e4e2dd", "minority": "#e9936f", "other": "#c2185b"}
HALO = [withStroke(linewidth=3.2, foreground="white")]


def draw(points: dict[Setting, Solved], curves: Callable[[float, float], Curves], path: Path) -> None:
    """Both planes as tiles around the solved points, the curves over them, written to path."""
    figure = Figure(figsize=(12.6, 5.9), dpi=160, layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    planes = [{s: v for s, v in points.items() if s.plane == name} for name in ("imbalance", "alpha")]
    _draw_imbalance(left, planes[0], curves)
    _draw_alpha(right, planes[1], curves)
    counts, wrong = tally(points, curves)
    for axes, plane, column in ((left, planes[0], "imbalance"), (right, planes[1], "alpha")):
        bad = [s for s in wrong if s in plane]
        axes.plot(
            [getattr(s, column) for s in bad], [s.product for s in bad], "x", color="red", ms=5, zorder=6
        )
    text = (
        f"{len(points)} points solved blindly, certified to a relative gap of {GAP_TOLERANCE:g}: "
        f"{counts.agree} agree with the curves, {counts.disagree} disagree"
    )
    text += f", {counts.near} on a curve" if counts.near else ""
    text += f", {counts.uncertified} not certified" if counts.uncertified else ""
    figure.suptitle("Phases of the joint optimum under mixup, K = 4\n", fontsize=13)
    figure.text(0.5, 0.935, text, ha="center", fontsize=9.5, color="0.3")
    figure.savefig(path)


def _draw_imbalance(axes: Axes, plane: dict[Setting, Solved], curves) -> None:
    bar = _tiles(axes, plane, "imbalance", "separation", 1.0)
    R = log_grid(1 + 1e-9, 100, 60)
    found = [curves(1.0, float(r)) for r in R]
    minor = 0.5 / (1 + R)
    style = {"color": "black", "lw": 1.8, "path_effects": HALO, "zorder": 4}
    axes.plot(R, [c.trivial for c in found], **style)
    axes.plot(R, [c.minority for c in found], **style)
    axes.plot(R, minor, **style | {"lw": 1.2, "ls": (0, (5, 3))})
    _along(axes, R, [c.trivial for c in found], 0.5, r"$\lambda_{\max}$ of the label covariance", 1)
    _along(axes, R, [c.minority for c in found], 0.55, r"$\rho\, q_B$", -1)
    _along(axes, R, minor, 0.55, r"$q_B$ (one-hot labels)", 1)
    _name(axes, 2.1, 0.66, "trivial: $W = 0$")
    _name(axes, 26, 0.09, "minority collapsed")
    _name(axes, 5.0, 0.0042, "all classes distinct", "white")
    _frame(
        axes,
        "(a) two large and two small classes, α = 1",
        "imbalance $R = q_A/q_B$",
        [1, 2, 5, 10, 20, 50, 100],
        [1e-3, 1e-2, 1e-1],
    )
    axes.annotate("simplex ETF at $R = 1$", (1.0, 0.0016), (1.25, 0.0011), color="white", fontsize=9)
    axes.figure.colorbar(bar, ax=axes, pad=0.02, label=r"minority separation $\|w_2-w_3\|\,/\,\|w_0-w_1\|$")


def _draw_alpha(axes: Axes, plane: dict[Setting, Solved], curves) -> None:
    largest = max((s.multiplier for s in plane.values()), default=1.0)
    bar = _tiles(axes, plane, "alpha", "multiplier", largest)
    alpha = log_grid(0.1, 40, 200)
    curve = [curves(float(a), 1.0).trivial for a in alpha]
    axes.plot(alpha, curve, color="black", lw=1.8, path_effects=HALO, zorder=4)
    _along(axes, alpha, curve, 0.42, r"$(\alpha+1)\,/\,((2\alpha+1)K)$", 1)
    for value, text in ((1 / CLASSES, r"one-hot, $1/K$"), (0.5 / CLASSES, r"$\alpha \to \infty$, $1/(2K)$")):
        axes.axhline(value, color="0.35", lw=0.8, ls=":")
        end = {"x": 38, "ha": "right"} if value == 1 / CLASSES else {"x": 0.105, "ha": "left"}
        axes.text(y=value, s=text, va="bottom", fontsize=8.5, color="0.25", **end)
    _name(axes, 2.0, 0.345, "trivial: $W = 0$")
    _name(axes, 2.0, 0.05, "simplex ETF", "white")
    _frame(
        axes, "(b) balanced classes", r"mixup $\alpha$", [0.1, 0.3, 1, 3, 10, 30], [0.02, 0.05, 0.1, 0.2, 0.4]
    )
    axes.figure.colorbar(bar, ax=axes, pad=0.02, label="multiplier $m$ of the solved ETF")


def _tiles(axes, plane, column, shade, largest):
    """One tile around each solved point: blue by `shade` where no rows coincide, else the phase's colour."""
    x, y = (sorted({getattr(s, name) for s in plane}) for name in (column, "product"))
    image = np.ones((len(y), len(x), 4))
    for setting, solved in plane.items():
        colour = BLUE(getattr(solved, shade) / largest)
        if solved.region in FLAT:
            colour = to_rgba(FLAT[solved.region])
        image[y.index(setting.product), x.index(getattr(setting, column))] = colour
    axes.pcolormesh(_edges(x), _edges(y), image, rasterized=True)
    axes.set(xscale="log", yscale="log", xlim=(x[0], x[-1]), ylim=(y[0], y[-1]))
    return ScalarMappable(Normalize(0, largest), BLUE)


def _edges(values: list[float]) -> np.ndarray:
    """Borders half-way (in the logarithm) between two or more values."""
    v = np.log(values)
    middle = (v[1:] + v[:-1]) / 2
    return np.exp(np.concatenate([[2 * v[0] - middle[0]], middle, [2 * v[-1] - middle[-1]]]))


def _along(axes, x, y, share, text, side) -> None:
    """Text along a curve, at a share of its length, above (side 1) or below (−1) it."""
    at = int(share * (len(x) - 1))
    ends = axes.transData.transform(np.stack([[x[at - 4], x[at + 4]], [y[at - 4], y[at + 4]]], 1))
    slope = np.degrees(np.arctan2(*(ends[1] - ends[0])[::-1]))
    place = {"xytext": (0, 3 * side), "textcoords": "offset points", "rotation_mode": "anchor"}
    where = {"ha": "center", "va": "bottom" if side > 0 else "top", "rotation": slope, "fontsize": 9}
    axes.annotate(text, (x[at], y[at]), zorder=5, **place, **where)


def _name(axes, x, y, text, colour="black") -> None:
    axes.text(x, y, text, ha="center", va="center", fontsize=11, weight="bold", color=colour, zorder=5)


def _frame(axes, title, label, ticks, heights) -> None:
    axes.set_title(title, fontsize=11)
    axes.set_xlabel(label)
    axes.set_ylabel(r"$\lambda_W \lambda_H$")
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_yticks(heights, [f"{height:g}" for height in heights])
    axes.tick_params(which="minor", bottom=False, labelleft=False)


def main(argv: list[str] | None = None) -> int:
    """Parse, solve what is missing, print the comparison, draw. 0: all agree, 1: not, 2: wrong usage."""

    def options(out: Path = RESULTS, quick: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False):
        """Phases of the joint optimum: solved points under the curves of the theory (PNG and CSV).

        Args:
            out: folder of the CSV and the PNG; made if it is missing.
            quick: a coarse grid, about 30 s.
        """
        return out, quick

    out, quick = tyro.cli(options, args=argv, prog="python -m experiments.phase_diagram")
    name = "phase_diagram_quick" if quick else "phase_diagram"
    size = (17, 21) if quick else (41, 49)
    settings = imbalance_plane(*size) + alpha_plane(*size)
    try:
        out.mkdir(parents=True, exist_ok=True)
        read_points(out / f"{name}.csv")
    except (OSError, InputError) as error:
        print(f"phase_diagram: {error}", file=sys.stderr)
        return 2
    return guarded("phase_diagram", lambda: run(out / name, settings), "stopped; run it again to go on")


def run(stem: Path, settings: list[Setting]) -> int:
    """Solve, print, draw; the exit code."""
    from ufm.runtime.start import start_jax

    start_jax()
    points = fill(stem.with_suffix(".csv"), track(settings))
    bad = report(points)
    draw(points, theory, stem.with_suffix(".png"))
    print(f"wrote {stem.with_suffix('.csv')} and {stem.with_suffix('.png')}")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
