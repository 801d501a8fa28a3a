"""Bad input, apart from defects: the one exception that commands answer with exit code 2. Standard library only."""


class InputError(ValueError):
    """What was given cannot be used: says what it was, what is allowed, and what to try.

    Every other exception, any other ValueError too (NumPy's LinAlgError is one), is a defect: it exits with 70
    and never passes as wrong usage or as a verdict.
    """
