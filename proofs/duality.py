r"""Duality: the least objective is the largest mean entropy that the penalties leave possible.

For any law π of soft labels and d ≥ K−1 (cross-entropy, no bias, c² = λ_W λ_H)

    min L = max { E Entropy(q_y) : q_y ∈ Δ, E[(y − q)(y − q)ᵀ] ⪯ c² I }.

Idea: one identity. For ANY W, h, b, any d, and any probability vectors q_y, with s = y − q,

    L − E Entropy(q) = E KL(q ‖ p) + (λ_H/2) E‖h − Wᵀs/λ_H‖² + tr(Wᵀ(c² I − E ssᵀ)W)/(2 λ_H) − b·E s.

Where E ssᵀ ⪯ c² I, and E s = 0 if there is a bias, the right side is a sum of three terms that are not
negative: weak duality, and a bound on how far (W, h) is from optimal. With q = p at a critical point all
three vanish as soon as E rrᵀ ⪯ c² I; and where an eigenvalue of E rrᵀ exceeds c² a perturbation in an
unused feature direction lowers L. So the gap closes at every global optimum when d ≥ K−1.
No minimax theorem is used.
"""

import mpmath as mp
import numpy as np
import sympy as sp

from proofs.engine.step import Comparison, Derivation, argued, formal, identity, sign
from proofs.tools.frame import softmax
from proofs.tools.matrices import real, simplex
from proofs.tools.settings import any_law

lambda_w, lambda_h, c = sp.symbols("lambda_W lambda_H c", positive=True)
y, q, p = sp.symbols("y_k q_k p_k", positive=True)
z, log_partition = sp.symbols("z_k Lambda", real=True)
h, u = sp.symbols("h_j u_j", real=True)  # one coordinate of h, and of Wᵀ s

DIVERGENCE = q * sp.log(q / p)  # summed over classes: KL(q ‖ p)
SQUARE = lambda_h / 2 * (h - u / lambda_h) ** 2  # summed over feature coordinates
SLACK = (lambda_w * lambda_h * h**2 - u**2) / (2 * lambda_h)  # in h, u := ‖W‖_F, ‖sᵀW‖: the trace term


