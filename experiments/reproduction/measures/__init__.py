"""Everything measured on one trained network."""
