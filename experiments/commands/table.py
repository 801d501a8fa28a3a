"""Every command that README.md, CONTRIBUTING.md and docs/ show, once, with its class.

tests/house/test_shown.py holds it against them.

    short   ends within 30 seconds on 2 cores: run many times by `python -m experiments.loop`
    long    run once in its cut form, parsed as shown
    hosts   needs other hosts, hardware or data: parsed as shown; the cut form stands in for it on this machine
    setup   installs, or runs everything: `.ci/run` does so itself, in a fresh environment

{…} in a cut form is filled in by `experiments.commands.run`: {coordinator}, {process}.
"""

from typing import NamedTuple

SHORT, LONG, HOSTS, SETUP = CLASSES = ("short", "long", "hosts", "setup")


class Row(NamedTuple):
    """words: as shown, after `python -m`. cut: what runs in its place; None: the words.

    files: what it reads, made by `experiments.commands.files`; codes: exit codes that are right.
    processes: how many run the cut form together. why: no page shows it, and it is run nevertheless.
    """

    words: str
    kind: str
    cut: str | None = None
    files: tuple[str, ...] = ()
    codes: tuple[int, ...] = (0,)
    processes: int = 1
    why: str | None = None

    @property
    def runs(self) -> str:
        """The words that are run."""
        return self.words if self.cut is None else self.cut


MEET = "--distributed --coordinator {coordinator} --processes 2 --process {process}"
IDX = "data/"  # Fashion-MNIST is not everywhere

