"""The joint problem as text: what was solved, how it is certified, what shape it has."""

import numpy as np
from rich.console import Console

from ufm.agree.finite_data import DrawStudy
from ufm.agree.geometry import collapsed_groups, mixed_variability, self_duality
from ufm.agree.joint import JointReport
from ufm.model.atoms import JointProblem
from ufm.output.sections import Facts, Sentence, Table, Verdict, show
from ufm.output.text import bias_words, law_facts, shown, sizes, small

SADDLE = 1e-6  # of λ_max(M)/c² − 1, from which on a direction leads down
SHOWN = 8  # entries of a direction


def print_joint(console: Console, report: JointReport) -> None:
    """Problem, thresholds, certificate and geometry, one fact a line."""
    p, c = report.problem, report.certificate
    lines = [
        *law_facts(p, f"; {len(p.atoms.weights)} labels", f", bias {bias_words(p.lambda_b)}{rho_words(p)}"),
        *threshold_lines(report),
        ("objective", f"L = {c.objective:.12g}, dual {c.dual_objective:.12g}"),
        ("gap", gap_words(report)),
        ("residuals", f"lambda_max(M)/(lambda_W lambda_H) - 1 = {small(c.lambda_max_ratio)}"),
        *escape_lines(report),
        ("stationary", f"|grad L| = {small(c.stationarity)}, imbalance {small(c.imbalance)}"),
        ("shape", shape_words(report)),
        ("multiplier", multiplier_words(report)),
        *geometry_lines(report),
    ]
    show(console, f"joint problem, free classifier: {sizes(p, p.d)}", Facts(lines))


def gap_words(report: JointReport) -> str:
    """The certified gap, absolute and relative, in balls if they were asked for."""
    c = report.certificate
    relative = small(c.gap / abs(c.objective))
    text = f"L - min L <= {small(c.gap)}, {relative} of L ({small(c.rounding)} is rounding)"
    if report.rigorous_gap is not None:
        text += f"; in ball arithmetic <= {small(report.rigorous_gap)}"
    return text


def rho_words(p: JointProblem) -> str:
    """That the labels have penalties of their own, if they have."""
    rho = p.atoms.rho
    return "" if rho is None else f"; lambda_H times rho of each label, {rho.min():.4g} to {rho.max():.4g}"


def threshold_lines(report: JointReport):
    """One line a threshold of λ_W λ_H: which side, and how far."""
    for t in report.thresholds:
        side = "beyond" if t.ratio >= 1 else "below"
        share = f" is {t.ratio:.3g} of {t.value:.6g}," if t.value > 0 else f" against {t.value:g},"
        yield "threshold", f"{t.name}: lambda_W lambda_H = {report.problem.product:.3g}{share} {side} it"


def escape_lines(report: JointReport):
    """The way down in a dimension more, where there is one: below d = K − 1 a minimum may be a saddle of more."""
    c = report.certificate
    if c.lambda_max_ratio > SADDLE:
        u = ", ".join(f"{x + 0.0:.3g}" for x in np.round(c.leading[:SHOWN], 3))
        along = f"({u}{', …' if len(c.leading) > SHOWN else ''})"
        yield (
            "escape",
            f"one dimension more lowers L: curvature {c.escape:.6g} along u = {along}, as dW = u vᵀ",
        )


def shape_words(report: JointReport) -> str:
    """Trivial, collapsed groups, or the deviation from an ETF."""
    if not np.any(report.solution.W):
        return "trivial: W = 0 and every feature is 0"
    groups = collapsed_groups(report.solution.W)
    collapsed = "; classes " + ", ".join(map(str, groups)) + " collapsed onto each other" if groups else ""
    return f"deviation from a simplex ETF {small(report.etf_deviation)}{collapsed}"


def multiplier_words(report: JointReport) -> str:
    """Numerical multiplier, that of the same finite law, and that of the law before discretisation."""
    words = f"numeric {report.multiplier:.12g}"
    if report.theory is not None:
        words += f", theory {report.theory.value:.12g}"
    if report.theory is not None and report.continuous is not None:
        off = abs(report.theory.value - report.continuous.value)
        words += f", continuous law {report.continuous.value:.12g} (discretisation {off:.1e})"
    return words


def _feature_lines(report: JointReport):
    W, H, atoms = report.solution.W, report.solution.H, report.problem.atoms
    if len(H) < len(atoms.weights):
        yield "features", "divided among the processes: their geometry is shown by a run of one process"
        return
    duality = self_duality(W, H, atoms)
    if duality is not None:
        yield "self-dual", f"|W/|W| - M/|M|| = {small(duality)} (class features against rows)"
    yield (
        "variability",
        f"share of the features not linear in the label: {shown(mixed_variability(H, atoms), '.3g')}",
    )


def geometry_lines(report: JointReport):
    """Self-duality, variability, bias and the other minima, where they say something."""
    yield from _feature_lines(report)
    if report.polygon is not None:
        off = report.solution.objective - report.polygon.objective
        yield (
            "K-gon",
            f"closed form m {report.polygon.multiplier:.12g}, L {report.polygon.objective:.12g}: "
            f"numeric L - this = {off:.1e}",
        )
    if report.problem.lambda_b is not None:
        b = report.solution.b - report.solution.b.mean()
        yield "bias", f"mean {report.solution.b.mean():.6g}, spread {np.abs(b).max():.3g}"
    if len(report.solution.minima) > 1:
        yield "minima", ", ".join(f"{value:.10g}" for value, _ in report.solution.minima[:6])


def print_draws(console: Console, studies: list[DrawStudy]) -> None:
    """Deviation and multiplier against the number of drawn labels, with intervals over seeds."""
    heads = ("draws", "ETF deviation", "95 % interval", "m / m(law)", "95 % interval", "worst gap")
    rows = []
    for s in studies:
        deviation = shown(s.deviation, ".4f"), _ends(s.deviation_interval)
        ratio = shown(s.multiplier_ratio, ".4f"), _ends(s.multiplier_interval)
        rows.append((str(s.draws), *deviation, *ratio, small(s.worst_gap)))
        if s.limit:
            deviation = shown(s.limit.deviation, ".4f"), _ends(s.limit.deviation_interval)
            rows.append(("limit", *deviation, "1", _ends(s.limit.multiplier_interval), ""))
    show(console, "", Table(heads, rows, left=(), gap=2))
    if studies[0].limit:
        show(console, "", Sentence("limit: to first order in N^-1/2, by the law's three susceptibilities"))


def _ends(interval) -> str:
    return "-" if interval is None else " … ".join(shown(end, ".4f") for end in interval)


def print_joint_verdict(console: Console, report: JointReport) -> None:
    """The verdict on the statement, with its numbers."""
    word, reason = report.verdict.word, report.verdict.reason
    text = reason
    if report.error is not None:
        distance = "sqrt(KL)" if report.problem.loss == "cross-entropy" else "sqrt(E|dz|^2/2)"
        text = (
            f"the predictions differ from the closed form's by {distance} = {small(report.error)}, where the "
            f"certified gap allows {small(report.bound)}"
        )
        text += f"; {reason}" if word in ("fails", "undecided") else ""
    show(console, "", Verdict("W is a simplex ETF with the predicted multiplier", word), Sentence(text))
