"""The comparison: from a problem to the rows that every command prints.

Three routes that know nothing of each other meet here: the numerical optimum (`ufm.optimize`), the
closed form (`ufm.theory`) and, on request, ball arithmetic (`ufm.enclose.features`); the certificate
judges the numerical one. Features are streamed in batches and reduced to one row a (kind, λ).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

import ufm.rules.numbers as checked
from ufm.agree.kernel import choose_stream
from ufm.agree.stream.reductions import Batch, ErrorHistogram, WorstRows
from ufm.agree.stream.sources import Side, choose_source
from ufm.agree.verdict import Verdict, judge, worst_verdict
from ufm.certify.values import fitted, fitted_error
from ufm.model.cases import LabelCases, OrbitCases, PairCases
from ufm.model.problem import Problem
from ufm.optimize.features import METHODS, chunk_size, require_dtype
from ufm.rules.brief import shown
from ufm.rules.errors import InputError
from ufm.runtime.devices import as_here, local_mesh, threads_for
from ufm.runtime.processes import ALONE, Group
from ufm.runtime.threads import in_threads
from ufm.runtime.watchdog import handed
from ufm.theory.predict import rounding_bound, violated_assumption

BY_SYMMETRY = "; one pair of classes stands for all others (symmetry of the classes is assumed)"


@dataclass(frozen=True)
class Settings:
    """How to solve and judge: method, step limit (None: the method's own), tolerance, precision.

    first: a dtype in which Newton begins, before it ends in dtype; None: the same.
    """

    method: str = "newton"
    max_steps: int | None = None
    tol: float = 1e-6
    dtype: type = np.float64
    rigorous: bool = False
    first: type | None = None

    def __post_init__(self):
        checked.choice("method", self.method, METHODS)
        if self.max_steps is not None:
            checked.integer("max_steps", self.max_steps, 0, checked.MAX_STEPS)
        checked.positive("tol", self.tol)
        checked.precision("dtype", self.dtype)
        checked.flag("rigorous", self.rigorous)
        if self.first is not None:
            checked.precision("first", self.first)
        if self.first is not None and self.method != "newton":
            raise InputError(f"mixed precision belongs to newton, not to {self.method}")

    @property
    def steps(self) -> int:
        """The step limit."""
        return METHODS[self.method] if self.max_steps is None else self.max_steps


class Row(NamedTuple):
    """One (kind, λ): the worst error and bounds over its features, each divided by
    max(‖h‖, norm of the same-class optimum), or where both vanish by √g/(λ_H + g), W = 0 apart.

    The sides are those of the worst feature, with its pair of classes (None where the label is
    not two-hot). error and theory are None where there is no closed form.
    """

    kind: str
    lam: float | None
    classes: tuple[int, int] | None
    numeric: Side
    theory: Side | None
    error: float | None
    bound: float
    theory_bound: float
    verdict: Verdict


class Report(NamedTuple):
    """All rows of a problem and their summary; count: features solved; steps of the slowest batch.

    represented: the features that those stand for by symmetry; None where each was solved.
    errors: their histogram; None where there is no closed form.
    """

    problem: Problem
    rows: list[Row]
    count: int  # type: ignore[assignment] # hides the count of a tuple, which nobody needs here
    steps: int
    worst_error: float | None
    worst_bound: float
    verdict: str
    errors: ErrorHistogram | None
    represented: int | None = None

    def __repr__(self) -> str:
        return shown(self)


def check_features(
    problem: Problem,
    cases: PairCases | LabelCases,
    settings: Settings | None = None,
    progress: Callable[[int, int], None] | None = None,
    keep: Callable[[np.ndarray, np.ndarray], None] | None = None,
    group: Group = ALONE,
    unit: int = 1,
) -> Report:
    """Solve every feature of `cases`, compare with the closed form, certify, and judge each row.

    After each batch keep(n, H) is handed the numerical features numbered n (N), H (N, d), and then
    progress(done, total) is called. Memory does not grow with the number of pairs. The processes of a group
    divide the features among them, `unit` of them at a time, and have the same report in the end.
    """
    checked.instance("problem", problem, Problem)
    checked.instance("cases", cases, (PairCases, LabelCases), "ufm.choose_cases")
    settings = checked.instance("settings", Settings() if settings is None else settings, Settings)
    own = group.part(cases.count, unit)
    with handed("the features of one class each"):
        comparison = Comparison(problem, cases, settings, len(own))
    worst, errors, steps = WorstRows(len(cases.kinds)), ErrorHistogram(), 0
    starts = own[:: comparison.width]
    for n, batch in in_threads(as_here(partial(comparison.part, own.stop)), starts, comparison.threads):
        worst.update(n, batch)
        errors.update(batch.error)
        if keep:
            keep(n, comparison.space.features(batch.numeric))
        steps = max(steps, batch.steps)
        if progress:
            progress(int(n[-1]) + 1 - own.start, len(own))
    worst.combine(group)
    errors.combine(group)
    with handed("the worst features of all rows"):
        rows = comparison.rows(worst)
    return Report(
        problem=problem,
        rows=rows,
        count=cases.count,
        steps=int(group.gather(np.array(steps)).max()),
        worst_error=max((row.error for row in rows if row.error is not None), default=None),
        worst_bound=max(row.bound for row in rows),
        verdict=worst_verdict(row.verdict.word for row in rows),
        errors=errors if comparison.violated is None else None,
        represented=cases.represented if isinstance(cases, OrbitCases) else None,
    )


class Comparison:
    """Both routes on the features of `cases`, a batch at a time; count: how many of them, if not all."""

    def __init__(
        self, problem: Problem, cases: PairCases | LabelCases, settings: Settings, count: int | None = None
    ):
        require_dtype(np.float64)
        if cases.classes != problem.classes:
            raise InputError(f"cases have {cases.classes} classes, the problem has {problem.classes}")
        self.problem, self.cases, self.settings = problem, cases, settings
        self.violated, self.kinds = violated_assumption(problem), cases.kinds
        mesh = local_mesh()
        self.threads = threads_for(mesh)
        self.source = choose_source(problem, cases, settings.dtype, mesh)
        self.space = choose_stream(problem, settings.dtype, mesh)
        # one compilation serves a whole stream, and a small stream is one batch
        share = 1 << max(4, int(np.ceil(np.log2((count or cases.count) / mesh.size))))
        self.width = mesh.size * min(chunk_size(problem), share)
        self.reference = self._same_class_norm()

    def _same_class_norm(self) -> float:
        """‖h‖ of the same-class optimum: closed form, or the largest numerical one for any other W."""
        if self.violated is None:
            return float(self.source.same_class_logit() * self.problem.row_norm / (self.problem.gain or 1.0))
        largest, K = 0.0, self.problem.classes
        for start in range(0, K, self.width):
            columns = np.minimum(np.arange(start, start + self.width), K - 1)
            Y = (np.arange(K)[:, None] == columns).astype(self.settings.dtype)
            largest = max(largest, float(np.max(self._both(jnp.asarray(Y), jnp.zeros(Y.shape))[0].norm)))
        return largest

    def _natural_length(self) -> float:
        """√g/(λ_H + g): where the numerical optima vanish that does not say that the true ones do, unless W = 0."""
        gain = self.problem.gain
        return float(np.sqrt(gain) / (self.problem.lambda_h + gain)) if gain > 0 else 1.0

    def _both(self, Y, x):
        """Candidates of both routes, and the steps of the slowest."""
        s = self.settings
        closed = self.violated is None
        return self.space.run(Y, x, s.method, s.steps, s.first, closed=closed, theory=s.rigorous)

    def part(self, stop: int, start: int) -> tuple[np.ndarray, Batch]:
        """The features of one batch from `start` on, before `stop`: their numbers, and what `run` finds."""
        n = np.arange(start, min(start + self.width, stop))
        with handed(f"features {n[0]} to {n[-1]} of {self.cases.count}"):
            return n, self.run(n)

    def run(self, n) -> Batch:
        """Solve, certify, predict and compare the features numbered n (at most `width` of them)."""
        padded = np.pad(n, (0, self.width - len(n)), mode="edge")
        labels, keep = self.source.take(padded), slice(len(n))
        found, steps = self._both(labels.Y, labels.x)
        error, norm, bound, slope = (part[keep] for part in (found.distance, found.norm, *found.certificate))
        mass = labels.mass[keep] / np.sqrt(self.problem.gain or 1.0)
        unit = np.maximum(norm, self.reference)
        unit = np.where(unit > 0, unit, self._natural_length())
        error = np.nan_to_num(error / unit, nan=np.inf) if self.violated is None else np.full(len(n), -1.0)
        theory_bound = rounding_bound(self.problem, mass, self.source.terms) / unit
        return Batch(
            row=labels.row[keep],
            error=error,
            bound=bound / unit,
            theory_bound=theory_bound,
            unit=unit,
            numeric=found.numeric[:, keep],
            theory=None if found.theory is None else found.theory[:, keep],
            norm=norm,
            slope=slope,
            steps=steps,
        )

    def rows(self, worst: WorstRows) -> list[Row]:
        """Solve the worst feature of every row once more, for the numbers that are shown."""
        found = []
        for start in range(0, len(worst.feature), self.width):
            n = worst.feature[start : start + self.width]
            batch = self.run(n)
            coef, logits = self.space.coefficients(batch.numeric), self.space.logits(batch.numeric)
            norms = self.space.norms(batch.numeric)
            p = fitted(self.problem, logits)
            apart = fitted_error(
                self.problem.loss, p, norms, batch.bound * batch.unit, batch.slope, *self.space.reach
            )
            numeric = self.source.numeric(n, coef, p, apart, norms)
            shown = zip(self.source.classes_of(n), numeric, self.source.theory(n, batch.norm))
            found += [self._row(worst, start + k, batch, k, *sides) for k, sides in enumerate(shown)]
        return found

    def _confirm(self, n: int, batch: Batch, k: int):
        if not self.settings.rigorous:
            return None
        from ufm.agree.rigour import confirm  # flint is loaded only when asked for

        # without a closed form the numerical feature stands in both places, under one bound
        own = batch.bound if self.violated is not None else batch.theory_bound
        bounds = (batch.bound[k] * batch.unit[k], own[k] * batch.unit[k])
        assert batch.theory is not None  # asked for where ball arithmetic is
        numeric, theory = (np.asarray(part[:, k], float) for part in (batch.numeric, batch.theory))
        return confirm(self.problem, self.source.label(n), numeric, theory, *bounds)

    def _row(self, worst: WorstRows, number: int, batch: Batch, k: int, classes, numeric, theory) -> Row:
        kind, lam = self.kinds[number]
        closed, n = self.violated is None, int(worst.feature[number])
        error, bound, theory_bound = (
            float(part[number]) for part in (worst.error, worst.bound, worst.theory_bound)
        )
        confirmed = self._confirm(n, batch, k)
        if confirmed and closed:
            error = max(error, confirmed.error / batch.unit[k])
        found = judge(
            error,
            bound,
            theory_bound,
            self.settings.tol,
            exceeds=bool(worst.excess[number] > 0),
            violated=self.violated,
            enclosed=confirmed and confirmed.holds,
            stalled="no step was taken" if self.settings.steps == 0 else None,
        )
        if isinstance(self.cases, OrbitCases):
            found = found._replace(reason=f"{found.reason}{BY_SYMMETRY}")
        return Row(
            kind=kind,
            lam=lam,
            classes=classes,
            numeric=numeric,
            theory=theory if closed else None,
            error=error if closed else None,
            bound=bound,
            theory_bound=theory_bound,
            verdict=found,
        )
