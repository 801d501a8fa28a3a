"""A free classifier: certified gaps, objectives, thresholds and multipliers against 80-bit oracles."""

import numpy as np

import ufm
from experiments.fuzzing import joint_oracle as oracle
from experiments.fuzzing.draws import decade
from experiments.fuzzing.record import Record
from ufm.model.atoms import FiniteLaw, Point
from ufm.rules.errors import InputError

# (K, n, d): d ≥ K − 1 and below; n as the laws need it
SHAPES = ((2, 6, 2), (3, 15, 3), (3, 15, 1), (4, 28, 4), (4, 28, 2), (10, 30, 10), (40, 80, 40))
CHANCES = (0.15, 0.27, 0.12, 0.22, 0.12, 0.1, 0.02)
ROOT_ERROR = 1e-11  # relative, of E‖y − p‖² at the sharpness that solves its equation


def check(record: Record) -> None:
    """One problem solved, certified there and elsewhere; its threshold; a multiplier; something illegal."""
    rng = record.rng
    joint, exchangeable, about = draw(rng)
    record.about = about
    check_points(record, rng, joint, exchangeable)
    check_threshold(record, joint, exchangeable)
    if record.number % 3 == 0:
        check_multiplier(record, rng)
    if record.number % 4 == 0:
        check_refusal(record, rng, joint)


def draw(rng):
    """(joint problem, whether its law is exchangeable, one line about it)."""
    K, n, d = SHAPES[rng.choice(len(SHAPES), p=CHANCES)]
    kinds = ["random", "drawn", "imbalanced"] + ["exchangeable"] * (n == K + 2 * K * (K - 1)) * 3
    kind = str(rng.choice(kinds))
    labels, weights = law(rng, kind, K, n)
    product = float(np.linalg.eigvalsh(np.cov(labels.T, aweights=weights, bias=True))[-1]) * decade(
        rng, -6, 0.5
    )
    product, tilt = max(product, 1e-9), decade(rng, -2, 2)
    bias = [None, 0.0, decade(rng, -4, 2)][rng.choice(3, p=[0.5, 0.25, 0.25])]
    loss = str(rng.choice(["cross-entropy", "squared-error"], p=[0.7, 0.3]))
    root = float(np.sqrt(product))
    joint = oracle.Joint(labels, weights, root * tilt, root / tilt, bias, d, loss)
    penalties = f"lambda_w={joint.lambda_w!r} lambda_h={joint.lambda_h!r} lambda_b={bias!r}"
    return joint, kind == "exchangeable", f"{kind} K={K} n={n} d={d} {loss} {penalties}"


def law(rng, kind: str, K: int, n: int):
    """Labels (n, K) and weights (n): of no symmetry, drawn as a network sees them, uneven, or exchangeable."""
    if kind == "exchangeable":
        return exchangeable(rng, K)
    if kind == "random":
        return rng.dirichlet(np.full(K, rng.choice([0.2, 1.0])), n), rng.dirichlet(
            np.full(n, rng.choice([0.3, 3.0]))
        )
    labels, i, j = np.zeros((n, K)), rng.integers(0, K, n), rng.integers(0, K, n)
    lam = rng.beta(1, 1, n)
    if kind == "drawn":
        np.add.at(labels, (np.arange(n), i), lam)
        np.add.at(labels, (np.arange(n), j), 1 - lam)
        return labels, np.full(n, 1 / n)
    i = np.arange(n) % K
    labels[np.arange(n), i] = 1
    weights = (10.0 ** -(i * rng.uniform(0, 3) / K)) * rng.uniform(0.9, 1.1, n)
    return labels, weights / weights.sum()


def exchangeable(rng, K: int):
    """All one-hot labels, and all ordered pairs at λ and 1 − λ: permuting classes changes nothing."""
    lam, share = float(rng.choice([0.1, 0.3, 1e-4, rng.random()])), rng.uniform(0.1, 0.9)
    rows = [np.eye(K)]
    for i in range(K):
        for j in range(K):
            if i != j:
                rows.append(lam * np.eye(K)[[i]] + (1 - lam) * np.eye(K)[[j]])
    pairs = np.concatenate(rows[1:])
    labels = np.concatenate([rows[0], pairs, pairs])
    weights = np.concatenate([np.full(K, share / K), np.full(2 * len(pairs), (1 - share) / (2 * len(pairs)))])
    return labels, weights


def solve(record, joint, exchangeable):
    """The package's optimum, or None."""
    return record.attempt("solve", lambda: ufm.solve_joint(problem_of(joint, exchangeable)))


def problem_of(joint, exchangeable=False):
    """The case as the package's own value, which refuses what is none."""
    atoms = FiniteLaw(joint.labels, joint.weights, exchangeable)
    return ufm.JointProblem(atoms, joint.lambda_w, joint.lambda_h, joint.dim, joint.lambda_b, joint.loss)


def certify(joint, W, H, b):
    """The package's certificate of a point."""
    given = None if joint.lambda_b is None else b
    return ufm.certify_joint(problem_of(joint), Point(W, H, given))


