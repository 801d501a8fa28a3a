"""Strong convexity: how far any candidate is from the optimum, and how fast the optimum moves with the label.

The Hessian of log Σ e^{z_k} is diag p − ppᵀ, and vᵀ(diag p − ppᵀ)v = ½ Σ_kl p_k p_l (v_k − v_l)² ≥ 0. So
f(h) = CE(softmax(W h), y) + (λ_H/2)‖h‖² has Hessian at least λ_H I, for any W. Hence
‖h − h*‖ ≤ ‖∇f(h)‖/λ_H, and against a simplex ETF the optimum is Lipschitz in y with the constant
√g/λ_H = m √(K/(K−1))/λ_H, which no smaller constant can replace for all a.
"""

import numpy as np
import sympy as sp

from proofs import same_class
from proofs.engine.step import Comparison, Derivation, formal, identity, limit, series_order, sign
from proofs.tools.frame import simplex_rows
from proofs.tools.order import measured_order
from proofs.tools.settings import fixed

K, a, g, m, ridge, x = sp.symbols("K a g m lambda_H x", positive=True)
CONSTANT = sp.sqrt(g) / ridge
RATIO = K / (sp.exp(x) + K - 1)  # x/a at the same-class root


def derive() -> Derivation:
    """The Hessian, the distance bound, the value bound, the Lipschitz constant and its sharpness."""
    bound = sp.Symbol(r"\|\nabla f(h)\|") / ridge
    result = sp.Le(sp.Symbol(r"\|h - h^*\|"), bound, evaluate=False)
    return Derivation("strong-convexity", _hessian() + _bounds() + _lipschitz(), result, compare, 0.05)


def _hessian() -> list:
    p, v, w = sp.symbols("p v w", real=True)
    mass, first, second = sp.symbols("P M_1 M_2", real=True)  # Σp, Σpv, Σpv²
    sums = {p: {0: mass, 1: first, 2: second}}
    expanded = sp.Poly(sp.expand((v - w) ** 2), v, w)
    total = sum(c * sums[p][n] * sums[p][k] for (n, k), c in expanded.terms())
    one, other = sp.symbols("z_k z_l", real=True)
    rest = sp.Symbol("R", positive=True)
    loss = sp.log(sp.exp(one) + sp.exp(other) + rest)
    p_k, p_l = (sp.exp(z) / (sp.exp(one) + sp.exp(other) + rest) for z in (one, other))
    return [
        identity(
            "Hessian",
            r"For any $K$: $\log\sum e^z$ depends on $z_k, z_l$ through $\log(e^{z_k} + e^{z_l} + R)$, "
            r"whose second "
            r"derivatives are $p_k - p_k^2$ and $-p_kp_l$: the Hessian is $\operatorname{diag}p - pp^\top$.",
            [sp.diff(loss, one, 2), sp.diff(loss, one, other)],
            [p_k - p_k**2, -p_k * p_l],
        ),
        identity(
            "variance",
            r"For any $K$: $\frac12\sum_{kl}p_kp_l(v_k - v_l)^2 = M_0M_2 - M_1^2$ in the moments $M_n = "
            r"\sum_kp_kv_k^n$ (each monomial $v_k^nv_l^m$ sums to $M_nM_m$); with $M_0 = 1$ it is "
            r"$v^\top(\operatorname{diag}p - pp^\top)v$.",
            (total / 2).subs(mass, 1),
            second - first**2,
        ),
        sign(
            "each term",
            r"Every term $p_kp_l(v_k - v_l)^2$ is non-negative.",
            sp.Symbol("p", nonnegative=True) * sp.Symbol("q", nonnegative=True) * (v - w) ** 2,
            "nonnegative",
        ),
        *[_written_out(size) for size in (2, 3, 4)],
    ]


def _written_out(size: int):
    """The Hessian of log Σ e^z differentiated twice, and its quadratic form."""
    z = sp.symbols(f"z:{size}", real=True)
    v = sp.symbols(f"v:{size}", real=True)
    weights = sp.symbols(f"E:{size}", positive=True)  # e^{z_k}
    rename = {sp.exp(one): weight for one, weight in zip(z, weights)}
    hessian = sp.hessian(sp.log(sum(sp.exp(one) for one in z)), z).subs(rename)
    p = [weight / sum(weights) for weight in weights]
    vector = sp.Matrix(v)
    squares = sum(p[k] * p[l] * (v[k] - v[l]) ** 2 for k in range(size) for l in range(size)) / 2
    return identity(
        f"Hessian, K = {size}",
        rf"Differentiated twice for $K = {size}$: the Hessian is $\operatorname{{diag}}p - pp^\top$, with "
        rf"this quadratic form.",
        [*hessian, (vector.T * hessian * vector)[0]],
        [*(sp.diag(*p) - sp.Matrix(p) * sp.Matrix(p).T), squares],
    )


