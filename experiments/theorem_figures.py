"""Figures for the pages of theorems: the closed form as a line, blind optima as marks, a caption from the numbers.

    python -m experiments.theorem_figures [--only NAME …] [--out docs/figures]

Each is written as NAME.png, its words into captions.json there, which `docs/builder` puts on the theorem's page.
"""

import sys
from pathlib import Path

import tyro
from threadpoolctl import threadpool_limits

from experiments.tools.captions import write_caption
from ufm.commands.frame import guarded


def main(argv: list[str] | None = None) -> int:
    """Parse, solve, draw. 0, or 2 for wrong usage."""

    def options(only: tuple[str, ...] = (), out: Path = Path("docs/figures")):
        """Figures for the pages of theorems.

        Args:
            only: theorems; all that have a figure by default.
            out: folder of the PNGs and captions.json; made if it is missing.
        """
        return only, out

    only, out = tyro.cli(options, args=argv, prog="python -m experiments.theorem_figures")
    return guarded("theorem_figures", lambda: run(only, out), "stopped; what is written is whole")


def run(only: tuple[str, ...], out: Path) -> int:
    """Draw these, or all."""
    import scipy.optimize  # noqa: F401  so that its BLAS is there to be limited

    from ufm.runtime.start import start_jax

    start_jax()
    from experiments.figures.table import FIGURES, draw

    for name in only:
        if name not in FIGURES:
            print(f"theorem_figures: no figure for {name!r}; there are {', '.join(FIGURES)}", file=sys.stderr)
            return 2
    out.mkdir(parents=True, exist_ok=True)
    for name in only or FIGURES:
        with threadpool_limits(1, "blas"):  # matrices are small: its threads would only wait for one another
            caption = draw(name, out / f"{name}.png")
        write_caption(out, name, name, FIGURES[name].alt, caption)
        print(f"{name}: {caption}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
