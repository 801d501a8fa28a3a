"""What the classifier looks like: by design, on a polygon, on the sphere."""

import numpy as np

from experiments.figures.blind import joint, onehot, variant
from experiments.figures.frame import TONES, curve, dots, figure_of, worst
from experiments.phases.joint import solved
from ufm.model.atoms import FiniteLaw, JointProblem
from ufm.theory.geometry.design import design
from ufm.theory.geometry.onehot import class_optimum
from ufm.theory.polygon import polygon_escape, regular_polygon
from ufm.theory.variants.constrained import code_distance


@figure_of(
    "inverse-design",
    "Three matrices side by side: the wanted Gram matrix, the labels, and the Gram matrix that was found, like "
    "the first",
    (6.4, 2.4),
)
def designed(figure) -> str:
    q = (0.4, 0.3, 0.2, 0.1)
    X = np.array([[0.6, 0, 0.2], [0.5, 0.3, -0.2], [-0.5, 0.4, 0.1], [-0.6, -0.7, -0.1]])
    G = (X - X.mean(0)) @ (X - X.mean(0)).T
    c = design(G, q, 1.0, 1.0).largest_c / 2
    plan = design(G, q, c, c)
    found, bound = solved(JointProblem(plan.law, c, c))
    made = found.W @ found.W.T
    for axes, matrix, title in zip(
        figure.subplots(1, 3),
        (G, plan.labels, made),
        ("wanted $G$", "labels $y_k$ (rows)", "found $WW^\\top$"),
    ):
        size = np.abs(matrix).max()
        axes.imshow(matrix, cmap="PuOr_r", vmin=-size, vmax=size)
        axes.set_title(title, fontsize=11)
        axes.set(xticks=[], yticks=[])
        for (k, l), value in np.ndenumerate(matrix):
            dark = abs(value) > 0.65 * size
            axes.text(
                l, k, f"{value:.2f}", ha="center", va="center", fontsize=9, color="white" if dark else "black"
            )
    return (
        f"Four classes of weights {', '.join(f'{w:g}' for w in q)}, λ_W = λ_H = {c:.2g} (feasible up to "
        f"{plan.largest_c:.2g}): solved blindly, the designed labels give the wanted matrix up to "
        f"{np.abs(made - G).max() / np.abs(G).max():.0e} (certified gap {bound.relative_gap:.0e})."
    )


@figure_of(
    "polygon-escape",
    "A pentagon seen at a slant; from its corners arrows go up and down, out of its plane",
    (4.4, 3.0),
)
def escape(figure) -> str:
    K, c = 5, 0.01
    gon, way = regular_polygon(K, c, c), polygon_escape(K, c, c)
    axes = figure.add_subplot(projection="3d")
    angle = 2 * np.pi * np.arange(K + 1) / K
    x, y = gon.multiplier * np.cos(angle), gon.multiplier * np.sin(angle)
    axes.plot(x, y, 0 * x, color=TONES[0], lw=1.5)
    up = np.cos(way.mode * angle[:K])
    axes.quiver(x[:K], y[:K], 0 * up, 0 * up, 0 * up, up, color=TONES[1], lw=2, arrow_length_ratio=0.25)
    axes.quiver(0 * up, 0 * up, 0 * up, x[:K], y[:K], 0 * up, color=TONES[0], lw=1, arrow_length_ratio=0.1)
    axes.set(zlim=(-1.1, 1.1), xticks=[], yticks=[], zticks=[])
    axes.view_init(24, 20)
    axes.set_axis_off()
    axes.set_box_aspect((2, 2, 1.3), zoom=1.7)
    plane, space = (joint(onehot(K), c, dim).objective for dim in (2, 3))
    return (
        f"The rows of W for K = {K}, d = 2, λ_W = λ_H = {c:g} (blue), and what a third dimension adds to them "
        f"(orange: cos(2π·{way.mode}k/{K})): the objective {gon.objective:.4f} curves by {way.curvature:.3f} "
        f"along it. Blind optima: {plane:.4f} in two dimensions, {space:.4f} in three."
    )


@figure_of(
    "softmax-codes",
    "One-vs-rest distance of codes in three dimensions over the number of classes: falling to four, flat to "
    "six, lower",
)
def codes(figure) -> str:
    axes, d = figure.subplots(), 3
    many = range(2, 8)
    known = {K: code_distance(K, d) for K in many if 2 * d >= K}
    found = {K: variant("softmax-codes", (), K, 0.01, d).objective for K in many}
    axes.step(list(known), list(known.values()), where="mid", color=TONES[0], lw=1.8)
    dots(axes, list(found), [-value for value in found.values()], 1)
    axes.text(2.6, 1.62, "simplex: $K/(K-1)$", fontsize=10, color=TONES[0])
    axes.text(5.0, 1.05, "cosines of zero: 1", fontsize=10, color=TONES[0])
    axes.set(xlabel="classes $K$ on the sphere in three dimensions", ylabel="one-vs-rest distance")
    off = max(abs(-found[K] - known[K]) for K in known)
    return (
        f"Line: the theorem, for K ≤ 2d; marks: the best of some blind starts, at most {off:.0e} from it. "
        f"Beyond K = {2 * d} nothing is claimed: the best code found for {2 * d + 1} has "
        f"{-found[2 * d + 1]:.4f}."
    )


@figure_of(
    "label-smoothing",
    "Gap of logits over the decay for three smoothings: without any it grows without end, with some it levels off",
)
def smoothing(figure) -> str:
    axes, K = figure.subplots(), 5
    c, some = np.geomspace(1e-5, 0.4, 200), np.geomspace(1e-4, 0.3, 8)
    found, known = [], []
    for n, epsilon in enumerate((0.0, 0.1, 0.3)):
        gaps = [class_optimum(K, v, v, epsilon).gap for v in c]
        curve(axes, c, gaps, n, rf"$\varepsilon = {epsilon:g}$", 25)
        labels = FiniteLaw((1 - epsilon) * np.eye(K) + epsilon / K, np.full(K, 1 / K))
        for v in some:
            point = joint(labels, float(v))
            Z = point.H @ point.W.T
            found.append(Z[0, 0] - Z[0, 1])
            known.append(class_optimum(K, float(v), float(v), epsilon).gap)
        dots(axes, some, found[-len(some) :], n)
    axes.set(xscale="log", xlabel=r"$c = \sqrt{\lambda_W\lambda_H}$", ylabel="gap of logits $x$")
    return (
        f"K = {K}: smoothing adds to the decay, √K c + ε, and bounds the gap as c → 0. Lines and blind optima "
        f"differ by at most {worst(found, known)}."
    )
