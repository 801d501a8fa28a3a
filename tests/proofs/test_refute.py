"""The hunt for counterexamples: planted claims are refuted and shrunk, true theorems are not, words and codes."""

import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import tyro

import ufm.commands.verify
import ufm.theory.theorems.assumptions as given
from proofs.hunt.planted import PLANTED, THRESHOLD
from proofs.hunt.planted_classes import OF_CLASSES
from proofs.hunt.planted_free import FREE
from proofs.hunt.refutation import find_claim
from proofs.refute import main
from ufm.agree.theorem import Check, check_theorem
from ufm.agree.verdict import FAILS, UNDECIDED, Verdict
from ufm.commands import inputs
from ufm.refute.cases import RANGES, Case, Family, draw, families, from_scale, parameters, to_scale
from ufm.refute.search import Limit, Search, Trial, check_case, follow_seam, hunt
from ufm.refute.shrinking import complexity, plainer, rounder, shrink
from ufm.theory.theorems.catalogue import THEOREMS
from ufm.theory.theorems.theorem import FeatureClaim

pytestmark = pytest.mark.slow  # hunts through many problems

SMALLEST = {"planted-superclass-early": 4, "planted-superclass-late": 4}
SMALLEST |= {"planted-superclass-laws-early": 4, "planted-superclass-laws-late": 4}
SMALLEST |= {"planted-polygon-early": 3, "planted-polygon-late": 3}
SMALLEST |= {
    f"planted-{name}-{word}": 3 for name in ("peeled-minority", "adjusted") for word in ("early", "late")
}
SMALLEST |= {"planted-logit": 3, "planted-cyclic-etf": 4, "planted-minority": 3, "planted-minority-late": 3}
# significant digits of the shrunk case, where only a few per cent of a threshold refute the claim; else 1
TWO, THREE = (
    ("threshold", "etf-early", "squared-early"),
    ("threshold-late", "smoothing", "etf-late", "squared-late"),
)
DIGITS = {f"planted-{name}": digits for digits, names in ((2, TWO), (3, THREE)) for name in names}


def search_of(theorem, settings, seed=0):
    search = Search(theorem, settings=settings)
    return search, hunt(search, seed)


# --- planted claims -------------------------------------------------------------------------------


# joint optima of several sizes
LONG = {f"planted-{name}" for name in ("minority", "minority-late", "cyclic-etf")}
QUICK_SLIPS = {"planted-onehot-early", "planted-mid-early"}  # of the newer ones
LONG |= {claim.name for claim in (*FREE, *OF_CLASSES)} - QUICK_SLIPS


@pytest.mark.promise("refuter")
@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.long] * (n in LONG)) for n in PLANTED])
def test_each_planted_claim_is_refuted_and_shrunk_to_a_small_case_that_still_fails(name):
    theorem = PLANTED[name]
    _, outcome = search_of(theorem, settings=60)
    assert outcome.refuted is not None and outcome.refuted.refutes
    small = shrink(Search(theorem, settings=120), outcome.refuted)
    again = check_theorem(theorem, small.case.setting())
    assert again.verdict.word == FAILS
    assert again.error > 10 * (again.bound + again.theory_bound)
    assert small.case.classes == SMALLEST.get(name, 2)
    values = {key: float(text) for key, text in parameters(theorem, small.case) if _is_number(text)}
    assert all(complexity(value)[0] <= DIGITS.get(name, 1) for value in values.values()), values
    assert values.get("alpha", 1.0) == 1.0


def _is_number(text):
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


@pytest.mark.long  # the shrunk ones are refuted from seed 0
@pytest.mark.parametrize("name", PLANTED)
@pytest.mark.parametrize("seed", [1, 2])
def test_planted_claims_are_refuted_whatever_the_seed(name, seed):
    _, outcome = search_of(PLANTED[name], settings=400, seed=seed)
    assert outcome.refuted is not None


def test_planted_claims_are_not_in_the_index():
    assert not set(PLANTED) & set(THEOREMS)
    assert all(name == claim.name and name.startswith("planted-") for name, claim in PLANTED.items())
    claims = {theorem.claim for theorem in THEOREMS.values()}
    etf = PLANTED["planted-cyclic-etf"]  # a true claim under other hypotheses
    assert all(claim.claim not in claims for claim in PLANTED.values() if claim is not etf)
    assert etf.assumptions != THEOREMS["joint-etf"].assumptions


