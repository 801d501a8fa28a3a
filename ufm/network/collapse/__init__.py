"""Neural collapse in numbers: what is kept of each class, and every metric made of it, by convention."""