def derive() -> Derivation:
    """The gap identity, its three signs, the shrunken point, and the descent direction that closes the gap."""
    mu, spare, excess = sp.symbols("mu nu eta", nonnegative=True)
    theta = 1 / (1 + excess)  # every θ in (0, 1]
    soft = sp.Symbol("y_k", nonnegative=True)
    t, v_r = sp.symbols("t rho", real=True)
    change = -t * v_r + lambda_h / 2 * t**2 + lambda_w / 2
    return Derivation(
        "duality",
        [
            identity(
                "Gibbs, class by class",
                r"With $\Lambda = \log\sum e^{z_l}$, so that $\log p_k = z_k - \Lambda$, and $s = y - q$: "
                r"$y_k(\Lambda - z_k) = -q_k\log q_k - s_k z_k + q_k(\log q_k - \log p_k) + s_k\Lambda$. "
                r"Summed over classes, with $\sum_k s_k = 0$: $\mathrm{CE}(z, y) = \mathrm{Entropy}(q) - "
                r"s\cdot z + \mathrm{KL}(q\|p)$, for every $K$ ($0\log 0 = 0$ where $q_k = 0$).",
                y * (log_partition - z),
                -q * sp.log(q)
                - (y - q) * z
                + q * (sp.log(q) - (z - log_partition))
                + (y - q) * log_partition,
            ),
            identity(
                "features, coordinate by coordinate",
                r"With $u = W^\top s$, so that $s\cdot Wh = u\cdot h$: completing the square, "
                r"$\frac{\lambda_H}{2}h_j^2 - u_j h_j = \frac{\lambda_H}{2}(h_j - u_j/\lambda_H)^2 - "
                r"u_j^2/(2\lambda_H)$, for every $d$.",
                lambda_h / 2 * h**2 - u * h,
                SQUARE - u**2 / (2 * lambda_h),
            ),
            identity(
                "classifier",
                r"What is left is $\frac{\lambda_W}{2}\|W\|^2 - \mathbb{E}\|W^\top s\|^2/(2\lambda_H) = "
                r"\mathrm{tr}\,W^\top(c^2 I - \mathbb{E}ss^\top)W/(2\lambda_H)$, since "
                r"$\|W^\top s\|^2 = \mathrm{tr}\,W^\top ss^\top W$ and $c^2 = \lambda_W\lambda_H$.",
                lambda_w / 2 * h**2 - u**2 / (2 * lambda_h),
                SLACK,
            ),
            *[_gap_identity(size) for size in (2, 3, 4)],
            identity(
                "divergence, pointwise",
                r"$q_k\log(q_k/p_k) - q_k + p_k = q_k\,\varphi(p_k/q_k)$ with $\varphi(t) = t - 1 - \log t$; "
                r"the terms $-q_k + p_k$ sum to zero, and $\varphi(1) = 0$.",
                [DIVERGENCE - q + p, _phi(1)],
                [q * _phi(p / q), 0],
            ),
            sign(
                "divergence, right of one",
                r"$\varphi' > 0$ on $t = 1 + \eta$ …",
                _slope(1 + _pos()),
                "positive",
            ),
            sign(
                "divergence, left of one",
                r"… and $\varphi' < 0$ on $t = 1/(1+\eta)$: so $\varphi \ge 0$ with equality only at $t = "
                r"1$, and $\mathrm{KL}(q\|p) \ge 0$ with equality only for $q = p$.",
                _slope(1 / (1 + _pos())),
                "negative",
            ),
            formal(
                "gap identity",
                "For ANY $W$, $b$, $h$ and vectors $q_y$ of sum one, any $K$ and $d$: $L - "
                r"\mathbb{E}\,\mathrm{Entropy}(q)$ is the divergence, the square, the trace term and "
                r"$-b\cdot\mathbb{E}s$. (Where $q_k < 0$, the logarithm in the entropy and in the divergence is "
                "Coq's, $0$.)",
                "Gap.gap_identity",
            ),
            formal(
                "weak duality",
                r"If $q_y \in \Delta$ and $\mathbb{E}ss^\top \preceq c^2 I$, then $L \ge "
                r"\mathbb{E}\,\mathrm{Entropy}(q)$, whatever $W$, $h$ and $d$ are.",
                "Gap.weak_duality_no_bias",
            ),
            formal(
                "weak duality, free bias",
                r"With a free bias the same under the constraint $\mathbb{E}[y - q] = 0$.",
                "Gap.weak_duality_free_bias",
            ),
            formal(
                "where the bound is met",
                r"Where $L = \mathbb{E}\,\mathrm{Entropy}(q)$ for such a $q$ (with a bias: one of "
                r"$b\cdot\mathbb{E}s = 0$), the predictions are $q$, $h "
                r"= W^\top s/\lambda_H$, and each column $v$ of $W$ has $v^\top\mathbb{E}ss^\top v = "
                r"c^2\|v\|^2$.",
                "Gap.closed_gap",
            ),
            argued(
                "other laws",
                r"Coq holds laws of finitely many labels. For any other, $\mathbb{E}$ is an integral: "
                r"what is said of one label is the same, and of $\mathbb{E}$ the formal steps, here and "
                r"in the theorems that refer to this one, use that it is linear, that $\mathbb{E}1 = 1$, "
                r"and that $\mathbb{E}f \ge 0$ for $f \ge 0$, with equality only where $f = 0$ almost "
                "surely; so what they say of every label holds almost surely. The derivative of $L$ is taken under "
                "the integral (dominated convergence). All integrands are bounded, or at most quadratic in $h$.",
            ),
            identity(
                "shrunken residual",
                r"$p' = y - \theta(y-p)$ has $y - p' = \theta\,(y - p)$ and entries that sum to one.",
                [y - (y - theta * (y - p)), (1 - theta) * 1 + theta * 1],
                [theta * (y - p), 1],
            ),
            sign(
                "shrunken point is a probability",
                r"For $0 < \theta \le 1$ (here $\theta = 1/(1+\eta)$) its entries $(1-\theta)y_k + \theta "
                r"p_k$ are not negative.",
                soft - theta * (soft - p),
                "nonnegative",
            ),
            sign(
                "shrunken point is feasible",
                r"For $\theta = c/\sqrt{\lambda_{\max}}$ and any eigenvalue $\mu \le \lambda_{\max}(M) = "
                r"\mu + \nu$ of $M = \mathbb{E}rr^\top$: $c^2 - \theta^2\mu \ge 0$. Hence $L - "
                r"\mathbb{E}\,\mathrm{Entropy}(p')$ bounds the distance to the global optimum.",
                (c**2 - (c / sp.sqrt(mu + spare)) ** 2 * mu).subs(mu, sp.Symbol("mu", positive=True)),
                "nonnegative",
            ),
            identity(
                "closed gap",
                r"At a critical point $h = W^\top r/\lambda_H$ and $MW = c^2 W$ (theorem "
                r"equalised-residuals). There, for $q = p$: $\mathrm{KL}(p\|p) = 0$, the square is zero, "
                r"and so is the trace term, as $W^\top(c^2I - M)W = W^\top(c^2W - MW)$ (checked for one column, "
                r"$\mathbb{E}(r\cdot w)^2 = c^2\|w\|^2$). "
                r"So $L = \mathbb{E}\,\mathrm{Entropy}(p)$ at every critical point, and it is a global "
                r"minimum if $\lambda_{\max}(M) \le c^2$.",
                [
                    DIVERGENCE.subs(p, q),
                    SQUARE.subs(h, u / lambda_h),
                    SLACK.subs(u, sp.sqrt(lambda_w * lambda_h) * h),
                ],
                0,
            ),
            *[_unused_direction(size) for size in (2, 3, 4)],
            formal(
                "an unused direction",
                r"Hypothesis: $d \ge K-1$. Where $v^\top Mv > c^2\|v\|^2$ for some $v$ at a critical point, "
                "some unit $u$ has $Wu = 0$.",
                "Unused.unused_direction",
            ),
            identity(
                "second variation",
                r"Let $Mv = \mu v$, $\|v\| = 1$, and let a unit vector $u$ have $Wu = 0$. Along $W + "
                r"\varepsilon v u^\top$, $h + \varepsilon t u$ the objective changes by "
                r"$\varepsilon^2\,\mathbb{E}[-t\rho + \frac{\lambda_H}{2}t^2 + \frac{\lambda_W}{2}] + "
                r"O(\varepsilon^4)$ with $\rho = r\cdot v$. At the best $t = \rho/\lambda_H$ this is "
                r"$\varepsilon^2(c^2 - \mathbb{E}\rho^2)/(2\lambda_H)$, and $\mathbb{E}\rho^2 = \mu$. (Here "
                r"$u\cdot h = u^\top W^\top r/\lambda_H = 0$.) So with $d \ge K-1$ a critical point with an "
                r"eigenvalue $\mu > c^2$ is a strict saddle.",
                [change.subs(t, v_r / lambda_h), sp.diff(change, t).subs(t, v_r / lambda_h)],
                [(lambda_w * lambda_h - v_r**2) / (2 * lambda_h), 0],
            ),
            formal(
                "minimum or not",
                r"So with $d \ge K-1$ a critical point is a global minimum exactly if $\lambda_{\max}(M) \le c^2$.",
                "Unused.critical_minimum_iff",
            ),
            formal(
                "a minimum exists",
                r"Hypothesis: $\lambda_W, \lambda_H > 0$; labels finite in number. For every $d$ there is a global "
                "minimum without a bias.",
                "Exists.optimum_exists",
            ),
            argued(
                "a minimum exists, any law",
                "For fixed $W$ each $h_y$ is the unique minimiser of a strongly convex function, continuous "
                r"in $W$, and the value lies in $[0, \log K]$. So $L$ minimised over $h$ is a continuous "
                r"function of $W$, at least $\frac{\lambda_W}{2}\|W\|^2$: it has a minimiser.",
            ),
            formal(
                "strong duality",
                r"With $d \ge K-1$ its $p$ is feasible, $\min L = \mathbb{E}\,\mathrm{Entropy}(p)$, and no "
                "feasible $q$ has a larger mean entropy.",
                "Unused.strong_duality",
            ),
        ],
        sp.Eq(
            sp.Symbol(r"L - \mathbb{E}S(q)"),
            sp.Symbol(r"\mathbb{E}\mathrm{KL}(q\|p)")
            + lambda_h / 2 * sp.Symbol(r"\mathbb{E}\|h - W^\top s/\lambda_H\|^2")
            + sp.Symbol(r"\mathrm{tr}\,W^\top(c^2I - \mathbb{E}ss^\top)W") / (2 * lambda_h),
        ),
        compare,
    )


