"""One browser with the explorer open, for the tests of a file."""

import json
from contextlib import contextmanager
from pathlib import Path

import pytest

from experiments.tools.browser import BROWSERS, Browser, installed
from ufm.explore.document import explorer_page


@contextmanager
def opened(folder: Path):
    """A browser, the page's file, and nothing said so far."""
    if installed() is None:
        pytest.skip(f"none of {', '.join(BROWSERS)} is installed")
    page = folder / "ufm.html"
    page.write_text(explorer_page(), encoding="utf-8")
    with Browser() as browser:
        browser.size(1280, 900)
        browser.open(page.as_uri())
        yield browser, page.as_uri()


def rested(browser: Browser, code: str = "ufm.state") -> dict:
    """The value of an expression, once what was asked for is drawn."""
    browser.run("new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)))")
    return browser.run(code)


def to_state(browser: Browser, **part) -> None:
    """Change the state as a control would, and wait until it is drawn."""
    browser.run(f"ufm.change({json.dumps(part)})")
    rested(browser, "0")


UNTIL = """new Promise((done) => {
  const end = performance.now() + 10000;
  const look = () => ((%s) || performance.now() > end ? done() : setTimeout(look, 10));
  look();
})"""


def until(browser: Browser, condition: str) -> None:
    """Wait until an expression holds, or so long that what is asserted of it will fail."""
    browser.run(UNTIL % condition)
