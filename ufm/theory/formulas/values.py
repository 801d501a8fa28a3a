"""Closed forms of optima. Arguments: numbers, arrays or symbols; log, log1p, sqrt: functions of them."""


def goal(K, product):
    """(K − 1) λ_W λ_H, which E‖y − p_a(y)‖² equals at the jointly optimal sharpness a."""
    return (K - 1) * product


def affine_sharpness(threshold, product, sqrt):
    """σ/c − 1 for σ² = threshold, c² = product, without cancellation: a under squared error."""
    return (threshold - product) / (product + sqrt(threshold * product))


def least_sharpness(affine):
    """2 (σ/c − 1): no jointly optimal a is smaller."""
    return 2.0 * affine


def most_sharpness(K, product, log):
    """2 log K/((K − 1) c²): no jointly optimal a is larger."""
    return 2.0 * log(K) / ((K - 1) * product)


def multiplier_square(a, K, lambda_h):
    """m² = a (K − 1) λ_H/K, the squared length of a row of W."""
    return a * (K - 1) * lambda_h / K


def mixed_square(alpha):
    """ρ = E[λ² + (1−λ)²] = (α + 1)/(2 α + 1) under Beta(α, α)."""
    return (alpha + 1.0) / (2.0 * alpha + 1.0)


def label_spread(rho, share, K):
    """σ² = (E‖y‖² − 1/K)/(K − 1) where a share of the labels is of one class and E‖y‖² = ρ of the others."""
    return ((1.0 - share) * rho + (share - 1.0 / K)) / (K - 1)


def wrong_share(K, lambda_w, lambda_h, smoothing, sqrt):
    """K times the probability of a wrong class: √(K λ_W λ_H) + ε."""
    return sqrt(K * lambda_w * lambda_h) + smoothing


def class_gap(K, share, log1p):
    """log(K/share − K + 1), the gap between the logit of a class and every other."""
    return log1p(K * (1 - share) / share)


def class_gain(gap, K, lambda_w, lambda_h, sqrt):
    """g of W Wᵀ = g Π from that gap."""
    return gap * sqrt(lambda_h / (K * lambda_w))


def affine_logit(y, a):
    """(a/(1 + a)) y under squared error, in a form whose derivatives in a do not cancel."""
    return y / (1.0 + 1.0 / a)


def design_residual(c, weight, unit, K, sqrt):
    """(c/√q)(1 − 1/K) of the own class, (c/√q)(0 − 1/K) of another: y − p of a label of weight q, by design."""
    return c / sqrt(weight) * (unit - 1 / K)
