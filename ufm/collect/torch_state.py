"""What a PyTorch training must find as it left it: modes of every module, random numbers."""

import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np

HELD = ("generator", "sampler", "batch_sampler")  # where a DataLoader keeps its own random numbers


@contextmanager
def undisturbed(model, loaders: Iterable) -> Iterator[None]:
    """The model in evaluation mode; on leaving, each module in the mode it had, and all random numbers where they
    were: Python's, NumPy's, torch's on the CPU and on every device in use, and those of the loaders themselves."""
    import torch

    modes = [(part, part.training) for part in model.modules()]
    plain, numpy, cpu = random.getstate(), np.random.get_state(), torch.get_rng_state()
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None
    apple = torch.mps.get_rng_state() if torch.backends.mps.is_available() else None
    own = [(part, part.get_state()) for part in _generators(loaders)]
    try:
        model.eval()
        yield
    finally:
        for module, training in modes:
            module.training = training
        random.setstate(plain)
        np.random.set_state(numpy)
        torch.set_rng_state(cpu)
        if cuda is not None:
            torch.cuda.set_rng_state_all(cuda)
        if apple is not None:
            torch.mps.set_rng_state(apple)
        for generator, state in own:
            generator.set_state(state)


def _generators(loaders: Iterable) -> list:
    """Generators of their own that the loaders, their samplers and those of their batches draw from."""
    found, seen, open_ = [], set(), list(loaders)
    while open_:
        part = open_.pop()
        if part is None or id(part) in seen:
            continue
        seen.add(id(part))
        if hasattr(part, "get_state") and hasattr(part, "set_state"):
            found.append(part)
        else:
            open_ += [getattr(part, name, None) for name in HELD]
    return found
