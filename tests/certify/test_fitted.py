"""p of a candidate against ball arithmetic: no bound understates, none of an optimum is idle, no digit is shown
that is not certain."""

import jax
import numpy as np
import pytest
from mpmath import mp, mpf

from tests.children import strict
from ufm import solve
from ufm.agree.kernel import EtfStream, RowsStream
from ufm.certify.features import certify_features
from ufm.certify.values import fitted, fitted_error
from ufm.enclose.features import enclose_features
from ufm.model import rows as row_space
from ufm.model.problem import Problem
from ufm.optimize.features import solve_features
from ufm.output.text import resolved
from ufm.rules.soft_labels import normalise

RNG = np.random.default_rng(11)
FRAME = np.linalg.qr(RNG.normal(size=(4, 4)))[0][:, :3]
CLASSIFIERS = {
    "random": RNG.normal(size=(4, 3)),
    "ill-conditioned": FRAME * [1e3, 1.0, 1e-4] @ np.linalg.qr(RNG.normal(size=(3, 3)))[0],
}
Y = normalise(np.array([[1, 0, 0, 0], [0.3, 0.7, 0, 0], [0.1, 0.2, 0.3, 0.4], [1e-9, 0, 0, 1 - 1e-9]]))
losses = pytest.mark.parametrize("loss", ["cross-entropy", "squared-error"])


def truth(problem):
    """p* of each label as mpf, midpoints of balls of radius 1e-28."""
    balls = [enclose_features(y, problem.classifier, problem.lambda_h, problem.loss) for y in Y]
    if problem.loss == "cross-entropy":
        return [[exactly(v) for v in ball.probabilities] for ball in balls]
    with mp.workdps(40):
        return [[exactly(v) + mpf(1) / problem.classes for v in ball.logits] for ball in balls]


def exactly(ball):
    man, exp = ball.mid().man_exp()
    with mp.workdps(40):
        return mpf(int(man)) * mpf(2) ** int(exp)


def farthest(p, exact, bound):
    """The largest |p − p*| over its bound, to 40 digits."""
    with mp.workdps(40):
        return max(
            abs(mpf(a) - b) / mpf(c)
            for row in zip(p.tolist(), exact, bound.tolist())
            for a, b, c in zip(*row)
            if c < np.inf
        )


def space_of(problem):
    return RowsStream(problem, np.float64, jax.sharding.Mesh(np.array(jax.devices()[:1]), ("parts",)))


def bounds(problem, H):
    """p of candidates, and the bounds; those of the distance alone, and of the slope alone."""
    space = space_of(problem)
    found, size = certify_features(problem, H, Y), np.linalg.norm(H, axis=1)
    distance, slope = np.asarray(found.distance), np.asarray(found.gradient_norm)
    p, unknown = fitted(problem, H @ problem.W.T), np.full(len(H), np.inf)
    return p, *(
        fitted_error(problem.loss, p, size, distance, part, *space.reach) for part in (slope, unknown)
    )


@losses
@pytest.mark.parametrize("name", CLASSIFIERS)
@pytest.mark.parametrize("lambda_h", [1e-3, 1e-8])
def test_no_candidate_is_farther_than_its_bound(name, lambda_h, loss):
    problem = Problem(4, classifier=CLASSIFIERS[name], lambda_h=lambda_h, loss=loss)
    exact, best = truth(problem), solve_features(problem, Y).H
    others = [solve_features(problem, Y, max_steps=n).H for n in (0, 2)]
    others += [best * (1 + size * RNG.normal(size=best.shape)) for size in (1e-13, 1e-8, 1e-3, 1.0)]
    others += [best.astype(np.float32).astype(float)]
    for H in (best, *others):
        p, bound, _ = bounds(problem, H)
        assert farthest(p, exact, bound) <= 1
    p, bound, coarse = bounds(problem, best)
    assert (bound < 1e-5).all() and (bound <= coarse).all()
    if name == "ill-conditioned" and lambda_h == 1e-8 and loss == "squared-error":
        assert (coarse > 100 * bound).any()  # the distance alone knows little of p


