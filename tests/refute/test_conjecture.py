"""Claims of one's own: false ones are refuted on both sides of a seam, true ones are not, what is wrong is said."""

import json
import textwrap
from pathlib import Path

import numpy as np
import pytest

import ufm.commands.conjecture
import ufm.commands.runs.conjecture
from experiments.planted.claims import FALSE, ONE_HOT, TRUE
from ufm.agree.verdict import FAILS, UNDECIDED
from ufm.certify.classifier import certify_classifier
from ufm.certify.joint import certify_joint
from ufm.model.atoms import JointProblem, Point, finite_law
from ufm.model.laws import mixup, onehot
from ufm.model.problem import Problem
from ufm.optimize.joint import fit_classifier, solve_joint
from ufm.refute import calls
from ufm.refute import claim as claims
from ufm.refute.claim import read_claim
from ufm.refute.errors import ClaimError
from ufm.refute.search import Search, Trial, check_case, hunt
from ufm.refute.shrinking import shrink
from ufm.rules.errors import InputError
from ufm.theory.theorems.theorem import Setting

ZERO = "def zero(p):\n    return True\n"
UNEVEN = """
parameters = {"classes": 2, "dim": 2, "light": (0.1, 0.4), "lambda_w": (0.02, 1.0), "lambda_h": (0.02, 1.0)}
parameters |= {"loss": ["binary-cross-entropy", "squared-error"], "bias": 0.0}
def labels(p):
    return np.eye(2), np.array([1 - p.light, p.light])
def zero(p):
    return p.lambda_w * p.lambda_h >= %s
"""
TRUE = TRUE | {"zero of unequal classes": UNEVEN % "2 * p.light * (1 - p.light)"}
FALSE = FALSE | {
    "unequal classes: as if equal, too high": UNEVEN % "0.5",
    "unequal classes: the light one's share, too low": UNEVEN % "p.light",
}


@pytest.fixture
def write(tmp_path):
    def written(text, name="claim.py"):
        path = tmp_path / name
        path.write_text('"""A claim."""\nimport numpy as np\n' + textwrap.dedent(text))
        return path

    return written


def searched(path, settings=60, seed=0):
    claim = read_claim(path)
    search = Search(claim.theorem, settings=settings)
    return claim, search, hunt(search, seed, claim.families)


@pytest.mark.parametrize("name", TRUE)
def test_true_claims_stand(name, write):
    _, search, outcome = searched(write(TRUE[name]), settings=25)
    assert outcome.refuted is None and search.tried == 25 and search.undecided < 5


@pytest.mark.parametrize("name", FALSE)
def test_false_claims_are_refuted_and_shrunk(name, write):
    claim, _, outcome = searched(write(FALSE[name]))
    assert outcome.refuted is not None
    small = shrink(Search(claim.theorem, settings=60), outcome.refuted)
    again = check_case(claim.theorem, small.case)
    assert again.refutes and small.case.admits
    assert again.check.error > 2 * (again.check.bound + again.check.theory_bound)


MEAN = """
parameters = {"classes": [3], "alpha": (0.1, 1.0), "lambda_w": (0.01, 0.4), "lambda_h": (0.01, 1.0)}
parameters |= {"loss": "squared-error", "bias": 0.0}
labels = "%s"
def gram(p):
    variance = %s * (p.alpha + 1) / ((%d * p.alpha + 1) * p.classes)
    gain = max(np.sqrt(variance / (p.lambda_w * p.lambda_h)) - 1, 0.0)
    return p.lambda_h * gain * (np.eye(3) - 1 / 3)
"""


@pytest.mark.parametrize(("law", "ways"), [("mixup", 2), ("kway", 3)])
def test_what_a_moment_of_the_law_decides_is_decided_whatever_the_rule(law, ways, write):
    """Squared error: W knows E‖y‖² alone, which a rule that misses it by 1e-6 left open."""
    at = {"alpha": 0.3, "lambda_w": 0.03, "lambda_h": 0.05}
    found = judged(write, MEAN % (law, "1", ways), **at)
    assert found.verdict.word == "agrees" and found.error <= found.bound + found.theory_bound
    wrong = judged(write, MEAN % (law, "(1 + 1e-3)", ways), **at)
    assert wrong.verdict.word == (FAILS if law == "mixup" else UNDECIDED)  # of kway only zero is refuted


