"""Closed forms. Knows nothing of `ufm.loss` and `ufm.optimize`."""
