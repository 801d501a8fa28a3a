"""The commands that the pages show: one table, what they need, and a watch over runs of them."""
