"""What the page computes, against `ufm.theory`: optima of labels, sharpness, thresholds, spectra, hypotheses.

The page's formulas are written anew, in another language; ten thousand settings go through it in one load.
"""

import json
from dataclasses import replace

import jax
import numpy as np
import pytest

from tests.explore.pages import opened
from ufm.explore.theorems import shown
from ufm.model import laws
from ufm.model.problem import Problem
from ufm.theory.features import label_optimum, two_hot_optimum
from ufm.theory.geometry.hessian import collapse_spectrum
from ufm.theory.multiplier import joint_multiplier
from ufm.theory.theorems.catalogue import THEOREMS
from ufm.theory.theorems.theorem import FeatureClaim, Setting

TOLERANCE = 1e-10  # of the largest coefficient
CLASSES = np.array([2, 3, 4, 7, 10, 30, 100, 300, 1000])
PAIRS, SOFT = 6000, 4000


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    with opened(tmp_path_factory.mktemp("explore")) as (browser, _):
        yield browser


# --- optima of labels ---------------------------------------------------------------------------------


def pair_settings(rng):
    """λ, a, K of labels of two classes: a third of λ at the edges, some at and about the middle."""
    lam, far = rng.uniform(size=PAIRS), rng.permutation(PAIRS)
    lam[far[:1000]] = 10 ** rng.uniform(-15, -1, 1000)
    lam[far[1000:2000]] = 1 - 10 ** rng.uniform(-15, -1, 1000)
    lam[far[2000:2200]] = 0.5 + 1e-7 * rng.normal(size=200)
    for n, value in enumerate((0.0, 0.5, 1.0)):
        lam[far[2200 + 100 * n : 2300 + 100 * n]] = value
    return lam, 10 ** rng.uniform(-6, 14, PAIRS), rng.choice(CLASSES, PAIRS).astype(float)


