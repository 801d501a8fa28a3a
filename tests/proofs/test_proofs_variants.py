"""Problems of another shape: every step holds, the shipped formulas agree, a false claim is refused or refuted."""

from importlib import import_module

import numpy as np
import pytest

from proofs.engine.step import ARGUED, SYMBOLIC, ProofError
from proofs.hunt.planted_variants import OF_VARIANTS, TAUGHT
from tests.proofs.test_proofs_joint import relative
from ufm.refute.search import Search, hunt
from ufm.theory.theorems.catalogue import THEOREMS
from ufm.theory.theorems.theorem import VariantClaim

pytestmark = pytest.mark.slow  # run by `proofs --check` as well

NAMES = [name for name, theorem in THEOREMS.items() if isinstance(theorem.claim, VariantClaim)]
# a claim of each proof, made false, and a step that must refuse it
MUTATIONS = (
    ("norm_constrained", "GAP", lambda m: m.R_w * m.R_h, "attained"),
    ("layer_peeled", "GAP", lambda m: m.GAP * 2, "equality"),
    ("layer_peeled_minority", "ELSE", lambda m: 2 * m.ELSE, "large classes apart"),
    ("layer_peeled_minority", "SIZE", lambda m: m.SIZE * m.mu, "nuclear norm"),
    ("relu_features", "WRONG", lambda m: m.c / m.K, "diagonal of A"),
    ("relu_features", "GAP", lambda m: m.GAP + 1, "gap"),
    ("supcon", "APART", lambda m: -(m.rho**2), "collapse"),
    ("softmax_codes", "DISTANCE", lambda m: (m.K + 1) / m.K, "a simplex attains it"),
    ("deep_linear_ce", "PRICE", lambda m: 2 * m.PRICE, "price, N = 3"),
    ("deep_linear_mse", "MODE", lambda m: m.MODE + m.s, "condition"),
    ("seli", "RATIO", lambda m: m.RATIO + 1 / m.x, "rate"),
    ("support_svm", "SIZE", lambda m: m.n, "length"),
    ("ce_ray", "SPEED", lambda m: m.SPEED / 2, "speed"),
    ("mse_ray", "GAP", lambda m: m.GAP**2, "solution"),
    ("focal", "S", lambda m: m.S + m.gamma * m.p, "slope"),
    ("focal", "G", lambda m: m.G + 1 - m.p, "where the slope is largest"),
    ("logit_adjustment", "MERGED", lambda m: 2 * m.MERGED, "the way out"),
    ("ordinal", "SLOPE", lambda m: m.SLOPE / 2, "slope"),
)


def load(name: str):
    """The module of one proof."""
    return import_module(f"proofs.{name.replace('-', '_')}")


def test_each_has_a_false_claim_and_slips_of_both_signs():
    assert {name.replace("_", "-") for name, *_ in MUTATIONS} == set(NAMES)
    for name in NAMES:
        slips = [claim for claim in OF_VARIANTS if claim.quantity == THEOREMS[name].quantity]
        slips = [claim for claim in slips if claim.assumptions == THEOREMS[name].assumptions]
        assert {"late" in claim.name for claim in slips} == {True, False}, name


@pytest.mark.promise("proofs")
@pytest.mark.parametrize("name", NAMES)
def test_every_step_holds_and_the_shipped_formula_agrees(name):
    module = load(name)
    derivation = module.derive()
    derivation.run()
    assert derivation.name == name and derivation.count(SYMBOLIC) > derivation.count(ARGUED) > 0
    rows = module.compare(np.random.default_rng(7))
    assert len(rows) >= 10 and max(map(relative, rows)) < 1e-12


@pytest.mark.promise("proofs")
@pytest.mark.parametrize("name, claim, false, step", MUTATIONS)
def test_a_false_claim_is_refused(monkeypatch, name, claim, false, step):
    module = load(name)
    monkeypatch.setattr(module, claim, false(module))
    steps = {one.name: one for one in module.derive().steps}
    with pytest.raises(ProofError, match="^" + step):
        steps[step].run()


@pytest.mark.parametrize("theorem", (*OF_VARIANTS, *TAUGHT), ids=lambda theorem: theorem.name)
def test_a_planted_claim_is_refuted_at_once(theorem):
    found = hunt(Search(theorem, settings=20), seed=0)
    assert found.refuted is not None and found.refuted.case.classes <= 4
