"""Activations, labels and arrays on disk: checked, mapped, read in blocks of rows."""
