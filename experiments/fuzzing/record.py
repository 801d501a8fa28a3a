"""What came out of one case: how many checks it made, and every one that failed."""

import traceback
from collections import Counter

import numpy as np


class Record:
    """One case of one part; `about` are its parameters in one line."""

    def __init__(self, part: str, seed: int, number: int):
        self.part, self.seed, self.number = part, seed, number
        self.about = ""
        self.counts: Counter = Counter()
        self.found: list[str] = []

    @property
    def rng(self) -> np.random.Generator:
        """The case's own random numbers: they depend on seed, part and number only."""
        return np.random.default_rng([self.seed, *self.part.encode(), self.number])

    def expect(self, holds, name: str, what: str = "") -> bool:
        """Count a check; one that does not hold is a finding."""
        self.counts[name] += 1
        if not holds:
            self.found.append(f"{name}: {what}" if what else name)
        return bool(holds)

    def attempt(self, name: str, work, *given, **named):
        """The result of a call that must not raise; None if it did."""
        try:
            return work(*given, **named)
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            text = " ".join(str(error).split())[:160]
            place = f"{where.filename.rsplit('/', 1)[-1]}:{where.lineno}"
            self.expect(False, name, f"{type(error).__name__} at {place}: {text}")
            return None

    def lines(self) -> list[str]:
        """Each finding in one line that says how to see it again."""
        again = f"--seed {self.seed} --part {self.part} --case {self.number}"
        return [f"FOUND {what} | {self.about} | {again}" for what in self.found]
