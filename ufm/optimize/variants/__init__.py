"""Optima of problems of another shape, blindly: several starts, Newton steps, multipliers.

search   minimise any traced function under inequalities
models   each variant as such a function
flow     the gradient flow, integrated
"""