def nothing(count):
    return np.zeros(count)


def softmax_of(z):
    with mp.workdps(60):
        masses = [mp.exp(v) for v in z]
        return [v / mp.fsum(masses) for v in masses]


@pytest.mark.parametrize("size", [1.0, 1e8])
def test_the_rounding_of_large_logits_is_in_the_bound(size):
    """h is the optimum: what p is off by comes from the logits of W h alone, here up to 1e-8 of 1e8."""
    H = np.array([[size, 0.3, 0.4], [size, -0.7, 0.1], [0.9 * size, 0.2, 0.2]])
    W = np.concatenate([np.full((4, 1), 1 + 2**-30), CLASSIFIERS["random"][:, 1:]], 1)
    problem = Problem(4, classifier=W)
    with mp.workdps(60):
        exact = [softmax_of([mp.fdot(w.tolist(), h.tolist()) for w in W]) for h in H]
    p, norm = fitted(problem, H @ W.T), np.linalg.norm(H, axis=1)
    bound = fitted_error(problem.loss, p, norm, nothing(3), nothing(3), *space_of(problem).reach)
    assert 1e-4 < farthest(p, exact, bound) <= 1
    alone = fitted_error(problem.loss, p, norm, nothing(3), nothing(3), space_of(problem).reach[0], 0.0)
    assert (farthest(p, exact, alone) > 1) == (size > 1), "without the rounding of logits"


def test_logits_and_norms_of_the_etf_are_those_of_centred_coordinates():
    """The mean of isometric coordinates does not count; what rounding moves logits by is within its share."""
    problem = Problem(3, 1.3)
    stream = EtfStream(problem, np.float64, jax.sharding.Mesh(np.array(jax.devices()[:1]), ("parts",)))
    q = RNG.normal(size=(3, 50))
    q -= q.mean(0)
    size, share = stream.reach
    np.testing.assert_allclose(stream.norms(q + 4.0), np.linalg.norm(q, axis=0), rtol=1e-13)
    with mp.workdps(40):
        root = mpf(1.3) * mp.sqrt(mpf(3) / 2)
        for row, column, norm in zip(stream.logits(q), q.T.tolist(), stream.norms(q)):
            mean = mp.fsum(map(mpf, column)) / 3
            off = max(abs(mpf(float(z)) - root * (mpf(v) - mean)) for z, v in zip(row, column))
            assert off <= size * share * norm


def test_the_rounding_of_softmax_itself_is_in_the_bound():
    z = 3 * RNG.normal(size=(50, 4))
    p = fitted(Problem(4, 1.0), z)
    bound = fitted_error("cross-entropy", p, nothing(50), nothing(50), nothing(50), 1.0, 0.0)
    assert 0.01 < farthest(p, [softmax_of(row) for row in z.tolist()], bound) <= 1
    assert (bound < 1e-14 * p).all()


def test_rounding_and_distance_are_taken_together():
    """p may be off by e^w of that of h, and this by e^m of p*: the product, not the sum."""
    m, off, p = 5.0, 0.05, np.array([[1e-3, 0.999]])
    bound = fitted_error(
        "cross-entropy", p, np.ones(1), np.full(1, m / np.sqrt(2)), np.full(1, np.inf), 1.0, off / 2
    )
    assert p[0, 0] * np.exp(m + off) - p[0, 0] <= bound[0, 0] <= 1.01 * p[0, 0] * np.exp(m + off)


@pytest.mark.parametrize("moved", [0.0, 1.0, 100.0, 700.0, 1e3])
def test_a_p_that_underflows_is_not_known_to_be_zero(moved):
    """z = (0, −750) at h, and (0, −750 + √2 moved) at h*."""
    p = fitted(Problem(2, 1.0), np.array([[0.0, -750.0]]))
    assert p[0, 1] == 0
    one = np.full(1, moved)
    bound = fitted_error("cross-entropy", p, np.ones(1), one, np.full(1, np.inf), 1.0, 0.0)
    exact = softmax_of([mpf(0), mpf(-750) + mp.sqrt(2) * moved])
    assert farthest(p, [exact], bound) <= 1 and bound[0, 1] > 0


