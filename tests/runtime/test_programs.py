"""Programs that commands keep between runs: found again by what they are made of, and by nothing else."""

import os
import subprocess
import sys
from dataclasses import dataclass
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ufm.runtime import programs
from ufm.runtime.devices import one_device, spread
from ufm.runtime.programs import Program, common_width, keep_programs, own_process, program

traced: list[str] = []


@program("power")
def scaled(x, factor, *, power: int = 1):
    traced.append("scaled")
    return factor * x**power


def factors(shared, x, *, power: int):
    traced.append("factors")
    return jnp.linalg.cholesky(shared + x.shape[0] * jnp.eye(len(shared))) * power


@pytest.fixture
def keeping(tmp_path, monkeypatch):
    """Programs kept in a folder, and forgotten by this process at each call of what is given."""
    monkeypatch.setattr(programs._Kept, "folder", None)
    traced.clear()

    def anew(folder=tmp_path / "programs", quick=True):
        programs._Kept.own, programs._Kept.folder = True, None
        scaled.loaded.clear()
        keep_programs(folder, quick)
        return programs._Kept.folder

    with own_process(True):
        yield anew
    scaled.loaded.clear()


def test_a_kept_program_is_not_traced_again(keeping):
    keeping()
    x = np.arange(3.0)
    assert scaled(x, 2.0, power=2).tolist() == [0, 2, 8] and traced == ["scaled"]
    keeping()
    assert scaled(x, 3.0, power=2).tolist() == [0, 3, 12] and traced == ["scaled"]


