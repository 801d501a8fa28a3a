"""The kernel of every table, `check_theorem`: true theorems agree, wrong ones fail, spoilt optima decide nothing.

Settings are small and share shapes (K = 3, or 2 and 4 where a theorem wants them), because most of the time
goes into compiling. A wrong formula is planted by patching what the claim calls, or the claim itself.
"""

import pickle
from contextlib import suppress
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from mpmath import mp, mpf
from scipy.optimize import minimize
from scipy.special import lambertw, softmax

import ufm.agree.theorem
import ufm.theory.features
import ufm.theory.theorems.assumptions as given
import ufm.theory.theorems.fixed as fixed
import ufm.theory.theorems.fixed_limits as fixed_limits
import ufm.theory.theorems.fixed_support as fixed_support
import ufm.theory.theorems.joint as joint
from tests import oracle
from ufm.agree.theorem import check_theorem
from ufm.agree.verdict import AGREES, FAILS, OUT_OF_HYPOTHESIS, PROVED, UNDECIDED
from ufm.certify.joint import certify_joint
from ufm.model.atoms import FiniteLaw, JointProblem, Point, finite_law
from ufm.model.laws import LabelLaw, cutmix, kway, label_variance, mixup, onehot, smooth, soft
from ufm.model.problem import Problem
from ufm.optimize.features import solve_features
from ufm.optimize.joint import solve_joint
from ufm.rules.errors import InputError
from ufm.theory.geometry.design import design
from ufm.theory.geometry.groups import grouped_mixup
from ufm.theory.geometry.hierarchy import hierarchical_labels
from ufm.theory.geometry.own_penalties import restoring_temperatures
from ufm.theory.theorems.catalogue import THEOREMS
from ufm.theory.theorems.free import design as designs
from ufm.theory.theorems.free import onehot as students
from ufm.theory.theorems.free import own_penalties as own
from ufm.theory.theorems.free import quadratic, response
from ufm.theory.theorems.free.groups import CYCLE, SUPERCLASSES
from ufm.theory.theorems.theorem import FeatureClaim, JointClaim, JointOptimum, Setting, joint_labels
from ufm.theory.thresholds import minority_collapse, triviality

pytestmark = pytest.mark.slow  # run by `proofs --check` as well

LAM = (0.0, 1e-6, 0.3, 0.5, 1.0)
NODES = 8
SE, BCE = "squared-error", "binary-cross-entropy"
FEATURES = [name for name, theorem in THEOREMS.items() if isinstance(theorem.claim, FeatureClaim)]
JOINT = [name for name, theorem in THEOREMS.items() if isinstance(theorem.claim, JointClaim)]
PLAIN = [*FEATURES, *JOINT]  # problems of another shape: test_variants
EQUALITIES = [name for name in FEATURES if THEOREMS[name].claim.relation == "="]
WEIGHTED = LabelLaw("mixup", alpha=1.0, class_weights=(0.6, 0.2, 0.2))
UNEVEN = np.array([0.5, 0.3, 0.2])
DESIGN = design(0.4 * np.array([[2.0, -1, -1], [-1, 1.5, -0.5], [-1, -0.5, 1.5]]), UNEVEN, 0.02, 0.02)
BALANCED = design(np.eye(3) - 1 / 3, UNEVEN, 0.02, 0.02)
RING = 0.7 * np.eye(3) + 0.1
TARGETS = FiniteLaw(
    np.array([[1.0, -2, 0.3], [0, 3, 1], [2, 2, -1], [-1, 0, 0]]), np.full(4, 0.25), real=True
)
TEMPERED = restoring_temperatures(UNEVEN, 1.0, 0.02, 0.02).upper ** -2
PAIRS, PAIR_WEIGHTS = np.r_[np.eye(3), (1 - np.eye(3)) / 2], np.repeat([0.2, 0.4], 3) / 1.8


def setting(K=3, *, c2=4e-4, ratio=1.0, sharpness=126.75, law=None, loss="cross-entropy", bias=None, **more):
    """λ_W λ_H = c2, λ_W/λ_H = ratio, and a fixed ETF of the given sharpness."""
    lambda_h = np.sqrt(c2 / ratio)
    problem = Problem(
        K,
        multiplier=float(np.sqrt(sharpness * lambda_h * (K - 1) / K)),
        lambda_h=float(lambda_h),
        lambda_w=float(np.sqrt(c2 * ratio)),
        law=mixup(1.0) if law is None else law,
        loss=loss,
    )
    return Setting(problem, LAM, bias, nodes=NODES, **more)


def fitting(name, **more):
    """A setting that satisfies the assumptions of the named theorem."""
    special = {
        "two-classes": {"K": 2},
        "squared-error-affine": {"loss": SE},
        "squared-error-joint": {"loss": SE, "bias": 0.0},
        "minority-collapse": {"law": WEIGHTED},
        "necessity": {"K": 4, "law": mixup(1.0, "cyclic")},
        "onehot-ce": {"law": onehot()},
        "label-smoothing": {"law": smooth(0.1)},
        "distillation": {"law": soft(0.7 * np.eye(3) + 0.1)},
        "inverse-design": {"law": soft(DESIGN.labels, DESIGN.weights)},
        "balancing-smoothing": {"law": soft(BALANCED.labels, BALANCED.weights)},
        "group-smoothing": {"law": soft(RING)},
        "superclass-collapse": {"K": 4, "law": soft(hierarchical_labels(2, 2, 0.2, 0.1))},
        "squared-imbalanced": {"loss": SE, "law": MINORITIES["one-hot"][0]},
        "squared-bias": {"loss": SE, "law": onehot(), "bias": 0.3},
        "polygon": {"K": 4, "law": onehot(), "free_dim": 2},
        "polygon-escape": {"K": 4, "law": onehot(), "free_dim": 2},
        "susceptibility": {"c2": 1e-2},
        "collapse-hessian": {"law": smooth(0.1)},
        "bce": {"law": smooth(0.1), "bias": 0.0, "free_loss": BCE},
        "bce-no-bias": {"law": onehot(), "free_loss": BCE},
        "restored-temperatures": {"law": soft(np.eye(3), UNEVEN), "rho": TEMPERED},
        "multi-label": {"law": soft(PAIRS, PAIR_WEIGHTS), "rho": np.array([1, 1, 1, 0.5, 0.5, 0.5])},
        "circulant-laws": {"K": 4, "law": mixup(1.0, "cyclic")},
        "superclass-laws": {"K": 4, "law": soft(*grouped_mixup(2, 2, 0.8, [0.1, 0.9], [0.5, 0.5]))},
        "regression": {"loss": SE, "bias": 0.0, "targets": TARGETS},
        "affine-limit": {"sharpness": 0.5},
        "many-classes": {"sharpness": 0.5},
    }
    found = special.get(name, {}) | more
    if found.get("law", mixup(1.0)).labels is None:  # only given labels have penalties of their own
        found["rho"] = None
    return setting(**found)


def verdict(theorem, where, **more):
    theorem = THEOREMS[theorem] if isinstance(theorem, str) else theorem
    return check_theorem(theorem, where, **more).verdict.word


# --- (a) every theorem, where it holds --------------------------------------------------------------------


