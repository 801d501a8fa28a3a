"""What Newton's method in G asks of all labels, block by block: no array has more than K numbers a label.

With z = W h + b, u = W D h + db and H = λ + Wᵀ P W of each label, S of `ufm.optimize.gram` needs no matrix:

    Wᵀ S u = λ q,    S u = P (u − W q),    H q = Wᵀ P u,    so that    dz = W (D h − q) + db − …

and D²φ(D, db) = (E λ (q hᵀ + h qᵀ)/2, E S u + λ_b db). A direction D = F (e_i e_jᵀ + e_j e_iᵀ) Fᵀ/2, F = W⁺, has
the curvature (P_ij + P_ji)/4, P_ij = E S_ii r_j²/λ², but for E r_i S_ij r_j, which is small: the preconditioner of
`descent`. With it conjugate gradients take as many rounds at K = 32 as at K = 12, also where weights differ.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ufm.loss import LOSSES
from ufm.optimize.coordinates import _dot
from ufm.optimize.many.tails import Tailed
from ufm.optimize.newton import descend_newton, leap
from ufm.runtime.devices import ALL, CUT, total

ENTRIES = 2**16  # logits of a block: an array of them is half a MiB, so that a few stay in cache


class Labels(NamedTuple):
    """Labels in m blocks of B: Y (m, K, B), weights, λ_H (m, B), and the classes of the largest (m, 2, B)."""

    Y: Float[Array, "m K B"]
    weight: Float[Array, "m B"]
    each: Float[Array, "m B"]
    pair: Int[Array, "m 2 B"]


class Frame(NamedTuple):
    """W (K, k) and what comes with it: F = W⁺ (k, K), b (K), τ (K) and d (k) of `Tailed`.

    spare (K): the diagonal of the projector onto directions of logits that W has lost, where S = P.
    """

    W: Float[Array | np.ndarray, "K k"]
    inverse: Float[Array | np.ndarray, "k K"]
    b: Float[Array | np.ndarray, "K"]
    tail: Float[Array | np.ndarray, "K"]
    ridge: Float[Array | np.ndarray, "k"]
    spare: Float[Array | np.ndarray, "K"]


class Sums(NamedTuple):
    """E (ℓ + λ‖h‖²/2), E λ h hᵀ (k, k), E r rᵀ/λ (K, K), E r, P (K, K), E S_ii, E c and weight of tails (K)."""

    objective: Array
    square: Array
    M: Array
    mean: Array
    stiff: Array
    stiff_b: Array
    tail: Array
    seen: Array


LABELS = Labels(CUT, CUT, CUT, CUT)  # type: ignore[arg-type] # how they are cut among devices
FRAME = Frame(*[ALL] * 6)  # type: ignore[arg-type]
SUMS = Sums(*[ALL] * 8)  # type: ignore[arg-type]


def fold(Y, weight, each, *, blocks: int, axis=None) -> Labels:
    """The labels of a device in blocks; the last label is repeated with weight 0 to fill them."""
    missing = -Y.shape[1] % blocks
    Y = jnp.pad(Y, ((0, 0), (0, missing)), mode="edge")
    weight, each = jnp.pad(weight, (0, missing)), jnp.pad(each, (0, missing), mode="edge")
    first = jnp.argmax(Y, 0)
    second = jnp.argmax(jnp.where(jnp.arange(len(Y))[:, None] == first, -jnp.inf, Y), 0)
    return Labels(*(_split(part, blocks) for part in (Y, weight, each, jnp.stack([first, second]))))


def _split(part, blocks: int):
    return jnp.moveaxis(part.reshape(*part.shape[:-1], blocks, -1), -2, 0)


def unfold(h, *, count: int, axis=None):
    """Blocks (m, k, B) as columns, at most so many: those that fill up the last block are at the end."""
    return jnp.moveaxis(h, 0, 1).reshape(h.shape[1], -1)[:, :count]


def _coordinates(frame: Frame, pair) -> Tailed:
    W, tail, ridge = map(jnp.asarray, (frame.W, frame.tail, frame.ridge))
    return Tailed(W, tail, ridge, pair, jnp.moveaxis(W[pair], -1, 1))


def _over_blocks(work, parts):
    """work(block) -> (outcome, sums) of each: outcomes by block, and the total of the sums."""
    first = jax.tree.map(lambda part: part[0], parts)
    zero = jax.tree.map(lambda one: jnp.zeros(one.shape, one.dtype), jax.eval_shape(work, first)[1])

    def step(sums, block):
        found, more = work(block)
        return jax.tree.map(jnp.add, sums, more), found

    sums, found = jax.lax.scan(step, zero, parts)
    return found, sums


def begin(frame: Frame, labels: Labels, *, loss_name: str, axis=None):
    """Features to start from: a `leap` where the loss is cross-entropy, else 0."""
    k = frame.W.shape[1]
    if not LOSSES[loss_name].coupling:
        return jnp.zeros((len(labels.Y), k, labels.Y.shape[2]))

    def work(block: Labels):
        return leap(_coordinates(frame, block.pair), block.Y, block.each), ()

    return _over_blocks(work, labels)[0]


def advance(
    frame: Frame, turn, D, length, h, q, labels: Labels, inner_steps, *, loss_name: str, axis=None
) -> tuple[Array, Sums]:
    """Optimal features of a frame, and sums, from those of another as a share of its Newton step predicts them.

    turn (k, k): the coordinates here of features there.
    """

    def work(parts):
        h, q, block = parts
        coordinates = _coordinates(frame, block.pair)
        start = _dot(turn, h + length * (_dot(D, h) - q))
        h = descend_newton(
            coordinates, start, block.Y, block.each, inner_steps, frame.b[:, None], loss_name=loss_name
        ).q
        return h, _sums(frame, coordinates, h, block, loss_name)

    h, sums = _over_blocks(work, (h, q, labels))
    return h, total(sums, axis)


def _sums(frame: Frame, coordinates: Tailed, h, block: Labels, loss_name: str) -> Sums:
    loss, (Y, weight, lam, pair) = LOSSES[loss_name], block
    z = coordinates.logits(h) + frame.b[:, None]
    fit, back = jax.vjp(lambda z: loss.value(z, Y), z)
    r, c = -back(jnp.ones_like(fit))[0], loss.curvature(z)
    near = coordinates.near(c, loss.coupling, lam)
    # S = λ Fᵀ (1 − λ H⁻¹) F, H₀ in the place of H
    fill = 1 - lam * near.inverse
    across = (_dot(frame.inverse.T, one) ** 2 for one in (near.first, near.second))
    S = lam * _dot(frame.inverse.T**2, fill) + lam**2 * sum(across) + frame.spare[:, None] * c
    which = jnp.arange(len(Y))[:, None]
    seen = jnp.where((which != pair[0]) & (which != pair[1]), weight, 0.0)
    return Sums(
        jnp.sum(weight * (fit + 0.5 * lam * jnp.sum(h * h, 0))),
        _dot(h * (weight * lam), h.T),
        _dot(r * (weight / lam), r.T),
        r @ weight,
        _dot(S * (weight / lam**2), (r * r).T),
        S @ weight,
        jnp.sum(seen * c, 1),
        jnp.sum(seen, 1),
    )


def curve(frame: Frame, D, db, h, labels: Labels, share, *, loss_name: str, rough: bool = False, axis=None):
    """q of every label, and D²φ(D, db) without λ_b, the systems of the labels solved to a share of their forces.

    rough: in float32, sums over blocks but not within them in float64.
    """
    loss, exact = LOSSES[loss_name], h.dtype
    kind = jnp.float32 if rough else exact
    frame, D, db, share = _cast((frame, D, db, share), kind)

    def work(parts):
        h, (_, weight, lam, pair) = parts
        h, weight, lam = _cast((h, weight, lam), kind)
        coordinates = _coordinates(frame, pair)
        c = loss.curvature(coordinates.logits(h) + frame.b[:, None])

        def apply(v):
            return c * (v - loss.coupling * jnp.sum(c * v, 0))

        u = coordinates.logits(_dot(D, h)) + db[:, None]
        near = coordinates.near(c, loss.coupling, lam)
        force = _dot(frame.W.T, apply(u))
        q = coordinates.solve(near, force, c, loss.coupling, lam, share)
        pull = apply(u - coordinates.logits(q))
        return _cast((q, (_dot(q * (weight * lam), h.T), pull @ weight)), exact)

    q, (cross, mean) = _over_blocks(work, (h, labels))
    cross, mean = total((cross, mean), axis)
    return q, 0.5 * (cross + cross.T), mean


def _cast(tree, dtype):
    return jax.tree.map(lambda part: jnp.asarray(part, dtype), tree)
