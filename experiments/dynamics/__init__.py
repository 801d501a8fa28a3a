"""How plain training approaches neural collapse, in the free-features model itself."""