@pytest.mark.parametrize("name", PLAIN)
def test_every_theorem_agrees(name):
    found = check_theorem(THEOREMS[name], fitting(name))
    assert found.theorem == name and found.verdict.word == AGREES, found.verdict
    assert found.error <= found.bound + found.theory_bound
    if found.predicted is not None and getattr(THEOREMS[name].claim, "relation", "=") == "=":
        assert found.numeric == pytest.approx(found.predicted, rel=1e-9, abs=1e-12), "the numbers shown"


def test_errors_are_relative_to_the_largest_prediction():
    """Some predictions of this theorem are zero."""
    found = check_theorem(THEOREMS["different-class"], fitting("different-class"))
    assert found.unit == abs(found.predicted) > 0


@pytest.mark.parametrize("name", PLAIN)
def test_every_theorem_is_proved(name):
    found = check_theorem(THEOREMS[name], fitting(name))
    exact = check_theorem(THEOREMS[name], fitting(name), rigorous=True)
    assert exact.verdict.word == PROVED, exact.verdict
    assert exact.bound <= found.bound
    assert exact.predicted == found.predicted


@pytest.mark.parametrize(
    "name", [name for name in FEATURES if name not in ("two-classes", "squared-error-affine")]
)
def test_two_classes_are_no_exception(name):
    where = fitting(name, K=2)
    three = given.THREE_CLASSES in THEOREMS[name].assumptions
    assert verdict(name, where) == (OUT_OF_HYPOTHESIS if three else AGREES)


@pytest.mark.parametrize("name", FEATURES)
@pytest.mark.parametrize(
    "sharpness",
    [1e-12, 1e12, *(pytest.param(a, marks=pytest.mark.slow) for a in (1e-90, 1e-3, 1e5, 1e15, 1e90))],
)
def test_extreme_sharpness_never_fails(name, sharpness):
    """Where rounding swamps a claim the verdict is `undecided`; claims on z itself hold over nine decades."""
    word = verdict(name, fitting(name, sharpness=sharpness))
    if (name in ("affine-limit", "many-classes") and sharpness > 1) or (
        name == "support-size" and sharpness < 20
    ):
        assert word == OUT_OF_HYPOTHESIS
        return
    assert word in (AGREES, UNDECIDED)
    on_logits = name in ("soft-label", "same-class", "different-class", "two-classes", "squared-error-affine")
    if on_logits and 1e-12 <= sharpness <= 1e15:
        assert word == AGREES


def exact_threshold(law, K):
    """The triviality threshold of the law as discretised here."""
    return triviality(finite_law(law, K, NODES), 1.0).value


@pytest.mark.parametrize("K", [pytest.param(2, marks=pytest.mark.slow), 3])
@pytest.mark.parametrize("share", [0.99, 1.01])
@pytest.mark.parametrize("ratio", [1e-6, 1.0, 1e6])
def test_triviality_on_both_sides(K, share, ratio):
    where = setting(K, c2=share * 2 / (3 * K), ratio=ratio)
    for name in ("trivial-threshold", "joint-etf", "duality", "equalised-residuals"):
        assert verdict(name, where) == AGREES, name
    found = check_theorem(THEOREMS["trivial-threshold"], where)
    assert (found.predicted == 0.0) == (share > 1)
    assert (check_theorem(THEOREMS["joint-etf"], where).predicted == 0.0) == (share > 1)


@pytest.mark.parametrize("share", [0.99, 1.01])
def test_squared_error_on_both_sides_of_its_threshold(share):
    where = fitting("squared-error-joint", c2=share * 2 / 9)
    # both the claim and the numbers are of the discretised law, whose threshold is half a percent higher
    assert verdict("squared-error-joint", where) == AGREES


MINORITIES = {
    "mixup": (WEIGHTED, 2 / 3 * 0.2),
    "one-hot": (LabelLaw("onehot", pairs="same", class_weights=(0.6, 0.2, 0.2)), 0.2),
    "smoothed": (replace(WEIGHTED, smoothing=0.2), 2 / 3 * 0.2 * 0.64),
    "a smaller class outside the group": (
        LabelLaw("onehot", pairs="same", class_weights=(0.1, 0.45, 0.45)),
        0.45,
    ),
}


@pytest.mark.parametrize("share", [0.99, 1.01])
@pytest.mark.parametrize("law, threshold", MINORITIES.values(), ids=MINORITIES)
def test_minority_collapse_on_both_sides(law, threshold, share):
    found = check_theorem(THEOREMS["minority-collapse"], setting(c2=share * threshold, law=law))
    assert found.verdict.word == AGREES, found.verdict
    assert (found.predicted == 0.0) == (share > 1)
    assert (found.numeric > 1e-3) == (share < 1)


@pytest.mark.parametrize("share", [0.99, 1.01])
@pytest.mark.parametrize("bias", [0.0, 0.3])
@pytest.mark.parametrize("kind", ["mixup", "one-hot"])
def test_a_bias_does_not_move_minority_collapse(kind, bias, share):
    law, threshold = MINORITIES[kind]
    found = check_theorem(THEOREMS["minority-collapse"], setting(c2=share * threshold, law=law, bias=bias))
    assert found.verdict.word == AGREES, found.verdict
    assert (found.predicted == 0.0) == (share > 1)


@pytest.mark.parametrize("bias", [None, 0.0])
@pytest.mark.parametrize("kind", ["mixup", "one-hot"])
def test_in_too_few_dimensions_minority_collapse_is_a_theorem_above_its_threshold_alone(kind, bias):
    """Three classes on a line: above it two of them are one point, certified, and below it they may be one all the
    same, which "exactly if" would deny."""
    law, threshold = MINORITIES[kind]
    above, below = (setting(c2=share * threshold, law=law, bias=bias, free_dim=1) for share in (1.01, 0.99))
    found = check_theorem(THEOREMS["minority-collapse"], above)
    assert found.verdict.word == AGREES and found.predicted == 0.0, found.verdict
    refused = check_theorem(THEOREMS["minority-collapse"], below).verdict
    assert refused.word == OUT_OF_HYPOTHESIS and 'only "if" holds for every d' in refused.reason
    W = solve_joint(below.joint, starts=4).W
    assert np.ptp(W[1:]) < 1e-6 < 0.1 < abs(W[0] - W[1])


def test_a_collapse_claimed_in_too_few_dimensions_fails_where_there_is_none():
    """A true optimum of one dimension, held against another group of classes."""
    where = setting(c2=0.14, law=WEIGHTED, free_dim=1)
    assert verdict("minority-collapse", where) == AGREES
    assert verdict("minority-collapse", believing(where, class_weights=(0.2, 0.6, 0.2))) == FAILS


@pytest.mark.parametrize("bias", [0.0, 0.3])
def test_a_bias_lowers_the_curvature_of_norms(bias, monkeypatch):
    """Three classes: the theorem agrees with a bias, and fails if it is told of none."""
    where, true = fitting("susceptibility", law=onehot(), bias=bias), response.pattern_susceptibility
    assert verdict("susceptibility", where) == AGREES
    monkeypatch.setattr(response, "pattern_susceptibility", lambda *given: true(*given[:3]))
    assert verdict("susceptibility", where) == FAILS


@pytest.mark.parametrize("c2", [1e-9, 1e-3, 0.1])
def test_necessity_far_from_its_threshold(c2):
    assert verdict("necessity", fitting("necessity", c2=c2)) == AGREES


