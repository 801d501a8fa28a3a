"""The speed table on tiny tasks: oracle, peers, processes that misbehave, ratios, targets, files. No timing."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from mpmath import mp, mpf

from experiments import speed
from experiments.benchmark import joint, profile, report, rows, targets, worker
from experiments.benchmark.growth import many
from experiments.benchmark.joint import JointTask, Milestone
from experiments.benchmark.oracle import exact_features, save_answers
from experiments.benchmark.processes import Job, Outcome, Terms, best_of_threads, faster, run_peer
from experiments.benchmark.tasks import CHECKED, FeatureTask, Solver, feature_tasks
from experiments.benchmark.waits import rows as waits
from experiments.benchmark.waits.large import Large
from experiments.peers import optax_lbfgs, ours, scipy_lbfgs
from experiments.peers.joint import cvxpy as joint_cvxpy
from experiments.peers.joint import ours as joint_ours
from experiments.peers.joint import scipy as joint_scipy
from experiments.peers.joint import sgd as joint_sgd
from experiments.peers.joint.variables import Variables
from tests import oracle
from ufm.certify.joint import certify_joint
from ufm.model.atoms import JointProblem, Point

pytestmark = pytest.mark.slow  # every peer is run

ETF, ANY = FeatureTask(4, 1e-2), FeatureTask(4, 1e-2, "any")
EPS = np.finfo(float).eps


# --- tasks and oracle -------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", [ETF, ANY])
def test_labels_are_exact_mixtures(task):
    Y, lam = task.labels(50), task.mixing(50)
    assert (Y.sum(1) == 1).all() and (Y >= 0).all() and ((Y > 0).sum(1) <= 2).all()
    np.testing.assert_array_equal(Y[:CHECKED, 0], lam[:CHECKED])
    np.testing.assert_array_equal(Y[:CHECKED], task.labels(CHECKED))
    assert all(mpf(float(t)) + mpf(float(1 - t)) == 1 for t in lam)


def test_reduced_coordinates_are_isometric():
    B, V = ANY.reduced()
    np.testing.assert_allclose(B @ V.T, ANY.W(), rtol=0, atol=1e-14)
    np.testing.assert_allclose(V.T @ V, np.eye(4), rtol=0, atol=1e-14)


def test_grids():
    assert {task.classifier for task in feature_tasks(True)} == {"etf", "any"}
    assert len(feature_tasks(False)) == len(set(feature_tasks(False))) == 15
    assert {task.kind for task in joint.joint_tasks(False)} == {"balanced", "imbalanced"}


@pytest.mark.parametrize("task", [ETF, ANY, FeatureTask(3, 1e-6, "any")])
def test_two_oracles_agree(task):
    """Another algorithm, another file: the one that the library is tested against."""
    for y, h in zip(task.labels(CHECKED), exact_features(task)):
        exact = oracle.optimal_feature(task.W(), y, task.lambda_h)
        apart = mp.norm([mpf(float(u)) - v for u, v in zip(h, exact)]) / mp.norm(exact)
        # an ETF in floats is a few ε from an exact one, which the other oracle is not told
        assert apart <= (64 if task.classifier == "etf" else 2) * EPS


# --- peers ------------------------------------------------------------------------------------------------


def measured(peer, variant, task):
    return worker.measure(peer.VARIANTS[variant](task), task, 0.0, exact_features(task))


@pytest.mark.parametrize("variant", [name for name in ours.VARIANTS if name not in (rows.COPY, rows.CHECK)])
def test_ours_are_exact(variant):
    found = measured(ours, variant, ETF)
    assert found["error"] <= 1e-14 and found["checked"] == CHECKED and found["seconds"] > 0


def test_ours_on_any_classifier():
    assert measured(ours, rows.NEWTON, ANY)["error"] <= 1e-14
    assert all(ours.VARIANTS[name](ANY) is None for name in ours.VARIANTS if name != rows.NEWTON)
    assert ours.closed_form(FeatureTask(1000, 1e-2)) is None


@pytest.mark.parametrize("K, count", [(4, 16), (1000, 2000)])
def test_the_whole_check_is_of_as_many_features(K, count):
    made = ours.whole_check(FeatureTask(K, 1e-2))
    assert made.batch == count
    if K == 4:
        assert measured(ours, rows.CHECK, ETF)["note"] == "agrees"


def test_the_copy_copies_the_table():
    made, table = ours.copy(ETF), ours.closed_form(ETF)
    assert made.solve(None).shape == (table.batch, ETF.dim)
    assert table.solve(None).size == table.batch * ETF.dim
    assert made.features(None) is None


def test_scipy_peers():
    default, tight = (measured(scipy_lbfgs, name, ANY)["error"] for name in scipy_lbfgs.VARIANTS)
    assert tight <= 1e-6 < default <= 0.1
    value, slope = scipy_lbfgs.objective(np.ones(4), ANY.W(), ANY.labels(1)[0], 0.1)
    steps = [
        scipy_lbfgs.objective(np.ones(4) + 1e-6 * e, ANY.W(), ANY.labels(1)[0], 0.1)[0] for e in np.eye(4)
    ]
    np.testing.assert_allclose((np.array(steps) - value) / 1e-6, slope, atol=1e-5)


@pytest.mark.parametrize("task", [ETF, ANY])
def test_optax_peer(task):
    assert measured(optax_lbfgs, "optax L-BFGS, vmapped", task)["error"] <= 1e-7


def test_cvxpy_peer():
    pytest.importorskip("cvxpy")
    pytest.importorskip("clarabel")
    from experiments.peers import cvxpy_clarabel

    default, tight = (measured(cvxpy_clarabel, name, ANY) for name in cvxpy_clarabel.VARIANTS)
    assert tight["error"] <= default["error"] <= 1e-2 and "optimal" in tight["note"]


def test_torch_peers(monkeypatch):
    pytest.importorskip("torch")
    from experiments.peers import torch_batched

    lbfgs, sgd = torch_batched.VARIANTS
    assert measured(torch_batched, lbfgs, ANY)["error"] <= 1e-3
    monkeypatch.setattr(torch_batched, "STEPS", 300)
    monkeypatch.setattr(torch_batched, "LIMIT", np.inf)
    found = measured(torch_batched, sgd, ANY)
    assert found["error"] <= 0.1 and found["note"] == "300 steps"
    monkeypatch.setattr(torch_batched, "LIMIT", 0.0)
    assert measured(torch_batched, sgd, ANY)["note"] == "100 steps, time limit"


def test_a_wrong_or_broken_answer_shows():
    """Negative control: the error is that of the answer, infinite where it is no number; checked says how many."""
    exact = exact_features(ETF)
    assert worker.worst_error(2 * exact, exact) == pytest.approx(1.0)
    assert worker.worst_error(exact[:3], exact) == 0.0
    assert worker.worst_error(np.where(np.arange(CHECKED)[:, None] == 5, np.nan, exact), exact) == np.inf
    one = Solver(lambda labels: np.repeat(exact[:1], len(labels), 0), 1)
    assert worker.measure(one, ETF, 0.0, exact)["checked"] == 2


# --- processes --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def terms(tmp_path_factory):
    path = tmp_path_factory.mktemp("answers") / "answers.npz"
    save_answers([ETF], path)
    return Terms(0.0, 60.0, str(path), (1, 2))


def odd(*names):
    return [Job("tests.odd_peer", name, ETF) for name in names]


def test_what_goes_wrong_is_a_row(terms):
    found = run_peer(odd("wrong", "not finite", "fails", "does not apply"), 1, terms)
    assert [each.status for each in found] == [
        "ok",
        "ok",
        "failed: ArithmeticError: no descent",
        "does not apply",
    ]
    assert found[0].answer["error"] == 1.0 and found[1].answer["error"] == np.inf


def test_a_peer_that_dies_or_hangs_costs_only_its_own_row(terms):
    found = run_peer(odd("dies", "wrong"), 1, terms)
    assert [each.status for each in found] == ["died (exit code 3)", "ok"]
    found = run_peer(odd("wrong", "hangs"), 1, replace(terms, limit=4.0))
    assert found[1].status == "timed out after 4 s"


def test_a_missing_package_is_no_error_and_asked_for_once(terms):
    told = []
    found = best_of_threads([Job("tests.absent_peer", "anything", ETF)], replace(terms, report=told.append))
    assert [each.status for each in found] == [each.status for each in told] == ["not installed"]


def outcome(variant=rows.NEWTON, task=ETF, status="ok", threads=1, seconds=1.0, error=0.0, **answer):
    answer = {
        "seconds": seconds,
        "error": error,
        "count": 9,
        "checked": 8,
        "compile": 0.0,
        "note": "",
    } | answer
    return Outcome(Job("peer", variant, task), threads, status, answer if status == "ok" else {})


def test_the_faster_thread_count_is_kept():
    slow, fast, broken = outcome(threads=1), outcome(threads=2, seconds=0.5), outcome(status="failed")
    assert faster(slow, fast) is faster(fast, slow) is fast
    assert faster(broken, slow) is faster(slow, broken) is slow
    never, soon = outcome(rank=[True, 0.1]), outcome(rank=[False, 9.0])
    assert faster(never, soon) is soon


# --- rows and targets -------------------------------------------------------------------------------------


def test_ratios_only_against_results_at_least_as_accurate():
    mine, array = outcome(seconds=2.0, error=1e-12), outcome(rows.ARRAY, seconds=4.0, error=1e-9)
    peers = [
        outcome("rough", seconds=10.0, error=1e-3),
        outcome("between", seconds=10.0, error=1e-10),
        outcome("better", seconds=10.0, error=1e-13),
        outcome("broken", status="timed out after 1 s"),
        outcome("no error", error=None),
    ]
    found = {row.variant: (row.ratio, row.ratio_array) for row in rows.feature_rows([mine, array, *peers])}
    assert found["rough"] == (5.0, 2.5) and found["between"] == (5.0, None)
    assert found["better"] == found["broken"] == found["no error"] == (None, None)
    assert found[rows.NEWTON] == (None, None), "ours is not a peer"
    assert rows.feature_rows([outcome(status="does not apply")]) == []


def joint_outcome(variant, points, task=JointTask("imbalanced", 5e-3, 2), status="ok"):  # noqa: B008
    answer = {"milestones": points, "compile": 0.0, "note": "", "whole": 1.0, "rank": [False, 1.0]}
    return Outcome(Job("peer", variant, task), 1, status, answer if status == "ok" else {})


def test_joint_ratios_are_at_equal_gap():
    mine = joint_outcome(rows.JOINT, [[0.1, 0.1, 1e-4, 1.0], [0.2, 0.2, 1e-10, 1.0]])
    peer = joint_outcome("peer", [[1.0, 1.0, 1e-3, 1.0], [5.0, 5.0, 1e-5, 1.0]])
    better = joint_outcome("better", [[9.0, 9.0, 1e-12, 1.0]])
    missing = joint_outcome("absent", [], status="not installed")
    found = {
        (row.outcome.job.variant, row.mark): row for row in rows.joint_rows([mine, peer, better, missing])
    }
    assert found["peer", "target"].point is None and found["peer", "target"].ratio is None
    assert found["peer", "best"].ratio == 5.0 / 0.2 and found["better", "target"].ratio is None
    assert found["absent", ""].ratio is None


RATES = profile.Rates(exp=1.0, log1p=3.0, cache=100.0, memory=10.0, product=3e4)
STAGES = [
    profile.Stage("labels checked", 10.0),
    profile.Stage("solver: first step (leap)", 50.0, 20.0, 70.0, 700.0),
    profile.Stage("solver: one of 4 Newton steps", 50.0, 11.0, 600.0, 4000.0),
    profile.Stage("features from coordinates", 40.0, bytes=300.0, memory=True),
]


def test_bounds_are_named():
    found = [profile.bound(stage, RATES) for stage in STAGES]
    assert [name for name, _ in found] == [
        "not counted",
        "log throughput",
        "cache bandwidth",
        "memory bandwidth",
    ]
    assert [share for _, share in found] == pytest.approx([0.0, 1.2, 0.8, 0.75])
    assert profile.arithmetic(RATES, 2) == pytest.approx(25e-9)
    assert len(profile.lines(RATES, STAGES)) == 6 + len(STAGES)


def table(seconds=1e-6, scipy=1e-3, growth=1.0):
    """Rows of a machine where everything takes these times."""
    ten, thousand = FeatureTask(10, 1e-4), FeatureTask(1000, 1e-4)
    return rows.feature_rows(
        [
            outcome(task=ten, seconds=seconds, error=1e-15),
            outcome(task=thousand, seconds=seconds * 100**growth, error=1e-15),
            outcome(rows.ARRAY, thousand, seconds=seconds * 100, error=1e-15),
            outcome(targets.SCIPY, thousand, seconds=scipy * 4, error=1e-3),
            outcome(targets.SCIPY, ten, seconds=scipy, error=1e-3),
            outcome(targets.SCIPY + ", tight", ten, seconds=2 * scipy, error=1e-8),
            outcome(rows.CLOSED, ten, seconds=1e-7),
            outcome(rows.COPY, ten, seconds=0.9e-7, error=None),
            outcome(rows.COEFFICIENTS, ten, seconds=1e-7),
            outcome(rows.COEFFICIENTS, thousand, seconds=1.1e-7),
        ]
    )


def judged(found):
    return {each.name: each for each in targets.feature_targets(found, RATES, STAGES)}


def test_targets_reached_missed_and_not_measured():
    good, bad = judged(table()), judged(table(seconds=3e-6, growth=1.5))
    name = "numerical route: exponent of K in the time a feature"
    assert good[name].reached and not bad[name].reached and bad[name].measured == "1.50"
    scipy = good["ETF against scipy"], bad["ETF against scipy"]
    assert scipy[0].reached and scipy[0].measured == "1000 to 2000"
    assert not scipy[1].reached and "λ_H = 0.0001" in scipy[1].reason
    assert good["ETF against Clarabel"].reached is None
    planned = [name for name in good if "as planned" in name]
    assert good[planned[0]].reached and not bad[planned[0]].reached and "bandwidth" in bad[planned[0]].reason
    wide = "time against 5 steps of 1000 exponentials, at the measured rate of exp"
    assert not bad[wide].reached and "label is read" in bad[wide].reason
    array = "W an array against scipy, K = 1000"
    assert good[array].reached and not bad[array].reached and "10 products of 30 µs" in bad[array].reason
    shares = [each for each in good.values() if "copy" in each.name]
    assert shares[0].reached and shares[0].measured == "0.90"
    assert all(each.reached is None for each in judged([]).values())


def test_waits_are_judged_by_times_or_by_seconds():
    found = {each.name: each for each in waits.wait_targets(WAITS)}
    assert [each.reached for each in found.values()] == [True, False, True, True, False]
    assert found["waiting for verify, nothing kept"].measured == "3.90 s"
    assert found["waiting for compare"].measured == "15.00 ×"
    assert all(each.reached is None for each in waits.wait_targets([]))


def test_what_is_measured_can_be_written(monkeypatch):
    """Of numbers of NumPy, as the clocks give them; and where the disk is full there is no comparison."""
    large = Large(
        10, 2, 3, "float32", *(np.array([seconds, seconds]) for seconds in (9.0, 1.0, 2.0)), 1.0, {}
    )
    monkeypatch.setattr(waits, "first_answers", lambda rounds: (0.5, {"ufm --help": 0.25}))
    monkeypatch.setattr(waits, "measure", lambda N, d, K: large)
    found = waits.measure_waits()
    assert [wait.times for wait in found] == [0.5, 4.5]
    assert json.loads(json.dumps([vars(each) for each in waits.wait_targets(found)]))[-1]["reached"] is True
    monkeypatch.setattr(waits, "disk_usage", lambda path: SimpleNamespace(free=0))
    assert [wait.name for wait in waits.measure_waits()] == ["ufm --help"]


def test_joint_targets():
    mine = joint_outcome(rows.JOINT, [[0.1, 0.1, 1e-10, 1.0]])
    near, far = (joint_outcome(f"{t}", [[t, t, 1e-9, 1.0]]) for t in (0.5, 5.0))
    found = {each.name: each for each in targets.joint_targets(rows.joint_rows([mine, near, far]))}
    assert [each.reached for each in found.values()] == [True, False, True]
    late = joint_outcome(rows.JOINT, [[0.3, 0.3, 1e-10, 1.0]])
    assert targets.joint_targets(rows.joint_rows([late]))[0].reached is False
    assert targets.joint_targets([])[0].reached is None


# --- the joint problem ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def law():
    """Four classes, as many atoms as the phase diagram's tests: nothing new to compile for `solve_joint`."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (joint_ours, Variables.__init__.__globals__):
            names = module if isinstance(module, dict) else vars(module)
            for name in ("CLASSES", "DIM"):
                patch.setitem(names, name, 4)
        yield JointTask("imbalanced", 5e-3, 8, 4).law()


