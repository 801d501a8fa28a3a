r"""Equalised residuals: at a critical point every direction that the classifier uses has the same residual.

L(W, h) = E[CE(W h_y, y) + (λ_H/2)‖h_y‖²] + (λ_W/2)‖W‖², r = y − softmax(W h), M = E r rᵀ, c² = λ_W λ_H.
Every critical point, for any law and any d, satisfies

    h = Wᵀ r/λ_H,      M W = c² W,      λ_W WᵀW = λ_H E hhᵀ,      1ᵀ W = 0.

So the residual has second moment c² along every direction in the range of W, whatever the frequency of
its classes. Idea: −r is the gradient of the loss in the logits; put the first equation into the gradient
in W. With d ≥ K−1 a critical point is globally optimal iff no direction has more: λ_max(M) ≤ c².
"""

import mpmath as mp
import numpy as np
import sympy as sp

from proofs.engine.step import Comparison, Derivation, formal, identity
from proofs.tools.frame import softmax
from proofs.tools.matrices import real, simplex
from proofs.tools.settings import any_law

lambda_w, lambda_h = sp.symbols("lambda_W lambda_H", positive=True)
rest = sp.Symbol("R", positive=True)  # Σ of exp(z_l) over the other classes
z, y, w, h = sp.symbols("z_k y_k w_kj h_j", real=True)
r, u = sp.symbols("r_k u_j", real=True)  # u = Wᵀ r, one coordinate

# One entry of the gradient in W and one coordinate of the gradient in h, before averaging over π.
SLOPE_W = lambda_w * w - r * h
SLOPE_H = lambda_h * h - u


def derive() -> Derivation:
    """The two gradients, the elimination of h, balancedness, and the same for K = 2, 3, 4 in full."""
    probability = sp.exp(z) / (sp.exp(z) + rest)
    g, h_i = sp.symbols("g h_i", real=True)
    return Derivation(
        "equalised-residuals",
        [
            identity(
                "slope of the loss",
                r"$\mathrm{CE}(z, y) = \log\sum_l e^{z_l} - y\cdot z$ (as $\sum y_l = 1$) depends on $z_k$ "
                r"through $\log(e^{z_k} + R) - y_k z_k$: its derivative is $p_k - y_k = -r_k$, for every "
                r"$K$.",
                sp.diff(sp.log(sp.exp(z) + rest) - y * z, z),
                probability - y,
            ),
            identity(
                "gradients",
                r"By the chain rule through $z_k = \sum_j w_{kj}h_j$: $\partial L/\partial w_{kj} = "
                r"\lambda_W w_{kj} - \mathbb{E}\,r_k h_j$ and $\partial/\partial h_j = \lambda_H h_j - "
                r"u_j$, $u = W^\top r$. The second vanishes at $h = W^\top r/\lambda_H$.",
                [SLOPE_H.subs(h, u / lambda_h), sp.solve(SLOPE_H, h)[0]],
                [0, u / lambda_h],
            ),
            identity(
                "elimination of the features",
                r"Then $\lambda_H\,\partial L/\partial w_{kj} = c^2 w_{kj} - \mathbb{E}\,r_k (W^\top r)_j$, "
                r"and $\mathbb{E}\,r_k (r^\top W)_j = (MW)_{kj}$: the gradient vanishes exactly where $MW = "
                r"c^2W$.",
                lambda_h * SLOPE_W.subs(h, u / lambda_h),
                lambda_w * lambda_h * w - r * u,
            ),
            identity(
                "balancedness",
                r"For ANY point, $W^\top\nabla_W L - \mathbb{E}\,(\nabla_h)h^\top = \lambda_W W^\top W - "
                r"\lambda_H\mathbb{E}hh^\top$: the loss drops out. Entry $(i, j)$, with $g = (W^\top "
                r"W)_{ij}$ and $\sum_k w_{ki}r_k = u_i$: $(\lambda_W g - u_ih_j) - (\lambda_H h_i - "
                r"u_i)h_j$. At a critical point the left side is zero.",
                (lambda_w * g - u * h) - SLOPE_H.subs(h, h_i) * h,
                lambda_w * g - lambda_h * h_i * h,
            ),
            *[_gradients(size) for size in (2, 3, 4)],
            *[_critical(size) for size in (2, 3, 4)],
            formal(
                "centred classifier",
                r"At every critical point $\mathbf{1}^\top W = 0$. (Coq: labels finite in number; any "
                "other law as in the theorem duality.)",
                "Critical.centred_classifier",
            ),
            formal(
                "every K",
                "And $MW = c^2W$, for every $K$ and $d$.",
                "Critical.equalised",
            ),
            formal(
                "enough",
                r"A critical point with $\lambda_{\max}(M) \le c^2$ is a global minimum, for any $d$.",
                "Critical.critical_minimum",
            ),
            formal(
                "needed",
                r"At a critical point with $v^\top Mv > c^2\|v\|^2$ for some $v$, and $Wu = 0$ for some unit "
                "$u$, another point has a smaller objective.",
                "Descent.descent",
            ),
            formal(
                "global optimality",
                r"Hypothesis: $d \ge K-1$. There is such a $u$ at every critical point with "
                r"$\lambda_{\max}(M) > c^2$.",
                "Unused.unused_direction",
            ),
            formal(
                "where critical means this",
                r"The derivative of $L$ along any direction $(\dot W, \dot h)$ is the product with the "
                "two gradients above.",
                "Critical.objective_derivative",
            ),
            formal(
                "optima are critical",
                "So every global optimum is critical.",
                "Critical.optimum_critical",
            ),
        ],
        sp.Eq(sp.Symbol(r"\mathbb{E}[rr^\top]\,W"), lambda_w * lambda_h * sp.Symbol("W")),
        compare,
    )


