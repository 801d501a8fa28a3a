"""Theorems on the joint optimum over classifier, features and bias, as values.

A claim is held against certified predictions p: L is convex in the logits, so the true optimum's p*
satisfies E KL(p* ‖ p) ≤ gap (squared error: ½ E‖z* − z‖² ≤ gap). A claimed p further away than that
is false; a claim "p* is not of this kind" holds when everything of that kind is further away. Errors and
bounds of this sort are square roots of these, in √nats.
"""

import numpy as np
import scipy

import ufm.model.etf as etf
import ufm.theory.theorems.assumptions as given
from ufm.model.laws import label_variance, pattern_rule
from ufm.theory.features import bregman, solve_patterns
from ufm.theory.multiplier import pattern_multiplier
from ufm.theory.theorems.theorem import Assumption, Finding, JointClaim, JointOptimum, Setting, Theorem
from ufm.theory.thresholds import Threshold, concentration_error, minority_collapse

EPS = float(np.finfo(float).eps)
GAP_TOLERANCE = 1e-9  # relative gap at which an optimum counts as found
RESOLUTION = 1e-2  # relative difference of multipliers that the gap must tell for a verdict on m
RULE = 1e-9  # λ_W λ_H this close to a threshold is left open, and as far as the rule for λ moves it


def predictions(labels: np.ndarray, sharpness: float) -> np.ndarray:
    """p_a(y) of the fixed-ETF theorem; 1/K at a = 0."""
    if sharpness == 0:
        return np.full_like(labels, 1 / labels.shape[1])
    return np.asarray(solve_patterns(labels, np.ones_like(labels), sharpness).p)


def mean_divergence(weights, p, Z) -> float:
    """E KL(p ‖ softmax(z)), without cancellation or underflow."""
    terms = bregman(p, scipy.special.softmax(Z, 1), scipy.special.log_softmax(Z, 1))
    return float(max(weights @ np.sum(terms, 1), 0.0))


def closed_form_divergence(labels, weights, Z, sharpness: float, loss: str) -> float:
    """How far the closed form at sharpness a is from numerical logits: E KL(p_a ‖ p), or ½ E‖z_a − z‖²."""
    if loss == "squared-error":
        K = labels.shape[1]
        target = sharpness / (1 + sharpness) * (labels - 1 / K) + 1 / K
        return float(0.5 * weights @ np.sum((Z - target) ** 2, 1))
    return mean_divergence(weights, predictions(labels, sharpness), Z)


def blurred(divergence, m: float, allowed: float) -> str | None:
    """Why a gap says nothing about the multiplier m, if it does not: `divergence` of others is allowed too."""
    if m > 0 and min(divergence(m * (1 - RESOLUTION)), divergence(m * (1 + RESOLUTION))) <= allowed:
        return f"the gap does not tell multipliers apart that differ by {RESOLUTION:g}"
    return None


def tolerance(optimum: JointOptimum) -> float:
    """The largest bound, in √nats, at which an optimum counts as found."""
    return float(np.sqrt(GAP_TOLERANCE * abs(optimum.objective)))


def root_finding(predicted, numeric, divergence: float, optimum: JointOptimum) -> Finding:
    """The claim that the optimum is a given prediction, `divergence` away from the numerical one."""
    rounding = 256 * EPS * (optimum.Z.shape[1] + float(np.abs(optimum.Z).max()))
    bound = float(np.sqrt(optimum.gap))
    return Finding(predicted, numeric, float(np.sqrt(divergence)), bound, rounding, tolerance(optimum))


def apart_finding(divergence: float, optimum: JointOptimum) -> Finding:
    """The claim that the optimum is none of a kind, the nearest of which is `divergence` away."""
    bound = float(np.sqrt(optimum.gap))
    rounding = 256 * EPS * (optimum.Z.shape[1] + float(np.abs(optimum.Z).max()))
    open_ = None
    if divergence <= 4 * (optimum.gap + rounding**2):
        open_ = f"the gap {optimum.gap:.1e} is too large to tell a divergence of {divergence:.1e} from zero"
    return Finding(None, float(np.sqrt(divergence)), 0.0, bound, rounding, tolerance(optimum), open_)


def one_side(ratio, divergence: float, optimum: JointOptimum, moved=0.0, group=None) -> Finding:
    """Zero divergence where λ_W λ_H is `ratio` ≥ 1 of a threshold, more than the gap below it.

    moved: how far, relatively, the finite rule for λ moves the threshold of the continuous law.
    """
    if ratio >= 1:
        found = root_finding(0.0, float(np.sqrt(divergence)), divergence, optimum)
    else:
        found = apart_finding(divergence, optimum)
    unclear = RULE + 1.1 * moved
    if abs(ratio - 1) < unclear:
        words = f"within {unclear:.0e} of the threshold the finite rule for λ cannot tell"
        return found.left_open(words)
    return held_against_moment(found, bool(ratio >= 1), optimum, group)


