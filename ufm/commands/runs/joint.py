"""One run of `solve --classifier free`: the joint optimum, its certificate, thresholds, and features."""

import sys
import time
from contextlib import nullcontext
from dataclasses import replace

from ufm.agree.features import Report, Settings, check_features
from ufm.agree.finite_data import study_draws
from ufm.agree.joint import JointReport, check_joint
from ufm.agree.verdict import exit_code, worst_verdict
from ufm.commands.footprint import NODES, free_labels
from ufm.commands.inputs import FreeProblem
from ufm.commands.runs.features import plain_console
from ufm.commands.runs.save import save_picture
from ufm.model.atoms import FiniteLaw, JointProblem, drawn_law, finite_law, given_lam, with_penalties
from ufm.model.cases import PairCases, choose_lam
from ufm.model.problem import Problem
from ufm.output.files import Outputs
from ufm.output.records import dump_json, joint_record, problem_record, provenance, row_records, save_joint
from ufm.output.text import print_explanations, print_rows, print_summary
from ufm.output.text_joint import print_draws, print_joint, print_joint_verdict
from ufm.rules.errors import InputError
from ufm.rules.files import Size
from ufm.rules.numbers import LOSS_NAMES
from ufm.runtime.effort import SMALL, joint_seconds
from ufm.runtime.processes import Group
from ufm.runtime.start import start_group
from ufm.runtime.watchdog import handed
from ufm.theory.theorems.joint import GAP_TOLERANCE


def solve_free(args, command: list[str], free: FreeProblem, choice: dict, outputs: Outputs) -> int:
    """Run and report; returns the exit code. InputError: the request cannot be met, nothing was written."""
    began = time.perf_counter()
    labels = free_labels(args, free, choice)[1]
    group = start_group(args, small=free.starts * joint_seconds(labels, args.classes) < SMALL)
    atoms = choose_atoms(args, free, choice)
    atoms = _agree(atoms, free, args, group)
    problem = JointProblem(atoms, args.lambda_w, args.lambda_h, free.dim, free.lambda_b, args.loss)
    # waiting for other processes has its own rule
    with handed("the joint problem") if group.count == 1 else nullcontext():
        report = check_joint(
            problem,
            starts=free.starts,
            seed=args.seed,
            tol=GAP_TOLERANCE if args.tol is None else args.tol,
            rigorous=args.rigorous,
            group=group,
        )
    settings = Settings(rigorous=args.rigorous)
    features = check_given(report, args, choice, settings, group)
    code = exit_code(worst_verdict([report.verdict.word] + ([features.verdict] if features else [])))
    if group.leads:
        _tell(args, command, report, features, settings, outputs)
        print(f"{report.solution.steps} outer steps, {time.perf_counter() - began:.1f} s", file=sys.stderr)
    group.meet()  # none leaves while another still works
    return code


def _agree(atoms: FiniteLaw, free: FreeProblem, args, group: Group) -> FiniteLaw:
    """The labels as process 0 has them: rules found on another processor may differ in their last bit.
    InputError where more than that differs.
    """
    if group.count == 1:
        return atoms
    given = [args.lambda_w, args.lambda_h, args.loss, args.seed, args.tol, args.rigorous]
    group.require_same(repr([free, atoms.labels.shape, *given]).encode())
    return replace(atoms, labels=group.first(atoms.labels), weights=group.first(atoms.weights))


def _tell(args, command, report: JointReport, features: Report | None, settings, outputs: Outputs) -> None:
    """Table, files and summary of a finished report."""
    problem = report.problem
    draws = None if args.draws is None else study_draws(problem, args.draws, args.seed)
    data = _record(report, features, draws, settings, command, args.seed)
    to_stdout = args.json == "-"
    if not to_stdout:
        _print(plain_console(sys.stdout), report, features, draws, args.explain, settings)
    with outputs:
        _write(outputs, report, data, args.size or "text")
    if to_stdout:
        sys.stdout.write(dump_json(data))


def choose_atoms(args, free: FreeProblem, choice: dict) -> FiniteLaw:
    """The finite law: drawn labels, given or sampled λ, or a rule that resolves the edges."""
    law, K = free.law, args.classes
    if args.draws is not None:
        return drawn_law(law, K, args.draws, args.seed)
    if choice["lam"] is not None or choice["samples"] is not None:
        if not law.two_hot or law.name == "onehot":
            raise InputError(f"{law.name} labels with a free classifier: use --draws or --quadrature")
        return given_lam(law, K, choose_lam(law, choice["lam"], choice["samples"], args.seed))
    found = finite_law(law, K, choice["quadrature"] or NODES)
    return found if free.rho is None else with_penalties(found, law, free.rho)


def check_given(report: JointReport, args, choice: dict, settings: Settings, group: Group) -> Report | None:
    """The rows of the fixed-classifier command at the W that was found; None with a bias or without pairs."""
    law, problem = report.problem.law, report.problem
    if (
        not law.two_hot
        or args.draws is not None
        or problem.lambda_b is not None
        or problem.loss not in LOSS_NAMES
    ):
        return None
    lam = choose_lam(law, choice["lam"], choice["samples"], args.seed, choice["quadrature"] or 11)
    cases = PairCases(problem.classes, lam, law.pairs)
    return check_features(fixed_problem(report), cases, settings, group=group)


def fixed_problem(report: JointReport) -> Problem:
    """The problem with the classifier that was found."""
    p = report.problem
    return Problem(
        classes=p.classes,
        classifier=report.solution.W,
        lambda_h=p.lambda_h,
        lambda_w=p.lambda_w,
        loss=p.loss if p.loss in LOSS_NAMES else LOSS_NAMES[0],  # of W nothing that is written depends on it
        law=p.law,
    )


def _record(report, features, draws, settings, command, seed) -> dict:
    trivial = next((t.value for t in report.thresholds if t.name == "trivial"), None)
    derived = {"threshold": trivial, "multiplier_source": "free classifier"}
    rows, summary = row_records(features) if features else ([], None)
    data = {
        "schema": 1,
        "problem": problem_record(fixed_problem(report), derived) | {"loss": report.problem.loss},
        "features": rows,
        "summary": summary,
        "joint": joint_record(report),
        "provenance": provenance(settings, command, seed),
    }
    if draws is not None:
        data["draws"] = [row._asdict() for row in draws]
    return data


def _print(console, report, features, draws, explain: bool, settings) -> None:
    print_joint(console, report)
    if features is not None:
        print_rows(console, features)
        if explain:
            print_explanations(console, features, settings)
        print_summary(console, features)
    if draws is not None:
        print_draws(console, draws)
    print_joint_verdict(console, report)


def _write(outputs: Outputs, report: JointReport, data: dict, size: Size) -> None:
    outputs.write("json", lambda: dump_json(data))
    if "save" in outputs.paths:
        with outputs.stage("save") as path:
            save_joint(path, report)
    save_picture(outputs, lambda: _draw(report, size))


def _draw(report: JointReport, size: Size):
    from ufm.pictures.joint import draw_joint  # matplotlib is loaded only when a picture is wanted

    return draw_joint(report, size)
