"""Closed forms of problems of another shape.

budgets      minority collapse under budgets
constrained  norms, budgets, features without negative entries, contrastive losses, softmax codes
losses       focal loss; ordered classes with one score
deep         products of factors
margins      the limit of small penalties: support vector machines
ray          gradient flow along the balanced simplex
"""