FINE = """
from ufm.model.laws import kway
from ufm.theory.multiplier import joint_multiplier
parameters = {"classes": [3], "alpha": 0.1, "lambda_w": (0.1, 0.4), "lambda_h": 0.3}
labels = "kway"
def gram(p):
    m = joint_multiplier(kway(p.alpha), 3, p.lambda_w, p.lambda_h).value
    return 1.5 * m**2 * (np.eye(3) - 1 / 3)
"""


def test_the_rounding_of_a_rule_refutes_nothing_and_is_shown_as_what_it_is(write, call_main):
    """The claim is true of the law; on 24 nodes it is off, and falls with them. No error is called zero."""
    found = judged(write, FINE, lambda_w=0.3)
    assert found.verdict.word == UNDECIDED and "nodes" in found.verdict.reason
    assert 1e-12 < found.error < 1e-6 and found.bound == np.inf and Trial(None, found).score == -np.inf
    code, out, _ = call_main(ufm.commands.conjecture.main, write(FINE), "--at", "lambda_w=0.3")
    assert code == 3 and "from which nothing follows" in out and "error       0.0" not in out


@pytest.mark.parametrize("lambda_b", [None, 0.0, 0.3])
@pytest.mark.parametrize("loss", ["cross-entropy", "squared-error"])
def test_a_classifier_is_known_from_both_sides(lambda_b, loss):
    """Dual ≤ best ≤ objective for any W, tight at the best features, and no better than the joint optimum."""
    problem = JointProblem(finite_law(mixup(1.0), 3, 4), 0.02, 0.01, 3, lambda_b, loss)
    best = solve_joint(problem)
    rng = np.random.default_rng(0)
    for W in (best.W, rng.normal(size=(3, 3)), np.zeros((3, 3))):
        point = fit_classifier(problem, W)
        found = certify_classifier(problem, point)
        assert 0 <= found.objective - found.dual <= 1e-9 * found.objective
        spoilt = Point(W, point.H + 0.1 * rng.normal(size=point.H.shape), point.b)
        rough = certify_classifier(problem, spoilt)
        assert rough.dual <= found.objective and rough.objective >= found.dual
        assert certify_joint(problem, point).objective >= best.objective * (1 - 1e-12)
    assert certify_classifier(problem, fit_classifier(problem, best.W)).objective == pytest.approx(
        best.objective
    )


# --- true claims that a careless judge refutes, and false ones that it lets pass --------------------


def judged(write, text, **values):
    claim = read_claim(write(text))
    return check_case(claim.theorem, type(claim.families[0].case)(**values)).check


SEAM = """
parameters = {"classes": [3], "lambda_w": (0.01, 0.4), "lambda_h": 1.0, "bias": 0.0, "loss": "squared-error"}
labels = "onehot"
def gram(p):
    c, P = np.sqrt(p.lambda_w * p.lambda_h), np.eye(3) - 1 / 3
    return p.lambda_h * (P / np.sqrt(3) / c - P) if c < 1 / np.sqrt(3) else 0 * P
"""


def test_rounding_of_a_gram_matrix_near_its_seam_is_no_refutation(write):
    for lambda_w in (0.3332877815049746, 0.33333, 1 / 3 - 1e-9):
        assert judged(write, SEAM, lambda_w=lambda_w).verdict.word != FAILS
    assert (
        judged(write, SEAM.replace("if c < 1", "if c < 0.9"), lambda_w=0.3).verdict.word == FAILS
    )  # zero too early


