"""Squared error, one-hot labels, no bias: W W^T = (sqrt(lambda_H/(K lambda_W)) - lambda_H) I, orthogonal rows."""

import numpy as np

parameters = {
    "classes": [2, 3],
    "lambda_w": (0.01, 0.3),
    "lambda_h": (0.01, 0.3),
    "loss": "squared-error",
}
labels = "onehot"


def gram(p):
    size = np.sqrt(p.lambda_h / (p.classes * p.lambda_w)) - p.lambda_h
    return max(size, 0.0) * np.eye(p.classes)