def test_necessity_of_a_tiny_optimum_is_not_decided():
    """Just below the threshold every W Wᵀ is small and a tiny ETF is as good: the gap cannot tell, and says so."""
    law = mixup(1.0, "cyclic")
    where = fitting("necessity", c2=(1 - 1e-7) * exact_threshold(law, 4))
    found = check_theorem(THEOREMS["necessity"], where)
    assert found.verdict.word == UNDECIDED and "too large to tell" in found.verdict.reason


def test_merged_divergence_is_the_least_one():
    """−log(1 − Σ p_k + n (Π p_k)^{1/n}) over the group is min KL(q ‖ p) over q equal there."""
    p = np.random.default_rng(0).dirichlet(np.ones(4), 5)

    def divergence(t, row):  # q ∝ free softmax(t) with entries 2 and 3 equal
        q = np.exp(t[[0, 1, 2, 2]])
        q /= q.sum()
        return float(np.sum(q * np.log(q / row)))

    for row in p:
        least = minimize(divergence, np.zeros(3), args=(row,), tol=1e-12).fun
        nothing = np.zeros((4, 4))
        optimum = JointOptimum(
            nothing, nothing, nothing[0], np.log(row)[None], row[None], nothing, 0.0, 0.0, None, None
        )
        formula = joint.merged_divergence(np.ones(1), optimum, np.array([2, 3]))
        assert formula == pytest.approx(least, abs=1e-9)


@pytest.mark.parametrize("size", [1.0, 30.0])
def test_the_rounding_of_a_claim_grows_with_the_logits(size):
    """It is a sum of two: of logits larger than there are classes too."""
    zero, Z = np.zeros((3, 3)), np.array([[size, 0.0, -size]])
    optimum = JointOptimum(zero, zero, zero[0], Z, Z, zero, 1.0, 1e-20, None, None)
    for found in (joint.root_finding(0.0, 0.0, 0.0, optimum), joint.apart_finding(1.0, optimum)):
        assert 4e-16 * (3 + size) <= found.rounding <= 1e-13 * (3 + size)


@pytest.mark.parametrize("side", [-1, 1])
def test_a_multiplier_is_open_where_one_a_hundredth_away_does_as_well(side):
    """On either side; and a divergence that is 0.009 there is told from one of 0.011."""
    assert joint.blurred(lambda m: max(0.0, side * (m - 2.0)), 2.0, 1e-12)
    for allowed, is_open in ((0.009, False), (0.011, True)):
        assert bool(joint.blurred(lambda m: abs(m / 2.0 - 1), 2.0, allowed)) == is_open
    assert joint.blurred(lambda m: 0.0, 0.0, 1.0) is None


def test_the_divergence_of_squared_error_is_half_the_square():
    labels, weights, a = np.array([[1.0, 0.0, 0.0], [0.3, 0.7, 0.0]]), np.array([0.25, 0.75]), 4.0
    Z = 0.8 * (labels - 1 / 3) + 1 / 3
    assert joint.closed_form_divergence(labels, weights, Z, a, SE) < 1e-30
    moved = Z + np.array([[0.3, 0.0, 0.4], [0.0, 0.2, 0.0]])
    assert joint.closed_form_divergence(labels, weights, moved, a, SE) == pytest.approx(
        0.125 * 0.25 + 0.02 * 0.75
    )


def test_the_rounding_of_a_prediction_covers_its_error():
    """At vertices some logits of which are zero up to a constant, and for a classifier that is almost an ETF."""
    where = setting()
    claim, Y = THEOREMS["soft-label"].claim, fixed.soft_labels(where)
    found = claim.formula(where, Y)
    for y, values, rounding in zip(Y, found.values, found.rounding):
        with mp.workdps(40):
            exact = oracle.optimal_logits(y, mpf(where.problem.sharpness))
            off = mp.norm([mpf(u) - v for u, v in zip(values.tolist(), exact)])
        assert off <= rounding <= 1e-11 * max(1.0, np.abs(values).max())
    W = where.problem.W
    W = W + 9e-13 * np.abs(W).max() * np.eye(3)[:, : W.shape[1]]
    near = replace(where, problem=replace(where.problem, multiplier=None, classifier=W))
    distance = near.problem.etf_distance
    found = claim.formula(near, Y)
    assert 1e-13 < distance <= 1e-12
    assert (found.rounding >= distance * np.linalg.norm(found.values, axis=1)).all()


@pytest.mark.parametrize("K", [3, 5])
def test_the_labels_of_mixup_are_counted_before_they_are_made(K):
    assert joint_labels(mixup(1.0), K, NODES) == pytest.approx(
        len(finite_law(mixup(1.0), K, NODES).labels), rel=0.2
    )


# --- (b) each assumption ----------------------------------------------------------------------------------


def skewed(**more):
    """A fixed classifier that is no simplex ETF."""
    W = 0.05 * np.random.default_rng(0).standard_normal((3, 3))  # weak: limits are not excluded by it
    return Setting(Problem(3, classifier=W, lambda_w=0.02, lambda_h=0.02, **more), LAM, nodes=NODES)


def zero(K=3, **more):
    return Setting(Problem(K, multiplier=0.0, lambda_w=0.02, lambda_h=0.02, **more), LAM, nodes=NODES)


def skewed_pair():
    W = np.random.default_rng(0).standard_normal((2, 2))
    return Setting(Problem(2, classifier=W, lambda_h=0.02), LAM, nodes=NODES)


def penalty_free(name):
    where = fitting(name)
    return replace(where, problem=replace(where.problem, lambda_w=0.0))


