"""The reproduction of the claims: verdicts on planted numbers, measures on features whose answer is known, runs."""

import json
from dataclasses import replace
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

pytest.importorskip("flax")

from experiments import claims as command
from experiments.reproduction import criteria, evaluate, runs, verdict
from experiments.reproduction.controls import CONTROLS, permuted_rows, straight_features
from experiments.reproduction.draws import matching_penalty
from experiments.reproduction.measures.attacks import cross_entropy, fgsm, pgd
from experiments.reproduction.measures.geometry import Features, measure_geometry, middle_ratio, proportional
from experiments.reproduction.measures.held_out import measure_held_out
from experiments.reproduction.measures.layers import layer_profile, profile_distance
from experiments.reproduction.measures.samples import first_of_classes
from experiments.reproduction.presets import MAIN, PRESETS, Arm, quick
from experiments.reproduction.table import _range
from experiments.reproduction.verdict import INCONCLUSIVE, NOT_REPRODUCED, REPRODUCED, combine, judge
from experiments.tools.arguments import without_paths
from experiments.tools.files import plain, read_json, write_json
from tests.children import refused, strict
from ufm.model.laws import mixup
from ufm.model.problem import Problem
from ufm.network.measures.mixed import channel_prediction, pair_optimum
from ufm.theory.multiplier import joint_multiplier
from ufm.theory.predict import predict_pairs

pytestmark = pytest.mark.slow  # networks are trained

K, A, M = 10, 100.0, 1.7
KNOWN = M**2 * K / (K - 1) / A  # the λ_H of sharpness A

# the rule


@pytest.mark.parametrize(
    "values, side, threshold, found",
    [
        ([1.0, 1.1, 0.9], ">", 0.5, REPRODUCED),
        ([1.0, 1.1, 0.9], "<", 0.5, NOT_REPRODUCED),
        ([1.0, 1.1, 0.9], ">", 2.0, NOT_REPRODUCED),
        ([1.0, 1.1, 0.9], "<", 2.0, REPRODUCED),
        ([1.0, 1.1, 0.9], ">", 1.0, INCONCLUSIVE),  # the interval holds the threshold
        ([1.0, 1.1, 0.9], ">", 0.8, INCONCLUSIVE),  # although every seed lies above it
        ([2.0, 2.0, 2.0], ">", 2.0, INCONCLUSIVE),  # on the threshold is not above it
        ([2.0, 2.0, 2.0], ">", 1.9, REPRODUCED),
        ([9.0, 9.1], ">", 0.0, INCONCLUSIVE),  # two seeds
        ([9.0, 9.1, None], ">", 0.0, INCONCLUSIVE),  # a network that failed
        ([9.0, 9.1, float("nan")], ">", 0.0, INCONCLUSIVE),
        ([9.0, float("inf"), 9.0], ">", 0.0, INCONCLUSIVE),
        ([], ">", 0.0, INCONCLUSIVE),
    ],
)
def test_a_verdict_needs_the_whole_interval(values, side, threshold, found):
    assert judge(values, side, threshold).verdict == found


def test_the_interval_is_students():
    found = judge([1.0, 2.0, 3.0], ">", 0.0)
    assert found.interval == pytest.approx((2 - 4.302653 / 3**0.5, 2 + 4.302653 / 3**0.5), rel=1e-6)
    assert found.mean == 2 and found.verdict == INCONCLUSIVE
    with pytest.raises(ValueError, match="side"):
        judge([1.0], ">=", 0.0)


def test_a_claim_holds_only_as_a_whole():
    assert combine([REPRODUCED, REPRODUCED]) == REPRODUCED
    assert combine([REPRODUCED, INCONCLUSIVE]) == INCONCLUSIVE
    assert combine([INCONCLUSIVE, NOT_REPRODUCED, REPRODUCED]) == NOT_REPRODUCED
    with pytest.raises(ValueError, match="part"):
        combine([])


# measures


