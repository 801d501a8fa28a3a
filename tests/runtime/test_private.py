"""What is taken of JAX beyond its public names: in one file, and still there."""

from pathlib import Path
from types import SimpleNamespace

import jax
from jax._src import distributed
from jaxlib import _jax

from ufm.runtime import private

ROOT = Path(__file__).resolve().parents[2]
CLIENT = _jax.DistributedRuntimeClient


def test_the_barrier_is_there():
    said = (
        f"seen with JAX {', '.join(private.SEEN)}; in {jax.__version__}: ufm/runtime/private.py needs a look"
    )
    assert hasattr(distributed.global_state, "client"), said
    assert "timeout_in_ms" in (CLIENT.wait_at_barrier.__doc__ or ""), said


def test_lapack_is_found():
    private.load_lapack()


def test_one_process_waits_for_nobody(monkeypatch):
    assert not private.wait_for_all("alone", 1)
    monkeypatch.setattr(distributed, "global_state", SimpleNamespace(client=object()))
    assert not private.wait_for_all("a client without a barrier", 1)
    came = []
    client = SimpleNamespace(wait_at_barrier=lambda name, timeout_in_ms: came.append((name, timeout_in_ms)))
    monkeypatch.setattr(distributed, "global_state", SimpleNamespace(client=client))
    assert private.wait_for_all("all", 7) and came == [("all", 7)]


def test_no_other_file_takes_from_the_inside():
    using = [path.name for path in (ROOT / "ufm").rglob("*.py") if "jax._src" in path.read_text()]
    assert using == ["private.py"]
