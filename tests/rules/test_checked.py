"""Every public function refuses what it cannot use, by name: no other exception, and never a number.

The good call of each function is the control; the table then spoils one parameter at a time. Types are not
checked by beartype here, as they are not for users.
"""

from math import inf, nan

import jaxtyping
import numpy as np
import pytest

import ufm
import ufm.model.penalties as conventions
import ufm.network.collapse.angles as angles
import ufm.network.collapse.metrics as metrics
import ufm.network.collapse.spectrum as spectrum
import ufm.rules.numbers as checked
from ufm.agree.theorem import check_theorem
from ufm.enclose.joint import enclose_joint
from ufm.model.atoms import FiniteLaw, Point, drawn_law, given_lam
from ufm.model.cases import PairCases
from ufm.network.collapse.classes import cdnv_grid, class_values
from ufm.network.collapse.conventions import CONVENTIONS
from ufm.network.collapse.conventions import Convention as CollapseConvention
from ufm.network.collapse.statistics import class_statistics
from ufm.network.collapse.uniformity import uniformity, uniformity_gap
from ufm.network.comparison import Options
from ufm.network.measures.calibration import mixed_calibration, reliability
from ufm.network.measures.channels import channel_geometry
from ufm.network.measures.excess import feature_excess
from ufm.network.measures.fitting import fit_sharpness
from ufm.network.measures.gap import certify_stream
from ufm.network.read.activations import from_arrays
from ufm.rules.errors import InputError
from ufm.theory.predict import pair_features
from ufm.theory.theorems.catalogue import THEOREMS
from ufm.theory.theorems.theorem import Setting

K, D = 3, 3
RNG = np.random.default_rng(0)
Y = np.array([[0.25, 0.25, 0.5], [1.0, 0.0, 0.0], [0.125, 0.875, 0.0], [0.5, 0.5, 0.0]])
W, H, SHARES = RNG.normal(size=(K, D)), RNG.normal(size=(4, D)), np.full(4, 0.25)
PROBLEM = ufm.Problem(K, multiplier=1.0, lambda_h=0.1)
LAW, ATOMS = ufm.mixup(1.0), FiniteLaw(Y, SHARES, False)
JOINT_PROBLEM = ufm.JointProblem(ATOMS, 0.1, 0.1, K, 0.2)
ACTIVATIONS = from_arrays(H=np.vstack([H, W]), W=W, y=np.array([0, 1, 2, 0, 0, 1, 2]))
STATS = class_statistics(ACTIVATIONS.pure_chunks, K)
CHUNKS = ACTIVATIONS.chunks

NOT_NUMBERS = [nan, inf, -inf, True, np.True_, "x", 1j, object(), [1.0], np.ones(2), 10**400]
NOT_COUNTS = [nan, inf, -1, 1.5, True, "x", 1j, object(), [1], 10**30]
NOT_WORDS = ["foo", 1, True, nan, ["cross-entropy"], np.ones(2), object()]
NOT_THINGS = ["x", 3, nan, object(), np.ones((4, 3))]
NOT_DTYPES = [np.float16, np.int64, np.complex128, object, "x", 3.5]
NOT_FLAGS = [1, 0, "yes", nan, np.ones(2)]
NOT_MIXING = [
    -0.1,
    1.1,
    nan,
    inf,
    True,
    "x",
    1j,
    object(),
    np.zeros(0),
    np.array([0.5, 2.0]),
    [[0.1], [0.1, 0.2]],
]
NOT_CLASSES = [0.5, -1, K, 1e30, nan, True, "x", 1j, object(), np.zeros(0, int), np.array([0, K])]


def spoiled(good: np.ndarray) -> list:
    """Arrays that are none of real finite numbers of this shape."""
    bad = [np.where(np.arange(good.size).reshape(good.shape) == 1, value, good) for value in (nan, inf, -inf)]
    bad += [good.astype(kind) for kind in (complex, object, bool, "U8")]
    bad += [good[None], good[:0], good.ravel()[0], "x", True, None, object()]
    bad += [np.ma.masked_array(good, np.arange(good.size).reshape(good.shape) == 0)]
    return [*bad, [[1.0], [1.0, 2.0]]] if good.ndim == 2 else bad


