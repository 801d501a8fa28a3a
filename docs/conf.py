"""Settings of the pages: `python -m sphinx -EW --keep-going docs build/docs` at the top, offline."""

from pathlib import Path

import ziamath

import ufm

FONT = Path(ziamath.__file__).parent / "fonts" / "STIXTwoMath-Regular.ttf"
BUILDER = ["docs.builder.mathml", "docs.builder.docstrings", "docs.builder.pages"]

project, author = "ufm", "the ufm contributors"
version = release = ufm.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", *BUILDER]
exclude_patterns = ["builder", "static"]
myst_enable_extensions = ["dollarmath"]
myst_dmath_double_inline = True
myst_heading_anchors = 3
highlight_language = "none"
smartquotes = False  # p'' is no quotation
html_theme = "furo"
html_title = f"ufm {release}"
html_static_path = ["static", str(FONT)]
html_css_files = ["site.css"]
html_extra_path = ["generated/whole"]  # the explorer, a page of its own
html_copy_source = html_show_sourcelink = html_show_copyright = False
html_math_renderer = "mathml"  # drawn by the browser itself, in a font that comes with the pages
