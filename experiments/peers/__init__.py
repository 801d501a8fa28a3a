"""What a researcher would use, one file each.

A file names the packages it needs in PACKAGES, and in VARIANTS its ways to solve a task: a function of the
task that returns a `Solver` (joint problems: a `Descent`), or None where the way does not apply.
"""
