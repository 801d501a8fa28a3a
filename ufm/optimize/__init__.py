"""Numerical optima by autodiff. Knows nothing of `ufm.theory`."""
