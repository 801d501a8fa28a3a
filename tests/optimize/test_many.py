"""The joint problem of many classes: without a matrix a label, held against the dense route and its certificate.

Few classes, with the route of many classes forced; all laws have ATOMS labels of K classes: a loss compiles once.
"""

import subprocess
import sys
from functools import partial, partialmethod

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ufm.model.atoms as atoms
import ufm.optimize.joint as joint
import ufm.optimize.many.descent as descent
import ufm.runtime.devices as devices
from tests import shapes
from ufm.certify.joint import certify_joint
from ufm.loss import LOSSES
from ufm.model.atoms import FiniteLaw, JointProblem, finite_law
from ufm.model.laws import LabelLaw
from ufm.optimize.gram import (
    cut_law,
    gram_curvature,
    gram_hessian,
    half_curvature,
    logit_basis,
    symmetric_basis,
)
from ufm.optimize.joint import solve_joint
from ufm.optimize.many.tails import Tailed
from ufm.runtime.devices import one_device

CE, SE, BCE = "cross-entropy", "squared-error", "binary-cross-entropy"
K, ATOMS, GAP = 4, 64, 1e-9
padded = partial(shapes.padded, width=ATOMS)
SHARES = (0.55, 0.3, 0.1, 0.05)


def mixed() -> FiniteLaw:
    """Mixup of classes of unequal weight."""
    return padded(finite_law(LabelLaw("mixup", alpha=1.0, class_weights=SHARES), K, 4))


def soft_law() -> FiniteLaw:
    """Any labels: none is two-hot."""
    rng = np.random.default_rng(3)
    return FiniteLaw(rng.dirichlet(np.full(K, 0.5), ATOMS), rng.dirichlet(np.ones(ATOMS)))


def uneven() -> FiniteLaw:
    """One-hot labels of classes of unequal weight, the rarest of which collapse."""
    return padded(FiniteLaw(np.eye(K), np.array([0.48, 0.48, 0.02, 0.02])))


def own_penalties() -> FiniteLaw:
    """Each label with a penalty of its own."""
    law = soft_law()
    return FiniteLaw(law.labels, law.weights, rho=np.random.default_rng(4).uniform(0.5, 2.0, ATOMS))


@pytest.fixture
def many(monkeypatch):
    """Every problem is one of many classes."""
    monkeypatch.setattr(atoms, "DENSE", 0.0)


PROBLEMS = {
    "mixup": JointProblem(mixed(), 1e-3, 2e-3),
    "sharp": JointProblem(mixed(), 1e-7, 1e-7),
    "free bias": JointProblem(mixed(), 1e-3, 2e-3, lambda_b=0.0),
    "penalised bias": JointProblem(soft_law(), 2e-3, 1e-3, lambda_b=0.1),
    "own penalties": JointProblem(own_penalties(), 1e-3, 1e-3),
    "squared error": JointProblem(soft_law(), 1e-3, 1e-3, loss=SE),
    "binary": JointProblem(soft_law(), 1e-3, 1e-3, loss=BCE, lambda_b=0.0),
    "collapsed": JointProblem(uneven(), 0.25, 0.25),
    "trivial": JointProblem(soft_law(), 1.0, 1.0),
}


SLOW = ("free bias", "own penalties", "squared error", "binary")  # programs of their own


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n in SLOW)) for n in PROBLEMS])
def test_the_optimum_is_that_of_the_dense_route_and_certified(name, monkeypatch):
    problem, found = PROBLEMS[name], []
    for dense in (np.inf, 0.0):
        monkeypatch.setattr(atoms, "DENSE", dense)
        found.append(solve_joint(problem))
    plain, many = found
    gaps = [certify_joint(problem, point).relative_gap for point in found]
    assert many.converged and max(gaps) < GAP, gaps
    assert abs(many.objective / plain.objective - 1) <= max(gaps)
    assert np.linalg.matrix_rank(many.W, 1e-9) == np.linalg.matrix_rank(plain.W, 1e-9)


