"""The console script `ufm`, and how its commands load what they need."""

import gc
from contextlib import suppress

import pytest

from ufm.commands.console import COMMANDS, main
from ufm.commands.frame import loading
from ufm.runtime.programs import own_process


def test_a_command_is_the_one_of_its_module(call_main):
    code, out, _ = call_main(main, "verify", "--list")
    assert code == 0 and out == call_main(COMMANDS["verify"].main, "--list")[1]


def test_wrong_flags_of_a_command_are_refused_by_it(call_main):
    code, _, err = call_main(main, "solve", "--classes", "1")
    assert code == 2 and err.startswith("ufm.solve: classes must be")


@pytest.mark.parametrize("words, code", [(["--help"], 0), ([], 2), (["solv"], 2)])
def test_without_a_command_all_are_named(call_main, words, code):
    found, out, err = call_main(main, *words)
    assert found == code and all(name in out + err for name in COMMANDS)


def test_completion_is_printed_for_all_commands(call_main):
    code, out, _ = call_main(main, "--tyro-print-completion", "bash")
    assert not code and all(name in out for name in COMMANDS)


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("searches", [True, False])
def test_loading_is_not_searched_for_garbage(own, searches):
    """Afterwards Python searches as before, and in a process of one's own leaves out what was loaded."""
    was, frozen = gc.isenabled(), gc.get_freeze_count()
    try:
        (gc.enable if searches else gc.disable)()
        with own_process(own), suppress(ImportError), loading():
            assert not gc.isenabled()
            raise ImportError
        assert gc.isenabled() == searches
        assert (gc.get_freeze_count() > frozen) == own
    finally:
        if own:
            gc.unfreeze()
        (gc.enable if was else gc.disable)()
