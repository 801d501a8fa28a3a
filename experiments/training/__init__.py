"""One training run: its settings, its steps, its files."""
