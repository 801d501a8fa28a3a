"""The gallery: every page prints what it says, changed and unchanged; its figure and its notebook are of it."""

import contextlib
import io
import json
import re

import matplotlib
import pytest
from PIL import Image

from docs.builder.gallery import BLOCK, INSTALL, digest, notebook, pages, read
from docs.builder.pages import ROOT
from ufm.theory.theorems.catalogue import THEOREMS

PAGES = {page.stem: page for page in pages()}
QUICK = {"channels", "calibration", "squared-error"}  # the others take seconds, most of them of compiling


def printed(code: str, names: dict) -> str:
    """What a block prints, in a style of its own, as if no other had run."""
    with contextlib.redirect_stdout(io.StringIO()) as out, matplotlib.rc_context():
        matplotlib.use("agg")
        exec(code, names)
        matplotlib.pyplot.close("all")
    return out.getvalue()


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name not in QUICK)) for name in PAGES]
)
def test_a_page_prints_what_it_says_and_its_change_undoes_it(name, tmp_path, monkeypatch):
    """The one run of a page's code: the cell of its notebook is the same (below). Without files of the checkout."""
    monkeypatch.chdir(tmp_path)
    shown = read(PAGES[name])
    assert printed(shown.code, {}) == shown.said
    assert printed(shown.changed, {}) == shown.said_then
    assert shown.said and shown.said != shown.said_then
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_a_figure_is_of_the_code_that_its_page_shows(page):
    with Image.open(page.with_suffix(".png")) as figure:
        assert figure.text["Description"] == digest(read(page).code), (
            f"python -m docs.builder.gallery {page.stem}"
        )


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_a_notebook_is_its_page(page):
    """Package, text, the page's code to the letter, text; nothing that leads nowhere outside these pages."""
    made = json.loads(json.dumps(notebook(page)))
    texts = ["".join(cell["source"]) for cell in made["cells"]]
    assert [cell["cell_type"] for cell in made["cells"]] == ["markdown", "code", "code", "markdown"]
    assert texts[1] == INSTALL and texts[2] + "\n" == read(page).code
    assert not re.search(r"\]\(|<a |\{download\}|!\[", texts[0] + texts[3])
    assert texts[0].startswith("# ") and "**Try this**" in texts[3]


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_a_page_has_all_its_parts(page):
    """A title, a figure in words, a caption, theorems that exist, its notebook; float64 and style are its own."""
    text, code = page.read_text(encoding="utf-8"), read(page).code
    assert re.match(r"# [^\n]{20,}\n\n[^\n]", text)
    assert re.search(rf"\n!\[[^]]{{60,}}\]\({page.stem}\.png\)\n\n\*[^\n]+\*\n\n```python\n", text)
    named = re.findall(r"\[([\w-]+)\]\(\.\./generated/theorems/([\w-]+)\.md\)", text)
    assert named and all(name == file and name in THEOREMS for name, file in named)
    assert f"{{download}}`{page.stem}.ipynb <../generated/gallery/{page.stem}.ipynb>`" in text
    assert 'jax.config.update("jax_enable_x64", True)' in code and 'plt.style.use("ufm.pictures.ufm")' in code


def test_the_index_has_every_page_once():
    text = (ROOT / "docs" / "gallery" / "index.md").read_text(encoding="utf-8")
    assert len(PAGES) == 12
    for name in PAGES:
        assert text.count(f"]({name}.md)") == 2 and text.count(f"({name}.png)") == 1 == text.count(
            f"<{name}>"
        )


@pytest.mark.parametrize(
    "old, new, error",
    [
        ("```python\n", "```py\n", "not one block"),
        ("**Try this**", "Try this", "not one block"),
        ('in place of `"cross-entropy"`', "in place of `nowhere`", "0 times in its code"),
        ('in place of `"cross-entropy"`', "in place of `problem`", "times in its code, not once"),
    ],
)
def test_a_page_of_another_form_is_refused(tmp_path, old, new, error):
    """Negative control."""
    text = PAGES["channels"].read_text(encoding="utf-8")
    assert text.count(old) == 1 and BLOCK.search(text)
    page = tmp_path / "channels.md"
    page.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ValueError, match=error):
        read(page)