def spoiled_labels(good: np.ndarray) -> list:
    negative = good + np.array([0.5, -0.5, 0.0])
    return [*spoiled(good), 2 * good, good * (1 + 1e-4), negative, np.zeros_like(good), good[:, :1]]


def spoiled_weights(good: np.ndarray) -> list:
    return [*spoiled(good), 2 * good, -good, good[:-1], good * (1 + 1e-6)]


PENALTY = [*NOT_NUMBERS, -1.0, 1e-200, 1e200]
POSITIVE = [*PENALTY, 0.0]
MATRIX, FEATURES = spoiled(W), spoiled(H)
OWN_LABELS, WEIGHTS = spoiled_labels(Y), spoiled_weights(SHARES)
LABELS = [*OWN_LABELS, np.pad(Y, ((0, 0), (0, 1)))]  # a class too many
OPTIONAL_BIAS = [value for value in spoiled(np.ones(K)) if value is not None]
JOINT = {"lambda_w": POSITIVE, "lambda_h": POSITIVE, "lambda_b": PENALTY, "loss": NOT_WORDS}
POINT = {"W": W, "lambda_w": 0.1, "lambda_h": 0.1, "b": np.ones(K), "lambda_b": 0.2, "loss": "cross-entropy"}
BOOTSTRAP = {"replicates": NOT_COUNTS, "level": [*NOT_NUMBERS, 0.0, 1.0], "seed": NOT_COUNTS}
SOLVER = {"method": NOT_WORDS, "max_steps": NOT_COUNTS, "dtype": NOT_DTYPES, "first": NOT_DTYPES}


def of_options(**options):
    return ufm.compare_network(ACTIVATIONS, options=Options(replicates=0)._replace(**options))


ALPHA = [*NOT_NUMBERS, 0.0, -1.0, 1e10]
PAIR_LAW = {"alpha": ALPHA, "pairs": NOT_WORDS, "smoothing": [*NOT_NUMBERS, -0.1, 1.0]}
ALL_PAIRS = {"alpha": 1.0, "pairs": "all", "smoothing": 0.0}
CLASSES = [*NOT_COUNTS, 0, 1]
NOT_IDS = [np.eye(3)[[0, 1, 2, 0]], [0, 1, 2], [0.5, 1, 2, 0], [nan, 1, 2, 0], [-1, 0, 1, 2], [1, 2, 3, 1]]
NOT_IDS += ["x", None, object(), [True, False, True, True], [1j, 0, 1, 2]]

