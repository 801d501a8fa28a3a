"""Phase diagrams of joint optima: points that are solved blindly under the curves of the theory.

    python -m experiments.phase_diagram [--only focal relu …] [--quick] [--out DIR] [--pictures DIR]

imbalance   mixup with two large and two small classes, over q_A/q_B and λ_W λ_H
alpha       mixup of balanced classes, over α and λ_W λ_H
smoothing   hierarchical smoothing: classes, superclasses, zero
bias        squared error with a penalty on the bias: frame, simplex, zero
relu        features that are never negative: alive, minority dead, all dead
peeled      budgets in place of penalties: where the minority is one point
focal       focal loss with 30 classes: simplex, simplex with a trap at zero, zero

No solver knows a symmetry or a curve; the phase is read off W and the features. A point counts where its relative
gap is at most 1e-9 (the focal loss has no bound: the best of some starts) and it lies further from every curve
than the root of that gap, and than 0.1 %. Points are appended to a CSV a diagram one by one: a run that was stopped
goes on where it stopped.
"""

import sys
from collections import Counter
from pathlib import Path
from typing import Annotated, Literal

import tyro
from threadpoolctl import threadpool_limits

from experiments.phases.frame import Diagram, Points, tally, verdict
from experiments.phases.picture import counted, draw
from experiments.phases.store import fill, read_points
from experiments.phases.table import DIAGRAMS
from experiments.tools.captions import write_caption
from ufm.commands.frame import guarded
from ufm.rules.errors import InputError

RESULTS = Path(__file__).parent / "results"
Name = Literal["imbalance", "alpha", "smoothing", "bias", "relu", "peeled", "focal"]


def track(settings: list, name: str):
    """The settings, with a progress bar on standard error."""
    from rich.console import Console
    from rich.progress import track

    return track(settings, f"solving {name}", console=Console(stderr=True))


def report(diagram: Diagram, points: Points) -> int:
    """Print what became of the points; returns how many contradict the curves or are not certified."""
    counts = tally(diagram, points)
    phases = Counter(found.phase for found in points.values())
    print(
        f"{diagram.name:<11}{len(points):>7}{counts.agree:>7}{counts.contradict:>11}{counts.undecided:>11}"
        f"{counts.uncertified:>15}  {', '.join(f'{name} {n}' for name, n in phases.most_common())}"
    )
    wrong = [at for at, found in points.items() if verdict(diagram, at, found) == "contradict"]
    for at in wrong[:10]:
        print(f"  contradicts: {at}: {points[at].phase}, theory {diagram.predict(*at)}")
    return counts.contradict + counts.uncertified


def main(argv: list[str] | None = None) -> int:
    """Parse, solve what is missing, print the comparison, draw. 0: all agree, 1: not, 2: wrong usage."""

    def options(
        only: tuple[Name, ...] = (),
        out: Path = RESULTS,
        pictures: Path | None = None,
        quick: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    ):
        """Phase diagrams: solved points under the curves of the theory (PNG and CSV).

        Args:
            only: diagrams to make; all by default.
            out: folder of the CSVs; made if it is missing.
            pictures: folder of the PNGs; that of the CSVs by default.
            quick: a coarse grid, a minute for all.
        """
        return [DIAGRAMS[name] for name in only] or list(DIAGRAMS.values()), out, pictures or out, quick

    chosen, out, pictures, quick = tyro.cli(options, args=argv, prog="python -m experiments.phase_diagram")
    tables = {diagram.name: out / f"phases-{diagram.name}{'-quick' * quick}.csv" for diagram in chosen}
    try:
        for folder in (out, pictures):
            folder.mkdir(parents=True, exist_ok=True)
        for path in tables.values():
            read_points(path)
    except (OSError, InputError) as error:
        print(f"phase_diagram: {error}", file=sys.stderr)
        return 2
    return guarded(
        "phase_diagram", lambda: run(chosen, tables, pictures, quick), "stopped; run it again to go on"
    )


def run(chosen: list[Diagram], tables: dict[str, Path], pictures: Path, quick: bool) -> int:
    """Solve, print, draw; the exit code."""
    import scipy.optimize  # noqa: F401  so that its BLAS is there to be limited

    from ufm.runtime.start import start_jax

    start_jax()
    bad = 0
    print(
        f"{'diagram':<11}{'points':>7}{'agree':>7}{'contradict':>11}{'undecided':>11}{'not certified':>15}  phases"
    )
    for diagram in chosen:
        with threadpool_limits(1, "blas"):  # matrices are small: its threads would only wait for one another
            points = fill(tables[diagram.name], track(diagram.grid(quick), diagram.name), diagram.solve)
        bad += report(diagram, points)
        picture = tables[diagram.name].stem
        draw(diagram, points, pictures / f"{picture}.png")
        caption = f"{diagram.title}. {counted(diagram, points)}."
        write_caption(pictures, picture, diagram.theorem, diagram.alt, caption)
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