def test_the_kernel_alone_refutes_each_planted_claim_at_a_hand_made_case():
    """Independent of the search: two cases known from the theory, one a side of its threshold each."""
    inside = Case(classes=2, lambda_w=0.99 / 3, lambda_h=1.0)  # threshold 1/3 at α = 1
    assert check_case(THRESHOLD, inside).refutes
    assert not check_case(THRESHOLD, replace(inside, lambda_w=0.97 / 3)).refutes
    assert not check_case(THRESHOLD, replace(inside, lambda_w=1.01 / 3)).refutes


# --- true theorems --------------------------------------------------------------------------------

QUICK = {"calibration": 40, "trivial-threshold": 12, "joint-etf": 20}


@pytest.mark.parametrize("name", QUICK)
def test_true_theorems_are_not_refuted_by_a_few_settings(name):
    search, outcome = search_of(THEOREMS[name], settings=QUICK[name])
    assert outcome.refuted is None, outcome.refuted
    assert search.tried == QUICK[name] and search.best is not None


def of_features(name):
    return isinstance(find_claim(name).claim, FeatureClaim)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.long] * (not of_features(n))) for n in THEOREMS]
)
def test_no_true_theorem_is_refuted(name):
    search, outcome = search_of(THEOREMS[name], settings=60, seed=1)
    assert outcome.refuted is None, outcome.refuted
    assert search.tried == 60


def test_a_threshold_is_not_refuted_closer_to_it_than_the_rule_for_the_mixing_weight_resolves():
    """Found by the hunt: λ_W λ_H is 4e-6 above (α+1)/((2α+1)K), and still below that of the atoms."""
    case = Case(classes=2, alpha=0.3208, lambda_w=0.40229205108349453, lambda_h=1.0)
    assert not check_case(THEOREMS["trivial-threshold"], case).refutes


@pytest.mark.parametrize(
    "name", [n for n in (*THEOREMS, *PLANTED) if isinstance(find_claim(n).claim, FeatureClaim)]
)
def test_every_claim_on_features_has_families_with_every_number_of_classes_it_allows(name):
    allowed = {"two-classes": {2}}.get(name, {2, 3, 4, 5})
    allowed -= {2} if given.THREE_CLASSES in find_claim(name).assumptions else set()
    assert {family.case.classes for family in families(find_claim(name))} == allowed


def test_families_of_the_free_classifier_keep_the_hypotheses():
    known = families(THEOREMS["minority-collapse"])
    assert {family.case.classes for family in known} == {3, 4, 5}
    assert all(family.case.groups for family in known)
    assert {family.case.bias for family in known} == {None, 0.0, 0.1}
    assert {family.case.labels for family in known} == {"mixup", "onehot"}
    known = families(PLANTED["planted-cyclic-etf"])
    assert [(family.case.classes, family.case.pairs) for family in known] == [(4, "cyclic"), (5, "cyclic")]


def test_a_threshold_claimed_too_high_is_refuted_between_the_two_and_there_alone():
    """The gap is never zero: what tells "not zero" from the truth is the moment of the labels."""
    late = PLANTED["planted-threshold-late"]
    case = Case(classes=2, lambda_h=1.0)
    assert check_case(late, replace(case, lambda_w=1.01 / 3)).refutes
    for share in (0.99, 1.03):
        assert not check_case(late, replace(case, lambda_w=share / 3)).refutes


@pytest.mark.parametrize(
    "name",
    [
        *("trivial-threshold", "minority-collapse", "joint-etf", "squared-error-joint"),
        *("onehot-ce", "label-smoothing", "residual-norm", "inverse-design", "balancing-smoothing"),
        *("group-smoothing", "superclass-collapse", "mid-channel-slope", "feature-curvature", "label-noise"),
        *(
            "squared-imbalanced",
            "squared-bias",
            "polygon",
            "susceptibility",
            "support-size",
            "collapse-hessian",
            "bce",
            "bce-no-bias",
            "restored-temperatures",
            "multi-label",
            "superclass-laws",
            "circulant-laws",
            "regression",
            "layer-peeled-minority",
        ),
    ],
)
def test_every_theorem_with_a_threshold_has_slips_of_both_signs(name):
    """Planted claims that differ from it in their claim alone; below and beyond the threshold."""
    theorem = THEOREMS[name]
    slips = [
        c for c in PLANTED.values() if c.assumptions == theorem.assumptions and c.quantity == theorem.quantity
    ]
    assert {"late" in claim.name for claim in slips} == {True, False}