def _point(size: int, atoms: int):
    """W (K x 2), and for each label its weight, y, h; the weights sum to one."""
    shares = list(simplex("pi", atoms)) if atoms > 1 else [sp.Integer(1)]
    labels = [(shares[i], simplex(f"y{i}", size), real(f"h{i}", 2)) for i in range(atoms)]
    return real("W", size, 2), labels


def _gradients(size: int):
    """∂L by sympy's derivative of the objective, one label, and the combination that forgets the loss."""
    W, ((_, soft, feature),) = _point(size, 1)
    logits = W * feature
    objective = sp.log(sum(sp.exp(entry) for entry in logits)) - (soft.T * logits)[0]
    objective += lambda_h / 2 * (feature.T * feature)[0] + lambda_w / 2 * (W.T * W).trace()
    slope_w = sp.Matrix(size, 2, lambda k, j: sp.diff(objective, W[k, j]))
    slope_h = sp.Matrix([sp.diff(objective, entry) for entry in feature])
    residual = soft - softmax(logits)
    invariant = W.T * slope_w - slope_h * feature.T
    return identity(
        f"gradients, K = {size}",
        rf"sympy's derivatives of $L$ for $K = {size}$, $d = 2$: $\nabla_W = \lambda_W W - rh^\top$, "
        rf"$\nabla_h = \lambda_H h - W^\top r$, and $W^\top\nabla_W - \nabla_h h^\top = \lambda_W W^\top W "
        r"- \lambda_H hh^\top$.",
        [*slope_w, *slope_h, *invariant],
        [
            *(lambda_w * W - residual * feature.T),
            *(lambda_h * feature - W.T * residual),
            *(lambda_w * W.T * W - lambda_h * feature * feature.T),
        ],
    )


