"""Labels with weights: a weight of m/N does what m equal rows among N do, and weights that are none are refused."""

import json
import os

import numpy as np
import pytest

import ufm
import ufm.solve
import ufm.verify
from ufm.commands.runs.features import trivial_threshold
from ufm.model.atoms import finite_law
from ufm.model.laws import LabelLaw, label_variance, pattern_rule, second_moment
from ufm.theory.multiplier import joint_multiplier
from ufm.theory.thresholds import triviality

COPIES = np.array([9, 1, 2, 1, 4, 1])
WEIGHTS = COPIES / COPIES.sum()
LABELS = np.random.default_rng(3).dirichlet(np.full(4, 0.4), len(COPIES))
LABELS[0] = 0.3, 0.3, 0.2, 0.2
REPEATED = np.repeat(LABELS, COPIES, axis=0)
SPELLED = ",".join(map(repr, WEIGHTS.tolist()))


@pytest.fixture(autouse=True)
def _files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("Y.npy", LABELS)
    np.save("R.npy", REPEATED)
    np.save("w.npy", WEIGHTS)


def numbers(law: LabelLaw) -> list[float]:
    """Everything that is derived from a law before anything is solved."""
    problem = ufm.Problem(classes=4, multiplier=1.0, law=law)
    return [
        second_moment(law, 4),
        label_variance(law, 4),
        trivial_threshold(problem),
        triviality(finite_law(law, 4), 1.0).value,
        joint_multiplier(law, 4, 1e-3, 1e-3).value,
        joint_multiplier(law, 4, 1e-3, 1e-3, "squared-error").value,
        pattern_rule(law, 4).weights.sum(),
    ]


def test_weights_are_repetitions_in_all_that_is_derived():
    weighted, repeated = numbers(ufm.soft(LABELS, WEIGHTS)), numbers(ufm.soft(REPEATED))
    assert weighted == pytest.approx(repeated, rel=1e-13)
    even = numbers(ufm.soft(LABELS))
    assert all(abs(one - other) > 1e-3 * other for one, other in zip(even[:-1], repeated[:-1]))


def run(call_main, main, *argv) -> dict:
    code, out, err = call_main(main, "--classes", 4, *argv, "--json", "-")
    assert code in (0, 3), err
    return json.loads(out)


def test_weights_are_repetitions_to_a_free_classifier(call_main):
    free = ("--classifier", "free", "--lambda-w", "1e-3", "--lambda-h", "1e-3")
    weighted = run(call_main, ufm.solve.main, *free, "--labels", "Y.npy", "--weights", "w.npy")
    repeated = run(call_main, ufm.solve.main, *free, "--labels", "R.npy")
    even = run(call_main, ufm.solve.main, *free, "--labels", "Y.npy")
    assert weighted["problem"]["label_weights"] == WEIGHTS.tolist()
    assert weighted["joint"]["objective"] == pytest.approx(repeated["joint"]["objective"], rel=1e-12)
    assert weighted["joint"]["relative_gap"] < 1e-9 and repeated["joint"]["relative_gap"] < 1e-9
    multiplier, threshold = (
        lambda d: d["joint"]["multiplier"]["numeric"],
        lambda d: d["problem"]["threshold"],
    )
    assert multiplier(weighted) == pytest.approx(
        multiplier(repeated), rel=1e-6
    )  # of an optimum to a gap of 1e-9
    assert weighted["joint"]["multiplier"]["theory"] is None  # these labels are not exchangeable
    assert threshold(weighted) == pytest.approx(threshold(repeated), rel=1e-12)
    assert abs(even["joint"]["objective"] / repeated["joint"]["objective"] - 1) > 1e-3


def test_weights_enter_the_multiplier_of_a_fixed_classifier_and_no_row_else(call_main):
    flags = ("--lambda-w", "1e-3", "--lambda-h", "1e-3", "--labels")
    weighted = run(call_main, ufm.solve.main, *flags, "Y.npy", "--weights", SPELLED)
    repeated = run(call_main, ufm.solve.main, *flags, "R.npy")
    even = run(call_main, ufm.solve.main, *flags, "Y.npy")
    for name in ("multiplier", "threshold"):
        assert weighted["problem"][name] == pytest.approx(repeated["problem"][name], rel=1e-12)
        assert weighted["problem"][name] != pytest.approx(even["problem"][name], rel=1e-3)
    given = ("--multiplier", "1.5", *flags)
    rows = [
        run(call_main, ufm.solve.main, *given, "Y.npy", *more)["features"]
        for more in ((), ("--weights", "w.npy"))
    ]
    assert rows[0] == rows[1] and len(rows[0]) == len(COPIES)


