"""One row: how far a trained network is from the joint theorem's optimum at its λ, nothing fitted."""

import numpy as np

from experiments.activations import classifier, outputs
from experiments.distance.grid import Cell
from experiments.distance.modes import FEATURE_MODES, GRAM_MODES, feature_errors, gram_errors
from experiments.mixing import mix_inputs
from experiments.reproduction.geometry import Features
from experiments.terminal.optimum import explained
from ufm.activations import from_arrays
from ufm.etf import etf_deviation, etf_multiplier, gain
from ufm.excess import feature_excess
from ufm.labels import mixup
from ufm.theory.multiplier import joint_multiplier

MIXED = 4000  # mixtures of the training images that are measured on
NUMBERS = (
    *(
        "far_features",
        "far_logits",
        "far_own",
        "excess_share",
        "excess_bound",
        "excess_error",
        "curvature",
        "cosine",
    ),
    *("etf_deviation", "m", "m_joint", "a", "a_joint", "gram_distance"),
    *(f"feature_{name}" for name in FEATURE_MODES),
    *(f"gram_{name}" for name in GRAM_MODES),
)


def measure(trained, data, cell: Cell) -> dict[str, float]:
    """The numbers of a row, by name.

    far_features, far_logits: 1 − R², at the theorem's a and m; far_own: of features at the network's own W.
    excess_share: excess of the features' objective given
    W over that of h = 0, within excess_bound (certified), excess_error its sampling error. curvature: 2 excess/
    (λ_H mean ‖h − h*‖²), h* the closed form at the network's own W: the Hessian's mean eigenvalue along the errors,
    in units of λ_H. cosine: of same-class mixtures with their row. feature_…, gram_…: see `modes`.
    """
    train = data.train_x, data.train_y.astype(int)
    settings = trained.settings
    mixed = mix_inputs(*train, MIXED, settings.alpha, settings.seed)
    H, (W, b) = outputs(trained.model, mixed.x)[0].astype(float), classifier(trained.model)
    found = Features(H, mixed.i, mixed.j, mixed.lam, H, mixed.i, W, b)
    joint = joint_multiplier(mixup(settings.alpha), cell.classes, cell.penalty, cell.penalty)
    V, same = found.V, mixed.i == mixed.j
    a = gain(cell.classes, etf_multiplier(V)) / cell.penalty
    r2 = explained(found, a, joint, settings)
    stream = from_arrays(H=H, W=W, i=mixed.i, j=mixed.j, lam=mixed.lam)
    here = feature_excess(stream.chunks, W, cell.penalty)
    off = (1 - r2["r2_features"]) * float(((H - H.mean(0)) ** 2).sum(1).mean())
    h, v = (H - found.centre)[same], V[mixed.i[same]]
    cosine = (h * v).sum(1) / (np.linalg.norm(h, axis=1) * np.linalg.norm(v, axis=1))
    gram = gram_errors(W, joint)
    numbers = {
        "far_features": 1 - r2["r2_features_joint"],
        "far_logits": 1 - r2["r2_logits_joint"],
        "far_own": 1 - r2["r2_features"],
        "excess_share": here.excess / here.at_zero,
        "excess_bound": here.bound / here.at_zero,
        "excess_error": here.ratio_error,
        "curvature": 2 * here.excess / (cell.penalty * off),
        "cosine": float(cosine.mean()),
        "etf_deviation": etf_deviation(V),
        "m": etf_multiplier(V),
        "m_joint": joint.value,
        "a": a,
        "a_joint": joint.sharpness,
        "gram_distance": float(np.sqrt(sum(gram))),
    }
    errors = feature_errors(H[same], mixed.i[same], V, a)
    numbers |= {f"feature_{name}": value for name, value in zip(FEATURE_MODES, errors)}
    return numbers | {f"gram_{name}": value for name, value in zip(GRAM_MODES, gram)}
