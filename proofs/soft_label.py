"""Any soft label against a simplex ETF: the optimal logits by Wright's omega function and one scalar root.

Take f(h) = CE(softmax(W h), y) + (λ_H/2)‖h‖² with W Wᵀ = g Π, Π = I − 11ᵀ/K, a = g/λ_H, and y any
point of the simplex. Its gradient vanishes where λ_H h = Wᵀ(y − p). Multiplied by W, this is a
fixed-point equation in the logits alone, z = a (y − p). Each w = a p_k then satisfies
w + log w = a y_k + t with a common t: that is w = ω(a y_k + t), Wright's omega function, and t is
fixed by Σ_k a p_k = a. Measuring logits from an imaginary class with label 0, whose w is o = ω(t),
turns the same equations into the form that is computed:

    x_k + o (e^{x_k} − 1) = a y_k,    Σ_k x_k = K o,    h = Σ_k (x_k/g) w_k.
"""

import mpmath as mp
import numpy as np
import sympy as sp

from proofs.engine.step import Comparison, Derivation, formal, identity, limit, sign
from proofs.tools.frame import simplex_rows, softmax
from proofs.tools.roots import DIGITS, increasing_root
from proofs.tools.settings import fixed

K = sp.Symbol("K", positive=True)
a, g, w, o, Z = sp.symbols("a g w o Z", positive=True)
p, x = sp.symbols("p x", positive=True)
y = sp.Symbol("y", nonnegative=True)
t, z = sp.symbols("t z", real=True)
OMEGA = sp.LambertW(sp.exp(a * y + t))


def derive() -> Derivation:
    """Gradient, fixed point in the logits, omega, the one root t, the form in x and o, full matrices."""
    return Derivation(
        "soft-label", _stationarity() + _omega() + _reference() + _whole(), sp.Eq(a * p, OMEGA), compare
    )


def _stationarity() -> list:
    rest, labels, masses, total, coordinate = sp.symbols("S r_k q_k R lambda_H", positive=True)
    return [
        identity(
            "derivative of the loss",
            r"For a label that sums to one the loss is $\log\sum_l e^{z_l} - \sum_l y_l z_l$; with the other "
            r"terms of the first sum gathered in $S$, its derivative by $z_k$ is $p_k - y_k$. Hence $\nabla "
            r"f(h) = W^\top(p - y) + \lambda_H h$.",
            sp.diff(sp.log(sp.exp(z) + rest) - y * z, z),
            sp.exp(z) / (sp.exp(z) + rest) - y,
        ),
        identity(
            "logits",
            r"Where $\lambda_H h = W^\top(y - p)$ the logits are $z = W h = (g/\lambda_H)\,\Pi\,(y-p)$. The "
            r"entries of $r = y - p$ sum to $R = 0$, so $\Pi r = r - R/K$ is $r$ itself and $z = a(y - p)$.",
            (g / coordinate * (labels - masses - total / K)).subs(total, 0),
            (a * (labels - masses)).subs(a, g / coordinate),
        ),
    ]


def _omega() -> list:
    logits = a * (y - p)
    omega = sp.LambertW(sp.exp(t))
    return [
        identity(
            "omega's equation",
            r"Let $w = a p_k = a e^{z_k}/Z$, $Z = \sum_l e^{z_l}$. With $z_k = a(y_k - p_k)$, $w + \log w = a "
            r"p_k + \log(a/Z) + a(y_k - p_k) = a y_k + t$, where $t = \log(a/Z)$ is common to all classes.",
            a * p + sp.log(a) + logits - sp.log(Z),
            a * y + sp.log(a / Z),
        ),
        identity(
            "Lambert",
            r"$w + \log w = u$ is the logarithm of $w e^w = e^u$: $w = \omega(u) = W_0(e^u)$.",
            sp.log(w * sp.exp(w)),
            w + sp.log(w),
        ),
        sign(
            "omega exists",
            r"$w + \log w$ increases on $w > 0$ (its derivative is $1 + 1/w$) …",
            sp.diff(w + sp.log(w), w),
            "positive",
        ),
        limit("omega, low end", r"… from $-\infty$ …", w + sp.log(w), w, 0, -sp.oo),
        limit(
            "omega, high end",
            r"… to $\infty$: $\omega$ is a bijection of the line onto $(0, \infty)$.",
            w + sp.log(w),
            w,
            sp.oo,
            sp.oo,
        ),
        identity(
            "slope of omega",
            r"$\omega' = \omega/(1 + \omega)$, in terms of $W_0$.",
            sp.diff(omega, t),
            omega / (1 + omega),
        ),
        sign(
            "one root t",
            r"Every term of $\sum_k \omega(a y_k + t)$ increases in $t$ with slope $w/(1+w) > 0$; the sum "
            r"runs from $0$ to $\infty$, so it equals $a$ at exactly one $t$.",
            1 / sp.diff(w + sp.log(w), w),
            "positive",
        ),
    ]


