"""Newton's method on a batch of features, convergent from every start for every valid input.

Along a step of decrement ν (ν² = −⟨∇f, step⟩) and logit range β let φ(t) be the objective after a share t of it.
The Hessian of log-sum-exp changes by a factor of at most e^{βt} on the way (Bach 2010; Sun & Tran-Dinh 2019), so

    φ'(t) ≤ ν² ((e^{βt} − 1)/β − 1),

which is negative up to t₀ = log(1+β)/β, and the full step falls by at least ν² (1 − (e^β − 1 − β)/β²), positive for
β ≤ 3/2. There the full step is taken. Elsewhere t₀ can be far too short, since β counts classes without mass; a
search then lengthens it to a t ≥ t₀ with φ'(0)/10 ≤ φ'(t) ≤ 0. φ is convex, so the objective falls all the way, by

    f − f⁺ ≥ φ(0) − φ(t₀) ≥ ν² ((1+β) log(1+β) − β)/β² > 0.

Convergence: on the sublevel set of the start β is bounded and λ_H ≤ ∇²f ≤ L, so that every step falls by at least a
fixed share of ν² ≥ (2 λ_H/L)(f − f*): f → f* linearly, hence h → h* and β → 0, full steps, quadratic convergence
(Boyd & Vandenberghe 2004, 9.5.3, with this search in the place of backtracking). Of the number of steps this bounds
nothing of use; it is measured in the tests.

The end: one more step would leave an error of about β²/2 in the logits. Or rounding: after a step with β ≤ 1/32

    ν⁺ ≤ ν (e^{β/2} (e^β − 1 − β)/β + ρ) ≤ ν/2,

ρ ≤ 10 β the relative residual of an inexact step in the norm of ν (and β⁺ ≤ 8 β² ≤ β/4 against an ETF, where
|Δz| ≤ 2 max |r_k/p_k|); where the computed one is larger, what is left of the gradient is rounding.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from ufm.loss import LOSSES, MANY, Triple, relative_logits, triple
from ufm.optimize.coordinates import Centred
from ufm.optimize.line_search import lengthen
from ufm.optimize.many.alike import each, shared

FULL_STEP = 1.5
NEAR = 1 / 32  # ranges below which the next decrement is less than half, inexact steps included
ROUGH_STEPS = 30  # at most, in the lower precision: it may never settle


class Iterate(NamedTuple):
    """Coordinates q (r, B), whether each has stopped moving, and the number of steps taken."""

    q: Float[Array, "r B"]
    done: jax.Array
    steps: Int[Array, ""]


def local_model(loss, coordinates, q, Y, lambda_h, shift=0.0):
    """∇_q of ℓ(z(q) + shift, y) + (λ_H/2)‖q‖² for every feature of the batch; and (z(q), c): the logits
    without the shift, the curvature with it.

    lambda_h: one for all, or (B).
    """
    z = coordinates.logits(q)
    slope, curvature = loss.local(z + shift, Y)
    return coordinates.gradient(slope, q, lambda_h), (z, curvature)


def step_length(loss, coordinates, q, step, gradient, Y, lambda_h, shift, far):
    """Shares of the steps as the module's docstring says: 1, and where `far` as long as the objective falls."""
    z = coordinates.logits(q) + shift  # again: what is rarely needed is not kept
    dz = coordinates.logits(step)
    if loss.coupling:
        dz = relative_logits(dz, Y)  # without the part that cancels in the derivative
    across, along = coordinates.inner(q, step), coordinates.inner(step, step)

    def derivative(t):
        return jnp.sum(loss.local(z + t * dz, Y)[0] * dz, 0) + lambda_h * (across + t * along)

    reach = jnp.ptp(dz, 0) if loss.coupling else jnp.max(jnp.abs(dz), 0)
    beta, slope = jnp.where(far, loss.concordance * reach, 1.0), jnp.sum(gradient * step, 0)
    return jnp.where(far, lengthen(derivative, slope, jnp.log1p(beta) / beta, far), 1.0)


def leap(coordinates, Y, lambda_h, sizes=None):
    """Cross-entropy's first step from zero, to where softmax(z) is nearly the label, smoothed: ∝ y + o/a.

    a = gain/λ_H is how large the ridge lets the logits' pull become. o is their mean as it comes out at o = 1,
    kept near 1 where a is small and logits are about a y. A guess: only the number of steps depends on it.
    sizes (K): of how many classes each row is, all of them with this label; None: one.
    """
    mean = partial(jnp.average, axis=0, weights=sizes)
    a = jnp.minimum(coordinates.gain / lambda_h, 0.5 * jnp.finfo(Y.dtype).max)
    o = mean(jnp.log1p(a * Y)) + 1.0 / (1.0 + a)
    z = jnp.log1p(a * Y / o)
    return coordinates.fit(z - mean(z), lambda_h)


def _reach(loss, coordinates, step):
    """β of a step: |dz| as `Loss.concordance` measures it, without a constant only where the loss sees none."""
    if loss.coupling:
        return coordinates.range(step)
    return jnp.max(jnp.abs(coordinates.logits(step)), 0)


class _Walk(NamedTuple):
    """An iterate, the size of the last step, and whether that was a full one with β <= NEAR."""

    at: Iterate
    size: Float[Array, "B"]
    near: Bool[Array, "B"]