def broken_settings(name):
    """(assumption, words of the reason, a setting that breaks that one alone)."""

    def fit(**more):
        with suppress(InputError):  # labels of another number of classes: none of this theorem's
            return fitting(name, **more)

    pair = name == "two-classes"
    loss = {"loss": SE} if name == "squared-error-affine" else {}
    yield given.ETF, "not a simplex ETF", skewed_pair() if pair else skewed(**loss)
    yield given.ALIVE, "classifier is zero", zero(2 if pair else 3, **loss)
    yield given.CROSS_ENTROPY, "squared error, not cross-entropy", fit(loss=SE)
    yield given.SQUARED_ERROR, "cross-entropy, not squared error", fit(loss="cross-entropy")
    for law in (smooth(0.1), kway(1.0), mixup(1.0, smoothing=0.1), onehot()):
        yield given.TWO_HOT, "not mixtures of two classes", fit(law=law)
    yield given.BINARY, "not binary cross-entropy", fit(free_loss="cross-entropy")
    yield given.TWO_HOT, "no two different", fit(law=mixup(1.0, "same"))
    yield given.INSIDE, "no mixing weight", replace(fit(), lam=(0.0, 1.0))
    yield given.WEAK, "not below 2", fit(sharpness=2.5)
    yield given.MANY, "not below 2K + 1", fit(sharpness=1.0)
    yield given.THREE_CLASSES, "K = 2", fit(K=2)
    yield given.TWO_CLASSES, "K = 3", fit(K=3)
    yield given.PENALISED, "lambda_W = 0", penalty_free(name)
    yield given.EACH_PENALISED, "lambda_W = 0", penalty_free(name)
    yield given.PENALISED, "one by one", fit(rho=np.ones(3)) if name == "inverse-design" else None
    if name == "squared-bias":
        yield given.PENALISED, "real numbers", fit(targets=TARGETS)
    if name == "multi-label":  # of which the loss would be broken too
        monkeyed = replace(fit(), targets=TARGETS)
        assert "real numbers" in str(given.EACH_PENALISED.broken(monkeyed))
    yield given.REAL_PENALISED, "lambda_W = 0", penalty_free(name)
    yield quadratic.REAL, "not real numbers", fit(targets=None)
    yield quadratic.NO_OR_FREE, "penalised", fit(bias=0.3)
    yield quadratic.RANK, "dim = 1", fit(free_dim=1)
    yield SUPERCLASSES, "no superclasses", fit(law=mixup(1.0))
    yield CYCLE, "no order of classes", fit(law=mixup(1.0))
    if name == "circulant-laws":
        yield CYCLE, "changes the label law", fit(law=soft(np.eye(4), np.array([0.4, 0.2, 0.2, 0.2])))
    if name == "superclass-laws":
        yield SUPERCLASSES, "mixed alike", fit(law=soft(np.eye(4)))
        for labels in (
            np.roll(np.eye(4), 1, 1) * 0.2 + 0.8 * np.eye(4),
            np.eye(4)[[0, 1]] / 2 + np.eye(4)[[1, 2]] / 2,
        ):
            yield SUPERCLASSES, "may be permuted", fit(law=soft(labels))
    for assumption in (own.RESTORED, own.SETS):
        yield assumption, "penalised alike", fit(rho=None)
    if name in ("restored-temperatures", "multi-label"):
        yield from broken_penalties(fit)
    yield given.EXCHANGEABLE, "not exchangeable", fit(law=WEIGHTED)
    yield given.ROOM, "dim = 1", fit(free_dim=1)
    yield given.NO_BIAS, "has a bias", fit(bias=0.0)
    yield given.NO_BIAS, "has a bias", fit(bias=0.5)
    yield given.FREE_BIAS, "not free", fit(bias=None)
    yield given.FREE_BIAS, "not free", fit(bias=0.5)
    yield given.WEIGHTED, "with class weights", fit(law=mixup(1.0))
    yield given.WEIGHTED, "with class weights", fit(law=replace(WEIGHTED, pairs="different"))
    yield given.WEIGHTED, "not drawn independently", fit(law=replace(WEIGHTED, pairs="same"))
    yield given.WEIGHTED, "no two classes", fit(law=replace(WEIGHTED, class_weights=(0.5, 0.3, 0.2)))
    yield (
        given.WEIGHTED,
        "all classes have the same weight",
        fit(law=replace(WEIGHTED, class_weights=(1 / 3,) * 3)),
    )
    yield given.ONE_HOT, "are smoothed", fit(law=smooth(0.1))
    for assumption in (given.ONE_HOT, given.SMOOTHED):
        yield assumption, "not those of single classes", fit(law=mixup(1.0))
        yield assumption, "not those of single classes", fit(law=MINORITIES["one-hot"][0])
    made = (designs.DESIGNED, designs.BALANCED, designs.INVARIANT, designs.HIERARCHICAL)
    for assumption in made:
        yield assumption, "classes are mixed", fit(law=mixup(1.0))
        yield assumption, "not one for each of", fit(law=soft(np.full((2, 3), 1 / 3)))
        yield assumption, "not one for each of", fit(law=soft(np.full((2, 4), 1 / 4)))
    yield designs.DESIGNED, "not positive", fit(law=soft(np.eye(3)[[1, 2, 0]]))
    yield (
        designs.DESIGNED,
        "negative eigenvalue",
        fit(law=soft(np.array([[0.2, 0.4, 0.4], [0.4, 0.2, 0.4], [0.4, 0.4, 0.2]]))),
    )
    yield (
        designs.DESIGNED,
        "no one W",
        fit(law=soft(np.array([[0.8, 0.1, 0.1], [0.1, 0.7, 0.2], [0.05, 0.05, 0.9]]))),
    )
    yield designs.BALANCED, "not (1−ε_k)", fit(law=soft(DESIGN.labels, DESIGN.weights))
    yield designs.BALANCED, "not below 1", fit(law=soft(np.full((3, 3), 1 / 3)))
    yield designs.BALANCED, "different gains", fit(law=soft(np.eye(3), UNEVEN))
    yield designs.INVARIANT, "not as likely", fit(law=soft(RING, UNEVEN))
    yield (
        designs.INVARIANT,
        "not symmetric",
        fit(law=soft(np.array([[0.8, 0.2, 0], [0, 0.8, 0.2], [0.2, 0, 0.8]]))),
    )
    yield designs.INVARIANT, "not positive", fit(law=soft(np.eye(3)[[0, 2, 1]]))
    yield (
        designs.INVARIANT,
        "different sums",
        fit(law=soft(np.array([[0.8, 0.15, 0.05], [0.15, 0.7, 0.15], [0.05, 0.15, 0.8]]))),
    )
    yield designs.INVARIANT, "negative eigenvalue", fit(law=soft(0.4 - 0.2 * np.eye(3)))
    yield designs.HIERARCHICAL, "not as likely", fit(law=soft(np.eye(4), np.array([0.4, 0.2, 0.2, 0.2])))
    yield designs.HIERARCHICAL, "no groups", fit(law=soft(np.eye(4)))
    yield quadratic.SINGLE, "not one-hot", fit(law=smooth(0.1))
    yield quadratic.ROOMY, "dim = 2 < 3", fit(free_dim=2)
    yield quadratic.SOME_BIAS, "no bias", fit(bias=None)
    yield quadratic.FOUR, "enough for a simplex", fit(K=3)
    yield students.TEACHER, "one given label a class", fit(law=onehot())
    yield students.TEACHER, "rate all wrong classes", fit(law=soft(np.array([[0.7, 0.2, 0.1]] * 3)))
    yield students.TEACHER, "not as likely", fit(law=soft(0.7 * np.eye(3) + 0.1, UNEVEN))
    yield quadratic.PLANAR, "dim = 3, not 2", fit(free_dim=3)
    yield response.FEW, "too many to write", fit(free_dim=300)
    yield response.ALIVE, "optimum is zero", fit(c2=1.0)
    yield fixed_support.SHARP, "below e", fit(sharpness=0.5)
    yield fixed_support.SHARP, "not sharp enough", fit(sharpness=20.0)
    yield joint.ROOM_TO_PART, "dim = 1 < 2 = K - 1, below the threshold", fit(free_dim=1)
    yield given.CYCLIC, "below four classes", fit(K=3)
    for law in (mixup(1.0), cutmix(1.0, "cyclic"), mixup(1.0, "cyclic", 0.1)):
        yield given.CYCLIC, "not mixup of cyclic pairs", fit(law=law)


