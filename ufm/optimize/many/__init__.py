"""Many classes: the descent of `ufm.optimize.gram` without a matrix a label, and features of few coordinates.

alike    features of two-hot labels: all other classes share a coordinate
tails    coordinates of features: labels have two large probabilities, and tails that are alike
blocks   sums over the labels, block by block, as compiled programs
orbits   laws by their symmetry: Newton on the few numbers that W has
descent  Newton's method in G, its systems solved by conjugate gradients
"""
