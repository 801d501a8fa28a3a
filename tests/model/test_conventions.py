"""Every converter, against the paper's objective written out as papers and scripts write it.

Only numpy here: the objectives below are spelled out sample by sample, so that a formula of `ufm.model.penalties`
is checked against sums and not against itself.
"""

import itertools

import numpy as np
import pytest

from ufm.model.penalties import Convention, Penalties, per_batch

K, D, N = 4, 3, 12
PAPER = {"weight": 5e-4, "feature": 3e-3, "bias": 7e-3}
# Sums of ≤ 200 terms of one sign, each with ≤ 10 roundings: relative error ≤ 220 ε, on both sides.
REL = 500 * np.finfo(float).eps


def point(seed):
    """W (K, D), H (N, D), b (K), soft labels (N, K)."""
    rng = np.random.default_rng(seed)
    return (
        rng.standard_normal((K, D)),
        rng.standard_normal((N, D)),
        rng.standard_normal(K),
        rng.dirichlet(np.ones(K), N),
    )


def losses(W, H, b, Y, kind):
    """(N,) losses of the samples, ours: CE in nats, or ½‖z − y‖²."""
    Z = H @ W.T + b
    if kind == "squared-error":
        return 0.5 * np.sum((Z - Y) ** 2, 1)
    return np.array([np.log(np.exp(z).sum()) - y @ z for z, y in zip(Z, Y)])


def ours(penalties, W, H, b, Y, kind):
    """L of THEORY §1."""
    return (
        losses(W, H, b, Y, kind).mean()
        + 0.5 * penalties.lambda_h * np.mean(np.sum(H**2, 1))
        + 0.5 * penalties.lambda_w * np.sum(W**2)
        + 0.5 * (penalties.lambda_b or 0.0) * np.sum(b**2)
    )


def paper(W, H, b, Y, *, loss, half, features, loss_factor, kind):
    """The objective as a paper states it."""
    fit = loss_factor * losses(W, H, b, Y, kind)
    fit = fit.mean() if loss == "mean" else fit.sum()
    per_feature = np.sum(H**2, 1)
    size = per_feature.sum() if features == "all" else per_feature.mean()
    penalty = PAPER["weight"] * np.sum(W**2) + PAPER["feature"] * size + PAPER["bias"] * np.sum(b**2)
    return fit + (0.5 * penalty if half else penalty)


FORMS = [
    {"loss": loss, "half": half, "features": features, "loss_factor": factor}
    for loss, half, features, factor in itertools.product(
        ("mean", "sum"), (True, False), ("all", "per-sample"), (1.0, 2.0, 2 / K)
    )
]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: "-".join(map(str, form.values())))
@pytest.mark.parametrize("kind", ["cross-entropy", "squared-error"])
def test_the_objectives_differ_by_the_stated_factor_only(form, kind):
    convention = Convention(samples=N, **form)
    penalties = convention.convert(**PAPER)
    for seed in range(5):
        candidate = point(seed)
        expected = convention.factor * ours(penalties, *candidate, kind)
        assert paper(*candidate, **form, kind=kind) == pytest.approx(expected, rel=REL)


def test_no_two_forms_are_confused():
    """Negative control: another form's penalties do not reproduce the objective."""
    values = [paper(*point(0), **form, kind="cross-entropy") for form in FORMS]
    for n, m in itertools.permutations(range(len(FORMS)), 2):
        other = Convention(samples=N, **FORMS[m])
        if other.convert(**PAPER) == Convention(samples=N, **FORMS[n]).convert(**PAPER):
            continue
        wrong = Convention(samples=N, **FORMS[n]).factor * ours(
            other.convert(**PAPER), *point(0), "cross-entropy"
        )
        assert abs(values[n] / wrong - 1) > 1e-6


def test_common_forms_in_numbers():
    """Mean loss, ½, all N features: λ_H = N μ_H (THEORY §1). Sum of losses, ½, all features: λ_W = μ_W/N."""
    assert Convention(500, features="all").convert(5e-4, 1e-5) == (5e-4, pytest.approx(5e-3, rel=REL), None)
    summed = Convention(500, loss="sum", features="all").convert(0.5, 0.01)
    assert summed == (pytest.approx(1e-3, rel=REL), pytest.approx(0.01, rel=REL), None)
    assert Convention().convert(0.1, 0.2, 0.0) == Penalties(0.1, 0.2, 0.0)  # the defaults are ours


