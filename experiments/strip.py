"""python -m experiments.strip: the training of one network towards the theorem's curve, as a strip of panels.

One network of preset terminal (Fashion-MNIST, mixup, first seed) is trained once. Each panel has the features of
the same mixtures of three classes at one step, in the same axes: the plane of three rows of the *last* W; the unit
is the theorem's length of an unmixed feature. The curve is the theorem's, from λ_W, λ_H, K and α alone, turned onto
the last W. R²: of the features of 6000 mixtures of all classes about it (negative: worse than their mean).
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from ufm.commands.frame import command

PROGRAM = "experiments.strip"
RESULTS = Path(__file__).parent / "results" / "strip"
NAME = "terminal-strip"


@dataclass
class Arguments:
    """Train one network of preset terminal and draw it at six steps: terminal-strip.png.

    Exit code: 0 drawn, 2 wrong usage or a run that diverged.
    """

    out: Path = RESULTS
    """Where the figure goes."""
    data_dir: Path | None = None
    """Folder of Fashion-MNIST's files, if it is not installed."""
    quick: bool = False
    """The recipe in small, on the embedded digits: terminal-strip-quick.png."""


def run(args: Arguments, argv: list[str]) -> int:
    """Everything after parsing. Raises InputError for bad values before any work."""
    from experiments.terminal.cells import CELLS, quick_cells
    from experiments.tools.arguments import check_folder
    from experiments.tools.extras import require_extras

    require_extras()
    check_folder("--out", args.out)
    from ufm.runtime.start import start_jax

    start_jax()
    from experiments.reproduction.report import write_figure
    from experiments.terminal.strip import draw_strip, watch

    cell = quick_cells()[0] if args.quick else CELLS[0]
    seen = watch(cell, None if args.data_dir is None else str(args.data_dir))
    write_figure(args.out / f"{NAME}{'-quick' if args.quick else ''}.png", draw_strip(seen))
    for step, r2 in zip(seen.steps, seen.r2):
        print(f"step {step}: R² of features {r2:.4f}")
    return 0


main = command(PROGRAM, Arguments, run)


if __name__ == "__main__":
    sys.exit(main())
