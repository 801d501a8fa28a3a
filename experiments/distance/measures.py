"""One row: how far a trained network is from the joint theorem's optimum at its λ, nothing fitted."""

import numpy as np

from experiments.distance.grid import Cell
from experiments.distance.modes import FEATURE_MODES, GRAM_MODES, feature_errors, gram_errors
from experiments.networks.activations import classifier, outputs
from experiments.reproduction.measures.geometry import Features
from experiments.terminal.optimum import explained
from experiments.training.mixing import mix_inputs
from experiments.training.settings import TrainSettings
from ufm.model.etf import etf_deviation, etf_multiplier, gain
from ufm.model.laws import mixup
from ufm.model.problem import Problem
from ufm.network.measures.excess import feature_excess
from ufm.network.read.activations import from_arrays
from ufm.network.read.label_rows import LabelBlock
from ufm.optimize.features import solve_features
from ufm.theory.multiplier import Multiplier, joint_multiplier

MIXED, EXACT = 4000, 1000  # mixtures of the training images; of these so many against the exact optimum for W
NUMBERS = (
    *("far_features", "far_logits", "far_own", "excess_share", "excess_bound", "excess_error", "curvature"),
    *("cosine", "etf_deviation", "m", "m_joint", "a", "a_joint", "gram_distance"),
    *(f"feature_{name}" for name in FEATURE_MODES),
    *(f"gram_{name}" for name in GRAM_MODES),
)


def measure(trained, data, cell: Cell) -> dict[str, float]:
    """The numbers of a row, by name.

    far_features, far_logits: 1 − R², at the theorem's a and m. cosine: of same-class mixtures with their row.
    Given the network's own W, whose optimal features are solved for: far_own, 1 − R² of features; excess_share,
    excess of their objective over that of h = 0, within excess_bound (certified), excess_error its sampling error;
    curvature, 2 excess/(λ_H mean ‖h − h*‖²), the Hessian's mean eigenvalue along the errors over λ_H; feature_…, by
    mode (`modes`). gram_…: of W Wᵀ against the theorem's.
    """
    settings, (W, b) = trained.settings, classifier(trained.model)
    mixed = mix_inputs(data.train_x, data.train_y.astype(int), MIXED, settings.alpha, settings.seed)
    H = outputs(trained.model, mixed.x)[0].astype(float)
    found = Features(H, mixed.i, mixed.j, mixed.lam, H, mixed.i, W, b)
    joint = joint_multiplier(mixup(settings.alpha), cell.classes, cell.penalty, cell.penalty)
    gram = gram_errors(W, joint)
    return {
        **_distances(found, joint, settings),
        **_given_classifier(found, cell.penalty),
        "cosine": _cosine(found),
        "etf_deviation": etf_deviation(found.V),
        "m": etf_multiplier(W),
        "m_joint": joint.value,
        "a": gain(cell.classes, etf_multiplier(W)) / cell.penalty,
        "a_joint": joint.sharpness,
        "gram_distance": float(np.sqrt(sum(gram))),
        **{f"gram_{name}": value for name, value in zip(GRAM_MODES, gram)},
    }


def _distances(found: Features, joint: Multiplier, settings: TrainSettings) -> dict[str, float]:
    r2 = explained(found, joint.sharpness, joint, settings)
    return {"far_features": 1 - r2["r2_features_joint"], "far_logits": 1 - r2["r2_logits_joint"]}


def _given_classifier(found: Features, penalty: float) -> dict[str, float]:
    """What depends on the optimal features for this W."""
    K = len(found.W)
    few = Features(*(part[:EXACT] for part in found[:4]), *found[4:])
    problem = Problem(K, classifier=found.W, lambda_h=penalty)
    labels = LabelBlock(few.i, few.j, few.lam, None, K).dense()
    best = solve_features(problem, np.concatenate([labels, np.eye(K)])).H
    stream = from_arrays(H=few.H, W=few.W, i=few.i, j=few.j, lam=few.lam)
    here = feature_excess(stream.chunks, found.W, penalty, size=EXACT)
    off = float(((few.H - best[:EXACT]) ** 2).sum(1).mean())
    same = found.i == found.j
    errors = feature_errors(found.H[same], found.i[same], found.V, best[EXACT:])
    return {
        "far_own": off / float(((few.H - few.H.mean(0)) ** 2).sum(1).mean()),
        "excess_share": here.excess / here.at_zero,
        "excess_bound": here.bound / here.at_zero,
        "excess_error": here.ratio_error,
        "curvature": 2 * here.excess / (penalty * off),
        **{f"feature_{name}": value for name, value in zip(FEATURE_MODES, errors)},
    }


def _cosine(found: Features) -> float:
    same = found.i == found.j
    h, v = (found.H - found.centre)[same], found.V[found.i[same]]
    return float(((h * v).sum(1) / (np.linalg.norm(h, axis=1) * np.linalg.norm(v, axis=1))).mean())
