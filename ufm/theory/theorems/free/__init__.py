"""Theorems on the free classifier for which the optimum is known entry by entry, by the kind of label law."""
