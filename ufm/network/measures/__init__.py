"""What is measured on a network's features and logits, each against the optimum."""
