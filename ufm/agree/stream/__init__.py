"""A stream of features in batches: labels with their closed forms, candidates in their space, what is kept."""
