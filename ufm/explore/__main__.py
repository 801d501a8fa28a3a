"""python -m ufm.explore: write the explorer, one page that needs no server and fetches nothing."""

from ufm.commands.frame import end
from ufm.commands.runs.explore import main

if __name__ == "__main__":
    end(main())