def test_few_classes_load_nothing_of_what_many_ask_for():
    script = (
        "import sys, jax, numpy as np\njax.config.update('jax_enable_x64', True)\n"
        "import ufm.model.atoms as atoms\nfrom ufm.optimize.joint import solve_joint\n"
        "problem = atoms.JointProblem(atoms.FiniteLaw(np.eye(2), np.ones(2) / 2), 1.0, 1.0)\n"
        "for atoms.DENSE in (1e8, 0.0):\n"
        "    solve_joint(problem)\n"
        "    print('ufm.optimize.many.descent' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["False", "True"]


def test_directions_are_lost_exactly_where_the_optimum_has_none(monkeypatch, many):
    lost, onto = [0], descent._onto_face

    def watched(law, stand):
        found = onto(law, stand)
        lost.append(law.lost)
        return found

    monkeypatch.setattr(descent, "_onto_face", watched)
    rank = np.linalg.matrix_rank(solve_joint(PROBLEMS["collapsed"]).W, 1e-9)
    assert 0 < rank < K - 1 and lost[-1] == K - 1 - rank
    assert not solve_joint(PROBLEMS["trivial"]).W.any() and lost[-1] == K - 1
    lost[:] = [0]
    solve_joint(PROBLEMS["mixup"])
    assert lost[-1] == 0


def test_a_face_that_is_not_the_optimum_is_not_called_one(monkeypatch, many):
    """A direction is dropped at the first step, though φ falls along it: the end says so, and the gap does."""
    problem = PROBLEMS["mixup"]
    monkeypatch.setattr(descent, "THIN", 0.7)
    monkeypatch.setattr(descent, "_onto_face", partial(dropped, descent._onto_face))
    monkeypatch.setattr(joint, "UNKNOWNS", 0)
    found = solve_joint(problem)
    assert np.linalg.matrix_rank(found.W, 1e-9) < K - 1
    assert not found.converged and certify_joint(problem, found).relative_gap > GAP
    monkeypatch.undo()
    assert solve_joint(problem).converged


def dropped(onto, law, stand):
    """`_onto_face`, told that there are no residuals: every thin direction then looks lost."""
    found = onto(law, stand._replace(sums=stand.sums._replace(M=0 * stand.sums.M)))
    return found if found.sums.M.any() else stand


# --- the pieces -------------------------------------------------------------------------------------------


def stand_of(problem: JointProblem):
    """The law in blocks, and a point near the start of the descent."""
    B = logit_basis(K, problem.loss)
    law = descent._Law(B, cut_law(problem, one_device()), one_device(), problem.loss)
    rng = np.random.default_rng(1)
    root = rng.standard_normal((B.shape[1], B.shape[1]))
    frame = law.frame(root @ root.T, B @ rng.standard_normal(B.shape[1]), rng.uniform(0.5, 1.0, K))
    h, one = law.call("begin", frame, law.labels), np.eye(B.shape[1])
    return law, law.advance(frame, one, 0 * one, 0.0, h, [0 * part for part in h], 200)


@pytest.mark.parametrize("loss", [CE, SE, BCE])
def test_curvature_is_that_of_the_dense_route(loss):
    """D²φ(D, db), by conjugate gradients a label, against the matrix that `gram` forms."""
    problem = JointProblem(soft_law(), 0.05, 0.04, lambda_b=0.3, loss=loss)
    law, stand = stand_of(problem)
    B, spec, weight = law.B, LOSSES[loss], jnp.asarray(problem.atoms.weights)
    k = B.shape[1]
    V, b = B.T @ stand.frame.W, B.T @ stand.frame.b
    h = np.concatenate(law.call("unfold", stand.h), 1)[:, :ATOMS]
    c = spec.curvature(jnp.asarray(B @ (V @ h + b[:, None]))).T
    T = half_curvature(V, jnp.asarray(B), 0.04, spec.coupling, c)
    dense = np.asarray(gram_hessian(gram_curvature(T @ V, T, jnp.asarray(h), weight, True), k, 0.0))
    rng = np.random.default_rng(2)
    D, db = rng.standard_normal((k, k)), rng.standard_normal(k)
    E, _ = symmetric_basis(k)
    image = dense @ np.concatenate([E @ (D + D.T).ravel(), db])
    _, curved, pull = law.curve(stand, D + D.T, B @ db, 1e-12)
    found = np.concatenate([E @ np.asarray(curved).ravel(), B.T @ np.asarray(pull)])
    assert np.allclose(found, image, rtol=1e-9, atol=1e-11 * np.abs(image).max())
    rough = law.curve(stand, D + D.T, B @ db, 1.0)[1]  # negative control: no round at all
    assert not np.allclose(rough, curved, rtol=1e-3)


def test_rough_curvature_is_a_float32_of_the_exact_one(monkeypatch):
    """And is used for systems that are solved roughly, of no more than its condition; never where it has failed."""
    monkeypatch.setattr(descent, "BRIEF", 0)
    law, stand = stand_of(JointProblem(soft_law(), 0.05, 0.04))
    D, db = np.eye(K - 1), np.zeros(K)
    (q, *exact), (p, *rough) = (
        law.call(name, stand.frame, D, db, stand.h, law.labels, 1e-3)[0] for name in CURVES
    )
    for one, other in zip((q, *exact), (p, *rough)):
        size = np.abs(one).max()
        assert 0 < np.abs(np.asarray(one) - np.asarray(other)).max() < 1e-4 * size
    called = []
    law.call = lambda name, *parts: called.append(name) or [(q, *exact)]
    law.curve(stand, D, db, 1e-3)
    law.curve(stand, D, db, 1e-7)
    law.exact = True
    law.curve(stand, D, db, 1e-3)
    assert called == ["rough curve", "curve", "curve"]


def test_programs_that_run_briefly_are_compiled_quickly(monkeypatch):
    """Where the compiler knows how, and none that runs long."""
    own, asked = devices.share, []

    def watched(function, mesh, inputs, outputs, quick, **static):
        asked.append((function.__name__, quick))
        return own(function, mesh, inputs, outputs, quick=quick, **static)

    monkeypatch.setattr(descent, "share", watched)
    stand_of(PROBLEMS["mixup"])
    assert asked and all(quick for _, quick in asked)
    monkeypatch.setattr(descent, "BRIEF", K * ATOMS - 1)
    asked.clear()
    descent._Law(logit_basis(K, CE), cut_law(PROBLEMS["mixup"], one_device()), one_device(), CE)
    assert {name for name, quick in asked if not quick} == {"advance", "curve"}
    assert devices.quick_options("cpu") and devices.quick_options("gpu") is None
    monkeypatch.setattr(jax, "jit", refused)
    assert devices.quick_options.__wrapped__("cpu") is None


def refused(function, compiler_options):
    """A compiler that knows none of the options."""
    raise jax.errors.JaxRuntimeError(f"No such compile option: {min(compiler_options)}")


def test_where_float32_fails_float64_takes_over(monkeypatch, many):
    monkeypatch.setattr(descent, "BRIEF", 0)
    monkeypatch.setattr(descent._Law, "curve", spoilt)
    found = solve_joint(PROBLEMS["mixup"])
    assert found.converged and certify_joint(PROBLEMS["mixup"], found).relative_gap < GAP
    monkeypatch.setattr(descent._Law, "curve", partialmethod(spoilt, always=True))  # negative control
    monkeypatch.setattr(joint, "UNKNOWNS", 0)
    assert not solve_joint(PROBLEMS["mixup"]).converged


CURVES, OWN = ("curve", "rough curve"), descent._Law.curve


def spoilt(law, stand, D, db, share, always=False):
    """A curvature of the wrong sign, until that has been noticed."""
    q, curved, pull = OWN(law, stand, D, db, share)
    return (q, curved, pull) if law.exact and not always else (q, -curved, -pull)


@pytest.mark.parametrize("coupling", [0.0, 1.0])
@pytest.mark.parametrize("lambda_h", [1e-8, 1e-2])
def test_systems_of_labels_are_solved_whatever_their_tails(coupling, lambda_h):
    """H⁻¹ f against a plain solve, for curvatures that are no tails at all; the norm of what is left is bounded."""
    rng, B = np.random.default_rng(7), logit_basis(6, CE)
    W = B @ rng.standard_normal((5, 5))
    tail = rng.uniform(0.1, 1.0, 6)
    ridge, turn = np.linalg.eigh((W.T * tail) @ W)
    W = W @ turn
    c = rng.dirichlet(np.full(6, 0.3), 8).T
    pair = np.argsort(-c, 0)[:2]
    tailed = Tailed(*map(jnp.asarray, (W, tail, ridge, pair, np.moveaxis(W[pair], -1, 1))))
    force = rng.standard_normal((5, 8))
    near = tailed.near(jnp.asarray(c), coupling, lambda_h)
    found = np.asarray(tailed.solve(near, jnp.asarray(force), jnp.asarray(c), coupling, lambda_h, 1e-9))
    for x, f, p in zip(found.T, force.T, c.T):
        H = W.T @ (np.diag(p) - coupling * np.outer(p, p)) @ W + lambda_h * np.eye(5)
        assert np.allclose(H @ x, f, atol=1e-5 * np.linalg.norm(f))


def test_the_preconditioner_saves_rounds(monkeypatch, many):
    """Where classes weigh differently: one product with D²φ is a round."""
    rounds, curve = [0], descent._Law.curve

    def counted(law, *parts):
        rounds[0] += 1
        return curve(law, *parts)

    monkeypatch.setattr(descent._Law, "curve", counted)
    solve_joint(PROBLEMS["mixup"])
    own, rounds[0] = rounds[0], 0
    monkeypatch.setattr(descent, "_precondition", lambda law, stand, bias, slopes: (slopes[0], 0 * slopes[1]))
    solve_joint(PROBLEMS["mixup"])
    assert rounds[0] > 1.2 * own


def test_blocks_and_threads_change_nothing(monkeypatch, many):
    whole = solve_joint(PROBLEMS["mixup"])
    monkeypatch.setattr(descent, "ENTRIES", 10 * K)
    monkeypatch.setattr(descent, "threads_for", lambda mesh: 3)
    parts = solve_joint(PROBLEMS["mixup"])
    assert parts.H.shape == whole.H.shape
    assert np.allclose(parts.H @ parts.W.T, whole.H @ whole.W.T, rtol=1e-8, atol=1e-8)
    assert parts.objective == pytest.approx(whole.objective, rel=1e-13)


def test_a_certificate_in_blocks_is_that_of_the_whole(monkeypatch):
    import ufm.certify.joint as judge

    problem = PROBLEMS["penalised bias"]
    found = solve_joint(problem)
    whole = certify_joint(problem, found)
    monkeypatch.setattr(judge, "WHOLE", 0)
    monkeypatch.setattr(judge, "ROWS", 7)
    parts = certify_joint(problem, found)
    assert parts.count == whole.count == ATOMS
    assert parts.objective == pytest.approx(whole.objective, rel=1e-14)
    assert parts.dual_objective == pytest.approx(whole.dual_objective, rel=1e-13)
    assert parts.stationarity == pytest.approx(whole.stationarity, rel=1e-3, abs=1e-12)