def _reference() -> list:
    sum_x, sum_masses = sp.symbols("X P", real=True)
    n = sp.Symbol("n", nonnegative=True)  # e^x − 1
    label = (x + o * (sp.exp(x) - 1)) / a
    slope = sp.diff(x + o * (sp.exp(x) - 1), x)
    return [
        identity(
            "excess logits",
            r"Let $o = \omega(t)$, so $t = o + \log o$, and $x_k = \log(a p_k/o)$. Then $w + \log w - t = x_k "
            r"+ o(e^{x_k} - 1)$: omega's equation reads $x_k + o(e^{x_k} - 1) = a y_k$.",
            o * sp.exp(x) + sp.log(o * sp.exp(x)) - (o + sp.log(o)),
            x + o * (sp.exp(x) - 1),
        ),
        identity(
            "sum of the excess logits",
            r"As $oe^{x_k} = ap_k$, omega's equation reads $x_k + ap_k - o = ay_k$. Summed over the classes, with "
            r"$X = \sum x_k$, $P = \sum a p_k$ and $\sum_k y_k = 1$: $X + P - K o = a$. So $P - a = Ko - X$: "
            r"$P = a$ if and only if $X = K o$.",
            [x + o * (sp.exp(x) - 1), sp.solve(sum_x + sum_masses - K * o - a, sum_masses)[0] - a],
            [x + o * sp.exp(x) - o, K * o - sum_x],
        ),
        identity(
            "slope in o",
            r"Differentiating $x + o(e^x - 1) = b$ by $o$ gives $dx/do = -(e^x - 1)/(1 + o e^x)$ …",
            (sp.exp(x) - 1) + slope * (-(sp.exp(x) - 1) / (1 + o * sp.exp(x))),
        ),
        sign(
            "one root o",
            r"… which with $e^x = 1 + n$, $n \ge 0$, makes $K o - \sum_k x_k(o)$ increase: the root $o$ is "
            r"unique too.",
            K + n / (1 + o * (1 + n)),
            "positive",
        ),
        identity(
            "residual",
            r"$a(y_k - p_k) = x_k - o$, and $o$ is the mean of the $x_k$: the logits are $z = \Pi x$.",
            a * (label - o * sp.exp(x) / a),
            x - o,
        ),
        identity(
            "feature",
            r"$(y_k - p_k)/\lambda_H = (x_k - o)/g$, since $\lambda_H = g/a$; the constant drops out of "
            r"$W^\top$, as $\sum_k w_k = 0$. Hence $h = W^\top(y - p)/\lambda_H = \sum_k (x_k/g)\, w_k$.",
            (label - o * sp.exp(x) / a) / (g / a),
            (x - o) / g,
        ),
    ]


def _whole() -> list:
    return [
        formal(
            "unique optimum",
            r"$h = W^\top(y - p_a(y))/\lambda_H$ costs less than any other point, for any label of sum "
            "one.",
            "Forms.soft_label_optimum",
        ),
        formal(
            "what the root is",
            r"For $p$ of sum one and $a > 0$, $ap_k = \omega(ay_k + t)$ for some $t$ exactly if $p > 0$ and "
            r"$a(y - p) = \log p$ up to a common shift.",
            "Answer.answers_omega",
        ),
        formal(
            "it exists",
            r"There is such a vector, $p_a(y)$, for every $a > 0$ and every $y$.",
            "Answer.prediction_answers",
        ),
        formal(
            "its logits",
            r"For $p > 0$ of sum one that is $p = \operatorname{softmax}z$, $z = a(y - p)$.",
            "Answer.answers_softmax",
        ),
        formal("no other", "And no other vector answers $y$.", "Answer.answer_unique"),
        *[step for size in (2, 3, 4) for step in (_frame(size), _gradient(size), _matrices(size))],
    ]