# name: function, good arguments, what spoils each of them
TABLE = {
    "Problem": (
        ufm.Problem,
        {
            "classes": K,
            "multiplier": 1.0,
            "lambda_h": 0.1,
            "lambda_w": 0.1,
            "dim": K,
            "loss": "cross-entropy",
            "law": LAW,
        },
        {"classes": CLASSES, "multiplier": PENALTY, "lambda_h": POSITIVE, "lambda_w": PENALTY, "dim": CLASSES}
        | {"loss": NOT_WORDS, "law": NOT_THINGS},
    ),
    "Problem of a classifier": (
        ufm.Problem,
        {"classes": K, "classifier": W},
        {"classifier": [value for value in MATRIX if value is not None]},
    ),
    "LabelLaw": (
        ufm.LabelLaw,
        {"name": "mixup", "class_weights": (0.5, 0.25, 0.25), "ways": 2, **ALL_PAIRS},
        {"name": NOT_WORDS, "ways": [*NOT_COUNTS, 1, 7], **PAIR_LAW}
        | {"class_weights": [value for value in spoiled_weights(np.full(K, 1 / K)) if value is not None]},
    ),
    "design": (
        ufm.design,
        {"G": np.eye(3) - 1 / 3, "weights": np.full(3, 1 / 3), "lambda_w": 0.01, "lambda_h": 0.01},
        {"G": [*spoiled(np.eye(3) - 1 / 3), np.eye(3), np.eye(3)[:, :2], 1 / 3 - np.eye(3)]}
        | {"weights": [*spoiled_weights(np.full(3, 1 / 3)), np.array([0.5, 0.5, 0.0])]}
        | {"lambda_w": POSITIVE, "lambda_h": POSITIVE},
    ),
    "susceptibility": (
        ufm.susceptibility,
        {"problem": ufm.JointProblem(ufm.finite_law(ufm.onehot(), K), 0.1, 0.1)},
        {"problem": NOT_THINGS},
    ),
    "LabelLaw of labels": (
        ufm.LabelLaw,
        {"name": "labels", "labels": Y},
        {"labels": OWN_LABELS},
    ),
    "mixup": (ufm.mixup, ALL_PAIRS, PAIR_LAW),
    "cutmix": (ufm.cutmix, ALL_PAIRS, PAIR_LAW),
    "kway": (ufm.kway, {"alpha": 1.0, "ways": 3}, {"alpha": ALPHA, "ways": [*NOT_COUNTS, 1, 7]}),
    "onehot": (ufm.onehot, {}, {}),
    "smooth": (ufm.smooth, {"delta": 0.1}, {"delta": [*NOT_NUMBERS, -0.1, 1.0]}),
    "soft": (ufm.soft, {"labels": Y}, {"labels": OWN_LABELS}),
    "simplex_etf": (
        ufm.simplex_etf,
        {"classes": K, "dim": K, "multiplier": 1.0},
        {"classes": CLASSES, "dim": CLASSES, "multiplier": PENALTY},
    ),
    "etf_deviation": (ufm.etf_deviation, {"W": W}, {"W": MATRIX}),
    "frame_distance": (ufm.frame_distance, {"A": W, "B": 2 * W}, {"A": MATRIX, "B": [*MATRIX, 0 * W]}),
    "solve_features": (
        ufm.solve_features,
        {"problem": PROBLEM, "labels": Y, "method": "newton", "max_steps": 9, "dtype": np.float64},
        {"problem": NOT_THINGS, "labels": LABELS, "record": NOT_FLAGS, **SOLVER},
    ),
    "predict_features": (
        ufm.predict_features,
        {"problem": PROBLEM, "labels": Y},
        {"problem": NOT_THINGS, "labels": LABELS},
    ),
    "predict_pairs": (
        ufm.predict_pairs,
        {"problem": PROBLEM, "i": 0, "j": 1, "lam": 0.3},
        {"problem": NOT_THINGS, "i": NOT_CLASSES, "j": NOT_CLASSES, "lam": NOT_MIXING},
    ),
    "pair_features": (
        pair_features,
        {"problem": PROBLEM, "lam": np.array([0.3])},
        {"problem": NOT_THINGS, "lam": NOT_MIXING},
    ),
    "joint_multiplier": (
        ufm.joint_multiplier,
        {"law": LAW, "classes": K, "lambda_w": 0.01, "lambda_h": 0.01, "loss": "cross-entropy", "refine": 1},
        {"law": NOT_THINGS, "classes": CLASSES, "lambda_w": POSITIVE, "lambda_h": POSITIVE}
        | {"loss": NOT_WORDS, "refine": NOT_COUNTS},
    ),
    "multiplier_slopes": (
        ufm.multiplier_slopes,
        {"alpha": 1.0, "classes": K, "lambda_w": 0.01, "lambda_h": 0.01, "pairs": "all"},
        {"alpha": ALPHA, "classes": CLASSES, "lambda_w": POSITIVE, "lambda_h": POSITIVE, "pairs": NOT_WORDS},
    ),
    "two_hot_optimum": (
        ufm.two_hot_optimum,
        {"lam": 0.3, "a": 10.0, "classes": K, "loss": "cross-entropy"},
        {"lam": NOT_MIXING, "a": [nan, inf, -1.0, 0.0, True, "x", 1j, object()], "loss": NOT_WORDS}
        | {"classes": [nan, inf, -1, 1, True, "x", 1j, object()]},
    ),
    "certify_features": (
        ufm.certify_features,
        {"problem": PROBLEM, "H": H, "Y": Y},
        {"problem": NOT_THINGS, "Y": LABELS, "H": FEATURES[3:]},
    ),
    "enclose_etf": (
        ufm.enclose_etf,
        {"y": Y[0], "multiplier": 1.0, "lambda_h": 0.1, "loss": "cross-entropy", "digits": 20},
        {"y": [*spoiled(Y[0]), 2 * Y[0], Y[0] + [1, -1, 0]], "multiplier": [*NOT_NUMBERS, -1.0]}
        | {"lambda_h": [*NOT_NUMBERS, -1.0, 0.0], "loss": NOT_WORDS, "digits": NOT_COUNTS},
    ),
    "enclose_features": (
        ufm.enclose_features,
        {"y": Y[0], "W": W, "lambda_h": 0.1, "loss": "cross-entropy", "digits": 20},
        {"y": [*spoiled(Y[0]), 2 * Y[0], Y[0] + [1, -1, 0]], "W": MATRIX}
        | {"lambda_h": [*NOT_NUMBERS, -1.0, 0.0], "loss": NOT_WORDS, "digits": NOT_COUNTS},
    ),
    "enclose_joint": (
        enclose_joint,
        {**POINT, "H": H, "labels": Y, "weights": SHARES},
        {
            "W": MATRIX,
            "H": FEATURES,
            "labels": LABELS,
            "weights": [*spoiled(SHARES), -SHARES, 0 * SHARES, SHARES[1:]],
        }
        | {"b": OPTIONAL_BIAS, "loss": NOT_WORDS}
        | {name: [*NOT_NUMBERS, -1.0] for name in ("lambda_w", "lambda_h", "lambda_b")},
    ),
    "finite_law": (
        ufm.finite_law,
        {"law": LAW, "classes": K, "nodes": 3},
        {"law": NOT_THINGS, "classes": CLASSES, "nodes": [*NOT_COUNTS, 0]},
    ),
    "given_lam": (
        given_lam,
        {"law": LAW, "classes": K, "lam": np.array([0.3])},
        {"law": NOT_THINGS, "classes": CLASSES, "lam": NOT_MIXING},
    ),
    "drawn_law": (
        drawn_law,
        {"law": LAW, "classes": K, "draws": 5, "seed": 0},
        {"law": NOT_THINGS, "classes": CLASSES, "draws": [*NOT_COUNTS, 0], "seed": NOT_COUNTS},
    ),
    "FiniteLaw": (
        FiniteLaw,
        {"labels": Y, "weights": SHARES, "exchangeable": False},
        {"labels": OWN_LABELS, "weights": WEIGHTS, "exchangeable": NOT_FLAGS, "law": NOT_THINGS},
    ),
    "solve_joint": (
        ufm.solve_joint,
        {"problem": JOINT_PROBLEM, "starts": 1, "seed": 0},
        {"problem": NOT_THINGS, "starts": [*NOT_COUNTS, 0], "seed": NOT_COUNTS},
    ),
    "predict_joint": (
        ufm.predict_joint,
        {"problem": ufm.JointProblem(ufm.finite_law(ufm.mixup(1.0), K, 4), 0.01, 0.01)},
        {"problem": NOT_THINGS},
    ),
    "certify_joint": (
        lambda problem, **point: ufm.certify_joint(problem, Point(**point)),
        {"problem": JOINT_PROBLEM, "W": W, "H": H, "b": np.ones(K)},
        {"problem": NOT_THINGS, "W": MATRIX, "H": FEATURES, "b": OPTIONAL_BIAS},
    ),
    "certify_stream": (
        certify_stream,
        {"chunks": CHUNKS, **POINT},
        {"W": MATRIX, "b": OPTIONAL_BIAS, **JOINT},
    ),
    "JointProblem": (
        ufm.JointProblem,
        {
            "atoms": ATOMS,
            "dim": K,
            "lambda_w": 0.1,
            "lambda_h": 0.1,
            "lambda_b": 0.2,
            "loss": "cross-entropy",
        },
        {"atoms": NOT_THINGS, "dim": [*NOT_COUNTS, 0], **JOINT},
    ),
    "check_joint": (
        ufm.check_joint,
        {
            "problem": JOINT_PROBLEM,
            "starts": 1,
            "seed": 0,
            "tol": 1e-9,
            "rigorous": False,
        },
        {
            "problem": NOT_THINGS,
            "starts": [*NOT_COUNTS, 0],
            "seed": NOT_COUNTS,
            "tol": [*NOT_NUMBERS, 0.0, -1.0],
        }
        | {"rigorous": NOT_FLAGS},
    ),
    "choose_cases": (
        ufm.choose_cases,
        {"law": LAW, "classes": K, "lam": np.array([0.3]), "seed": 0},
        {"law": NOT_THINGS, "classes": CLASSES, "lam": [*NOT_MIXING, 0.3], "seed": NOT_COUNTS},
    ),
    "choose_cases by number": (
        ufm.choose_cases,
        {"law": LAW, "classes": K, "samples": 2},
        {"samples": [*NOT_COUNTS, 0]},
    ),
    "choose_cases by rule": (
        ufm.choose_cases,
        {"law": LAW, "classes": K, "quadrature": 2},
        {"quadrature": [*NOT_COUNTS, 0]},
    ),
    "PairCases": (
        PairCases,
        {"classes": K, "lam": np.array([0.3]), "pairs": "all"},
        {"classes": CLASSES, "lam": [*NOT_MIXING, 0.3], "pairs": NOT_WORDS},
    ),
    "check_features": (
        ufm.check_features,
        {"problem": PROBLEM, "cases": PairCases(K, np.array([0.3])), "settings": ufm.Settings()},
        {"problem": NOT_THINGS, "cases": NOT_THINGS, "settings": NOT_THINGS},
    ),
    "Settings": (
        ufm.Settings,
        {
            "method": "newton",
            "max_steps": 9,
            "tol": 1e-6,
            "dtype": np.float64,
            "rigorous": False,
            "first": np.float32,
        },
        {"tol": [*NOT_NUMBERS, 0.0, -1.0], "rigorous": NOT_FLAGS, **SOLVER},
    ),
    "draw_features": (
        ufm.draw_features,
        {"problem": PROBLEM, "cases": PairCases(K, np.array([0.3])), "settings": ufm.Settings()},
        {"problem": NOT_THINGS, "cases": NOT_THINGS, "settings": NOT_THINGS, "size": ["page", "", None, 7]},
    ),
    "compare_network": (
        ufm.compare_network,
        {"source": ACTIVATIONS, "options": Options(replicates=0)},
        {"source": NOT_THINGS[1:], "options": NOT_THINGS},
    ),
    "compare_runs": (
        ufm.compare_runs,
        {"sources": {"one": ACTIVATIONS}, "options": Options(replicates=0)},
        {"sources": [{}, []]},
    ),
    "Options": (
        of_options,
        {},
        {
            "lambda_w": POSITIVE,
            "lambda_h": POSITIVE,
            "lambda_b": PENALTY,
            "loss": NOT_WORDS,
            "centre": NOT_WORDS,
        }
        | {"bins": [*NOT_COUNTS, 0], "replicates": NOT_COUNTS, "seed": NOT_COUNTS},
    ),
    "channel_geometry": (
        channel_geometry,
        {"chunks": CHUNKS, "W": W, "means": W, "a": 1.0, "centre": "class", "window": 0.1, "replicates": 0},
        {"W": MATRIX, "a": [*NOT_NUMBERS, 0.0, -1.0], "centre": NOT_WORDS, "bins": [*NOT_COUNTS, 0]}
        | {"window": [*NOT_NUMBERS, -0.1, 0.5], "means": [v for v in MATRIX if v is not None], **BOOTSTRAP},
    ),
    "mixed_calibration": (
        mixed_calibration,
        {"chunks": CHUNKS, "W": W, "b": np.ones(K), "a": 1.0},
        {
            "W": MATRIX,
            "b": OPTIONAL_BIAS,
            "a": [*NOT_NUMBERS, 0.0, -1.0],
            "bins": [*NOT_COUNTS, 0],
            **BOOTSTRAP,
        },
    ),
    "fit_sharpness": (
        fit_sharpness,
        {"chunks": CHUNKS, "W": W, "b": np.ones(K), "lambda_h": 0.1},
        {"W": MATRIX, "b": OPTIONAL_BIAS, "lambda_h": POSITIVE, "size": [*NOT_COUNTS, 0], **BOOTSTRAP},
    ),
    "feature_excess": (
        feature_excess,
        {"chunks": CHUNKS, "W": W, "b": np.ones(K), "lambda_h": 0.1, "loss": "cross-entropy"},
        {"W": MATRIX, "b": OPTIONAL_BIAS, "lambda_h": POSITIVE, "loss": NOT_WORDS}
        | {"size": [*NOT_COUNTS, 0], "seed": NOT_COUNTS},
    ),
    "reliability": (
        lambda **given: reliability(lambda: [(H, np.zeros(4, int))], **given),
        {"bins": 15, "temperature": 1.0},
        {"bins": [*NOT_COUNTS, 0], "temperature": [*NOT_NUMBERS, 0.0, -1.0]},
    ),
    "class_statistics": (
        class_statistics,
        {"stream": ACTIVATIONS.pure_chunks, "classes": K, "W": W, "b": np.ones(K)},
        {"classes": CLASSES, "W": [v for v in MATRIX if v is not None], "b": OPTIONAL_BIAS},
    ),
    "all_metrics": (
        metrics.all_metrics,
        {"stats": STATS, "W": W, "b": np.ones(K), "convention": CONVENTIONS["plain"]},
        {"stats": NOT_THINGS, "W": MATRIX, "b": OPTIONAL_BIAS, "convention": NOT_THINGS},
    ),
    "collapse_metrics": (
        ufm.collapse_metrics,
        {"H": H, "y": np.array([0, 1, 2, 0]), "W": W, "b": np.ones(K), "convention": "plain"},
        {"H": FEATURES, "y": NOT_IDS, "W": [v for v in MATRIX if v is not None], "convention": NOT_WORDS}
        | {"b": OPTIONAL_BIAS},
    ),
    "uniformity": (
        uniformity,
        {"V": W, "kernel": "riesz", "s": 1.0},
        {"V": MATRIX, "kernel": NOT_WORDS, "s": NOT_NUMBERS},
    ),
    "uniformity_gap": (uniformity_gap, {"V": W}, {"V": MATRIX, "kernel": NOT_WORDS, "s": NOT_NUMBERS}),
    "uniform_duality": (
        angles.uniform_duality,
        {"W": W, "centred": W, "dot": True, "ddof": 1},
        {"W": MATRIX, "centred": MATRIX, "dot": NOT_FLAGS, "ddof": [*NOT_COUNTS, 2]},
    ),
    "equinorm_difference": (
        angles.equinorm_difference,
        {"W": W, "centred": W, "ddof": 1},
        {"W": MATRIX, "centred": MATRIX, "ddof": [*NOT_COUNTS, 2]},
    ),
    "cosine_margins": (
        angles.cosine_margins,
        {"H": H, "label": np.array([0, 1, 2, 0]), "W": W, "centre": np.zeros(D)},
        {
            "H": FEATURES,
            "label": [[0, 1, 2, 3], [0, 1], "x", [0.5] * 4],
            "W": MATRIX,
            "centre": spoiled(np.ones(D)),
        },
    ),
    "ood_orthogonality": (
        angles.ood_orthogonality,
        {"means": W, "ood": np.ones(D)},
        {"means": MATRIX, "ood": spoiled(np.ones(D))},
    ),
    "cdnv_grid": (cdnv_grid, {"stats": STATS, "exponent": 2.0}, {"exponent": [*NOT_NUMBERS, 0.0]}),
    "class_values": (class_values, {"stats": STATS, "W": W, "centre": "class"}, {"centre": NOT_WORDS}),
    "numerical_rank": (spectrum.numerical_rank, {"V": W, "kind": "stable"}, {"V": MATRIX, "kind": NOT_WORDS}),
    "class_rank": (
        spectrum.class_rank,
        {"H": H, "label": np.array([0, 1, 2, 0]), "classes": K},
        {"H": FEATURES, "label": [[0, 1, 2, 3], [0, 1], "x"], "classes": CLASSES},
    ),
    "variability_index": (
        spectrum.variability_index,
        {"H": H, "label": np.array([0, 1, 2, 0]), "classes": K, "centre": "class"},
        {"H": FEATURES, "label": [[0, 1, 2, 3], [0, 1], "x"], "classes": CLASSES, "centre": NOT_WORDS},
    ),
    "squared_error": (
        spectrum.squared_error,
        {"H": H, "label": np.array([0, 1, 2, 0]), "W": W, "b": np.ones(K), "weight_decay": 0.1},
        {"H": FEATURES, "label": [[0, 1, 2, 3], [0, 1], "x"], "W": MATRIX, "b": OPTIONAL_BIAS}
        | {"weight_decay": [*NOT_NUMBERS, -1.0]},
    ),
    "norm_variation": (metrics.norm_variation, {"V": W, "ddof": 0}, {"V": MATRIX, "ddof": [*NOT_COUNTS, 2]}),
    "angle_deviation": (metrics.angle_deviation, {"V": W}, {"V": MATRIX}),
    "simplex_deviation": (
        metrics.simplex_deviation,
        {"G": W @ W.T},
        {"G": [*spoiled(W @ W.T), np.ones((3, 2))]},
    ),
    "bias_norm": (
        metrics.bias_norm,
        {"stats": STATS, "W": W, "b": np.ones(K), "convention": CONVENTIONS["plain"]},
        {"stats": NOT_THINGS, "W": MATRIX, "b": OPTIONAL_BIAS, "convention": NOT_THINGS},
    ),
    "metrics.Convention": (
        CollapseConvention,
        {"name": "x", "centre": "class", "per_class": True, "squared": False, "ddof": 0, "bias_sign": 1},
        {"centre": NOT_WORDS, "ddof": [*NOT_COUNTS, 2], "bias_sign": [*NOT_NUMBERS, 0, 2]}
        | {"per_class": NOT_FLAGS, "squared": NOT_FLAGS, "centre_rows": NOT_FLAGS, "by_dim": NOT_FLAGS},
    ),
    "Convention": (
        conventions.Convention,
        {"samples": 5, "loss": "mean", "half": True, "features": "all", "loss_factor": 1.0},
        {"samples": [*NOT_COUNTS[:-1], 0], "loss": NOT_WORDS, "half": NOT_FLAGS, "features": NOT_WORDS}
        | {"loss_factor": [*NOT_NUMBERS, 0.0, -1.0]},
    ),
    "Convention.convert": (
        conventions.Convention().convert,
        {"weight": 0.1, "feature": 0.1, "bias": 0.1},
        {name: [*NOT_NUMBERS, -1.0] for name in ("weight", "feature", "bias")},
    ),
    "Convention.nuclear": (
        conventions.Convention().nuclear,
        {"weight": 0.1, "feature": 0.1},
        {name: [*NOT_NUMBERS, -1.0] for name in ("weight", "feature")},
    ),
    "Convention.from_nuclear": (
        conventions.Convention().from_nuclear,
        {"nuclear": 0.1, "ratio": 1.0},
        {"nuclear": [*NOT_NUMBERS, -1.0], "ratio": [*NOT_NUMBERS, 0.0, -1.0]},
    ),
    "per_batch": (
        conventions.per_batch,
        {"batch": 5},
        {
            "batch": [*NOT_COUNTS[:-1], 0],
            "loss": NOT_WORDS,
            "half": NOT_FLAGS,
            "loss_factor": [*NOT_NUMBERS, 0.0],
        },
    ),
    "check_theorem": (
        check_theorem,
        {"theorem": THEOREMS["same-class"], "setting": Setting(PROBLEM), "rigorous": False},
        {"theorem": NOT_THINGS, "setting": NOT_THINGS, "rigorous": NOT_FLAGS},
    ),
    "Setting": (
        Setting,
        {"problem": PROBLEM, "lam": (0.3,), "lambda_b": 0.1, "free_dim": 3, "nodes": 3},
        {"problem": NOT_THINGS, "lam": [*NOT_MIXING, 0.3], "lambda_b": PENALTY, "free_dim": [*NOT_COUNTS, 0]}
        | {"nodes": [*NOT_COUNTS, 0]},
    ),
}
TABLE |= {
    "Tracker": (
        ufm.Tracker,
        {"path": "run.csv", "every": 2, "compare": False, "convention": "plain", "loss": "cross-entropy"},
        {"every": [*NOT_COUNTS, 0], "compare": NOT_FLAGS, "convention": NOT_WORDS, "loss": NOT_WORDS}
        | {"path": ["run", "run.txt", 3, None, nan], "collect": NOT_THINGS, "loader": NOT_THINGS},
    ),
    "collect mixup": (
        ufm.collect.mixup,
        {"alpha": 1.0, "seed": 0},
        {"alpha": ALPHA, "seed": NOT_COUNTS},
    ),
    "collect cutmix": (
        ufm.collect.cutmix,
        {"alpha": 1.0, "seed": 0},
        {"alpha": ALPHA, "seed": NOT_COUNTS, "axes": [(1,), (0, 1), (1, 1), "x", 3, (1.0, 2), (-1, -2)]},
    ),
}
# how a message names a parameter where it is not by its own name
ALSO = {
    "delta": "smoothing",
    "batch": "samples",
    "class_weights": "class weights",
    "labels": "labels",
    "name": "label law",
}
OPTIONAL = {"dim", "max_steps", "first", "b", "a", "lambda_b", "law", "settings", "options", "bias"}


