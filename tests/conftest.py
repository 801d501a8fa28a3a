"""float64 for every claim; slow tests only with --slow, long ones with --long; shapes checked."""

import gc
import os
import sys
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")
# tests run side by side, and threads that spin for one another's core make small products 20 times slower
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import pytest

from tests import programs
from tests.limits import *  # noqa: F403 (hooks are found by their names here)

# some hundred processes are started: they read the bytecode of the first, also where Python is told to write none
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


def _load() -> None:
    """JAX and the package, before anything is collected."""
    global jax, whole_programs
    from tests import annotated

    annotated.install()
    import jax

    from tests import kept as whole_programs

    jax.config.update("jax_enable_x64", True)
    if "XLA_FLAGS" not in os.environ:
        programs.alike["XLA_FLAGS"] = os.environ["XLA_FLAGS"] = programs.QUICK
        jax.devices()  # XLA reads it now, for this process; the commands that tests start compile as a user's do
        del os.environ["XLA_FLAGS"]
    # JAX has read its variables by now; children that answer without JAX would load it to judge them
    for name in [name for name in os.environ if name.startswith("JAX_")]:
        if name not in ("JAX_PLATFORMS", "JAX_COMPILATION_CACHE_DIR", "JAX_NUM_CPU_DEVICES"):
            del os.environ[name]


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="run the tests marked slow as well")
    parser.addoption("--long", action="store_true", help="run the tests marked long as well")


def pytest_sessionstart(session):
    """What one run, worker or command compiled the others load; JAX's own variable goes before it."""
    worker = "PYTEST_XDIST_WORKER" in os.environ
    given = "JAX_COMPILATION_CACHE_DIR" in os.environ
    if not worker and not given:
        programs.open_folder()
    if not worker and session.config.getoption("tx", None):
        return  # its workers run the tests
    _load()
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    if given:
        return _keep_whole_programs(session.config, Path(os.environ["JAX_COMPILATION_CACHE_DIR"]))
    kept = programs.folder()
    if not os.access(kept, os.W_OK):
        return
    os.environ["XDG_CACHE_HOME"] = str(kept)  # read by the commands that tests start
    session.config.stash[COMPILED] = str(kept / "ufm" / "jax")
    jax.config.update("jax_compilation_cache_dir", session.config.stash[COMPILED])
    _keep_whole_programs(session.config, kept / "ufm")