def test_zero_of_mixtures_of_three_classes_is_decided_next_to_its_threshold(write):
    text = """
        parameters = {"classes": [3], "alpha": (0.1, 1.0), "lambda_w": 1.0, "lambda_h": (0.1, 0.4)}
        labels = "kway"
        def zero(p):
            return p.lambda_w * p.lambda_h >= %s * (p.alpha + 1) / ((3 * p.alpha + 1) * p.classes)
    """
    at = {"alpha": 0.2551, "lambda_h": 0.2370}  # 2e-5 above it
    assert judged(write, text % 1, **at).verdict.word == "agrees"
    assert judged(write, text % 1.0001, **at).verdict.word == FAILS


def test_one_of_several_optima_is_no_refutation(write):
    """Squared error in one dimension: z = (1 - c sqrt 2) u u'y for every unit u; the solver found one of them."""
    text = """
        parameters = {"classes": [2], "dim": 1, "lambda_w": (0.01, 0.2), "lambda_h": 0.1, "loss": "squared-error"}
        labels = "onehot"
        def logits(p, y):
            u = np.array([np.cos(0.4), np.sin(0.4)])
            return (1 - np.sqrt(2 * p.lambda_w * p.lambda_h)) * u * (u @ y)
    """
    assert judged(write, text, lambda_w=0.1).verdict.word == UNDECIDED


def test_a_range_is_not_left(write):
    text = """
        parameters = {"classes": [2], "lam": (0.1, 0.4), "lambda_w": (0.01, 0.1)}
        labels = "onehot"
        def inequality(p, o):
            return p.lam - 0.4 - 1e-3
    """
    assert searched(write(text), settings=20)[2].refuted is None


def test_a_small_value_above_zero_is_not_told_from_zero(write):
    text = ONE_HOT + "def inequality(p, o): return 1e-9\n"
    assert judged(write, text, lambda_w=0.1, lambda_h=0.1).verdict.word == UNDECIDED


def test_what_is_no_gram_matrix_at_all_is_refuted_on_any_rule(write):
    text = "parameters = {'classes': [2]}\ndef gram(p): return -np.eye(2)\n"
    found = judged(write, text)
    assert found.verdict.word == FAILS and found.error == np.inf


@pytest.mark.parametrize(("law", "most"), [(mixup(1.0), 53), (onehot(), 464)])
def test_the_limits_are_those_of_the_page(law, most):
    for K, reached in ((most, False), (most + 1, True)):
        setting = Setting(Problem(classes=K, multiplier=1.0, lambda_h=0.01, law=law), nodes=claims.NODES)
        assert (setting.too_large is not None) == reached
    assert f"K ≤ {most}" in (Path(__file__).resolve().parents[2] / "docs/conjecture.md").read_text("utf-8")


def test_a_problem_out_of_reach_is_refused_before_work(write, call_main):
    path = write("parameters = {'classes': [3, 60]}\ndef zero(p): return True\n")
    code, _, err = call_main(ufm.commands.conjecture.main, path, "--settings", 2)
    assert code == 2 and "60 classes are too many for the joint problem, at classes = 60" in err


# --- the command ----------------------------------------------------------------------------------


def test_a_refuted_claim_exits_with_one_and_is_repeated_by_its_own_line(write, call_main, tmp_path):
    path, record = write(FALSE["too high a threshold"]), tmp_path / "record.json"
    code, out, _ = call_main(ufm.commands.conjecture.main, path, "--settings", 60, "--json", record)
    data = json.loads(record.read_text())
    assert (
        code == 1
        and data["verdict"] == "refuted"
        and "counterexample" in data
        and "the claim is: refuted" in out
    )
    assert all(len(line) <= 80 for line in out.splitlines() if "--at" not in line and str(path) not in line)
    at = data["counterexample"]["at"]
    again, out, _ = call_main(ufm.commands.conjecture.main, path, "--at", at)
    assert again == 1 and f"--at '{at}'" in out
    code, out, _ = call_main(
        ufm.commands.conjecture.main, path, "--at", "classes=3 lambda_w=0.01 lambda_h=0.01"
    )
    assert code == 0 and "theorems that apply" in out and "trivial-threshold" in out