def broken_penalties(fit):
    """Of labels with penalties of their own."""
    yield own.RESTORED, "not e_1", fit(law=soft(np.roll(np.eye(3), 1, 0), UNEVEN))
    yield own.RESTORED, "not below 1", fit(rho=1e4 * TEMPERED)
    yield own.RESTORED, "different gains", fit(rho=np.ones(3))
    yield own.SETS, "not 1_S", fit(law=soft(0.9 * PAIRS + 1 / 30, PAIR_WEIGHTS))
    yield own.SETS, "not the same for all", fit(rho=np.ones(6))
    yield own.SETS, "as likely", fit(law=soft(PAIRS, np.r_[0.3, 0.3, 0.1, 0.1, 0.1, 0.1]))
    yield own.SETS, "as likely", fit(law=soft(PAIRS, np.r_[0.5, 0.5, 0, 0, 0, 0]))
    yield own.SETS, "as likely", fit(law=soft(PAIRS[[0, 1, 1, 2, 3, 4]]), rho=np.r_[1, 1, 1, 1, 0.5, 0.5])


@pytest.mark.parametrize("name", PLAIN)
def test_each_assumption_is_needed_and_named(name, monkeypatch):
    """Out of hypothesis, with the reason, and before any work is done."""

    def never(*args, **more):
        raise AssertionError("solved out of hypothesis")

    monkeypatch.setattr(ufm.agree.theorem, "solve_features", never)
    monkeypatch.setattr(ufm.agree.theorem, "solve_joint", never)
    theorem, covered = THEOREMS[name], set()
    mine = set(theorem.assumptions)
    for assumption, words, where in broken_settings(name):
        if assumption not in mine or where is None:
            continue
        covered.add(assumption)
        assert [each for each in theorem.assumptions if each.broken(where)] == [assumption], words
        found = check_theorem(theorem, where)
        assert found.verdict.word == OUT_OF_HYPOTHESIS and words in found.verdict.reason, found
        assert found[1:6] == (None,) * 5
        assert check_theorem(theorem, where, rigorous=True).verdict == found.verdict
    assert covered == mine


# --- (c) a wrong formula fails ----------------------------------------------------------------------------


def planted(name, **changes):
    """The theorem with parts of its claim replaced by functions of the right ones."""
    theorem = THEOREMS[name]
    parts = {part: change(getattr(theorem.claim, part)) for part, change in changes.items()}
    return replace(theorem, claim=replace(theorem.claim, **parts))


def times(factor):
    def change(formula):
        def wrong(where, labels):
            claim = formula(where, labels)
            return claim._replace(values=factor * claim.values)

        return wrong

    return change


@pytest.mark.parametrize("name", [name for name in EQUALITIES if name != "calibration"])
@pytest.mark.parametrize("factor", [1 + 1e-6, -1.0, np.nan])
def test_a_formula_off_by_a_millionth_fails(name, factor):
    theorem = planted(name, formula=times(factor))
    word = verdict(theorem, fitting(name))
    if np.isnan(factor):  # no number is no agreement
        assert word in (FAILS, UNDECIDED)
    else:
        assert word == FAILS


@pytest.mark.parametrize("name", EQUALITIES)
@pytest.mark.parametrize("factor", [1 + 1e-5, 2 / 3, 1.5], ids=["1e-5", "m^2 for m^2 K/(K-1)", "twice"])
def test_a_wrong_sharpness_fails(name, factor, monkeypatch):
    """Everything in ufm.theory.theorems.fixed takes a from `Problem.sharpness`; the numerical route never does."""
    where = fitting(name)
    monkeypatch.setattr(Problem, "sharpness", property(lambda p: factor * p.gain / p.lambda_h))
    assert verdict(name, where) == FAILS


@pytest.mark.parametrize("name", ["same-class", "different-class", "soft-label", "two-classes"])
def test_labels_in_another_order_fail(name):
    theorem = planted(name, formula=lambda right: lambda where, labels: right(where, labels[:, ::-1]))
    if name == "different-class":  # blind to the order of the classes, not to that of λ and 1 − λ
        theorem = planted(name, measure=lambda right: lambda where, Y, z: right(where, Y, z)[:, [1, 0, 2]])
    assert verdict(theorem, fitting(name)) == FAILS


TWO_HOT = {
    "x off by a millionth": lambda right: lambda lam, a, K: bigger(right(lam, a, K), 1 + 1e-6),
    "sign": lambda right: lambda lam, a, K: bigger(right(lam, a, K), -1.0),
    "a for a/2": lambda right: lambda lam, a, K: right(lam, 2 * a, K),
    "another K": lambda right: lambda lam, a, K: right(lam, a, K - 1 if K > 2 else K + 1),
    "lambda for 1 - lambda": lambda right: lambda lam, a, K: right(1 - np.asarray(lam), a, K),
}


def bigger(best, factor):
    return best._replace(x_i=best.x_i * factor, x_j=best.x_j * factor, gap=best.gap * factor)


@pytest.mark.parametrize("name", ["same-class", "different-class", "two-classes", "edge-slopes"])
@pytest.mark.parametrize("change", TWO_HOT.values(), ids=TWO_HOT)
def test_a_wrong_two_hot_optimum_fails(name, change, monkeypatch):
    where = fitting(name)
    if name == "edge-slopes":
        where = fitting(name, sharpness=1.0)  # small bounds: these slopes feel x only weakly
    monkeypatch.setattr(fixed, "two_hot_optimum", change(fixed.two_hot_optimum))
    assert verdict(name, where) == FAILS


LABEL = {
    "x off by a millionth": lambda right: (
        lambda Y, n, a: right(Y, n, a)._replace(x=right(Y, n, a).x * (1 + 1e-6))
    ),
    "a for 2a": lambda right: lambda Y, n, a: right(Y, n, a / 2),
    "labels in another order": lambda right: lambda Y, n, a: right(Y[:, ::-1], n, a),
    "labels squared": lambda right: lambda Y, n, a: right(Y**2 / (Y**2).sum(1, keepdims=True), n, a),
    "another loss": lambda right: lambda Y, n, a: right(Y, n, a, "squared-error"),
}


@pytest.mark.parametrize("change", LABEL.values(), ids=LABEL)
def test_a_wrong_label_optimum_fails(change, monkeypatch):
    monkeypatch.setattr(fixed, "label_optimum", change(fixed.label_optimum))
    assert verdict("soft-label", fitting("soft-label")) == FAILS


@pytest.mark.parametrize("name", ["soft-label", "same-class", "different-class", "two-classes"])
@pytest.mark.parametrize("what", ["excess", "reference"])
def test_a_wrong_root_fails(name, what, monkeypatch):
    """The two scalar roots under every closed form, uncompiled, so that the patch is seen and not kept."""
    features = ufm.theory.features
    monkeypatch.setattr(fixed, "label_optimum", features.label_optimum)
    monkeypatch.setattr(fixed, "two_hot_optimum", features.two_hot_optimum)
    if what == "excess":
        right = features.excess_logit
        monkeypatch.setattr(features, "excess_logit", lambda o, b: right(o, b) * (1 + 1e-6))
    else:
        right_o = features.reference_mass
        monkeypatch.setattr(features, "reference_mass", lambda b, n: right_o(b, n) * (1 + 1e-5))
    assert verdict(name, fitting(name)) == FAILS


@pytest.mark.parametrize("name", ["calibration", "edge-slopes"])
def test_a_wrong_softmax_in_the_measure_fails(name, monkeypatch):
    wrong = SimpleNamespace(softmax=lambda z, axis=None: softmax(z * (1 + 1e-4), axis))
    monkeypatch.setattr(fixed, "scipy", SimpleNamespace(special=wrong))
    assert verdict(name, fitting(name)) == FAILS


