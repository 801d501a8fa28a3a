"""How far features are from the joint theorem's optimum at given λ_W and λ_H: nothing is fitted.

The theorem fixes a and m, and logits z_a(y); features are h = ((K−1)/(K m²)) Wᵀ z up to a rotation, so that W is
the network's own (`r2_features`, at its own m), or the nearest ETF of the theorem's m (`r2_features_joint`).
"""

import numpy as np

from experiments.reproduction.measures.geometry import MIDDLE, Features, measure_geometry, middle_ratio
from experiments.training.settings import TrainSettings
from ufm.model.etf import etf_multiplier, gain
from ufm.model.laws import mixup
from ufm.network.measures.excess import feature_excess
from ufm.network.measures.fitting import closed_logits
from ufm.network.measures.gap import certify_stream
from ufm.network.measures.mixed import pair_optimum
from ufm.network.read.activations import from_arrays
from ufm.network.read.label_rows import LabelBlock
from ufm.theory.multiplier import Multiplier, joint_multiplier

EDGE = 0.1  # λ this close to 0 or 1 counts as the edge
# what is held against the closed form of cross-entropy: of squared error it says nothing
OF_CROSS_ENTROPY = (
    "r2",
    "r2_known",
    "a",
    "a_known",
    "displacement_finite",
    "curve_explained",
    "curve_deviation",
)
OF_CROSS_ENTROPY += (
    "bend_predicted",
    "bend_off",
    "middle_theory",
    "middle_off",
    "middle_size",
    "vertex_size",
)
OF_CROSS_ENTROPY += ("same_size", "a_off", "a_joint", "r2_logits_joint", "r2_over_linear")
WORST = -1.0  # how much worse than that an R² is means nothing, and would blur an interval over seeds


def joint_of(settings: TrainSettings, classes: int, penalty: float) -> Multiplier:
    """The theorem's m and a at the settings' penalties; an arm without one is held against `penalty`."""
    loss = "squared-error" if settings.arm == "mixup-squared" else "cross-entropy"
    lambda_w = penalty if settings.lambda_w is None else settings.lambda_w
    return joint_multiplier(mixup(settings.alpha), classes, lambda_w, settings.lambda_h or penalty, loss)


def measure_optimum(found: Features, settings: TrainSettings, joint: Multiplier) -> tuple[dict, dict]:
    """Numbers and curves of features of mixed and unmixed inputs."""
    numbers, curves = measure_geometry(found, settings.lambda_h or None)
    a = numbers["a"] if numbers["a_known"] is None else numbers["a_known"]
    own = {
        "m_joint": joint.value,
        "a_joint": joint.sharpness,
        "m_off": abs(numbers["multiplier"] / joint.value - 1),
        "a_off": abs(a / joint.sharpness - 1),
        **explained(found, a, joint, settings),
        **channel_lengths(found, a),
        "bend_off": abs(numbers["bend"] / numbers["bend_predicted"] - 1),
    }
    own["displacement_finite"] = at_least_worst(numbers["displacement_finite"])
    own["middle_off"] = abs(numbers["middle_ratio"] / own["middle_theory"] - 1)
    own["r2_over_linear"] = own["r2_logits_joint"] - numbers["r2_linear"]
    numbers |= own
    if settings.arm == "mixup-squared":
        numbers |= dict.fromkeys(OF_CROSS_ENTROPY)
    return numbers, curves


def explained(found: Features, a: float, joint: Multiplier, settings: TrainSettings) -> dict[str, float]:
    """R² of logits and features: at the network's own ‖W‖, and at the theorem's a and m."""
    K, V = len(found.W), found.V
    z = found.H @ V.T + found.b - found.b.mean()
    labels = LabelBlock(found.i, found.j, found.lam, None, K)
    if settings.arm == "mixup-squared":
        share = joint.sharpness / (1 + joint.sharpness)  # 1 − c/σ
        return {
            "r2_squared_joint": r_squared(z, share * (labels.dense() - 1 / K)),
            "r2_logits_joint": float("nan"),
        }
    own, best = closed_logits(labels, a)[0], closed_logits(labels, joint.sharpness)[0]
    edge = np.minimum(found.lam, 1 - found.lam) < EDGE
    return {
        "r2_features": r_squared(found.H, own @ V / gain(K, etf_multiplier(V))),
        "r2_features_joint": r_squared(found.H, joint_features(best, V, joint.value)),
        "r2_logits_joint": r_squared(z, best),
        "r2_edge": r_squared(z[edge], best[edge]),
        "r2_inside": r_squared(z[~edge], best[~edge]),
    }


def joint_features(z: np.ndarray, V: np.ndarray, m: float) -> np.ndarray:
    """((K−1)/(K m²)) z W for logits z (n, K) and the simplex ETF W of multiplier m turned onto V (K, d): (n, d).

    Of V the polar factor counts alone, neither its length nor its angles.
    """
    K = len(V)
    left, _, right = np.linalg.svd(V, full_matrices=False)
    return z @ left[:, : K - 1] @ right[: K - 1] / np.sqrt(gain(K, m))


def r_squared(found: np.ndarray, predicted: np.ndarray) -> float:
    """1 − Σ ‖found − predicted‖²/Σ ‖found − mean‖², at least WORST."""
    return at_least_worst(1 - ((found - predicted) ** 2).sum() / ((found - found.mean(0)) ** 2).sum())


def at_least_worst(r2: float) -> float:
    """An R² of at least WORST; NaN, of features that are no numbers, stays NaN."""
    return float(np.maximum(WORST, r2))


def channel_lengths(found: Features, a: float) -> dict[str, float]:
    """The two lengths behind the middle-to-vertex ratio, each over theory, and the ratio in theory.

    middle_size: ⟨h − c, v_i + v_j⟩ at |λ − ½| < 0.1 over Σ (x_i + x_j) (common factors cancel). vertex_size and
    same_size: ‖h − c‖ of unmixed inputs and of same-class mixtures over (K−1) x/(K m).
    """
    K, m = len(found.W), etf_multiplier(found.V)
    use = (found.i != found.j) & (np.abs(found.lam - 0.5) < MIDDLE)
    best, x = pair_optimum(found.lam[use], a, K), float(pair_optimum(np.ones(1), a, K).x_i[0])
    theory = float((best.x_i + best.x_j).mean() / (2 * x))
    vertex = (K - 1) * x / (K * m)
    same = np.linalg.norm(found.H[found.i == found.j] - found.centre, axis=1).mean()
    return {
        "middle_theory": theory,
        "middle_size": middle_ratio(found) / theory * found.size / vertex,
        "vertex_size": found.size / vertex,
        "same_size": float(same) / vertex,
    }


def objective_excess(found: Features, settings: TrainSettings) -> dict[str, float]:
    """Excess of the features given W, and the joint gap, each over what the trivial point lacks."""
    loss = "squared-error" if settings.arm == "mixup-squared" else "cross-entropy"
    arrays = {"H": found.H, "W": found.W, "i": found.i, "j": found.j, "lam": found.lam}
    mixed = from_arrays(**arrays)
    here = feature_excess(mixed.chunks, found.W, settings.lambda_h, b=found.b, loss=loss)
    numbers = {
        "excess_share": (here.excess + here.bound) / here.at_zero,
        "excess_bound": here.bound / here.at_zero,
    }
    if settings.lambda_w is None or loss != "cross-entropy" or found.b.any():
        return numbers
    joint = certify_stream(mixed.chunks, found.W, settings.lambda_w, settings.lambda_h)
    return numbers | {"gap_share": joint.gap / (np.log(len(found.W)) - joint.dual_objective)}