def test_at_the_threshold_itself_nothing_is_decided(write, call_main):
    """1/K of two classes, to the last bit: rounding alone says on which side."""
    path = write("parameters = {'classes': 2, 'lambda_w': 0.5, 'lambda_h': 1.0}\nlabels = 'onehot'\n" + ZERO)
    code, out, _ = call_main(ufm.commands.conjecture.main, path, "--settings", 3)
    assert code == 3 and "the claim is: undecided" in out and "rounding decides" in out


@pytest.mark.parametrize(("loss", "fitted"), [("squared-error", 0.0), ("binary-cross-entropy", 0.5)])
def test_zero_is_decided_under_every_loss_without_a_bias(loss, fitted, write):
    """By the moment of y less what zero logits predict, which is not 1/K: that of y − 1/K is off by 6 %."""
    q = np.array([0.7, 0.2, 0.1])

    def edge(p):
        return np.linalg.eigvalsh((np.eye(3) - p).T * q @ (np.eye(3) - p))[-1]

    assert abs(edge(1 / 3) / edge(fitted) - 1) > 0.05
    text = f"parameters = {{'classes': 3, 'loss': '{loss}'}}\n" + ZERO
    text += "def labels(p):\n    return np.eye(3), np.array([0.7, 0.2, 0.1])\n"
    for share, word in ((1.001, "agrees"), (0.999, FAILS)):
        assert judged(write, text, lambda_w=share * edge(fitted), lambda_h=1.0).verdict.word == word


def test_what_is_printed_names_the_whole_problem_and_nothing_of_other_commands(write, call_main, tmp_path):
    """What the file fixes and what is left at its default stand beside what was searched, in the record too."""
    text = "parameters = {'classes': [3], 'lambda_w': (0.01, 0.1), 'lambda_h': 0.1, 'mine': 7, 'bias': 0.0}\n"
    record, path = tmp_path / "record.json", write(text + "def zero(p):\n    return p.mine == 7\n")
    code, out, _ = call_main(ufm.commands.conjecture.main, path, "--settings", 9, "--json", record)
    words = " ".join(out.split())
    for said in ("labels = mixup", "lambda_h = 0.1", "mine = 7", "bias = free", "alpha = 1", "dim = 3"):
        assert said in words, out
    assert code == 1 and "claimed W = 0" in words and "optimum norm of W" in words
    given = json.loads(record.read_text())["counterexample"]["with"]
    assert given["mine"] == 7 and given["bias"] == 0.0 and given["loss"] == "cross-entropy"
    stands = write(text + "def zero(p):\n    return False\n")
    _, other, _ = call_main(ufm.commands.conjecture.main, stands, "--settings", 3)
    assert not any(
        word in out + other for word in ("--tol", "--rigorous", "multiplier", "closed form", "None")
    )


def test_a_family_that_nothing_decides_is_told(write, call_main):
    """The rows merge below d = 1 too, but several optima leave that open: d = 2 alone decides nothing for d = 1."""
    text = """
        parameters = {"classes": [3], "dim": [1, 2], "light": (0.05, 0.3), "lambda_w": (0.05, 0.2), "lambda_h": 0.1}
        def labels(p):
            return np.eye(3), np.array([1 - 2 * p.light, p.light, p.light])
        def inequality(p, o):
            return -1.0
    """
    code, out, _ = call_main(ufm.commands.conjecture.main, write(text), "--settings", 30)
    words = " ".join(out.split())
    assert code == 3 and "mostly undecided, 1 of the families:" in words and "dim=1" in words


BUMP = """
parameters = {"classes": 2, "dim": 2, "lambda_w": (1e-4, 1.0), "lambda_h": 0.1}
labels = "onehot"
def inequality(p, o):
    return 0.03 - abs(np.log10(p.lambda_w) + 2.345)
"""