def held_against_moment(found: Finding, flat: bool, optimum: JointOptimum, group=None) -> Finding:
    """A claim that classes of the group are together (`flat`) or apart, against the moment of their labels.

    It decides both sides, and how small the divergence is does not matter: refuted, the error is the
    distance of λ_max from c² in units of c².
    """
    excess, rounding = optimum.excess(group)
    if abs(excess) <= rounding:
        return found
    if flat == (excess > 0):
        return found._replace(error=abs(excess), bound=rounding, rounding=0.0, open=None, exceeds=True)
    return found if flat else found._replace(open=None)


# --- the ETF ------------------------------------------------------------------------------------


def _multiplier_finding(setting: Setting, optimum: JointOptimum) -> Finding:
    """The claim that the optimum is the closed form of the predicted m; open where others do as well."""
    joint = setting.joint
    best = pattern_multiplier(joint.atoms.patterns, joint.lambda_w, joint.lambda_h, joint.loss)

    def divergence(m):  # through m, so that the number shown is the one compared
        a = etf.gain(joint.classes, m) / joint.lambda_h
        return closed_form_divergence(joint.atoms.labels, joint.atoms.weights, optimum.Z, a, joint.loss)

    row_norm = float(np.linalg.norm(optimum.W) / np.sqrt(joint.classes))
    found = root_finding(best.value, row_norm, divergence(best.value), optimum)
    open_ = blurred(divergence, best.value, (found.bound + found.rounding) ** 2)
    return held_against_moment(found, bool(best.value == 0), optimum)._replace(open=open_)


JOINT_ETF = Theorem(
    name="joint-etf",
    title="The optimal classifier is a simplex ETF",
    statement=r"W W^\top = \tfrac{m^2 K}{K-1} \Pi, \quad \mathbb{E}\|y - p_a(y)\|^2 = (K-1)\lambda_W\lambda_H,"
    r" \quad m^2 = \tfrac{a(K-1)\lambda_H}{K} \quad \text{if } \lambda_W\lambda_H < \sigma^2 ="
    r" \tfrac{\mathbb{E}\|y\|^2 - 1/K}{K-1}, \text{ else } W = 0",
    assumptions=(given.PENALISED, given.CROSS_ENTROPY, given.EXCHANGEABLE, given.ROOM),
    claim=JointClaim(_multiplier_finding),
    quantity="√E KL(p_theory ‖ p) of the blind joint optimum; the numbers shown are m",
    source="re-derived here; assumed in Fisher, Meng, Papyan 2024; one-hot: Zhu et al. 2021",
)


SQUARED_ERROR_JOINT = Theorem(
    name="squared-error-joint",
    title="Under squared error with a free bias the joint optimum is an ETF, and affine",
    statement=r"b = \tfrac1K, \quad W h_y = (1 - c/\sigma)_+ (y - \tfrac1K), \quad"
    r" W W^\top = \lambda_H (\sigma/c - 1)_+ \Pi, \quad"
    r" \sigma^2 = \tfrac{\mathbb{E}\|y\|^2 - 1/K}{K-1} > 0, \quad c^2 = \lambda_W\lambda_H",
    assumptions=(given.PENALISED, given.SQUARED_ERROR, given.EXCHANGEABLE, given.ROOM, given.FREE_BIAS),
    claim=JointClaim(_multiplier_finding),
    quantity="√(½E‖z_theory − z‖²) of the blind joint optimum; the numbers shown are m",
    source="re-derived here; compare Zhou et al. 2022, Tirer and Bruna 2022",
)


# --- thresholds ---------------------------------------------------------------------------------


def _trivial(setting: Setting, optimum: JointOptimum) -> Finding:
    """λ_W λ_H at or above the label variance: p = 1/K; below: p is not."""
    joint, K = setting.joint, setting.problem.classes
    uniform = np.full_like(optimum.P, 1 / K)
    divergence = mean_divergence(joint.atoms.weights, uniform, optimum.Z)
    ratio = joint.product / label_variance(setting.problem.law, K)
    moved = abs(joint.atoms.patterns.variance / pattern_rule(joint.law, K).variance - 1)
    return one_side(ratio, divergence, optimum, moved)


