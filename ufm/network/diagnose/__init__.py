"""The commonest mistakes in what was saved of a network, by name, with the remedy and the number that shows it."""