def test_an_inequality_that_holds_is_climbed_to_where_it_does_not(write, monkeypatch):
    """It is broken in a fiftieth of the range: what it is below zero leads there, chance alone does not."""
    assert searched(write(BUMP), settings=24)[2].refuted is not None
    monkeypatch.setattr(Trial, "order", property(lambda trial: (trial.score, 0.0)))
    assert searched(write(BUMP), settings=24)[2].refuted is None


def test_what_was_not_looked_at_leaves_a_claim_undecided(write, call_main):
    """A search that the first family takes all of; and the reason of one undecided setting is shown."""
    text = "parameters = {'classes': [2, 3], 'dim': [2]}\ndef inequality(p, o): return -1.0\n"
    code, out, _ = call_main(ufm.commands.conjecture.main, write(text), "--settings", 1)
    assert code == 3 and "unseen" in out and "1 of the families" in " ".join(out.split())
    text = "labels = 'onehot'\nparameters = {'classes': [3], 'dim': [1, 3]}\n"
    text += "def inequality(p, o): return 1.0 if p.dim == 1 else -1.0\n"
    code, out, _ = call_main(ufm.commands.conjecture.main, write(text), "--settings", 2)
    assert code == 3 and "relative gap" in " ".join(out.split())


def test_a_theorem_that_fails_beside_a_claim_is_told(write, call_main, monkeypatch):
    """Planted: the catalogue's label-smoothing, off by a factor."""
    right = ufm.commands.runs.conjecture.check_theorem

    def check(theorem, setting):
        found = right(theorem, setting)
        wrong = theorem.name == "joint-etf" and found.verdict.word == "agrees"
        return found._replace(verdict=found.verdict._replace(word=FAILS)) if wrong else found

    text = write(ONE_HOT + "def inequality(p, o): return -1.0\n")
    _, out, _ = call_main(ufm.commands.conjecture.main, text, "--settings", 8)
    assert "a defect here" not in " ".join(out.split())
    monkeypatch.setattr(ufm.commands.runs.conjecture, "check_theorem", check)
    _, out, _ = call_main(ufm.commands.conjecture.main, text, "--settings", 8)
    assert "joint-etf: known to hold at this setting, and fails. That is a defect here" in " ".join(
        out.split()
    )


def test_a_setting_is_judged_and_counted_once(write, call_main):
    """Eight settings there are: no more are counted, however long the search may take. A range has no end."""
    text = "parameters = {'lambda_w': %s}\ndef inequality(p, o): return -1.0\n"
    claim, search, outcome = searched(write(text % 0.01), settings=300)
    assert outcome.exhausted and search.tried == len(claim.families) == 8 and search.skipped == 0
    code, out, _ = call_main(ufm.commands.conjecture.main, write(text % 0.01))
    assert code == 0 and "8 in 8 of 8 families, all there are; 0 undecided" in " ".join(out.split())
    _, search, outcome = searched(write(text % "(0.01, 0.02)"), settings=30)
    assert not outcome.exhausted and search.tried == 30


def test_what_a_claim_leaves_out_is_told_and_not_counted(write, call_main):
    text = ONE_HOT + "def inequality(p, o): return -1.0\n"
    assumes = "def assumes(p): return p.classes > 2 or 'two are no crowd'\n"
    code, out, _ = call_main(ufm.commands.conjecture.main, write(text + assumes), "--settings", 9)
    words = " ".join(out.split())
    assert code == 0 and "9 in 2 of 4 families; 0 undecided" in words
    assert "left out" in words and "all of the families classes=2; classes=2 dim=1" in words
    _, out, _ = call_main(ufm.commands.conjecture.main, write(text), "--settings", 9)
    assert "9 in 4 of 4 families" in " ".join(out.split()) and "left out" not in out