INEQUALITIES = {
    # a²/2 is attained for K = 2 and a → 0
    "affine-limit": (times(0.99), fitting("affine-limit", K=2, sharpness=1e-3)),
    # at most a quarter of B is used
    "channel-limit": (times(0.1), fitting("channel-limit", sharpness=1e4)),
    "strong-convexity": (
        lambda right: lambda where, Y: right(where, Y)._replace(values=np.full((len(Y), 3), -1e-9)),
        fitting("strong-convexity", K=2, sharpness=1e-3),
    ),
}


@pytest.mark.parametrize("name", INEQUALITIES)
def test_an_inequality_that_promises_too_much_fails(name):
    change, where = INEQUALITIES[name]
    assert verdict(name, where) == AGREES
    assert verdict(planted(name, formula=change), where) == FAILS


@pytest.mark.parametrize("factor", [0.8, 1.25, -1.0])
def test_another_limit_of_the_channel_fails(factor, monkeypatch):
    wrong = SimpleNamespace(lambertw=lambda x: factor * lambertw(x))
    monkeypatch.setattr(fixed_limits, "scipy", SimpleNamespace(special=wrong))
    assert verdict("channel-limit", fitting("channel-limit", sharpness=1e4)) == FAILS


def other_multiplier(change):
    right = joint.pattern_multiplier

    def wrong(patterns, lambda_w, lambda_h, loss="cross-entropy"):
        return change(lambda w: right(patterns, w, lambda_h, loss), lambda_w)

    return wrong


MULTIPLIERS = {
    "a off by a hundredth": lambda solve, w: scaled(solve(w), 1.01),
    "a too small": lambda solve, w: scaled(solve(w), 0.99),
    "a doubled": lambda solve, w: scaled(solve(w), 2.0),
    "no ETF": lambda solve, w: scaled(solve(w), 0.0),
    "K for K-1 in the equation": lambda solve, w: solve(w * 3 / 2),
}


def scaled(best, factor):
    return best._replace(sharpness=factor * best.sharpness, value=np.sqrt(factor) * best.value)


@pytest.mark.parametrize(
    "name, rigorous",
    [
        ("joint-etf", False),
        ("joint-etf", True),
        ("squared-error-joint", False),
        ("squared-error-joint", True),
    ],
)
@pytest.mark.parametrize("change", MULTIPLIERS.values(), ids=MULTIPLIERS)
def test_a_wrong_multiplier_fails(name, change, rigorous, monkeypatch):
    monkeypatch.setattr(joint, "pattern_multiplier", other_multiplier(change))
    assert verdict(name, fitting(name), rigorous=rigorous) == FAILS


@pytest.mark.parametrize(
    "change",
    [
        lambda right: lambda Y, a: right(Y, 1.01 * a),
        lambda right: lambda Y, a: right(np.roll(Y, 1, axis=1), a),
        lambda right: lambda Y, a: Y * 0.9 + 0.1 / 3,
    ],
    ids=["another a", "other classes", "smoothed labels"],
)
def test_wrong_predictions_fail(change, monkeypatch):
    monkeypatch.setattr(joint, "predictions", change(joint.predictions))
    assert verdict("joint-etf", fitting("joint-etf")) == FAILS


def believing(where, **changes):
    """The setting with its joint problem as it is, and another law in the eyes of the theorem."""
    law = replace(where.problem.law, **changes)
    other = Setting(replace(where.problem, law=law), where.lam, where.lambda_b, where.free_dim, where.nodes)
    other.__dict__["joint"] = where.joint
    return other


def test_a_triviality_threshold_too_low_fails():
    """The theorem thinks α = 2, threshold 3/15 = 0.2; the truth is 2/9."""
    where = setting(c2=0.21)
    assert verdict("trivial-threshold", where) == AGREES
    assert verdict("trivial-threshold", believing(where, alpha=2.0)) == FAILS


def test_a_triviality_threshold_too_high_fails():
    """α = 0.5: threshold 1/4. No gap tells p = 1/K from its neighbours; the moment of the labels does."""
    where = setting(c2=0.235)
    assert verdict("trivial-threshold", where) == AGREES
    assert verdict("trivial-threshold", believing(where, alpha=0.5)) == FAILS


LAWS = (mixup(1.0, smoothing=0.2), mixup(1.0, "different"), cutmix(1.0), kway(1.0), onehot(), smooth(0.3))


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)
def test_the_triviality_threshold_holds_for_every_exchangeable_law(law):
    """On both sides of σ² = (E‖y‖² − 1/K)/(K−1), and no further from it than 8 nodes for λ resolve."""
    threshold = label_variance(law, 3)
    words = {
        share: verdict("trivial-threshold", setting(c2=share * threshold, law=law)) for share in (0.8, 1.25)
    }
    assert set(words.values()) == {AGREES}, words


@pytest.mark.parametrize("power", [1, 3])
def test_smoothing_that_enters_a_threshold_to_another_power_fails(power, monkeypatch):
    """(1−δ) and (1−δ)³ in place of (1−δ)²: the first was 1.125 times the truth, and was left open."""
    law = mixup(1.0, smoothing=1 / 9)
    truth = label_variance(law, 3)
    where = setting(c2=truth * (1.05 if power == 1 else 0.95), law=law)
    assert verdict("trivial-threshold", where) == AGREES
    monkeypatch.setattr(joint, "label_variance", lambda *_: truth * (8 / 9) ** (power - 2))
    assert verdict("trivial-threshold", where) == FAILS


@pytest.mark.parametrize("change", [{"alpha": 2.0}, {"smoothing": 0.05}])
def test_a_collapse_threshold_too_low_fails(change):
    """ρ q_B = 2/15 = 0.1333 in truth; 3/25 = 0.12 with α = 2."""
    where = setting(c2=0.13, law=WEIGHTED)
    assert verdict("minority-collapse", where) == AGREES
    assert verdict("minority-collapse", believing(where, **change)) == FAILS


def test_a_collapse_threshold_too_high_fails():
    where = setting(c2=0.14, law=WEIGHTED)
    assert verdict("minority-collapse", where) == AGREES
    assert verdict("minority-collapse", believing(where, alpha=0.5)) == FAILS


def test_the_minority_of_cutmix_collapses_at_its_own_threshold():
    law = replace(cutmix(1.0), class_weights=(0.6, 0.2, 0.2))
    threshold = minority_collapse(law, 3, 1.0)[0].value
    for share in (0.9, 1.1):
        assert verdict("minority-collapse", setting(c2=share * threshold, law=law)) == AGREES


def finding_at(c2, name, **change):
    """A theorem's own finding at an optimum, and at the same with another moment of the labels."""
    where, kept = setting(c2=c2), []
    theorem = THEOREMS[name]
    keep = JointClaim(lambda *args: kept.append(args) or theorem.claim.judge(*args))
    check_theorem(replace(theorem, claim=keep), where)
    return theorem.claim.judge(kept[0][0], kept[0][1]._replace(**change))


