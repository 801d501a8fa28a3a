"""The fuzz finds what is planted, says how to see it again, and its oracles agree with another one."""

from dataclasses import replace

import numpy as np
import pytest
from mpmath import mp, mpf

import ufm
from experiments import fuzz
from experiments.fuzzing import commands, draws, exact, extended, fixed, grammar, joint, joint_oracle
from experiments.fuzzing.record import Record
from tests import oracle

PROBLEM = ufm.Problem(3, multiplier=1.7, lambda_h=1e-3, dim=3)
LABELS = np.array([[1.0, 0, 0], [0.3, 0.7, 0], [0.25, 0.5, 0.25], [0.2, 0.2, 0.6]])
DENSE = ufm.Problem(3, classifier=np.array([[0.5], [1.0], [-2.0]]), lambda_h=1e-3)
LINE = ["--classes", "3", "--lam", "0.3", "--json", "out.json"]


def names(record: Record) -> set[str]:
    """Which kinds of check have failed."""
    return {text.split(":")[0] for text in record.found}


# --- oracles ------------------------------------------------------------------------------------


@pytest.mark.parametrize("a", [1e-6, 1.0, 6000.0, 1e16, 1e40])
@pytest.mark.parametrize("loss", draws.LOSSES)
def test_oracle_of_an_etf_agrees_with_another(a, loss):
    for kind in draws.LABELS:
        y = draws.label(np.random.default_rng(1), 5, kind)
        with mp.workdps(exact.working_digits(a)):
            own = exact.etf_logits(exact.complete(y), mpf(a), loss)
            off = mp.norm([u - v for u, v in zip(own, oracle.optimal_logits(y, a, loss))])
            assert off <= mpf(10) ** -38 * (mp.norm(own) + mpf(10) ** -30)


def test_oracle_finds_features_in_the_frame_of_the_package():
    h = fixed.optimum(PROBLEM, LABELS[1]).point
    rows = PROBLEM.W @ np.array([*map(float, h), 0.0])
    with mp.workdps(60):
        a = exact.sharpness(PROBLEM.multiplier, 3, PROBLEM.lambda_h)
        logits = exact.etf_logits(exact.complete(LABELS[1]), a, PROBLEM.loss)
    np.testing.assert_allclose(rows, np.array(logits, float), rtol=1e-14)


@pytest.mark.parametrize("cond", [1.0, 1e8])
@pytest.mark.parametrize("loss", draws.LOSSES)
def test_oracle_of_any_classifier_agrees_with_another(cond, loss):
    rng = np.random.default_rng(0)
    u, _, v = np.linalg.svd(rng.normal(size=(4, 3)), full_matrices=False)
    W = u * np.geomspace(1, 1 / cond, 3) @ v
    for kind in ("one-hot", "soft"):
        y = draws.label(rng, 4, kind)
        own = extended.optimum(W, y, 1e-6, loss)
        off = exact.distance(
            [0.0] * 3, [x - y for x, y in zip(own.point, oracle.optimal_feature(W, y, 1e-6, loss))]
        )
        assert off <= own.radius + mp.norm(own.point) * mpf(10) ** -35
        assert own.radius <= mp.norm(own.point) * mpf(10) ** -20


@pytest.mark.parametrize("last", [-300.0, -3000.0])
def test_oracle_solves_what_newton_stalled_at(last):
    """An uneven classifier; the third class has no weight at the optimum, where λ_H h = 1/(1 + e^h)."""
    W = np.array([[0.0], [1.0], [last]])
    found = extended.optimum(W, np.array([0.0, 1.0, 0.0]), 1e-3, "cross-entropy")
    (h,) = found.point
    assert abs(mpf(1e-3) * h - 1 / (1 + mp.exp(h))) < 1e-16 and found.radius < 1e-20


