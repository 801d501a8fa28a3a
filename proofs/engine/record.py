"""The record of one theorem: its proof run, its formula compared, its grid checked. Plain data, for JSON."""

from collections.abc import Callable
from types import ModuleType

import numpy as np
import sympy as sp

from proofs.engine.formal import statement
from proofs.engine.step import ARGUED, FORMAL, SYMBOLIC, Derivation, Step
from ufm.agree.theorem import Check, check_theorem
from ufm.output.records import number
from ufm.output.text import law_words
from ufm.theory.theorems.theorem import FeatureClaim, Setting, Theorem

SCHEMA = 1


def build(theorem: Theorem, proof: ModuleType, advance: Callable[[], None] = lambda: None) -> dict:
    """Run every step, every comparison and every row; `advance` is called after each row.

    ProofError where a step does not come out.
    """
    derivation = proof.derive()
    derivation.run()
    advance()
    rows = []
    for setting in proof.settings():
        rows.append(row(theorem, setting, check_theorem(theorem, setting, rigorous=True)))
        advance()
    return {
        "schema": SCHEMA,
        "name": theorem.name,
        "title": theorem.title,
        "statement": theorem.statement,
        "assumptions": [assumption.text for assumption in theorem.assumptions],
        "quantity": theorem.quantity,
        "source": theorem.source,
        "result": sp.latex(derivation.result),
        "steps": [step_record(step) for step in derivation.steps],
        "symbolic": derivation.count(SYMBOLIC),
        "formal": derivation.count(FORMAL),
        "argued": derivation.count(ARGUED),
        "comparison": comparison(derivation),
        "rows": rows,
    }


def step_record(step: Step) -> dict:
    """One step; a formal one with its lemma, and what Coq prints of it."""
    lemma = {"lemma": step.lemma, "statement": statement(step.lemma)} if step.lemma else {}
    return {"name": step.name, "kind": step.kind, "says": step.says} | lemma


def comparison(derivation: Derivation) -> dict | None:
    """Derived against shipped formula: how many random parameter sets, and the worst difference."""
    if derivation.compare is None:
        return None
    found = derivation.compare(np.random.default_rng(0))
    worst = max(c.error for c in found)
    return {"count": len(found), "worst": worst, "tolerance": derivation.tolerance}


def row(theorem: Theorem, setting: Setting, check: Check) -> dict:
    """One line of a table."""
    return {
        "parameters": parameters(theorem, setting),
        "predicted": number(check.predicted),
        "numeric": number(check.numeric),
        "unit": number(check.unit),
        "error": number(check.error),
        "bound": number(check.bound),
        "theory_bound": number(check.theory_bound),
        "verdict": check.verdict.word,
        "reason": None if check.verdict.word == "proved" else check.verdict.reason,
    }


def parameters(theorem: Theorem, setting: Setting) -> dict:
    """What the theorem depends on."""
    p = setting.problem
    if isinstance(theorem.claim, FeatureClaim):
        return {"K": p.classes, "m": p.row_norm, "lambda_H": p.lambda_h, "a": p.sharpness}
    own = ", penalties of their own" if setting.rho is not None else ""
    law = {"law": law_words(p.law) + own, "K": p.classes, "d": setting.joint.dim}
    shape = {} if setting.variant is None else {"variant": setting.variant.words}
    return shape | law | {"lambda_W": p.lambda_w, "lambda_H": p.lambda_h}