def _pos():
    return sp.Symbol("eta", positive=True)


def _phi(t):
    return t - 1 - sp.log(t)


def _slope(at):
    t = sp.Symbol("t", positive=True)
    return sp.diff(_phi(t), t).subs(t, at)


def _gap_identity(size: int):
    """The whole identity for two labels of weights w and 1 − w, d = 2, with a bias."""
    W, b, mass = real("W", size, 2), real("b", size), sp.Symbol("w", positive=True)
    moment, mean, left, right = sp.zeros(size, size), sp.zeros(size, 1), 0, 0
    for label, share in (("0", mass), ("1", 1 - mass)):
        soft, guess, feature = (
            simplex(f"y{label}", size),
            simplex(f"q{label}", size),
            real(f"h{label}", 2),
        )
        logits, s = W * feature + b, soft - guess
        partition = sp.log(sum(sp.exp(entry) for entry in logits))
        entropy = -sum(entry * sp.log(entry) for entry in guess)
        loss = partition - (soft.T * logits)[0] + lambda_h / 2 * (feature.T * feature)[0]
        left += share * (loss - entropy)
        terms = sum(
            guess[k] * (sp.log(guess[k]) - logits[k] + partition) for k in range(size)
        )  # Σ q log(q/p)
        terms += sum(SQUARE.subs({h: feature[j], u: (W.T * s)[j]}, simultaneous=True) for j in range(2))
        right += share * terms
        moment, mean = moment + share * s * s.T, mean + share * s
    left += lambda_w / 2 * (W.T * W).trace()
    slack = W.T * (lambda_w * lambda_h * sp.eye(size) - moment) * W
    right += slack.trace() / (2 * lambda_h) - (b.T * mean)[0]
    return identity(
        f"gap identity, K = {size}",
        rf"The identity for $K = {size}$, $d = 2$, two labels with arbitrary weights, and a bias $b$ (which "
        rf"adds $-b\cdot\mathbb{{E}}s$): every entry a symbol.",
        left,
        right,
    )


