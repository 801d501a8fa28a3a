"""Closed forms. Knows nothing of `ufm.objective` and `ufm.optimize`."""
