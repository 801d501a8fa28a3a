"""python -m ufm.conjecture: a claim of your own, searched for a setting where certified optima contradict it."""

from ufm.commands.conjecture import main
from ufm.commands.frame import end

if __name__ == "__main__":
    end(main())
