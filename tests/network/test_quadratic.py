"""The optimum of a network's own labels under squared error: singular values, shrunk, of any labels."""

import jax
import numpy as np
import pytest

import ufm
from ufm.model.penalties import Penalties
from ufm.network.measures.quadratic import quadratic_optimum
from ufm.network.read.activations import from_arrays

SE = "squared-error"
SHIFTED = {None: 0.0, 0.0: 1.0}  # how much of E y each bias takes away


def drawn(K: int, n: int, delta: float = 0.0) -> dict:
    """Mixed labels of classes of many sizes, each with a pure one, and weights."""
    rng = np.random.default_rng(K)
    i, j = rng.integers(0, K, (2, n)) * rng.integers(0, 2, (2, n))
    lam, weights = rng.uniform(size=n), rng.uniform(0.5, 2, n)
    i[:K] = j[:K] = np.arange(K)
    return {"i": i, "j": j, "lam": lam, "weights": weights, "smoothing": delta}


def dense(K: int, i, j, lam, weights, smoothing) -> tuple[np.ndarray, np.ndarray]:
    """The labels in full, and their shares."""
    one = np.eye(K)
    Y = lam[:, None] * one[i] + (1 - lam[:, None]) * one[j]
    return (1 - smoothing) * Y + smoothing / K, weights / weights.sum()


def exact(Y, share, lambda_w: float, lambda_h: float, b):
    """The least objective of bias b, and W, H that reach it: the definition, by the SVD of all labels."""
    c = np.sqrt(lambda_w * lambda_h)
    left, s, axes = np.linalg.svd((Y - b) * np.sqrt(share)[:, None], full_matrices=False)
    t = np.maximum(s - c, 0)
    W = axes.T * np.sqrt(t * np.sqrt(lambda_h / lambda_w))
    H = left * np.sqrt(t * np.sqrt(lambda_w / lambda_h)) / np.sqrt(share)[:, None]
    return objective(Y, share, W, H, b, lambda_w, lambda_h), W, H


def objective(Y, share, W, H, b, lambda_w: float, lambda_h: float, lambda_b: float = 0.0) -> float:
    fit = share @ (np.sum((H @ W.T + b - Y) ** 2, 1) + lambda_h * np.sum(H**2, 1)) / 2
    return fit + lambda_w / 2 * np.sum(W**2) + lambda_b / 2 * np.sum(b**2)


def found_of(arrays: dict, K: int, penalties, dim: int):
    given = from_arrays(H=np.zeros((len(arrays["weights"]), dim)), W=np.zeros((K, dim)), **arrays)
    with jax.enable_x64(True):
        return quadratic_optimum(given.label_chunks, dim, Penalties(*penalties))


@pytest.mark.parametrize("lambda_b", SHIFTED)
@pytest.mark.parametrize("K, n, delta, strong", [(2, 9, 0.1, 0.3), (40, 300, 0.0, 0.3), (100, 700, 0.2, 0.8)])
def test_it_is_the_least_value_of_all_labels(K, n, delta, strong, lambda_b):
    """strong: c in units of the largest singular value, so that small classes have no feature."""
    arrays = drawn(K, n, delta)
    Y, share = dense(K, **arrays)
    b = SHIFTED[lambda_b] * share @ Y
    c = strong * np.linalg.norm((Y - b) * np.sqrt(share)[:, None], 2)
    least, W, H = exact(Y, share, c / 3, c * 3, b)
    found = found_of(arrays, K, (c / 3, c * 3, lambda_b), K + 1)
    assert found.lower <= least <= found.objective and found.objective - found.lower < 1e-9 * least
    np.testing.assert_allclose(found.W @ found.W.T, W @ W.T, atol=1e-10 * np.abs(W @ W.T).max())
    np.testing.assert_allclose(found.b, b, atol=1e-14)
    assert found.feature_norm == pytest.approx(np.sqrt(share @ np.sum(H**2, 1)), rel=1e-10)


def test_soft_labels_are_those_of_two_classes_in_full():
    arrays = drawn(5, 40)
    Y, share = dense(5, **arrays)
    soft = {"Y": Y, "weights": share}
    one, other = (found_of(part, 5, (0.05, 0.1, None), 5) for part in (arrays, soft))
    assert one.objective == pytest.approx(other.objective, rel=1e-13)


@pytest.mark.parametrize("lambda_b", [1e-3, 0.3, 10.0])
def test_a_penalised_bias_is_optimal_too(lambda_b):
    """Its own certificate closes; b is that of no bias or a free one (controls) at none of these penalties."""
    K, arrays = 40, drawn(40, 300)
    Y, share = dense(K, **arrays)
    found = found_of(arrays, K, (0.02, 0.05, lambda_b), K)
    assert found.objective - found.lower < 1e-9 * found.objective
    least, W, H = exact(Y, share, 0.02, 0.05, found.b)
    assert least + lambda_b / 2 * found.b @ found.b == pytest.approx(found.objective, rel=1e-9)
    for share_of_mean in (0.0, 1.0):
        b = share_of_mean * share @ Y
        _, W, H = exact(Y, share, 0.02, 0.05, b)
        assert objective(Y, share, W, H, b, 0.02, 0.05, lambda_b) > found.objective * (1 + 1e-9)


def test_fewer_dimensions_keep_the_largest_singular_values():
    """The value from above is that of a point of rank 3, the one from below holds for any."""
    arrays = drawn(40, 300)
    Y, share = dense(40, **arrays)
    least, W, H = exact(Y, share, 0.02, 0.05, 0.0)
    narrow = found_of(arrays, 40, (0.02, 0.05, None), 3)
    assert narrow.W.shape == (40, 3) and narrow.lower <= least < narrow.objective
    at = objective(Y, share, W[:, :3], H[:, :3], 0.0, 0.02, 0.05)
    assert at <= narrow.objective < at * (1 + 1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("K, n", [(40, 400), (100, 600)])
@pytest.mark.parametrize("bias", [False, True])
def test_the_gap_of_an_optimum_moved_a_thousandth_is_its_own(K, n, bias):
    """Many classes; moved ten per cent (control) it is no optimum."""
    arrays = drawn(K, n)
    Y, share = dense(K, **arrays)
    mean, c = share @ Y * bias, 0.2 * np.linalg.norm(Y * np.sqrt(share)[:, None]) / np.sqrt(K)
    least, W, H = exact(Y, share, c / 2, 2 * c, mean)
    turn, rng = (
        np.linalg.qr(np.random.default_rng(1).normal(size=(K + 4, K + 4)))[0][:K],
        np.random.default_rng(2),
    )

    def gap(size):
        moved = [
            A @ turn + size * np.linalg.norm(A) / np.sqrt(A.size) * rng.normal(size=(len(A), K + 4))
            for A in (W, H)
        ]
        found = ufm.compare_network(
            H=moved[1], W=moved[0], b=mean, **arrays, lambda_w=c / 2, lambda_h=2 * c, loss=SE, replicates=0
        )
        over = objective(Y, share, *moved, mean, c / 2, 2 * c) / least - 1
        word = next(one.word for one in found.findings if one.name == "global")
        return found.gap.relative, found.gap.least, over, word

    relative, least_gap, over, word = gap(1e-3)
    assert least_gap <= over / (1 + over) <= relative < over + 1e-9 and over < 1e-4 and word == "reproduced"
    relative, least_gap, over, word = gap(0.1)
    assert 0.01 < least_gap <= relative and word == "not reproduced"
