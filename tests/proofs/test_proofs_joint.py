"""The free-classifier theorems: every step holds, the shipped formulas agree, and a false claim is refused."""

from functools import partial
from importlib import import_module

import mpmath as mp
import numpy as np
import pytest

from proofs.engine.step import ARGUED, SYMBOLIC, ProofError

pytestmark = pytest.mark.slow  # run by `proofs --check` as well

NAMES = (
    "duality",
    "equalised_residuals",
    "joint_etf",
    "trivial_threshold",
    "minority_collapse",
    "squared_error_joint",
    "necessity",
    "onehot_ce",
    "label_smoothing",
    "residual_norm",
    "inverse_design",
    "balancing_smoothing",
    "group_smoothing",
    "superclass_collapse",
    "squared_imbalanced",
    "squared_bias",
    "polygon",
    "susceptibility",
    "collapse_hessian",
    "bce",
    "bce_no_bias",
    "restored_temperatures",
    "multi_label",
    "superclass_laws",
    "circulant_laws",
    "regression",
    "distillation",
    "polygon_escape",
)
# a claim of each proof, made false, and a step that must refuse it
MUTATIONS = (
    ("duality", "SQUARE", lambda m: 2 * m.SQUARE, "features, coordinate by coordinate"),
    ("equalised_residuals", "SLOPE_W", lambda m: m.SLOPE_W + 2 * m.r * m.h, "elimination of the features"),
    ("joint_etf", "DIFFERENT", lambda m: m.DIFFERENT + (m.x_i + m.x_j) ** 2 / m.a**2, "two-hot integrand"),
    ("joint_etf", "NORM_SQUARED", lambda m: m.a * m.lambda_h, "logits and norm"),
    (
        "trivial_threshold",
        "THRESHOLD",
        lambda m: m.THRESHOLD.subs(m.alpha, 2 * m.alpha),
        "label covariance, K = 3",
    ),
    ("minority_collapse", "EIGENVALUE", lambda m: 2 * m.EIGENVALUE, "matrices, K = 4, |B| = 3"),
    ("minority_collapse", "RHO", lambda m: 1 / m.RHO, "mixup collapses more"),
    ("squared_error_joint", "SHARPNESS", lambda m: m.sigma / m.c, "candidate, K = 2"),
    ("onehot_ce", "PROBABILITY", lambda m: m.c / m.K, "equation"),
    ("onehot_ce", "GAIN", lambda m: 2 * m.GAIN, "gain"),
    (
        "label_smoothing",
        "PROBABILITY",
        lambda m: (m.hat + m.epsilon * m.K / (m.K - 1)) / m.K,
        "certificate, K = 3",
    ),
    ("inverse_design", "SCALE", lambda m: m.c / m.q, "moments, K = 3"),
    ("balancing_smoothing", "SMOOTHING", lambda m: m.SMOOTHING + 2 * m.SCALE, "labels"),
    ("group_smoothing", "ROOT", lambda m: 2 * m.ROOT, "rings, K = 5"),
    ("superclass_collapse", "SIBLING", lambda m: m.OTHER + (m.S - m.A), "probabilities"),
    ("squared_imbalanced", "GAIN", lambda m: m.GAIN - m.lambda_h, "gain"),
    ("squared_bias", "ABOVE", lambda m: m.hat / m.lambda_b, "beyond it"),
    ("polygon", "NORM_SQUARED", lambda m: m.K * m.NORM_SQUARED, "logits"),
    ("collapse_hessian", "NORMS", lambda m: 2 * m.NORMS, "norms"),
    ("susceptibility", "RESPONSE", lambda m: 2 * m.RESPONSE, "one-hot: response"),
    ("susceptibility", "FREE", lambda m: 2 * m.FREE, "one-hot: response with a free bias"),
    ("polygon_escape", "CURVATURE", lambda m: 1 - m.mu / m.c**2, "least curvature"),
    ("distillation", "SMOOTHING", lambda m: m.SMOOTHING * (m.K - 1) / m.K, "labels"),
    ("residual_norm", "SIZE", lambda m: m.K * m.c**2, "its trace"),
    ("necessity", "SPLIT", lambda m: 2 * m.SPLIT, "Fourier modes, K = 4"),
    ("necessity", "NEIGHBOURS", lambda m: -m.NEIGHBOURS, "strict"),
    ("bce", "WRONG", lambda m: (m.hat + m.epsilon * m.K / (m.K - 1)) / m.K, "equation"),
    ("bce", "BIAS", lambda m: (m.U + m.V) / 2, "bias"),
    ("bce_no_bias", "WRONG", lambda m: (m.hat + m.epsilon) / m.K, "both directions in use"),
    ("bce_no_bias", "ALONG", lambda m: 2 * m.ALONG, "gains"),
    ("restored_temperatures", "WRONG", lambda m: m.c / (m.delta * m.q), "moment, K = 3"),
    ("restored_temperatures", "TEMPERATURE", lambda m: m.s / m.g * m.q, "gap of logits"),
    ("restored_temperatures", "LEVEL", lambda m: (m.sp.exp(m.s) + m.K) / m.s, "minimum of the left side"),
    ("multi_label", "NORM", lambda m: 2 * m.NORM, "moment, K = 4, r = 2"),
    ("multi_label", "SHARPNESS", lambda m: m.r * m.SHARPNESS, "gap"),
    ("superclass_laws", "RANKS", lambda m: (m.B * m.m, m.B), "commutant, B = 3, m = 2"),
    ("circulant_laws", "projection", lambda m: partial(_doubled, m.projection), "commutant, K = 4"),
    ("regression", "KEPT", lambda m: 1 - m.c / m.sigma**2, "a direction that is kept"),
    ("regression", "GAIN", lambda m: m.GAIN / 2, "its gain"),
)


def _doubled(true, *given):
    return 2 * true(*given)


def load(name: str):
    """The module of one proof."""
    return import_module(f"proofs.{name}")


@pytest.mark.promise("proofs")
@pytest.mark.parametrize("name", NAMES)
def test_every_step_holds(name):
    derivation = load(name).derive()
    assert derivation.name == name.replace("_", "-")
    derivation.run()
    assert derivation.count(SYMBOLIC) > derivation.count(ARGUED)
    names = [step.name for step in derivation.steps]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", NAMES)
def test_shipped_formulas_agree(name):
    rows = load(name).compare(np.random.default_rng(7))
    assert len(rows) >= 10
    for row in rows:
        assert relative(row) < 1e-12, row.where


def relative(row):
    """Relative difference of the two sides of a comparison."""
    with mp.workdps(40):
        return float(abs(mp.mpf(float(row.shipped)) - row.derived) / abs(row.derived))


@pytest.mark.promise("proofs")
@pytest.mark.parametrize("name, claim, false, step", MUTATIONS)
def test_a_false_claim_is_refused(monkeypatch, name, claim, false, step):
    module = load(name)
    monkeypatch.setattr(module, claim, false(module))
    steps = {one.name: one for one in module.derive().steps}
    with pytest.raises(ProofError, match="^" + step.replace("|", r"\|")):
        steps[step].run()


@pytest.mark.parametrize(
    "name, claim", [("trivial_threshold", "THRESHOLD"), ("minority_collapse", "EIGENVALUE")]
)
def test_a_false_claim_disagrees_with_the_shipped_formula(monkeypatch, name, claim):
    module = load(name)
    monkeypatch.setattr(module, claim, 2 * getattr(module, claim))
    assert max(relative(row) for row in module.compare(np.random.default_rng(7))) > 0.1
