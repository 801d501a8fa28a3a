"""Under mixup of all pairs W = 0 exactly from lambda_W lambda_H = (alpha + 1)/((2 alpha + 1) K) on."""

parameters = {
    "classes": [2, 3],
    "alpha": (0.2, 5.0),
    "lambda_w": (0.01, 2.0),
    "lambda_h": (0.01, 2.0),
}
labels = "mixup"


def zero(p):
    return p.lambda_w * p.lambda_h >= (p.alpha + 1) / ((2 * p.alpha + 1) * p.classes)
