"""python -m experiments.explore_frames: how long a frame of the explorer takes, beside one in which nothing moves.

A headless browser opens the page; in every frame one number moves, as if it were dragged, and what is drawn is all
that a window of 1280 x 900 shows. `work` is the time that the page itself takes to compute and write what changed;
`frame` the time from one frame to the next, with layout and painting; in the first row nothing moves.
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

from experiments.tools.arguments import count, written
from experiments.tools.browser import Browser, installed
from ufm.commands.frame import guarded
from ufm.explore.document import explorer_page
from ufm.rules.errors import InputError

STATES = [
    ("mixup", 10, "lam"),
    ("mixup", 10, "lw"),
    ("mixup", 10, "alpha"),
    ("mixup", 1000, "lam"),
    ("mixup", 1000, "lw"),
    ("mixup", 1000, "alpha"),
    ("onehot", 1000, "lw"),
    ("cutmix", 10, "lw"),
    ("cutmix", 1000, "alpha"),
    ("kway", 10, "lam"),
    ("kway", 10, "lw"),
    ("kway", 10, "alpha"),
    ("own", 1000, "lw"),
    ("mixup", 4, "lam"),
]
VALUES = {"lam": "0.2 + 0.5 * n / frames", "lw": "2e-4 * 1.02 ** n", "alpha": "0.5 + n / frames"}
WORDS = {"lam": "λ", "lw": "λ_W", "alpha": "α"}
CODE = """(async (name, value, frames) => {
  const next = () => new Promise((done) => requestAnimationFrame(done));
  const [work, frame] = [[], []];
  await next();
  for (let n = 0, last = await next(); n < frames; n++) {
    if (name) {
      const begun = performance.now();
      ufm.state[name] = value(n, frames);
      ufm.refresh();
      work.push(performance.now() - begun);
    }
    const now = await next();
    frame.push(now - last);
    last = now;
  }
  return [work, frame];
})"""


def quantiles(values: list[float]) -> str:
    """Least, median and 95th percentile, in milliseconds."""
    some = sorted(values)
    middle, late = some[len(some) // 2], some[min(len(some) - 1, int(0.95 * len(some)))]
    return f"{some[0]:.1f}, {middle:.1f}, {late:.1f}"


def measure(browser: Browser, frames: int) -> list[tuple[str, str, str]]:
    """(what moves, work, frame), the first row where nothing moves."""
    _, empty = browser.run(f"{CODE}(null, null, {frames})")
    rows = [("nothing", "", quantiles(empty))]
    for law, K, name in STATES:
        state = {"law": law, "K": K, "lam": 0.3, "alpha": 1, "lw": 5e-4, "ways": 3, "own": [0.6, 0.3, 0.1]}
        browser.run(f"ufm.change({json.dumps(state)}); new Promise((done) => setTimeout(done, 300))")
        moving = f"(n, frames) => {VALUES[name]}"
        browser.run(f"{CODE}('{name}', {moving}, 10)")  # what is compiled is compiled
        work, frame = browser.run(f"{CODE}('{name}', {moving}, {frames})")
        rows.append((f"{WORDS[name]} of {law}, K = {K}", quantiles(work), quantiles(frame)))
    return rows


def page(rows: list[tuple[str, str, str]], frames: int) -> str:
    """The table as a page."""
    lines = [f"| {what} | {work} | {frame} |" for what, work, frame in rows]
    return "\n".join(
        [
            "# A frame of the explorer",
            "",
            "`python -m experiments.explore_frames --output docs/explore_frames.md`",
            "",
            "Milliseconds, least, median and 95th percentile of "
            f"{frames} frames: the page's own work, and from one frame to the next.",
            f"On {os.cpu_count()} processors without a graphics card, at a load of {os.getloadavg()[0]:.0f} "
            "by other programs.",
            "",
            "| moves | work | frame |",
            "| --- | --- | --- |",
            *lines,
            "",
        ]
    )


def main(argv: list[str] | None = None) -> int:
    """Open, move, report."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--frames", type=count, default=120, help="frames of each kind")
    parser.add_argument(
        "--output", type=written, default=None, metavar="PATH.md", help="write the table there"
    )
    args = parser.parse_args(argv)
    if installed() is None:
        raise InputError("no browser is installed: chromium, chromium-headless-shell or google-chrome")
    with tempfile.TemporaryDirectory() as folder, Browser() as browser:
        path = Path(folder) / "ufm.html"
        path.write_text(explorer_page(), encoding="utf-8")
        browser.size(1280, 900)
        browser.open(path.as_uri())
        text = page(measure(browser, args.frames), args.frames)
    print(text)
    if args.output:
        Path(args.output).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(guarded("experiments.explore_frames", main))
