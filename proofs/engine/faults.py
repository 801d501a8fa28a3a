"""Faults that are planted in the shipped equations, and hypotheses that are dropped: each must be noticed."""

import inspect
from collections.abc import Callable
from typing import NamedTuple

from proofs.engine.coq import formulas


class Fault(NamedTuple):
    """Text of one function of `ufm.theory.formulas`, and what replaces it."""

    function: str
    old: str
    new: str


FAULTS = (
    Fault("excess", "expm1(x) - b", "expm1(x) + b"),
    Fault("mass", "total - K * o", "total - (K - 1) * o"),
    Fault("log_omega", "u + exp(u)", "u - exp(u)"),
    Fault("difference", "tanh(D / 2)", "tanh(D)"),
    Fault("goal", "(K - 1) * product", "K * product"),
    Fault("affine_sharpness", "threshold - product)", "threshold + product)"),
    Fault("most_sharpness", "2.0 * log(K)", "log(K) / 8"),
    Fault("multiplier_square", "(K - 1)", "K"),
    Fault("label_spread", "1.0 / K)", "1.0 / (K - 1))"),
    Fault("class_gap", "K * (1 - share)", "(K - 1) * (1 - share)"),
    Fault("class_gain", "lambda_h / (K * lambda_w)", "lambda_w / (K * lambda_h)"),
    Fault("design_residual", "unit - 1 / K", "unit + 1 / K"),
)

HYPOTHESES = (
    ("joint/Joint.v", "Hypothesis symmetric : exchangeable N K pi Y.\n"),
    ("optimum/Merge.v", "Hypothesis symmetric : exchangeable_pair N K pi Y k l.\n"),
    ("closed/Forms.v", "Hypothesis simplex_W : gram_is K d W (simplex_gram K g).\n"),
)


def mutated(fault: Fault) -> dict[str, Callable]:
    """All functions, with the fault in one."""
    functions = formulas()
    source = inspect.getsource(functions[fault.function])
    if source.count(fault.old) != 1:
        raise ValueError(f"{fault.old!r} is not once in {fault.function}")
    names: dict[str, Callable] = {}
    exec(source.replace(fault.old, fault.new), names)
    return functions | {fault.function: names[fault.function]}
