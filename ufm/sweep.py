"""python -m ufm.sweep: a grid of problems, solved, certified and judged, into a Parquet dataset."""

import sys

from ufm.commands.sweep import main

if __name__ == "__main__":
    sys.exit(main())
