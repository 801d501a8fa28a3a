"""python -m ufm.solve: the mixup unconstrained features model, solved three independent ways."""

from ufm.commands.frame import end
from ufm.commands.solve import main

if __name__ == "__main__":
    end(main())
