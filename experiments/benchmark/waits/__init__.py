"""What a user waits for: first answers, and comparisons of many features."""
