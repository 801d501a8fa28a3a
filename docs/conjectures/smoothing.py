"""Smoothing by delta lowers the threshold of a zero classifier by the factor 1 - delta."""

import numpy as np

parameters = {
    "classes": [2, 3],
    "delta": (0.02, 0.3),
    "lambda_w": (0.01, 2.0),
    "lambda_h": (0.01, 2.0),
}


def labels(p):
    return (1 - p.delta) * np.eye(p.classes) + p.delta / p.classes


def zero(p):
    return p.lambda_w * p.lambda_h >= (1 - p.delta) / p.classes
