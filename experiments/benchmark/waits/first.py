"""Processor time of first answers of the commands, with nothing kept between runs and with programs kept."""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

BASELINE = "import jax, jax.numpy as jnp; jax.jit(lambda x: x + 1)(1.0).block_until_ready()"
SAVED = "features.npz"
COMMANDS = {
    "solve": "-m ufm.solve --classes 10 --alpha 1.0",
    "solve, free classifier": "-m ufm.solve --classes 5 --classifier free",
    "verify": "-m ufm.verify --classes 7",
    "compare": f"-m ufm.compare {SAVED}",
}
HELP = ["-c", "from ufm.commands.console import main; main()", "--help"]
PREPARE = f"-m ufm.solve --classes 10 --quadrature 6 --save {SAVED}"


def seconds(arguments: list[str], folder: str, cache: str) -> float:
    """Processor time of a fresh Python process with the given cache directory, bytecode kept as for any user."""
    environment = os.environ | {"XDG_CACHE_HOME": cache, "PYTHONPATH": str(Path(__file__).parents[3])}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], env=environment, cwd=folder, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def first_answers(repeats: int) -> tuple[float, dict[str, float]]:
    """Median processor seconds of importing JAX and jitting one addition, and of each command, cold and warm."""
    rounds = [one_round() for _ in range(repeats)]
    base, helped = (statistics.median(each[part] for each in rounds) for part in (0, 1))
    found = {"ufm --help": helped}
    for name in COMMANDS:
        for temperature, words in enumerate(("nothing kept", "programs kept")):
            found[f"{name}, {words}"] = statistics.median(each[2][name][temperature] for each in rounds)
    return base, found


def one_round() -> tuple[float, float, dict[str, tuple[float, float]]]:
    """Seconds of the baseline, of --help, and of every command: with an empty cache, and once more."""
    with tempfile.TemporaryDirectory() as folder:
        seconds(PREPARE.split(), folder, str(Path(folder, "other")))
        found = {}
        for name, words in COMMANDS.items():
            cache = str(Path(folder, name.replace(" ", "-")))
            found[name] = seconds(words.split(), folder, cache), seconds(words.split(), folder, cache)
        return seconds(["-c", BASELINE], folder, cache), seconds(HELP, folder, cache), found
