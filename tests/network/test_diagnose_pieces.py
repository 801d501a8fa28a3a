"""Rules of a diagnosis one by one, on arrays that are on one side of a limit and on the other; no network."""

import numpy as np
import pytest
from scipy.special import expit, softmax
from scipy.stats import f_oneway

from ufm.network.diagnose import alone, batches, labels, noise, own_logits, trials
from ufm.network.diagnose import diagnosis as said
from ufm.network.diagnose.diagnose import diagnose
from ufm.network.diagnose.linear import Halves, affine, halves
from ufm.network.diagnose.sample import Sample, Sampler
from ufm.network.diagnose.trials import Trial
from ufm.network.read.activations import from_arrays
from ufm.report.network import compare_network

RNG = np.random.default_rng(0)


def sampled(H, W=None, y=None, logits=None, **more) -> Sample:
    """All rows, in order; of class 0 where nothing else is said."""
    W = np.eye(3, H.shape[1]) if W is None else W
    y = {} if more else {"y": np.zeros(len(H), int) if y is None else y}
    given = from_arrays(H=H, W=W, **y, **more, **({} if logits is None else {"logits_H": logits}))
    sampler = Sampler(given)
    for chunk in given.chunks(997):
        sampler.add(chunk)
    return sampler.result()


def names(found) -> list[str]:
    return [one.name for one in found]


def clouds(K=4, d=6, n=200, spread=0.1):
    """Features about K distinct means, and their classes."""
    y = np.arange(n) % K
    return 2 * RNG.normal(size=(K, d))[y] + spread * RNG.normal(size=(n, d)), y


# --- from H alone -----------------------------------------------------------------------------------------


def test_two_columns_may_be_standardised_and_one_tells_nothing():
    H = RNG.normal(size=(400, 3))
    H = (H - H.mean(0)) / H.std(0)
    H[:, 2] = 5.0  # it does not move
    assert alone.standardised(sampled(H)).name in (said.STANDARDISED, said.WHITENED)
    assert alone.standardised(sampled(H[:, 1:])) is None


def test_all_rows_are_read_only_where_a_subsample_seems_standardised(monkeypatch):
    """Whatever the first rows are, which come in the order of the data."""
    H = RNG.normal(size=(5000, 6))
    H[:1024] += 5.0
    H = (H - H.mean(0)) / H.std(0)
    assert alone.standardised(sampled(H)) is not None
    assert sampled(2 * H).seems() and not sampled(2 * H).seems(std=1.0) and not sampled(H + 1.0).seems()
    monkeypatch.setattr(Sample, "moments", property(lambda self: pytest.fail("all rows are read")))
    assert alone.standardised(sampled(2 * H)) is alone.standardised(sampled(H + 1.0)) is None


@pytest.mark.parametrize("apart, told", [(0.0, True), (0.04, False)])
def test_zeros_of_dropout_spread_from_unit_to_unit_as_chance_makes_them(apart, told):
    """400 rows, rate ½: chance alone is 0.025; every other unit 0.08 above the others makes it 1.9 times that."""
    rates = 0.5 + apart * (-1.0) ** np.arange(60)
    H = 1.0 + RNG.random((400, 60))
    H[np.random.default_rng(5).random(H.shape) < rates] = 0.0
    found = alone.dropped(sampled(H))
    assert (found is not None) == told
    assert not told or found.evidence["rate"] == pytest.approx(0.5, abs=0.01)


def test_features_before_an_activation_are_told_with_their_bias():
    """W relu(h) + b is right; not W relu(h) − b, which has class 2 wrong, nor W h + b, which has all wrong."""
    y = np.arange(300) % 3
    H = np.full((300, 6), -1.0) + 0.1 * RNG.normal(size=(300, 6))
    H[np.arange(300), y] = np.where(y < 2, 4.0, -1.0)  # class 2 has only its bias
    H[np.arange(300), 3 + y] = -10.0
    W, b = np.concatenate([2.5 * np.eye(3), 10 * np.eye(3)], 1), np.array([0.0, 0.0, 5.0])
    found = alone.foreign(sampled(H, W, y), W, b)
    assert (
        found.name == said.ACTIVATION and found.evidence["after"] == 1.0 and found.evidence["accuracy"] == 0
    )


# --- batches ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shift", [0, 3])
def test_the_ratio_is_that_of_the_analysis_of_variance(shift):
    x = RNG.normal(size=43)
    groups = x[shift : shift + 40].reshape(5, 8) if shift == 3 else x[:40].reshape(5, 8)
    assert batches.ratio(x[:, None], 8, shift) == pytest.approx(f_oneway(*groups).statistic, rel=1e-12)
    assert batches.ratio(np.ones((16, 2)), 8) == 1.0


