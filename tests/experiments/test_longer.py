"""Longer schedules with n ≫ D: what is trained, claims on planted distances, page and record from them."""

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("flax")

from experiments import longer as command
from experiments.reproduction.evaluate import evaluate
from experiments.reproduction.presets import PRESETS
from experiments.reproduction.verdict import INCONCLUSIVE, NOT_REPRODUCED, REPRODUCED
from experiments.terminal import longer, longer_criteria
from experiments.terminal.criteria import blob
from experiments.terminal.longer_criteria import claims, decay, explicit, slope

LENGTHS, DECAYS = (100, 400, 1600), (100, 400)
RECORD = Path(__file__).resolve().parents[2] / "docs" / "claims" / "longer.json"


def planted(law, seeds=3, noise=0.02, gap=0.1):
    """Numbers by seed and arm: 1 − R² = law(steps) but for noise; decay on all layers is `gap` worse."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(seeds):
        r2 = {n: 1 - law(n) * np.exp(noise * rng.normal()) for n in LENGTHS}
        both = {n: {"r2_features_joint": r2[n], "r2_logits_joint": r2[n], "r2": r2[n]} for n in LENGTHS}
        excess = {n: {"excess_share": 0.1 * law(n)} for n in LENGTHS}
        one = {explicit(n): both[n] | excess[n] for n in LENGTHS}
        found.append(one | {decay(n): {"r2": r2[n] - gap} for n in DECAYS})
    return found


def verdicts(seeds) -> dict[str, str]:
    return {claim.key: evaluate(claim, seeds).verdict for claim in claims(LENGTHS, DECAYS)}


def test_a_power_law_has_its_exponent_and_passes():
    seeds = planted(lambda n: 0.3 * (n / 100) ** -0.7)
    assert set(verdicts(seeds).values()) == {REPRODUCED}
    for name in ("1 − R² of features", "1 − R² of logits"):
        assert slope(name, LENGTHS)(seeds[0]) == pytest.approx(-0.7, abs=0.03)
    assert slope("excess", LENGTHS[:2])(seeds[0]) == pytest.approx(-0.7, abs=1e-9)


def test_what_no_longer_schedule_changes_is_not_reproduced():
    """Negative control: no dependence on steps, and no advantage over decay."""
    found = verdicts(planted(lambda n: 0.3, gap=0.0))
    assert REPRODUCED not in found.values() and found["optimum"] == NOT_REPRODUCED
    assert verdicts(planted(lambda n: 0.3, gap=-0.1))["penalties"] == NOT_REPRODUCED


def test_a_distance_that_rises_again_at_the_end_fails_that_claim_alone():
    found = verdicts(planted({100: 0.3, 400: 0.02, 1600: 0.04}.get))
    assert found == {key: REPRODUCED for key in found} | {"late": NOT_REPRODUCED}


def test_a_network_that_failed_leaves_its_claims_open():
    seeds = planted(lambda n: 0.3 * (n / 100) ** -0.7)
    seeds[1][explicit(1600)] = {}
    found = verdicts(seeds)
    assert [found[key] for key in ("optimum", "slope", "late")] == [INCONCLUSIVE] * 3
    assert found["penalties"] == REPRODUCED


@pytest.mark.parametrize("one", longer.ALL, ids=lambda one: one.cell.name)
def test_network_and_images_are_the_presets(one):
    preset = PRESETS[one.cell.dataset]
    published = preset.settings(next(arm for arm in preset.arms if arm.name == "mixup"), 0)
    for arm in one.cell.arms:
        s = one.cell.settings(arm, 0)
        for name in ("network", "width", "depth", "batch", "alpha", "arm", "classifier"):
            assert getattr(s, name) == getattr(published, name), name
        apart = arm.name.startswith("explicit")
        assert (s.lambda_w, s.lambda_h) == ((0.01, 0.01) if apart else (None, 0.0))
        assert s.weight_decay == (0.0 if apart else published.weight_decay)
    assert one.cell.images in (preset.train, 1437) and one.cell.first_seed == 0
    assert all(n % one.cell.changes["every"] == 0 for n in one.lengths), "one program for every length"


def test_page_and_record_of_planted_runs(tmp_path, monkeypatch):
    one = longer.SMALL

    def complete(cells, folder, data_dir, jobs):
        rest = {"failed": None, "seconds": 60.0, "settings": {}, "source": "planted"}
        numbers = {arm.name: {"r2_features_joint": 0.5, "r2": 0.5} for arm in one.cell.arms}
        seeds = [{name: rest | {"numbers": numbers[name]} for name in numbers} for _ in range(3)]
        return {one.cell.name: seeds}

    monkeypatch.setattr(longer, "complete", complete)
    page = longer.reproduce((one,), tmp_path, tmp_path, None, 1, "a command")
    assert (tmp_path / "longer-quick.md").read_text(encoding="utf-8") == page
    assert "say nothing" in page and "9 minutes of runs" in page and "a command" in page
    found = json.loads((tmp_path / "longer-quick.json").read_text(encoding="utf-8"))
    assert found["criteria"] == blob(Path(longer_criteria.__file__).read_bytes())
    judged = {claim["key"]: claim["verdict"] for claim in found["cells"][one.cell.name]["claims"]}
    assert judged["optimum"] == NOT_REPRODUCED and REPRODUCED not in judged.values()


def test_the_committed_table_was_judged_by_the_committed_criteria():
    if not RECORD.exists():
        pytest.skip("no table yet")
    found = json.loads(RECORD.read_text(encoding="utf-8"))
    assert found["criteria"] == blob(Path(longer_criteria.__file__).read_bytes()), (
        "criteria were touched after"
    )


def test_what_is_asked_for_is_chosen():
    assert longer.choose((), False) == longer.ALL
    assert [one.cell.name for one in longer.choose(("digits",), False)] == ["digits-longer"]
    assert longer.choose((), True) == (longer.SMALL,)


def test_it_says_what_it_would_train(call_main):
    code, out, _ = call_main(command.main, "--dry-run", "--datasets", "fashion")
    assert code == 0 and "6000, 24000, 96000" in out and "digits" not in out


def test_bad_input_is_one_line(call_main):
    code, _, err = call_main(command.main, "--jobs", "0")
    assert code == 2 and "--jobs must be at least 1" in err and len(err.splitlines()) == 1
    code, out, err = call_main(command.main, "--quick", "--datasets", "fashion", "--dry-run")
    assert code == 2 and out == "" and "--datasets does not apply to --quick" in err