@pytest.fixture(scope="module")
def optimum():
    """Features of the closed form with a little noise; a mean row and a mean bias that no measure may see."""
    rng = np.random.default_rng(0)
    problem = Problem(K, M, lambda_h=KNOWN, dim=12)
    i, j, lam = rng.integers(0, K, 3000), rng.integers(0, K, 3000), rng.random(3000)
    y = np.arange(500) % K
    H, pure = predict_pairs(problem, i, j, lam).H, predict_pairs(problem, y, y, 1.0).H
    noise = 0.05 * np.linalg.norm(pure[0]) / np.sqrt(12)
    H, pure = (part + noise * rng.normal(size=part.shape) for part in (H, pure))
    return Features(H, i, j, lam, pure, y, problem.W + 0.3, np.full(K, 2.0))


@pytest.fixture(scope="module")
def measured(optimum):
    """Numbers of the optimum as the mixup and the fixed-ETF arm, of straight features as the two others."""
    best, straight = (
        measure_geometry(optimum, KNOWN)[0],
        measure_geometry(straight_features(optimum, 5), KNOWN)[0],
    )
    spoilt = {name: measure_geometry(spoil(optimum, 0), KNOWN)[0] for name, spoil in CONTROLS.items()}
    held = {"accuracy": 0.9}
    arms = {arm: best | held for arm in ("mixup", "etf")} | {
        arm: straight | held for arm in ("erm", "squared")
    }
    arms["mixup"] = arms["mixup"] | {"r2": best["r2"] - 0.01}  # a learned classifier does a little worse
    return arms, spoilt


def geometry_claims():
    return [claim for claim in criteria.last_layer_claims() if claim.key != "early-layers"]


def test_the_optimum_is_measured_as_it_is(measured):
    best = measured[0]["etf"]
    assert best["a"] == pytest.approx(A, rel=0.05) and best["a_known"] == pytest.approx(A, rel=1e-9)
    assert best["r2"] > 0.99 and best["r2_known"] > 0.99 > best["r2_linear"]
    optimal = pair_optimum(np.array([0.5, 1.0]), A, K)
    middle = (optimal.x_i[0] + optimal.x_j[0]) / (2 * optimal.x_i[1])
    assert best["middle_ratio"] == pytest.approx(middle, abs=0.01)
    assert best["amplification"] == pytest.approx(2 * middle, abs=0.03)
    assert best["bend"] == pytest.approx(best["bend_predicted"], abs=0.01)
    assert best["displacement_finite"] > 0.999 > best["displacement_straight"]
    assert best["slope"] == pytest.approx(best["slope_predicted"], rel=0.02)
    assert best["curve_explained"] > 0.99 and best["etf_deviation"] < 1e-12
    assert best["alignment"] > 0.99 and best["alignment_in_span"] > best["alignment"]


def test_straight_interpolation_is_measured_as_it_is(measured):
    straight = measured[0]["squared"]
    assert straight["middle_ratio"] == pytest.approx(0.5, abs=0.01)
    assert straight["amplification"] == pytest.approx(1, abs=0.02)
    assert straight["bend"] < 0.02 and straight["displacement_straight"] > 0.999
    assert straight["displacement_straight"] > straight["displacement_logit"]


def test_a_turn_of_feature_space_changes_nothing(optimum):
    turn = np.linalg.qr(np.random.default_rng(3).normal(size=(12, 12)))[0]
    parts = {name: getattr(optimum, name) @ turn for name in ("H", "pure", "W")}
    first, second = measure_geometry(optimum)[0], measure_geometry(optimum._replace(**parts))[0]
    for name, value in first.items():
        assert value is None or second[name] == pytest.approx(value, rel=1e-6, abs=1e-9), name


def test_two_classes_have_no_middle_ratio(optimum):
    two = optimum._replace(W=optimum.W[:2], i=optimum.i % 2, j=optimum.j % 2, y=optimum.y % 2)
    assert np.isnan(middle_ratio(two)) and not np.isnan(middle_ratio(optimum))


def test_best_multiple():
    t, weight = np.array([1.0, 2.0, np.nan, 4.0]), np.array([1.0, 1.0, 0.0, 2.0])
    assert proportional(t, -3 * t, weight) == pytest.approx(1)
    x = np.array([1.0, -1.0, np.nan, 0.5])
    s = (1 - 2 + 4) / (1 + 4 + 32)
    rest = (1 - s) ** 2 + (-1 - 2 * s) ** 2 + 2 * (0.5 - 4 * s) ** 2
    assert proportional(t, x, weight) == pytest.approx(1 - rest / (1 + 1 + 0.5))
    assert np.isnan(proportional(t, 0 * t, weight))


