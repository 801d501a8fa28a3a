"""p of a candidate against ball arithmetic: no bound understates, none of an optimum is idle, no digit is shown
that is not certain."""

import jax
import numpy as np
import pytest

from tests.children import strict
from ufm import solve
from ufm.agree.stream.spaces import ExplicitSpace
from ufm.certify.features import certify_features
from ufm.certify.values import fitted, fitted_error
from ufm.enclose.features import enclose_features
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
    """p* of each label, floats beside balls of radius 1e-28."""
    balls = [enclose_features(y, problem.classifier, problem.lambda_h, problem.loss) for y in Y]
    if problem.loss == "cross-entropy":
        return np.array([[float(v.mid()) for v in ball.probabilities] for ball in balls])
    return np.array([[float(v.mid()) for v in ball.logits] for ball in balls]) + 1 / problem.classes


def bounds(problem, H):
    """p of candidates, and the bounds; those of the distance alone, and of the slope alone."""
    space = ExplicitSpace(problem, np.float64, jax.sharding.Mesh(np.array(jax.devices()[:1]), ("parts",)))
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
        # the oracle's p* is a double
        assert (np.abs(p - exact) <= bound + 2e-16 * (1 + np.abs(exact))).all()
    p, bound, coarse = bounds(problem, best)
    assert (bound < 1e-5).all() and (bound <= coarse).all()
    if name == "ill-conditioned" and lambda_h == 1e-8 and loss == "squared-error":
        assert (coarse > 100 * bound).any()  # the distance alone knows little of p


@pytest.mark.parametrize(
    "value, bound, text",
    [
        (0.29904, None, "0.2990"),
        (0.29904, 0.0, "0.2990"),
        (0.29904, 1e-9, "0.2990"),
        (0.29904, 2e-3, "0.30"),
        (0.29904, 0.02, "0.3"),
        (0.29904, 0.2, "-"),
        (-1.39, 1.5, "-"),
        (-1.39, np.inf, "-"),
        (6.2e-7, 1e-12, "6.2e-07"),
        (6.2e-7, 9e-9, "6.2e-07"),
        (6.2e-7, 3e-8, "6e-07"),
        (6.6e-7, 6e-8, "7e-07"),
        (6.2e-7, 1e-6, "0.0000"),
        (6.2e-7, 2e-3, "0.00"),
        (np.nan, 1e-3, "-"),
    ],
)
def test_digits_shown_are_certain(value, bound, text):
    assert resolved(value, bound) == text


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
