"""python -m experiments.second_solver [--json PATH]: closed forms against a second program, in convex forms.

Each problem is handed to CVXPY as a nuclear norm, a semidefinite or a support vector form: it shares no variables
and no code with this package. Printed: both objectives and their relative difference.
Exit code: 0 all within 1e-6, 1 not, 2 CVXPY is not there (the extra [bench] has it).
"""

import argparse
import json
import sys
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ufm.model.atoms import finite_law
from ufm.model.laws import mixup
from ufm.runtime.start import start_jax
from ufm.theory.features import solve_patterns
from ufm.theory.geometry.design import design
from ufm.theory.geometry.hierarchy import hierarchical_labels, hierarchy_optimum
from ufm.theory.geometry.onehot import class_optimum
from ufm.theory.geometry.quadratic import biased_logits, class_gains
from ufm.theory.multiplier import pattern_multiplier
from ufm.theory.variants.constrained import constrained_gap, contrastive_loss, gap_loss
from ufm.theory.variants.margins import margin_objective

ALLOWED = 1e-6  # relative: what interior points of these cones reach
WEIGHTS = np.array([0.5, 0.3, 0.15, 0.05])
DECAY = 0.02


class Case(NamedTuple):
    """A theorem, its form in words, the closed form's objective, and form(cp): a problem of CVXPY."""

    theorem: str
    form: str
    closed: float
    problem: Callable


def entropy(P, q) -> float:
    """E Ent(p), which the joint optimum of cross-entropy is."""
    return float(-q @ np.sum(P * np.log(P), 1))


def fit(cp, Z, Y, q):
    """E CE of logits Z (n, K)."""
    terms = [q[n] * (cp.log_sum_exp(Z[n]) - Y[n] @ Z[n]) for n in range(len(q))]
    return cp.sum(cp.hstack(terms))


def nuclear(Y, q, c: float, bias: float | None = None, squared: bool = False) -> Callable:
    """min E ℓ(z + b, y) + c ‖√q Z‖_* (+ bias ‖b‖²/2)."""

    def problem(cp):
        Z, b = cp.Variable(Y.shape), cp.Variable(Y.shape[1])
        whole = Z if bias is None else Z + np.ones((len(Y), 1)) @ cp.reshape(b, (1, Y.shape[1]), order="C")
        loss = (
            0.5 * cp.sum(cp.multiply(q[:, None], cp.square(whole - Y))) if squared else fit(cp, whole, Y, q)
        )
        ridge = 0 if bias is None else 0.5 * bias * cp.sum_squares(b)
        return cp.Problem(cp.Minimize(loss + c * cp.normNuc(np.diag(np.sqrt(q)) @ Z) + ridge))

    return problem


def blocks(rows: float, columns: float, each: bool) -> Callable:
    """min CE of Z in [[A, Z], [Zᵀ, B]] ⪰ 0, diagonals (each) or means of them at most rows and columns."""

    def problem(cp):
        K = 4
        X = cp.Variable((2 * K, 2 * K), PSD=True)
        A, B = cp.diag(X)[:K], cp.diag(X)[K:]
        limits = [rows >= A, columns >= B] if each else [cp.sum(A) <= K * rows, cp.sum(B) <= K * columns]
        loss = fit(cp, X[K:, :K], np.eye(K), np.full(K, 1 / K))
        return cp.Problem(cp.Minimize(loss), limits)

    return problem


def machine(Y, q) -> Callable:
    """min ‖√q Z‖_* with margins of one off the support of a label, and none within it."""

    def problem(cp):
        Z, limits = cp.Variable(Y.shape), []
        for n, named in enumerate(Y > 0):
            for i in np.flatnonzero(named):
                limits += [Z[n, i] - Z[n, j] >= 1 for j in np.flatnonzero(~named)]
                limits += [Z[n, i] == Z[n, j] for j in np.flatnonzero(named) if j > i]
        return cp.Problem(cp.Minimize(cp.normNuc(np.diag(np.sqrt(q)) @ Z)), limits)

    return problem