@pytest.mark.parametrize("plain", [False, True])
def test_peers_minimise_the_certified_objective(law, plain):
    variables = Variables(law, 5e-3, plain)
    x = variables.start()
    value, gradient = variables.value_and_gradient(x)
    W, G = variables.unpack(x)
    judged = certify_joint(JointProblem(law, 5e-3, 5e-3), Point(W, G / variables.scale))
    assert value == pytest.approx(judged.objective, rel=1e-13)
    direction = np.random.default_rng(0).standard_normal(x.shape)
    step = 1e-6 * direction
    ends = [variables.value_and_gradient(x + sign * step)[0] for sign in (1, -1)]
    assert (ends[0] - ends[1]) / 2e-6 == pytest.approx(gradient @ direction, rel=1e-6)


def test_momentum_steps_are_those_of_numpy(law):
    variables = Variables(law, 5e-3, False)
    x, v = variables.start(), 0.0
    found = np.asarray(joint_sgd.momentum_block(variables)(x, 0 * x, 0.3, 3)[0])
    for _ in range(3):
        v = 0.9 * v - 0.3 * variables.value_and_gradient(x)[1]
        x = x + v
    np.testing.assert_allclose(found, x, rtol=1e-12, atol=1e-14)


def test_short_joint_runs(law):
    """Every descent hands back points that are certified; a few steps do not reach the target."""
    mine = joint_ours.newton(law, 5e-3, repeats=1)
    lbfgs = joint_scipy.lbfgs(law, 5e-3, plain=False, iterations=4)
    sgd = joint_sgd.sgd(law, 5e-3, plain=True, steps=5, rates=(0.1,), trial=1)
    found = [joint.milestones(each.snapshots, law, 5e-3) for each in (mine, lbfgs, sgd)]
    assert joint.target(found[0]) is not None and joint.best(found[0]).gap <= joint.TARGET
    for points in found[1:]:
        assert joint.target(points) is None and joint.best(points).gap > joint.TARGET
        assert all(point.gap > 0 and point.seconds > 0 for point in points)
    assert joint.best([Milestone(1.0, 1.0, 1e-3, 1.0), Milestone(2.0, 1.0, 6e-4, 1.0)]).seconds == 1.0


