"""Problems of another shape: theorems agree where they hold, bounds hold anywhere, a bad solver decides nothing."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ufm.agree.variants
import ufm.theory.variants.deep
from proofs.hunt.planted_variants import OF_VARIANTS
from proofs.support_svm import set_law
from proofs.tools.settings import shaped
from ufm.agree.theorem import check_theorem
from ufm.agree.variants import variant_optimum
from ufm.agree.verdict import AGREES, FAILS, OUT_OF_HYPOTHESIS, UNDECIDED
from ufm.certify.variants import BOUNDS, lower_bound
from ufm.model.atoms import FiniteLaw, JointProblem
from ufm.model.laws import LabelLaw, mixup, onehot
from ufm.model.variants.problem import (
    LABELS,
    LOSS,
    PENALTIES,
    READS,
    VARIANTS,
    Variant,
    VariantProblem,
    read_variant,
)
from ufm.optimize.joint import solve_joint
from ufm.optimize.variants import models
from ufm.optimize.variants.flow import flow
from ufm.optimize.variants.models import evaluate_variant, solve_variant
from ufm.rules.errors import InputError
from ufm.theory.theorems.catalogue import THEOREMS
from ufm.theory.theorems.theorem import VariantClaim
from ufm.theory.variants.budgets import collapse_budget

pytestmark = pytest.mark.slow  # run by `proofs --check` as well

UNEVEN = LabelLaw("onehot", class_weights=(0.7, 0.2, 0.1))
RARE = LabelLaw("onehot", class_weights=(0.6, 0.2, 0.2))
SE = "squared-error"
# a setting of three classes for each theorem; the same sizes share their compiled programs
SETTINGS = {
    "norm-constrained": shaped("norm-constrained", (1.3, 2.0), 3, onehot(), free_dim=3),
    "layer-peeled": shaped("layer-peeled", (1.0, 5.0), 3, onehot(), free_dim=3),
    "layer-peeled-minority": shaped("layer-peeled", (0.2, 0.1), 3, RARE, free_dim=3),
    "relu-features": shaped("relu-features", (), 3, UNEVEN, 0.1, 0.1, free_dim=3),
    "supcon": shaped("contrastive", (2, 1.3), 3, onehot(), free_dim=3),
    "softmax-codes": shaped("softmax-codes", (), 3, onehot(), free_dim=3),
    "deep-linear-ce": shaped("deep-linear", (3,), 3, onehot(), 0.02, 0.02, free_dim=3),
    "deep-linear-mse": shaped("deep-linear", (3,), 3, onehot(), 0.02, 0.02, loss=SE, free_dim=3),
    "seli": shaped("max-margin", (), 3, UNEVEN, 1.0, 1.0, free_dim=3),
    "support-svm": shaped("max-margin", (), 3, set_law(3, {1: 0.5, 2: 0.5}), 1.0, 1.0, free_dim=3),
    "focal": shaped("focal", (2,), 3, onehot(), 0.1, 0.1, free_dim=3),
    "logit-adjustment": shaped("logit-adjusted", (1.0,), 3, RARE, 0.3, 0.3, free_dim=3),
    "ordinal": shaped("ordinal", (-1.0, 0.5), 3, UNEVEN, 0.02, 0.03, free_dim=3),
    "ce-ray": shaped("gradient-flow", (0.1, 20.0), 3, onehot(), free_dim=3),
    "mse-ray": shaped("gradient-flow", (0.1, 5.0), 3, onehot(), loss=SE, free_dim=3),
}
VALUED = ("norm-constrained", "layer-peeled", "relu-features", "supcon", "seli", "support-svm", "ordinal")
CERTIFIED = (*VALUED, "layer-peeled-minority", "logit-adjustment")  # these claim a side of a threshold


def test_every_theorem_of_another_shape_is_tried():
    assert set(SETTINGS) == {n for n, t in THEOREMS.items() if isinstance(t.claim, VariantClaim)}


@pytest.mark.parametrize("name", SETTINGS)
def test_every_theorem_agrees(name):
    """And the certified ones to 1e-9 of the objective, never below their bound."""
    found = check_theorem(THEOREMS[name], SETTINGS[name])
    assert found.verdict.word == AGREES, found
    best = variant_optimum(SETTINGS[name].shaped)
    assert (best.lower is not None) == (name in CERTIFIED)
    if best.lower is not None:
        assert best.lower <= best.objective
        assert name not in VALUED or abs(found.predicted / best.objective - 1) < 1e-9
        assert "certified bound" in found.verdict.reason
    else:
        assert "certified bound" not in found.verdict.reason
        assert "proved" in found.verdict.reason or "no certificate" in found.verdict.reason


@pytest.mark.parametrize("name", CERTIFIED)
def test_no_candidate_has_a_bound_above_the_optimum(name):
    """Random points, spoilt optima and spoilt multipliers: weak duality holds for what no solver would return."""
    problem, rng = SETTINGS[name].shaped, np.random.default_rng(1)
    best = solve_variant(problem)
    for size in (0.0, 1e-9, 1e-3, 0.3, 3.0, 100.0):
        for kind in ("spoilt", "random"):
            W, H, m = best.W, best.H, best.multipliers
            if kind == "random":
                W, H, m = np.zeros_like(W), np.zeros_like(H), np.zeros_like(m)
            W, H = W + size * rng.standard_normal(W.shape), H + size * rng.standard_normal(H.shape)
            if name == "relu-features":
                H = np.abs(H)
            if name == "supcon" and size:
                H = 1.3 * H / np.linalg.norm(H, axis=1, keepdims=True)
            if name == "supcon" and not H.any():
                continue
            bound = lower_bound(problem, W, H, m + size * rng.standard_normal(m.shape))
            assert bound <= best.objective * (1 + 1e-12)


@pytest.mark.parametrize("name", CERTIFIED)
def test_a_point_that_is_no_optimum_decides_nothing(name, monkeypatch):
    """A solver that stops early makes a true theorem undecided, never false."""
    true = solve_variant(SETTINGS[name].shaped)
    turn = np.eye(3) + 0.05 * np.random.default_rng(0).standard_normal((3, 3))
    rows = np.linalg.norm(true.H, axis=1, keepdims=True)
    H = np.abs(true.H @ turn) if name == "relu-features" else true.H @ turn
    H = H * rows / np.linalg.norm(H, axis=1, keepdims=True) if name == "supcon" else 0.9 * H
    spoilt = replace(true, H=H, objective=1.05 * true.objective, multipliers=0.9 * true.multipliers)
    monkeypatch.setattr(ufm.agree.variants, "solve_variant", lambda problem: spoilt)
    monkeypatch.setattr(ufm.agree.variants, "_solved", lambda problem: spoilt)
    found = check_theorem(THEOREMS[name], SETTINGS[name])
    assert found.verdict.word == UNDECIDED, found


def test_a_start_that_goes_lower_refutes_and_one_that_stays_above_decides_nothing(monkeypatch):
    name = "deep-linear-ce"
    true = solve_variant(SETTINGS[name].shaped)
    for share, word in ((0.999, FAILS), (1.001, UNDECIDED)):
        moved = replace(true, objective=share * true.objective)
        monkeypatch.setattr(ufm.agree.variants, "_solved", lambda problem, moved=moved: moved)
        assert check_theorem(THEOREMS[name], SETTINGS[name]).verdict.word == word


@pytest.mark.parametrize("share, merged", [(0.5, True), (0.999, True), (1.001, False), (2.0, False)])
def test_the_rare_classes_are_one_point_up_to_their_budget(share, merged):
    """On either side the blind optimum's multiplier tells the sides apart a thousandth from the threshold; a
    threshold moved beyond the budget fails, whichever way."""
    budget = share * collapse_budget(1, 2, 3.0)
    where = shaped("layer-peeled", (2 * budget, budget / 2), 3, RARE, free_dim=3)
    theorem = THEOREMS["layer-peeled-minority"]
    found = check_theorem(theorem, where)
    assert found.verdict.word == AGREES and (found.predicted == 0.0) == merged, found
    W = variant_optimum(where.shaped).W
    assert (np.abs(W[1] - W[2]).max() < 1e-3 * np.abs(W).max()) == merged
    other = 0.9 * share if merged else 1.1 * share
    claim = VariantClaim(theorem.claim.kind, partial(theorem.claim.judge, share=lambda K: other))
    assert check_theorem(replace(theorem, claim=claim), where).verdict.word == FAILS


def test_a_budget_that_is_its_threshold_leaves_the_rare_classes_one_point():
    """To the last bit: the threshold is put where the budget is."""
    weights = np.asarray(RARE.class_weights)
    most = collapse_budget(1, 2, weights.max() / weights.min())
    where = shaped("layer-peeled", (most, most / 4), 3, RARE, free_dim=3)
    theorem = THEOREMS["layer-peeled-minority"]
    claim = VariantClaim(theorem.claim.kind, partial(theorem.claim.judge, share=lambda K: 0.5))
    assert float(np.sqrt(np.prod(where.shaped.variant.numbers))) == 0.5 * most
    found = check_theorem(replace(theorem, claim=claim), where)
    assert found.verdict.word == AGREES and found.predicted == 0.0


@pytest.mark.parametrize("tau", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("share", [0.9, 1.1])
def test_logit_adjustment_moves_logits_and_no_threshold(tau, share):
    """Rows of the rare classes part at q_B = λ_W λ_H for any τ, though it moves W; half and twice of that fail."""
    c, theorem = float(np.sqrt(share * 0.2)), THEOREMS["logit-adjustment"]
    where = shaped("logit-adjusted", (tau,), 3, RARE, c, c, free_dim=3)
    assert check_theorem(theorem, where).verdict.word == AGREES
    W = variant_optimum(where.shaped).W
    assert (np.abs(W[1] - W[2]).max() < 1e-6) == (share > 1)
    plain = solve_joint(where.joint).W
    assert np.abs(W @ W.T - plain @ plain.T).max() > 0.02 * np.abs(plain @ plain.T).max()
    moved = {claim.name: claim for claim in OF_VARIANTS}
    slip = moved["planted-adjusted-late" if share > 1 else "planted-adjusted-early"]
    assert check_theorem(slip, where).verdict.word == FAILS


def test_logit_adjustment_in_one_dimension_too():
    """Beyond the threshold any d will do."""
    c = float(np.sqrt(1.1 * 0.2))
    where = shaped("logit-adjusted", (1.0,), 3, RARE, c, c, free_dim=1)
    assert check_theorem(THEOREMS["logit-adjustment"], where).verdict.word == AGREES


def test_logit_adjustment_wants_mass_in_every_class():
    law = FiniteLaw(np.eye(3)[:2], np.array([0.5, 0.5]))
    with pytest.raises(InputError, match="mass of each class"):
        VariantProblem(Variant("logit-adjusted", (1.0,)), JointProblem(law, 0.1, 0.1))


def test_five_classes_are_outside_the_theorem_on_deep_products_for_a_reason():
    """The best of simplex, pentagon and zero is beaten by a bipyramid: K ≤ 4 is needed."""
    where = shaped("deep-linear", (3,), 5, onehot(), 0.01, 0.01, free_dim=4)
    theorem = THEOREMS["deep-linear-ce"]
    assert check_theorem(theorem, where).verdict.word == OUT_OF_HYPOTHESIS
    forced = replace(theorem, assumptions=())
    found = check_theorem(forced, where)
    assert found.verdict.word == FAILS and found.numeric < 0.99 * found.predicted


@pytest.mark.parametrize(
    "K, N, first, last", [(3, 3, 0.26, 0.26), (3, 3, 0.2, 0.4), (3, 3, 0.3, 0.2), (4, 4, 0.201, 0.201)]
)
def test_between_all_directions_and_none_there_is_one(monkeypatch, K, N, first, last):
    """One direction is lowest just before zero; the best of zero, simplex and square fails there."""
    where = shaped("deep-linear", (N,), K, onehot(), first, last, free_dim=K - 1)
    assert check_theorem(THEOREMS["deep-linear-ce"], where).verdict.word == AGREES
    monkeypatch.setattr(ufm.theory.variants.deep, "_line", lambda *_: [])
    assert check_theorem(THEOREMS["deep-linear-ce"], where).verdict.word == FAILS


@pytest.mark.parametrize("name", SETTINGS)
def test_another_shape_is_another_theorem(name):
    plain = replace(SETTINGS[name], variant=None)
    assert check_theorem(THEOREMS[name], plain).verdict.word == OUT_OF_HYPOTHESIS
    found = check_theorem(THEOREMS["onehot-ce"], SETTINGS[name])
    assert found.verdict.word == OUT_OF_HYPOTHESIS and SETTINGS[name].variant.kind in found.verdict.reason
    other = replace(SETTINGS[name], problem=replace(SETTINGS[name].problem, law=mixup(1.0)))
    if name not in ("supcon", "softmax-codes"):  # which have no labels but classes
        assert check_theorem(THEOREMS[name], other).verdict.word in (OUT_OF_HYPOTHESIS, UNDECIDED)


BROKEN = [  # theorem, words of the reason, the setting that breaks that assumption alone
    ("norm-constrained", "squared error", {"loss": SE}),
    ("norm-constrained", "< 2 = K - 1", {"free_dim": 1}),
    ("relu-features", "< 3 = K", {"free_dim": 2}),
    ("relu-features", "has a bias", {"lambda_b": 0.0}),
    ("layer-peeled-minority", "class weights is 3, not 2", {"law": UNEVEN}),
    ("layer-peeled-minority", "class weights is 1, not 2", {"law": onehot()}),
    ("layer-peeled-minority", "one class alone", {"law": LabelLaw("onehot", class_weights=(0.4, 0.4, 0.2))}),
    ("layer-peeled-minority", "not one-hot", {"law": replace(RARE, smoothing=0.1)}),
    ("layer-peeled-minority", "< 2 = K - 1", {"free_dim": 1}),
    ("layer-peeled-minority", "squared error", {"loss": SE}),
    ("softmax-codes", "no closed form", {"free_dim": 1}),
    ("deep-linear-mse", "cross-entropy, not squared", {"loss": "cross-entropy"}),
    ("ce-ray", "each as likely", {"law": UNEVEN}),
    ("support-svm", "not exchangeable", {"law": UNEVEN}),
    ("focal", "each as likely", {"law": UNEVEN}),
    ("focal", "squared error", {"loss": SE}),
    ("ordinal", "squared error", {"loss": SE}),
    ("logit-adjustment", "squared error", {"loss": SE}),
    ("logit-adjustment", "not mixup, CutMix or one-hot with class weights", {"law": onehot()}),
    ("logit-adjustment", 'only "if" holds', {"free_dim": 1}),
    ("ordinal", "take 2 thresholds, got 1", {"variant": Variant("ordinal", (0.0,))}),
]


@pytest.mark.parametrize("name, words, change", BROKEN)
def test_an_assumption_is_named(name, words, change):
    where = SETTINGS[name]
    inner = {key: change[key] for key in ("loss", "law") if key in change}
    outer = {key: change[key] for key in ("free_dim", "lambda_b", "variant") if key in change}
    where = replace(where, problem=replace(where.problem, **inner), **outer)
    found = check_theorem(THEOREMS[name], where).verdict
    assert found.word == OUT_OF_HYPOTHESIS and words in found.reason


def test_too_many_unknowns_are_refused_before_work():
    where = shaped("norm-constrained", (1.0, 1.0), 30, onehot(), free_dim=29)
    found = check_theorem(THEOREMS["norm-constrained"], where).verdict
    assert found.word == UNDECIDED and "unknowns" in found.reason


def test_starts_of_one_dimension_are_signs():
    """Two classes, d = 1: a row of norm one cannot turn, and yet the optimum is found."""
    where = shaped("norm-constrained", (1.3, 2.0), 2, onehot(), free_dim=1)
    assert check_theorem(THEOREMS["norm-constrained"], where).verdict.word == AGREES


def test_a_given_point_is_evaluated_as_it_is():
    problem = SETTINGS["deep-linear-mse"].shaped
    zero = [np.zeros((3, 3))] * 3
    assert evaluate_variant(problem, *zero) == (0.5, 0.0, 0.0)
    codes = SETTINGS["softmax-codes"].shaped
    found = evaluate_variant(codes, [1.6], np.eye(3), np.eye(3))
    assert found.objective == -1.6 and found.violation == pytest.approx(0.6)


SHARES = np.array([0.5, 0.3, 0.2])
UNREAD = {  # of a joint problem; what is changed, and how
    LABELS: (
        {"atoms": FiniteLaw(np.eye(3), SHARES)},
        {"atoms": FiniteLaw(np.eye(3)[[1, 0, 2]], SHARES)},
    ),
    PENALTIES: ({"lambda_w": 0.3}, {"lambda_h": 0.3}),
    LOSS: ({"loss": SE},),
}


@pytest.mark.parametrize("kind", VARIANTS)
def test_a_variant_reads_what_it_is_said_to_read(kind):
    """At one point the objective, or the margins, move with it, and with nothing else; a flow gets elsewhere."""
    numbers = {"ordinal": (0.0, 1.0), "contrastive": (2.0, 1.0)}.get(kind, (2.0, 0.1)[: len(VARIANTS[kind])])
    base = JointProblem(FiniteLaw(np.eye(3), np.ones(3) / 3), 0.1, 0.2)

    def seen(joint):
        problem = VariantProblem(Variant(kind, numbers), joint)
        if kind == "gradient-flow":
            return flow(problem).W
        model, data = models._model(models._family(problem)), jax.tree.map(jnp.asarray, models._data(problem))
        x = jnp.asarray(model.start(np.random.default_rng(0)))
        more = () if model.constraints is None else np.asarray(model.constraints(x, data))
        return np.array([float(model.objective(x, data)), *more])

    for part, changes in UNREAD.items():
        moved = [not np.array_equal(seen(replace(base, **change)), seen(base)) for change in changes]
        assert all(moved) if part in READS[kind] else not any(moved), (part, moved)


@pytest.mark.parametrize(
    "change, words",
    [
        ({"lambda_b": 0.0}, "no bias"),
        ({"loss": "binary-cross-entropy"}, "must be one of cross-entropy, squared-error"),
    ],
)
def test_a_variant_of_what_no_variant_is_of_is_refused(change, words):
    """The dual of another shape knows two losses; a bound by the wrong one would be no bound."""
    joint = JointProblem(FiniteLaw(np.eye(3), np.ones(3) / 3), 0.1, 0.1)
    with pytest.raises(InputError, match=words):
        VariantProblem(Variant("relu-features"), replace(joint, **change))
    VariantProblem(Variant("relu-features"), joint)


def test_codes_have_no_labels_that_could_be_too_many():
    where = shaped("softmax-codes", (), 4, mixup(1.0), free_dim=3)
    assert where.too_large is None


# --- what a variant is ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", VARIANTS)
def test_a_variant_is_read_back(kind):
    variant = Variant(kind, (2.0, 1.5)[: len(VARIANTS[kind])])
    assert read_variant(variant.words) == variant


@pytest.mark.parametrize(
    "text",
    [
        *("norm", "norm-constrained", "norm-constrained=1", "norm-constrained=1,2,3", "norm-constrained=1,x"),
        *("norm-constrained=-1,2", "norm-constrained=nan,1", "relu-features=1", "deep-linear=2.5"),
        *("deep-linear=1", "contrastive=1,1", "", "=1", "focal", "focal=0", "focal=1,2"),
        *("ordinal", "ordinal=1,1", "ordinal=1,0.5", "ordinal=nan", "ordinal=0,inf"),
    ],
)
def test_what_is_no_variant_is_refused(text):
    with pytest.raises(InputError):
        read_variant(text)


def test_thresholds_of_both_signs_are_read_and_counted():
    assert read_variant("ordinal=-1,0.5,2").numbers == (-1.0, 0.5, 2.0)
    with pytest.raises(InputError, match="3 classes take 2 thresholds, got 3"):
        VariantProblem(Variant("ordinal", (-1.0, 0.5, 2.0)), SETTINGS["ordinal"].joint)


def test_kinds_with_a_bound_are_those_that_say_so():
    where = SETTINGS["deep-linear-ce"].shaped
    best = solve_variant(where)
    assert lower_bound(where, best.W, best.H) is None and "deep-linear" not in BOUNDS
    assert isinstance(where, VariantProblem)