ROWS = (
    Row("ufm.solve --classes 10 --alpha 1.0", SHORT),
    Row("ufm.solve --classes 10 --alpha 1.0 --plot docs/features.png", SHORT, files=("docs/",)),
    Row("ufm.solve --classes 10 --classifier free", SHORT),
    Row("ufm.solve --classes 10 --classifier W.npy", SHORT, files=("W.npy",), why="it hung in every run"),
    Row(
        "ufm.solve --classes 10 --classifier free --alpha 0.2 --json -",
        SHORT,
        why="it hung in half of its runs",
    ),
    Row("ufm.solve --help", SHORT),
    Row("ufm.verify --classes 7 --alpha 0.4", SHORT),
    Row("ufm.verify --list", SHORT),
    Row("ufm.verify --list --loss squared-error --bias 0.3", SHORT),
    Row("ufm.verify --classes 4 --dim 3 --labels onehot --variant norm-constrained=1.3,2", SHORT),
    Row(
        "experiments.second_solver --json docs/second_solver.json",
        LONG,
        "experiments.second_solver",
        codes=(0, 2),
    ),
    Row(
        "ufm.conjecture threshold.py",
        LONG,
        "ufm.conjecture threshold.py --settings 8",
        files=("threshold.py",),
    ),
    Row(
        "ufm.conjecture squared_error.py",
        LONG,
        "ufm.conjecture squared_error.py --at dim=1",
        files=("squared_error.py",),
        codes=(1,),
    ),
    Row(
        "ufm.conjecture smoothing.py --json smoothing.json",
        LONG,
        "ufm.conjecture smoothing.py --settings 30 --json smoothing.json",
        files=("smoothing.py",),
        codes=(1,),
    ),
    Row(
        "experiments.conjectures --out docs/conjectures/judged.md",
        LONG,
        "experiments.conjectures --only never --out judged.md",
    ),
    Row(
        "ufm.compare run/*.npz --report runs.html",
        LONG,
        "ufm.compare activations.npz other.npz --report runs.html",
        files=("activations.npz", "other.npz"),
    ),
    Row("ufm.compare activations.npz --report network.html", SHORT, files=("activations.npz",)),
    Row("ufm.explore", SHORT),
    Row("ufm.explore --out page.html", SHORT),
    Row(
        "experiments.explore_frames --output docs/explore_frames.md",
        LONG,
        "experiments.explore_frames --frames 5 --output frames.md",
    ),
    Row("ufm.sweep grid.toml", SHORT, files=("grid.toml",)),
    Row("experiments.minimal", SHORT),
    Row("experiments.phase_diagram", LONG, "experiments.phase_diagram --quick"),
    Row(
        "experiments.theorem_figures",
        LONG,
        "experiments.theorem_figures --only bce-no-bias inverse-design --out figures",
    ),
    Row(
        "experiments.phase_diagram --only focal",
        LONG,
        "experiments.phase_diagram --only alpha --quick",
    ),
    Row(
        "experiments.train --data digits --arm mixup --epochs 100 --save activations.npz",
        LONG,
        "experiments.train --data digits --arm mixup --epochs 2 --save activations.npz",
    ),
    Row(
        "experiments.claims --preset digits --out claims",
        LONG,
        "experiments.claims --preset digits --quick --seeds 1 --out claims",
    ),
    Row(
        "experiments.claims --preset digits --out docs/claims",
        LONG,
        "experiments.claims --preset digits --dry-run --out docs/claims",
    ),
    Row(
        "experiments.claims --preset fashion --out claims",
        HOSTS,
        "experiments.claims --preset fashion --quick --seeds 1 --data-dir data --out claims",
        (IDX,),
    ),
    Row(
        "experiments.claims --preset fashion --out docs/claims",
        HOSTS,
        "experiments.claims --preset fashion --dry-run --out docs/claims",
    ),
    Row(
        "experiments.claims --preset terminal",
        LONG,
        "experiments.claims --preset terminal --dry-run --out docs/claims",
    ),
    Row(
        "experiments.claims --preset terminal --jobs 2 --out claims",
        LONG,
        "experiments.claims --preset terminal --quick --jobs 2 --out claims",
    ),
    Row(
        "experiments.claims --preset terminal --jobs 2 --out docs/claims",
        HOSTS,
        "experiments.claims --preset terminal --jobs 2 --dry-run --out docs/claims",
    ),
    Row(
        "experiments.longer --jobs 2 --out docs/claims",
        HOSTS,
        "experiments.longer --quick --jobs 2 --out docs/claims",
    ),
    Row("experiments.strip --out docs", HOSTS, "experiments.strip --quick --out docs"),
    Row(
        "experiments.laws --out docs/claims",
        HOSTS,
        "experiments.laws --dataset digits --seeds 1 --first-seed 100 --steps 5 --out docs/claims",
    ),
    Row(
        "experiments.distance_law --jobs 2 --out docs/claims",
        HOSTS,
        "experiments.distance_law --quick --out docs/claims",
    ),
    Row("experiments.compare_large", LONG, "experiments.compare_large --samples 20000 --dim 32"),
    Row(
        "experiments.compare_large --classes 10 1000 --dtype float32 bfloat16 --output docs/compare_large.md",
        LONG,
        "experiments.compare_large --samples 2000 --dim 32 --classes 3 4 --dtype float32 bfloat16 "
        "--output docs/compare_large.md",
    ),
    Row(
        "experiments.diagnoses --output docs/diagnoses.md",
        LONG,
        "experiments.diagnoses --only permuted --output docs/diagnoses.md",
        ("docs/",),
    ),
    Row("experiments.large_pairs", LONG, "experiments.large_pairs --classes 30 --nodes 4"),
    Row(
        "experiments.large_pairs --classes 1000 --nodes 16 --cap 4",
        LONG,
        "experiments.large_pairs --classes 100 --nodes 2 --cap 4",
    ),
    Row("experiments.scaling", LONG, "experiments.scaling --scale 0.001"),
    Row(
        "experiments.scaling --output docs/scaling.md",
        LONG,
        "experiments.scaling --scale 0.001 --output docs/scaling.md",
    ),
    Row("experiments.speed", LONG, "experiments.speed --quick --out out"),
    Row("experiments.speed --many --out docs", LONG, "experiments.speed --quick --many --out out"),
    Row(
        "experiments.device",
        HOSTS,
        "experiments.device --quick --out out",
        codes=(0, 2),
    ),
    Row("experiments.growth", LONG, "experiments.growth --quick --out out"),
    Row("experiments.cost", LONG, "experiments.cost --quick"),
    Row("experiments.collapse_speed", LONG, "experiments.collapse_speed --quick --repeats 1"),
    Row("proofs", LONG, "proofs two-classes same-class"),
    Row("proofs NAME …", LONG, "proofs calibration"),
    Row("proofs --check", LONG, "proofs --check two-classes same-class"),
    Row("proofs --formal --check", LONG, "proofs --formal --check", codes=(0, 3)),  # 3: Coq is not installed
    Row("proofs.refute NAME", LONG, "proofs.refute two-classes --budget 5"),
    Row(
        "ufm.solve --classes 1000 --distributed --coordinator host0:4321 --processes 4 --process 0",
        HOSTS,
        f"ufm.solve --classes 10 {MEET}",
        processes=2,
    ),
    Row(
        "ufm.solve --classes 10 --classifier free --distributed",
        HOSTS,
        f"ufm.solve --classes 10 --classifier free {MEET}",
        processes=2,
        why="the only program with sums between processes",
    ),
    Row("pytest", LONG, "pytest tests/model/test_etf.py tests/agree/test_verdict.py -n 2"),
    Row("experiments.fuzz", LONG, "experiments.fuzz --seconds 10 --seed 0"),
    Row("experiments.loop", LONG, "experiments.loop --times 1 --only minimal --out out"),
    Row("tests.golden --record ../golden", LONG, "tests.golden --record golden --only verify-list"),
    Row("tests.mutants --count 200 --jobs 2", LONG, "tests.mutants --count 1 --only network/resemblance"),
    Row("tests.golden --compare ../golden", LONG, "tests.golden --record golden --only refused-flags"),
    Row("tests.golden_bounds OLD NEW", LONG, "tests.golden_bounds . .", codes=(2,)),
    Row("venv .venv", SETUP),
    Row("pip install --quiet --editable .", SETUP),
    Row("pip install --quiet --editable .[test]", SETUP),
    Row("pip install --quiet --editable .[docs]", SETUP),
    Row("sphinx -EW --keep-going docs build/docs", SETUP),
    Row("pip install --editable .[experiments]", SETUP),
    Row("pip install --editable .[bench]", SETUP),
    Row("pip install jax[cuda13]", SETUP),
    Row("apt-get install -y --no-install-recommends coq libcoq-coquelicot libcoq-interval", SETUP),
    Row(".ci/run", SETUP),
)
