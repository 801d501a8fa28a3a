"""Peak anonymous memory of a command, sampled from inside its process (Linux: RssAnon of its status).

RLIMIT_AS counts address space, of which JAX reserves far more than it uses; pages of mapped files are the
system's to take back. What the process alone holds is its anonymous memory. The kernel counts it; to ask for
smaps_rollup instead would walk the pages of a mapped file each time, and took a third of a long comparison.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WATCHED = """
import importlib, json, resource, sys, threading, time

def anonymous():
    lines = open("/proc/self/status").read().splitlines()
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith("RssAnon:"))

def watch():
    while True:
        peak[0] = max(peak[0], anonymous())
        time.sleep(0.05)

peak = [0]
threading.Thread(target=watch, daemon=True).start()
report, sys.argv = sys.argv[1], sys.argv[2:]
code = importlib.import_module(sys.argv[0]).main()  # as a command line's own: its programs are kept
used = resource.getrusage(resource.RUSAGE_SELF)
found = {"code": code, "peak": max(peak[0], anonymous()), "processor": used.ru_utime + used.ru_stime}
open(report, "w").write(json.dumps(found))
"""


def watched(module: str, *argv: str, cwd: Path) -> dict:
    """code: exit code of module.main(argv); peak of its anonymous memory in bytes; its processor seconds; the
    text it printed.

    Its standard error, where progress goes, is passed on. RuntimeError if it died without a word.
    """
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "peak.json"
        command = [sys.executable, "-c", WATCHED, str(report), module, *argv]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, cwd=cwd, env=environment)
        if not report.exists():
            raise RuntimeError(f"{module} ended with {done.returncode} and without a word")
        found = json.loads(report.read_text())
    return found | {"text": done.stdout}
