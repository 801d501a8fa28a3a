"""A given classifier: bounds, closed form, derivatives and enclosures against the optimum to 40 digits."""

import numpy as np
from mpmath import mp, mpf

import ufm
from experiments.fuzzing import draws, exact, extended
from experiments.fuzzing.record import Record

SOLVED = 1e-6  # the default --tol: what the default solver promises up to PROMISED, relative to the optimum
PROMISED = 1e12  # sharpness ‖W‖²/λ_H
BALLS = 12  # distinct entries of a label up to which an enclosure is quick


def check(record: Record) -> None:
    """One problem with four labels."""
    rng = record.rng
    problem, Y, dtype, about = draws.problem(rng)
    method, steps = choose_method(rng, problem)
    record.about = f"{about} {method} steps={steps}"
    truth = optima(problem, Y)
    found = record.attempt(
        "solve", ufm.solve_features, problem, Y, method=method, max_steps=steps, dtype=dtype
    )
    if found is not None:
        check_solution(record, problem, Y, found, truth, steps is None and method == "newton")
        for name, H in candidates(rng, found.H, dtype):
            check_bound(record, problem, Y, H, truth, name)
    if problem.classifier is None:
        check_prediction(record, problem, Y, truth)
        check_pairs(record, rng, problem)
    check_enclosure(record, problem, Y[0], truth[0])


def choose_method(rng, problem) -> tuple[str, int | None]:
    """A method and its step limit; None: its own. Gradient descent compiles each problem anew, so it is rare."""
    method = str(rng.choice(["newton", "lbfgs", "gd"], p=[0.8, 0.18, 0.02]))
    if problem.classes > 10:
        method = "newton"
    if method == "gd":
        return method, 20
    return method, None if rng.random() < 0.5 else int(rng.choice([0, 1, 2, 3, 5, 10]))


def optima(problem, Y) -> list[extended.Optimum]:
    """The optimum of each label and how far from it the oracle may be; equal labels once."""
    known: dict = {}
    for y in Y:
        if y.tobytes() not in known:
            known[y.tobytes()] = optimum(problem, y)
    return [known[y.tobytes()] for y in Y]


def optimum(problem, y) -> extended.Optimum:
    """By its own equations for an ETF, by Newton for any other W."""
    if problem.classifier is not None:
        return extended.optimum(problem.classifier, y, problem.lambda_h, problem.loss)
    with mp.workdps(digits(problem)):
        a = exact.sharpness(problem.multiplier, problem.classes, problem.lambda_h)
        h = feature(problem, exact.etf_logits(exact.complete(y), a, problem.loss))
        return extended.Optimum(h, mp.norm(h) * mpf(10) ** -exact.DIGITS)


def digits(problem) -> int:
    """Working digits of an ETF's optimum."""
    return exact.working_digits(problem.sharpness, problem.classes)


def feature(problem, z) -> list:
    """h of logits z, at the current precision."""
    if problem.multiplier == 0:
        return [mpf(0)] * (problem.classes - 1)
    gain = mpf(problem.multiplier) ** 2 * problem.classes / (problem.classes - 1)
    return exact.etf_feature(z, gain)


def candidates(rng, H, dtype):
    """Features that no solver made: the certificate is for any."""
    size = float(np.abs(H, dtype=float).max(initial=0.0)) if np.isfinite(H).all() else 1.0
    noise = rng.normal(size=H.shape)
    yield "near", (H * (1 + noise * draws.decade(rng, -16, 0))).astype(dtype)
    yield "far", (noise * size * draws.decade(rng, -3, 3)).astype(dtype)
    yield "small", (noise * draws.decade(rng, -180, -20)).astype(dtype)
    if rng.random() < 0.2:
        yield "not finite", np.where(noise > 1.5, [np.nan, np.inf][int(noise[0, 0] > 0)], H).astype(dtype)


def check_bound(record, problem, Y, H, truth, name) -> np.ndarray | None:
    """Certified distance ≥ true distance, for each label. Returns the true distances."""
    judged = record.attempt("certify", ufm.certify_features, problem, H, Y)
    if judged is None:
        return None
    bounds, errors = np.asarray(judged.distance, float), []
    for n, (bound, best) in enumerate(zip(bounds, truth)):
        error = exact.distance(H[n], best.point)
        errors.append(float(error))
        least = error - best.radius
        holds = not np.isnan(bound) and (np.isinf(bound) or mpf(float(bound)) >= least)
        record.expect(holds, "bound", f"{name} {n}: certified {bound:.3e}, true {mp.nstr(error, 5)}")
    return np.array(errors)