@pytest.mark.parametrize("name", ["trivial-threshold", "joint-etf"])
@pytest.mark.parametrize("c2, excess", [(0.1, -0.3), (0.4, 0.3)])
def test_the_moment_decides_both_sides_and_only_beyond_its_rounding(name, c2, excess):
    """Threshold 2/9: zero claimed with λ_max above c², and "not zero" claimed with λ_max below."""
    assert not finding_at(c2, name).exceeds
    assert finding_at(c2, name, excess=lambda *_: (excess, 0.1)).exceeds
    assert not finding_at(c2, name, excess=lambda *_: (excess, 0.4)).exceeds


@pytest.mark.parametrize("name, what", [("trivial-threshold", "variance"), ("minority-collapse", "moment")])
def test_a_wrong_shipped_threshold_fails(name, what, monkeypatch):
    """Just below the true threshold, a shipped formula 10 % too low calls a living optimum dead."""
    law, threshold = (mixup(1.0), 2 / 9) if what == "variance" else (WEIGHTED, 2 / 15)
    where = setting(c2=0.95 * threshold, law=law)
    assert verdict(name, where) == AGREES
    if what == "variance":
        true = joint.label_variance
        monkeypatch.setattr(joint, "label_variance", lambda *args: 0.9 * true(*args))
    else:
        true = joint.minority_collapse
        monkeypatch.setattr(
            joint,
            "minority_collapse",
            lambda *args: [t._replace(value=0.9 * t.value, ratio=t.ratio / 0.9) for t in true(*args)],
        )
    assert verdict(name, where) == FAILS


def test_another_group_that_does_not_collapse_fails():
    where = setting(c2=0.14, law=WEIGHTED)
    assert verdict("minority-collapse", believing(where, class_weights=(0.2, 0.6, 0.2))) == FAILS


@pytest.mark.parametrize("factor", [2.0, 1.001, 1 - 1e-6])
def test_another_moment_of_the_residuals_fails(factor, monkeypatch):
    where = fitting("equalised-residuals")
    monkeypatch.setattr(JointProblem, "product", property(lambda p: factor * p.lambda_w * p.lambda_h))
    assert verdict("equalised-residuals", where) == FAILS


def test_a_wrong_residual_moment_fails(monkeypatch):
    right = ufm.agree.theorem._optimum
    monkeypatch.setattr(ufm.agree.theorem, "_optimum", lambda *a: right(*a)._replace(M=1.001 * right(*a).M))
    assert verdict("equalised-residuals", fitting("equalised-residuals")) == FAILS


@pytest.mark.parametrize("factor", [0.0, 0.3])
def test_a_gap_that_understates_fails(factor, monkeypatch):
    """Weak duality is tested at other points: their reported gap must cover their true suboptimality."""

    def lying(*args):
        found = certify_joint(*args)
        return replace(found, gap=factor * found.gap)

    monkeypatch.setattr(ufm.agree.theorem, "certify_joint", lying)
    assert verdict("duality", fitting("duality")) == FAILS


def test_necessity_is_not_confirmed_where_the_optimum_is_an_etf():
    theorem = replace(THEOREMS["necessity"], assumptions=())
    for law in (mixup(1.0), kway(1.0)):
        assert verdict(theorem, setting(law=law)) == UNDECIDED


def test_a_bound_that_ball_arithmetic_contradicts_fails(monkeypatch):
    right = ufm.agree.theorem.certify_features

    def lying(*args):
        found = right(*args)
        return found._replace(distance=0 * np.asarray(found.distance))

    monkeypatch.setattr(ufm.agree.theorem, "certify_features", lying)
    found = check_theorem(THEOREMS["soft-label"], fitting("soft-label", sharpness=1e6), rigorous=True)
    assert found.verdict.word in (FAILS, PROVED)  # the features may be exact to within the slack for rounding
    spoilt = spoil_features("scaled by 1.5")
    monkeypatch.setattr(ufm.agree.theorem, "solve_features", spoilt)
    found = check_theorem(THEOREMS["soft-label"], fitting("soft-label"), rigorous=True)
    assert found.verdict.word == FAILS and "ball arithmetic" in found.verdict.reason


def test_a_joint_bound_that_ball_arithmetic_contradicts_fails(monkeypatch):
    right = ufm.agree.theorem.certify_joint
    monkeypatch.setattr(ufm.agree.theorem, "certify_joint", lambda *a: replace(right(*a), gap=0.0))
    found = check_theorem(THEOREMS["joint-etf"], fitting("joint-etf"), rigorous=True)
    assert found.verdict.word == FAILS and "ball arithmetic" in found.verdict.reason


# --- (d) a spoilt optimum decides nothing -----------------------------------------------------------------


KEPT = {}


def once(solve, *given):
    """What a solver finds, kept: a dozen ways to spoil it begin with the same."""
    key = solve.__name__, pickle.dumps(given)
    if key not in KEPT:
        KEPT[key] = solve(*given)
    return KEPT[key]


def moved(problem, found, H):
    return found._replace(H=H, logits=H @ problem.W.T)


def spoil_features(kind):
    """`solve_features`, spoilt consistently: features and the logits that belong to them."""
    rng = np.random.default_rng(3)

    def spoilt(problem, labels):
        found = once(solve_features, problem, labels)
        noise = rng.standard_normal(found.H.shape) * np.abs(found.H).max()
        return {
            "one step": lambda: solve_features(problem, labels, max_steps=1),
            "no step": lambda: solve_features(problem, labels, max_steps=0),
            "scaled by 1.5": lambda: moved(problem, found, 1.5 * found.H),
            "negated": lambda: moved(problem, found, -found.H),
            "of other labels": lambda: moved(problem, found, np.roll(found.H, 1, axis=0)),
            "noise": lambda: moved(problem, found, found.H + 0.1 * noise),
            "noise 1e-4": lambda: moved(problem, found, found.H + 1e-4 * noise),
            "noise 1e-9": lambda: moved(problem, found, found.H + 1e-9 * noise),
            "noise 1e-13": lambda: moved(problem, found, found.H + 1e-13 * noise),
            "nan": lambda: moved(problem, found, np.nan * found.H),
        }[kind]()

    return spoilt


SPOILT = ["one step", "no step", "scaled by 1.5", "negated", "of other labels", "noise", "noise 1e-4"]


