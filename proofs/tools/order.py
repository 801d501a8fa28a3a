"""The order of an error, measured: the exponent q for which the error behaves like parameter^q."""

import mpmath as mp


def measured_order(parameters, errors) -> float:
    """Slope of log|error| against log(parameter), by least squares."""
    across, up = ([mp.log(abs(value)) for value in values] for values in (parameters, errors))
    centre, level = mp.fsum(across) / len(across), mp.fsum(up) / len(up)
    moment = mp.fsum((u - centre) * (v - level) for u, v in zip(across, up))
    return float(moment / mp.fsum((u - centre) ** 2 for u in across))
