"""python -m ufm.conjecture: a claim of your own, searched for a setting where certified optima contradict it."""

import sys

from ufm.commands.conjecture import main

if __name__ == "__main__":
    sys.exit(main())
