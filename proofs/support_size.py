r"""Small penalties forget the shares of a label: a c √(K−1)/log a → √E[n(1 − n/K)], n(y) = number of classes named,
at the joint optimum (a is its sharpness) of an exchangeable law whose labels are not all 1/K, d ≥ K−1.

x_k = log(p_k/p_o), measured from an imaginary class with label 0: x_k + o(e^{x_k} − 1) = a y_k, Σ x_k = K o,
o = a p_o (theorem soft-label). For a label whose least positive share is m, U = log(aK) ≥ 1 and a m ≥ 2U,

    log(a m/(2U)) ≤ x_k ≤ U  where y_k > 0,      x_k = 0 where y_k = 0.

Idea: so x_k/log a → 1 on the support, bounded by a constant: dominated convergence in E‖z‖² = a²(K−1)c², the scalar
equation of the theorem joint-etf. No moment of log y is needed.
"""

import mpmath as mp
import sympy as sp

from proofs.engine.step import Comparison, Derivation, argued, formal, identity, limit, sign
from proofs.tools.matrices import basis_vector
from proofs.tools.settings import fixed

K, a, m, o, U, n = sp.symbols("K a m o U n", positive=True)
x, y = sp.symbols("x_k y_k", positive=True)
LOWER = sp.log(a * m / (2 * U))
LIMIT_SQUARED = n * (1 - n / K)


def derive() -> Derivation:
    """Both bounds, the limit of their quotient with log a, the norm; mixup, one-hot and their ratio."""
    mixed = LIMIT_SQUARED.subs(n, 1) / K + (1 - 1 / K) * LIMIT_SQUARED.subs(n, 2)
    return Derivation(
        "support-size",
        [
            formal(
                "signs",
                r"$x_k$ does not fall where $y_k$ rises and is $0$ where $y_k = 0$: all $x_k \ge 0$, and none "
                r"exceeds $Ko = \sum x_k$.",
                "Signs.excess_range",
            ),
            identity(
                "upper bound",
                r"At the largest $x$: $o \ge x/K$, so $a \ge ay_k = x + o(e^x - 1) \ge x + \frac xK(e^x - "
                r"1) = \frac xKe^x + x(1 "
                r"- \frac1K) \ge \frac xKe^x$: $xe^x \le aK$, hence $x \le \max(1, \log aK) = U$.",
                x + x / K * (sp.exp(x) - 1),
                x / K * sp.exp(x) + x * (1 - 1 / K),
            ),
            sign(
                "the rest of it",
                r"$x(1 - 1/K) \ge 0$, $K = 1 + n$.",
                (x * (1 - 1 / K)).subs(K, 1 + n),
                "positive",
            ),
            identity(
                "the reference",
                r"$o = \sum x_k/K \le U$, as at most $K$ classes are named.",
                (K * U) / K,
                U,
            ),
            identity(
                "probability on the support",
                r"$z = x - o$ and $z = a(y - p)$: $ap_k = ay_k - x_k + o \ge am - U \ge am/2$ where $am "
                r"\ge 2U$.",
                [a * (y - (y - (x - o) / a)), (a * m - U) - a * m / 2 - (a * m - 2 * U) / 2],
                [x - o, 0],
            ),
            identity(
                "lower bound",
                r"$e^{x_k} = p_k/p_o = ap_k/o \ge \frac{am}{2U}$.",
                sp.exp(LOWER),
                a * m / 2 / U,
            ),
            limit(
                "both bounds are log a",
                r"At fixed $m > 0$: $\log(am/(2\log aK))/\log a \to 1$ …",
                LOWER.subs(U, sp.log(a * K)) / sp.log(a),
                a,
                sp.oo,
                1,
            ),
            limit(
                "and from above", r"… and $\log(aK)/\log a \to 1$.", sp.log(a * K) / sp.log(a), a, sp.oo, 1
            ),
            *[_norm(size) for size in (3, 4)],
            argued(
                "dominated convergence",
                r"$\|z\|^2/\log^2a = (\sum x^2 - (\sum x)^2/K)/\log^2a \to n(1 - n/K)$ for each label, "
                r"and is at most $K"
                r"(U/\log a)^2 \le 4K$ for $a \ge K$, $a \ge e$: $\mathbb{E}\|z\|^2/\log^2a \to "
                r"\mathbb{E}[n(1 - n/K)]$, for every "
                r"law of labels.",
            ),
            argued(
                "small penalties are sharp",
                r"$\mathbb{E}\|r\|^2 = (K-1)c^2$ with $r = z/a$ decreasing in $a$ from its positive value "
                r"at $0$ (theorem "
                r"joint-etf, $\pi$ exchangeable, $d \ge K-1$, labels not all $\frac1K$): $a \to \infty$ as "
                r"$c \to 0$, and $a^2(K-1)c^2 = "
                r"\mathbb{E}\|z\|^2$.",
            ),
            identity(
                "mixup of all pairs",
                r"$n = 1$ with probability $1/K$, else $2$, for every $\alpha$: $(1 - 1/K)(2 - 3/K)$; "
                r"one-hot: $1 - 1/K$.",
                [
                    mixed,
                    LIMIT_SQUARED.subs(n, 1),
                ],
                [(1 - 1 / K) * (2 - 3 / K), 1 - 1 / K],
            ),
            identity(
                "clean labels",
                r"At a class label $ap_o = x/K$ with $x/\log a \to 1$: the deficit $(K-1)p_o \approx "
                r"(K-1)\log a/(Ka)$ is $c$ over "
                r"the limit, so that of mixup over that of one-hot labels tends to $1/\sqrt{2 - 3/K}$: "
                r"$1$ at $K = 3$, below $1$ for $K \ge 4$.",
                [LIMIT_SQUARED.subs(n, 1) / mixed, (2 - 3 / K).subs(K, 3)],
                [1 / (2 - 3 / K), 1],
            ),
        ],
        sp.Eq(sp.Symbol("lim") ** 2, LIMIT_SQUARED),
        compare,
    )


