"""Newton's method on G = W Wᵀ and b for many classes, its systems solved by conjugate gradients.

The same descent as `ufm.optimize.gram`, whose steps, stretched and kept positive, these are; only here no matrix
is formed a label, nor of pairs of entries of G. The preconditioner divides entry (i, j) of the gradient, in the
coordinates of classes, by the curvature that `blocks.Sums.stiff` has for it. A system is solved as well as the
step deserves: to about its own size, so that convergence stays quadratic.

A direction of G that is about to vanish, while φ falls towards that, is lost for good: the descent goes on on the
face of all others. At its end `_excess` tells whether what was lost had to be.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from ufm.optimize.factor import first_round, next_round
from ufm.optimize.gram import FULLY, SETTLED, THIN, Atoms, GramPoint, GramRun, lengthen_step
from ufm.optimize.line_search import backtrack
from ufm.optimize.many.blocks import (
    ENTRIES,
    FRAME,
    LABELS,
    SUMS,
    Frame,
    Labels,
    Sums,
    advance,
    begin,
    curve,
    fold,
    unfold,
)
from ufm.runtime.devices import ALL, CUT, CUT_LAST, as_here, each_step, one_device, share, threads_for
from ufm.runtime.threads import in_threads

BRIEF = 2**20  # logits of a device's labels, up to which a descent takes less long than good code to compile
START_STEPS = 4  # of Newton on the features at the start
INNER_STEPS = 2  # Newton steps on the features after each step of G: predicted, they are near
ROUNDS = 200  # of conjugate gradients, at most
LOOSE = 0.1  # what they leave of the gradient, at most
FINEST = 1e-12  # relative size of a gradient where its rounding is near: not refined beyond
DONE = 1e-9  # that of a gradient that is not worth a step
SLACK = 1e-9  # of λ_W, that may be missing where a direction is lost
INNER = 0.1  # of that is what is left of the system of a label


class Stand(NamedTuple):
    """A frame, the features that are (nearly) optimal there by part of the labels, and their sums."""

    frame: Frame
    h: list[jax.Array]
    sums: Sums


class _Law:
    """The labels of a run, a part for each thread, in blocks cut among the devices of a mesh; and its programs."""

    def __init__(self, B, atoms: Atoms, mesh: Mesh, loss_name: str):
        self.B, self.penalties = B, atoms.penalties
        self.coupled, self.threads = B.shape[1] < len(B), threads_for(mesh)
        own, static = -(-atoms.Y.shape[1] // mesh.size), {"loss_name": loss_name}
        blocks, brief = -(-own * len(B) // (ENTRIES * self.threads)), own * len(B) <= BRIEF
        each = self.penalties.own
        if each is None:
            each = jnp.full_like(atoms.weight, self.penalties.h)
        labels = share(fold, mesh, (CUT_LAST, CUT, CUT), LABELS, quick=True, blocks=blocks * self.threads)(
            atoms.Y, atoms.weight, each
        )
        starts = range(0, len(labels.Y), blocks) if self.threads > 1 else ()
        self.labels = [Labels(*(x[n : n + blocks] for x in labels)) for n in starts] or [labels]
        held = FRAME, ALL, ALL
        self.programs = {
            "begin": share(begin, mesh, (FRAME, LABELS), CUT, quick=True, **static),
            "advance": share(
                advance, mesh, (*held, ALL, CUT, CUT, LABELS, ALL), (CUT, SUMS), quick=brief, **static
            ),
            **{
                name: share(
                    curve,
                    mesh,
                    (*held, CUT, LABELS, ALL),
                    (CUT, ALL, ALL),
                    quick=brief,
                    rough=rough,
                    **static,
                )
                for name, rough in (("curve", False), ("rough curve", True))
            },
            "unfold": share(unfold, mesh, (CUT,), CUT_LAST, quick=True, count=own),
        }
        self.compiled: set[str] = set()
        self.lost = 0  # directions of G that are zero: the first columns of W
        self.exact = brief  # whether float32 has failed, or is not worth compiling
        self.least = float(self.penalties.h if self.penalties.own is None else jnp.min(each))

    def call(self, name: str, *parts) -> list:
        """What a program makes of each part of the labels. parts: its arguments, lists of one a part among them."""
        program, count = self.programs[name], len(self.labels)
        items = [[part[n] if isinstance(part, list) else part for part in parts] for n in range(count)]
        work = as_here(lambda item: jax.block_until_ready(program(*item)))
        found = list(in_threads(work, items, self.threads, compiled=name in self.compiled))
        self.compiled.add(name)
        return found

    def advance(self, frame: Frame, turn, D, length, h: list, q: list, inner_steps) -> "Stand":
        """`blocks.advance` of all labels."""
        found = self.call("advance", frame, turn, D, length, h, q, self.labels, inner_steps)
        return Stand(frame, [h for h, _ in found], _total([sums for _, sums in found]))

    def curve(self, stand: "Stand", D, db, share) -> tuple:
        """`blocks.curve` of all labels: in float32 where its rounding is small beside the share of every force, in
        systems whose eigenvalues reach from λ_H to ‖w‖². Only directions depend on it; gradients are float64's."""
        condition = np.max(np.sum(np.asarray(stand.frame.W) ** 2, 1)) / self.least
        rough = not self.exact and condition * np.finfo(np.float32).eps <= share
        found = self.call(
            "rough curve" if rough else "curve", stand.frame, D, db, stand.h, self.labels, share
        )
        return [q for q, *_ in found], *_total([sums for _, *sums in found])

    def frame(self, G, b, tail) -> Frame:
        """W (K, k) with W Wᵀ = B G Bᵀ and Wᵀ diag(τ) W diagonal; columns of lost directions are 0."""
        value, vector = np.linalg.eigh(G)
        value[: self.lost] = 0.0
        value[self.lost :] = np.maximum(value[self.lost :], np.finfo(float).eps * value[-1])
        root = np.sqrt(value)
        ridge, turn = np.linalg.eigh(((self.B @ vector * root).T * tail) @ (self.B @ vector * root))
        turn[:, : self.lost] = 0.0
        over = np.divide(1.0, root, out=np.zeros_like(root), where=root > 0)
        W, inverse = self.B @ (vector * root) @ turn, turn.T @ (over[:, None] * (self.B @ vector).T)
        spare = np.sum((self.B @ vector[:, : self.lost]) ** 2, 1)
        return Frame(W, inverse, b, tail, np.maximum(ridge, 0.0), spare)

    def value(self, stand: Stand) -> float:
        """φ."""
        (W, _, b, *_), penalties = stand.frame, self.penalties
        ridge = 0.5 * penalties.w * np.sum(W * W) + 0.5 * penalties.b * np.sum(b * b)
        return float(stand.sums.objective + ridge)

    def slopes(self, stand: Stand):
        """∇_D φ and ∇_b φ."""
        W, b, sums, penalties = stand.frame.W, stand.frame.b, stand.sums, self.penalties
        return 0.5 * (penalties.w * W.T @ W - sums.square), penalties.b * b - sums.mean


