"""The picture: every kind of problem gives one, and what it draws is the optimum and its formula."""

import re
from functools import cache
from math import sqrt
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy.special import logit

from ufm.agree.features import Settings
from ufm.certify.features import certify_features
from ufm.model.cases import PairCases, choose_cases
from ufm.model.etf import simplex_etf
from ufm.model.laws import kway, mixup, onehot, smooth, soft
from ufm.model.problem import Problem
from ufm.pictures import points as sampled
from ufm.pictures.features import draw_features, limit_slope, pair_coefficients
from ufm.pictures.plane import class_plane
from ufm.pictures.points import MAX_LABELS, MAX_LAM, lam_grid, solve_labels, solve_pairs
from ufm.theory.predict import predict_features, predict_pairs

pytestmark = pytest.mark.slow  # pictures of many problems

LAM = np.array([0.0, 0.1, 0.3, 0.5, 0.8, 1.0])
SETTINGS = Settings()


def draw(problem, cases=None, settings=SETTINGS, lay_out=False) -> Figure:
    """The figure; laid out as saving it would, which also parses its formulas."""
    figure = draw_features(problem, cases or PairCases(problem.classes, LAM), settings)
    if lay_out:
        figure.draw_without_rendering()
    return figure


@cache
def usual(classes=3, loss="cross-entropy") -> Figure:
    """The usual picture; drawn once."""
    return draw(Problem(classes, 1.5, loss=loss), lay_out=True)


def panel(figure, letter):
    """Axes of panel (a), (b) or (c)."""
    return next(axes for axes in figure.axes if axes.get_title().startswith(f"({letter})"))


def dots(axes):
    """All scattered points but the empty ones of the legend."""
    return [part.get_offsets() for part in axes.collections if len(part.get_offsets()) > 0]


def line(axes, label):
    """The line whose label starts so, as (N, 2)."""
    return next(part.get_xydata() for part in axes.lines if part.get_label().startswith(label))


def away(points, curve):
    """Largest distance of the points from a polyline."""
    start, step = curve[:-1], np.diff(curve, axis=0)
    size = np.maximum((step**2).sum(1), 1e-300)
    share = np.clip(((points[:, None] - start) * step).sum(2) / size, 0, 1)
    return np.linalg.norm(points[:, None] - start - share[..., None] * step, axis=2).min(1).max()


@pytest.mark.promise("pictures")
@pytest.mark.parametrize(("K", "loss"), [(2, "cross-entropy"), (3, "cross-entropy"), (3, "squared-error")])
def test_pairs_have_three_panels_nine_pairs_and_a_colour_bar(K, loss):
    figure, n = usual(K, loss), min(K, 3)
    assert len(figure.axes) == 4
    different, same = dots(panel(figure, "a"))
    assert len(different) == n * (n - 1) * len(LAM) and len(same) == n * len(LAM)
    # an arrow and a name for each class, and what dots and a class alone are
    assert len(panel(figure, "a").texts) == 2 * n + 2
    assert len(line(panel(figure, "b"), "$c_0$")) == len(LAM)
    finite = LAM if loss == "squared-error" else LAM[1:-1]
    np.testing.assert_allclose(
        dots(panel(figure, "c"))[0][:, 0], finite if loss == "squared-error" else logit(finite)
    )
    for text in (
        f"$K$ = {K}",
        f"$d$ = {K}",
        loss,
        "mixup",
        r"\alpha",
        r"\lambda_W",
        r"\lambda_H",
        "$m$",
        "$a$",
    ):
        assert text in figure.get_suptitle()


@pytest.mark.promise("pictures")
def test_numerical_points_lie_on_the_drawn_curves():
    # the curve is a polyline through lam_grid, so compare at λ that are nodes of it
    problem = Problem(7, 1.5)
    figure = draw(problem, PairCases(7, lam_grid(problem.sharpness)[50:-50:80]))
    plane = panel(figure, "a")
    curves = [part.get_xydata() for part in plane.lines if len(part.get_xydata()) > 100]
    assert len(curves) == 3
    different, same = dots(plane)
    gap = [min(away(point[None], curve) for curve in curves) for point in np.concatenate([different, same])]
    assert max(gap) < 1e-8
    across = panel(figure, "c")
    assert away(dots(across)[0], line(across, "closed form")) < 1e-8
    solid = panel(figure, "b").lines[0].get_xydata()
    assert away(line(panel(figure, "b"), "$c_0$"), solid) < 1e-8