def test_the_cone_program_has_the_joint_optimum(law):
    pytest.importorskip("cvxpy")
    pytest.importorskip("clarabel")
    found = joint_cvxpy.gram_program(law, 5e-3)
    assert joint.milestones(found.snapshots, law, 5e-3)[0].gap <= 1e-4 and "optimal" in found.note


def test_a_joint_job_answers_with_milestones(law, monkeypatch):
    monkeypatch.setattr(JointTask, "law", lambda self: law)
    found = joint.measure_joint(joint_ours.newton, JointTask("imbalanced", 5e-3, 8))
    assert found["status"] == "ok" and found["rank"][0] is False and json.dumps(found)


# --- files and command ------------------------------------------------------------------------------------


def outcomes():
    features = [
        outcome(error=1e-15),
        outcome("peer", error=float("inf")),
        outcome("absent", status="not installed"),
    ]
    joints = [
        joint_outcome(rows.JOINT, [[0.1, 0.1, 1e-10, 1.0]]),
        joint_outcome("peer", [[1.0, 1.0, 1e-4, 1.0]]),
        joint_outcome("absent", [], status="not installed"),
    ]
    return features, joints


WAITS = [
    waits.Wait(name, times, times / 2, "x") for name, times in zip(waits.GOALS, (4.9, 3.3, 3.9, 0.2, 30.0))
]


