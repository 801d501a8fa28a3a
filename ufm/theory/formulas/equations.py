"""What an iteration drives to zero. Arguments: numbers, arrays or symbols; exp, expm1, tanh: functions of them."""


def excess(x, o, b, expm1):
    """x + o (eˣ − 1) − b: the logit x of a class over one of label zero and probability o/a, b = a y."""
    return x + o * expm1(x) - b


def excess_slope(x, o, exp):
    """The derivative 1 + o eˣ of `excess` in x."""
    return 1.0 + o * exp(x)


def mass(total, o, K):
    """Σ x − K o: with every `excess` zero, the probabilities sum to one where it is zero."""
    return total - K * o


def log_omega(u, y, exp):
    """u + e^u − y: u is the logarithm of Wright's omega of y. `excess` in u = x + log o, y = b + o + log o."""
    return u + exp(u) - y


def difference(D, A, target, tanh):
    """D + A tanh(D/2) − a (2λ − 1): D = log(p_i/p_j), A = a (p_i + p_j)."""
    return D + A * tanh(D / 2) - target
