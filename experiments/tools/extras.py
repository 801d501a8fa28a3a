"""The packages that training needs and the library does not."""

from importlib.util import find_spec

from ufm.rules.errors import InputError

PACKAGES = {"flax": "flax", "sklearn": "scikit-learn"}


def require_extras() -> None:
    """InputError that says what to install."""
    missing = [name for module, name in PACKAGES.items() if find_spec(module) is None]
    if missing:
        raise InputError(f"{' and '.join(missing)} not installed: pip install --editable '.[experiments]'")
