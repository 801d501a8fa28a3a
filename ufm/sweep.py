"""python -m ufm.sweep: a grid of problems, solved, certified and judged, into a Parquet dataset."""

from ufm.commands.frame import end
from ufm.commands.sweep import main

if __name__ == "__main__":
    end(main())