TRIVIAL_THRESHOLD = Theorem(
    name="trivial-threshold",
    title="Beyond this product of penalties the optimum is zero",
    statement=r"W = 0 \iff \lambda_W\lambda_H \ge \sigma^2 = \tfrac{\mathbb{E}\|y\|^2 - 1/K}{K-1}, \quad"
    r" \sigma^2 = \frac{(1-\delta)^2 (\alpha + 1)}{(2\alpha + 1) K} \text{ (mixup, smoothing } \delta)",
    assumptions=(given.PENALISED, given.CROSS_ENTROPY, given.EXCHANGEABLE, given.ROOM),
    claim=JointClaim(_trivial),
    quantity="√E KL(1/K ‖ p): zero beyond the threshold, not below, as λ_max of the label moment decides",
    source="re-derived here",
)


def merged_divergence(weights, optimum: JointOptimum, group) -> float:
    """E min KL(q ‖ p) over q that are equal on the group: −log(1 − Σ p_k + n (Π p_k)^{1/n}).

    Without cancellation: with d_k = z_k less their mean, the bracket is −(Π p)^{1/n} Σ (e^{d_k} − 1 − d_k).
    """
    apart = optimum.Z[:, group] - optimum.Z[:, group].mean(1, keepdims=True)
    mean = np.exp(np.log(optimum.P[:, group]).mean(1))
    excess = np.where(
        np.abs(apart) < 1e-3, apart**2 / 2 + apart**3 / 6 + apart**4 / 24, np.expm1(apart) - apart
    )
    return float(weights @ -np.log1p(-mean * excess.sum(1)))


def least_threshold(setting: Setting) -> Threshold:
    """Of the group of least weight, which the claim is about."""
    problem = setting.problem
    product = problem.lambda_w * problem.lambda_h
    return min(
        minority_collapse(setting.law, problem.classes, product), key=lambda threshold: threshold.value
    )


def minority_finding(setting: Setting, optimum: JointOptimum) -> Finding:
    """The group of least weight: collapsed iff λ_W λ_H reaches its threshold."""
    joint, law = setting.joint, setting.law
    weights, times = np.unique(np.asarray(law.class_weights), return_counts=True)
    weight = weights[times > 1].min()
    group = np.flatnonzero(np.asarray(law.class_weights) == weight)
    divergence = merged_divergence(joint.atoms.weights, optimum, group)
    moved = concentration_error(joint.law, setting.nodes)
    return one_side(least_threshold(setting).ratio, divergence, optimum, moved, group)


def _room_to_part(setting: Setting) -> str | None:
    """Above the threshold no d is asked for: "if" holds for any; "only if" wants a direction left to part in."""
    narrow = given.ROOM.broken(setting)
    if narrow is None or least_threshold(setting).ratio >= 1:
        return None
    return f'{narrow}, below the threshold: only "if" holds for every d'


ROOM_TO_PART = Assumption(r"$d \ge K-1$ where $\lambda_W\lambda_H < (1-\delta)^2\rho\,q_B$", _room_to_part)


MINORITY_COLLAPSE = Theorem(
    name="minority-collapse",
    title="Classes of equal small weight collapse onto one point",
    statement=r"(1-\delta)^2 \rho\, q_B \le \lambda_W\lambda_H \implies w_k = w_l \ (k, l \in B), \quad"
    r" \iff \text{ if } d \ge K-1, \quad"
    r" \rho = \mathbb{E}[\lambda^2 + (1-\lambda)^2] = \tfrac{\alpha+1}{2\alpha+1} \text{ (mixup)},\ 1 \text{"
    r" (one-hot)}",
    assumptions=(given.PENALISED, given.CROSS_ENTROPY, given.WEIGHTED, ROOM_TO_PART),
    claim=JointClaim(minority_finding),
    quantity="√ of the mean divergence from predictions equal on B: zero beyond the threshold, not below, as"
    " λ_max of the label moment on B decides",
    source="re-derived here; one-hot: Fang et al. 2021, Dang et al. 2023, Hong and Ling 2023 (arXiv:2309.09725)",
)


# --- certificates -------------------------------------------------------------------------------


def _duality(setting: Setting, optimum: JointOptimum) -> Finding:
    """Weak duality at ten other points (reported gap ≥ true suboptimality), strong duality at the optimum."""
    rng, worst = np.random.default_rng(0), 0.0
    for size in np.geomspace(1e-4, 1.0, 10):
        W = optimum.W * (1 + size * rng.standard_normal(optimum.W.shape))
        H = optimum.H + size * np.abs(optimum.H).max() * rng.standard_normal(optimum.H.shape)
        objective, gap = optimum.suboptimality(W, H)
        worst = max(worst, (objective - optimum.objective - gap) / abs(optimum.objective))
    relative = optimum.gap / abs(optimum.objective)
    return Finding(0.0, relative, worst, relative, 1e-15, GAP_TOLERANCE)


