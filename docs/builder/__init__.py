"""What Sphinx lacks for these pages: formulas without a network, plain docstrings, pages made from the code."""
