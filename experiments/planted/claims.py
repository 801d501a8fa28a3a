"""Files for `python -m ufm.conjecture`: true ones, and false ones named by what is wrong with them."""

ONE_HOT = """
parameters = {"classes": [2, 3], "lambda_w": (0.01, 2.0), "lambda_h": (0.01, 2.0)}
labels = "onehot"
"""
SMOOTH = """
parameters = {"classes": [2, 3], "delta": (0.02, 0.3), "lambda_w": (0.01, 0.3), "lambda_h": (0.01, 0.3)}
def labels(p):
    return (1 - p.delta) * np.eye(p.classes) + p.delta / p.classes
"""
GRAM = """
def gram(p):
    c = np.sqrt(p.lambda_w * p.lambda_h)
    x = np.log(max(np.sqrt(p.classes) / c - p.classes + 1, 1.0))
    return {} * x * np.sqrt(p.lambda_h / (p.classes * p.lambda_w)) * (np.eye(p.classes) - 1 / p.classes)
"""
LOGITS = """
def logits(p, y):
    K, c = p.classes, np.sqrt(p.classes * p.lambda_w * p.lambda_h)
    return np.log(max(K / (c + {} * p.delta) - K + 1, 1.0)) * (y == y.max())
"""
NORMS = """
parameters = {"classes": [3], "light": (0.05, 0.3), "lambda_w": (0.01, 0.1), "lambda_h": (0.01, 0.1)}
def labels(p):
    return np.eye(3), np.array([1 - 2 * p.light, p.light, p.light])
def inequality(p, o):
    return %s
"""
BINARY = """
parameters = {"classes": [2, 3], "lambda_w": (0.01, 0.2), "lambda_h": (0.01, 0.2), "bias": 0.0}
parameters["loss"] = "binary-cross-entropy"
labels = "onehot"
def logits(p, y):
    other = np.sqrt(p.lambda_w * p.lambda_h / p.classes)
    own = 1 - (p.classes - %d) * other
    return np.where(y == 1, np.log(own / (1 - own)), np.log(other / (1 - other)))
"""
MIXED = """
parameters = {"classes": [2, 3], "alpha": (0.2, 5.0), "lambda_w": (0.02, 2.0), "lambda_h": (0.02, 2.0)}
labels = "%s"
def zero(p):
    K, a = p.classes, p.alpha
    return p.lambda_w * p.lambda_h >= %s
"""
MOMENT = """
parameters = {"classes": [2, 3, 4], "alpha": (0.2, 5.0), "lambda_w": (0.01, 0.3), "lambda_h": (0.01, 0.3)}
labels = "mixup"
def assumes(p):
    return p.lambda_w * p.lambda_h < 0.9 * (p.alpha + 1) / ((2 * p.alpha + 1) * p.classes)
def inequality(p, o):
    found = o.weights @ ((o.Y - o.P) ** 2).sum(1)
    return abs(found / ((p.classes - %d) * p.lambda_w * p.lambda_h) - 1) - 1e-3
"""
MIXTURES = """
parameters = {"classes": [%s], "alpha": (0.2, 5.0), "lambda_w": (%s), "lambda_h": (%s)}
labels = "mixup"
def one_hot(p):
    return 1 - (p.classes - 1) * np.sqrt(p.lambda_w * p.lambda_h / p.classes)
def inequality(p, o):
    clean = o.Y.max(1) == 1
    return %s
"""
NOISE = """
parameters = {"classes": [3, 4], "eta": (0.02, 0.3), "lambda_w": (0.01, 0.1), "lambda_h": (0.01, 0.1)}
def labels(p):
    return (1 - p.eta) * np.eye(p.classes) + p.eta / (p.classes - 1) * (1 - np.eye(p.classes))
def gram(p):
    K, c = p.classes, np.sqrt(p.classes * p.lambda_w * p.lambda_h)
    x = np.log(max(K / (c + %s * p.eta) - K + 1, 1.0))
    return x * np.sqrt(p.lambda_h / (K * p.lambda_w)) * (np.eye(K) - 1 / K)
"""
MERGED = """
parameters = {"light": (0.02, 0.2), "lambda_w": (0.02, 0.6), "lambda_h": (0.02, 0.6), "classes": 4}
def labels(p):
    return np.eye(4), np.array([0.5 - p.light, 0.5 - p.light, p.light, p.light])
def assumes(p):
    return %s * p.light < p.lambda_w * p.lambda_h < 0.5 - p.light
def inequality(p, o):
    return np.linalg.norm(o.W[2] - o.W[3]) - 1e-3
"""
SQUARED = """
parameters = {"classes": [3], "dim": 3, "lambda_w": (0.01, 0.1), "lambda_h": (0.01, 0.1)}
parameters["loss"] = "squared-error"
labels = "onehot"
def gram(p):
    size = np.sqrt(p.lambda_h / (3 * p.lambda_w)) - p.lambda_h
    return size * %s
"""