def _unused_direction(size: int):
    """(W + ε v uᵀ)(h + ε t u) = W h + ε² t v, and the slope of CE along v, with u the second axis of R²."""
    small, t = sp.symbols("varepsilon t", real=True)
    logits, direction = real("z", size), real("v", size)
    W = sp.Matrix.hstack(real("W", size), sp.zeros(size, 1))
    feature, axis = sp.Matrix([sp.Symbol("h", real=True), 0]), sp.Matrix([0, 1])
    moved = (W + small * direction * axis.T) * (feature + small * t * axis)
    soft = simplex("y", size)
    loss = (
        sp.log(sum(sp.exp(entry) for entry in logits + t * direction))
        - (soft.T * (logits + t * direction))[0]
    )
    residual = soft - softmax(logits)
    return identity(
        f"unused direction, K = {size}",
        r"If $Wu = 0$ and $u\cdot h = 0$: $(W + \varepsilon vu^\top)(h + \varepsilon tu) = Wh + "
        rf"\varepsilon^2 tv$, and the loss has slope $-r\cdot v$ along $v$. Written out for $K = {size}$.",
        [*moved, sp.diff(loss, t).subs(t, 0)],
        [*(W * feature + small**2 * t * direction), -(residual.T * direction)[0]],
    )


def settings():
    """The identity holds for any law."""
    return any_law()


