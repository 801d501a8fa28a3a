"""The words of the joint picture: what was solved, and why a zero optimum is one."""

from ufm.agree.joint import JointReport
from ufm.model.laws import LabelLaw
from ufm.output.text import small
from ufm.pictures.plane import name_law

ACTIVE = 1e-4  # eigenvalues of M within this share of λ_W λ_H are drawn as lying on the line
TRIVIAL = "The optimum is zero.", "The penalties outweigh every direction\nthat the labels could pull in."
SADDLE = (
    "The solver stopped at zero.",
    "An eigenvalue exceeds the penalties:\nthis is a saddle, not the optimum.",
)


def describe_joint(report: JointReport) -> str:
    """Three lines: sizes, loss and law; bias, penalties and relative gap; the verdict on the ETF."""
    problem = report.problem
    lines = [
        [f"$K$ = {problem.classes}", f"$d$ = {problem.dim}", problem.loss, describe_law(problem.law)],
        [
            describe_bias(problem.lambda_b),
            rf"$\lambda_W$ = {problem.lambda_w:.3g}",
            rf"$\lambda_H$ = {problem.lambda_h:.3g}",
            f"relative gap {small(report.relative_gap)}",
        ],
    ]
    text = "\n".join("   ·   ".join(line) for line in lines)
    return f"{text}\n“W is a simplex ETF”: {report.verdict.word}{_reason(report)}"


def _reason(report: JointReport) -> str:
    """The broken hypothesis, which changes how the picture is read; other reasons are for the table."""
    if report.theory is not None:
        return ""
    return f" – {report.verdict.reason.replace('$', '')}"


def describe_law(law: LabelLaw) -> str:
    """The law with everything that makes it uneven."""
    parts = [name_law(law)]
    if law.class_weights is not None:
        parts.append("class weights " + ", ".join(f"{q:.3g}" for q in law.class_weights[:8]))
        parts[-1] += ", …" * (len(law.class_weights) > 8)
    parts += ["weighted"] if law.label_weights is not None else []
    return ", ".join(parts)


def describe_bias(lambda_b: float | None) -> str:
    """No bias, a free one, or λ_b."""
    if lambda_b is None:
        return "no bias"
    return "free bias" if lambda_b == 0 else rf"$\lambda_b$ = {lambda_b:.3g}"


def trivial_text(report: JointReport) -> str:
    """What a zero optimum means, and whether the spectrum of M shows that it is global."""
    same = (
        "every class gets the same score"
        if report.problem.lambda_b is None
        else "every score is a bias alone"
    )
    optimal = report.certificate.lambda_max_ratio <= ACTIVE
    head, why = TRIVIAL if optimal else SADDLE
    return (
        f"{head}\n\n$W = 0$, so every feature is $h = 0$\nand {same}.\n\n"
        f"largest eigenvalue of $M$: {report.certificate.spectrum[-1]:.4g}\n"
        rf"$\lambda_W \lambda_H$: {report.problem.product:.4g}"
        f"\n\n{why}"
    )
