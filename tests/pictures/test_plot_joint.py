"""The joint picture: every kind of problem gives one; what it draws is the optimum and its certificate."""

from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.figure import Figure

from ufm.agree.joint import JointReport, check_joint
from ufm.certify.joint import certify_joint
from ufm.model.atoms import JointProblem, finite_law
from ufm.model.etf import simplex_etf
from ufm.model.laws import kway, mixup, onehot, soft
from ufm.pictures.joint import (
    class_names,
    describe_bias,
    draw_joint,
    predicted_singular_values,
    spectrum_kinds,
)
from ufm.pictures.joint_features import (
    atoms_of,
    feature_picture,
    feature_plane,
    marker_areas,
    purity,
    shown_classes,
)
from ufm.pictures.plane import name_law, same_places
from ufm.pictures.words.joint import caption
from ufm.pictures.words.numbers import above

pytestmark = pytest.mark.slow  # joint optima behind each picture

UNEVEN = replace(mixup(1.0), class_weights=(0.6, 0.2, 0.1, 0.1))
USER = soft(np.random.default_rng(0).dirichlet(np.ones(4), 40))
CASES = {  # name: (law, K, d, λ_W = λ_H, λ_b, loss); most have 40 atoms, so that they share compiled programs
    "balanced": (mixup(1.0), 4, 4, 0.01, None, "cross-entropy"),
    "imbalanced": (UNEVEN, 4, 4, 0.01, 0.0, "cross-entropy"),
    "collapsed": (UNEVEN, 4, 4, 0.3, None, "cross-entropy"),
    "cyclic": (mixup(1.0, pairs="cyclic"), 4, 4, 0.01, None, "cross-entropy"),
    "polygon": (onehot(), 5, 2, 0.01, None, "cross-entropy"),
    "two classes": (mixup(1.0), 2, 1, 0.01, None, "cross-entropy"),
    "trivial": (mixup(1.0), 4, 4, 0.9, 0.1, "cross-entropy"),
    "user labels": (USER, 4, 4, 0.01, None, "cross-entropy"),
}


@cache
def report(name: str) -> JointReport:
    law, K, d, penalty, lambda_b, loss = CASES[name]
    atoms = finite_law(law, K, 10 if name == "cyclic" else 6)
    return check_joint(JointProblem(atoms, penalty, penalty, d, lambda_b, loss))


@cache
def drawn(name: str) -> Figure:
    """The figure, laid out as saving it would, which also parses its formulas."""
    figure = draw_joint(report(name))
    figure.draw_without_rendering()
    return figure


def handmade(problem: JointProblem, W, H) -> JointReport:
    """The report of a point that nobody solved for, with its own certificate (bias-free)."""
    honest = report("balanced")
    point = replace(honest.solution, W=W, H=H, b=np.zeros(len(W)))
    return replace(honest, problem=problem, solution=point, certificate=certify_joint(problem, point))


def panel(figure, letter):
    """Axes of panel (a), (b), (c) or (d)."""
    return next(axes for axes in figure.axes if axes.get_title().startswith(f"({letter})"))


def scattered(axes, label):
    """Points of the scatter whose label starts so."""
    return next(c.get_offsets() for c in axes.collections if c.get_label().startswith(label))


def texts(axes):
    return [text.get_text() for text in axes.texts if text.get_text()]


@pytest.mark.parametrize("name", CASES)
def test_every_problem_has_a_picture(name):
    figure, (law, K, d, *_) = drawn(name), CASES[name]
    title = figure.get_suptitle()
    for part in (f"$K$ = {K}", f"$d$ = {d}", report(name).verdict.word, "relative gap", r"\lambda_W", "bias"):
        assert part in title or (part == "bias" and r"\lambda_b" in title)
    assert ("cyclic" in title) == (name == "cyclic")
    assert ("class weights 0.6, 0.2, 0.1, 0.1" in title) == (law is UNEVEN)
    letters = "abcd" if name != "trivial" else ""
    assert [axes.get_title()[:3] for axes in figure.axes if axes.get_title()[:1] == "("] == [
        f"({letter})" for letter in letters
    ]


@pytest.mark.parametrize("name", ["balanced", "imbalanced", "cyclic"])
def test_gram_panel_is_the_gram_matrix_on_a_scale_centred_at_zero(name):
    axes, W = panel(drawn(name), "a"), report(name).solution.W
    image = axes.images[0]
    np.testing.assert_array_equal(image.get_array(), W @ W.T)
    low, high = image.get_clim()
    assert low == -high and high == np.abs(W @ W.T).max()
    named = [label.get_text() for label in axes.get_yticklabels()]
    weights = ["0 (0.6)", "1 (0.2)", "2 (0.1)", "3 (0.1)"]
    assert named == (weights if name == "imbalanced" else ["0", "1", "2", "3"])
    assert named == class_names(report(name).problem)