def compare(rng) -> list[Comparison]:
    """The three terms at the shrunken point, in 40 digits, beside the shipped gap and dual value."""
    from ufm.certify.joint import certify_joint
    from ufm.model.atoms import FiniteLaw, JointProblem, Point

    divergence = sp.lambdify((q, p), DIVERGENCE, "mpmath")
    square = sp.lambdify((h, u, lambda_h), SQUARE, "mpmath")
    rows = []
    with mp.workdps(40):
        for _ in range(10):
            K, d, n = (int(rng.integers(low, high)) for low, high in ((2, 7), (1, 7), (3, 9)))
            labels, weights = rng.dirichlet(np.ones(K), n), rng.dirichlet(np.ones(n))
            labels[:, -1], weights[-1] = 1 - labels[:, :-1].sum(1), 1 - weights[:-1].sum()
            W, H = rng.normal(size=(K, d)), rng.normal(size=(n, d))
            decay = [mp.mpf(float(10 ** rng.uniform(-1.5, 0))) for _ in range(2)]
            problem = JointProblem(FiniteLaw(labels, weights), *map(float, decay))
            shipped = certify_joint(problem, Point(W, H))
            gap, dual = _terms(W, H, labels, weights, decay, divergence, square)
            where = f"K={K}, d={d}, n={n}, c^2={float(decay[0] * decay[1]):.3g}"
            rows.append(Comparison(f"gap, {where}", gap, shipped.gap))
            rows.append(Comparison(f"dual value, {where}", dual, shipped.dual_objective))
    return rows


def _terms(W, H, labels, weights, decay, divergence, square):
    """Sum of the three terms, and E Entropy(p'), for p' = y − θ(y − p)."""
    W, H, Y, weights = mp.matrix(W), mp.matrix(H), mp.matrix(labels), [mp.mpf(w) for w in weights]
    K, d, n, product = W.rows, W.cols, H.rows, decay[0] * decay[1]
    logits = H * W.T
    partition = [sum(mp.exp(logits[i, k]) for k in range(K)) for i in range(n)]
    prediction = mp.matrix(n, K)
    for i in range(n):
        for k in range(K):
            prediction[i, k] = mp.exp(logits[i, k]) / partition[i]
    r = Y - prediction
    M = mp.matrix(K, K)
    for k in range(K):
        for l in range(K):
            M[k, l] = sum(weights[i] * r[i, k] * r[i, l] for i in range(n))
    theta = min(mp.mpf(1), mp.sqrt(product / max(mp.eigsy(M, eigvals_only=True))))
    s, pulled = theta * r, theta * r * W
    gap = entropy = mp.mpf(0)
    for i in range(n):
        guess = [Y[i, k] - s[i, k] for k in range(K)]
        entropy -= weights[i] * sum(part * mp.log(part) for part in guess)
        gap += weights[i] * sum(divergence(guess[k], prediction[i, k]) for k in range(K))
        gap += weights[i] * sum(square(H[i, j], pulled[i, j], decay[1]) for j in range(d))
    free = sum(entry**2 for entry in W) * product - theta**2 * _trace(W.T * M * W)
    return gap + free / (2 * decay[1]), entropy


def _trace(matrix):
    return sum(matrix[i, i] for i in range(matrix.rows))
