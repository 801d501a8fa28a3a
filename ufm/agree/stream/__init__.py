"""A stream of features in batches: labels with their closed forms, and what is kept of the candidates."""