@pytest.mark.parametrize("name", ["balanced", "two classes", "cyclic", "polygon"])
def test_singular_values_lie_in_the_predicted_rings(name):
    axes, W, K = panel(drawn(name), "b"), report(name).solution.W, CASES[name][1]
    size = scattered(axes, "numerical")[:, 1]
    np.testing.assert_allclose(np.sum(size**2), np.sum(W**2))
    assert len(size) == K
    predicted = predicted_singular_values(report(name))
    assert (predicted is None) == (name in ("cyclic", "polygon"))
    if predicted is not None:
        np.testing.assert_array_equal(scattered(axes, "predicted")[:, 1], predicted)
        np.testing.assert_allclose(size, predicted, atol=1e-6)
        # the rings are not the dots: a wrong multiplier would show
        other = replace(
            report(name), theory=report(name).theory._replace(value=1.01 * report(name).multiplier)
        )
        assert not np.allclose(size, predicted_singular_values(other), atol=1e-3)


@pytest.mark.parametrize("name", ["balanced", "collapsed", "cyclic", "polygon"])
def test_spectrum_is_drawn_by_what_it_means(name):
    found, product = report(name).certificate.spectrum[::-1], report(name).problem.product
    axes, kinds = panel(drawn(name), "c"), spectrum_kinds(found, product)
    assert axes.get_yscale() == "log"
    assert axes.lines[0].get_ydata()[0] == product
    W = report(name).solution.W
    assert np.sum(kinds == "active") == np.linalg.matrix_rank(W, 1e-6 * np.linalg.norm(W))  # M W = c² W
    assert ("above" in kinds) == (name == "polygon")  # d < K−1: the certificate cannot close
    assert kinds[-1] == "zero"  # 1ᵀr = 0
    heights = np.concatenate([c.get_offsets()[:, 1] for c in axes.collections])
    low, high = axes.get_ylim()
    assert len(heights) == len(found) and np.all((low < heights) & (heights < high))
    np.testing.assert_allclose(np.sort(heights)[1:], np.sort(found)[1:])


def test_spectrum_kinds():
    spectrum = np.array([2.0, 1.0 + 1e-6, 1.0 - 1e-6, 0.9, 1e-20, -1e-18])
    assert spectrum_kinds(spectrum, 1.0).tolist() == ["above", "active", "active", "below", "zero", "zero"]


@pytest.mark.parametrize("name", [name for name in CASES if name != "trivial"])
def test_features_are_those_of_the_shown_classes(name):
    """Dots are the features of the chosen atoms in the plane; area and colour say what is claimed."""
    picture, solved = feature_picture(report(name)), report(name)
    law = solved.problem.atoms
    chosen = atoms_of(law.labels, picture.classes)
    plane = feature_plane(solved.solution.W)
    across = [0] if picture.line else [0, 1]
    np.testing.assert_allclose(picture.xy[:, across], (solved.solution.H[chosen] @ plane)[:, across])
    dots = panel(drawn(name), "d").collections[0]
    order = np.argsort(-picture.weights, kind="stable")
    np.testing.assert_allclose(dots.get_offsets(), picture.xy[order])
    np.testing.assert_allclose(dots.get_array(), purity(picture.labels)[order])
    np.testing.assert_allclose(dots.get_sizes(), marker_areas(picture.weights)[order])
    assert picture.line == (name == "two classes")
    if name in ("polygon", "collapsed"):
        np.testing.assert_allclose(plane.T @ plane, np.eye(2), atol=1e-12)


def test_polygon_is_a_regular_one_with_class_0_on_top():
    """d = 2: all rows of W, to scale up to one factor, 72° apart in some order, features on the same rays."""
    picture = feature_picture(report("polygon"))
    assert picture.classes == [0, 1, 2, 3, 4]
    angle = np.sort(np.arctan2(picture.tips[:, 1], picture.tips[:, 0]))
    np.testing.assert_allclose(np.diff(angle), 2 * np.pi / 5, atol=1e-5)
    assert picture.tips[0, 0] == pytest.approx(0, abs=1e-9) and picture.tips[0, 1] > 0
    pure = picture.labels.argmax(1)
    cosine = np.sum(picture.xy * picture.tips[pure], 1)
    cosine /= np.linalg.norm(picture.xy, axis=1) * np.linalg.norm(picture.tips[pure], axis=1)
    np.testing.assert_allclose(cosine, 1, atol=1e-9)


def test_a_line_of_three_classes_is_drawn():
    """d = 1 < K − 1: rows (1, 0, −1), not solved for."""
    law, W = onehot(), np.array([[1.0], [0.0], [-1.0]])
    line = handmade(JointProblem(finite_law(law, 3), 0.01, 0.01, 1), W, 2 * W[::-1])
    assert feature_picture(line).line
    figure = draw_joint(line)
    figure.draw_without_rendering()
    assert texts(panel(figure, "d")) == ["0", "2"] and "zero row: 1" in panel(figure, "d").get_xlabel()


