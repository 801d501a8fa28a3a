"""What `python -m experiments.speed` is made of: tasks, a 40-digit oracle, processes, tables."""