def _keep_whole_programs(config, folder: Path) -> None:
    """In a worker of a default run."""
    if "PYTEST_XDIST_WORKER" in os.environ and not (config.option.slow or config.option.long):
        whole_programs.keep(folder / "whole")


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """What is collected stays: the collector of garbage would look through all of it again and again, as it would
    through what JAX keeps of traces; `_forget_programs` calls it where much is held."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()
        gc.set_threshold(5_000, 20, 20)


def _listed(word: str) -> set[str]:
    lines = (Path(__file__).parent / f"{word}.txt").read_text().splitlines()
    return {line for line in lines if line[0] != "#"}


LISTED = {word: _listed(word) for word in ("long", "slow")}
COMPILED = pytest.StashKey[str]()  # the folder of compiled programs
DEFAULT = pytest.StashKey[frozenset]()  # names of what was collected and runs without an option


# Begun first, so that no worker is left alone with one of them at the end: a worker takes a whole file.
LONGEST = [
    "refute/test_conjecture",
    "network/test_in_memory",
    "explore/test_page",
    "commands/test_solve",
    "network/test_diagnose",
    "agree/test_agreement",
    "agree/test_problems",
    "theory/test_theory",
    "runtime/test_distributed",
    "commands/test_verify",
    "collect/test_tracker",
    "rules/test_environment",
    "runtime/test_programs",
    "explore/test_values",
    "report/test_runs",
    "runtime/test_watchdog",
    "optimize/test_gram",
    "network/test_compare",
    "certify/test_certificate",
    "commands/test_sweep",
    "optimize/test_many",
    "proofs/test_tables",
    "experiments/test_loop",
    "house/test_walls",
    "runtime/test_precision",
    "optimize/test_objective",
    "proofs/test_refute",
    "enclose/test_enclosure",
    "theory/test_closed_form",
    "experiments/test_fuzz",
    "commands/test_defects",
    "network/test_fitting",
    "certify/test_parts",
    "proofs/test_proofs_joint",
    "optimize/test_newton",
    "optimize/test_implicit",
    "house/test_limits",
    "house/test_words",
    "experiments/test_train_steps",
    "optimize/test_optimize",
    "model/test_labels",
    "agree/test_joint_problems",
    "network/test_activations",
    "network/test_metrics",
    "certify/test_duality",
    "certify/test_alike",
    "theory/test_slopes",
    "pictures/test_plot",
    "optimize/test_binary",
    "pictures/test_frame",
    "theory/test_groups",
    "pictures/test_plot_compare",
    "theory/test_variants",
]


def _rank(item) -> int:
    name = "/".join(item.path.with_suffix("").parts[-2:])
    return LONGEST.index(name) if name in LONGEST else len(LONGEST)


def pytest_collection_modifyitems(config, items):
    _name_no_test_in_vain(config, {item.nodeid for item in items})
    if "PYTEST_XDIST_WORKER" in os.environ:  # alone, tests are run in the order they are named in
        items.sort(key=_rank)
    for item in items:
        for word, names in LISTED.items():
            if item.nodeid in names:
                item.add_marker(getattr(pytest.mark, word))
    config.stash[DEFAULT] = frozenset(item.nodeid for item in items if not _words(item))
    waiting = {item: word for item in items if (word := _waits_for(config, item))}
    if any("::" in word for word in config.args):  # who names a test is told why it does not run
        for item, word in waiting.items():
            item.add_marker(pytest.mark.skip(reason=f"{word}: give --{word}"))
    else:  # thousands: to report each as skipped takes seconds
        config.hook.pytest_deselected(items=list(waiting))
        items[:] = [item for item in items if item not in waiting]


def _waits_for(config, item) -> str | None:
    """The word of the option without which this test does not run."""
    return next((word for word in _words(item) if not config.getoption(f"--{word}")), None)


def _words(item) -> list[str]:
    """Of the two options those that this test needs."""
    # a promise is kept by another case than one that a list names
    slow = item.nodeid in LISTED["slow"] or ("slow" in item.keywords and "promise" not in item.keywords)
    return ["long"] * ("long" in item.keywords) + ["slow"] * slow


def _name_no_test_in_vain(config, found):
    """UsageError for a line of a list whose file was collected whole without it."""
    if any("::" in word for word in config.args):
        return
    files = {name.split("::")[0] for name in found}
    for word, names in LISTED.items():
        if gone := {line for line in names - found if line.split("::")[0] in files}:
            raise pytest.UsageError(f"tests/{word}.txt names no test in {sorted(gone)}")


@pytest.fixture(scope="module", autouse=True)
def _forget_programs(request):
    """A process may hold 65 530 mappings (Linux's default); a compiled program takes several, a file 10 000."""
    yield
    from jax.experimental.compilation_cache.compilation_cache import reset_cache

    folder = request.config.stash.get(COMPILED, None)
    if folder != jax.config.jax_compilation_cache_dir and folder is not None:
        # a command in this process took a test's own folder: all that comes later would be compiled anew
        jax.config.update("jax_compilation_cache_dir", folder)
        reset_cache()
    mappings = Path("/proc/self/maps")
    if not mappings.exists() or mappings.read_bytes().count(b"\n") > 30_000:
        jax.clear_caches()
        whole_programs.forget()
        gc.collect()


@pytest.fixture
def traced():
    """Nothing is taken that another run has kept: for a test that asks what JAX has traced."""
    with whole_programs.without():
        yield


@pytest.fixture
def call_main(capsys):
    """A command's main(argv) in this process: (exit code, stdout, stderr)."""

    def call(main, *argv):
        capsys.readouterr()
        try:
            code = main([str(part) for part in argv])
        except SystemExit as stop:
            code = stop.code
        out, err = capsys.readouterr()
        assert code == 70 or "Traceback" not in out + err
        return code, out, err

    return call


RECALLED: dict[tuple, tuple] = {}  # of this process


@pytest.fixture
def recall(call_main):
    """The same, remembered by command and flags: for those that read and write no file and are not patched."""

    def call(main, *argv):
        key = (main, *map(str, argv))
        if key not in RECALLED:
            RECALLED[key] = call_main(main, *argv)
        return RECALLED[key]

    return call