def check_solution(record, problem, Y, found, truth, default: bool) -> None:
    """The bound of a solution, and that the default method solves what it promises to."""
    errors = check_bound(record, problem, Y, found.H, truth, "solution")
    if errors is None or not default or found.H.dtype != np.float64:
        return
    sizes = np.array([float(mp.norm(best.point)) for best in truth])
    radii = np.array([float(best.radius) for best in truth])
    if 0 < problem.sharpness <= PROMISED:
        worst = float(np.max((errors - radii) / np.maximum(sizes, sizes.max() * 1e-3 + 1e-300)))
        record.expect(worst <= SOLVED, "solved", f"relative error {worst:.2e} after {found.steps} steps")


def check_prediction(record, problem, Y, truth) -> None:
    """The closed form within its stated rounding, and its derivative in a."""
    told = record.attempt("predict", ufm.predict_features, problem, Y)
    if told is None:
        return
    for n, best in enumerate(truth):
        check_closeness(record, "closed form", told.H[n], told.rounding[n], best.point, best.radius)
    if problem.multiplier > 0 and problem.classes <= 100:
        with mp.workdps(2 * digits(problem)):
            label = exact.complete(Y[0])
            a = exact.sharpness(problem.multiplier, problem.classes, problem.lambda_h)
            slope = exact.derivative(lambda a: exact.etf_logits(label, a, problem.loss), a, a)
            check_slope(record, "d_a", told, 0, feature(problem, slope))


def check_closeness(record, name, values, stated, truth, radius) -> None:
    """‖values − truth‖ ≤ stated."""
    error = exact.distance(values, truth)
    holds = np.isfinite(stated) and error <= mpf(float(stated)) + radius
    record.expect(holds, name, f"off by {mp.nstr(error, 5)}, stated {stated:.3e}")


def check_slope(record, name, told, n, truth) -> None:
    """A derivative within its stated rounding."""
    stated, size = getattr(told, f"rounding_{name}")[n], mp.norm(truth)
    error = exact.distance(getattr(told, name)[n], truth)
    relative = mp.nstr(error / size if size else error, 3)
    holds = np.isfinite(stated) and error <= mpf(float(stated))
    record.expect(
        holds, name, f"relative error {relative}, {mp.nstr(error, 3)} where {stated:.2e} is allowed"
    )


def check_pairs(record, rng, problem) -> None:
    """`predict_pairs` at a random pair, an edge or a class with itself, with both derivatives."""
    K = problem.classes
    i, j = rng.integers(0, K, (2, draws.COUNT))
    lam = np.array([draws.mixing_weight(rng) for _ in range(draws.COUNT)])
    told = record.attempt("predict pairs", ufm.predict_pairs, problem, i, j, lam)
    if told is None or problem.multiplier == 0 or K > 100:
        return
    with mp.workdps(2 * digits(problem)):
        a = exact.sharpness(problem.multiplier, K, problem.lambda_h)

        def logits(share, a=a):
            y = [mpf(0)] * K
            y[i[0]] += share
            y[j[0]] += 1 - share
            return exact.etf_logits(y, a, problem.loss)

        share = mpf(float(lam[0]))
        best = feature(problem, logits(share))
        radius = mp.norm(best) * mpf(10) ** -exact.DIGITS
        check_closeness(record, "pairs", told.H[0], told.rounding[0], best, radius)
        along = exact.derivative(logits, share, 1 / (1 + a))  # edge layers have width 1/a
        check_slope(record, "d_lam", told, 0, feature(problem, along))


def check_enclosure(record, problem, y, best) -> None:
    """The enclosure holds the oracle's optimum: each ball of h, or of z for an ETF."""
    if len(set(y.tolist())) > BALLS or problem.classes > 100:
        return
    if problem.classifier is None:
        ball = record.attempt(
            "enclose", ufm.enclose_etf, y, problem.multiplier, problem.lambda_h, problem.loss
        )
        with mp.workdps(digits(problem)):
            a = exact.sharpness(problem.multiplier, problem.classes, problem.lambda_h)
            truth = exact.etf_logits(exact.complete(y), a, problem.loss)
            check_balls(record, ball and ball.logits, truth, mp.norm(truth) * mpf(10) ** -exact.DIGITS)
        return
    if problem.dim > 4:
        return
    W = problem.classifier
    ball = record.attempt("enclose", ufm.enclose_features, y, W, problem.lambda_h, problem.loss)
    check_balls(record, ball and ball.feature, best.point, best.radius)


def check_balls(record, balls, truth, radius) -> None:
    """Each true number lies in its ball, up to the oracle's own radius."""
    if balls is None:
        return
    with mp.workdps(120):
        for ball, value in zip(balls, truth, strict=True):
            middle, width = mpf(ball.mid().str(110, radius=False)), mpf(ball.rad().str(20, radius=False))
            off = abs(middle - value)
            holds = off <= width * (1 + mpf(10) ** -15) + radius + abs(value) * mpf(10) ** -90
            record.expect(holds, "enclosure", f"off by {mp.nstr(off, 5)}, radius {mp.nstr(width, 5)}")
