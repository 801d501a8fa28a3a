"""Arithmetic of the numerical route: float32 with refinement, no silent TF32, what suits a device."""

from dataclasses import replace
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ufm.certify.sample
import ufm.runtime.devices
from tests.children import refused, strict
from ufm import solve
from ufm.agree.features import Settings, check_features
from ufm.certify.features import certify_any, certify_etf, certify_features
from ufm.certify.sample import losses_residuals
from ufm.model.cases import PairCases
from ufm.model.problem import Problem
from ufm.optimize.features import etf_coordinates, frame, minimise_share, solve_features
from ufm.optimize.newton import newton_from_zero
from ufm.rules.soft_labels import normalise
from ufm.runtime.devices import exactly
from ufm.runtime.start import choose_precision

pytestmark = pytest.mark.slow  # every program is compiled in several arithmetics

RNG = np.random.default_rng(11)
LABELS = normalise(RNG.dirichlet(np.full(5, 0.5), 40))
WIDE = RNG.standard_normal((5, 7))
RANK_TWO = RNG.standard_normal((5, 2)) @ RNG.standard_normal((2, 7))
CLASSIFIERS = {"etf": None, "conditioned": WIDE, "any": RANK_TWO}
LOSSES = ("cross-entropy", "squared-error")


@pytest.fixture(autouse=True)
def _no_help():
    """A command run in this process asks JAX for full products everywhere; here each must ask for itself."""
    with jax.default_matmul_precision("default"):
        yield


def problem(kind: str, loss: str = "cross-entropy", lambda_h: float = 1e-4) -> Problem:
    given = {"multiplier": 1.7} if CLASSIFIERS[kind] is None else {"classifier": CLASSIFIERS[kind]}
    return Problem(5, lambda_h=lambda_h, loss=loss, **given, **({"dim": 7} if kind == "etf" else {}))


@pytest.mark.promise("mixed precision")
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_refined_features_are_those_of_float64(kind, loss):
    task = problem(kind, loss)
    whole, mixed, single = (
        solve_features(task, LABELS, **options)
        for options in ({}, {"first": np.float32}, {"dtype": np.float32})
    )
    size = np.linalg.norm(whole.H, axis=1)
    assert (np.linalg.norm(mixed.H - whole.H, axis=1) <= 1e-13 * size).all() and mixed.H.dtype == np.float64
    error = np.linalg.norm(single.H - whole.H, axis=1)
    assert np.max(error / size) > 1e-9, "float32 alone does not get there"
    bounds = [certify_features(task, found.H, LABELS).distance for found in (mixed, whole, single)]
    assert (bounds[0] <= 1.1 * bounds[1] + 1e-14).all() and (error <= bounds[2] + bounds[1]).all()
    assert (bounds[1] < 0.01 * error).any(), "and float64's bound tells the two apart"


def test_few_steps_are_left_for_float64():
    """The rough solution is within float32's rounding of the optimum: Newton's error squares."""
    task = problem("etf")
    args = (etf_coordinates(task, np.float64), jnp.asarray(LABELS.T), task.lambda_h, 200)
    rough = newton_from_zero(
        *jax.tree.map(lambda part: jnp.asarray(part, jnp.float32), args[:3]), 200, loss_name="cross-entropy"
    )
    whole = newton_from_zero(*args, loss_name="cross-entropy", first=np.float32)
    assert 1 <= int(whole.steps) - int(rough.steps) <= 2


@pytest.mark.parametrize("steps", [0, 1])
def test_the_step_limit_counts_both(steps):
    found = solve_features(problem("etf"), LABELS, first=np.float32, max_steps=steps)
    assert found.steps == steps and not found.converged and (found.H.any() == (steps > 0))


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_where_float32_overflows_float64_begins_again(kind):
    """λ_H below the smallest float32, logits beyond its range."""
    tiny = problem(kind, "squared-error", lambda_h=1e-60)
    scaled = replace(
        problem(kind, "squared-error", 1.0),
        **({"multiplier": 1e30} if kind == "etf" else {"classifier": 1e30 * CLASSIFIERS[kind]}),
    )
    for task in (tiny, scaled) if kind != "any" else (scaled,):  # a lost rank leaves directions to λ_H alone
        whole, mixed = solve_features(task, LABELS), solve_features(task, LABELS, first=np.float32)
        assert np.isfinite(mixed.H).all()
        np.testing.assert_allclose(mixed.H, whole.H, rtol=1e-9, atol=1e-9 * np.abs(whole.H).max())


def test_the_certificate_decides():
    """Float32 alone is not called solved at the tolerance that its refinement reaches."""
    task, pairs = replace(problem("etf"), dim=5), PairCases(5, np.array([0.1, 0.5]))
    words = {
        name: check_features(task, pairs, Settings(tol=1e-9, **options)).verdict
        for name, options in {"mixed": {"first": np.float32}, "single": {"dtype": np.float32}}.items()
    }
    assert words == {"mixed": "agrees", "single": "undecided"}


@pytest.mark.promise("mixed precision")
def test_first_belongs_to_newton():
    with pytest.raises(ValueError, match="first belongs"):
        solve_features(problem("etf"), LABELS, method="lbfgs", first=np.float32)
    with pytest.raises(ValueError, match="mixed precision belongs to newton"):
        Settings("gd", first=np.float32)


# --- no TF32 -------------------------------------------------------------------------------------------------