def test_the_criteria_quote_the_closed_form_rightly():
    text = criteria.__doc__
    for a, middle in ((5, "0.61"), (100, "0.78"), (6000, "0.86")):
        best = pair_optimum(np.array([0.5, 1.0]), float(a), 10)
        assert f"{(best.x_i[0] + best.x_j[0]) / (2 * best.x_i[1]):.2f}" == middle and middle in text
    lam = np.linspace(0, 1, 2001)
    for a, bend in ((5, "0.10"), (100, "0.36")):
        assert f"{channel_prediction(lam, float(a), 10, 1.0)['bend_a'].mean():.2f}" == bend and bend in text


def test_layer_profiles(optimum):
    first = layer_profile((optimum.H, optimum.H), (optimum.pure, optimum.pure), optimum, optimum.y)
    assert first[0] == first[1] and first[0][0] > 0.99 and first[0][1] > 0.75 and first[0][2] < 0.02
    straight = straight_features(optimum, 1)
    second = layer_profile((straight.H, optimum.H), (optimum.pure, optimum.pure), straight, optimum.y)
    assert profile_distance(first, first) == 0 and profile_distance(first, second) > 0.1
    assert profile_distance([[0.0, 0, 0], [9.0, 9, 9]], [[3.0, 0, 0], [0.0, 0, 0]]) == pytest.approx(3**0.5)


def test_held_out_gaps():
    z = np.log(np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.7, 0.3]]))
    found = measure_held_out((z, np.array([0, 1, 0, 0])), (z, np.array([0, 1, 1, 0])))
    assert found["accuracy_gap"] == 0.25 and found["confidence"] == pytest.approx(0.75)
    assert found["loss_gap"] == pytest.approx(-np.log(0.4 / 0.6) / 4)


def test_unmixed_samples_are_balanced():
    y = np.array([2, 0, 0, 0, 1, 1, 2, 0])
    np.testing.assert_array_equal(first_of_classes(y, 3), [0, 1, 4])
    np.testing.assert_array_equal(np.bincount(y[first_of_classes(y, 6)]), [2, 2, 2])


def test_matching_penalty_gives_the_sharpness_back():
    c = matching_penalty(1.0, K, 80.0)
    assert joint_multiplier(mixup(1.0), K, c, c).sharpness == pytest.approx(80.0, rel=1e-9)


# claims


def test_claims_hold_on_the_optimum_and_fail_where_arms_are_swapped(measured):
    arms, _ = measured
    swapped = arms | {"mixup": arms["erm"], "erm": arms["mixup"], "etf": arms["erm"], "squared": arms["etf"]}
    for claim in geometry_claims():
        assert evaluate.evaluate(claim, 3 * [arms]).verdict == REPRODUCED, claim.key
        # straight features align with the classifier too
        wrong = REPRODUCED if claim.key == "same-class" else NOT_REPRODUCED
        assert evaluate.evaluate(claim, 3 * [swapped]).verdict == wrong, claim.key


def test_controls_refute_every_claim_they_must(measured):
    arms, spoilt = measured
    record = {arm: {"numbers": numbers, "controls": spoilt} for arm, numbers in arms.items()}
    rows = evaluate.evaluate_controls(geometry_claims(), 3 * [record])
    assert len(rows) == 12
    assert [(row.control, row.row.claim.key) for row in rows if not row.refuted] == []
    harmless = {arm: record[arm] | {"controls": {name: {} for name in CONTROLS}} for arm in record}
    assert not any(row.refuted for row in evaluate.evaluate_controls(geometry_claims(), 3 * [harmless]))


def test_permuted_rows_moves_every_class(optimum):
    for seed in range(20):
        spoilt = permuted_rows(optimum, seed)
        assert (spoilt.W != optimum.W).any(1).all()
        assert sorted(map(tuple, spoilt.W)) == sorted(map(tuple, optimum.W))


PREDICTIONS = {"ece": -1, "accuracy": 1, "fgsm": 1, "pgd": 1, "loss_gap": -1, "accuracy_gap": -1}


