"""The published claims on mixup, measured on trained networks: what `python -m experiments.claims` runs."""
