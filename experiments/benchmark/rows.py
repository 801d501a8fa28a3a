"""Rows of the tables: what was measured, beside the time of ours to a result at least as accurate."""

from dataclasses import dataclass

from experiments.benchmark.joint import Milestone, best, reach, target
from experiments.benchmark.processes import Outcome

NEWTON, ARRAY, CHECK = "ours: Newton", "ours: Newton, W an array", "ours: the whole check"
CLOSED, COEFFICIENTS, COPY = (
    "ours: closed form, all pairs",
    "ours: coefficients alone",
    "copy of the same array",
)
JOINT = "ours: Newton in W Wᵀ"


@dataclass(frozen=True)
class FeatureRow:
    """One way to solve one task. seconds: a feature; ratio: against ours, None where ours is less accurate."""

    outcome: Outcome
    ratio: float | None
    ratio_array: float | None

    @property
    def variant(self) -> str:
        """The way."""
        return self.outcome.job.variant

    @property
    def task(self):
        """What was solved."""
        return self.outcome.job.task

    @property
    def seconds(self) -> float | None:
        """Seconds a feature."""
        return self.outcome.answer.get("seconds")

    @property
    def error(self) -> float | None:
        """Worst relative error of the features checked."""
        return self.outcome.answer.get("error")


def feature_rows(outcomes: list[Outcome]) -> list[FeatureRow]:
    """All that apply; ratios only against results at least as accurate."""
    apply = [outcome for outcome in outcomes if outcome.status != "does not apply"]
    ours = {(each.job.variant, each.job.task): each for each in apply if each.ok}
    found = []
    for outcome in sorted(
        apply, key=lambda each: (each.job.task.classifier, each.job.task.classes) != ("etf", 10)
    ):
        task = outcome.job.task
        ratios = [time_ratio(outcome, ours.get((name, task))) for name in (NEWTON, ARRAY)]
        found.append(FeatureRow(outcome, *ratios))
    return found


def time_ratio(peer: Outcome, ours: Outcome | None) -> float | None:
    """The peer's time over ours, where both have a result and ours is at least as accurate."""
    if ours is None or not peer.ok or peer.answer["error"] is None or peer.job.variant.startswith("ours"):
        return None
    if not ours.answer["error"] <= peer.answer["error"]:
        return None
    return peer.answer["seconds"] / ours.answer["seconds"]


@dataclass(frozen=True)
class JointRow:
    """One milestone ("target" or "best") of one way; ours: seconds of ours to that gap or a smaller one."""

    outcome: Outcome
    mark: str
    point: Milestone | None
    ours: float | None

    @property
    def ratio(self) -> float | None:
        """The peer's time over ours, at a gap of ours that is at most as large."""
        return self.point.seconds / self.ours if self.point and self.ours else None


def joint_rows(outcomes: list[Outcome]) -> list[JointRow]:
    """Two rows a way: to the target, and to its own accuracy."""
    mine = {each.job.task: points(each) for each in outcomes if each.job.variant == JOINT and each.ok}
    found = []
    for outcome in outcomes:
        if not outcome.ok:
            found.append(JointRow(outcome, "", None, None))
            continue
        own = points(outcome)
        marks = {"target": target(own), "best": best(own)}
        for mark, point in marks.items():
            rival = reach(mine.get(outcome.job.task, []), point.gap) if point else None
            found.append(JointRow(outcome, mark, point, rival.seconds if rival else None))
    return found


def points(outcome: Outcome) -> list[Milestone]:
    """The milestones that came back."""
    return [Milestone(*point) for point in outcome.answer["milestones"]]
