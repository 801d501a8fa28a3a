"""Nothing waits forever without a word: work that stands still on a device ends the command. Standard library only.

A native wait (threads that wait for each other, a device that does not answer) cannot be interrupted from Python.
So commands start a thread that looks after the work that was handed over: if for PATIENCE seconds none of it ends,
and this process neither used nor stood in line for more than SHARE of a core, it says where, in one line, and ends
the process with STUCK. Waiting for other processes is no such work: it has its own rule (`ufm.processes`).
"""

import os
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

# seconds; inf for who wants to look at it as it stands
PATIENCE = float(os.environ.get("UFM_PATIENCE", 60))