def _bounds() -> list:
    size, value, t, slope = sp.symbols("r f t G", positive=True)
    lower = value - slope * t + ridge / 2 * t**2
    return [
        formal(
            "distance",
            r"For any $W$ and any label, $h^*$ a minimum and $h$ any point: $\|h - h^*\| \le \|\nabla "
            r"f(h)\|/\lambda_H$. (The divergence of two predictions is what $f$ has above its tangent, "
            "less the ridge; twice, and Cauchy and Schwarz.)",
            "Convex.CE_distance",
        ),
        identity(
            "value",
            r"$f(h^*) \ge f(h) - Gt + \frac{\lambda_H}{2}t^2$ with $G = \|\nabla f(h)\|$ and $t = \|h - "
            r"h^*\|$; by completing the square it is at least $f(h) - G^2/(2\lambda_H)$.",
            lower,
            value - slope**2 / (2 * ridge) + ridge / 2 * (t - slope / ridge) ** 2,
        ),
        sign(
            "value bound",
            r"The completed square is non-negative.",
            ridge / 2 * (t - size) ** 2,
            "nonnegative",
        ),
    ]


def _lipschitz() -> list:
    second, total = sp.symbols("V R", real=True)  # Σ v_k², Σ v_k
    return [
        formal(
            "gradient at the other optimum",
            r"$\nabla f_{y'}(h) = \nabla f_y(h) + W^\top(y - y')$. At $h = h(y)$ the first term vanishes, "
            r"so by the distance bound $\|h(y) - h(y')\| \le \|W^\top(y - y')\|/\lambda_H$.",
            "Convex.CE_label_lipschitz",
        ),
        identity(
            "ETF",
            r"$\|W^\top v\|^2 = g\,v^\top\Pi v = g(\sum v_k^2 - (\sum v_k)^2/K) = g\|v\|^2$ for $v = y - y'$, "
            r"whose sum $R$ is zero.",
            (g * (second - total**2 / K)).subs(total, 0),
            g * second,
        ),
        *[_rows(size) for size in (2, 3, 4)],
        identity(
            "constant",
            r"$g = m^2K/(K-1)$: the constant is $\sqrt g/\lambda_H = m\sqrt{K/(K-1)}/\lambda_H$ (squares "
            r"compared) …",
            (CONSTANT**2).subs(g, m**2 * K / (K - 1)),
            m**2 * K / (K - 1) / ridge**2,
        ),
        identity(
            "constant in λ",
            r"… and $\|y - y'\|^2 = 2(\lambda - \lambda')^2$ for mixtures of the same pair gives $\sqrt2$ "
            r"times it in $\lambda$.",
            x**2 + (-x) ** 2,
            2 * x**2,
        ),
        identity(
            "two pure classes",
            r"$h(e_i) - h(e_j) = \frac xg(w_i - w_j)$ has length $x\sqrt{2/g}$; divided by $\sqrt2\sqrt "
            r"g/\lambda_H$ it is $x/a$, which the same-class equation makes $K/(e^x + K - 1)$.",
            x
            / (same_class.x * (sp.exp(same_class.x) + same_class.K - 1) / same_class.K).subs(
                {same_class.x: x, same_class.K: K}
            ),
            RATIO,
        ),
        limit(
            "sharp",
            r"It tends to one as $a \to 0$ ($x \to 0$): the constant is best possible …",
            RATIO,
            x,
            0,
            1,
        ),
        series_order(
            "approach",
            r"… with the shortfall $x/K + O(x^2)$, and $x \sim a$.",
            1 - RATIO,
            x,
            0,
            {1: 1 / K},
        ),
    ]


def _rows(size: int):
    """‖Wᵀv‖² for a v with sum zero."""
    free = sp.symbols(f"v:{size - 1}", real=True)
    v = sp.Matrix([*free, -sum(free)])
    image = simplex_rows(size, g).T * v
    return identity(
        f"matrices, K = {size}",
        rf"$\|W^\top v\|^2 = g\|v\|^2$ for $\sum v_k = 0$, written out for $K = {size}$.",
        (image.T * image)[0],
        g * (v.T * v)[0],
    )


def settings():
    """Every K, from weak to sharp."""
    return fixed()


def compare(rng) -> list[Comparison]:
    """The inequality ships no formula; its sharpness is an order.

    The distance of two pure classes' shipped features, over the Lipschitz bound, falls short of one
    by a term of order 1 in a.
    """
    from ufm.model.problem import Problem
    from ufm.theory.predict import predict_pairs

    rows = []
    for _ in range(10):
        classes, sharpness = int(rng.integers(2, 20)), np.geomspace(1e-5, 1e-3, 7)
        shortfalls = []
        for value in sharpness:
            gain = 1.5**2 * classes / (classes - 1)
            problem = Problem(classes=classes, multiplier=1.5, lambda_h=gain / float(value))
            H = predict_pairs(problem, 0, 1, np.array([0.0, 1.0])).H
            bound = np.sqrt(2 * problem.gain) / problem.lambda_h
            shortfalls.append(1 - float(np.linalg.norm(H[1] - H[0])) / bound)
        rows.append(Comparison(f"K={classes}: shortfall, in a", 1, measured_order(sharpness, shortfalls)))
    return rows
