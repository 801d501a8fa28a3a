"""The same iterations on arrays of two kinds: JAX's, which XLA loops over, and numpy's, which compile nothing.

A program of a few thousand roots takes longer to trace than numpy takes to find them.
"""

import jax
import jax.numpy as jnp
import numpy as np

FEW = 2**15  # entries up to which numpy is preferred


def namespace(*parts):
    """jax.numpy if any of the parts is an array of JAX, traced or not, else numpy."""
    return jnp if any(isinstance(part, jax.Array) for part in parts) else np


def repeat(unfinished, advance, state):
    """The first of state, advance(state), … that is not unfinished; a tuple of arrays."""
    if any(isinstance(part, jax.Array) for part in jax.tree.leaves(state)):
        return jax.lax.while_loop(unfinished, advance, state)
    while unfinished(state):
        state = advance(state)
    return state


def root(equation, start, solve):
    """solve(equation, start), elementwise a root of the equation; a traced one has the root's derivatives."""
    if isinstance(start, jax.Array):
        return jax.lax.custom_root(equation, start, solve, _solve_scalar)
    return solve(equation, start)


def _solve_scalar(linear, y):
    """Solve the elementwise linear equation of an implicit derivative."""
    return y / linear(jnp.ones_like(y))