DUALITY = Theorem(
    name="duality",
    title="The optimal objective is the largest mean entropy of the predictions",
    statement=r"\min L = \max\{\mathbb{E}[\mathrm{Ent}(p_y)] : \mathbb{E}[(y-p)(y-p)^\top]"
    r" \preceq \lambda_W\lambda_H I\}",
    assumptions=(given.PENALISED, given.CROSS_ENTROPY, given.ROOM, given.NO_BIAS),
    claim=JointClaim(_duality),
    quantity="suboptimality less reported gap at ten perturbed points; numeric: the relative gap at the optimum",
    source="re-derived here",
)


def _equalised(setting: Setting, optimum: JointOptimum) -> Finding:
    """‖M W − c² W‖/(c²‖W‖) against what the point's own distance from criticality allows.

    With δ = λ_H h − Wᵀ r and ∇_W L = λ_W W − E r hᵀ, exactly M W − c² W = −λ_H ∇_W L − E r δᵀ.
    """
    joint, W, H = setting.joint, optimum.W, optimum.H
    size = float(np.linalg.norm(W))
    weights, r = joint.atoms.weights, joint.atoms.labels - optimum.P
    if size == 0:
        moment = float(np.linalg.norm((r * weights[:, None]).T @ H))
        return Finding(
            0.0, 0.0, 0.0, EPS, EPS, 1e-6, "W = 0 is no critical point here" if moment > EPS else None
        )
    unit = joint.product * size
    slope = joint.lambda_w * W - (r * weights[:, None]).T @ H
    lengths = np.linalg.norm(r, axis=1), np.linalg.norm(joint.lambda_h * H - r @ W, axis=1)
    allowed = joint.lambda_h * float(np.linalg.norm(slope)) + float(weights @ np.prod(lengths, 0))
    error = float(np.linalg.norm(optimum.M @ W - joint.product * W)) / unit
    mass = float(weights @ lengths[0] ** 2) * size / unit
    return Finding(0.0, error, error, allowed / unit, 16 * EPS * len(W) * mass, 1e-6)


EQUALISED_RESIDUALS = Theorem(
    name="equalised-residuals",
    title="At a critical point all residual directions in use have the same moment",
    statement=r"M W = \lambda_W\lambda_H W, \quad M = \mathbb{E}[(y-p)(y-p)^\top]",
    assumptions=(given.PENALISED, given.CROSS_ENTROPY, given.NO_BIAS),
    claim=JointClaim(_equalised),
    quantity="‖MW − c²W‖/(c²‖W‖)",
    source="re-derived here",
)


# --- necessity ----------------------------------------------------------------------------------


def _not_an_etf(setting: Setting, optimum: JointOptimum) -> Finding:
    """The best p_a over all a ≥ 0 is further from p than the gap: no multiplier makes the optimum an ETF."""
    atoms = setting.joint.atoms

    def divergence(log_a):
        return closed_form_divergence(
            atoms.labels, atoms.weights, optimum.Z, float(np.exp(log_a)), "cross-entropy"
        )

    grid = np.linspace(-10, 30, 41)
    best = grid[int(np.argmin([divergence(t) for t in grid]))]
    found = scipy.optimize.minimize_scalar(divergence, bounds=(best - 1, best + 1), method="bounded")
    return apart_finding(min(float(found.fun), divergence(-np.inf)), optimum)


NECESSITY = Theorem(
    name="necessity",
    title="Without exchangeability the optimum need not be an ETF",
    statement=r"\text{cyclic pairs } (i, i+1),\ K \ge 4,\ W \ne 0: \quad W W^\top \not\propto \Pi",
    assumptions=(given.PENALISED, given.CROSS_ENTROPY, given.CYCLIC, given.ROOM, given.NO_BIAS),
    claim=JointClaim(_not_an_etf),
    quantity="least √E KL(p_a ‖ p) over all multipliers, which must exceed the gap",
    source="re-derived here",
)

JOINT = (
    DUALITY,
    EQUALISED_RESIDUALS,
    JOINT_ETF,
    TRIVIAL_THRESHOLD,
    MINORITY_COLLAPSE,
    SQUARED_ERROR_JOINT,
    NECESSITY,
)
