"""A command's process ends at once, and nothing that was to be done at its end is lost."""

import subprocess
import sys

import pytest

BEGIN = "import atexit, os, sys; from ufm.commands.frame import end; "
# what is freed only where the interpreter takes everything apart
TAKEN_APART = "\nclass Held:\n    def __del__(self, write=os.write): write(1, b'freed ')\nheld = Held()\n"


def ended(code: str, *flags: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, *flags, "-c", BEGIN + code],
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )


@pytest.mark.parametrize("code", [0, 1, 3, 70, 143])
def test_the_exit_code_and_all_that_was_said_arrive(code):
    done = ended(f"print('said'); print('aside', file=sys.stderr); end({code})")
    assert (done.returncode, done.stdout, done.stderr) == (code, "said\n", "aside\n")


def test_what_is_registered_for_the_end_is_done_and_what_it_says_arrives():
    assert ended("atexit.register(print, 'last words'); end(0)").stdout == "last words\n"


def test_nothing_is_taken_apart():
    assert ended(TAKEN_APART + "end(0)").stdout == ""


@pytest.mark.parametrize("watch", ["sys.setprofile(print_nothing)", "sys.settrace(print_nothing)"])
def test_who_looks_on_from_inside_sees_the_usual_end(watch):
    code = f"{TAKEN_APART}def print_nothing(*_): return None\n{watch}\nend(3)"
    done = ended(code)
    assert (done.returncode, done.stdout) == (3, "freed ")


def test_a_tool_of_sys_monitoring_sees_the_usual_end():
    """Planted where Python 3.11 has none."""
    planted = (
        "sys.monitoring = type('', (), {'get_tool': staticmethod(lambda n: 'tool' if n == 2 else None)})\n"
    )
    assert ended(f"{TAKEN_APART}{planted}end(3)").stdout == "freed "


def test_interactive_python_stays():
    assert ended("end(0)", "-i").stderr.startswith(("Traceback", ">>>"))


def test_output_that_has_no_room_is_no_success():
    code = "sys.stdout = open('/dev/full', 'w'); sys.stdout.write('lost'); end(0)"
    done = ended(code)
    assert done.returncode not in (0, 1, 3) and "No space left" in done.stderr


def test_a_thread_that_is_at_work_comes_to_its_end():
    code = "import threading; threading.Timer(0.3, os.write, (1, b'done')).start(); end(0)"
    assert ended(code).stdout == "done"


INTERRUPT = "import signal; from ufm.commands.frame import loading\n"


def test_an_interrupt_waits_for_the_end_of_imports():
    """While jaxlib is loaded it would end the process with a signal, and without a word."""
    inside = "os.kill(os.getpid(), signal.SIGINT); print('loaded', flush=True)"
    done = ended(f"{INTERRUPT}with loading(): {inside}\nprint('on')")
    assert done.stdout == "loaded\n" and done.stderr.endswith("KeyboardInterrupt\n")


@pytest.mark.parametrize("handler", ["signal.SIG_IGN", "print_nothing"])
def test_who_handles_interrupts_goes_on_doing_so(handler):
    code = f"{INTERRUPT}def print_nothing(*_): return None\nsignal.signal(signal.SIGINT, {handler})\n"
    code += "with loading(): os.kill(os.getpid(), signal.SIGINT)\n"
    assert ended(f"{code}print(signal.getsignal(signal.SIGINT) is {handler})").stdout == "True\n"


def test_after_imports_an_interrupt_is_the_usual_one():
    code = f"{INTERRUPT}with loading(): pass\nprint(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    assert ended(code).stdout == "True\n"
