"""The gap to the global joint optimum in ball arithmetic: rigorous for ANY classifier, features, bias.

    L(W, h, b) = E_π[ℓ(W h + b, y) + (λ_H ρ/2)‖h‖²] + (λ_W/2)‖W‖_F² + (λ_b/2)‖b‖²,        c² = λ_W λ_H
    L ≥ min L ≥ D(r) := E D_y(r) − pen(E r)   for every residual r with   E[r rᵀ/ρ] ⪯ c² I,

cross-entropy: r = y − p, p ∈ Δ, D_y = Entropy(p); squared error: any r, D_y = r·y − ½‖r‖²;
binary cross-entropy: r = y − p, p ∈ [0, 1]^K, D_y = Σ_k Entropy(p_k, 1 − p_k);
pen = 0 without a bias, ‖E r‖²/(2λ_b) with a penalised one; a free bias asks for E r = 0 instead.
(Weak duality, one line: E[r·W h] ≤ (λ_H/2) E ρ‖h‖² + tr(Wᵀ E[r rᵀ/ρ] W)/(2λ_H), and E[r·b] ≤ (λ_b/2)‖b‖² + pen.)

L and D are evaluated in balls. Feasibility is proved, never assumed: E r = 0 holds by construction with p ∈ Δ
checked, and c² I − θ² E[r rᵀ/ρ] ⪰ 0 by the positive pivots of a ball LDLᵀ. Floats only propose θ.

Every float stands for the double it is; a label's first largest entry is one minus the others; weights are
divided by their exact sum. Like `ufm.enclose.features`, whose ball helpers it borrows, it imports nothing else of
this package: the loss and the dual are written here a second time on purpose.
"""

import math
from typing import NamedTuple

import numpy as np
from flint import arb, arb_mat, ctx
from numpy.typing import ArrayLike

import ufm.rules.numbers as checked
from ufm.enclose.balls import above, complete, softmax, subtract
from ufm.enclose.given import JOINT_LOSSES, read_scalar
from ufm.rules.errors import InputError
from ufm.rules.soft_labels import accept

FIRST_BITS, LAST_BITS = 128, 1 << 12
_WIDTH = 2.0**-64  # wanted width of L and D, relative to 1 + L: far below a double's rounding
_SHRINKS = 60  # θ falls short of its float proposal by 2⁻⁵², 2⁻⁵¹, … until the pivots are positive

Rows = list[list[arb]]


class GapEnclosure(NamedTuple):
    """Outward doubles (low, high): L(W, H, b); a feasible dual value D ≤ min L; L − D ≥ L − min L."""

    objective: tuple[float, float]
    dual: tuple[float, float]
    gap: tuple[float, float]


class _Joint(NamedTuple):
    """The problem in balls: labels (n rows of K), normalised weights and relative penalties ρ (n), and the rest."""

    labels: Rows
    weights: list[arb]
    rho: list[arb]
    lambda_w: arb
    lambda_h: arb
    lambda_b: arb | None  # None: no bias; 0: a free one
    loss: str