@pytest.fixture
def fake(monkeypatch):
    """The command without its measurements."""
    monkeypatch.setattr(speed, "profile", lambda: (RATES, STAGES))
    monkeypatch.setattr(speed, "measure", lambda quick: outcomes())
    monkeypatch.setattr(many, "measure_all", lambda tasks: [])
    monkeypatch.setattr(waits, "measure_waits", lambda: WAITS)


@pytest.mark.parametrize("argv, stem", [([], "speed"), (["--quick"], "speed_quick")])
def test_the_command_writes_table_record_and_picture(fake, tmp_path, capsys, argv, stem):
    assert speed.main([*argv, "--out", str(tmp_path)]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{stem}.json", f"{stem}.md", f"{stem}.png"]
    text = (tmp_path / f"{stem}.md").read_text()
    for word in ("not installed", "not reached", "processor", "cache bandwidth", "## Targets", "K = 10"):
        assert word in text, word
    found = json.loads((tmp_path / f"{stem}.json").read_text(), parse_constant=pytest.fail)
    assert found["features"][1]["error"] is None and found["features"][1]["ratio"] == 1.0
    assert [each["status"] for each in found["joint"]][-1] == "not installed"
    assert (tmp_path / f"{stem}.png").read_bytes().startswith(b"\x89PNG")
    assert "| target |" in capsys.readouterr().out


@pytest.mark.parametrize("argv, classes", [([], {30, 100, 1000}), (["--quick"], {30})])
def test_many_classes_are_a_run_of_their_own(fake, tmp_path, monkeypatch, capsys, argv, classes):
    tasks = []
    monkeypatch.setattr(many, "measure_all", lambda given: tasks.extend(given) or [])
    flags = ["--many", *argv, "--out", str(tmp_path)]
    assert speed.main(flags) == 0 and {task.classes for task in tasks} == classes
    stem = "_".join(["speed_many", *(["quick"] if argv else [])])
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{stem}.json", f"{stem}.md"]
    for other in (["--profile"], ["--guard", str(tmp_path / f"{stem}.json")]):
        assert speed.main([*flags, *other]) == 2
    assert "a run of its own" in capsys.readouterr().err


def test_a_lost_ratio_is_told(fake, tmp_path, capsys):
    flags = ["--out", str(tmp_path)]
    speed.main(flags)
    path = tmp_path / "speed.json"
    assert speed.main([*flags, "--guard", str(path)]) == 0
    assert ", 0 lost" in capsys.readouterr().out
    record = json.loads(path.read_text())
    row = next(row for row in record["features"] if row["ratio"] and not row["method"].startswith("ours"))
    for factor, code in ((1.4, 0), (1.6, 1), (0.1, 0)):  # a ratio that grew is no loss
        path.write_text(
            json.dumps(record | {"features": [row | {"ratio": row["ratio"] * factor}], "joint": []})
        )
        assert speed.main(["--out", str(tmp_path / "now"), "--guard", str(path)]) == code
        assert ("lost: " in capsys.readouterr().out) == bool(code)
    for factor, code in ((1.6, 0), (0.6, 1)):  # once less: longer now
        some = [record["waits"][0] | {"times": record["waits"][0]["times"] * factor}]
        path.write_text(json.dumps(record | {"features": [], "joint": [], "waits": some}))
        assert speed.main(["--out", str(tmp_path / "now"), "--guard", str(path)]) == code
        assert ("lost: waiting for solve" in capsys.readouterr().out) == bool(code)
    path.write_text(json.dumps(record | {"features": [], "joint": [], "waits": []}))
    assert speed.main(["--out", str(tmp_path / "now"), "--guard", str(path)]) == 2
    path.write_text("[]")
    assert speed.main(["--out", str(tmp_path / "now"), "--guard", str(path)]) == 2
    assert "wants a record" in capsys.readouterr().err


def test_profile_alone_writes_nothing(fake, tmp_path, capsys):
    assert speed.main(["--profile", "--out", str(tmp_path)]) == 0
    assert not list(tmp_path.iterdir()) and "cache bandwidth" in capsys.readouterr().out


def test_a_file_in_place_of_the_folder_is_wrong_usage(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert speed.main(["--out", str(tmp_path / "file")]) == 2
    assert "--out must be a folder" in capsys.readouterr().err


def test_every_way_of_every_peer_becomes_a_job():
    jobs = speed.jobs(speed.FEATURE_PEERS, [ETF]) + speed.jobs(
        speed.JOINT_PEERS, [JointTask("balanced", 1.0)]
    )
    assert len(jobs) == len({job.variant for job in jobs}) == 19
    assert {rows.NEWTON, rows.ARRAY, rows.CLOSED, rows.COEFFICIENTS, rows.COPY, rows.JOINT} <= {
        job.variant for job in jobs
    }


def test_many_classes_are_measured_twice_and_judged(monkeypatch):
    monkeypatch.setattr(many, "clock", iter([(1.0, 1.0), (4.0, 3.0), (5.0, 3.5)]).__next__)
    row = many.measure(JointTask("imbalanced", 5e-3, 2, 4))
    assert (row.classes, row.labels) == (4, 16) and row.gap <= 1e-9
    assert (row.first, row.first_cpu, row.second, row.second_cpu) == (3.0, 2.0, 1.0, 0.5) and row.peak > 0
    at = [replace(row, classes=classes, first=2.0, peak=1000.0) for classes in (30, 1000, 100)]
    assert [each.reached for each in many.many_targets(at)] == [True, True, True]
    late, large, open_ = replace(at[2], first=61.0), replace(at[2], peak=5000.0), replace(at[2], gap=1e-8)
    for bad in (late, large, open_):
        assert [each.reached for each in many.many_targets([*at[:2], bad])] == [True, False, True]
    again = replace(at[1], second=1.1)
    assert [each.reached for each in many.many_targets([at[0], again, at[2]])] == [True, True, False]
    assert [each.reached for each in many.many_targets([])] == [None, None, None]
    assert many.many_lines(at)[-1].startswith("| 100 | imbalanced | 16 |")
    assert many.many_lines(at)[-1] in report.many_page(
        at, "python -m experiments.speed --many", {"cores": "2"}
    )


def test_many_classes_go_by_symmetry_from_a_thousand_on(monkeypatch):
    """Of four: two that weigh more, and a label an orbit."""
    monkeypatch.setattr(many, "BY_SYMMETRY", 4)
    row = many.measure(JointTask("imbalanced", 5e-3, 2, 4))
    assert row.labels == 10 and row.gap <= 1e-9
    assert many.measure(JointTask("balanced", 5e-3, 2, 4)).labels == 3
