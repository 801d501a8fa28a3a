"""While tests run, functions of `ufm` whose annotations name arrays check them."""

import ast
import inspect

import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float, TypeCheckError

from tests.annotated import DRESS, _Dresser, dress, install
from ufm.loss import cross_entropy
from ufm.model.etf import etf_deviation
from ufm.optimize.coordinates import Reduced
from ufm.rules.numbers import integer


def test_shapes_of_the_package_are_checked():
    """In a function of the host, and in one that is an entry of a table."""
    etf_deviation(np.eye(3))
    with pytest.raises(TypeCheckError):
        etf_deviation(np.ones(3))
    cross_entropy(jnp.zeros((3, 2)), jnp.full((3, 2), 1 / 3))
    with pytest.raises(TypeCheckError):
        cross_entropy(jnp.zeros((3, 2)), jnp.full((4, 2), 1 / 4))


def test_fields_of_a_base_are_checked_too():
    Reduced(np.eye(3))
    with pytest.raises(TypeCheckError):
        Reduced(np.zeros(3))


def test_what_names_no_array_is_left_as_it_is():
    assert not hasattr(integer, "__wrapped__")

    def inside(x: int) -> "Unknown":  # noqa: F821
        return x

    assert dress(inside) is inside


def test_arrays_are_found_inside_of_other_types():
    def either(x: Float[Array, "n"] | tuple[Float[Array, "n"], int] | None) -> None: ...

    assert dress(either) is not either
    dress(either)((jnp.zeros(3), 1))
    with pytest.raises(TypeCheckError):
        dress(either)(jnp.zeros((3, 1)))


def test_functions_and_classes_are_dressed_but_not_what_is_inside_of_a_function():
    text = inspect.cleandoc(
        """
        @jit
        def outer():
            def inner(): ...
        @dataclass
        class Kind:
            def method(self): ...
        """
    )
    outer, kind = _Dresser().visit(ast.parse(text)).body
    words = [
        [ast.unparse(each) for each in it.decorator_list] for it in (outer, outer.body[0], kind, kind.body[0])
    ]
    assert words == [["jit", DRESS], [], [DRESS, "dataclass"], [DRESS]]


def test_it_is_not_installed_too_late():
    with pytest.raises(RuntimeError, match="before"):
        install()
