"""Train and measure what is missing of a preset: one JSON a run, so that a stopped reproduction goes on.

A finished run is used again only if its fingerprint is that of the run asked for: settings, data, sizes, and the
version of the measures.
"""

import hashlib
import json
import sys
import time
import zipfile
from dataclasses import asdict
from pathlib import Path

import numpy as np

from experiments.reproduction.presets import MAIN, Arm, Preset
from experiments.tools.files import read_json, write_json
from experiments.training.checkpoint import write_whole

VERSION = 2  # of what is measured: raised when a measure changes
CONTROLLED = ("mixup", "etf")  # arms whose features are also measured spoilt
RUNS = "runs"  # of the folder: one JSON a run, and the points of pictures
TICK = 30.0  # seconds between lines of progress inside one run


def fingerprint(preset: Preset, arm: Arm, seed: int, data) -> str:
    """SHA-256 of everything that a run's numbers depend on."""
    key = [VERSION, preset.settings(arm, seed).record(), asdict(preset.sizes), data.checksums]
    key += [preset.train, preset.test]
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()


def complete(preset: Preset, data, seeds: int, folder: Path) -> list[dict[str, dict]]:
    """The records of all arms, one dict by arm name for each seed; trains those that are missing."""
    wanted = [(arm, seed) for seed in range(seeds) for arm in preset.arms]
    missing = [run for run in wanted if _stored(preset, *run, data, folder) is None]
    clock = Clock(len(missing), len(wanted))
    (folder / RUNS).mkdir(parents=True, exist_ok=True)
    for arm, seed in missing:
        record = _run(preset, arm, seed, data, folder, clock)
        write_json(_path(folder, arm, seed), record)
        clock.finished(arm.name, seed, record)
    return [
        {arm.name: _stored(preset, arm, seed, data, folder) for arm in preset.arms} for seed in range(seeds)
    ]


def read_picture(folder: Path, arm: str) -> dict[str, np.ndarray]:
    """The points of the usual picture of an arm's first seed."""
    with np.load(_picture(folder, arm), allow_pickle=False) as file:
        return dict(file)


class Clock:
    """Lines of progress on standard error: what was finished, and when the rest will be."""

    def __init__(self, missing: int, wanted: int):
        self.missing, self.done, self.start = missing, 0, time.perf_counter()
        self.told = self.start
        if missing < wanted:
            print(f"{wanted - missing} of {wanted} runs are finished already", file=sys.stderr)

    def inside(self, name: str, seed: int, done: int, total: int, loss: float) -> None:
        """One line at most every half minute of a run."""
        now = time.perf_counter()
        if now - self.told >= TICK:
            self.told = now
            print(f"  {name}, seed {seed}: {100 * done // total} %, loss {loss:.4g}", file=sys.stderr)

    def finished(self, name: str, seed: int, record: dict) -> None:
        """A run is over."""
        self.done += 1
        self.told = time.perf_counter()
        left = (self.told - self.start) / self.done * (self.missing - self.done)
        numbers = record["numbers"]
        what = f"accuracy {numbers['accuracy']:.4f}" if numbers else record["failed"]
        print(
            f"[{self.done}/{self.missing}] {name}, seed {seed}: {what}, {record['seconds']:.1f} s; "
            f"about {left / 60:.1f} min left",
            file=sys.stderr,
            flush=True,
        )


def _run(preset: Preset, arm: Arm, seed: int, data, folder: Path, clock: Clock) -> dict:
    from experiments.reproduction.measures.network import measure
    from experiments.training.train import Diverged, train

    start, settings = time.perf_counter(), preset.settings(arm, seed)
    record = {"fingerprint": fingerprint(preset, arm, seed, data), "arm": arm.name, "seed": seed}
    record |= {"settings": settings.record(), "numbers": {}, "curves": {}, "controls": {}, "failed": None}
    # a run of an MLP is over in seconds; longer ones leave checkpoints
    place = None if settings.network == "mlp" else folder / "checkpoints" / f"{arm.name}-{seed}"
    try:
        trained = train(
            settings,
            data,
            folder=place,
            progress=lambda done, total, loss: clock.inside(arm.name, seed, done, total, loss),
        )
    except Diverged as error:
        return record | {"failed": str(error), "seconds": time.perf_counter() - start}
    found = measure(trained, data, preset.sizes, arm.name in CONTROLLED)
    if seed == 0 and arm.name in MAIN:
        write_whole(_picture(folder, arm.name), lambda file: np.savez_compressed(file, **found.picture))
    record |= {"numbers": found.numbers, "curves": found.curves, "controls": found.controls}
    return record | {"seconds": time.perf_counter() - start}


def _stored(preset: Preset, arm: Arm, seed: int, data, folder: Path) -> dict | None:
    """The record of a finished run, or None."""
    record = read_json(_path(folder, arm, seed))
    same = record is not None and record.get("fingerprint") == fingerprint(preset, arm, seed, data)
    drawn = seed == 0 and arm.name in MAIN and same and not record["failed"]
    return None if not same or (drawn and not _readable(folder, arm.name)) else record


def _readable(folder: Path, arm: str) -> bool:
    """Whether the points of a picture are there and whole."""
    try:
        return bool(read_picture(folder, arm))
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return False


def _path(folder: Path, arm: Arm, seed: int) -> Path:
    return folder / RUNS / f"{arm.name}-{seed}.json"


def _picture(folder: Path, arm: str) -> Path:
    return folder / RUNS / f"{arm}-picture.npz"
