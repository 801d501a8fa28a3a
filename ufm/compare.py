"""python -m ufm.compare: a network's last-layer activations against the theory of mixup."""

from ufm.commands.compare import main
from ufm.commands.frame import end

if __name__ == "__main__":
    end(main())