@partial(jax.jit, static_argnames=("loss_name",))
def descend_newton(coordinates, q, Y, lambda_h, max_steps, shift=0.0, *, loss_name: str, count=0) -> Iterate:
    """Minimise over q from the given start; stops a feature when its next error is below rounding.

    shift (K, 1): a bias added to the logits. count: steps already taken.
    """
    loss = LOSSES[loss_name]
    path = coordinates.path(loss.coupling)
    if path is not coordinates:
        found = descend_newton(
            path, coordinates.enter(q), Y, lambda_h, max_steps, shift, loss_name=loss_name, count=count
        )
        return found._replace(q=coordinates.leave(found.q))
    eps = jnp.finfo(q.dtype).eps

    def advance(walk: _Walk) -> _Walk:
        q, done, steps = walk.at
        gradient, (z, curvature) = local_model(loss, coordinates, q, Y, lambda_h, shift)
        step = coordinates.newton_step(gradient, curvature, loss.coupling, lambda_h)
        beta, size = _reach(loss, coordinates, step), coordinates.size(step, gradient)
        far = (loss.concordance * beta > FULL_STEP) & ~done
        length = jax.lax.cond(
            jnp.any(far),
            lambda: step_length(loss, coordinates, q, step, gradient, Y, lambda_h, shift, far),
            lambda: jnp.ones_like(beta),
        )
        small = beta**2 <= eps * jnp.max(jnp.abs(z), 0)
        done = done | small | (walk.near & (size > 0.5 * walk.size))
        q = jnp.where(walk.at.done, q, q + length * step)
        return _Walk(Iterate(q, done, steps + 1), size, beta <= NEAR)

    def unfinished(walk: _Walk):
        return (walk.at.steps < max_steps) & ~jnp.all(walk.at.done)

    nothing = jnp.zeros(q.shape[1], q.dtype)
    start = Iterate(q, nothing > 0, jnp.asarray(count, jnp.int32))
    return jax.lax.while_loop(unfinished, advance, _Walk(start, nothing, nothing > 0)).at


@partial(jax.jit, static_argnames=("loss_name", "tile", "first"))
def newton_from_zero(
    coordinates, Y, lambda_h, max_steps, *, loss_name: str, tile: int = 0, first=None
) -> Iterate:
    """`newton` from q = 0; with cross-entropy its first step is a `leap`. Labels Y (K, B).

    tile: features that stay in cache together and stop together, a divisor of B; 0: all. first: a dtype in which
    to begin, where it is much the faster one; the last steps, and the decision to stop, are in the dtype of Y.
    """
    path = coordinates.path(LOSSES[loss_name].coupling)
    if path is not coordinates:
        found = newton_from_zero(path, Y, lambda_h, max_steps, loss_name=loss_name, tile=tile, first=first)
        return found._replace(q=coordinates.leave(found.q))

    solve = partial(_solve, lambda_h=lambda_h, max_steps=max_steps, loss_name=loss_name, first=first)
    each_class = partial(_by_tiles, solve, coordinates, Y, tile)
    if not isinstance(coordinates, Centred) or len(Y) < MANY:
        return each_class()
    few, three = triple(Y)
    few &= coordinates.scale > 0  # their lengths are divided by it
    return jax.lax.cond(few, partial(_by_three, solve, coordinates, three, len(Y)), each_class)


def _by_tiles(solve, coordinates, Y, tile: int) -> Iterate:
    if not tile:
        return solve(coordinates, Y)
    parts = jax.lax.map(partial(solve, coordinates), jnp.moveaxis(Y.reshape(len(Y), -1, tile), 1, 0))
    q = jnp.moveaxis(parts.q, 0, 1).reshape(parts.q.shape[1], -1)
    return Iterate(q, parts.done.ravel(), jnp.max(parts.steps))


def _by_three(solve, coordinates, labels: Triple, classes: int) -> Iterate:
    three = shared(coordinates.scale, classes)
    found = solve(three, labels.Y, sizes=three.sizes)
    return found._replace(q=each(three, found.q, labels.places, classes))


def _solve(coordinates, Y, lambda_h, max_steps, loss_name, first, sizes=None) -> Iterate:
    """Labels that stay in cache together. sizes: as `leap` has it."""
    if first is None:
        return _from_zero(coordinates, Y, lambda_h, max_steps, loss_name, sizes)
    few = jnp.minimum(max_steps, ROUGH_STEPS)
    roughly, labels, penalty, counts = _cast((coordinates, Y, lambda_h, sizes), first)
    rough = _from_zero(roughly, labels, penalty, few, loss_name, counts)
    # where its range did not suffice, start again
    q = coordinates.settle(jnp.where(jnp.all(jnp.isfinite(rough.q), 0), rough.q, 0.0).astype(Y.dtype))
    return descend_newton(
        coordinates, q, Y, lambda_h, max_steps, _bias(sizes), loss_name=loss_name, count=rough.steps
    )


def _from_zero(coordinates, Y, lambda_h, max_steps, loss_name, sizes) -> Iterate:
    q = coordinates.zero(Y)
    if not LOSSES[loss_name].coupling:
        return descend_newton(coordinates, q, Y, lambda_h, max_steps, loss_name=loss_name)
    count, leapt = jnp.minimum(max_steps, 1), leap(coordinates, Y, lambda_h, sizes)
    q = jnp.where(count > 0, _lower(coordinates, leapt, Y, lambda_h, loss_name), q)
    return descend_newton(
        coordinates, q, Y, lambda_h, max_steps, _bias(sizes), loss_name=loss_name, count=count
    )


def _bias(sizes):
    """Of a class that stands for several."""
    return 0.0 if sizes is None else jnp.log(sizes)[:, None]


def _lower(coordinates, q, Y, lambda_h, loss_name):
    """q, but 0 where the objective is not lower than there: only where not all logits can be had."""
    if coordinates.reaches_all:
        return q
    value = LOSSES[loss_name].value
    there = value(coordinates.logits(q), Y) + 0.5 * lambda_h * jnp.sum(q * q, 0)
    return jnp.where(there < value(jnp.zeros_like(Y), Y), q, 0.0)


def _cast(tree, dtype):
    return jax.tree.map(lambda part: part.astype(dtype), tree)
