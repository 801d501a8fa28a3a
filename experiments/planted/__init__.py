"""Claims of which it is known beforehand whether they are true."""
