"""The picture of a comparison without colour: no legend over points, and lines that differ in shape."""

from html import escape

import numpy as np
import pytest

import ufm
from tests.activations import mixup
from ufm.pictures.compare_classes import _map
from ufm.pictures.frame import picture
from ufm.pictures.tracker import draw_tracker

K, D, N = 3, 6, 120
I, J, LAM, Y = mixup(N, K)
W = ufm.simplex_etf(K, D, 2.0)
H = Y @ W + 0.2 * np.random.default_rng(0).normal(size=(N, D))
HELD = {"logits": 3 * H @ W.T, "y_logits": Y.argmax(1)}


def covered(axes) -> int:
    """Points below the legend of a panel."""
    axes.figure.draw_without_rendering()
    box = axes.get_legend().get_window_extent()
    points = [part.get_offsets() for part in axes.collections] + [line.get_xydata() for line in axes.lines]
    pixels = axes.transData.transform(
        np.concatenate([np.asarray(part, float) for part in points if len(part)])
    )
    return int(sum(box.contains(*pixel) for pixel in pixels if np.isfinite(pixel).all()))


@pytest.mark.parametrize("held", [{}, HELD], ids=["alignment", "reliability"])
def test_the_legend_of_f_covers_nothing(held):
    report = ufm.compare_network(H=H, W=W, i=I, j=J, lam=LAM, replicates=2, **held)
    (axes,) = [part for part in report.plot().axes if part.get_title().startswith("(f)")]
    assert covered(axes) == 0
    axes.set_ylim(-0.05, 1.02)  # control: without the room above
    axes.legend(loc="upper right")
    assert covered(axes) > 0


def test_the_legend_of_f_names_what_is_there():
    for given, points in [({"y": Y.argmax(1)}, 1), ({"i": I, "j": J, "lam": LAM}, 2)]:
        figure = ufm.compare_network(H=H, W=W, replicates=2, **given).plot()
        assert len(figure.axes[5].get_legend().get_texts()) == points


def test_the_caption_is_of_its_comparison():
    report = ufm.compare_network(H=H, W=W, i=I, j=J, lam=LAM, replicates=2)
    figure = report.plot(size="column")
    assert figure.get_figwidth() == 3.3 and len(figure.seen) == 6
    figure.draw_without_rendering()
    assert figure.get_tightbbox().x0 >= 0 and figure.get_tightbbox().x1 <= 3.3  # no word is cut off
    assert f"{N} samples of K = {K} classes in {D} dimensions" in figure.caption
    assert f"a = {report.a:.4g} (fitted), R² {report.fit.r2:.3f} " in figure.caption
    assert figure.caption.endswith(f": {report.word}.")
    page = report.page()
    assert page.count("<img alt=") == 6 and f"<figcaption>{escape(figure.caption)}</figcaption>" in page
    for seen in figure.seen:
        assert escape(seen) in page
    other = ufm.compare_network(H=2 * H, W=W, i=I, j=J, lam=LAM, replicates=2)  # control
    assert other.plot().caption != figure.caption


def test_lines_of_a_panel_differ_without_colour():
    report = ufm.compare_network(H=H, W=W, i=I, j=J, lam=LAM, replicates=2, **HELD)
    rows = [{"epoch": n, "nc1": 1.0, "nc1_ratio": 2.0, "cdnv": 3.0} for n in range(3)]
    panels = {part.get_title()[:3]: part for part in report.plot().axes}
    for axes in (panels["(b)"], panels["(c)"], panels["(f)"], *draw_tracker(rows).axes):
        lines = [line for line in axes.lines if len(line.get_xdata()) > 2 and line.get_marker() != "_"]
        looks = [(line.get_linestyle(), line.get_marker()) for line in lines]
        assert len(looks) > 1 and len(set(looks)) == len(looks)


def test_opposite_cosines_of_one_grey_are_written():
    with picture("column", {"column": 3.3}) as figure:
        axes = figure.add_subplot()
        _map(figure, axes, np.array([[1.0, -1.0], [-1.0, 1.0]]), "two")
    assert [text.get_text() for text in axes.texts] == ["1.00", "-1.00", "-1.00", "1.00"]
    figure.draw_without_rendering()
    assert all(float(tick).is_integer() for tick in axes.get_xticks())