@pytest.fixture(autouse=True)
def _as_users_have_it():
    """Without the test run's own type checks, which come first."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


TRACED = {
    *("optimal_features", "optimal_features_etf", "optimal_gram", "optimal_sharpness"),
    *("closed_form_features", "closed_form_logits"),
}  # of arrays, under jit: a status in the place of an error
THINGS = {"InputError", "NetworkReport", "Point", "Status"}  # judged by what takes it


def test_the_table_holds_every_public_function():
    aliases = {"compare_activations"}
    assert set(ufm.__all__) - TRACED - THINGS - aliases <= set(TABLE)


COMPILED = {  # their good call takes seconds, and is made by the tests of their own modules
    *(
        "solve_features",
        "predict_features",
        "predict_pairs",
        "pair_features",
        "joint_multiplier",
        "predict_joint",
        "solve_joint",
    ),
    *("multiplier_slopes", "two_hot_optimum", "certify", "certify_joint", "certify_stream", "check_joint"),
    *(
        "check_joint of labels",
        "check_features",
        "draw_features",
        "compare_network",
        "compare_runs",
        "Options",
    ),
    *("feature_excess", "fit_sharpness", "check_theorem"),
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in COMPILED else ()) for name in TABLE]
)
def test_what_is_good_is_taken(name):
    function, good, _ = TABLE[name]
    function(**good)


@pytest.mark.parametrize("name, parameter", [(name, key) for name in TABLE for key in TABLE[name][2]])
def test_what_is_bad_is_refused_by_name(name, parameter):
    function, good, spoil = TABLE[name]
    faults = []
    for value in spoil[parameter]:
        try:
            faults.append(f"{value!r} gives {function(**good | {parameter: value})!r}"[:300])
        except InputError as error:
            words = (parameter, ALSO.get(parameter, parameter), parameter.replace("_", " "))
            if not any(word in str(error) for word in words):
                faults.append(f"{value!r} is not named: {error}")
        except Exception as error:
            faults.append(f"{value!r} raises {type(error).__name__}: {error}"[:300])
    assert not faults, "\n".join(faults)


def test_of_many_numbers_the_first_wrong_one_is_named_in_one_line():
    many = np.full(10_000, 0.5)
    many[5000] = 1.0000001
    with pytest.raises(InputError, match=r"^lam must lie in \[0, 1\], got 1.000000\d+$"):
        checked.mixing("lam", many)
    with pytest.raises(InputError, match=r"got -0\.1$"):
        checked.mixing("lam", -0.1)
    with pytest.raises(InputError, match=r"^classes i must be integers in 0 … 2, got 7$"):
        checked.class_numbers("i", np.r_[np.zeros(5000, int), 7], 3)


@pytest.mark.filterwarnings("error")
def test_whole_numbers_are_doubles_where_a_double_holds_them():
    for kind, good, bad in (
        (np.int64, [2**54, -(2**63), 3 * 2**60], [2**54 + 1, 2**63 - 1, -(2**63) + 1]),
        (np.uint64, [2**54, 2**63], [2**53 + 1, 2**64 - 1]),
        (np.int8, [127, -128], []),
    ):
        assert checked.doubles("H", np.array(good, kind), ("n",)).tolist() == good
        for value in bad:
            with pytest.raises(InputError, match="numbers that are no doubles"):
                checked.doubles("H", np.array([value], kind), ("n",))
    if np.finfo(np.longdouble).max > np.finfo(float).max:
        with pytest.raises(InputError, match="numbers that are no doubles"):
            checked.doubles("H", np.array(["1e4000"], np.longdouble), ("n",))