@pytest.mark.parametrize("better, found", [(1, REPRODUCED), (-1, NOT_REPRODUCED), (0, INCONCLUSIVE)])
def test_prediction_claims_follow_the_numbers(better, found):
    def arm(sign):
        numbers = {name: 0.5 + 0.1 * sign * way for name, way in PREDICTIONS.items()}
        return (
            numbers
            | {name: [numbers[name]] for name in ("fgsm", "pgd")}
            | {"curve_explained": 0.5 + 0.1 * sign}
        )

    seed = {"mixup": arm(better), "erm": arm(0), "etf": {}}
    rows = [evaluate.evaluate(claim, 3 * [seed]) for claim in criteria.prediction_claims()]
    assert [row.verdict for row in rows] == 7 * [found]


def test_early_layers_and_finite_draws():
    profiles = {"mixup": [[0.5], [0]], "manifold": [[0.6], [0]], "erm": [[0.9], [0]]}
    seed = {arm: {"profile": profile} for arm, profile in profiles.items()}
    early = next(claim for claim in criteria.last_layer_claims() if claim.key == "early-layers")
    assert evaluate.evaluate(early, 3 * [seed]).findings[0].mean == pytest.approx(0.25)
    assert evaluate.evaluate(early, 3 * [seed]).verdict == REPRODUCED
    turned = seed | {"manifold": seed["erm"], "erm": seed["manifold"]}
    assert evaluate.evaluate(early, 3 * [turned]).verdict == NOT_REPRODUCED
    for deviation, found in ((0.1, NOT_REPRODUCED), (0.3, REPRODUCED)):
        network = {"mixup": {"etf_deviation": 0.2}}
        assert evaluate.evaluate(criteria.draw_claim(deviation, 64), 3 * [network]).verdict == found


def test_a_network_that_failed_leaves_its_claims_open():
    seed = {arm: {} for arm in MAIN} | {"alpha-2": {}, "net-deep": {}}
    found = criteria.last_layer_claims() + criteria.prediction_claims() + [criteria.draw_claim(0.1, 64)]
    found += criteria.persistence_claims({"mixup": 1.0, "alpha-2": 2.0}, ["mixup", "net-deep"])
    assert {evaluate.evaluate(claim, 3 * [seed]).verdict for claim in found} == {INCONCLUSIVE}


@pytest.mark.parametrize("name", PRESETS)
def test_claims_ask_only_for_arms_of_the_preset(name):
    """Every part finds its arm, and every control spoils an arm that is measured spoilt."""
    preset = PRESETS[name]
    arms = {arm.name: {} for arm in preset.arms}
    found = criteria.last_layer_claims() + criteria.prediction_claims()
    found += criteria.persistence_claims(preset.alphas, preset.architectures)
    for claim in found:
        evaluate.evaluate(claim, 3 * [arms])
    assert len({claim.key for claim in found}) == len(found) and set(MAIN) <= set(arms)
    targets = [(key, arm) for targets in criteria.REFUTED.values() for key, arm in targets.items()]
    assert {key for key, _ in targets} <= {claim.key for claim in found}
    assert {arm for _, arm in targets} <= set(runs.CONTROLLED)
    assert preset.seeds >= verdict.LEAST_SEEDS


# attacks


def linear(W):
    return lambda x: x.reshape(len(x), -1) @ W.T


def test_attacks_on_a_linear_network_are_the_known_ones():
    rng = np.random.default_rng(0)
    W = jnp.asarray(rng.normal(size=(2, 4)))
    x, y = jnp.asarray(rng.uniform(0.3, 0.7, (5, 2, 2, 1))), jnp.array([0, 1, 0, 1, 1])
    worst = x + 0.1 * jnp.sign((W[1 - y] - W[y]).reshape(x.shape))  # the margin is linear in x
    np.testing.assert_allclose(fgsm(linear(W), x, y, 0.1), worst, atol=1e-12)
    np.testing.assert_allclose(pgd(linear(W), x, y, 0.1, key=jax.random.key(0)), worst, atol=1e-12)