def test_a_label_of_weight_zero_counts_for_nothing(call_main):
    with_zero = ufm.soft(np.concatenate([LABELS, np.eye(4)[:1]]), np.append(WEIGHTS, 0.0))
    assert numbers(with_zero) == pytest.approx(numbers(ufm.soft(LABELS, WEIGHTS)), rel=1e-13)
    assert len(finite_law(with_zero, 4).labels) == len(COPIES)


def test_it_is_said_and_saved(call_main):
    code, out, _ = call_main(
        ufm.solve.main, "--classes", 4, "--labels", "Y.npy", "--weights", "w.npy", "--save", "a.npz"
    )
    assert code == 0 and "labels, weighted" in out
    with np.load("a.npz") as saved:
        assert saved["weights"].tolist() == WEIGHTS.tolist()
    code, out, _ = call_main(
        ufm.solve.main, "--classes", 4, "--labels", "Y.npy", "--weights", "w.npy", "--save", "shards/"
    )
    with np.load("shards/shard-000000.npz") as saved:
        assert saved["weights"].tolist() == WEIGHTS.tolist()


def test_verify_takes_them(call_main):
    flags = ("--lambda-w", "1e-3", "--lambda-h", "1e-3", "--labels")
    found = {
        name: {
            theorem["name"]: theorem
            for theorem in run(call_main, ufm.verify.main, *flags, name, *more)["theorems"]
        }
        for name, more in (("R.npy", ()), ("Y.npy", ("--weights", "w.npy")))
    }
    for name, theorem in found["R.npy"].items():
        other = found["Y.npy"][name]
        assert theorem["verdict"] == other["verdict"]
        if theorem["predicted"] is not None:
            assert other["predicted"] == pytest.approx(theorem["predicted"], rel=1e-9), name


@pytest.mark.parametrize(
    "weights, words",
    [
        ("0.5,0.5", "6 numbers, one a label"),
        ("0.5,0.1,0.1,0.1,0.1,0.2", "sum to 1"),
        ("-0.5,0.5,0.25,0.25,0.25,0.25", "-0.5 for label 0"),
        ("nan,0.5,0.25,0.25,0,0", "nan for label 0"),
        ("inf,0.5,0.25,0.25,0,0", "inf for label 0"),
        ("a,b", "comma-separated numbers"),
        ("missing.npy", "No such file"),
        ("Y.npy", "6 numbers, one a label"),
    ],
)
@pytest.mark.parametrize("main", [ufm.solve.main, ufm.verify.main])
def test_weights_that_are_none(call_main, main, weights, words):
    before = sorted(os.listdir())
    code, out, err = call_main(main, "--classes", 4, "--labels", "Y.npy", f"--weights={weights}")
    assert code == 2 and out == "" and words in err and len(err.splitlines()) == 1, err
    assert sorted(os.listdir()) == before


def test_class_weights_stay_what_they_were(call_main):
    np.save("c.npy", [0.4, 0.3, 0.2, 0.1])
    np.save("one.npy", 1.0)
    same = [
        run(call_main, ufm.verify.main, "--weights", text)["theorems"]
        for text in ("0.4,0.3,0.2,0.1", "c.npy")
    ]
    assert same[0] == same[1]
    for name, words in (("one.npy", "1 numbers for 4 classes"), ("w.npy", "6 numbers for 4 classes")):
        code, _, err = call_main(ufm.verify.main, "--classes", 4, "--weights", name)
        assert code == 2 and words in err
    code, _, err = call_main(ufm.solve.main, "--classes", 4, "--weights", "c.npy")
    assert code == 2 and "--weights needs --classifier free" in err
    with pytest.raises(ufm.model.laws.InputError, match="soft"):
        LabelLaw("mixup", alpha=1.0, label_weights=WEIGHTS)