def test_undecided_refutes_nothing():
    """As close to its threshold as the rule for λ moves it, a claim is left open."""
    found = check_case(THEOREMS["trivial-threshold"], Case(classes=2, lambda_w=(1 + 1e-10) / 3, lambda_h=1.0))
    assert found.check.verdict.word == UNDECIDED
    assert not found.refutes


# --- the search -----------------------------------------------------------------------------------


def trial(error, bound=1e-10, word=FAILS, predicted=1.0, **case):
    check = Check("some", predicted, 1.0, error, bound, 0.0, Verdict(word, "because"))
    return Trial(Case(**case), check)


def test_the_objective_is_the_logarithm_of_the_error_in_bounds():
    assert trial(1e-7).score == pytest.approx(3)
    assert trial(0.0).score == -math.inf
    assert trial(math.inf).score == math.inf
    assert trial(1.0, bound=0.0).score == math.inf
    assert trial(0.0, bound=0.0).score == -math.inf


def test_cases_outside_the_hypotheses_are_skipped_and_do_not_count():
    search = Search(THEOREMS["different-class"])
    assert search.attempt(Case(classes=2)) is None
    assert search.attempt(Case(groups="one", light=0.5, classes=4)) is None  # weights beyond one
    assert (search.tried, search.skipped, search.best) == (0, 2, None)


def test_a_mixture_without_inner_weights_is_no_case_of_a_claim_about_them():
    assert check_case(THEOREMS["channel-limit"], Case(lam=1.0)) is None


def test_the_number_of_settings_is_a_hard_limit():
    search = Search(THEOREMS["squared-error-affine"], settings=3)
    case, *others = (Case(classes=2, loss="squared-error", lambda_h=0.1 * n) for n in range(1, 5))
    for one in (case, case, *others[:2]):  # the second is known
        search.attempt(one)
    with pytest.raises(Limit):
        search.attempt(others[2])
    late = Search(THEOREMS["squared-error-affine"], seconds=-1.0)
    with pytest.raises(Limit):
        late.attempt(case)


def test_a_defect_of_the_kernel_names_the_case_and_is_no_usage_error():
    broken = replace(PLANTED["planted-affine"].claim, measure=lambda setting, Y, z: 1 / 0)
    with pytest.raises(RuntimeError, match=r"planted-affine on Case\(classes=2"):
        check_case(replace(PLANTED["planted-affine"], claim=broken), Case(classes=2))


def test_the_seam_of_a_claim_is_met_from_both_sides():
    def attempt(case):
        beyond = case.lambda_w * case.lambda_h >= 0.2
        return trial(0.0, predicted=0.0 if beyond else None, lambda_w=case.lambda_w, lambda_h=case.lambda_h)

    start = attempt(Case(lambda_w=0.01, lambda_h=0.5))
    met = [found.case.lambda_w for found in follow_seam(attempt, start, ("lambda_w", "lambda_h"))]
    above = min(value for value in met if value >= 0.4)
    below = max(value for value in met if value < 0.4)
    assert above / below < 1 + 1e-4


@pytest.mark.parametrize("name", RANGES)
def test_scales_are_inverted_and_kept_in_range(name):
    low, high = RANGES[name]
    for value in (low, 0.5 * (low + high), high):
        assert from_scale(Case(), name, to_scale(Case(), name, value)) == pytest.approx(value, rel=1e-9)
    assert from_scale(Case(), name, -math.inf) == pytest.approx(low)
    assert from_scale(Case(), name, math.inf) == pytest.approx(high)


def test_draws_depend_on_the_seed_alone_and_stay_in_range():
    family = Family(Case(), ("lambda_w", "lambda_h", "alpha", "lam"))
    cases = [draw(family, np.random.default_rng(7)) for _ in range(2)]
    assert cases[0] == cases[1] != draw(family, np.random.default_rng(8))
    rng = np.random.default_rng(0)
    for case in (draw(family, rng) for _ in range(200)):
        assert 1e-6 <= case.lambda_w <= 10 and 0.05 <= case.alpha <= 20.001 and 0 <= case.lam <= 1


# --- cases and their words ------------------------------------------------------------------------


@pytest.mark.parametrize("groups", ["one", "two"])
@pytest.mark.parametrize("classes", [4, 5])
def test_class_weights_are_weights(groups, classes):
    weights = Case(classes=classes, groups=groups, light=0.15).weights
    assert len(weights) == classes and sum(weights) == pytest.approx(1) and min(weights) > 0
    assert weights.count(0.15) >= 2