TRUE = {
    "binary": BINARY % 1,
    "zero": ONE_HOT + "def zero(p):\n    return p.lambda_w * p.lambda_h >= 1 / p.classes\n",
    "gram": ONE_HOT + GRAM.format("1"),
    "logits": SMOOTH + LOGITS.format("1"),
    "inequality": NORMS % "o.G[1, 1] - o.G[0, 0]",
    "mixup": MIXED % ("mixup", "(a + 1) / ((2 * a + 1) * K)"),
    "residuals": MOMENT % 1,
    "noise": NOISE % "p.classes / (p.classes - 1)",
    "light classes merge": MERGED % "1.02",
    "orthogonal": SQUARED % "np.eye(3)",
}
FALSE = {
    "K for K - 1": BINARY % 0,
    "too low a threshold": ONE_HOT + "def zero(p):\n    return p.lambda_w * p.lambda_h >= 0.99 / p.classes\n",
    "too high a threshold": ONE_HOT
    + "def zero(p):\n    return p.lambda_w * p.lambda_h >= 1.01 / p.classes\n",
    "never zero": ONE_HOT + "def zero(p):\n    return False\n",
    "K - 1 for K": ONE_HOT + "def zero(p):\n    return p.lambda_w * p.lambda_h >= 1 / (p.classes + 1)\n",
    "a thousandth too large": ONE_HOT + GRAM.format("1.001"),
    "minus the Gram matrix": ONE_HOT + GRAM.format("-1"),
    "smoothing forgotten": SMOOTH + LOGITS.format("0"),
    "smoothing with the wrong sign": SMOOTH + LOGITS.format("-1"),
    "the light class is larger": NORMS % "o.G[0, 0] - o.G[1, 1]",
    "rows are orthogonal": NORMS % "abs(o.G[0, 1]) - 1e-3",
    "no prediction is sure": NORMS % "float(o.P.max() - 0.5)",
    "the threshold of one-hot labels, for mixup: too high": MIXED % ("mixup", "1 / K"),
    "the limit of a large alpha, for each: too low": MIXED % ("mixup", "1 / (2 * K)"),
    "the variance of lambda alone: too low": MIXED % ("mixup", "1 / ((2 * a + 1) * K)"),
    "mixup's threshold, for CutMix's areas": MIXED % ("cutmix", "(a + 1) / ((2 * a + 1) * K)"),
    "K residuals for K - 1": MOMENT % 0,
    "mixup leaves clean points less sure": MIXTURES
    % ("4, 8", "1e-4, 0.02", "1e-4, 0.02", "np.max(o.P[clean].max(1)) - one_hot(p)"),
    "predictions are calibrated": MIXTURES
    % ("3", "0.01, 0.1", "0.01, 0.1", "np.abs(o.P - o.Y).max() - 0.02"),
    "mixtures keep to the chord": MIXTURES
    % (
        "3",
        "0.001, 0.01",
        "0.001, 0.01",
        "np.max((np.ptp(o.Z, 1) - o.Y.max(1) * np.ptp(o.Z[clean], 1).max())[~clean])",
    ),
    "label noise is smoothing of the same size": NOISE % "1",
    "light classes merge at 0.9 of the threshold": MERGED % "0.9",
    "squared error has an ETF without a bias too": SQUARED % "(np.eye(3) - 1 / 3)",
}
