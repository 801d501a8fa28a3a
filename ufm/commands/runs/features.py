"""One run of the command `solve`, from checked input to table, record, features and picture."""

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console

from ufm.agree.features import Report, Settings, check_features
from ufm.agree.verdict import exit_code
from ufm.commands.runs.progress import show_progress
from ufm.commands.runs.save import Kept, save_picture
from ufm.model.cases import OrbitCases, PairCases, choose_cases
from ufm.model.laws import label_variance
from ufm.model.problem import Problem
from ufm.output.files import Outputs
from ufm.output.records import (
    dump_json,
    problem_record,
    record,
    settings_record,
)
from ufm.output.shards import open_shards, plan_shards, shard_rows
from ufm.output.text import print_explanations, print_problem, print_rows, print_summary
from ufm.rules.errors import InputError
from ufm.rules.files import Size
from ufm.runtime.effort import SMALL
from ufm.runtime.processes import Group
from ufm.runtime.start import choose_precision, start_group
from ufm.runtime.watchdog import handed
from ufm.theory.multiplier import joint_multiplier
from ufm.theory.thresholds import cyclic_variance

Text = Callable[[], str]


def solve(
    args,
    command: list[str],
    problem: Problem,
    choice: dict,
    outputs: Outputs,
    shards: Path | None = None,
    work: float = 0.0,
) -> int:
    """Run and report; returns the exit code. InputError: the request cannot be met, nothing was written
    but, where the disk gave way, whole files in the folder `shards`. work: seconds that it will take.
    """
    began = time.perf_counter()
    group = start_group(args, small=work < SMALL)
    with handed("the multiplier"):
        problem, source = derive_multiplier(problem, args.multiplier)
    cases = choose_cases(problem.law, problem.classes, seed=args.seed, **choice)
    if args.symmetry:
        assert isinstance(cases, PairCases)  # `check_fixed` refuses all others
        cases = OrbitCases(cases.classes, cases.lam, cases.pairs)
    settings = choose_settings(args)
    problem, cases = _agree(problem, cases, group, settings, args.seed, args.save)
    derived = {"threshold": trivial_threshold(problem), "multiplier_source": source}
    words = {"problem": problem_record(problem, derived)} | settings_record(settings)
    index = None if shards is None else plan_shards(shards, problem, cases, words)
    console = plain_console(sys.stderr if args.json == "-" else sys.stdout, quiet=not group.leads)
    print_problem(console, problem, derived)
    # process 0 alone was given a place to write to
    wanted = bool(group.first(np.array("save" in outputs.paths)))
    kept = Kept(problem, cases, settings.dtype) if wanted else None
    report = _check(problem, cases, settings, shards, index, group, kept)
    if group.leads:

        def text() -> str:
            return dump_json(record(report, derived, settings, command, args.seed))

        _tell(console, args, report, cases, settings, outputs, text, kept)
        print(f"{report.steps} steps, {time.perf_counter() - began:.1f} s", file=sys.stderr)
    group.meet()  # none leaves while another still works
    return exit_code(report.verdict)


def _agree(problem: Problem, cases, group: Group, *given):
    """The problem and the labels as process 0 has them: roots and draws found on another processor may differ in
    their last bit. InputError where they differ by more than that, or in what else was given.
    """
    if group.count == 1:
        return problem, cases
    p = problem
    words = [p.classes, p.dim, p.lambda_w, p.lambda_h, p.loss, p.law, p.multiplier is None, cases.count]
    group.require_same(
        repr([*words, *given]).encode() + (b"" if p.classifier is None else p.classifier.tobytes())
    )
    if p.multiplier is not None:
        problem = replace(p, multiplier=float(group.first(p.multiplier)))
    name = "lam" if isinstance(cases, PairCases) else "labels"
    return problem, replace(cases, **{name: group.first(getattr(cases, name))})