def _frame(size: int):
    """The frame that the written-out steps use is a simplex ETF."""
    W = simplex_rows(size, g)
    return identity(
        f"frame, K = {size}",
        rf"$\sqrt g$ times Helmert's basis satisfies $W W^\top = g\,\Pi$ and $\sum_k w_k = 0$, for $K = "
        rf"{size}$.",
        [*(W * W.T), *(sp.ones(1, size) * W)],
        [*(g * (sp.eye(size) - sp.ones(size) / size)), *[0] * (size - 1)],
    )


def _gradient(size: int):
    """f differentiated by every coordinate of h, for a symbolic label."""
    W = simplex_rows(size, g)
    h = sp.Matrix(sp.symbols(f"h:{size - 1}", real=True))
    labels = sp.Matrix(sp.symbols(f"y:{size}", real=True))
    ridge = g / a
    logits = W * h
    masses = sum(logits.applyfunc(sp.exp))
    f = sp.log(masses) - (labels.T * logits)[0] + ridge / 2 * (h.T * h)[0]
    claimed = W.T * (logits.applyfunc(sp.exp) / masses - labels) + ridge * h
    return identity(
        f"gradient, K = {size}",
        rf"$\nabla f(h) = W^\top(p - y) + \lambda_H h$ with every derivative taken, for $K = {size}$.",
        [sp.diff(f, coordinate) for coordinate in h],
        list(claimed),
    )


def _matrices(size: int):
    """The gradient at h = Wᵀx/g with every entry written out; x is free, and y, a, o follow from it."""
    W = simplex_rows(size, g)
    x = sp.Matrix(sp.symbols(f"x:{size}", positive=True))
    weights = x.applyfunc(sp.exp)
    reference = sum(x) / size
    sharpness = reference * sum(weights)
    labels = (x + reference * (weights - sp.ones(size, 1))) / sharpness
    h = W.T * x / g
    gradient = W.T * (softmax(W * h) - labels) + g / sharpness * h
    return identity(
        f"matrices, K = {size}",
        rf"For $K = {size}$ and any $x$: with $o = \sum x_k/K$, $a = o\sum e^{{x_k}}$ and $y$ from the "
        rf"equations, the "
        r"label sums to one and the gradient written out vanishes at $h = \sum_k (x_k/g) w_k$.",
        [sum(labels), *gradient],
        [1, *[0] * (size - 1)],
    )


def settings():
    """Every K, from weak to sharp."""
    return fixed()


def compare(rng) -> list[Comparison]:
    """x_k = log(ω_k/o) from the root t, at 40 digits, beside the shipped x_k and coefficients z_k/g of h."""
    from ufm.model.problem import Problem
    from ufm.theory.features import label_optimum
    from ufm.theory.predict import predict_features

    rows = []
    for classes in (2, 3, 5, 10):
        for _ in range(3):
            label, ridge = rng.dirichlet(np.ones(classes)), float(10 ** rng.uniform(-5, 2))
            label = np.maximum(label, 1e-3)
            label /= label.sum()
            problem = Problem(classes=classes, multiplier=1.5, lambda_h=ridge)
            sharpness = problem.sharpness
            exact = _solve(label, sharpness)
            shipped = np.asarray(label_optimum(label, np.ones(classes), sharpness).x)
            coefficients = predict_features(problem, label[None]).coef[0] * problem.gain
            k, mean = int(np.argmax(label)), mp.fsum(exact) / classes
            where = f"K={classes}, a={sharpness:.3g}"
            rows += [Comparison(f"{where}: x_{n}", one, float(shipped[n])) for n, one in enumerate(exact)]
            rows.append(Comparison(f"{where}: largest logit", exact[k] - mean, float(coefficients[k])))
    return rows


def _solve(label, sharpness: float) -> list:
    """x of a label given in doubles; the largest entry is one minus the others."""
    omega = sp.lambdify((y, t, a), OMEGA, "mpmath")
    with mp.workdps(DIGITS + 10):
        label, sharp = [mp.mpf(float(entry)) for entry in label], mp.mpf(sharpness)
        top = label.index(max(label))
        label[top] = 1 - mp.fsum(entry for k, entry in enumerate(label) if k != top)
        level = sharp / len(label) + mp.log(sharp / len(label))  # where ω = a/K
        bounds = level - sharp * max(label), level - sharp * min(label)
        root = increasing_root(lambda t: mp.fsum(omega(y, t, sharp) for y in label) - sharp, *bounds)
        return [mp.log(omega(entry, root, sharp) / omega(0, root, sharp)) for entry in label]