@pytest.mark.parametrize("loss", ["mean", "sum"])
def test_per_batch_penalty_is_the_mean_over_batches(loss):
    """Averaged over the batches of an epoch, the script's objective is s times ours on the whole data."""
    B, kind = 3, "cross-entropy"
    convention = per_batch(B, loss=loss)
    W, H, b, Y = point(1)
    form = {"loss": loss, "half": True, "features": "all", "loss_factor": 1.0, "kind": kind}
    batches = [paper(W, H[k : k + B], b, Y[k : k + B], **form) for k in range(0, N, B)]
    expected = convention.factor * ours(convention.convert(**PAPER), W, H, b, Y, kind)
    assert np.mean(batches) == pytest.approx(expected, rel=REL)


def balanced_penalty(Z, weight, feature, half):
    """κ (μ_W‖W‖² + μ_H‖H‖²) at the balanced factorisation of Z = W Hᵀ, which minimises it."""
    left, size, right = np.linalg.svd(Z, full_matrices=False)
    root = np.sqrt(size)
    W = left * root * (feature / weight) ** 0.25
    H = right.T * root * (weight / feature) ** 0.25
    assert np.allclose(W @ H.T, Z, atol=1e-13)
    return (0.5 if half else 1.0) * (weight * np.sum(W**2) + feature * np.sum(H**2))


@pytest.mark.parametrize("form", FORMS, ids=lambda form: "-".join(map(str, form.values())))
def test_nuclear_norm_form(form):
    """λ_Z‖Z‖_* is the least penalty of a factorisation, and it determines our λ_W λ_H."""
    convention = Convention(samples=N, **form)
    rng = np.random.default_rng(0)
    Z = rng.standard_normal((K, N))
    feature = PAPER["feature"] / (1 if form["features"] == "all" else N)
    least = balanced_penalty(Z, PAPER["weight"], feature, form["half"])
    nuclear = convention.nuclear(PAPER["weight"], PAPER["feature"])
    assert nuclear * np.linalg.norm(Z, "nuc") == pytest.approx(least, rel=REL)
    for _ in range(20):  # any other factorisation, W Q and H Q⁻ᵀ, pays more
        left, size, right = np.linalg.svd(Z, full_matrices=False)
        Q = rng.standard_normal((K, K))
        W, H = left * np.sqrt(size) @ Q, right.T * np.sqrt(size) @ np.linalg.inv(Q).T
        paid = PAPER["weight"] * np.sum(W**2) + feature * np.sum(H**2)
        assert (0.5 if form["half"] else 1.0) * paid >= least
    direct = convention.convert(PAPER["weight"], PAPER["feature"])
    through = convention.from_nuclear(nuclear, ratio=direct.lambda_w / direct.lambda_h)
    assert through == (
        pytest.approx(direct.lambda_w, rel=REL),
        pytest.approx(direct.lambda_h, rel=REL),
        None,
    )


def test_the_two_nuclear_forms():
    """√(μ_W μ_H) with the ½, 2√(μ_W μ_H) without."""
    assert Convention(N, features="all").nuclear(4.0, 9.0) == 6.0
    assert Convention(N, features="all", half=False).nuclear(4.0, 9.0) == 12.0


@pytest.mark.parametrize(
    "bad, word",
    [
        ({"samples": 0}, "samples"),
        ({"loss": "median"}, "loss"),
        ({"features": "some"}, "features"),
        ({"loss_factor": 0.0}, "loss_factor"),
    ],
)
def test_bad_conventions_are_refused(bad, word):
    with pytest.raises(ValueError, match=word):
        Convention(**bad)


def test_bad_penalties_are_refused():
    with pytest.raises(ValueError, match="feature penalty"):
        Convention().convert(1.0, -1.0)
    with pytest.raises(ValueError, match="nuclear penalty"):
        Convention().from_nuclear(float("nan"))
    with pytest.raises(ValueError, match="ratio"):
        Convention().from_nuclear(1.0, ratio=0.0)