def pairs(classes: int, copies: int, radius: float) -> Callable:
    """The supervised contrastive loss in the Gram matrix of all features."""

    def problem(cp):
        N = classes * copies
        X, terms = cp.Variable((N, N), PSD=True), []
        for i in range(N):
            others = [a for a in range(N) if a != i]
            same = [a for a in others if a // copies == i // copies]
            mean = sum(X[i, a] for a in same) / (copies - 1)
            terms.append(cp.log_sum_exp(cp.hstack([X[i, a] for a in others])) - mean)
        return cp.Problem(cp.Minimize(sum(terms)), [cp.diag(X) == radius**2])

    return problem


def onehot_objective(smoothing: float) -> float:
    """K = 4: entropy of the closed form's predictions."""
    wrong = class_optimum(4, DECAY, DECAY, smoothing).wrong
    return entropy(np.where(np.eye(4) > 0, 1 - 3 * wrong, wrong), np.full(4, 0.25))


def of_mixup() -> Case:
    """K = 3, the law's own finite rule."""
    atoms = finite_law(mixup(1.0), 3, 4)
    a = pattern_multiplier(atoms.patterns, DECAY, DECAY).sharpness
    P = np.asarray(solve_patterns(atoms.labels, np.ones_like(atoms.labels), a).p)
    return Case(
        "joint-etf", "nuclear norm", entropy(P, atoms.weights), nuclear(atoms.labels, atoms.weights, DECAY)
    )


def of_design() -> Case:
    """An uneven Gram matrix and uneven weights: residuals (c/√q) u_k."""
    apart = np.array([[0, 5, 4, 3], [5, 0, 3, 2], [4, 3, 0, 2], [3, 2, 2, 0]]) / 20
    law = design(np.diag(apart.sum(1)) - apart, WEIGHTS, DECAY, DECAY)
    P = law.labels - (DECAY / np.sqrt(WEIGHTS))[:, None] * (np.eye(4) - 0.25)
    return Case("inverse-design", "nuclear norm", entropy(P, WEIGHTS), nuclear(law.labels, WEIGHTS, DECAY))


def of_superclasses() -> Case:
    """Two groups of two."""
    Y, best = hierarchical_labels(2, 2, 0.2, 0.1), hierarchy_optimum(2, 4, 0.2, 0.1, DECAY, DECAY)
    near = np.kron(np.eye(2), np.ones((2, 2))) > 0
    P = np.where(np.eye(4) > 0, best.own, np.where(near, best.sibling, best.other))
    return Case(
        "superclass-collapse",
        "nuclear norm",
        entropy(P, np.full(4, 0.25)),
        nuclear(Y, np.full(4, 0.25), DECAY),
    )


def quadratic_objective() -> float:
    """½ Σ q (1 − s)² + c Σ √q s, s = g/(g + λ_H)."""
    gains = class_gains(WEIGHTS, DECAY, DECAY)
    s = gains / (gains + DECAY)
    return float(0.5 * WEIGHTS @ (1 - s) ** 2 + DECAY * (np.sqrt(WEIGHTS) @ s))


def biased_objective(penalty: float) -> float:
    """z = s (e_k − 1/K) + t/K along 1, and b."""
    s, t, b = biased_logits(4, DECAY, DECAY, penalty)
    Z = s * (np.eye(4) - 0.25) + t / 4
    size = DECAY * np.linalg.svd(Z, compute_uv=False).sum() / 2
    return float(np.sum((Z + b - np.eye(4)) ** 2) / 8 + size + 0.5 * penalty * 4 * b**2)


def supports() -> tuple[np.ndarray, np.ndarray]:
    """One class with probability 0.4, two with 0.6, of four."""
    singles = np.eye(4)
    twos = np.array([(singles[i] + singles[j]) / 2 for i in range(4) for j in range(i)])
    return np.concatenate([singles, twos]), np.repeat([0.1, 0.1], [4, 6])


def cases() -> list[Case]:
    """All problems."""
    K, even = 4, np.full(4, 0.25)
    smooth = 0.9 * np.eye(K) + 0.1 / K
    Y, q = supports()
    return [
        Case("onehot-ce", "nuclear norm", onehot_objective(0.0), nuclear(np.eye(K), even, DECAY)),
        Case("label-smoothing", "nuclear norm", onehot_objective(0.1), nuclear(smooth, even, DECAY)),
        of_mixup(),
        of_design(),
        of_superclasses(),
        Case(
            "squared-imbalanced",
            "nuclear norm",
            quadratic_objective(),
            nuclear(np.eye(K), WEIGHTS, DECAY, squared=True),
        ),
        Case(
            "squared-bias",
            "nuclear norm",
            biased_objective(0.3),
            nuclear(np.eye(K), even, DECAY, bias=0.3, squared=True),
        ),
        Case(
            "norm-constrained",
            "semidefinite",
            gap_loss(K, constrained_gap(K, 2.6)),
            blocks(1.3**2, 2.0**2, True),
        ),
        Case(
            "layer-peeled", "semidefinite", gap_loss(K, constrained_gap(K, 5**0.5)), blocks(1.0, 5.0, False)
        ),
        Case("supcon", "semidefinite", contrastive_loss(3, 2, 1.3), pairs(3, 2, 1.3)),
        Case(
            "seli",
            "support vector machine",
            margin_objective(np.eye(K), WEIGHTS, 1.0, 1.0),
            machine(np.eye(K), WEIGHTS),
        ),
        Case("support-svm", "support vector machine", margin_objective(Y, q, 1.0, 1.0), machine(Y, q)),
    ]


def rows(cp) -> list[dict]:
    """Every problem solved by CVXPY's interior point solver."""
    found = []
    for case in cases():
        problem = case.problem(cp)
        problem.solve(solver=cp.CLARABEL)
        value = float(problem.value)
        found.append(
            {"theorem": case.theorem, "form": case.form, "closed": case.closed, "second": value}
            | {"difference": abs(value / case.closed - 1)}
        )
    return found


def table(found: list[dict]) -> str:
    """Markdown."""
    lines = [
        "| theorem | form | closed form | second program | relative difference |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in found:
        numbers = f"{row['closed']:.10f} | {row['second']:.10f} | {row['difference']:.1e}"
        lines.append(f"| {row['theorem']} | {row['form']} | {numbers} |")
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Solve, print, write; returns the exit code."""
    words = (__doc__ or "").split("\n\n")[0]
    parser = argparse.ArgumentParser("python -m experiments.second_solver", description=words)
    parser.add_argument("--json", help="write the rows to PATH")
    arguments = parser.parse_args(argv)
    try:
        import cvxpy
    except ImportError:
        print("experiments.second_solver: CVXPY is not installed; the extra [bench] has it", file=sys.stderr)
        return 2
    start_jax()
    found = rows(cvxpy)
    print(table(found))
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump({"rows": found}, file, indent=1)
            file.write("\n")
    return 0 if all(row["difference"] <= ALLOWED for row in found) else 1


if __name__ == "__main__":
    sys.exit(main())
