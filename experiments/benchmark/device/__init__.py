"""What one accelerator does at its best, and how much of that the kernels reach."""
