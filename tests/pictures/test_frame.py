"""The frame of every picture: style, sizes, formats, and the words in its files."""

import re
import xml.etree.ElementTree as ET

import matplotlib
import numpy as np
import pytest
from matplotlib.image import imread

from ufm.pictures.frame import WIDTHS, Picture, picture
from ufm.rules.errors import InputError
from ufm.rules.files import PICTURES, picture_path

CAPTION, SEEN = "a = 1 ≤ λ", ("<dots> on a line", "nothing")
SVG = "{http://www.w3.org/2000/svg}"


def drawn(size="text", *lines: list[str]) -> Picture:
    """Two small panels with words."""
    with picture(size, {"text": 1.5, "column": 1.5}, *lines) as figure:
        left, right = figure.subplots(1, 2)
        left.plot([0, 1], [0, 1], label=r"$\lambda_W$")
        right.set_title("words to be found")
    figure.caption, figure.seen = CAPTION, SEEN
    return figure


def test_the_settings_of_the_caller_neither_reach_a_picture_nor_are_changed():
    plain = drawn().image()
    with matplotlib.rc_context({"font.size": 30, "axes.spines.top": True, "svg.fonttype": "path"}):
        before = dict(matplotlib.rcParams)
        assert drawn().image() == plain
        assert dict(matplotlib.rcParams) == before
        matplotlib.rcParams["font.size"] = 31  # control: what is compared would show a change
        assert dict(matplotlib.rcParams) != before


def test_settings_come_back_after_a_picture_that_fails():
    before = dict(matplotlib.rcParams)
    with pytest.raises(ZeroDivisionError), picture("text", {"text": 1.0}):
        assert dict(matplotlib.rcParams) != before
        _ = 1 / 0
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize("kind", PICTURES)
def test_a_file_is_the_same_bytes_each_time_and_not_those_of_another(kind, tmp_path):
    path = tmp_path / f"a.{kind}"
    drawn().savefig(path)
    assert path.read_bytes() == drawn().image(kind)
    other = drawn()
    other.axes[0].set_xlim(0, 2)
    assert other.image(kind) != path.read_bytes()


def test_a_png_has_its_words(tmp_path):
    from PIL import Image

    figure = drawn()
    figure.savefig(tmp_path / "a.PNG")
    with Image.open(tmp_path / "a.PNG") as image:
        assert image.text["Title"] == CAPTION and image.text["Description"] == figure.alt
        assert image.size == (WIDTHS["text"] * 200, 300)
    assert imread(tmp_path / "a.PNG", format="png").shape == (300, 1380, 4)
    assert figure.alt == "2 panels. (a) <dots> on a line (b) nothing"


def test_an_svg_has_its_words_and_text_is_text():
    root = ET.fromstring(drawn("column").image("svg"))
    assert root.attrib["role"] == "img" and root.attrib["width"] == f"{72 * WIDTHS['column']:g}pt"
    assert root.find(f"{SVG}title").text == CAPTION
    assert root.find(f"{SVG}desc").text == drawn().alt
    texts = [part.text for part in root.iter(f"{SVG}text")]
    assert "words to be found" in texts
    assert not re.search(r"\d\d:\d\d:\d\d", ET.tostring(root, "unicode"))  # no date


def test_a_pdf_has_its_words():
    data = drawn("column").image("pdf")
    assert data.startswith(b"%PDF") and CAPTION.encode("utf-16-be") in data and b"CreationDate" not in data
    box = re.search(rb"/MediaBox \[([^]]*)\]", data)
    np.testing.assert_allclose([float(end) for end in box[1].split()], [0, 0, 72 * 3.3, 72 * 1.5])


def test_a_notebook_sees_the_words_too():
    html = drawn()._repr_html_()
    assert 'alt="2 panels. (a) &lt;dots&gt; on a line (b) nothing"' in html
    assert f"<figcaption>{CAPTION}</figcaption>" in html and "data:image/png;base64," in html


def test_titles_stay_within_the_width():
    long = " ".join(["word"] * 30)
    for size in WIDTHS:
        figure = drawn(size, [long, "$K$ = 10", "more"], ["last"])
        figure.draw_without_rendering()
        assert figure.get_suptitle().endswith("\nlast") and long not in figure.get_suptitle()
        box = figure._suptitle.get_window_extent()
        assert box.x0 > 0 and box.x1 < figure.bbox.width


def test_another_size_is_refused():
    with pytest.raises(InputError, match="size must be one of text, column"), picture("page", {"page": 1.0}):
        pass


@pytest.mark.parametrize(
    "path, kind, found",
    [
        ("a.png", None, "a.png"),
        ("b/a.svg", "svg", "b/a.svg"),
        ("a.PDF", None, "a.PDF"),
        ("b/a", "pdf", "b/a.pdf"),
        ("a", None, None),
        ("a.txt", None, None),
        ("a.txt", "png", None),
        ("a.png", "svg", None),
        (".", "png", None),
        ("..", "png", None),
    ],
)
def test_a_name_and_a_format_agree(path, kind, found):
    if found is not None:
        assert str(picture_path("--plot", path, kind)) == found
        return
    with pytest.raises(InputError, match=r"^--plot (must end in \.png or \.pdf or \.svg|ends in \.png, but)"):
        picture_path("--plot", path, kind)
