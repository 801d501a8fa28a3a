"""min f(x) subject to g(x) ≥ 0 for a few dozen variables: augmented Lagrangian, Newton steps on |Hessian|.

    L(x, m) = f(x) + (1/2μ) Σ (max(0, m − μ g)² − m²),    m ← max(0, m − μ g).

Directions of negative curvature are followed, so that strict saddles repel; steps are halved until L falls, and
below the rounding of L those are taken that shrink its gradient. What is found is a local minimum.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

FLAT = 1e-10  # eigenvalues below this share of the largest are not divided by (rotations)
STEPS = 500
ROUNDS = 60  # of multipliers
WEIGHT = 30.0  # μ
LEAST = 1e-12  # nor eigenvalues below this
FAR = 3.0  # a step is at most this many times 1 + ‖x‖
CLOSE = 1e-12  # a violation, or a multiplier times what is left of its constraint, that counts as none


class Minimum(NamedTuple):
    """x, f(x), ‖∇L‖, multipliers of g ≥ 0, and the largest violation of it."""

    x: np.ndarray
    value: float
    slope: float
    multipliers: np.ndarray
    violation: float


class Program(NamedTuple):
    """f, g, L, and L's gradient with its Hessian, compiled; data: whatever they depend on besides, traced."""

    objective: Callable
    constraints: Callable
    lagrangian: Callable
    derivatives: Callable


def compile_program(objective: Callable, constraints: Callable | None) -> Program:
    """f(x, data) -> scalar and g(x, data) -> vector (None: no constraint), traced, x a flat vector."""
    g = (lambda x, data: jnp.zeros(0)) if constraints is None else constraints

    def lagrangian(x, m, data):
        active = jnp.maximum(0.0, m - WEIGHT * g(x, data))
        return objective(x, data) + jnp.sum(active**2 - m**2) / (2 * WEIGHT)

    def derivatives(x, m, data):
        return jax.grad(lagrangian)(x, m, data), jax.hessian(lagrangian)(x, m, data)

    return Program(jax.jit(objective), jax.jit(g), jax.jit(lagrangian), jax.jit(derivatives))


def minimise_from(program: Program, x: np.ndarray, data, retract=lambda x: x) -> Minimum:
    """The local minimum that a start leads to. retract: to where x is kept, at no change of f and g."""
    m = np.zeros(program.constraints(x, data).shape)
    slope, violation = np.inf, 0.0
    for _ in range(ROUNDS if m.size else 1):
        x, slope = descend(program, x, m, data, retract)
        g = np.asarray(program.constraints(x, data))
        new = np.maximum(0.0, m - WEIGHT * g)
        violation, m = float(np.max(-g, initial=0.0)), new
        if max(violation, float(np.abs(m * g).max(initial=0.0))) <= CLOSE:
            break
    return Minimum(x, float(program.objective(x, data)), slope, m, violation)


def descend(program: Program, x: np.ndarray, m: np.ndarray, data, retract) -> tuple[np.ndarray, float]:
    """Newton steps on L(·, m) until its gradient shrinks no more."""
    value = float(program.lagrangian(x, m, data))
    gradient, hessian = (np.asarray(part) for part in program.derivatives(x, m, data))
    for _ in range(STEPS):
        curvature, vector = np.linalg.eigh(hessian)
        size = np.maximum(np.abs(curvature), FLAT * np.abs(curvature).max())
        step = -vector @ ((vector.T @ gradient) / np.maximum(size, LEAST))
        step *= min(1.0, FAR * (1 + float(np.linalg.norm(x))) / (float(np.linalg.norm(step)) + LEAST))
        expected = float(gradient @ step)
        length, small = 1.0, -expected <= 1e-13 * max(abs(value), 1e-300)
        while True:
            tried = retract(x + length * step)
            new = float(program.lagrangian(tried, m, data))
            if small or new <= value + 1e-4 * length * expected or length < 1e-10:
                break
            length /= 2
        found, bent = (np.asarray(part) for part in program.derivatives(tried, m, data))
        if small and not np.linalg.norm(found) < 0.5 * np.linalg.norm(gradient):
            break
        x, value, gradient, hessian = tried, new, found, bent
    return x, float(np.linalg.norm(gradient))