def _critical(size: int):
    """Two labels with arbitrary weights and residuals: the W gradient on h = Wᵀ r/λ_H."""
    W, labels = _point(size, 2)
    slope, moment, features = lambda_w * W, sp.zeros(size, size), sp.zeros(2, 2)
    for i, (share, soft, _) in enumerate(labels):
        residual = soft - simplex(f"p{i}", size)
        feature = W.T * residual / lambda_h
        slope = slope - share * residual * feature.T
        moment = moment + share * residual * residual.T
        features = features + share * feature * feature.T
    equation = lambda_w * lambda_h * W - moment * W
    return identity(
        f"residual moment, K = {size}",
        rf"For $K = {size}$ and two labels, on $h = W^\top r/\lambda_H$: $\lambda_H\nabla_W L = c^2W - MW$; "
        r"$\mathbf{1}^\top M = 0$; and $\lambda_H\mathbb{E}hh^\top - \lambda_W W^\top W = "
        r"W^\top(MW - c^2W)/\lambda_H$.",
        [
            *(lambda_h * slope),
            *(sp.ones(1, size) * moment),
            *(lambda_h * features - lambda_w * W.T * W),
        ],
        [*equation, *[0] * size, *(-W.T * equation / lambda_h)],
    )


def settings():
    """The identity holds for any law."""
    return any_law()


def compare(rng) -> list[Comparison]:
    """Norm of the derived gradients, and λ_max of M, in 40 digits, beside the shipped certificate."""
    from ufm.certify.joint import certify_joint
    from ufm.model.atoms import FiniteLaw, JointProblem, Point

    slope_w = sp.lambdify((w, r, h, lambda_w), SLOPE_W, "mpmath")
    slope_h = sp.lambdify((h, u, lambda_h), SLOPE_H, "mpmath")
    rows = []
    with mp.workdps(40):
        for _ in range(10):
            K, d, n = (int(rng.integers(low, high)) for low, high in ((2, 7), (1, 6), (3, 9)))
            labels, weights = rng.dirichlet(np.ones(K), n), rng.dirichlet(np.ones(n))
            labels[:, -1], weights[-1] = 1 - labels[:, :-1].sum(1), 1 - weights[:-1].sum()
            W, H = rng.normal(size=(K, d)), rng.normal(size=(n, d))
            decay = [float(10 ** rng.uniform(-2, 0)) for _ in range(2)]
            problem = JointProblem(FiniteLaw(labels, weights), *decay)
            shipped = certify_joint(problem, Point(W, H))
            norm, ratio = _measures(W, H, labels, weights, decay, slope_w, slope_h)
            where = f"K={K}, d={d}, n={n}, c^2={decay[0] * decay[1]:.3g}"
            rows.append(Comparison(f"gradient, {where}", norm, shipped.stationarity))
            rows.append(Comparison(f"1 + ratio, {where}", ratio, 1 + shipped.lambda_max_ratio))
    return rows


def _measures(W, H, labels, weights, decay, slope_w, slope_h):
    """‖∇L‖ over (W, √π h), and λ_max(M)/c²."""
    W, H, Y, shares = mp.matrix(W), mp.matrix(H), mp.matrix(labels), [mp.mpf(share) for share in weights]
    decay = [mp.mpf(value) for value in decay]
    K, d, n = W.rows, W.cols, H.rows
    logits, residual = H * W.T, mp.matrix(n, K)
    for i in range(n):
        total = sum(mp.exp(logits[i, k]) for k in range(K))
        for k in range(K):
            residual[i, k] = Y[i, k] - mp.exp(logits[i, k]) / total
    pulled, square, M = residual * W, mp.mpf(0), mp.matrix(K, K)
    for k in range(K):
        for j in range(d):
            square += (
                sum(shares[i] * slope_w(W[k, j], residual[i, k], H[i, j], decay[0]) for i in range(n)) ** 2
            )
        for l in range(K):
            M[k, l] = sum(shares[i] * residual[i, k] * residual[i, l] for i in range(n))
    for i in range(n):
        square += sum(shares[i] * slope_h(H[i, j], pulled[i, j], decay[1]) ** 2 for j in range(d))
    return mp.sqrt(square), max(mp.eigsy(M, eigvals_only=True)) / (decay[0] * decay[1])
