"""Where each theorem is checked: grids that include edges and extremes."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

from ufm.model.laws import LabelLaw, cutmix, kway, label_variance, mixup, onehot
from ufm.model.problem import Problem
from ufm.theory.theorems.theorem import Setting

WEIGHTS = (0.4, 0.4, 0.1, 0.1)


def settings(name: str) -> list[Setting]:
    """The settings of one theorem."""
    return list(GRIDS[name]())


def _fixed(classes=(2, 3, 10, 100), strengths=((0.5, 1e3), (1.0, 1.0), (1.67, 5e-4), (3.0, 1e-8)), **more):
    """Every K with (m, λ_H) from a weak classifier, a = 1e-4, to a sharp one, a = 1e9."""
    for K, (m, lambda_h) in product(classes, strengths):
        yield Setting(Problem(K, multiplier=m, lambda_h=lambda_h, **more))


def _mixed() -> Iterator[Setting]:
    """λ at and next to 0, ½ and 1, two-hot labels, K ≥ 3."""
    for setting in _fixed((3, 10, 100)):
        yield replace(setting, lam=(0.0, 1e-300, 1e-9, 0.1, 0.3, 0.5 - 1e-10, 0.5, 0.9, 1.0))


def _two() -> Iterator[Setting]:
    for setting in _fixed((2,)):
        yield replace(setting, lam=(0.0, 1e-300, 1e-9, 0.1, 0.3, 0.5 - 1e-10, 0.5, 0.9, 1.0))


def _channels() -> Iterator[Setting]:
    """λ_H → 0 at fixed m."""
    for K, lambda_h in product((3, 10, 100), (1e-2, 1e-4, 1e-6, 1e-8)):
        yield Setting(Problem(K, multiplier=1.0, lambda_h=lambda_h), lam=(0.01, 0.1, 0.3, 0.5, 0.9))


def _weak() -> Iterator[Setting]:
    yield from _fixed(strengths=((1e-3, 1.0), (0.1, 1.0), (0.5, 1.0), (0.9, 1.0)))


def _few_to_many() -> Iterator[Setting]:
    """K → ∞ at a = 0.01 … 0.8."""
    for K, a in product((2, 10, 100, 1000), (0.01, 0.3, 0.8)):
        yield Setting(Problem(K, multiplier=(a * (K - 1) / K) ** 0.5, lambda_h=1.0))


def _moderate() -> Iterator[Setting]:
    """Slopes: their error bound grows like a², so a ≤ 1e5."""
    yield from _fixed((3, 10, 100), ((0.5, 1e3), (1.0, 1.0), (1.0, 1e-2), (1.67, 5e-4)))


def _joint(classes, law, lambda_w, lambda_h, **more) -> Setting:
    problem = Problem(
        classes,
        multiplier=1.0,
        lambda_w=lambda_w,
        lambda_h=lambda_h,
        law=law,
        loss=more.pop("loss", "cross-entropy"),
    )
    return Setting(problem, **more)


def _exchangeable() -> Iterator[Setting]:
    laws = (
        mixup(1.0),
        mixup(0.2),
        mixup(5.0),
        cutmix(1.0),
        kway(1.0, 3),
        mixup(1.0, smoothing=0.1),
        onehot(),
    )
    for law in laws:
        yield _joint(3, law, 1e-2, 1e-2, free_dim=2)
    for K, (lambda_w, lambda_h) in product((2, 3, 4, 6), ((5e-4, 5e-4), (1e-1, 1e-3), (0.2, 0.2))):
        yield _joint(K, mixup(1.0), lambda_w, lambda_h, free_dim=2 * K)


def _thresholds() -> Iterator[Setting]:
    for K, alpha, share in product((2, 3, 4), (0.2, 1.0, 5.0), (0.99, 1.01)):
        c = (share * (alpha + 1) / ((2 * alpha + 1) * K)) ** 0.5
        yield _joint(K, mixup(alpha), c, c)
    for law, share in product((mixup(1.0, smoothing=0.2), cutmix(1.0), onehot()), (0.99, 1.01)):
        c = (share * label_variance(law, 3)) ** 0.5
        yield _joint(3, law, c, c)


def _minorities() -> Iterator[Setting]:
    for alpha, share in product((0.2, 1.0, 5.0, None), (0.5, 0.99, 1.01, 1.5)):
        rho = 1.0 if alpha is None else (alpha + 1) / (2 * alpha + 1)
        pairs = "same" if alpha is None else "all"
        law = LabelLaw(
            "onehot" if alpha is None else "mixup", alpha=alpha, pairs=pairs, class_weights=WEIGHTS
        )
        c = (share * rho * WEIGHTS[-1]) ** 0.5
        yield _joint(4, law, c, c)


def _any_law() -> Iterator[Setting]:
    """Certificates hold for any law; d ≥ K − 1."""
    for law in (mixup(1.0), mixup(1.0, "cyclic"), LabelLaw("mixup", alpha=0.5, class_weights=WEIGHTS)):
        for lambda_w, lambda_h in ((5e-4, 5e-4), (1e-1, 1e-3), (0.2, 0.2)):
            yield _joint(4, law, lambda_w, lambda_h, free_dim=3)


def _squared() -> Iterator[Setting]:
    for law, K in ((mixup(1.0), 3), (mixup(0.2), 4), (cutmix(1.0), 3), (kway(1.0, 3), 3), (onehot(), 4)):
        for c in (1e-3, 1e-1, 0.9):
            yield _joint(K, law, c, c, lambda_b=0.0, loss="squared-error", free_dim=K)


def _cyclic() -> Iterator[Setting]:
    for K, alpha in product((4, 5), (0.2, 1.0, 5.0)):
        yield _joint(K, mixup(alpha, "cyclic"), 1e-2, 1e-2)


GRIDS = {
    "soft-label": _fixed,
    "same-class": _fixed,
    "different-class": _mixed,
    "two-classes": _two,
    "channel-limit": _channels,
    "affine-limit": _weak,
    "many-classes": _few_to_many,
    "bent-channel": lambda: _fixed((3, 10, 100)),
    "edge-slopes": _moderate,
    "squared-error-affine": lambda: _fixed(loss="squared-error"),
    "calibration": lambda: _fixed(strengths=((0.5, 1e3), (1.0, 1.0), (1.67, 5e-4), (1.0, 1e-6))),
    "strong-convexity": _fixed,
    "duality": _any_law,
    "equalised-residuals": _any_law,
    "joint-etf": _exchangeable,
    "trivial-threshold": _thresholds,
    "minority-collapse": _minorities,
    "squared-error-joint": _squared,
    "necessity": _cyclic,
}