def test_three_classes_that_lie_apart_are_chosen():
    assert shown_classes(report("balanced").solution.W) == [0, 1, 2]
    assert shown_classes(report("collapsed").solution.W) == [0, 1, 2, 3]  # rank two: all in one plane
    assert shown_classes(np.eye(5)[[0, 0, 1, 2, 3]]) == [0, 2, 3]
    assert "classes 2, 3" in texts(panel(drawn("collapsed"), "d"))


@pytest.mark.promise("pictures")
def test_atoms_purity_places_and_areas():
    labels = np.array([[0.7, 0.3, 0, 0], [0, 0, 0.5, 0.5], [0.05, 0.85, 0.05, 0.05], [0, 0, 1.0, 0]])
    assert atoms_of(labels, [0, 1, 2]).tolist() == [True, False, True, True]
    assert atoms_of(labels, [3]).tolist() == [True] * 4  # none of its own: all are drawn
    np.testing.assert_allclose(purity(labels), [0.4, 0.0, 0.8, 1.0])
    areas = marker_areas(np.array([1.0, 0.5, 1e-9]))
    assert areas[0] == 2 * areas[1] and areas[2] > 0
    tips = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1e-9]])
    assert [names for _, names in same_places(tips, [4, 5, 6], 1e-6)] == [[4, 6], [5]]


def test_zero_optimum_is_said_in_words_with_its_certificate():
    figure = drawn("trivial")
    words = " ".join(texts(figure.axes[0]))
    assert "The optimum is zero" in words and "outweigh" in words and "every score is a bias" in words
    assert figure.axes[1].get_title().startswith("Certificate")
    assert scattered(figure.axes[1], "below it").shape == (3, 2)


def test_a_zero_that_is_no_optimum_is_not_called_one():
    """Negative control: W = 0 below the threshold is a saddle."""
    honest = report("balanced")
    wrong = handmade(honest.problem, 0 * honest.solution.W, 0 * honest.solution.H)
    words = " ".join(texts(draw_joint(wrong).axes[0]))
    assert "saddle" in words and "outweigh" not in words and "The optimum is zero" not in words


@pytest.mark.promise("pictures")
def test_words_of_the_law_and_the_bias():
    assert name_law(kway(1.0, 3)) == r"3-way mixing, $\alpha$ = 1"
    many = replace(onehot(), class_weights=tuple(np.full(10, 0.1)))
    assert name_law(many).endswith("0.1, …") and name_law(many).count("0.1,") == 8
    assert [describe_bias(value) for value in (None, 0.0, 0.5)] == [
        "no bias",
        "free bias",
        r"$\lambda_b$ = 0.5",
    ]


def test_many_classes_are_drawn_without_their_names():
    """A simplex ETF of 22 classes, not solved for: W, H = 2W on one-hot labels."""
    K, law, W = 22, onehot(), simplex_etf(22, 21)
    large = handmade(JointProblem(finite_law(law, K), 0.01, 0.01, 21), W, 2 * W[::-1])
    figure = draw_joint(large)
    figure.draw_without_rendering()
    assert not texts(panel(figure, "a")) and len(texts(panel(figure, "d"))) == 3


def test_the_caption_is_of_its_report():
    solved = report("balanced")
    figure = drawn("balanced")
    assert f"m = {solved.multiplier:.6g}, " in figure.caption and "rank 3" in figure.caption
    assert f"at most {above(solved.relative_gap)} of itself (certified)" in figure.caption
    assert figure.caption.endswith("W is a simplex ETF: agrees.")
    theory = solved.theory._replace(value=1.01 * solved.multiplier)
    other = caption(replace(solved, theory=theory, etf_deviation=0.3))  # control
    assert "within 0.01 of the theorem's" in other and "ETF deviation 0.3," in other
    assert "the theorem's" not in drawn("cyclic").caption  # none speaks of it
    assert len(figure.seen) == 4 and "3 on it, 1 zero up to rounding" in figure.alt
    assert "2 above, 2 on it" in drawn("polygon").alt
    assert (
        "W = 0, the largest eigenvalue of M is" in drawn("trivial").caption
        and len(drawn("trivial").seen) == 2
    )


@pytest.mark.parametrize("name", ["balanced", "polygon", "trivial"])
def test_a_column_is_a_column(name):
    figure = draw_joint(report(name), "column")
    figure.draw_without_rendering()
    assert figure.get_figwidth() == 3.3 and figure.caption == drawn(name).caption
    assert below_one_another(figure) and not below_one_another(drawn(name))


def below_one_another(figure) -> bool:
    """Whether no panel stands beside another; a colour bar is none."""
    boxes = sorted(axes.get_position().intervaly.tolist() for axes in figure.axes if not axes.get_gid())
    return all(top <= bottom for (_, top), (bottom, _) in pairwise(boxes))


def test_saving_writes_a_picture(tmp_path):
    path = tmp_path / "joint.png"
    drawn("cyclic").savefig(path)
    assert path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size > 20_000
