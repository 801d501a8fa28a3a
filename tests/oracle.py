"""A 40-digit oracle in mpmath, which imports no ufm and shares no algorithm with it.

Cross-entropy on an ETF: a p_k = ω(a y_k + t), ω + log ω = x, where t is the unique root of the increasing,
convex S(t) = Σ_k ω(a y_k + t) − a; Newton from the right of such a function never overshoots. Squared error:
z = a (y − 1/K)/(1 + a). Any W: Newton with backtracking on the objective itself. Not rigorous: the evidence
for it is that the known identities hold at its answers (test_enclosure).

Labels follow the project's convention: doubles, all exact but the first largest, which is 1 − Σ others.
"""

from collections import Counter
from itertools import product

import numpy as np
from mpmath import mp, mpf

DIGITS = 40


def _digits(*scales) -> int:
    """40 digits and as many more as numbers of these sizes can cancel."""
    return DIGITS + 15 + 2 * sum(abs(int(mp.log10(s))) for s in scales if s)


def exact_label(y):
    """The doubles y as mpf, the first largest completed to a sum of one; call at a precision to hold them."""
    entries = [mpf(float(v)) for v in y]
    top = entries.index(max(entries))
    entries[top] = 1 - sum(v for k, v in enumerate(entries) if k != top)
    return entries


def log_omega(x):
    """v = log ω(x): the root of e^v + v = x, by Newton from the right (no overflow, no underflow)."""
    v = x if x < 1 else mp.log(x)
    while True:
        w = mp.exp(v)
        step = (w + v - x) / (1 + w)
        v -= step
        if abs(step) <= mp.eps**0.75 * (1 + abs(v)):  # the next step would be below eps: quadratic
            return v


def _log_masses(groups, a):
    """log(a p) for each label value in the counter `groups`, at the current precision."""
    t = a + mp.log(a) - a * max(groups)  # S(t) ≥ 0 here: the largest term alone is a
    while True:
        logs = {y: log_omega(a * y + t) for y in groups}
        masses = {y: mp.exp(v) for y, v in logs.items()}
        excess = sum(n * masses[y] for y, n in groups.items()) - a
        slope = sum(n * masses[y] / (1 + masses[y]) for y, n in groups.items())
        t -= excess / slope
        if abs(excess) <= a * mp.eps**0.75:
            return {y: log_omega(a * y + t) for y in groups}


def _mean_free_logits(groups, a, loss):
    """z ⊥ 1 for each label value in `groups` (a counter whose Σ n y is exactly one)."""
    classes = sum(groups.values())
    if loss == "squared-error":
        return {y: a * (y - mpf(1) / classes) / (1 + a) for y in groups}
    logs = _log_masses(groups, a)
    mean = sum(n * logs[y] for y, n in groups.items()) / classes
    return {y: v - mean for y, v in logs.items()}


def optimal_logits(y, a, loss="cross-entropy"):
    """z = W h* for a simplex ETF, K mpf with Σ z = 0; a = m²K/((K−1) λ_H) > 0 as mpf or double."""
    smallest = min((v for v in map(float, y) if v > 0), default=1.0)
    with mp.workdps(_digits(a, smallest, len(y))):
        label = exact_label(y)
        logits = _mean_free_logits(Counter(label), mpf(a), loss)
        return [logits[v] for v in label]


def optimal_two_hot(K, lam, a):
    """(x_i, x_j, p_i, p_j, p_o) for y = lam e_i + (1 − lam) e_j, both taken exactly, i ≠ j; cross-entropy.

    x = log(p/p_o) for K ≥ 3. For K = 2 there is no other class: x_i = −x_j = D/2 and p_o is nan.
    """
    with mp.workdps(_digits(a, lam, K)):
        lam, a = mpf(lam), mpf(a)
        groups = Counter([lam, 1 - lam]) + Counter({mpf(0): K - 2})
        logs = _log_masses(groups, a)
        log_i, log_j = logs[lam], logs[1 - lam]
        base = logs[mpf(0)] if K > 2 else (log_i + log_j) / 2
        p_o = mp.exp(base) / a if K > 2 else mp.nan
        return log_i - base, log_j - base, mp.exp(log_i) / a, mp.exp(log_j) / a, p_o


def _value(h, W, y, lam, loss):
    """f at h, W a K×d mp.matrix."""
    z = W * h
    if loss == "squared-error":
        fit = mp.fsum(r**2 for r in z - y) / 2
    else:
        fit = mp.log(mp.fsum(mp.exp(x) for x in z)) - mp.fdot(y, z)
    return fit + lam / 2 * mp.fdot(h, h)


def _gradient_hessian(h, W, y, lam, loss):
    """∇f and ∇²f at h."""
    z = W * h
    if loss == "squared-error":
        residual, curved = z - y, W
    else:
        log_sum = mp.log(mp.fsum(mp.exp(x) for x in z))
        p = z.apply(lambda x: mp.exp(x - log_sum))
        mean = p.T * W
        residual, curved = p - y, mp.matrix(W.rows, W.cols)
        for k, j in product(range(W.rows), range(W.cols)):
            curved[k, j] = p[k] * (W[k, j] - mean[j])
    return W.T * residual + lam * h, W.T * curved + lam * mp.eye(len(h))


def _start(W, y, lam, loss):
    """Some Newton steps in doubles; zero where they lead nowhere. What is right is judged in `optimal_feature`."""
    h = np.zeros(W.shape[1])
    with np.errstate(all="ignore"):
        for _ in range(30):
            z = W @ h
            p = z if loss == "squared-error" else np.exp(z - z.max()) / np.sum(np.exp(z - z.max()))
            P = np.eye(len(z)) if loss == "squared-error" else np.diag(p) - np.outer(p, p)
            hessian = W.T @ P @ W + lam * np.eye(len(h))
            step = np.linalg.lstsq(hessian, W.T @ (y - p) - lam * h, rcond=None)[0]
            reach = np.abs(W @ step).max()  # logits move by two at most: Newton is safe there
            h = h + step * min(1.0, 2.0 / reach if reach > 0 else 1.0)
            if not np.isfinite(h).all():
                return np.zeros(len(h))
    return h


def optimal_feature(W, y, lambda_h, loss="cross-entropy"):
    """h* ∈ R^d for any small W (K×d doubles): Newton, halving the step until the objective falls enough."""
    start = _start(np.asarray(W, float), np.asarray(y, float), float(lambda_h), loss)
    with mp.workdps(2 * DIGITS + 40):  # the line search sees falls of 10^−2·DIGITS
        rows = mp.matrix([[mpf(float(w)) for w in row] for row in W])
        label, lam = mp.matrix(exact_label(y)), mpf(lambda_h)
        given = rows, label, lam, loss
        h = min((mp.zeros(rows.cols, 1), mp.matrix(start)), key=lambda h: _value(h, *given))
        while True:
            gradient, hessian = _gradient_hessian(h, *given)
            if mp.norm(gradient) <= lam * mpf(10) ** -DIGITS * (mp.norm(h) + mpf(10) ** -DIGITS):
                return list(h)
            step = -mp.lu_solve(hessian, gradient)
            value, fall, scale = _value(h, *given), -mp.fdot(gradient, step) / 4, mpf(1)
            seen = fall > 1000 * mp.eps * abs(value)  # less than that is next to the optimum: whole steps
            while seen and _value(h + scale * step, *given) > value - scale * fall:
                scale /= 2
                if scale < mp.eps:
                    raise ArithmeticError("oracle: the line search stalled")
            h += scale * step