def soft_settings(rng):
    """Labels of four values (N, 4) on 1, 1, 1 and K − 3 classes, some of them absent, and a."""
    share = rng.dirichlet([0.3, 0.3, 0.3, 0.3], SOFT)
    share[: SOFT // 2, 3] = 0.0
    K = rng.choice(CLASSES[CLASSES > 3], SOFT).astype(float)
    counts = np.stack([*np.ones((3, SOFT)), K - 3], 1)
    values = share / share.sum(1, keepdims=True)
    values[:, 3] /= K - 3
    return values, counts, 10 ** rng.uniform(-6, 14, SOFT)


def in_page(page, code: str, *arrays) -> np.ndarray:
    """The page's function of each row of some arrays."""
    page.run(f"globalThis.given = {json.dumps([np.asarray(part).tolist() for part in arrays])}; 0")
    return np.array(page.run(f"given[0].map((_, n) => (({code})(...given.map((part) => part[n]))))"))


PAIR = """(lam, a, K) => {
  const law = { name: 'mixup', smoothing: 0 };
  const { z } = ufm.labelOptimum(ufm.shownLabel(law, K, lam), a * FACTOR, 'LOSS');
  return K > 2 ? [z[0] - z[2], z[1] - z[2]] : [z[0], z[1]];
}"""


def worst(found, right) -> float:
    """Largest error as a share of the largest coefficient of its row."""
    assert np.isfinite(found).all()
    return float((np.abs(found - right).max(1) / np.abs(right).max(1).clip(1e-300)).max())


def pair_error(page, loss: str, factor: float = 1.0) -> float:
    lam, a, K = pair_settings(np.random.default_rng(0))
    best = two_hot_optimum(lam, a, K, loss=loss)
    right = np.where(
        (K == 2)[:, None], np.stack([best.gap / 2, -best.gap / 2], 1), np.stack([best.x_i, best.x_j], 1)
    )
    code = PAIR.replace("LOSS", loss).replace("FACTOR", repr(factor))
    some = np.abs(right).max(1) > 0  # two classes at λ = ½: both are zero
    found = in_page(page, code, lam, a, K)
    assert (found[~some] == 0).all()
    return worst(found[some], right[some])


@pytest.mark.parametrize("loss", ["cross-entropy", "squared-error"])
def test_optima_of_mixed_labels_are_those_of_the_theory(page, loss):
    assert pair_error(page, loss) <= TOLERANCE
    assert pair_error(page, loss, 1 + 1e-8) > TOLERANCE  # another problem would be seen


def test_optima_of_soft_labels_are_those_of_the_theory(page):
    values, counts, a = soft_settings(np.random.default_rng(1))
    best = jax.jit(label_optimum)(values, counts, a[:, None])
    z = np.asarray(best.x - best.reference[:, None])
    code = "(values, counts, a) => ufm.labelOptimum({ values, counts }, a).z"
    assert worst(in_page(page, code, values, counts, a), z) <= TOLERANCE
    swapped = values[:, [1, 0, 2, 3]]
    assert worst(in_page(page, code, swapped, counts, a), z) > TOLERANCE


# --- laws ---------------------------------------------------------------------------------------------

LAWS = {
    "mixup": lambda alpha, delta: laws.mixup(alpha, smoothing=delta),
    "cutmix": lambda alpha, delta: laws.cutmix(alpha, smoothing=delta),
    "kway": lambda alpha, delta: laws.kway(alpha, 3, delta),
    "onehot": lambda alpha, delta: laws.smooth(delta) if delta else laws.onehot(),
}
SETTINGS = [
    ("mixup", 1.0, 0.0, 10),
    ("mixup", 0.05, 0.0, 100),
    ("mixup", 30.0, 0.1, 100),
    ("mixup", 0.4, 0.3, 2),
    ("cutmix", 1.0, 0.0, 10),
    ("cutmix", 0.3, 0.1, 100),
    ("kway", 1.0, 0.0, 10),
    ("kway", 0.3, 0.1, 100),
    ("kway", 4.0, 0.0, 4),  # a rule that breaks off, and whose node at ½ is counted once
    ("kway", 7.0, 0.0, 4),
    ("onehot", 1.0, 0.0, 10),
    ("onehot", 1.0, 0.2, 100),
]
SHARES = (1 - 1e-3, 0.3, 1e-3, 1e-8)  # of the threshold


@pytest.mark.parametrize("name, alpha, delta, K", SETTINGS)
def test_thresholds_and_sharpness_are_those_of_the_theory(page, name, alpha, delta, K):
    law = LAWS[name](alpha, delta)
    there = {"name": name, "alpha": alpha, "ways": 3, "smoothing": delta, "own": [1]}
    page.run(f"globalThis.law = {json.dumps(there)}; 0")
    threshold = laws.label_variance(law, K)
    assert page.run(f"ufm.threshold(law, {K})") == pytest.approx(threshold, rel=1e-12)
    sharpness = f"ufm.jointSharpness(ufm.patterns(law, {K}), PRODUCT, ufm.threshold(law, {K}), {K})"
    for share in SHARES:
        product = share * threshold
        found = page.run(sharpness.replace("PRODUCT", repr(product)))
        right = joint_multiplier(law, K, product, 1.0).sharpness
        # near the threshold σ² − c² loses what rounding takes of σ²
        assert found == pytest.approx(right, rel=TOLERANCE + 1e-14 / (1 - share))
        back = page.run(f"ufm.productOf(ufm.patterns(law, {K}), {right!r}, {threshold!r}, {K})")
        assert back == pytest.approx(product, rel=TOLERANCE)
    assert page.run(sharpness.replace("PRODUCT", repr(1.0001 * threshold))) == 0


# --- spectra ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("K, d, delta", [(2, 1, 0.0), (3, 2, 0.0), (4, 4, 0.1), (10, 30, 0.0)])
def test_spectra_are_those_of_the_theory(page, K, d, delta):
    right = collapse_spectrum(K, d, 2e-3, 1e-3, delta)
    found = page.run(f"ufm.collapseSpectrum({K}, {d}, 2e-3, 1e-3, {delta})")
    assert [count for _, count, _ in found] == [count for _, count in right]
    assert [value for value, *_ in found] == pytest.approx(
        [value for value, _ in right], rel=1e-12, abs=1e-12
    )
    assert page.run(f"ufm.collapseSpectrum({K}, {d}, 1, 1, {delta})") is None  # W = 0


@pytest.mark.parametrize("K, counts", [(2, [1, 1, 0]), (10, [1, 1, 8]), (7, [1, 2, 4])])
def test_the_spectrum_in_one_feature_is_that_of_the_written_out_hessian(page, K, counts):
    p = np.array([0.6, 0.3, 0.1])[: len(counts)] / np.maximum(counts, 1)
    p = p / (p @ counts)
    whole, a, d = np.repeat(p, counts), 37.0, K + 2
    centre = np.eye(K) - 1 / K
    S = centre @ (np.diag(whole) - np.outer(whole, whole)) @ centre
    right = np.sort(np.append(1 + a * np.linalg.eigvalsh(S)[1:], np.ones(d - K + 1)))
    found = page.run(f"ufm.featureSpectrum({p.tolist()}, {counts}, {a}, {K}, {d}, 'cross-entropy')")
    assert np.repeat(*map(np.array, zip(*found))) == pytest.approx(right, rel=1e-12)


# --- theorems -----------------------------------------------------------------------------------------

# of class weights, classes in groups, penalties of their own, another loss: the page has none of these
OUTSIDE = {"minority-collapse", "necessity", "superclass-collapse", "superclass-laws", "squared-imbalanced"}
OUTSIDE |= {"bce", "bce-no-bias", "restored-temperatures", "multi-label", "polygon-escape", "distillation"}
OUTSIDE |= {"regression", "circulant-laws"}
SHARE = (1e-3, 0.97, 2.0)  # λ_W λ_H over its threshold
STATES = [
    dict(K=K, law=law, loss=loss, smoothing=delta, share=share, lam=lam, d=d)
    for K, d, some in (
        (2, None, ("mixup", "onehot")),
        (3, 2, ("mixup", "cutmix", "kway", "onehot")),
        (30, 29, ("mixup", "onehot")),
    )
    for law in some
    for loss in ("cross-entropy", "squared-error")
    for delta, lam in ((0.0, 0.3), (0.2, 0.0))
    for share in SHARE
]


def settled(state: dict) -> tuple[dict, laws.LabelLaw]:
    """The state with its penalties, and its law."""
    law = LAWS[state["law"]](1.0, state["smoothing"])
    product = state["share"] * laws.label_variance(law, state["K"])
    return {name: value for name, value in state.items() if name != "share"} | {
        "lw": product / 1e-3,
        "lh": 1e-3,
    }, law


def setting(state: dict, law: laws.LabelLaw, m: float) -> Setting:
    """The state as the theorems of the package take it."""
    problem = Problem(state["K"], m, state["lh"], state["lw"], state["d"] or state["K"], state["loss"], law)
    return Setting(problem, (state["lam"],), 0.0 if state["loss"] == "squared-error" else None, nodes=12)


def test_every_hypothesis_is_known_to_the_page(page):
    texts = {part.text for theorem in shown() for part in theorem.assumptions}
    assert set(page.run("ufm.hypotheses")) == texts


@pytest.mark.parametrize("classes", [(2, 3), (30,)], ids=["few classes", "many classes"])
def test_theorems_hold_in_the_page_where_they_hold_in_the_package(page, classes):
    """All theorems at 96 states; and both words occur for all that can hold in the page at all."""
    seen = {}
    for given in (state for state in STATES if state["K"] in classes):
        state, law = settled(given)
        page.run(f"Object.assign(ufm.state, {json.dumps(state)}); ufm.refresh(); 0")
        m, judged = page.run("[ufm.view.m, ufm.judged().map(({ name, broken }) => [name, broken])]")
        there = setting(state, law, float(m))
        for name, broken in judged:
            of_features = isinstance(THEOREMS[name].claim, FeatureClaim)  # against this W, which has no bias
            right = THEOREMS[name].violated(replace(there, lambda_b=None) if of_features else there)
            assert (broken is None) == (right is None), f"{name} at {state}: {broken!r}, not {right!r}"
            seen.setdefault(name, set()).add(broken is None)
    never = {name for name, words in seen.items() if words == {False}}
    assert never == OUTSIDE or (2 not in classes and never > OUTSIDE)