OTHERS = {
    "another static argument": lambda x: scaled(x, 2.0, power=3),
    "another shape": lambda x: scaled(x[:2], 2.0, power=2),
    "another type": lambda x: scaled(x.astype(np.float32), 2.0, power=2),
    "an array for a number": lambda x: scaled(x, np.array(2.0), power=2),
    "the static argument left out": lambda x: scaled(x, 2.0),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_another_program_is_not_taken_for_it(keeping, other):
    x = np.arange(3.0)
    keeping()
    expected = other(x)
    scaled(x, 2.0, power=2)
    traced.clear()
    keeping()
    scaled(x, 2.0, power=2)
    assert traced == []
    np.testing.assert_array_equal(other(x), expected)
    jax.clear_caches()
    keeping()
    assert [other(x).dtype, traced] == [expected.dtype, []]


def test_inside_another_program_nothing_is_kept(keeping):
    folder = keeping()
    slope = jax.jit(jax.grad(lambda x: scaled(x, 2.0, power=2)))
    assert float(slope(3.0)) == 12.0 and list(folder.iterdir()) == []


def test_a_value_without_words_is_compiled_and_not_kept(keeping):
    folder = keeping()

    @dataclass(frozen=True)
    class Power:
        value: int

        def __rpow__(self, x):
            return x**self.value

    assert scaled(np.ones(2), 2.0, power=Power(2)).tolist() == [2, 2]
    local = Program(jax.jit(lambda x: x + 1))
    assert float(local(1.0)) == 2.0 and list(folder.iterdir()) == []


@program("each")
def through(x, *, each):
    """Another function, of a module or not."""
    return each(x)


def doubled(x):
    """One of this module."""
    return 2 * x


def test_a_function_of_a_module_has_words_and_a_local_one_has_none(keeping):
    folder = keeping()
    assert through(np.ones(2), each=lambda x: 3 * x).tolist() == [3, 3] and list(folder.iterdir()) == []
    assert through(np.ones(2), each=doubled).tolist() == [2, 2] and len(list(folder.iterdir())) == 1
    assert through(np.ones(2), each=jnp.negative).tolist() == [-1, -1] and len(list(folder.iterdir())) == 1


def test_what_cannot_be_loaded_is_made_anew(keeping):
    folder = keeping()
    scaled(np.ones(2), 2.0)
    (path,) = folder.iterdir()
    whole = path.read_bytes()
    for spoilt in (b"", whole[: len(whole) // 2], b"no program"):
        path.write_bytes(spoilt)
        keeping()
        traced.clear()
        jax.clear_caches()
        assert scaled(np.ones(2), 2.0).tolist() == [2, 2] and traced == ["scaled"]
    keeping()
    assert scaled(np.ones(2), 2.0).tolist() == [2, 2] and traced == ["scaled"]


STAMPED = {
    "quick": lambda patch: False,
    "source": lambda patch: patch.setattr(programs.Path, "read_bytes", lambda path: b"another"),
    "environment": lambda patch: patch.setenv("XLA_FLAGS", "--xla_dump_max_hlo_modules=1"),
    "processor": lambda patch: patch.setattr(programs, "_processor", lambda: ["another"]),
    "version": lambda patch: patch.setattr(jax, "__version__", "0"),
}


@pytest.mark.parametrize("change", STAMPED.values(), ids=STAMPED)
def test_another_stamp_is_another_folder(change, monkeypatch):
    before = programs._stamp(True)
    assert programs._stamp(True) == before
    quick = change(monkeypatch)
    assert programs._stamp(quick is not False) != before


def test_folders_used_longest_ago_are_removed(keeping, tmp_path):
    root = tmp_path / "programs"
    for n in range(5):
        (root / str(n)).mkdir(parents=True)
        os.utime(root / str(n), (n, n))
    own = keeping()
    assert {path.name for path in root.iterdir()} == {own.name, "4", "3"}


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="no owners here")
def test_a_folder_that_others_may_write_is_not_read(keeping, tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    assert keeping(shared) is None
    shared.chmod(0o700)
    assert keeping(shared) is not None


def test_several_devices_or_an_accelerator_keep_nothing(keeping, monkeypatch):
    for platforms in (["cpu", "cpu"], ["gpu"]):
        devices = [SimpleNamespace(platform=platform) for platform in platforms]
        with monkeypatch.context() as patch:
            patch.setattr(jax, "devices", lambda devices=devices: devices)
            assert keeping() is None


def test_who_tells_jax_to_keep_nothing_is_heeded(keeping):
    jax.config.update("jax_enable_compilation_cache", False)
    try:
        assert keeping() is None
    finally:
        jax.config.update("jax_enable_compilation_cache", True)
    assert keeping() is not None


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="no owners here")
def test_a_generous_umask_opens_no_folder(keeping):
    mask = os.umask(0)
    try:
        assert keeping().stat().st_mode & 0o777 == 0o700
    finally:
        os.umask(mask)


def test_a_program_of_a_mesh_is_known_by_its_function_and_options(keeping):
    keeping()
    shared, x = np.eye(2), np.ones(2)
    found = [np.asarray(spread(factors, one_device(), power=power)(shared, x)) for power in (1, 2)]
    np.testing.assert_allclose(found[1], 2 * found[0])
    again = Program(spread(factors, one_device(), power=2).jitted, (("power", 2),))
    traced.clear()
    np.testing.assert_array_equal(again(shared, x), found[1])
    assert traced == []


@pytest.mark.parametrize("count, width", [(1, 32), (32, 32), (33, 64), (64, 64), (100, 128), (1025, 1025)])
def test_common_width(count, width):
    assert common_width(count) == width


def test_importing_a_command_keeps_nothing(call_main, tmp_path, monkeypatch):
    """A caller may have patched what programs are made of, and is left as it was by a run as of a command line."""
    from ufm.commands import solve

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    code, _, err = call_main(solve.main, "--classes", "3", "--lam", "0.3")
    assert code == 0, err
    assert not (tmp_path / "ufm" / "programs").exists()
    monkeypatch.setattr(sys, "argv", ["solve", "--classes", "3", "--lam", "0.3"])
    assert solve.main() == 0 and (tmp_path / "ufm" / "programs").exists()
    assert (programs._Kept.own, programs._Kept.folder) == (False, None)


COMMANDS = {
    "fixed": ("solve", "--classes", "3", "--lam", "0.3,0.5"),
    "free": ("solve", "--classes", "3", "--classifier", "free", "--quadrature", "4"),  # calls LAPACK
    "verify": ("verify", "--classes", "3"),
}


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_a_second_run_says_the_same_and_compiles_nothing(words, tmp_path):
    name, *flags = words
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "JAX_LOG_COMPILES": "1"}
    command = [sys.executable, "-m", f"ufm.{name}", *flags]
    first, second = (
        subprocess.run(command, env=environment, capture_output=True, text=True) for _ in range(2)
    )
    assert first.returncode == second.returncode == 0, second.stderr
    assert first.stdout == second.stdout
    assert "Compiling" in first.stderr and "Compiling" not in second.stderr


def test_the_cache_is_on_again_when_the_last_that_compiles_is_done():
    def on() -> bool:
        return jax.config.jax_enable_compilation_cache

    assert on()
    with programs._compiling():
        with programs._compiling():
            assert not on()
        assert not on()
    assert on()
