"""The curve of two-hot labels against 40 digits, at its edges, and with a start that is no start."""

import mpmath as mp
import numpy as np
import pytest

from ufm.network.measures.curve import PIECE, Curve

LAM = np.array([0.0, 1e-250, 1e-9, 0.02, 0.3, 0.5 - 1e-9, 0.5, 0.77, 1 - 1e-9, 1.0])


def exact(lam: float, a: float, K: int, delta: float) -> list:
    """z of i, j and another class by the root t of Σ counts ω = a, z = log ω − mean, ω(a y + t) + log ω = a y + t;
    and a ∂z/∂a by differences."""

    def logits(a):
        y = [(1 - delta) * mp.mpf(v) + mp.mpf(delta) / K for v in (lam, 1 - mp.mpf(lam), 0)]
        counts, step = [1, 1, K - 2], mp.inf
        t = a / K + mp.log(a / K)  # ω(t) = a/K: right of the root of a convex sum, whence Newton falls to it
        while abs(step) > mp.mpf(10) ** -37 * (1 + abs(t)):
            w = [mp.lambertw(mp.exp(a * v + t)).real for v in y]
            step = (sum(n * v for n, v in zip(counts, w)) - a) / sum(
                n * v / (1 + v) for n, v in zip(counts, w)
            )
            t -= step
        logs = [mp.log(mp.lambertw(mp.exp(a * v + t)).real) for v in y]
        mean = sum(n * v for n, v in zip(counts, logs)) / K
        return [v - mean for v in logs]

    step = mp.mpf(10) ** -12
    up, down = logits(a * (1 + step)), logits(a * (1 - step))
    return [logits(mp.mpf(a)), [(p - q) / (2 * step) for p, q in zip(up, down)]]


@pytest.mark.parametrize("K, a, delta", [(2, 30.0, 0.0), (5, 1e-3, 0.0), (10, 40.0, 0.0), (10, 40.0, 0.1)])
def test_a_curve_is_the_optimum_of_every_label(K, a, delta):
    with mp.workdps(40):
        known = np.array([exact(float(lam), a, K, delta) for lam in LAM], object)
    z, slope = (known[:, n, : min(K, 3)].astype(float) for n in (0, 1))
    found = Curve(a, K, delta)(LAM)
    scale = np.abs(z).max()
    np.testing.assert_allclose(found.z[:, : z.shape[1]], z, rtol=0, atol=1e-14 * scale)
    np.testing.assert_allclose(found.slope[:, : z.shape[1]], slope, rtol=0, atol=1e-13 * scale)
    p = np.stack([found.best.p_i, found.best.p_j, found.best.p_other], 1)
    np.testing.assert_allclose(p @ [1, 1, K - 2], 1, rtol=1e-13)


@pytest.mark.parametrize("a", [1e-4, 1e8, 1e16])
def test_at_the_ends_of_the_search_the_equations_hold(a):
    """x + o (e^x − 1) = a y and Σ x = K o, to the rounding of their terms."""
    K, found = 10, Curve(a, 10)(LAM)
    o = a * found.best.p_other
    for x, y in ((found.best.x_i, LAM), (found.best.x_j, 1 - LAM)):
        np.testing.assert_allclose(x + o * np.expm1(x), a * y, rtol=1e-13)
    np.testing.assert_allclose(found.best.x_i + found.best.x_j, K * o, rtol=1e-13)


def test_a_start_that_is_far_off_costs_time_and_no_digit():
    """Newton's method is at no root after its steps: those labels are solved as any other."""
    curve = Curve(1e3, 10)
    good = curve(LAM)
    curve.table = curve.table * 0.2
    far = curve(LAM)
    np.testing.assert_allclose(far.z, good.z, rtol=0, atol=1e-14 * np.abs(good.z).max())
    curve._exact = lambda lam: Curve(500.0, 10)._exact(lam)  # so the test sees who solved them
    assert np.abs(curve(LAM).z - good.z).max() > 0.1


def test_many_labels_are_solved_piece_by_piece():
    """Each as alone, also behind the end of a piece; the last one of few."""
    lam = np.resize(LAM, 2 * PIECE + 3)
    many, few = (Curve(40.0, 10, 0.1)(part) for part in (lam, LAM))
    for part in ("z", "slope"):
        np.testing.assert_allclose(
            getattr(many, part), np.resize(getattr(few, part), (len(lam), 3)), rtol=1e-12
        )
    assert np.abs(few.z[1] - few.z[3]).max() > 0.1  # labels in another order would be seen


def test_no_labels_are_solved_at_once():
    assert Curve(3.0, 4)(np.zeros(0)).z.shape == (0, 3)
