"""python -m ufm.compare: a network's last-layer activations against the theory of mixup."""

import sys

from ufm.commands.compare import main

if __name__ == "__main__":
    sys.exit(main())
