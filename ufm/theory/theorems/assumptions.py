"""Hypotheses of the theorems, as predicates that can be evaluated on a setting."""

from math import log1p

import numpy as np

from ufm.theory.predict import violated_assumption
from ufm.theory.theorems.theorem import Assumption, Setting


def _etf(setting: Setting) -> str | None:
    return violated_assumption(setting.problem)


LOSS_WORDS = {
    "cross-entropy": "cross-entropy",
    "squared-error": "squared error",
    "binary-cross-entropy": "binary cross-entropy",
}


def _loss(name: str) -> Assumption:
    def broken(setting: Setting) -> str | None:
        if setting.loss == name:
            return None
        return f"the loss is {LOSS_WORDS[setting.loss]}, not {LOSS_WORDS[name]}"

    return Assumption(LOSS_WORDS[name], broken, ("loss", (name,)))


BALANCED = ("balance", ("balanced",))


def _two_hot(setting: Setting) -> str | None:
    law = setting.law
    if law.labels is not None and np.max(np.sum(law.labels[law.probabilities > 0] > 0, 1)) == 2:
        return None
    if law.name not in ("mixup", "cutmix"):
        return f"labels of the law {law.name!r} are not mixtures of two classes"
    if law.smoothing != 0:
        return "the labels are smoothed: not mixtures of two classes, but those plus a constant"
    return "no two different classes are mixed" if law.pairs == "same" else None


def _three_classes(setting: Setting) -> str | None:
    return None if setting.problem.classes > 2 else "K = 2 leaves no third class"


def _two_classes(setting: Setting) -> str | None:
    K = setting.problem.classes
    return None if K == 2 else f"K = {K}, not 2"


def _alive(setting: Setting) -> str | None:
    return None if setting.problem.gain > 0 else "the classifier is zero"


def _exchangeable(setting: Setting) -> str | None:
    if setting.exchangeable:
        labels = setting.problem.law.labels
        even = labels is not None and np.ptp(labels[setting.problem.law.probabilities > 0]) == 0
        return "all labels are uniform: nothing tells the classes apart" if even else None
    if setting.problem.law.labels is not None:
        return "the given labels are not exchangeable (class permutations change them or their weights)"
    return "the label law is not exchangeable (class permutations change it)"


def _room(setting: Setting) -> str | None:
    K, d = setting.problem.classes, setting.dim
    return None if d >= K - 1 else f"dim = {d} < {K - 1} = K - 1"


def _no_bias(setting: Setting) -> str | None:
    return None if setting.lambda_b is None else "the classifier has a bias"


def _free_bias(setting: Setting) -> str | None:
    return None if setting.lambda_b == 0 else "the bias is not free"


def _each_penalised(setting: Setting) -> str | None:
    return None if setting.problem.lambda_w > 0 else "lambda_W = 0: no joint optimum"


def _labelled(setting: Setting) -> str | None:
    return _each_penalised(setting) if setting.targets is None else "the targets are real numbers, not labels"


def _penalised(setting: Setting) -> str | None:
    if setting.targets is not None:
        return "the targets are real numbers, not labels"
    if setting.rho is not None:
        return "the features of labels are penalised one by one, not by one lambda_H"
    return _each_penalised(setting)


def _weighted(setting: Setting) -> str | None:
    law = setting.law
    weights = law.class_weights
    if weights is None or law.pairs not in ("all", "same"):
        return "the label law is not mixup, CutMix or one-hot with class weights"
    if law.name != "onehot" and law.pairs != "all":
        return "pairs of classes are not drawn independently"
    if len(set(weights)) == len(weights):
        return "no two classes have the same weight"
    if law.exchangeable:
        return "all classes have the same weight: this is the joint theorem"
    return None


def _smoothed(setting: Setting) -> str | None:
    law = setting.law
    if law.labels is not None or law.pairs != "same" or not law.exchangeable:
        return "labels are not those of single classes, each as likely"
    return None


def _one_hot(setting: Setting) -> str | None:
    if setting.law.smoothing:
        return "the labels are smoothed: this is label-smoothing"
    return _smoothed(setting)


def _inside(setting: Setting) -> str | None:
    return None if any(0 < t < 1 for t in setting.lam) else "no mixing weight lies inside (0, 1)"


def _weak(setting: Setting) -> str | None:
    a = setting.problem.sharpness
    return None if a < 2 else f"a = {a:.4g} is not below 2: the bound says nothing"


def _many(setting: Setting) -> str | None:
    a, K = setting.problem.sharpness, setting.problem.classes
    return (
        None
        if a < 0.5 * log1p(2 * K)
        else f"e^(2a) is not below 2K + 1 = {2 * K + 1}: the bound says nothing"
    )


def _cyclic(setting: Setting) -> str | None:
    law, K = setting.problem.law, setting.problem.classes
    if law.name != "mixup" or law.pairs != "cyclic" or law.smoothing != 0 or law.class_weights is not None:
        return "the label law is not mixup of cyclic pairs (i, i+1)"
    return None if K >= 4 else f"K = {K}: cyclic pairs are exchangeable below four classes"


INSIDE = Assumption(r"$0 < \lambda < 1$", _inside)
WEAK = Assumption(r"$a < 2$", _weak)
MANY = Assumption(r"$e^{2a} < 2K + 1$", _many)
ETF = Assumption(r"$W$ is a simplex ETF", _etf)
ALIVE = Assumption(r"$W \ne 0$", _alive)
CROSS_ENTROPY = _loss("cross-entropy")
SQUARED_ERROR = _loss("squared-error")
BINARY = _loss("binary-cross-entropy")
TWO_HOT = Assumption(r"$y = \lambda e_i + (1-\lambda) e_j$, $i \ne j$, $0 \le \lambda \le 1$", _two_hot)
THREE_CLASSES = Assumption(r"$K \ge 3$", _three_classes)
TWO_CLASSES = Assumption(r"$K = 2$", _two_classes)
EXCHANGEABLE = Assumption("the label law is exchangeable", _exchangeable, BALANCED)
ROOM = Assumption(r"$d \ge K-1$", _room)
NO_BIAS = Assumption("no bias", _no_bias, ("bias", ("none",)))
FREE_BIAS = Assumption("free bias", _free_bias, ("bias", ("free",)))
PENALISED = Assumption(r"$\lambda_W, \lambda_H > 0$", _penalised)
EACH_PENALISED = Assumption(r"$\lambda_W, \lambda_H, \rho > 0$", _labelled)
REAL_PENALISED = Assumption(r"$\lambda_W, \lambda_H > 0$, alike for all targets", _each_penalised)
SMOOTHED = Assumption(r"labels $(1-\varepsilon)e_k + \varepsilon/K$, classes as likely", _smoothed, BALANCED)
ONE_HOT = Assumption(r"labels $e_k$, classes as likely", _one_hot, BALANCED)
WEIGHTED = Assumption(
    "mixup or CutMix of classes drawn independently, or one-hot; some of equal weight",
    _weighted,
    ("balance", ("weighted",)),
)
CYCLIC = Assumption(r"mixup of cyclic pairs $(i, i+1)$, $K \ge 4$", _cyclic, BALANCED)