def descend_many(
    B, atoms: Atoms, *, loss_name: str, bias: bool, max_steps: int = 60, mesh: Mesh | None = None
) -> GramRun:
    """`descend_gram` where matrices a label would be too many."""
    mesh = mesh or one_device()
    law = _Law(B, atoms, mesh, loss_name)
    stand, settled, steps = _start(law), False, 0
    for count in each_step(max_steps, mesh):
        steps = count + 1
        step = _newton(law, stand, bias)
        value = law.value(stand)
        if abs(step.slope) <= SETTLED * abs(value):
            last = _move(law, stand, step, 1.0, FULLY)
            settled = law.value(last) <= value * (1 + SETTLED)
            stand = last if settled else stand
            break
        move = partial(_move, law, stand, step)
        trial = backtrack(move, law.value, value, step.slope) if step.slope < 0 else None
        if trial is None and law.exact:
            break
        if trial is None:
            law.exact = True
            continue
        stand = _onto_face(law, trial) if _thin(law, trial) < THIN else trial
    settled = settled and _excess(law, stand) <= SLACK
    return GramRun(_as_point(law, stand, atoms.Y.shape[1]), steps, settled, _slope(law, stand, bias))


class _Step(NamedTuple):
    """D (k, k), db (K), the q of every label and the slope ⟨∇φ, step⟩."""

    D: np.ndarray
    b: np.ndarray
    q: list[jax.Array]
    slope: float


def _start(law: _Law) -> Stand:
    """G = √(λ_H/λ_W) I, b = 0 and the features there."""
    K, k = law.B.shape
    root = (float(law.penalties.h) / float(law.penalties.w)) ** 0.25
    frame = law.frame(root**2 * np.eye(k), np.zeros(K), np.ones(K))
    h, one = law.call("begin", frame, law.labels), np.eye(k)
    return law.advance(frame, one, 0 * one, 0.0, h, [jnp.zeros_like(part) for part in h], START_STEPS)


def _move(law: _Law, stand: Stand, step: _Step, length: float, inner_steps: int = INNER_STEPS) -> Stand:
    """After a share of the step, the features started from the logits that it predicts."""
    (W, _, b, tail, *_), (_, h, sums) = stand.frame, stand
    V = law.B.T @ W
    tail = np.where(sums.seen > 0, sums.tail / np.maximum(sums.seen, 1e-300), tail)
    G = V @ (np.eye(len(V)) + length * step.D) @ V.T
    frame = law.frame(G, b + length * step.b, tail / tail.max())
    return law.advance(frame, frame.inverse @ W, step.D, length, h, step.q, inner_steps)


def _newton(law: _Law, stand: Stand, bias: bool) -> _Step:
    """The stretched Newton step."""
    gradient, slope_b = law.slopes(stand)
    slope_b = slope_b * bias
    D, db = _solve(law, stand, gradient, slope_b, bias)
    if law.lost < len(D):
        D, db = _lengthen(law, stand, D, db, gradient, slope_b)
    q, *_ = law.curve(stand, D, db, INNER * LOOSE)  # for where features start
    return _Step(D, db, q, float(np.sum(gradient * D) + slope_b @ db))


