"""A peer whose package nobody has."""

PACKAGES = ("numpy", "a_package_that_nobody_has")
VARIANTS = {"anything": None}