def enclose_joint(
    W: ArrayLike,
    H: ArrayLike,
    labels: ArrayLike,
    weights: ArrayLike,
    lambda_w: float,
    lambda_h: float,
    b: ArrayLike | None = None,
    lambda_b: float | None = None,
    loss: str = "cross-entropy",
    rho: ArrayLike | None = None,
    real: bool = False,
) -> GapEnclosure:
    """Enclose L, a dual value and their difference; gap[1] provably bounds L(W, H, b) − min L.

    W: (K, d); H: (n, d); labels: (n, K); weights: (n,) ≥ 0; b: (K,). lambda_b: None no bias, 0 free, > 0
    penalised. rho: (n,) > 0, None: ones. real: labels are any doubles, not probabilities. Raises InputError for bad
    input.
    """
    W, H, rows, shares, shift = _arrays(W, H, labels, weights, b, lambda_b, real)
    of_w = read_scalar(lambda_w, "lambda_w", positive=True)
    of_h = read_scalar(lambda_h, "lambda_h", positive=True)
    bias_penalty = None if lambda_b is None else read_scalar(lambda_b, "lambda_b", positive=False)
    checked.choice("loss", loss, JOINT_LOSSES)
    own = [1.0] * len(rows) if rho is None else checked.penalties("rho", rho, len(rows)).tolist()
    bits = FIRST_BITS
    while True:
        with ctx.workprec(bits):
            objective, dual = _evaluate(
                W, H, _labels(rows, real), shares, own, shift, of_w, of_h, bias_penalty, loss
            )
            if bits >= LAST_BITS or _is_narrow(objective, dual):
                low, high = _outward(objective - dual)
                return GapEnclosure(_outward(objective), _outward(dual), (max(low, 0.0), high))
        bits *= 2


def _labels(labels: list, real: bool) -> Rows:
    """Targets as they are; labels with their largest entry one minus the others."""
    if real:
        return [[arb(x) for x in row] for row in labels]
    return [complete(y, [1] * len(y), int(np.argmax(y))) for y in labels]


def _evaluate(W, H, labels, weights, rho, b, lambda_w, lambda_h, lambda_b, loss) -> tuple[arb, arb]:
    """L and a feasible dual value, at the working precision."""
    given = [arb(x) for x in weights]
    total = sum(given, arb(0))
    problem = _Joint(
        labels,
        [x / total for x in given],
        [arb(x) for x in rho],
        arb(lambda_w),
        arb(lambda_h),
        None if lambda_b is None else arb(lambda_b),
        loss,
    )
    features, rows, shift = _matrix_of(H), _matrix_of(W), [arb(x) for x in b]
    logits = [[z + s for z, s in zip(row, shift)] for row in (features * rows.transpose()).tolist()]
    objective = _objective(problem, logits, features.tolist(), rows.entries(), shift)
    duals = [_dual(problem, _predictions(problem, logits))]
    if problem.lambda_b is not None and not problem.lambda_b.is_zero():
        # E r = 0 is feasible for a penalised bias too, at no penalty
        free = problem._replace(lambda_b=arb(0))
        duals.append(_dual(free, _predictions(free, logits)))
    return objective, max(duals, key=lambda dual: float(dual.lower()))


def _objective(problem: _Joint, logits: Rows, features: Rows, rows: list[arb], b: list[arb]) -> arb:
    """L: the mean over labels of loss and feature penalty, then the penalties of W and b."""
    losses = [_loss(z, y, problem.loss) for z, y in zip(logits, problem.labels)]
    sizes = [problem.lambda_h / 2 * own * _square(h) for own, h in zip(problem.rho, features)]
    ridge = problem.lambda_w / 2 * _square(rows) + (problem.lambda_b or arb(0)) / 2 * _square(b)
    return _average(problem.weights, [u + v for u, v in zip(losses, sizes)]) + ridge


def _loss(z: list[arb], y: list[arb], loss: str) -> arb:
    """CE = log Σ e^{z − t} − y·(z − t), t any exact number (Σ y = 1); ½‖z − y‖²; or Σ log(1 + e^z) − y·z."""
    if loss == "squared-error":
        return _square(subtract(z, y)) / 2
    if loss == "binary-cross-entropy":
        return sum((x.exp().log1p() for x in z), arb(0)) - _dot(y, z)
    top = max(x.mid() for x in z)
    shifted = [x - top for x in z]
    return sum((x.exp() for x in shifted), arb(0)).log() - _dot(y, shifted)


