"""Theorems on problems of another shape, as values."""
