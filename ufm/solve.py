"""python -m ufm.solve: the mixup unconstrained features model, solved three independent ways."""

import sys

from ufm.commands.solve import main

if __name__ == "__main__":
    sys.exit(main())