def _predictions(problem: _Joint, logits: Rows) -> Rows:
    """p = y − r of the candidate: softmax(z) or z; with E p = E y where the bias is free."""
    p = [_activation(z, problem.loss) for z in logits]
    if problem.lambda_b is None or not problem.lambda_b.is_zero():
        return p
    target = _mean_row(problem.weights, problem.labels)
    excess = subtract(target, _mean_row(problem.weights, p))  # e = E r
    if problem.loss == "squared-error":
        return [[x + e for x, e in zip(row, excess)] for row in p]
    return _mix_to_mean(p, target, excess, problem.loss)


def _activation(z: list[arb], loss: str) -> list[arb]:
    """softmax(z), z or σ(z): y less the loss's slope."""
    if loss == "binary-cross-entropy":
        return [1 / (1 + (-x).exp()) for x in z]
    return softmax(z, [1] * len(z)) if loss == "cross-entropy" else z


def _mix_to_mean(p: Rows, target: list[arb], excess: list[arb], loss: str) -> Rows:
    """p'' = (1−t) p + t s with the constant s = E y + ((1−t)/t) e, so that E p'' = E y exactly.

    s sums to one; the least t with s ≥ 0 is max_k −e_k/(E y_k − e_k). It is rounded up, and s ≥ 0 checked. Binary
    cross-entropy asks for s ≤ 1 besides, not for the sum: the same of 1 − s.
    """
    if all(e.is_zero() for e in excess):
        return p
    binary = loss == "binary-cross-entropy"
    t = _least_share(target, excess)
    if binary:
        t = max(
            t, _least_share([1 - y for y in target], [-e for e in excess]), key=lambda x: float(x.lower())
        )
    s = [y + (1 - t) / t * e for y, e in zip(target, excess)]
    if not all(x >= 0 and (x <= 1 or not binary) for x in s):
        t, s = arb(1), target
    return [[(1 - t) * x + t * c for x, c in zip(row, s)] for row in p]


