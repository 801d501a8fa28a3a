"""The closed form as a traced function of arrays: logits and features of any soft label, with exact derivatives.

Against a simplex ETF the optimum depends on the label and on a = m² K/((K−1) λ_H) alone (`ufm.theory.features`).
Its derivative is that of `ufm.theory.response`, r = y − p = z/a:

    dz = a ζ(dy) + ζ(r) da,   dr = ζ(dy) − p ∘ τ(r) da,   d log p = a τ(dy) + τ(r) da,

ζ and τ the response (I + aS)⁻¹b and its distance from t: no difference of large numbers for any a ≥ 0, and at
a = 0 what the limits are. The rule is written in the optimum itself, so that it holds for every order.

Labels keep the convention of `ufm.loss`: a tangent moves all entries but the first largest, which stays one minus
the others. Where the input is no problem (a < 0, not finite, no probabilities) everything is NaN.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

import ufm.rules.numbers as checked
from ufm.model.etf import etf_basis
from ufm.rules.brief import shown
from ufm.rules.soft_labels import probable
from ufm.theory.features import label_optimum
from ufm.theory.response import response


class ClosedForm(NamedTuple):
    """Logits z (..., K) of sum zero, residual y − p = z/a, and p (squared error: fitted values z + 1/K)."""

    z: Float[Array, "*batch K"]
    residual: Float[Array, "*batch K"]
    p: Float[Array, "*batch K"]

    def __repr__(self) -> str:
        return shown(self)


@partial(jax.jit, static_argnames="loss")
def closed_form_logits(
    Y: Float[Array | np.ndarray, "*batch K"], a, *, loss: str = "cross-entropy"
) -> ClosedForm:
    """The optimal logits of labels Y at sharpness a ≥ 0 (a number, or one a label)."""
    checked.choice("loss", loss, checked.LOSS_NAMES)
    dtype = jnp.result_type(Y, a, float)
    Y = jnp.asarray(Y, dtype)
    return pattern_form(Y, jnp.ones(Y.shape[-1]), jnp.broadcast_to(jnp.asarray(a, dtype), Y.shape[:-1]), loss)


@partial(jax.jit, static_argnames=("dim", "loss"))
def closed_form_features(
    Y: Float[Array | np.ndarray, "*batch K"],
    multiplier,
    lambda_h,
    *,
    dim: int | None = None,
    loss: str = "cross-entropy",
) -> Float[Array, "*batch d"]:
    """The optimal features h against `simplex_etf(K, dim, multiplier)`: what `predict_features` gives.

    h = Wᵀz/g = Wᵀr/λ_H, of which the first is used where a ≥ 1 and the second elsewhere, m = 0 included.
    """
    K = jnp.shape(Y)[-1]
    scale = jnp.sqrt(K / (K - 1)) * jnp.asarray(multiplier, jnp.result_type(Y, multiplier, lambda_h, float))
    sharp = scale**2 >= lambda_h
    found = closed_form_logits(Y, scale**2 / lambda_h, loss=loss)
    there = found.z / jnp.where(sharp, scale, 1.0)
    q = jnp.where(sharp, there, found.residual * (jnp.where(sharp, 0.0, scale) / lambda_h))
    return q @ etf_basis(K, dim or K)


def pattern_form(values, counts, a, loss: str) -> ClosedForm:
    """The same for labels given as distinct values (..., r), counts (..., r) of each, and a (...)."""
    valid = _valid(values, counts, a)[..., None]
    values, a = jnp.where(valid, values, 1.0 / _classes(counts)), jnp.where(valid[..., 0], a, 1.0)
    form = _affine(values, counts, a) if loss == "squared-error" else _softmax_form(values, counts, a)
    # a product, for a derivative that is NaN as well
    return jax.tree.map(lambda part: part * jnp.where(valid, 1.0, jnp.nan), form)


def _valid(values, counts, a):
    unit = float(jnp.finfo(values.dtype).eps)
    of_label = probable(jnp.min(values, -1), jnp.sum(counts * values, -1), values.shape[-1], unit)
    return jnp.isfinite(a) & (a >= 0) & of_label


def _classes(counts):
    """K, an axis kept."""
    return jnp.sum(counts, -1, keepdims=True)


def _affine(values, counts, a) -> ClosedForm:
    """z = (y − 1/K) a/(1+a), in forms whose derivatives do not cancel."""
    K, a = _classes(counts), a[..., None]
    sharp = a >= 1.0
    share = jnp.where(sharp, 1.0 / (1.0 + 1.0 / jnp.where(sharp, a, 1.0)), a / (1.0 + a))
    z = share * (values - 1.0 / K)
    return ClosedForm(z, (values - 1.0 / K) / (1.0 + a), z + 1.0 / K)


@jax.custom_jvp
def _softmax_form(values, counts, a) -> ClosedForm:
    some = a > 0
    best = label_optimum(values, counts, jnp.where(some, a, 1.0)[..., None])
    z = jnp.where(
        some[..., None], best.x - jnp.sum(counts * best.x, -1, keepdims=True) / _classes(counts), 0.0
    )
    p = jnp.where(some[..., None], best.p, 1.0 / _classes(counts))
    sharp = a[..., None] >= 1.0
    return ClosedForm(z, jnp.where(sharp, z / jnp.where(sharp, a[..., None], 1.0), values - p), p)


@_softmax_form.defjvp
def _softmax_form_jvp(primals, tangents):
    values, counts, a = primals
    d_a, form = tangents[2][..., None], _softmax_form(*primals)
    s = a[..., None] * form.p
    along_y = response(_complete(values, counts, tangents[0]), s, counts, form.p)
    along_a = response(form.residual, s, counts, form.p)
    d_log_p = a[..., None] * along_y.apart + along_a.apart * d_a
    d_z = a[..., None] * along_y.z + along_a.z * d_a
    return form, ClosedForm(d_z, along_y.z - form.p * along_a.apart * d_a, form.p * d_log_p)


def _complete(values, counts, tangent):
    """A tangent of values with that of the first largest (one class) set to minus the others'."""
    top = jnp.arange(values.shape[-1]) == jnp.argmax(values, -1, keepdims=True)
    others = jnp.where(top, 0.0, tangent)
    return jnp.where(top, -jnp.sum(counts * others, -1, keepdims=True), others)
