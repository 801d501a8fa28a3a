"""What a run leaves behind: JSON records of schema 1 (what is undefined is null), and a file of features."""

import json
import math
import platform
from dataclasses import is_dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

import numpy as np

from ufm.agree.features import Report, Row, Settings
from ufm.agree.geometry import collapsed_groups
from ufm.agree.stream.reductions import EDGES, ErrorHistogram
from ufm.agree.stream.sources import Side
from ufm.model.problem import Problem
from ufm.rules.soft_labels import said

if TYPE_CHECKING:
    from ufm.agree.joint import JointReport  # the joint solver, which most records do without

SCHEMA = 1


def dump_json(data: dict) -> str:
    """Strict JSON text: no NaN, no infinity."""
    return json.dumps(data, indent=1, allow_nan=False) + "\n"


def number(value) -> float | None:
    """A JSON number, or null for what is absent or not finite."""
    return float(value) if value is not None and math.isfinite(value) else None


def plain(value):
    """Values as JSON has them: fields and keys as objects, arrays as lists, floats by `number`."""
    if is_dataclass(value):
        value = vars(value)
    elif hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    if isinstance(value, np.ndarray | list | tuple):
        return [plain(part) for part in value]
    return number(value) if isinstance(value, float) else value


# where a record comes from


def run_record(command: list[str]) -> dict:
    """The command, the versions and the device."""
    import jax

    names = ("ufm", "jax", "jaxlib", "numpy", "scipy", "optax")
    return {
        "command": command,
        "device": jax.devices()[0].device_kind,
        "platform": platform.machine(),
        "versions": {name: _version(name) for name in names} | {"python": platform.python_version()},
    }


def _version(name: str) -> str | None:
    """The installed version, or None: a checkout on the path is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def provenance(settings: Settings, command: list[str], seed: int) -> dict:
    """`provenance` of a record: everything needed to run it again."""
    judged = {"tol": settings.tol, "rigorous": settings.rigorous}
    return run_record(command) | {"seed": seed} | settings_record(settings) | judged


def settings_record(settings: Settings) -> dict:
    """How features were solved: what their numbers depend on beside the problem."""
    return {
        "method": settings.method,
        "max_steps": settings.steps,
        "dtype": np.dtype(settings.dtype).name,
        "begun_in": np.dtype(settings.first or settings.dtype).name,
    }


def problem_record(problem: Problem, derived: dict) -> dict:
    """`problem` of a record: sizes, penalties, law, and what was derived."""
    law = problem.law
    return {
        "classes": problem.classes,
        "dim": problem.dim,
        "multiplier": problem.row_norm,
        "sharpness": problem.sharpness,
        "lambda_w": problem.lambda_w,
        "lambda_h": problem.lambda_h,
        "loss": problem.loss,
        "labels": law.name,
        "alpha": law.alpha,
        "pairs": law.pairs,
        "smoothing": law.smoothing,
        "ways": law.ways if law.name == "kway" else None,
        "class_weights": law.class_weights,
        "label_weights": None if law.label_weights is None else law.label_weights.tolist(),
        **({"labels_note": said(law.off)} if law.off else {}),
        "classifier": "etf" if problem.classifier is None else "explicit",
        "etf_distance": number(problem.etf_distance),
        **derived,
    }


# features


def record(report: Report, derived: dict, settings: Settings, command: list[str], seed: int) -> dict:
    """The documented JSON record of a run."""
    rows, summary = row_records(report)
    return {
        "schema": SCHEMA,
        "problem": problem_record(report.problem, derived),
        "features": rows,
        "summary": summary,
        "provenance": provenance(settings, command, seed),
    }


def row_records(report: Report) -> tuple[list[dict], dict]:
    """`features` and `summary` of a record."""
    solved = report.count
    by_symmetry = report.represented is not None
    summary = {
        "count": {"represented": report.represented, "solved": solved} if by_symmetry else solved,
        "symmetry": by_symmetry,
        "worst_error": number(report.worst_error),
        "worst_bound": number(report.worst_bound),
        "errors": None if report.errors is None else histogram_record(report.errors),
        "verdict": report.verdict,
    }
    return [feature_row(row) for row in report.rows], summary


def feature_row(row: Row) -> dict:
    """One row of `features`."""
    two_hot = row.classes is not None
    return {
        "kind": row.kind,
        "lam": row.lam,
        "classes": row.classes and list(row.classes),
        "theory": _side(row.theory, two_hot),
        "numeric": _side(row.numeric, two_hot),
        "error": number(row.error),
        "bound": number(row.bound),
        "verdict": row.verdict.word,
    }


def _side(side: Side | None, two_hot: bool) -> dict | None:
    if side is None:
        return None
    bound = {} if side.p_bound is None else {"p_bound": number(np.max(side.p_bound))}
    if not two_hot:
        return plain({"coef": side.coef, "p": side.p, "norm": side.norm}) | bound
    names = ("coef_i", "coef_j", "p_i", "p_j", "p_other", "norm")
    return dict(zip(names, plain([*side.coef, *side.p, side.norm]))) | bound


def histogram_record(errors: ErrorHistogram) -> dict:
    """Numbers of features whose error is exactly 0, below edges[0], between edges, and edges[-1] or more."""
    return {"exact": errors.exact, "edges": EDGES.tolist(), "counts": errors.counts.tolist()}


# the joint problem


def joint_record(report: "JointReport") -> dict:
    """`joint` of a record: the free classifier's optimum, its certificate and shape."""
    p, c, found = report.problem, report.certificate, report.solution
    return plain(
        {
            "objective": c.objective,
            "dual_objective": c.dual_objective,
            "gap": c.gap,
            "relative_gap": report.relative_gap,
            "rounding": c.rounding,
            "rigorous_gap": report.rigorous_gap,
            "lambda_max_ratio": c.lambda_max_ratio,
            "escape": {"curvature": c.escape, "direction": c.leading},
            "stationarity": c.stationarity,
            "imbalance": c.imbalance,
            "spectrum": c.spectrum,
            "gram": found.W @ found.W.T,
            "etf_deviation": report.etf_deviation,
            "multiplier": {
                "theory": None if report.theory is None else report.theory.value,
                "numeric": report.multiplier,
                "continuous": None if report.continuous is None else report.continuous.value,
            },
            "polygon": report.polygon,
            "threshold": report.thresholds,
            "trivial": not found.W.any(),
            "groups": collapsed_groups(found.W) if found.W.any() else [],
            "bias": None if p.lambda_b is None else found.b,
            "minima": [{"objective": value, "gram": gram} for value, gram in found.minima],
            "labels": len(p.atoms.weights),
            "rho": p.atoms.rho,
            "error": report.error,
            "bound": report.bound,
            "verdict": report.verdict.word,
            "reason": report.verdict.reason,
        }
    )


def save_joint(target, report: "JointReport") -> None:
    """Write the optimum on the finite law: H (n, d), W, b, Y (n, K), weights (n), lambda_w, lambda_h, rho (n)."""
    p, found = report.problem, report.solution
    np.savez(
        target,
        H=found.H,
        W=found.W,
        b=found.b,
        Y=p.atoms.labels,
        weights=p.atoms.weights,
        lambda_w=p.lambda_w,
        lambda_h=p.lambda_h,
        rho=np.ones(len(p.atoms.weights)) if p.atoms.rho is None else p.atoms.rho,
    )