def test_quadrature_of_the_multiplier_has_the_known_value():
    """K = 10, α = 1, c² = 2.5e-7: a = 6197.719470182; and the two-hot logits are those of the exact oracle."""
    moment = joint_oracle.mixup_moment(1.0, 6197.719470182, 10, "all")
    assert abs(moment / (9 * 2.5e-7) - 1) < 1e-12
    lam = np.array([0.3], np.longdouble)
    square = joint_oracle.residual_square(lam, 1 - lam, 100.0, 4)[0]
    with mp.workdps(40):
        logits = exact.etf_logits(
            [mpf(float(lam[0])), 1 - mpf(float(lam[0])), mpf(0), mpf(0)], mpf(100), "cross-entropy"
        )
        assert abs(square - float(mp.norm(logits) ** 2 / 100**2)) < 1e-17


# --- cases --------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", fuzz.PARTS)
def test_a_case_depends_on_seed_part_and_number_alone(part):
    drawn = [Record(part, seed, number).rng.random() for seed, number in ((0, 1), (0, 1), (0, 2), (1, 1))]
    assert drawn[0] == drawn[1] and len(set(drawn)) == 3


def test_draws_cover_every_kind_they_name():
    about = [draws.problem(Record("fixed", 0, n).rng)[3] for n in range(200)]
    for word in ("spread", "uneven", "deficient", "tiny", "K=1000", "float32", "squared-error", "m=0.0"):
        assert any(word in text for text in about), word
    lines = [grammar.line(Record("commands", 0, n).rng) for n in range(600)]
    assert {name for name, _ in lines} == set(grammar.COMMANDS)
    for word in ("free", "W.npy", "--rigorous", "--dry-run", "nan", "10000000", "--symmetry", "1e-100"):
        assert any(word in words for _, words in lines), word
    kinds = {joint.draw(Record("joint", 0, n).rng)[2].split()[0] for n in range(60)}
    assert kinds == {"random", "drawn", "imbalanced", "exchangeable"}


def test_every_label_is_one():
    rng = np.random.default_rng(0)
    for kind in draws.LABELS:
        for K in (2, 3, 10):
            for _ in range(50):
                y = draws.label(rng, K, kind)
                assert (y >= 0).all() and abs(y.sum() - 1) < 1e-12


# --- planted faults -----------------------------------------------------------------------------


def run_fixed(monkeypatch, problem=PROBLEM, steps=2) -> Record:
    """One case on a problem on which nothing is wrong."""
    about = (problem, LABELS, np.float64, "planted")
    monkeypatch.setattr(draws, "problem", lambda rng: about)
    monkeypatch.setattr(fixed, "choose_method", lambda rng, problem: ("newton", steps))
    record = Record("fixed", 0, 0)
    fixed.check(record)
    return record


def changed(monkeypatch, where: str, change) -> None:
    """Let a function's results pass through `change`."""
    module, name = where.rsplit(".", 1)
    honest = getattr(__import__(module, fromlist=[name]), name)
    monkeypatch.setattr(where, lambda *given, **named: change(honest(*given, **named)))


@pytest.mark.parametrize("problem", [PROBLEM, DENSE], ids=["etf", "dense"])
def test_nothing_is_found_where_nothing_is_wrong(monkeypatch, problem):
    record = run_fixed(monkeypatch, problem, None)
    assert record.found == [] and record.counts["bound"] >= 12 and record.counts["solved"] == 1
    assert record.counts["enclosure"] >= 1


@pytest.mark.parametrize("problem", [PROBLEM, DENSE], ids=["etf", "dense"])
def test_half_a_bound_is_found(monkeypatch, problem):
    changed(
        monkeypatch, "ufm.certify.features.certify_features", lambda c: c._replace(distance=c.distance * 0.5)
    )
    assert "bound" in names(run_fixed(monkeypatch, problem))


def test_a_bound_that_is_no_number_is_found(monkeypatch):
    changed(
        monkeypatch,
        "ufm.certify.features.certify_features",
        lambda c: c._replace(distance=c.distance * np.nan),
    )
    assert "bound" in names(run_fixed(monkeypatch))


SLIPS = {
    "closed form": ("ufm.theory.predict.predict_features", "H", 1e-9),
    "d_a": ("ufm.theory.predict.predict_features", "d_a", 1e-8),
    "pairs": ("ufm.theory.predict.predict_pairs", "H", 1e-9),
    "d_lam": ("ufm.theory.predict.predict_pairs", "d_lam", 1e-8),
    "solved": ("ufm.optimize.features.solve_features", "H", 1e-5),
}


