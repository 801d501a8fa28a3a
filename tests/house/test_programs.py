"""Compiled programs are kept for one processor, one jaxlib and one Python, and not without bound."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import jaxlib
import pytest

from tests import programs

HERE = ("x86_64\nmodel name\t: A\nflags\t\t: avx avx2", "0.10.2", "3.12.1")
ELSEWHERE = {
    "another model": (HERE[0].replace(": A", ": B"), *HERE[1:]),
    "an instruction less": (HERE[0].removesuffix(" avx2"), *HERE[1:]),
    "another jaxlib": (HERE[0], "0.10.3", HERE[2]),
    "another Python": (*HERE[:2], "3.11.9"),
}


@pytest.mark.parametrize("name", ELSEWHERE)
def test_nothing_compiled_elsewhere_is_read(name):
    assert programs.key(*HERE) == programs.key(*HERE) != programs.key(*ELSEWHERE[name])


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="needs Linux's /proc/cpuinfo")
def test_the_key_is_this_processor_s():
    """Its instructions are part of the key: those that XLA compiles for are among them."""
    told = programs.processor()
    assert os.uname().machine in told and any(word in told for word in ("flags", "Features"))
    assert programs.folder().name == programs.key(
        told, jaxlib.__version__, ".".join(map(str, sys.version_info[:3]))
    )


@pytest.mark.skipif("JAX_COMPILATION_CACHE_DIR" in os.environ, reason="the variable names another folder")
@pytest.mark.skipif(not os.access(programs.folder(), os.W_OK), reason="this checkout cannot be written")
def test_this_run_reads_and_writes_there():
    assert Path(jax.config.jax_compilation_cache_dir).is_relative_to(programs.folder())
    assert Path(os.environ["XDG_CACHE_HOME"]) == programs.folder()


def test_what_a_test_starts_is_compiled_as_a_user_has_it():
    """The flags that compile quickly are this process's alone; JAX names what they compiled differently."""
    assert programs.QUICK not in os.environ.get("XLA_FLAGS", "")


def test_the_folders_used_last_are_kept(tmp_path):
    for age, name in enumerate(["newest", "middle", "oldest"]):
        (tmp_path / name / "ufm").mkdir(parents=True)
        os.utime(tmp_path / name, (1000 - age, 1000 - age))
    own = programs.open_folder(tmp_path, folders=2)
    assert set(tmp_path.iterdir()) == {own, tmp_path / "newest"}


def test_a_folder_over_its_bound_is_begun_anew(tmp_path):
    own = programs.open_folder(tmp_path)
    (own / "program").write_bytes(bytes(1000))
    assert (programs.open_folder(tmp_path, most=10_000) / "program").exists()
    assert not (programs.open_folder(tmp_path, most=999) / "program").exists() and own.exists()


def test_where_nothing_can_be_kept_nothing_is(tmp_path):
    (tmp_path / "file").write_text("")
    assert not programs.open_folder(tmp_path / "file").exists()


def test_bytecode_is_kept_too():
    """By this process and by those that it starts: else each compiles all sources anew."""
    code = "import sys; sys.exit(sys.dont_write_bytecode)"
    assert not sys.dont_write_bytecode and subprocess.run([sys.executable, "-S", "-c", code]).returncode == 0