def test_the_product_of_slope_and_distance_does_not_overflow():
    p, large = np.full((1, 2), 0.5), np.full(1, 1e200)
    assert (fitted_error("squared-error", p, nothing(1), large, large, 1e300, 0.0) < 1.01e200).all()


def test_what_the_coordinates_leave_out_moves_logits():
    """Planted: coordinates turned by 1e-6 out of the row space of a wide W, with their leak."""
    problem = Problem(4, classifier=RNG.normal(size=(4, 7)))
    space, W = space_of(problem), problem.classifier
    V = np.linalg.qr(space.judged.basis + 1e-6 * RNG.normal(size=(7, 4)))[0]
    unit = W * float(space.judged.length / space.judged.sharpness)
    leak = np.asarray(row_space._leak(unit, unit @ V, V))
    space.judged = space.judged._replace(basis=V, leak=leak)
    size, share = space.reach
    assert np.linalg.norm(W - W @ V @ V.T, 2) <= size * share < 1e-5 * size


@pytest.mark.parametrize(
    "value, bound, text",
    [
        (0.29904, None, "0.2990"),
        (0.29904, 0.0, "0.2990"),
        (0.29904, 1e-9, "0.2990"),
        (0.29904, 2e-3, "0.30"),
        (0.29904, 6e-3, "0.3"),
        (0.29904, 0.02, "0.3"),
        (0.29904, 0.2, "-"),
        (0.26, 0.09, "-"),
        (-1.39, 1.5, "-"),
        (-1.39, np.inf, "-"),
        (6.2e-7, 1e-12, "6.2e-07"),
        (6.2e-7, 4e-9, "6.2e-07"),
        (6.2e-7, 9e-9, "6e-07"),
        (6.2e-7, 3e-8, "6e-07"),
        (6.6e-7, 4e-8, "7e-07"),
        (6.6e-7, 6e-8, "0.0000"),
        (6.2e-7, 1e-6, "0.0000"),
        (6.2e-7, 2e-3, "0.00"),
        (np.nan, 1e-3, "-"),
    ],
)
def test_digits_shown_are_certain(value, bound, text):
    assert resolved(value, bound) == text


@pytest.mark.parametrize("bound", [1e-12, 3e-9, 2e-3, 0.04, 0.09])
def test_no_p_within_its_bound_is_a_unit_from_what_is_shown(bound):
    for value in [*RNG.random(200), *10 ** RNG.uniform(-8, -3, 200)]:
        if (text := resolved(value, bound)) == "-":
            continue
        digits = text.split("e")[0].partition(".")[2]
        unit = 10.0 ** ((int(text.split("e")[1]) if "e" in text else 0) - len(digits))
        assert abs(float(text) - value) + bound <= unit * (1 + 1e-9), (value, text)


def test_the_command_shows_no_p_that_is_not_known(call_main, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("W.npy", CLASSIFIERS["ill-conditioned"])
    argv = ("--classes", 4, "--classifier", "W.npy", "--loss", "squared-error", "--lambda-h", 1e-8)
    argv += ("--lam", 0.3)
    _, out, _ = call_main(solve.main, *argv, "--precision", "float32")
    cells = next(line for line in out.splitlines() if line.startswith("diff")).split()
    assert cells[5:7] == ["-", "-"] and "that are certain: within" in out
    _, out, _ = call_main(solve.main, *argv)
    cells = next(line for line in out.splitlines() if line.startswith("diff")).split()
    assert len(cells[5]) == len(cells[6]) == len("0.3000") and "that are certain" not in out
    _, out, _ = call_main(solve.main, *argv, "--json", "-")
    for row in strict(out)["features"]:
        assert 0 < row["numeric"]["p_bound"] < 1e-5
