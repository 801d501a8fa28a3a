"""Whole programs that the workers of a default run keep: never what a test has patched, or of a source unseen."""

from functools import partial, wraps
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import pytest

from tests import kept
from ufm.loss import cross_entropy
from ufm.runtime import programs
from ufm.runtime.programs import Program
from ufm.theory.closed_form import closed_form_logits


@pytest.fixture
def usual():
    return kept.Kept("usual", (kept._context(),))


def test_a_folder_that_a_test_sets_goes_first(usual):
    usual.folder = "other"
    assert usual.folder == "other"
    usual.folder = None
    assert usual.folder == "usual"
    with kept.without():
        before = usual.folder
        usual.folder = "usual"  # what a test found there, it puts back
        assert before is None and usual.folder is None


def test_nothing_is_taken_while_jax_is_set_otherwise(usual):
    with jax.enable_x64(False):
        assert usual.folder is None
    with jax.checking_leaks():
        assert usual.folder is None
    assert usual.folder == "usual"


class Patch:
    """As pytest's, of which no test may leave a changed one."""

    def __init__(self):
        self.undone = []

    def setattr(self, *what):
        self.undone.append(what)

    setitem = delattr = delitem = setattr

    def undo(self):
        self.undone.clear()


@pytest.mark.parametrize("name", ["setattr", "setitem", "delattr", "delitem"])
def test_nothing_is_taken_while_something_is_patched(usual, name):
    class Counted(Patch):
        pass

    kept.count_patches(Counted)
    one, other = Counted(), Counted()
    assert usual.folder == "usual"
    getattr(one, name)("place", 1)
    assert usual.folder is None and one.undone == [("place", 1)]
    getattr(other, name)("place", 2)
    one.undo()
    assert usual.folder is None and one.undone == []
    other.undo()
    assert usual.folder == "usual"


def scaled(x, power, by):
    return by * x**power


def outside(x):
    """Its source is not in the stamp."""
    return 2 * x


def test_only_functions_of_the_package_are_kept(monkeypatch):
    monkeypatch.setattr(programs, "_Kept", SimpleNamespace(usual="usual"))
    asked = []
    find = kept.of_the_package(lambda program, *rest: asked.append(program) or "found")
    own, foreign = Program(jax.jit(cross_entropy)), Program(jax.jit(outside))
    assert find(own, "usual", "key", {}, (), {}) == "found" and asked == [own]
    assert find(own, "usual", "key", {"each": jnp.negative}, (), {}) == "found"
    asked.clear()
    assert float(find(foreign, "usual", "key", {}, (), {})(3.0)) == 6
    find(own, "usual", "key", {"each": outside}, (), {})
    find(Program(jax.jit(cross_entropy), (("each", (outside,)),)), "usual", "key", {}, (), {})
    assert asked == []
    assert find(foreign, "of a test", "key", {}, (), {}) == "found"


def test_what_the_package_jits_alone_is_kept_too():
    """Functions of its modules, dressed or not; not what closes over another one and goes by its name."""
    jit = kept.kept_jit(kept.plain_jit)
    dressed = closed_form_logits.__wrapped__
    assert hasattr(dressed, "__wrapped__") and isinstance(jit(dressed), kept.Jitted)
    assert isinstance(jit(cross_entropy), kept.Jitted)
    for other in (jax.grad(cross_entropy), outside, lambda x: x, partial(cross_entropy)):
        assert not isinstance(jit(other), kept.Jitted)
    assert not isinstance(jit(cross_entropy, inline=True), kept.Jitted)


def test_static_arguments_come_by_place_or_by_name(monkeypatch, tmp_path):
    kind = kept.Jitted(kept.plain_jit(scaled, static_argnames="power"), ("power",), ["x", "power", "by"])
    monkeypatch.setattr(programs, "_Kept", SimpleNamespace(folder=tmp_path, quick=False, usual=None))
    assert float(kind(3.0, 2, 5.0)) == float(kind(3.0, power=2, by=5.0)) == 45
    assert len(kind.loaded) == 1 and float(kind(3.0, 1, by=5.0)) == 15 and len(kind.loaded) == 2
    program = Program(
        kept.plain_jit(wraps(kind)(partial(kind, power=2)))
    )  # as a device of its own is given it
    assert float(program(3.0, by=2.0)) == 18 and program.loaded is not kind.loaded


def test_checks_are_off_only_as_long_as_something_needs_it():
    """On again after an error, and not before the last that runs without them has ended."""
    seen = []

    def inner():
        seen.append(kept.jaxtyping.config.jaxtyping_disable)
        raise KeyError

    def outer():
        with pytest.raises(KeyError):
            kept.unchecked(inner)()
        seen.append(kept.jaxtyping.config.jaxtyping_disable)

    kept.unchecked(outer)()
    assert seen == [True, True] and not kept.jaxtyping.config.jaxtyping_disable


@pytest.mark.parametrize("before", [True, False])
def test_who_has_turned_checks_off_finds_them_off(before):
    kept.jaxtyping.config.update("jaxtyping_disable", before)
    try:
        kept.unchecked(kept.unchecked(list))()
        assert kept.jaxtyping.config.jaxtyping_disable == before
    finally:
        kept.jaxtyping.config.update("jaxtyping_disable", False)
