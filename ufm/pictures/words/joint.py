"""Caption and alt text of the picture of a joint optimum."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from ufm.agree.joint import JointReport
from ufm.output.text import law_words
from ufm.pictures.joint_features import numerical_rank
from ufm.pictures.words.numbers import above, counted


def caption(report: JointReport) -> str:
    """Sizes, how near W is to a simplex ETF and its m to the theorem's, how near the point is to the optimum."""
    p = report.problem
    bias = (
        "no bias" if p.lambda_b is None else "free bias" if p.lambda_b == 0 else f"lambda_b {p.lambda_b:.3g}"
    )
    head = f"K = {p.classes}, d = {p.dim} ({law_words(p.law)}; {p.loss}, {bias})"
    gap = f"its objective is above the global minimum by at most {above(report.relative_gap)} of itself (certified)"
    if not report.solution.W.any():
        largest = f"{report.certificate.spectrum[-1] / p.product:.4g} lambda_W lambda_H"
        return f"{head}: W = 0, the largest eigenvalue of M is {largest}; {gap}."
    rank, word = numerical_rank(report.solution.W), report.verdict.word
    found = f"{head}: W has rank {rank} and ETF deviation {above(report.etf_deviation)}"
    return f"{found}, m = {report.multiplier:.6g}{_theory(report)}; {gap}. W is a simplex ETF: {word}."


def _theory(report: JointReport) -> str:
    if report.theory is None:
        return ""
    apart = abs(report.multiplier - report.theory.value) / report.theory.value
    return f", {'equal to' if apart == 0 else f'within {above(apart)} of'} the theorem's"


def seen(report: JointReport, kinds: Sequence[str]) -> list[str]:
    """What is seen in each panel; kinds: of the eigenvalues of M, by `spectrum_kinds`."""
    W = report.solution.W
    if not W.any():
        return ["The words that the point is zero.", _spectrum(kinds)]
    gram, K = W @ W.T, len(W)
    alive = np.linalg.svd(W, compute_uv=False)[: numerical_rank(W)]
    diagonal, others = _range(np.diag(gram)), _range(gram[~np.eye(K, dtype=bool)])
    return [
        f"Heat map of the Gram matrix of W: diagonal {diagonal}, other entries {others}.",
        f"Singular values of W: {counted(len(alive), 'value')} not zero, {_range(alive)}.",
        _spectrum(kinds),
        "Features of some classes and of their mixtures as dots, with rows of W as arrows.",
    ]


def _spectrum(kinds: Sequence[str]) -> str:
    number = Counter(kinds)
    where = {"above": "above", "active": "on", "below": "below"}
    lines = ", ".join(f"{number[kind]} {word}" for kind, word in where.items() if number[kind])
    zero = f", {number['zero']} zero up to rounding" * ("zero" in number)
    scale = "Eigenvalues of M on a logarithmic scale with a dashed line at lambda_W lambda_H"
    return f"{scale}: {lines or 'none on'} it{zero}."


def _range(values: np.ndarray) -> str:
    """Least to largest, or one number where they look alike."""
    low, high = f"{values.min():.3g}", f"{values.max():.3g}"
    return low if low == high else f"{low} to {high}"