def _norm(size: int):
    """‖z‖² of z = L (1_S − n/K) is n(1 − n/K) L² for every support size."""
    scale, left, right = sp.Symbol("L", positive=True), [], []
    for count in range(1, size + 1):
        z = sum((basis_vector(size, k) for k in range(count)), sp.zeros(size, 1)) * scale
        z -= sp.ones(size, 1) * sum(z) / size
        left.append((z.T * z)[0])
        right.append(scale**2 * LIMIT_SQUARED.subs({n: count, K: size}))
    return identity(
        f"norm, K = {size}",
        rf"$K = {size}$: $x = L$ on $n$ classes gives $\|z\|^2 = n(1 - n/K)L^2$.",
        left,
        right,
    )


def settings():
    """Sharp classifiers, a from some hundreds to 1e9."""
    return fixed((2, 3, 10, 100), ((1.0, 1e-3), (1.67, 5e-5), (3.0, 1e-8)))


def compare(rng) -> list[Comparison]:
    """The limits, and points of the curve of one-hot labels, at 40 digits beside the shipped ones."""
    from ufm.model.laws import kway, mixup, onehot
    from ufm.theory.geometry.support import support_limit, support_ratio

    squared, rows = sp.lambdify((n, K), LIMIT_SQUARED, "mpmath"), []
    for _ in range(4):
        size, alpha = int(rng.integers(4, 40)), float(rng.uniform(0.3, 3))
        one, two, three = (squared(count, mp.mpf(size)) for count in (1, 2, 3))
        rows += [
            Comparison(f"one-hot, K={size}", mp.sqrt(one), support_limit(onehot(), size)),
            Comparison(
                f"mixup, K={size}",
                mp.sqrt(one / size + (1 - mp.mpf(1) / size) * two),
                support_limit(mixup(alpha), size),
            ),
            Comparison(
                f"3-way, K={size}",
                mp.sqrt((one + 3 * (size - 1) * two + (size - 1) * (size - 2) * three) / size**2),
                support_limit(kway(1.0, 3), size),
            ),
        ]
        c = float(10 ** rng.uniform(-8, -3))
        with mp.workdps(40):  # one-hot: x = log(√K/c − K + 1), a = x/(√K c)
            root = mp.sqrt(size) * mp.mpf(c)
            gap = mp.log(size / root - size + 1)
            derived = gap / root * mp.mpf(c) * mp.sqrt(size - 1) / mp.log(gap / root)
        rows.append(
            Comparison(f"curve, K={size}, c={c:.3g}", derived, float(support_ratio(onehot(), size, c)[0]))
        )
    return rows