@pytest.mark.parametrize("K", [2, 3])
def test_limit_line_has_the_slope_of_the_formula_and_the_curve_tends_to_it(K):
    problem = Problem(K, 1.7, lambda_h=1e-9)
    axes = panel(draw(problem), "c")
    (left, low), (right, high) = line(axes, "limit")
    slope = (high - low) / (right - left)
    np.testing.assert_allclose(slope, sqrt((K - 1) / (2 * K)) / 1.7, rtol=1e-12)
    np.testing.assert_allclose(limit_slope(problem), slope, rtol=1e-12)
    curve = line(axes, "closed form")
    middle = np.abs(curve[:, 0]) < 3
    np.testing.assert_allclose(curve[middle, 1], slope * curve[middle, 0], atol=1e-5)


@pytest.mark.promise("pictures")
def test_the_caption_says_how_it_bows_and_how_far_the_points_are():
    """Found again from the definitions: the middle of the chord, the closed form and the certificate."""
    figure, problem = usual(), Problem(3, 1.5)
    ends = predict_pairs(problem, np.array([0, 1, 0]), np.array([0, 1, 1]), np.array([1.0, 1.0, 0.5])).H
    bow = np.linalg.norm(ends[2]) / np.linalg.norm((ends[0] + ends[1]) / 2)
    assert f"a = {problem.sharpness:.4g} " in figure.caption and f"bows {bow:.3g} times" in figure.caption
    distance, bound = (float(x) for x in re.findall(r"within (\S+) of the", figure.caption))
    points = solve_pairs(problem, PairCases(3, LAM), SETTINGS)
    longest = np.linalg.norm(ends, axis=1).max()
    away = np.linalg.norm(points.H - predict_features(problem, points.Y).H, axis=1).max() / longest
    assert away <= distance <= max(1.1 * away, 1e-15)
    certified = certify_features(problem, points.H, points.Y).distance.max() / longest
    assert certified <= bound <= 1.11 * certified and "54 numerical points" in figure.caption
    other = draw(Problem(3, 1.0)).caption  # control: another m
    assert f"bows {bow:.3g} times" not in other and f"a = {problem.sharpness:.4g} " not in other


def test_a_point_that_is_not_solved_is_not_called_close():
    words = draw(Problem(3, 1.5), settings=Settings(max_steps=0))
    assert (
        "within 1 of the closed form, not certified" in words.caption and "off the closed form" in words.alt
    )


@pytest.mark.promise("pictures")
def test_squared_error_is_straight_and_has_no_limit_line():
    axes = panel(usual(loss="squared-error"), "c")
    assert not any(part.get_label().startswith("limit") for part in axes.lines)
    curve = line(axes, "closed form")
    fit = np.polyfit(*curve.T, 1)
    np.testing.assert_allclose(np.polyval(fit, curve[:, 0]), curve[:, 1], atol=1e-12)


def test_same_class_points_coincide_and_touch_the_level():
    figure = usual()
    same = panel(figure, "a").collections[-1]
    assert len(np.unique(np.round(same.get_offsets(), 9), axis=0)) == 3
    assert len(same.get_offsets()) == 3 * len(LAM)
    level = next(part for part in panel(figure, "b").lines if part.get_linestyle() == ":").get_ydata()[0]
    problem = Problem(3, 1.5)
    theory = predict_pairs(problem, 0, 0, lam_grid(problem.sharpness))
    np.testing.assert_allclose(theory.H, level * np.tile(problem.W[0], (len(theory.H), 1)), atol=1e-12)


@pytest.mark.promise("pictures")
def test_plane_of_an_etf_is_an_isometry_with_class_0_upwards():
    for K, d in ((3, 2), (3, 5), (10, 9)):
        W = simplex_etf(K, d, 2.0)
        P = class_plane(W)
        np.testing.assert_allclose(P.T @ P, np.eye(2), atol=1e-14)
        corners = W[:3] @ P
        np.testing.assert_allclose(corners.sum(0), 0, atol=1e-14)
        size = 2.0 * sqrt(K / (K - 1) * 2 / 3)
        np.testing.assert_allclose(np.linalg.norm(corners, axis=1), size, rtol=1e-13)
        np.testing.assert_allclose(corners[0], [0, size], atol=1e-14)