def points(rng, joint, found):
    """The optimum, points near it and points from elsewhere, by name."""
    size = decade(rng, -12, 0)
    noise = [1 + size * rng.normal(size=part.shape) for part in (found.W, found.H, found.b)]
    yield "solution", (found.W, found.H, found.b)
    yield "near", tuple(part * factor for part, factor in zip((found.W, found.H, found.b), noise))
    yield "L-BFGS", oracle.descend(joint, rng, 300)
    yield "L-BFGS cut", oracle.descend(joint, rng, 5)
    yield (
        "random",
        tuple(rng.normal(size=part.shape) for part in (found.W, found.H, found.b * (joint.lambda_b or 0))),
    )
    yield "zero", tuple(0 * part for part in (found.W, found.H, found.b))


def check_points(record, rng, joint, exchangeable) -> None:
    """At every point: the objective within its rounding, and a gap that no other point refutes."""
    found = solve(record, joint, exchangeable)
    if found is None:
        return
    known, judged = [], []
    for name, (W, H, b) in points(rng, joint, found):
        b = b if joint.lambda_b is not None else 0 * b
        value = oracle.objective(joint, W, H, b)
        told = record.attempt("certify", certify, joint, W, H, b)
        known.append(value)
        if told is not None:
            judged.append((name, value, told))
    least = min(known)
    for name, value, told in judged:
        off = abs(value - told.objective)
        record.expect(
            off <= told.rounding, "objective", f"{name}: off by {off:.2e}, stated {told.rounding:.2e}"
        )
        record.expect(told.gap >= 0 and np.isfinite(told.gap), "gap", f"{name}: {told.gap}")
        excess = float(value - least)
        record.expect(
            told.gap >= excess, "gap", f"{name}: certified {told.gap:.4e}, a lower point {excess:.4e}"
        )


def check_threshold(record, joint, exchangeable) -> None:
    """The threshold is the largest eigenvalue, and beyond it no point lies below L(0) = log K."""
    from ufm.theory.thresholds import triviality

    K, product = joint.labels.shape[1], joint.lambda_w * joint.lambda_h
    told = record.attempt(
        "threshold", triviality, FiniteLaw(joint.labels, joint.weights, exchangeable), product
    )
    if told is None:
        return
    own = oracle.largest_variance(joint)
    close = abs(told.value - own) <= 1e-12 * own * K
    record.expect(close, "threshold", f"told {told.value!r}, own {own!r}")
    if joint.loss != "cross-entropy" or joint.lambda_b is not None or abs(told.ratio - 1) < 1e-6:
        return
    found = solve(record, joint, exchangeable)
    if found is not None and told.ratio > 1:
        value = oracle.objective(joint, found.W, found.H, 0 * found.b)
        record.expect(
            value >= np.log(oracle.LONG(K)) - 1e-15, "threshold", f"a point {value!r} below log K beyond it"
        )


def check_multiplier(record, rng) -> None:
    """E‖y − p_a‖² = (K−1) λ_W λ_H at the sharpness a that is told, m² = a (K−1) λ_H/K."""
    K, alpha = int(rng.choice([2, 3, 4, 10, 40, 100, 1000])), decade(rng, -0.5, 1)
    pairs = str(rng.choice(["all", "different", "same"]))
    law = ufm.mixup(alpha, pairs)
    threshold = record.attempt("multiplier", ufm.joint_multiplier, law, K, 1.0, 1.0)
    if threshold is None:
        return
    product = threshold.threshold * decade(rng, -6, -0.05)
    lambda_h = decade(rng, -6, -1)
    about = f"K={K} alpha={alpha!r} pairs={pairs} lambda_w={product / lambda_h!r} lambda_h={lambda_h!r}"
    told = record.attempt("multiplier", ufm.joint_multiplier, law, K, product / lambda_h, lambda_h)
    if told is None:
        return
    moment = oracle.mixup_moment(alpha, told.sharpness, K, pairs)
    off = abs(moment / ((K - 1) * product) - 1)
    record.expect(off <= ROOT_ERROR, "multiplier", f"{about}: its equation is off by {off:.2e}")
    row = np.sqrt(told.sharpness * (K - 1) * lambda_h / K)
    record.expect(
        abs(told.value / row - 1) <= 1e-14, "multiplier", f"{about}: m = {told.value!r}, not {row!r}"
    )


def check_refusal(record, rng, joint) -> None:
    """What is no problem is refused as bad input when it is made."""
    wrong = {
        "negative bias penalty": {"lambda_b": -1.0},
        "NaN bias penalty": {"lambda_b": float("nan")},
        "infinite lambda_w": {"lambda_w": float("inf")},
        "zero lambda_h": {"lambda_h": 0.0},
        "unnormalised labels": {"labels": joint.labels * 2},
        "negative labels": {"labels": np.where(joint.labels == joint.labels.max(), -1.0, joint.labels)},
        "NaN labels": {"labels": joint.labels * np.nan},
        "weights": {"weights": joint.weights * 2},
        "loss": {"loss": "hinge"},
    }
    name = str(rng.choice(list(wrong)))
    broken = joint._replace(**wrong[name])
    try:
        answer = f"answered {problem_of(broken)!r}"[:80]
    except InputError:
        answer = None
    except Exception as error:
        answer = f"{type(error).__name__}: {error}"[:80]
    record.expect(answer is None, "refusal", f"JointProblem with {name}: {answer}")