def _tell(
    console, args, report: Report, cases, settings: Settings, outputs: Outputs, text: Text, kept: Kept | None
) -> None:
    """Table, files and summary of a finished report; text makes its record."""
    to_stdout = args.json == "-"
    if args.explain or not to_stdout:
        print_rows(console, report)
    if args.explain:
        print_explanations(console, report, settings)
    with outputs:
        _write(outputs, report, cases, settings, text, kept, args.size or "text")
    if to_stdout:
        sys.stdout.write(text())
    print_summary(console, report)


def choose_settings(args) -> Settings:
    """How to solve and judge, from the flags and the device."""
    dtype, first, tol = choose_precision(args.precision, args.method)
    return Settings(args.method, args.max_steps, args.tol or tol, dtype, args.rigorous, first)


def derive_multiplier(problem: Problem, given: float | None) -> tuple[Problem, str]:
    """The problem with its multiplier, and where that came from."""
    if problem.classifier is not None:
        return problem, "given classifier"
    if given is not None:
        return problem, "given multiplier"
    best = joint_multiplier(problem.law, problem.classes, problem.lambda_w, problem.lambda_h, problem.loss)
    if best.value == 0 and problem.lambda_w * problem.lambda_h < trivial_threshold(problem):
        raise InputError(
            "these labels are not exchangeable: their symmetrised law has multiplier 0, but their own joint "
            "optimum is not 0; give --multiplier, or --classifier free"
        )
    source = "jointly optimal multiplier"
    if problem.law.name == "kway" and problem.law.ways > 3:
        source += " (quasi-random, about 3 digits)"
    if not problem.law.exchangeable:
        source += " of the symmetrised labels"
    return replace(problem, multiplier=best.value), source


def trivial_threshold(problem: Problem) -> float:
    """λ_W λ_H at and above which the joint optimum is zero: λ_max of E[(y − 1/K)(y − 1/K)ᵀ]."""
    law, K = problem.law, problem.classes
    if law.labels is not None:
        return float(np.linalg.norm(np.sqrt(law.probabilities)[:, None] * (law.labels - 1 / K), 2) ** 2)
    if law.pairs == "cyclic" and not law.exchangeable:
        return cyclic_variance(law, K)
    return label_variance(law, K)


class PipeConsole(Console):
    """A console that passes a closed pipe on, to be told apart from a verdict; rich would exit with 1."""

    def on_broken_pipe(self) -> None:
        """The error as it is."""
        raise


def plain_console(stream, quiet: bool = False) -> Console:
    """80 columns and no colour unless the stream is a terminal."""
    terminal = stream is not None and stream.isatty()
    return PipeConsole(file=stream, width=max(80, Console().width) if terminal else 80, quiet=quiet)


def _check(
    problem,
    cases,
    settings: Settings,
    shards: Path | None,
    index: dict | None,
    group: Group,
    kept: Kept | None,
) -> Report:
    """Solve and compare; every numerical feature is kept on the way, or with a folder written to shards there."""
    if kept is not None:
        report = _check_with_progress(problem, cases, settings, group, kept.keep)
        kept.combine(group)
        return report
    if shards is None or index is None:
        return _check_with_progress(problem, cases, settings, group)
    with open_shards(shards, problem, cases, index, group) as store:
        report = _check_with_progress(problem, cases, settings, group, store.keep, shard_rows(problem, cases))
        store.finish()
    return report


def _check_with_progress(problem, cases, settings, group, keep=None, unit=1) -> Report:
    """`check_features`, saying how far it is; the processes divide the features in units of `unit`."""
    with show_progress("features", speaks=group.leads) as progress:
        return check_features(problem, cases, settings, progress, keep, group, unit)


def _write(
    outputs: Outputs, report: Report, cases, settings: Settings, text: Text, kept: Kept | None, size: Size
) -> None:
    outputs.write("json", text)
    if kept is not None:
        with outputs.stage("save") as path:
            kept.save(path)
    save_picture(outputs, lambda: _draw(report.problem, cases, settings, size))


def _draw(problem: Problem, cases, settings: Settings, size: Size):
    from ufm.pictures.features import draw_features  # matplotlib is loaded only when a picture is wanted

    return draw_features(problem, cases, settings, size)