def _least_share(target: list[arb], excess: list[arb]) -> arb:
    """An exact t in (0, 1], a little above what s ≥ 0 needs: s_k = 0 could not be checked in balls."""
    floor = 2.0 ** (-ctx.prec // 2)  # where e vanishes up to its radius
    shares = [-e / (y - e) for y, e in zip(target, excess) if not e >= 0]
    need = max([above(x) for x in shares], default=0.0)
    return arb(min(1.0, max(need, floor) * (1 + 2.0**-40))) if math.isfinite(need) else arb(1)


def _dual(problem: _Joint, p: Rows) -> arb:
    """D(θ r) at a verified feasible θ ≥ 0."""
    residual = [subtract(y, x) for y, x in zip(problem.labels, p)]
    moment = _moment([w / own for w, own in zip(problem.weights, problem.rho)], residual)
    product = problem.lambda_w * problem.lambda_h
    mean = _mean_row(problem.weights, residual)
    lambda_b = problem.lambda_b or arb(0)
    penalty = arb(0) if lambda_b.is_zero() else _square(mean) / (2 * lambda_b)  # of θ = 1
    if problem.loss == "squared-error":
        linear = _average(problem.weights, [_dot(r, y) for r, y in zip(residual, problem.labels)])
        square = _average(problem.weights, [_square(r) for r in residual]) + 2 * penalty
        best = (linear / square).mid() if square > 0 else arb(0)
        theta = _feasible(moment, product, best if best > 0 else arb(0))
        return theta * linear - theta**2 * square / 2
    theta = _feasible(moment, product, arb(1))
    mixed = [[(1 - theta) * u + theta * v for u, v in zip(y, x)] for y, x in zip(problem.labels, p)]
    entropies = [_entropy(q) for q in mixed]
    if problem.loss == "binary-cross-entropy":
        entropies = [own + _entropy([1 - x for x in q]) for own, q in zip(entropies, mixed)]
    return _average(problem.weights, entropies) - theta**2 * penalty


def _feasible(moment: Rows, product: arb, most: arb) -> arb:
    """An exact θ ≤ most, as large as found, with product I − θ² moment certainly positive definite."""
    if _is_below(moment, product, most):
        return most
    sketch = np.array([[float(x.mid()) for x in row] for row in moment])
    largest = float(np.linalg.eigvalsh(sketch)[-1]) if np.isfinite(sketch).all() else math.inf
    proposal = (product / largest).sqrt().mid() if 0 < largest < math.inf else arb(0)
    for power in range(_SHRINKS):
        theta = (min(proposal, most) * (1 - arb(2) ** (power - 52))).mid() if power < 52 else arb(0)
        if theta >= 0 and _is_below(moment, product, theta):
            return theta
    return arb(0)


def _is_below(moment: Rows, product: arb, theta: arb) -> bool:
    """Whether every pivot of LDLᵀ of product I − θ² moment is certainly positive."""
    size = range(len(moment))
    left = [[(product if i == j else arb(0)) - theta**2 * moment[i][j] for j in size] for i in size]
    for k in size:
        pivot = left[k][k]
        if not pivot > 0:
            return False
        for i in size[k + 1 :]:
            share = left[i][k] / pivot
            for j in size[k + 1 : i + 1]:  # the lower triangle, by symmetry
                left[i][j] -= share * left[j][k]
    return True


# --- balls -----------------------------------------------------------------------------------------------


def _entropy(p: list[arb]) -> arb:
    return sum((_entropy_term(x) for x in p), arb(0))


def _entropy_term(x: arb) -> arb:
    """−x log x of a number in [0, 1]; a ball that reaches zero is [0, u], where the term is in [0, −u log u].

    The latter for u ≤ 1/e, below which the term increases; else it is at most 1/e.
    """
    if x > 0:
        return -x * x.log()
    u = arb(above(x))
    if u <= 0:
        return arb(0)
    top = -u * u.log() if u < 0.25 else arb(-1).exp()
    half = top.upper() / 2
    return arb(half.mid(), half)


def _moment(weights: list[arb], residual: Rows) -> Rows:
    """Σ weight · r rᵀ, K×K."""
    weighted = arb_mat([[w * x for x in row] for w, row in zip(weights, residual)])
    return (weighted.transpose() * arb_mat(residual)).tolist()


def _mean_row(weights: list[arb], rows: Rows) -> list[arb]:
    return [_dot(weights, column) for column in zip(*rows)]


def _average(weights: list[arb], values: list[arb]) -> arb:
    return _dot(weights, values)


def _dot(left, right) -> arb:
    return sum((u * v for u, v in zip(left, right)), arb(0))


def _square(values: list[arb]) -> arb:
    return sum((x * x for x in values), arb(0))


def _matrix_of(rows: np.ndarray) -> arb_mat:
    return arb_mat(rows.tolist())


def _outward(ball: arb) -> tuple[float, float]:
    return -above(-ball), above(ball)


def _is_narrow(objective: arb, dual: arb) -> bool:
    return 2 * (objective.rad() + dual.rad()) <= _WIDTH * (1 + abs(objective))


# --- input -----------------------------------------------------------------------------------------------


def _arrays(W, H, labels, weights, b, lambda_b, real):
    """The input as checked float64 arrays; labels, weights and bias as lists."""
    W = checked.array("W", W, ("K", "d"))
    Y = checked.array("labels", labels, ("n", len(W))) if real else accept(labels, "labels", ("n", len(W)))
    n, K = Y.shape
    H = checked.array("H", H, (n, W.shape[1]))
    weights = checked.array("weights", weights, (n,))
    b = np.zeros(K) if b is None else checked.array("b", b, (K,))
    if (weights < 0).any() or not weights.any():
        raise InputError("weights: given a negative entry, or only zeros; allowed: ≥ 0, some > 0")
    if lambda_b is None and b.any():
        raise InputError("b: given a bias without lambda_b; allowed: lambda_b = 0 (free) or its penalty")
    return W, H, Y.tolist(), weights.tolist(), b.tolist()
