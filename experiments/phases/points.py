"""Points of the planes: what is solved, its phase read off W, and the CSV that keeps it."""

import csv
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ufm.agree.geometry import collapsed_groups
from ufm.model.atoms import FiniteLaw, finite_law
from ufm.model.etf import etf_deviation, etf_multiplier
from ufm.model.laws import LabelLaw
from ufm.rules.errors import InputError

CLASSES, NODES = 4, 16
ETF_TOLERANCE = 1e-7  # deviation at which W counts as a simplex ETF


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
    from ufm.model.atoms import JointProblem
    from ufm.optimize.joint import solve_joint

    law = atoms(setting.alpha, setting.imbalance, setting.classes, setting.nodes)
    penalty = float(np.sqrt(setting.product))
    problem = JointProblem(law, penalty, penalty)
    found = solve_joint(problem)
    certificate = certify_joint(problem, found)
    return Solved(
        region=classify(found.W),
        relative_gap=certificate.relative_gap,
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