def products(jaxpr) -> list:
    """Precisions of all matrix products of a program, loops and branches included."""
    found = [eqn.params["precision"] for eqn in jaxpr.eqns if eqn.primitive.name == "dot_general"]
    inner = [
        part for eqn in jaxpr.eqns for part in jax.tree.leaves(list(eqn.params.values()), is_leaf=is_program)
    ]
    return found + [
        one for part in inner if is_program(part) for one in products(getattr(part, "jaxpr", part))
    ]


def is_program(part) -> bool:
    return hasattr(part, "eqns") or hasattr(getattr(part, "jaxpr", None), "eqns")


def exact(jaxpr) -> bool:
    high = jax.lax.Precision.HIGHEST
    return all(one in (high, (high, high)) for one in products(jaxpr))


@pytest.mark.promise("mixed precision")
@pytest.mark.parametrize("method", ["newton", "lbfgs"])
@pytest.mark.parametrize("kind", ["conditioned", "any"])
def test_every_product_in_float32_is_full_float32(kind, method):
    coordinates, _ = frame(problem(kind), np.float32)
    options = {"tile": 0, "first": None} if method == "newton" else {}

    def program(Y):
        shared = (coordinates, jnp.float32(1e-4), 20)
        return minimise_share(shared, Y, method=method, loss_name="cross-entropy", **options)

    traced = jax.make_jaxpr(program)(jnp.asarray(LABELS.T, jnp.float32))
    assert products(traced.jaxpr) and exact(traced.jaxpr)


def test_the_certificate_of_float32_candidates_has_no_rounded_products():
    """W and λ_H are not traced: their units are made on the host, in float64."""
    H, W, Y = (jnp.asarray(part, jnp.float32) for part in (RNG.standard_normal((40, 7)), WIDE, LABELS))
    any_w = jax.make_jaxpr(lambda H: certify_any(H, Y, W, 1e-3, loss_name="cross-entropy"))(H)
    assert products(any_w.jaxpr) and exact(any_w.jaxpr)
    etf = jax.make_jaxpr(
        lambda q: certify_etf(q, Y.T, jnp.float32(1), jnp.float32(1e-3), loss_name="cross-entropy")
    )(Y.T)
    assert exact(etf.jaxpr)


@pytest.mark.promise("mixed precision")
def test_a_plain_product_would_be_seen():
    inside = jax.make_jaxpr(lambda x: jax.lax.while_loop(lambda y: y[0, 0] > 0, lambda y: y @ y, x))(
        jnp.ones((2, 2))
    )
    assert products(inside.jaxpr) and not exact(inside.jaxpr)


# --- the command ---------------------------------------------------------------------------------------------

DEVICES = {
    "cpu": ("cpu", "cpu", False),
    "H100": ("gpu", "NVIDIA H100 80GB HBM3", False),
    "A100": ("gpu", "NVIDIA A100-SXM4-80GB", False),
    "MI300X": ("gpu", "AMD Instinct MI300X", False),
    "RTX A1000": ("gpu", "NVIDIA RTX A1000", True),
    "RTX 4090": ("gpu", "NVIDIA GeForce RTX 4090", True),
    "TPU": ("tpu", "TPU v5e", True),
}


@pytest.mark.promise("mixed precision")
@pytest.mark.parametrize("name", DEVICES)
def test_auto_is_what_suits_the_device(name, monkeypatch):
    platform, kind, slow = DEVICES[name]
    device = SimpleNamespace(platform=platform, device_kind=kind)
    monkeypatch.setattr(ufm.runtime.devices.jax, "local_devices", lambda: [device])
    assert choose_precision("auto", "newton") == (np.float64, np.float32 if slow else None, 1e-6)
    assert choose_precision("auto", "lbfgs") == (np.float64, None, 1e-6)
    assert choose_precision("float64", "newton") == (np.float64, None, 1e-6)
    assert choose_precision("float32", "newton") == (np.float32, None, 1e-2)


def test_bounds_of_a_tpu_are_found_on_the_host(monkeypatch):
    """Its float64 is made of pairs of float32, which no bound here allows for."""
    host = jax.local_devices(backend="cpu")
    with exactly():
        assert jax.config.jax_default_device is None
    tpu = [SimpleNamespace(platform="tpu")]
    monkeypatch.setattr(
        ufm.runtime.devices.jax, "local_devices", lambda backend=None: host if backend else tpu
    )
    seen, compiled = [], ufm.certify.sample._losses_slopes

    def watched(*args, loss):
        seen.append(jax.config.jax_default_device)
        return compiled(*args, loss=loss)

    monkeypatch.setattr(ufm.certify.sample, "_losses_slopes", watched)
    losses_residuals(np.zeros((1, 2)), np.eye(1, 2), "cross-entropy")
    assert seen == [host[0]]


def test_mixed_is_recorded(call_main, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    flags = ("--classes", "3", "--lam", "0.3", "--save", "a.npz", "--json", "-")
    code, out, err = call_main(solve.main, *flags, "--precision", "mixed")
    assert code == 0, err
    about = strict(out)["provenance"]
    assert (about["dtype"], about["begun_in"]) == ("float64", "float32")
    code, out, _ = call_main(solve.main, *flags)
    assert strict(out)["provenance"]["begun_in"] == "float64"
    (tmp_path / "a.npz").unlink()
    refused(call_main(solve.main, "--classes", "3", "--method", "gd", "--precision", "mixed"), "newton")