def test_attacks_stay_in_the_ball_and_among_images():
    rng = np.random.default_rng(1)
    W, x, y = jnp.asarray(rng.normal(size=(3, 4))), jnp.asarray(rng.random((20, 2, 2, 1))), jnp.arange(20) % 3

    def curved(x):
        return jnp.sin(9 * linear(W)(x))

    for changed in (fgsm(curved, x, y, 0.3), pgd(curved, x, y, 0.3, key=jax.random.key(0))):
        assert changed.min() >= 0 and changed.max() <= 1
        assert jnp.abs(changed - x).max() <= 0.3 + 1e-12 and jnp.abs(changed - x).max() > 0.29
    loss = [float(cross_entropy(curved(v), y)) for v in (x, pgd(curved, x, y, 0.3, key=jax.random.key(0)))]
    assert loss[1] > loss[0]


def test_the_gradient_of_a_confident_network_is_not_lost():
    z, y = jnp.array([[30.0, 0.0, -5.0]], jnp.float32), jnp.array([0])
    slope = jax.grad(cross_entropy)(z, y)
    assert slope[0, 0] == pytest.approx(-float(slope[0, 1:].sum()), rel=1e-5) and slope[0, 0] < 0
    naive = jax.grad(lambda z: -jax.nn.log_softmax(z)[0, 0])(z)
    assert naive[0, 0] == 0
    z = jnp.asarray(np.random.default_rng(0).normal(size=(6, 4)))
    expected = -jnp.sum(jax.nn.log_softmax(z)[jnp.arange(6), jnp.arange(6) % 4])
    assert cross_entropy(z, jnp.arange(6) % 4) == pytest.approx(float(expected), rel=1e-12)


# runs and files


def test_records_are_strict_json(tmp_path):
    record = {"a": [1.0, float("nan")], "b": {"c": (float("inf"), None, True)}}
    write_json(tmp_path / "r.json", record)
    assert (
        strict((tmp_path / "r.json").read_text())
        == {"a": [1, None], "b": {"c": [None, None, True]}}
        == plain(record)
    )
    (tmp_path / "half.json").write_text('{"a": ')
    (tmp_path / "list.json").write_text("[1]")
    assert [read_json(tmp_path / name) for name in ("half.json", "list.json", "none.json")] == 3 * [None]


@pytest.fixture
def stand_in(monkeypatch):
    """Training and measuring that only note what they were asked for; `stop` after so many runs."""
    import experiments.reproduction.measures.network as measures
    import experiments.training.train as training

    noted = SimpleNamespace(asked=[], stop=None, diverge=None)

    def train(settings, data, *, folder, progress):
        if noted.stop is not None and len(noted.asked) == noted.stop:
            raise KeyboardInterrupt
        noted.asked.append((settings.arm, settings.alpha, settings.seed))
        if settings.arm == noted.diverge:
            raise training.Diverged("diverged")
        return settings

    def measure(settings, data, sizes, controls):
        picture = {"xy": np.zeros((2, 2))}
        return measures.Measured({"accuracy": float(settings.seed)}, {}, {}, picture)

    monkeypatch.setattr(training, "train", train)
    monkeypatch.setattr(measures, "measure", measure)
    return noted


SMALL = replace(
    PRESETS["digits"],
    arms=(Arm("erm", "ERM", "erm"), Arm("mixup", "m"), Arm("alpha-2", "a", changes={"alpha": 2.0})),
)
DATA = SimpleNamespace(checksums={"x": "1"})


def test_a_stopped_run_goes_on_where_it_was(tmp_path, stand_in, capsys):
    stand_in.stop = 4
    with pytest.raises(KeyboardInterrupt):
        runs.complete(SMALL, DATA, 2, tmp_path)
    first, stand_in.asked, stand_in.stop = stand_in.asked, [], None
    found = runs.complete(SMALL, DATA, 2, tmp_path)
    assert len(first) == 4 and len(stand_in.asked) == 2 and not set(first) & set(stand_in.asked)
    assert [set(seed) for seed in found] == 2 * [{"erm", "mixup", "alpha-2"}]
    assert [seed["mixup"]["numbers"]["accuracy"] for seed in found] == [0.0, 1.0]
    assert "4 of 6 runs are finished already" in capsys.readouterr().err
    stand_in.asked = []
    runs.complete(SMALL, DATA, 2, tmp_path)
    assert stand_in.asked == []


