"""A block of problems in one compiled program: parameters in, one row of a table for each label out."""
