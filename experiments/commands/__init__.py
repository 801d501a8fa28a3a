"""The commands that README.md and docs/ show: one table, what they need, and a watch over runs of them."""
