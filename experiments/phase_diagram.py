"""The phases of the joint optimum under mixup, K = 4: solved points under the curves of the theory.

    python -m experiments.phase_diagram [--out DIR] [--quick]

(a) over (imbalance R, λ_W λ_H): classes 0, 1 of weight q_A and 2, 3 of weight q_B = q_A/R, α = 1;
(b) over (α, λ_W λ_H): equal weights. Cross-entropy, no bias, d = K, λ_W = λ_H.

Each point is solved blindly by `solve_joint` (no symmetry used), certified by the dual gap, and
its phase is read off its W:

  trivial    W = 0                                  theory: λ_max(E (y − 1/K)(y − 1/K)ᵀ) ≤ λ_W λ_H
  minority   w_2 = w_3 only                         theory: ρ q_B ≤ λ_W λ_H
  etf        a simplex ETF (equal weights)          theory: λ_W λ_H < (α+1)/((2α+1) K)
  distinct   no two rows equal, not an ETF          theory: otherwise

with ρ = E[λ² + (1−λ)²] = (α+1)/(2α+1); the large pair collapses only together with W = 0 (ρ q_A = λ_max).
A point counts as evidence where its relative gap is at most 1e-9 and it lies further than 0.1 % from
every curve (λ is a 16-node rule in the solved law).
Points are appended to the CSV one by one; a run that was stopped goes on where it stopped.
"""

import sys
from collections import Counter
from pathlib import Path
from typing import Annotated

import tyro

from experiments.phases.curves import predict, tally, theory
from experiments.phases.picture import draw
from experiments.phases.points import Setting, Solved, alpha_plane, fill, imbalance_plane, read_points
from ufm.commands.frame import guarded
from ufm.rules.errors import InputError

RESULTS = Path(__file__).parent / "results"


def track(settings: list[Setting]):
    """The settings, with a progress bar on standard error."""
    from rich.console import Console
    from rich.progress import track

    return track(settings, "solving points", console=Console(stderr=True))


def report(points: dict[Setting, Solved]) -> int:
    """Print one line a plane; returns the number of points that disagree or are not certified."""
    bad = 0
    print(
        f"{'plane':<11}{'points':>7}{'agree':>7}{'disagree':>10}{'not certified':>15}{'on a curve':>12}"
        "  phases"
    )
    for plane in ("imbalance", "alpha"):
        part = {setting: solved for setting, solved in points.items() if setting.plane == plane}
        counts, wrong = tally(part)
        phases = Counter(solved.region for solved in part.values())
        worst = max(solved.relative_gap for solved in part.values())
        print(
            f"{plane:<11}{len(part):>7}{counts.agree:>7}{counts.disagree:>10}{counts.uncertified:>15}"
            f"{counts.near:>12}  {', '.join(f'{name} {n}' for name, n in phases.most_common())}"
        )
        print(f"{'':<11}largest relative gap {worst:.1e}")
        for setting in wrong[:10]:
            curves = theory(setting.alpha, setting.imbalance)
            print(f"  disagrees: {setting}: {part[setting].region}, theory {predict(setting, curves)}")
        bad += counts.disagree + counts.uncertified
    return bad


def main(argv: list[str] | None = None) -> int:
    """Parse, solve what is missing, print the comparison, draw. 0: all agree, 1: not, 2: wrong usage."""

    def options(out: Path = RESULTS, quick: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False):
        """Phases of the joint optimum: solved points under the curves of the theory (PNG and CSV).

        Args:
            out: folder of the CSV and the PNG; made if it is missing.
            quick: a coarse grid, about 30 s.
        """
        return out, quick

    out, quick = tyro.cli(options, args=argv, prog="python -m experiments.phase_diagram")
    name = "phase_diagram_quick" if quick else "phase_diagram"
    size = (17, 21) if quick else (41, 49)
    settings = imbalance_plane(*size) + alpha_plane(*size)
    try:
        out.mkdir(parents=True, exist_ok=True)
        read_points(out / f"{name}.csv")
    except (OSError, InputError) as error:
        print(f"phase_diagram: {error}", file=sys.stderr)
        return 2
    return guarded("phase_diagram", lambda: run(out / name, settings), "stopped; run it again to go on")


def run(stem: Path, settings: list[Setting]) -> int:
    """Solve, print, draw; the exit code."""
    from ufm.runtime.start import start_jax

    start_jax()
    points = fill(stem.with_suffix(".csv"), track(settings))
    bad = report(points)
    draw(points, theory, stem.with_suffix(".png"))
    print(f"wrote {stem.with_suffix('.csv')} and {stem.with_suffix('.png')}")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