@pytest.mark.parametrize("name", FEATURES)
@pytest.mark.parametrize("rigorous", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_spoilt_features_are_undecided(name, rigorous, monkeypatch):
    where = fitting(name)
    for kind in SPOILT:
        if name == "squared-error-affine" and kind == "one step":
            continue  # quadratic: one Newton step is exact
        monkeypatch.setattr(ufm.agree.theorem, "solve_features", spoil_features(kind))
        found = check_theorem(THEOREMS[name], where, rigorous=rigorous)
        assert found.error <= found.bound + found.theory_bound, (kind, found)
        # an inequality far from equality is plain even from a poor optimum: bounds are shares of its right side
        plain = THEOREMS[name].claim.relation == "<=" and found.bound <= 1e-6
        told = PROVED if rigorous else AGREES
        assert found.verdict.word == (told if plain else UNDECIDED), (kind, found)


@pytest.mark.parametrize("name", FEATURES)
@pytest.mark.parametrize("kind", ["noise 1e-9", "noise 1e-13"])
def test_slightly_spoilt_features_stay_within_an_honest_bound(name, kind, monkeypatch):
    monkeypatch.setattr(ufm.agree.theorem, "solve_features", spoil_features(kind))
    found = check_theorem(THEOREMS[name], fitting(name))
    assert found.verdict.word in (AGREES, UNDECIDED)
    assert found.error <= found.bound + found.theory_bound
    assert (found.verdict.word == AGREES) == (max(found.bound, found.theory_bound) <= 1e-6)


@pytest.mark.parametrize("name", FEATURES)
def test_features_that_are_not_numbers_are_undecided(name, monkeypatch):
    monkeypatch.setattr(ufm.agree.theorem, "solve_features", spoil_features("nan"))
    assert verdict(name, fitting(name)) == UNDECIDED


def spoil_joint(kind):
    """`solve_joint`, spoilt."""
    rng = np.random.default_rng(4)

    def spoilt(task):
        found = once(solve_joint, task)
        W, H = found.W, found.H
        noise = rng.standard_normal(W.shape) * np.abs(W).max()
        W, H = {
            "random": lambda: (rng.standard_normal(W.shape), rng.standard_normal(H.shape)),
            "zero features": lambda: (W, 0 * H),
            "scaled by 1.1": lambda: (1.1 * W, 1.1 * H),
            "features swapped": lambda: (W, np.roll(H, 1, axis=0)),
            "rank one less": lambda: (W - W[:, :1] @ np.eye(1, W.shape[1]), H),
            "noise 1e-3": lambda: (W + 1e-3 * noise, H),
            "noise 1e-6": lambda: (W + 1e-6 * noise, H),
            "noise 1e-8": lambda: (W + 1e-8 * noise, H),
            "zero": lambda: (0 * W, 0 * H),
        }[kind]()
        objective = certify_joint(task, Point(W, H, found.b)).objective
        return replace(found, W=W, H=H, objective=objective)

    return spoilt


SOLVED = [name for name in JOINT if name not in ("polygon", "polygon-escape")]  # the two speak of no optimum


@pytest.mark.slow
@pytest.mark.parametrize("name", SOLVED)
def test_a_spoilt_joint_optimum_is_undecided_in_ball_arithmetic(name, monkeypatch):
    check_spoilt_joint(name, True, monkeypatch)


@pytest.mark.parametrize("name", SOLVED)
def test_a_spoilt_joint_optimum_is_undecided(name, monkeypatch):
    check_spoilt_joint(name, False, monkeypatch)


def check_spoilt_joint(name, rigorous, monkeypatch):
    for kind in (
        "random",
        "zero features",
        "scaled by 1.1",
        "features swapped",
        "rank one less",
        "noise 1e-3",
    ):
        monkeypatch.setattr(ufm.agree.theorem, "solve_joint", spoil_joint(kind))
        found = check_theorem(THEOREMS[name], fitting(name), rigorous=rigorous)
        assert found.verdict.word == UNDECIDED, (kind, found)
        assert found.error <= found.bound + found.theory_bound


@pytest.mark.parametrize("name", [name for name in SOLVED if name != "equalised-residuals"])
def test_zero_is_not_taken_for_the_optimum(name, monkeypatch):
    monkeypatch.setattr(ufm.agree.theorem, "solve_joint", spoil_joint("zero"))
    assert verdict(name, fitting(name)) == UNDECIDED


@pytest.mark.parametrize("name", JOINT)
@pytest.mark.parametrize("kind", ["noise 1e-6", "noise 1e-8"])
def test_a_slightly_spoilt_joint_optimum_stays_within_an_honest_bound(name, kind, monkeypatch):
    monkeypatch.setattr(ufm.agree.theorem, "solve_joint", spoil_joint(kind))
    found = check_theorem(THEOREMS[name], fitting(name))
    assert found.verdict.word in (AGREES, UNDECIDED)
    assert found.error <= found.bound + found.theory_bound


def test_a_spoilt_optimum_does_not_save_a_wrong_theorem(monkeypatch):
    """Seen from a truncated optimum a theory that is far enough off still fails: the bound is honest both ways."""
    monkeypatch.setattr(ufm.agree.theorem, "solve_features", spoil_features("noise 1e-4"))
    assert verdict(planted("soft-label", formula=times(1.5)), fitting("soft-label")) == FAILS


# --- (e) the Lipschitz constants --------------------------------------------------------------------------


def rows(name, K, sharpness, seed):
    """A setting of the theorem, its labels, and centred logits of many sizes."""
    where = fitting(name, **({} if name == "two-classes" else {"K": K}), sharpness=sharpness)
    labels = THEOREMS[name].claim.labels(where)
    rng = np.random.default_rng(seed)
    z = rng.standard_normal(labels.shape) * 10.0 ** rng.uniform(-2, 1, (len(labels), 1))
    return where, labels, z - z.mean(1, keepdims=True), rng


def steepest(measure, z, step):
    """(rows, K): the unit direction that moves each row's measure most, by central differences."""
    K = z.shape[1]
    jacobian = np.stack([(measure(z + step * e) - measure(z - step * e)) / (2 * step) for e in np.eye(K)], -1)
    return np.linalg.svd(jacobian)[2][:, 0]


@pytest.mark.parametrize("name", [name for name in FEATURES if name != "strong-convexity"])
@pytest.mark.parametrize("sharpness", [0.1, 3.0, 200.0])
@pytest.mark.parametrize("K", [3, 5])
def test_lipschitz_constants(name, K, sharpness):
    """Random and steepest perturbations of z never change `measure` by more than lipschitz · ‖dz‖."""
    claim = THEOREMS[name].claim
    for seed in range(8):
        where, labels, z, rng = rows(name, K, sharpness, seed)

        def measure(z, where=where, labels=labels):
            return claim.measure(where, labels, z)

        constant, start = claim.lipschitz(where), measure(z)
        random = rng.standard_normal(z.shape)
        for direction in (random - random.mean(1, keepdims=True), steepest(measure, z, 1e-6)):
            for size in (1e-5, 1e-2, 1.0):
                dz = size * direction / np.linalg.norm(direction, axis=1, keepdims=True)
                change = np.linalg.norm(measure(z + dz) - start, axis=1)
                rounding = 1e-12 * (1 + np.abs(start).max())
                assert (change <= constant * np.linalg.norm(dz, axis=1) + rounding).all(), (seed, size)


@pytest.mark.parametrize("sharpness", [0.1, 3.0, 200.0])
def test_the_excess_over_the_gradient_bound_is_covered(sharpness):
    """The candidates of strong-convexity move with z, so its measure alone is steeper than its constant. What
    counts is one-sided: an optimum that is off by dz shows an excess of at most lipschitz · ‖dz‖."""
    claim = THEOREMS["strong-convexity"].claim
    where = fitting("strong-convexity", sharpness=sharpness)
    labels = claim.labels(where)
    z = solve_features(where.problem, labels).logits
    z = z - z.mean(1, keepdims=True)
    rng = np.random.default_rng(0)
    for size in np.repeat([1e-6, 1e-3, 1e-1, 1.0, 10.0], 10):
        dz = size * rng.standard_normal(z.shape)
        dz -= dz.mean(1, keepdims=True)
        excess = np.linalg.norm(np.maximum(claim.measure(where, labels, z + dz), 0.0), axis=1)
        assert (excess <= claim.lipschitz(where) * np.linalg.norm(dz, axis=1) + 1e-11).all()
