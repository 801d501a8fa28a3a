"""float64 for every claim; slow tests only with --slow, long ones with --long; shapes checked by beartype."""

import gc
import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import pytest

jax.config.update("jax_enable_x64", True)


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="run the tests marked slow as well")
    parser.addoption("--long", action="store_true", help="run the tests marked long as well")


def pytest_collection_modifyitems(config, items):
    for item in items:
        for word in ("slow", "long"):
            if word in item.keywords and not config.getoption(f"--{word}"):
                item.add_marker(pytest.mark.skip(reason=f"{word}: give --{word}"))


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory):
    """Tests neither read nor fill the user's cache of compiled programs."""
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module", autouse=True)
def _forget_programs():
    """A process may hold some 65 000 mappings (Linux's default), and every compiled program takes several."""
    yield
    jax.clear_caches()
    gc.collect()


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