def _lengthen(law: _Law, stand: Stand, D, db, gradient, slope_b):
    """`lengthen_step` in what W spans."""
    kept, found = np.s_[law.lost :, law.lost :], np.zeros_like(D)
    U, V = np.linalg.qr(stand.frame.W[:, law.lost :])
    M = U.T @ stand.sums.M @ U
    found[kept], db, _ = lengthen_step(D[kept], db, V, M, gradient[kept], slope_b, law.penalties.w, np)
    return found, db


def _solve(law: _Law, stand: Stand, gradient, slope_b, bias: bool):
    """D and db of Newton's system by conjugate gradients."""
    k = len(gradient)

    def whole(parts) -> np.ndarray:
        return np.concatenate([parts[0].ravel(), parts[1]])

    def split(x) -> tuple:
        return x[: k * k].reshape(k, k), x[k * k :]

    def near(left) -> np.ndarray:
        return whole(_precondition(law, stand, bias, split(left)))

    at = first_round(near, -whole((gradient, slope_b)))
    first = at.size
    relative = float(np.sqrt(first / abs(law.value(stand)))) + 1e-300
    most = min(LOOSE, max(relative, FINEST / relative))

    def hessian(x):  # less exact the less is left, as inexact Krylov methods allow
        D, db = split(x)
        left = most * float(np.sqrt(first / at.size))
        _, curved, pull = law.curve(stand, D, db, INNER * min(1.0, left))
        return whole((curved, (pull + law.penalties.b * db) * bias)), x

    for _ in range(ROUNDS):
        if relative <= DONE or not at.size > most**2 * first:
            break
        at = next_round(at, hessian, near)
    return split(at.x)


def _precondition(law: _Law, stand: Stand, bias: bool, slopes):
    """The gradient over the curvatures of single entries, in the coordinates of classes."""
    F, sums = stand.frame.inverse, stand.sums
    X, stiff = F.T @ slopes[0] @ F, sums.stiff + sums.stiff.T
    b = slopes[1] / (np.maximum(sums.stiff_b, 1e-12 * sums.stiff_b.max()) + law.penalties.b) * bias
    return F @ (X / np.maximum(0.5 * stiff, 1e-12 * stiff.max())) @ F.T, b - b.mean() * law.coupled


def _total(parts: list):
    """Their sum, on the host."""
    return jax.tree.map(lambda *each: sum(map(np.asarray, each)), *parts)


def _thin(law: _Law, stand: Stand) -> float:
    """The least singular value of W that is not lost, as a share of the largest or of its natural size."""
    size = np.linalg.svd(stand.frame.W, compute_uv=False)
    kept = len(size) - law.lost
    return float(size[kept - 1] / max(size[0], _natural(law))) if kept else 1.0


def _natural(law: _Law) -> float:
    """The size of W that makes logits of order one."""
    return (float(law.penalties.h) / float(law.penalties.w)) ** 0.25


def _onto_face(law: _Law, stand: Stand) -> Stand:
    """Without the directions of W that are thin, where φ falls towards their loss; they stay lost.

    The optimum on the face {G: its other directions} is Newton's too; `_excess` tells whether it is that of all G.
    """
    W, _, b, tail, *_ = stand.frame
    U, size, _ = np.linalg.svd(law.B.T @ W)
    lost = int(np.sum(size < THIN * max(size[0], _natural(law))))
    thin = law.B @ U[:, len(size) - lost :]
    inward = np.linalg.eigvalsh(thin.T @ stand.sums.M @ thin)[-1] - law.penalties.w
    if inward >= 0:
        return stand
    law.lost, size[len(size) - lost :] = lost, 0.0
    frame, one = law.frame((U * size**2) @ U.T, b, tail), np.eye(len(size))
    still = [jnp.zeros_like(part) for part in stand.h]
    return law.advance(frame, frame.inverse @ W, 0 * one, 0.0, stand.h, still, FULLY)


def _excess(law: _Law, stand: Stand) -> float:
    """By how much E r rᵀ/λ exceeds λ_W where directions are lost, relatively: ≤ 0 where they are rightly lost."""
    if not law.lost:
        return 0.0
    return float(np.linalg.eigvalsh(law.B.T @ stand.sums.M @ law.B)[-1] / law.penalties.w - 1)


def _slope(law: _Law, stand: Stand, bias: bool) -> float:
    """‖∇φ‖ over (W, b)."""
    (W, _, b, *_), sums, penalties = stand.frame, stand.sums, law.penalties
    slope_w, slope_b = penalties.w * W - sums.M @ W, penalties.b * b - sums.mean
    return float(np.sqrt(np.sum(slope_w**2) + bias * np.sum(slope_b**2)))


def _as_point(law: _Law, stand: Stand, count: int) -> GramPoint:
    """The point as the other descent hands it on."""
    V, b = law.B.T @ stand.frame.W, law.B.T @ stand.frame.b
    parts = law.call("unfold", stand.h)
    h = jnp.concatenate(parts, 1)[:, :count] if law.threads > 1 else parts[0]
    return GramPoint(V, b, h, law.value(stand), _thin(law, stand))
