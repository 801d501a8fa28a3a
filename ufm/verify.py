"""python -m ufm.verify: every theorem of the catalogue on your own parameters, with verdict and bound."""

from ufm.commands.frame import end
from ufm.commands.verify import main

if __name__ == "__main__":
    end(main())