@pytest.mark.parametrize("place, told", [(1.05, False), (0.9, True)])
def test_means_of_batches_are_held_against_the_least_of_chance(place, told):
    """Four batches of eight, F at `place` times half of the least that chance makes, far below half of its most."""
    H, y = np.random.default_rng(1).normal(size=(32, 40)), np.repeat([0, 1, 0, 1], 8)
    for _ in range(5):  # what chance makes depends a little on H itself
        H /= H.std(0)
        limits = batches.SMALL * np.array(batches.chance(H, 8))
        means = H.reshape(4, 8, 40).mean(1).repeat(8, 0) - H.mean(0)
        H += (np.sqrt(place * limits[0] / batches.ratio(H, 8)) - 1) * means
    H /= H.std(0)
    here, (least, most) = batches.ratio(H, 8), batches.SMALL * np.array(batches.chance(H, 8))
    assert (here < least) == told and here < 0.9 * most
    assert bool(batches.normalised(sampled(H, np.eye(2, 40), y))) == told


# --- labels -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weights, told", [(7, False), (8, True), (40, True)])
def test_few_mixing_weights_tell_of_no_swap(weights, told):
    """Logits follow the swapped label to the digit; from eight different λ on that is believed."""
    lam = np.linspace(0.02, 0.3, weights)[np.arange(400) % weights]
    i = RNG.integers(4, size=400)
    j = (i + RNG.integers(1, 4, size=400)) % 4
    Z = 5 * ((1 - lam)[:, None] * np.eye(4)[i] + lam[:, None] * np.eye(4)[j])
    assert (labels.swapped(i, j, lam, Z) is not None) == told
    assert labels.swapped(j, i, lam, Z) is None


def test_a_sigmoid_head_is_told_by_its_sums():
    """Sigmoids that sum to one and are right on average; the same with softmax's constant is none."""
    K, y = 10, np.arange(2000) % 10
    p = np.full((2000, K), 0.1 / (K - 1))
    p[np.arange(2000), y] = 0.9
    Z = np.log(p) - np.log1p(-p)
    sample = sampled(RNG.normal(size=(2000, 12)), RNG.normal(size=(K, 12)), y)
    assert labels.sigmoid(sample, Z).name == said.SIGMOID
    assert labels.sigmoid(sample, Z - Z.mean(1, keepdims=True)) is None


def test_a_label_counts_for_its_class_from_three_quarters_on():
    H, Y = RNG.normal(size=(3, 4)), np.array([[0.75, 0.25, 0.0], [0.74, 0.26, 0.0], [0.0, 0.0, 1.0]])
    assert sampled(H, Y=Y).top.tolist() == [0, -1, 2]


def test_without_own_logits_labels_are_held_against_w_h():
    H, y = clouds()
    W = np.linalg.lstsq(H, 20 * np.eye(4)[y], rcond=None)[0].T
    order = [1, 2, 3, 0]
    for logits in (None, H @ W.T):
        assert said.PERMUTED not in names(diagnose(sampled(H, W, y, logits), W, None))
        assert said.PERMUTED in names(diagnose(sampled(H, W[order], y, logits), W[order], None))


# --- noise ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("least, told", [(0.999, False), (0.9991, True)])
def test_lengths_a_thousandth_apart_are_not_one(least, told):
    H = np.ones((60, 1))
    H[::2] = least
    Z = RNG.normal(size=(60, 3))
    Z -= Z.mean(1, keepdims=True)
    found = noise.unexplained(sampled(H), np.ones(60, bool), np.eye(3, 1), np.zeros((60, 3)), Z)
    assert (names(found) == [said.LENGTH]) == told


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_the_rate_of_dropout_is_read_from_what_it_leaves(rate):
    """Of the logits by rate/(1 − rate) E Σ w² h², of H by `rate` times the same."""
    rng = np.random.default_rng(2)
    H, W = 1 + rng.random((4000, 30)), rng.normal(size=(5, 30))
    W -= W.mean(0)
    kept = rng.random(H.shape) >= rate
    of_logits = (kept / (1 - rate) - 1) * H @ W.T
    found = noise._noise(H, W, of_logits, True, "", {})
    assert found.evidence["rate"] == pytest.approx(rate, rel=0.05)
    seen = H * kept / (1 - rate)
    found = noise._noise(seen, W, (H - seen) @ W.T, False, "", {})
    assert found.evidence["rate"] == pytest.approx(rate, rel=0.05)


# --- own logits -------------------------------------------------------------------------------------------


def test_an_explanation_leaves_two_hundredths_and_a_tenth_of_what_was_missed():
    def best(error, before):
        return own_logits.plainest([Trial((said.BIAS,), error)], before)

    assert best(0.019, 1.0) is not None and best(0.021, 1.0) is None
    assert best(0.009, 0.1) is not None and best(0.011, 0.1) is None
    plain, whole = Trial((said.BIAS,), 3e-5), Trial((said.TEMPERATURE, said.BIAS), 1.1e-5)
    assert own_logits.plainest([whole, plain], 1.0) is plain
    assert own_logits.plainest([whole, plain._replace(error=4e-5)], 1.0) is whole


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("share, rounding", [(1.9, True), (2.1, False)])
def test_a_constant_may_be_what_rounding_w_to_eight_bits_leaves(scale, share, rounding):
    """Twice 2⁻⁸ of the root mean square of Σ w² h², with and without a bias that is given."""
    H, W = scale * np.ones((50, 4)), np.ones((3, 4))
    half = 2.0**-8 * 2 * scale
    off = half * share * np.array([np.sqrt(1.5), -np.sqrt(1.5), 0.0])
    for b in (None, np.array([1.0, 2.0, 3.0])):
        shift = off if b is None else b - b.mean() + off
        assert own_logits._rounding(Trial((said.BIAS,), 1e-3, shift=shift), H, W, b) == rounding
    assert not own_logits._rounding(Trial((said.BIAS,), 1e-6, shift=off), H, W, None)