def test_damaged_and_foreign_runs_are_made_again(tmp_path, stand_in):
    runs.complete(SMALL, DATA, 1, tmp_path)
    path = tmp_path / "runs" / "mixup-0.json"
    path.write_text(path.read_text()[:-30])
    (tmp_path / "runs" / "erm-picture.npz").unlink()
    stand_in.asked = []
    runs.complete(SMALL, DATA, 1, tmp_path)
    assert stand_in.asked == [("erm", 1.0, 0), ("mixup", 1.0, 0)]
    stand_in.asked = []
    longer = replace(SMALL, common=SMALL.common | {"epochs": 7})
    for preset, data in ((longer, DATA), (longer, SimpleNamespace(checksums={"x": "2"}))):
        runs.complete(preset, data, 1, tmp_path)
    assert len(stand_in.asked) == 6


def test_a_run_that_diverges_is_reported_and_not_repeated(tmp_path, stand_in, capsys):
    stand_in.diverge = "erm"
    found = runs.complete(SMALL, DATA, 1, tmp_path)
    assert found[0]["erm"]["failed"] == "diverged" and found[0]["erm"]["numbers"] == {}
    assert "erm, seed 0: diverged" in capsys.readouterr().err
    stand_in.asked = []
    assert runs.complete(SMALL, DATA, 1, tmp_path) == found and stand_in.asked == []


def test_numbers_are_written_with_the_digits_they_have():
    assert _range(0.123456, (0.1214, 0.1255)) == "0.1235 [0.1214, 0.1255]"
    assert _range(812.3, (700.0, 924.0)) == "812 [700, 924]"
    assert _range(3.0, (3.0, 3.0)) == "3.000 [3.000, 3.000]" and _range(0.12345, None) == "0.123"


# the command


@pytest.mark.slow
def test_it_works_end_to_end(tmp_path, call_main):
    pytest.importorskip("sklearn")
    words = ("--quick", "--seeds", 1, "--folder", tmp_path / "runs", "--out", tmp_path / "out")
    code, page, err = call_main(command.main, *words)
    assert code == 0 and "[6/6] alpha-0.5, seed 0" in err
    assert page == (tmp_path / "out" / "digits-quick.md").read_text() + "\n"
    assert "say nothing about mixup" in page
    assert page.count("**inconclusive**") == 15 and "reproduced**" not in page  # one seed shows nothing
    assert str(tmp_path) not in page.replace(str(tmp_path / "out"), "")
    record = strict((tmp_path / "out" / "digits-quick.json").read_text())
    assert set(record["arms"]) == {*MAIN, "alpha-0.5"} and record["provenance"]["seeds"] == 1
    for name in ("displacement", "calibration", "trends", "contrast"):
        assert (tmp_path / "out" / f"digits-quick-{name}.png").read_bytes().startswith(b"\x89PNG")


def test_dry_run_says_what_would_be_trained(call_main, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, _ = call_main(command.main, "--preset", "cifar", "--dry-run")
    assert code == 0 and "27 runs" not in out and "30 runs" in out
    assert "etf: resnet18, mixup, etf W" in out and "net-wide: wrn40-10" in out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words, says",
    [
        (("--seeds", "0"), "--seeds"),
        (("--quick", "--folder", "/dev/null/x"), "--folder"),
        (("--quick", "--folder", "ok", "--out", "/dev/null"), "--out"),
        (("--preset", "cifar", "--folder", "ok"), "--data-dir"),
        (("--seeds", "3", "--seeds", "4"), "more than once"),
    ],
)
def test_bad_words_are_refused(call_main, tmp_path, monkeypatch, words, says):
    monkeypatch.chdir(tmp_path)
    result = call_main(command.main, *words)
    for name in ("ok",):
        if (tmp_path / name).exists():
            (tmp_path / name).rmdir()
    refused(result, says)


def test_the_command_on_the_page_names_no_folder():
    words = ["--preset", "digits", "--folder", "/x", "--data-dir=/y", "--out", "docs/claims", "--seeds", "3"]
    assert without_paths(words) == ["--preset", "digits", "--out", "docs/claims", "--seeds", "3"]


def test_quick_is_small():
    small = quick(PRESETS["cifar"])
    assert small.common["epochs"] == 3 and small.train == 600 and small.common["network"] == "resnet18"
    assert json.dumps(plain(vars(small.sizes)))