@pytest.mark.parametrize("name", SLIPS)
def test_small_slips_are_found(monkeypatch, name):
    where, field, size = SLIPS[name]
    changed(monkeypatch, where, lambda told: told._replace(**{field: getattr(told, field) * (1 + size)}))
    assert names(run_fixed(monkeypatch, steps=None)) == {name}


def test_an_enclosure_elsewhere_is_found(monkeypatch):
    honest = ufm.enclose_etf
    monkeypatch.setattr(
        "ufm.enclose.features.enclose_etf", lambda y, m, lam, loss: honest(y, m * (1 + 1e-14), lam, loss)
    )
    assert names(run_fixed(monkeypatch)) == {"enclosure"}


def test_an_exception_is_found(monkeypatch):
    monkeypatch.setattr("ufm.certify.features.certify_features", lambda *given: {}["nothing"])
    record = run_fixed(monkeypatch)
    assert any("KeyError" in text and "test_fuzz.py" in text for text in record.found)


def run_joint(monkeypatch, number=1, product=0.02) -> Record:
    labels, weights = joint.exchangeable(np.random.default_rng(0), 2)
    problem = joint_oracle.Joint(labels, weights, product * 10, 0.1, None, 2, "cross-entropy")
    monkeypatch.setattr(joint, "draw", lambda rng: (problem, True, "planted"))
    record = Record("joint", 0, number)
    joint.check(record)
    return record


def test_nothing_is_found_in_an_honest_joint_problem(monkeypatch):
    record = run_joint(monkeypatch, 3)
    assert record.found == [] and record.counts["gap"] >= 12 and record.counts["multiplier"] >= 1
    assert run_joint(monkeypatch, product=5.0).found == []  # beyond the threshold


