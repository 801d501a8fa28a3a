"""A trial in words: what is predicted, what the certified optimum has, and by how much they differ."""

from ufm.refute.search import Trial


def ratio(trial: Trial) -> str:
    """The error as a multiple of what its bounds allow."""
    return f"{10**trial.score:.2g}" if trial.score < 300 else "infinite"


def numbers(trial: Trial) -> list[tuple[str, str]]:
    """Prediction, optimum, error against bounds, verdict; the last alone where nothing was solved."""
    check = trial.check
    verdict = ("verdict", f"{check.verdict.word}: {check.verdict.reason}")
    if check.error is None or check.bound is None or check.theory_bound is None:
        return [verdict]
    bounds = f"{check.bound:.2e} of the optimum, {check.theory_bound:.2e} of the closed form"
    return [
        ("predicted", "that it differs" if check.predicted is None else f"{check.predicted:.12g}"),
        ("numeric", f"{check.numeric:.12g}"),
        ("error", f"{check.error:.3e}; bounds {bounds}; error/bound ratio {ratio(trial)}"),
        verdict,
    ]