@pytest.mark.parametrize("means, name", [(0.0, said.STANDARDISED), (0.5, said.BIAS)])
def test_a_constant_is_of_standardised_features_where_all_columns_have_mean_zero(means, name):
    H = RNG.normal(size=(300, 5))
    H -= H.mean(0)
    H[:, 2] += means
    W = RNG.normal(size=(4, 5))
    Z = H @ W.T + np.array([1.0, -2.0, 0.5, 0.0])
    assert names(own_logits.of_own_logits(sampled(H, W, logits=Z), W, None)) == [name]


def test_factors_of_columns_are_told_from_a_twentieth_to_nineteen():
    """21 columns: the 5% and 95% quantiles are the second and the last but one."""
    H, W = 3 + RNG.normal(size=(600, 21)), RNG.normal(size=(4, 21))
    s = np.linspace(1.0, 3.0, 21)
    (found,) = own_logits.of_own_logits(sampled(H, W, logits=(H * s) @ W.T + 1), W, None)
    assert found.name == said.AFFINE and found.sure
    assert (found.evidence["low"], found.evidence["high"]) == pytest.approx((1.1, 2.9), rel=1e-6)


@pytest.mark.parametrize("least, name", [(0.0, said.LAYER), (-1.0, said.AFFINE)])
def test_another_image_of_features_that_are_never_negative_is_of_another_layer(least, name):
    """What a ReLU made is not rotated: its zeros are not negative."""
    H = 3 * np.maximum(RNG.normal(size=(400, 12)), least)
    W, other = RNG.normal(size=(5, 12)), RNG.normal(size=(5, 12))
    other -= W * np.sum(W * other) / np.sum(W * W)
    (found,) = own_logits.of_own_logits(sampled(H, W, logits=H @ other.T), W, None)
    assert found.name == name and not found.sure


@pytest.mark.parametrize("ratio", [1.0, 4.0])
def test_rows_of_one_length_have_a_factor_each(ratio):
    """z = s_n W h_n with s from 1 to `ratio`; lengths that differ by a hundredth are not one length."""
    H, W = RNG.normal(size=(90, 6)), RNG.normal(size=(4, 6))
    H /= np.linalg.norm(H, axis=1, keepdims=True)
    W -= W.mean(0)
    s, cut = np.linspace(1, ratio, 90)[:, None], halves(90)
    (found,) = trials._scaled_rows(H, W, np.zeros(4), s * (H @ W.T), cut)
    assert found.parts == (said.LENGTH,) and found.error < 1e-14
    assert found.scale == pytest.approx(ratio, rel=1e-12)
    H[3] *= 0.99
    assert not list(trials._scaled_rows(H, W, np.zeros(4), s * (H @ W.T), cut))


def test_what_is_taken_for_probabilities():
    """Numbers in [0, 1] only: a negative one among rows of sum one is none, nor one above it."""
    P = RNG.normal(size=(50, 3))
    p = softmax(3 * P, axis=1)
    assert trials.own(p, P)[2] == "softmax" and trials.own(expit(P), P)[2] == "sigmoid"
    below = p.copy()
    below[0] = [0.6, 0.5, -0.1]
    above = p / 2
    above[0] = [1.5, 0.2, 0.3]
    for Z in (below, above, P):
        logits, some, kind = trials.own(Z, P)
        assert kind == "" and logits is Z and some.all()
    np.testing.assert_allclose(trials.own(p, P)[0], np.log(p))


@pytest.mark.parametrize("rows, known", [(11, False), (12, True), (23, True)])
def test_twelve_rows_are_enough_for_an_affine_image(rows, known):
    X = RNG.normal(size=(30, 3))
    Z = X @ RNG.normal(size=(3, 2)) + 1
    fit = np.arange(30) < rows
    found = affine(X, Z, Halves(fit, ~fit))
    assert (found is not None) == known and (not known or np.abs(found - Z).max() < 1e-12)


def test_a_mask_that_leaves_no_drawn_row_is_compared_and_accuses_nobody():
    """Three rows of many have weight: none of them is in the sample."""
    N, K = 30_000, 3
    rng, y, weights = np.random.default_rng(0), np.arange(N) % K, np.zeros(N)
    weights[[20_000, 20_001, 20_002]] = 1.0
    H = np.eye(K)[y] + 0.1 * rng.normal(size=(N, K))
    found = compare_network(H=H, W=np.eye(K), y=y, weights=weights, lambda_h=0.1, replicates=0)
    assert found.features.clean.count == 3 and found.diagnoses == []
