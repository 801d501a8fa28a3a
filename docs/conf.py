"""Settings of the documentation: `python -m sphinx --fail-on-warning docs build/docs`, without a network."""

import sys
from pathlib import Path

import ziamath

ROOT = Path(__file__).resolve().parent.parent
FONT = Path(ziamath.__file__).parent / "fonts" / "STIXTwoMath-Regular.ttf"
sys.path[:0] = [str(ROOT), str(ROOT / "docs")]

import ufm

project, author = "ufm", "the ufm contributors"
version = release = ufm.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "builder.mathml", "builder.docstrings", "builder.pages"]
exclude_patterns = ["builder", "static"]
myst_enable_extensions = ["dollarmath"]
myst_dmath_double_inline = True
myst_heading_anchors = 3
html_theme = "furo"
html_title = f"ufm {release}"
html_static_path = ["static", str(FONT)]
html_css_files = ["site.css"]
html_copy_source = html_show_sourcelink = False
html_math_renderer = "mathml"  # drawn by the browser itself, in a font that comes with the pages
highlight_language = "none"