@pytest.mark.parametrize(
    "case",
    [
        Case(),
        Case(classes=3, pairs="cyclic", alpha=0.3, bias=0.0),
        Case(groups="one", light=0.07, bias=0.25, dim=2),
        Case(classes=5, groups="two", smoothing=0.2),
        Case(labels="kway", alpha=2.0),
        Case(labels="smoothing", smoothing=0.123456789012345),
        Case(labels="onehot", lambda_w=1 / 3),
        Case(loss="squared-error", labels="cutmix", pairs="different"),
    ],
)
def test_the_printed_options_are_those_of_verify_and_give_the_case_back(case):
    joint = THEOREMS["duality"]
    words = [text for name, value in parameters(joint, case) for text in (f"--{name}", value)]
    read = tyro.cli(ufm.commands.verify.Arguments, args=words)
    law, here = inputs.read_law(read), case.law
    assert (law.name, law.alpha, law.pairs, law.ways) == (here.name, here.alpha, here.pairs, here.ways)
    assert law.smoothing == here.smoothing
    assert np.allclose(law.class_weights or 0, here.class_weights or 0, rtol=1e-15, atol=0)
    problem, setting = inputs.read_checked(read, law), case.setting()
    ours = setting.problem
    assert (problem.classes, problem.loss, problem.dim) == (ours.classes, ours.loss, ours.dim)
    assert problem.lambda_w == pytest.approx(ours.lambda_w, rel=1e-15)
    assert inputs.read_bias(read.bias) == case.bias


def test_shrinking_moves_never_make_a_case_worse():
    case = Case(classes=5, labels="kway", alpha=3.7, lambda_w=0.1234567, bias=0.5, dim=2)
    assert {K.classes for K in plainer(case)} >= {2, 3, 4}
    for simpler in rounder(case):
        changed = [name for name in RANGES if getattr(simpler, name) != getattr(case, name)]
        assert "lambda_h" in changed or all(
            complexity(getattr(simpler, name)) < complexity(getattr(case, name)) for name in changed
        )
    assert complexity(1.0) < complexity(0.1) < complexity(0.4) < complexity(0.12) < complexity(0.123)


# --- the command ----------------------------------------------------------------------------------


@pytest.mark.promise("refuter")
def test_a_refutation_is_reported_with_exit_code_one(capsys):
    assert main(["planted-constant", "--settings", "5"]) == 1
    out = capsys.readouterr().out
    assert out.startswith("planted-constant: refuted\n")
    assert "--classes 2 --multiplier 1 --lambda-h 1" in out
    assert "predicted   0.448976680515" in out and "fails" in out


@pytest.mark.promise("refuter")
def test_a_true_theorem_is_reported_with_exit_code_zero(capsys):
    assert main(["calibration", "--settings", "5", "--seed", "3"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("calibration: not refuted\n") and "5 settings" in out and "ratio" in out


def test_both_kinds_of_names_are_listed(capsys):
    assert main(["--list"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in (*THEOREMS, *PLANTED))


@pytest.mark.promise("refuter")
@pytest.mark.parametrize(
    "arguments, words",
    [
        (["joint-etff"], "did you mean joint-etf?"),
        (["planted-cyclic"], "did you mean planted-cyclic-etf?"),
        (["nothing at all"], "--list shows all names"),
        ([], "name a claim"),
        (["soft-label", "--budget", "0"], "--budget"),
        (["soft-label", "--budget", "nan"], "--budget"),
        (["soft-label", "--settings", "0"], "--settings"),
        (["soft-label", "--seed", "-1"], "--seed"),
    ],
)
def test_wrong_usage_is_exit_code_two(arguments, words, capsys):
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert words in said.err and said.out == ""


@pytest.mark.parametrize("error, code", [(KeyboardInterrupt(), 130), (RuntimeError("defect"), 70)])
def test_an_interrupt_or_a_defect_is_no_refutation(error, code, monkeypatch, capsys):
    def broken(*_):
        raise error

    monkeypatch.setattr("proofs.refute.run", broken)
    assert main(["joint-etf"]) == code
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("arguments", [["--help"], ["joint-etf", "--budget", "0"]])
def test_help_and_usage_errors_do_not_load_jax(arguments):
    program = (
        "import sys; from proofs.refute import main\n"
        f"try: main({arguments!r})\n"
        "except SystemExit: pass\n"
        "sys.exit('jax' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True).returncode == 0