def test_the_theorems_of_labels_written_by_hand_are_those_of_their_law(write, call_main, tmp_path):
    """What the law of that name has, less what is of no labels at all; other labels are no smoothing."""
    claim, record = "def inequality(p, o): return -1.0\n", tmp_path / "record.json"

    def names(text, said=""):
        call_main(ufm.commands.conjecture.main, write(text + claim), "--settings", 2, "--json", record)
        data = json.loads(record.read_text())
        assert said in data["worst"]["with"]["labels"]
        return [row["name"] for row in data["theorems"]]

    fixed = "parameters = {'classes': 3, 'dim': 3, 'smoothing': 0.1}\n"
    named = names(fixed + "labels = 'smoothing'\n")
    found = names(fixed + "def labels(p): return 0.9 * np.eye(3) + 0.1 / 3\n", "(one-hot, smoothed by 0.1)")
    assert {"label-smoothing", "joint-etf", "trivial-threshold", "residual-norm"} <= set(named) <= set(found)
    assert found[-2:] == ["duality", "equalised-residuals"]
    uneven = names(fixed + "def labels(p): return 0.9 * np.eye(3) + 0.1 * np.eye(3)[[1, 2, 0]]\n")
    assert not {"label-smoothing", "joint-etf"} & set(uneven) and "circulant-laws" in uneven


def test_every_family_is_met_first(write):
    text = "parameters = {'classes': [2, 3], 'dim': [1, 2, 3]}\ndef inequality(p, o): return -1.0\n"
    claim, _, outcome = searched(write(text), settings=6)
    assert outcome.visited == outcome.known == len(claim.families) == 6


def test_a_family_that_was_not_looked_at_is_not_left_out(write):
    """The limit comes before it: neither visited nor excluded."""
    text = "parameters = {'classes': [2, 3], 'dim': [1, 2, 3]}\ndef inequality(p, o): return -1.0\n"
    _, search, outcome = searched(write(text), settings=1)
    assert search.tried == outcome.visited == outcome.judged == 1 and outcome.barred == ()


@pytest.mark.parametrize(
    "text",
    [
        "from numpy import zeros\n",
        "def logit(p): return 1.0\n",
        "label = 0.1\n",
        "from jax.numpy import logaddexp as logit\n",
    ],
)
def test_helpers_and_imports_may_be_called_what_they_like(write, text):
    """What resembles a kind of claim beside another one, or is no function, is not meant to be read."""
    read_claim(write(text + ONE_HOT + "def inequality(p, o): return -1.0\n"))


def test_rounding_above_zero_breaks_no_inequality(write):
    text = ONE_HOT + "def inequality(p, o): return 1.4e-16\n"
    assert judged(write, text, lambda_w=0.1, lambda_h=0.1).verdict.word == "agrees"