JOINT_SLIPS = {
    "gap": ("ufm.certify.joint.certify_joint", lambda told: replace(told, gap=told.gap * 0.5)),
    "objective": (
        "ufm.certify.joint.certify_joint",
        lambda told: replace(told, objective=told.objective + 1e-12),
    ),
    "threshold": ("ufm.theory.thresholds.triviality", lambda told: told._replace(value=told.value * 1.0001)),
    "multiplier": (
        "ufm.theory.multiplier.joint_multiplier",
        lambda told: told._replace(sharpness=told.sharpness * (1 + 1e-9)),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", JOINT_SLIPS)
def test_slips_of_the_joint_problem_are_found(monkeypatch, name):
    changed(monkeypatch, *JOINT_SLIPS[name])
    assert names(run_joint(monkeypatch, 3)) == {name}


def test_a_threshold_that_is_claimed_too_low_is_found(monkeypatch):
    """Points below log K refute that zero is optimal."""
    low = lambda told: told._replace(value=told.value / 100, ratio=told.ratio * 100)  # noqa: E731
    changed(monkeypatch, "ufm.theory.thresholds.triviality", low)
    found = run_joint(monkeypatch).found
    assert any("below log K" in text for text in found)


def test_an_answer_to_what_is_no_problem_is_found(monkeypatch):
    monkeypatch.setattr(joint, "FiniteLaw", lambda *given: None)
    monkeypatch.setattr("ufm.model.atoms.JointProblem", lambda *given: "an answer")
    record = Record("joint", 0, 0)
    labels, weights = joint.exchangeable(np.random.default_rng(0), 2)
    joint.check_refusal(
        record, record.rng, joint_oracle.Joint(labels, weights, 0.1, 0.1, None, 2, "cross-entropy")
    )
    assert any("JointProblem" in text and "an answer" in text for text in record.found)


def run_line(monkeypatch, words=LINE, name="solve") -> Record:
    monkeypatch.setattr(grammar, "line", lambda rng: (name, list(words)))
    record = Record("commands", 0, 0)
    commands.check(record)
    return record


def test_nothing_is_found_in_an_honest_command(monkeypatch):
    record = run_line(monkeypatch)
    assert record.found == [] and record.counts["json"] == 1 and record.counts["files"] >= 1
    assert run_line(monkeypatch, ["--classes", "1", "--json", "out.json"]).found == []
    assert run_line(monkeypatch, ["--lambda-h", "nan"]).found == []
    assert run_line(monkeypatch, ["--nonsense"]).found == []


def raises(error):
    def session(*_):
        raise error

    return session


def prints(code: int, out: str = "", err: str = "", path: str = ""):
    """A session that does this instead of its work."""

    def session(*_):
        import sys
        from pathlib import Path

        sys.stdout.write(out)
        sys.stderr.write(err)
        if path:
            Path(path).write_text("{}")
        return code

    return session


PLANTED = {
    "a defect": (raises(KeyError("planted")), {"exit code", "traceback"}),
    "a NumPy error": (raises(np.linalg.LinAlgError("planted")), {"exit code", "traceback"}),
    "no exit code": (raises(SystemExit("planted")), {"exit code"}),
    "fails": (prints(1, path="out.json"), {"exit code", "files"}),
    "nan": (prints(0, "bound NaN\n", path="out.json"), {"nan"}),
    "a warning": (prints(0, err="RuntimeWarning: overflow\n", path="out.json"), {"warning"}),
    "no file": (prints(0), {"files"}),
    "a stranger": (prints(0, path="surprise.txt"), {"files"}),
    "a file beside a refusal": (prints(2, err="refused\n", path="out.json"), {"files"}),
    "two lines of refusal": (prints(2, err="refused\nreally\n"), {"refusal"}),
    "a refusal on stdout": (prints(2, out="refused\n", err="refused\n"), {"refusal"}),
}


@pytest.mark.parametrize("fault", PLANTED)
def test_faults_of_a_command_are_found(monkeypatch, fault):
    session, kinds = PLANTED[fault]
    monkeypatch.setattr("ufm.commands.runs.features.solve", session)
    assert names(run_line(monkeypatch)) == kinds


@pytest.mark.parametrize("text", ['{"a": NaN}', '{"a": Infinity}', '{"a": 1', ""])
def test_json_that_is_none_is_found(monkeypatch, text):
    monkeypatch.setattr("ufm.commands.runs.features.solve", prints(0, out=text))
    assert "json" in names(run_line(monkeypatch, ["--json", "-"]))


def test_a_line_without_end_is_found(monkeypatch):
    import time

    monkeypatch.setattr("ufm.commands.runs.features.solve", lambda *_: time.sleep(60))
    monkeypatch.setattr(commands, "PATIENCE", 1)
    assert "exit code" in names(run_line(monkeypatch))


def test_memory_that_a_line_takes_is_found(monkeypatch):
    monkeypatch.setattr(
        "ufm.commands.runs.features.solve", lambda *_: np.empty(2 * commands.MEMORY, np.uint8).size * 0
    )
    assert "exit code" in names(run_line(monkeypatch))


def test_the_door_says_how_to_see_a_finding_again(monkeypatch, capsys):
    monkeypatch.setattr(fuzz, "start_jax", lambda: None)  # tests have started it
    monkeypatch.setattr(grammar, "line", lambda rng: ("solve", LINE))
    again = ["--part", "commands", "--case", "3", "--seed", "5"]
    assert fuzz.main(again) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("commands: 1 cases")
    monkeypatch.setattr("ufm.commands.runs.features.solve", raises(KeyError("planted")))
    assert fuzz.main(again) == 1
    line = capsys.readouterr().out.splitlines()[0]
    assert line.startswith("FOUND exit code: 70") and line.endswith("--seed 5 --part commands --case 3")
    assert "solve --classes 3 --lam 0.3" in line


def test_cases_go_on_until_the_time_is_over(monkeypatch):
    clock = iter(range(1000))
    monkeypatch.setattr(fuzz.time, "monotonic", lambda: next(clock))
    args = fuzz.parse(["--seconds", "30"])
    numbers = list(fuzz.cases(fuzz.PARTS, args))
    assert numbers[:4] == [("fixed", 0), ("joint", 0), ("commands", 0), ("fixed", 1)]
    assert all(numbers.count(case) == 1 for case in numbers)
