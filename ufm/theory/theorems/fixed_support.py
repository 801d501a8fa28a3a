"""The theorem on sharp classifiers: logits on the support of a label are log a, whatever the label's shares are."""

import numpy as np

import ufm.theory.theorems.assumptions as given
from ufm.theory.predict import violated_assumption
from ufm.theory.theorems.fixed_labels import to_simplex
from ufm.theory.theorems.theorem import Assumption, Claim, FeatureClaim, Setting, Theorem

SHARES = ((1.0,), (0.5, 0.5), (0.8, 0.2), (0.5, 0.3, 0.2), (0.25, 0.25, 0.25, 0.25))


def _supports(setting: Setting) -> np.ndarray:
    """Labels that name one to four classes, and not all."""
    K = setting.problem.classes
    rows = [np.pad(share, (0, K - len(share))) for share in SHARES if len(share) < K]
    return to_simplex(np.array([*rows, *(row[::-1] for row in rows)]))


def _sharp(setting: Setting) -> str | None:
    if setting.problem.gain == 0 or violated_assumption(setting.problem):
        return None  # other assumptions' to say
    a, K = setting.problem.sharpness, setting.problem.classes
    if a * K < np.e:
        return f"aK = {a * K:.3g} is below e"
    least = min(min(share) for share in SHARES if len(share) < K)
    return (
        None if a * least >= 2 * np.log(a * K) else f"a = {a:.4g} is not sharp enough for shares of {least:g}"
    )


SHARP = Assumption(r"$a\,\min_{y_k>0}y_k \ge 2\log(aK)$, $aK \ge e$", _sharp)


def _between(setting: Setting, Y) -> Claim:
    """U above, −log(a m/(2U)) for −x below."""
    a, K = setting.problem.sharpness, setting.problem.classes
    top = np.log(a * K)
    least = np.where(Y > 0, Y, np.inf).min(1)
    values = np.stack([np.full(len(Y), top), -np.log(a * least / (2 * top))], 1)
    return Claim(values, np.full(len(Y), 1e-13 * (1 + top)))


def _on_support(setting: Setting, Y, z):
    """Largest x_k, and the least one on the support, negative; x measured from the classes that are not named."""
    named = Y > 0
    x = z - np.where(named, 0.0, z).sum(1, keepdims=True) / (~named).sum(1, keepdims=True)
    return np.stack([np.where(named, x, -np.inf).max(1), -np.where(named, x, np.inf).min(1)], 1)


SUPPORT_SIZE = Theorem(
    name="support-size",
    title="Small penalties forget the shares of a label: which classes it names remains",
    statement=r"x_k = z_k - z_o,\ y_o = 0: \quad \log\tfrac{am}{2U} \le x_k \le U = \log(aK) \ (y_k > 0), \ m ="
    r" \min_{y_k>0}y_k; \quad \text{at the joint optimum of an exchangeable law}, \ d \ge K-1,"
    r" \ \mathbb{P}(y = \tfrac1K\mathbf 1) < 1: \ "
    r" \frac{a\,c\sqrt{K-1}}{\log a} \to \sqrt{\mathbb{E}[n(1 - n/K)]} \text{ as } c \to 0, \quad"
    r" n = |\{k: y_k > 0\}|, \ c^2 = \lambda_W\lambda_H",
    assumptions=(given.ETF, given.ALIVE, given.CROSS_ENTROPY, SHARP),
    claim=FeatureClaim(_supports, _between, _on_support, lambda setting: 2.0, "<="),
    quantity="largest and least x_k on the supports of labels that name one to four classes, against both bounds",
    source="re-derived here; no earlier source known",
)
