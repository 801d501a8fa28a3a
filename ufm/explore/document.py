"""The page as text: one file that fetches nothing, and says so to the browser."""

import base64
import hashlib
import json
from html import escape

from ufm.explore.bundle import PAGE, script
from ufm.explore.theorems import theorem_data

POLICY = (
    "default-src 'none'; script-src 'sha256-{}'; style-src 'unsafe-inline'; img-src data: blob:; "
    "base-uri 'none'; form-action 'none'"
)


def explorer_page() -> str:
    """HTML of the explorer; its program is the only one that the page's policy lets run."""
    program = script()
    digest = base64.b64encode(hashlib.sha256(program.encode("utf-8")).digest()).decode("ascii")
    parts = {
        "{policy}": POLICY.format(digest),
        "{style}": (PAGE / "style.css").read_text(encoding="utf-8"),
        "{theorems}": json.dumps(theorem_data(), ensure_ascii=False).replace("<", "\\u003c"),
        "{script}": program,
    }
    page = (PAGE / "template.html").read_text(encoding="utf-8")
    for name, text in parts.items():
        page = page.replace(name, text)
    return page


class Explorer:
    """The explorer in a notebook: shows itself, in a frame that fetches nothing."""

    def __init__(self, height: int = 900):
        self.height = height

    def __repr__(self) -> str:
        return "Explorer(): shows itself in a notebook"

    def _repr_html_(self) -> str:
        """A frame with the page inside."""
        page = escape(explorer_page(), quote=True)
        style = f"width: 100%; height: {int(self.height)}px; border: 0"
        return f'<iframe sandbox="allow-scripts allow-downloads" style="{style}" srcdoc="{page}"></iframe>'