BAD = {  # words of the message, and what it is about
    "loss stands outside of parameters": "loss = 'squared-error'\n" + ZERO,
    "label is nothing that a claim has: did you mean labels?": "def label(p): return [[1, 0]]\n" + ZERO,
    "A must be of numbers, texts or tuples, got array([[1., 0.], [0., 1.]])": "parameters = {'A': np.eye(2)}\n"
    + ZERO,
    "A must be of numbers, texts or tuples, got [[1, 2]]": "parameters = {'A': [[1, 2]]}\n" + ZERO,
    "A must be of numbers, texts or tuples, got (1, [2])": "parameters = {'A': (1, [2])}\n" + ZERO,
    "nothing reads p.lamda_w: did you mean lambda_w?": "parameters = {'lamda_w': (0.1, 1.0)}\n" + ZERO,
    "zeros is nothing that a claim has: did you mean zero?": "def zeros(p): return True\n",
    "did you mean 'lambda_w'": "parameters = {'lambda_W': 3.0}\ndef zero(p): return True\n",
    "nothing would read": "parameters = {'ways': [2]}\ndef zero(p): return True\n",
    "nothing is claimed": "parameters = {}",
    "gram and zero are claimed": "def zero(p): return True\ndef gram(p): return 0\n",
    "a dictionary": "parameters = 3\ndef zero(p): return True\n",
    "like [2, 3, 5]": "parameters = {'classes': (2, 5)}\ndef zero(p): return True\n",
    "a pair (low, high)": "parameters = {'alpha': (2.0, 1.0)}\ndef zero(p): return True\n",
    "an empty list": "parameters = {'alpha': []}\ndef zero(p): return True\n",
    "NameError: name 'nothing' is not defined (line 4)": "x = 1\nx = nothing\n",
    "SyntaxError": "def zero(p) return True\n",
    "must return True or False": ONE_HOT + "def zero(p): return 3\n",
    "ZeroDivisionError: division by zero (line": ONE_HOT + "def zero(p): return 1 / 0 > 1\n",
    "finite numbers of shape (2, 2), got shape (3,)": ONE_HOT + "def gram(p): return np.ones(3)\n",
    "finite numbers of shape (2, 2), got nan": ONE_HOT + "def gram(p): return np.full((2, 2), np.nan)\n",
    "a finite number, got nan": ONE_HOT + "def inequality(p, o): return float('nan')\n",
    "labels: must return labels (n, 2), or (labels, n weights), got shape (1, 3)": ONE_HOT.replace(
        "[2, 3]", "[2]"
    )
    + "def labels(p): return [[1, 0, 0]]\ndef zero(p): return True\n",
    "labels: must return real numbers, got 'mixup'": "def labels(p): return 'mixup'\ndef zero(p): return True\n",
    "AttributeError": ONE_HOT + "def zero(p): return p.light > 1\n",
    "labels: ": "def labels(p): return [[2.0, 3.0]]\ndef zero(p): return True\n",
    "SystemExit": ONE_HOT + "def zero(p):\n    raise SystemExit(0)\n",
    "none or taken": "parameters = {'weights': 3.0}\ndef zero(p): return True\n",
    "loss must be one of": ONE_HOT
    + "parameters['loss'] = ['cross-entropy', 'hinge']\ndef zero(p): return True\n",
    "True, False or a text": ONE_HOT + "def assumes(p): return 7\ndef zero(p): return True\n",
}


@pytest.mark.parametrize("words", BAD)
def test_a_claim_that_is_wrong_is_told_and_no_verdict(words, write, call_main):
    code, _, err = call_main(ufm.commands.conjecture.main, write(BAD[words]), "--settings", 3)
    assert code == 2 and words in err and len(err.strip().splitlines()) == 1
    assert not any(name in err for name in ("multiplier", "variant", "groups", "first ="))


def test_a_call_that_does_not_end_is_ended(write, monkeypatch):
    monkeypatch.setattr(calls, "CALL_SECONDS", 0.2)
    claim = read_claim(write(ONE_HOT + "def zero(p):\n    while True:\n        pass\n"))
    with pytest.raises(ClaimError, match="longer than"):
        check_case(claim.theorem, claim.families[0].case)
    with pytest.raises(InputError, match="longer than"):
        read_claim(write("while True:\n    pass\n"))


@pytest.mark.parametrize(
    "argv",
    [
        ("missing.py",),
        ("--seconds", 0),
        ("--settings", 0),
        ("--at", "alpha"),
        ("--at", "x=1"),
        ("--at", "weights=3"),
    ],
)
def test_wrong_usage(argv, write, call_main):
    path = write(TRUE["zero"])
    words = argv if argv[0] == "missing.py" else (path, *argv)
    code, _, err = call_main(ufm.commands.conjecture.main, *words)
    assert code == 2 and len(err.strip().splitlines()) == 1


def test_assumptions_leave_settings_out(write):
    assumes = "def assumes(p):\n    return 'weak' if p.lambda_w > 0.1 else True\n"
    path = write(ONE_HOT + assumes + "def zero(p):\n    return False\n")
    claim = read_claim(path)
    case = type(claim.families[0].case)
    assert check_case(claim.theorem, case(lambda_w=2.0, lambda_h=2.0)) is None
    assert not check_case(claim.theorem, case(lambda_w=0.05, lambda_h=0.05)).refutes