def test_pair_coefficients_rebuild_the_feature():
    for K in (2, 3):
        problem = Problem(K, 1.3)
        theory = predict_pairs(problem, 0, 1, lam_grid(problem.sharpness))
        np.testing.assert_allclose(
            pair_coefficients(problem, theory.coef) @ problem.W[:2], theory.H, atol=1e-12
        )


def test_many_lam_and_labels_are_thinned(monkeypatch):
    monkeypatch.setattr(sampled, "_solve", lambda problem, Y, settings: SimpleNamespace(H=Y, logits=Y))
    points = solve_pairs(Problem(3, 1.0), PairCases(3, np.linspace(0, 1, 500)), SETTINGS)
    assert len(points.lam) == 9 * MAX_LAM and {0.0, 1.0} <= set(points.lam)
    law = soft(np.random.default_rng(0).dirichlet(np.ones(3), 3 * MAX_LABELS))
    chosen = solve_labels(Problem(3, 1.0, law=law), choose_cases(law, 3), SETTINGS)
    assert len(chosen.Y) == MAX_LABELS


@pytest.mark.parametrize(
    "law", [kway(1.0), mixup(1.0, smoothing=0.1), smooth(0.1), onehot(), mixup(1.0, "same")]
)
def test_labels_that_are_not_pairs_show_rings_around_dots(law):
    problem = Problem(3, 1.5, law=law)
    cases = choose_cases(law, 3, samples=None if law.alpha is None else 3, seed=1)
    figure = draw(problem, cases, lay_out=law.name == "kway")
    for letter in "abc":
        numeric, theory = dots(panel(figure, letter))
        np.testing.assert_allclose(numeric, theory, atol=1e-8)


@pytest.mark.parametrize(
    ("shape", "law"), [((2, 3), mixup(1.0)), ((2, 3), kway(1.0)), ((3, 1), mixup(1.0)), ((5, 4), kway(1.0))]
)
def test_any_other_classifier_is_drawn_without_curves(shape, law):
    W = np.random.default_rng(1).normal(size=shape)
    problem = Problem(shape[0], classifier=W, law=law)
    figure = draw(problem, choose_cases(law, shape[0], samples=3, seed=1), lay_out=True)
    assert "no closed form" in figure.get_suptitle() and "$a$" not in figure.get_suptitle()
    boxes = [text.get_window_extent() for text in panel(figure, "a").texts if text.get_text()]
    names = [(box.x0 + box.x1, box.y0 + box.y1) for box in boxes]
    assert len(np.unique(np.round(names, 3), axis=0)) == len(names) > 0  # none lies on another
    for letter in "abc":
        axes = panel(figure, letter)
        assert not any(part.get_label().startswith(("closed", "limit")) for part in axes.lines)


def test_different_classes_only_has_no_point_of_one_class():
    figure = draw(Problem(3, 1.0), PairCases(3, LAM, "different"))
    assert len(figure.axes) == 4 and [len(part) for part in dots(panel(figure, "a"))] == [6 * len(LAM)]


@pytest.mark.promise("pictures")
def test_zero_classifier_says_so():
    for law in (mixup(1.0), soft(np.eye(3))):
        figure = draw(Problem(3, 0.0, lambda_w=1.0, lambda_h=1.0, law=law), choose_cases(law, 3))
        (axes,) = figure.axes
        assert "optimum is zero" in axes.texts[0].get_text()
        assert ("free classifier" in axes.texts[0].get_text()) == law.exchangeable


def test_an_unfinished_solve_is_drawn_where_it_stopped():
    figure = draw(Problem(3, 1.5), settings=Settings(max_steps=0))
    np.testing.assert_array_equal(np.concatenate(dots(panel(figure, "a"))), 0)


@pytest.mark.parametrize("multiplier", [1e-3, 30.0])
def test_arrows_stay_readable_at_any_scale(multiplier):
    axes = panel(draw(Problem(3, multiplier)), "a")
    arrow = np.linalg.norm(axes.texts[0].xy)
    feature = np.linalg.norm(np.concatenate(dots(axes)), axis=1).max()
    assert 0.2 <= arrow / feature <= 0.8
    assert "length ×" in axes.get_xlabel()
