"""The joint problem of the speed table: label laws, what a peer hands back, and one judge for all.

K = 10, mixup α = 1, d = 10, λ_W = λ_H, no bias; imbalanced: class weights fall geometrically by a factor of 10.
The judge is the relative gap of `certify_joint`. Peers keep snapshots at iteration counts that grow by 10 %, ours
at every outer step. "target" is the first with a gap ≤ 1e-9, as if the method could know; "best" the first with a
gap within a factor 2 of its best one, its own accuracy. Importing, building the law and certificates are not timed.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

CLASSES, DIM, TARGET = 10, 10, 1e-9


@dataclass(frozen=True)
class JointTask:
    """kind: "balanced" or "imbalanced"; λ_W = λ_H = penalty; `nodes` values of λ a pair of classes."""

    kind: str
    penalty: float
    nodes: int = 16
    classes: int = CLASSES

    @property
    def name(self) -> str:
        """One phrase."""
        return f"{self.kind}, λ_W = λ_H = {self.penalty:g}, {len(self.law().weights)} labels"

    def law(self):
        """The finite label law."""
        from ufm.model.atoms import finite_law
        from ufm.model.laws import LabelLaw

        weights = (
            10.0 ** (-np.arange(self.classes) / (self.classes - 1))
            if self.kind == "imbalanced"
            else np.ones(self.classes)
        )
        law = LabelLaw("mixup", alpha=1.0, class_weights=tuple(weights / weights.sum()))
        return finite_law(law, self.classes, self.nodes)


def joint_tasks(quick: bool) -> list[JointTask]:
    """Quick: fewer labels."""
    if quick:
        return [JointTask(kind, 5e-3, 4) for kind in ("balanced", "imbalanced")]
    return [JointTask("balanced", 5e-4), JointTask("imbalanced", 5e-4), JointTask("imbalanced", 5e-3)]


class Snapshot(NamedTuple):
    """A point that a method reached: wall and processor seconds since its start, W (K, d), H (n, d)."""

    seconds: float
    cpu: float
    W: np.ndarray
    H: np.ndarray


class Milestone(NamedTuple):
    """When a relative gap was reached, and L there."""

    seconds: float
    cpu: float
    gap: float
    objective: float


class Descent(NamedTuple):
    """What a peer's way to solve a joint task returns: its points in order, seconds of compilation, a note."""

    snapshots: list[Snapshot]
    compile: float
    note: str


class Recorder:
    """Points at iteration counts that grow by 10 %, with wall and processor time since the start."""

    def __init__(self):
        self.count, self.due, self.kept = 0, 1, []
        self.began = np.array([time.perf_counter(), time.process_time()])

    def __call__(self, x: np.ndarray) -> None:
        self.count += 1
        if self.count >= self.due:
            self.keep(x)
            self.due = max(self.due + 1, int(1.1 * self.due))

    def keep(self, x) -> None:
        seconds, cpu = np.array([time.perf_counter(), time.process_time()]) - self.began
        self.kept.append((seconds, cpu, np.array(x)))


def milestones(snapshots: list[Snapshot], law, penalty: float) -> list[Milestone]:
    """Every snapshot, certified."""
    from ufm.certify.joint import certify_joint
    from ufm.model.atoms import JointProblem, Point

    found, problem = [], JointProblem(law, penalty, penalty)
    for seconds, cpu, W, H in snapshots:
        certificate = certify_joint(problem, Point(W, H))
        objective = certificate.objective
        found.append(Milestone(seconds, cpu, certificate.relative_gap, objective))
    return found


def reach(found: list[Milestone], gap: float) -> Milestone | None:
    """The first of them with a gap at most as large."""
    return next((point for point in found if point.gap <= gap), None)


def target(found: list[Milestone]) -> Milestone | None:
    """The first at the target."""
    return reach(found, TARGET)


def best(found: list[Milestone]) -> Milestone:
    """The first within a factor 2 of the best gap."""
    return reach(found, 2 * min(point.gap for point in found))


def measure_joint(way: Callable, task: JointTask) -> dict:
    """Milestones of one way to solve the task; rank: to tell which thread count is faster."""
    law = task.law()
    descent = way(law, task.penalty)
    whole = descent.snapshots[-1].seconds
    finite = [
        point for point in descent.snapshots if np.isfinite(point.W).all() and np.isfinite(point.H).all()
    ]
    found = milestones(finite, law, task.penalty)
    at = target(found)
    return {
        "status": "ok",
        "milestones": [list(point) for point in found],
        "whole": whole,
        "compile": descent.compile,
        "note": descent.note,
        "rank": [at is None, (at or best(found)).seconds],
    }
