"""Time to a certified joint optimum, next to L-BFGS and momentum SGD over all variables.

    python -m experiments.speed_joint

Problem: K = 10, mixup α = 1, class weights falling geometrically by a factor of 10, λ by a 16-node
rule (730 label atoms), d = 10, λ_W = λ_H, no bias; the same atoms for all.

  ours     `solve_joint`; cut off after each outer step for the smaller accuracies.
  lbfgs    scipy L-BFGS-B over W and all features (7400 variables), analytic gradient in numpy,
           memory 30, tolerances 0: it stops where it can go no further, or after 5000 iterations.
  sgd      30 000 full-batch steps with momentum 0.9 over the same variables, one compiled JAX loop
           (no gradient noise, which favours it). Its rate is the best of 0.1, 0.3, 1, 3 in a trial of
           2000 steps, which is not counted.
  …-plain  the same over W and h as they stand, as a network has them; without "plain" the features
           are scaled by √π_n, which conditions the problem far better and needs to be known.

The peers start from one random W, with random features of size 0.1; ours start at W Wᵀ = √(λ_H/λ_W) Π.

Counted: wall time (and processor time, of all threads) from the start point to the answer, after a
first call (compilation, numpy's warm-up); ours are medians of 5 calls, a peer runs once. The
compile time stands apart. Not counted: importing, building the law, certificates. Each method runs in
processes of its own with 1 and with 2 threads (BLAS, OpenMP, affinity), one process at a time; the
faster is shown.

One judge: the relative gap of `certify_joint`, and the distance (L − min L)/L to our L beside it.
Peers keep snapshots at iteration counts that grow by 10 %, ours at every outer step. A row "target" is the
first with a gap ≤ 1e-9, as if the method could know; "best" is the first with a gap within a factor 2
of its best one, its own accuracy. Beside each stands the time of ours to that gap or a smaller one.
"""

import json
import os
import subprocess
import sys
import time
from typing import NamedTuple

import numpy as np

CLASSES, DIM, NODES, TARGET = 10, 10, 16, 1e-9
METHODS = ("ours", "lbfgs", "lbfgs-plain", "sgd", "sgd-plain")
PENALTIES = (5e-3, 5e-4)
HEADER = (
    "                                 relative  (L − min L)              ours             cpu  ratio\n"
    "method       threads  row           gap        /L    seconds  seconds   ratio  seconds    cpu"
)
VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Snapshot(NamedTuple):
    """A point that a method reached: wall and processor seconds since its start, W (K, d), H (n, d)."""

    seconds: float
    cpu: float
    W: np.ndarray
    H: np.ndarray


class Milestone(NamedTuple):
    """When a relative gap was reached, and L there."""

    seconds: float
    cpu: float
    gap: float
    objective: float


class Outcome(NamedTuple):
    """One method in one process: all its milestones, seconds of the whole run and of compilation."""

    found: list[Milestone]
    whole: float
    compile: float
    note: str

    @property
    def target(self) -> Milestone | None:
        """The first at the target, if any."""
        return reach(self.found, TARGET)

    @property
    def best(self) -> Milestone:
        """The first within a factor 2 of its best gap: its own accuracy."""
        return reach(self.found, 2 * min(point.gap for point in self.found))


def imbalanced_law(nodes: int = NODES):
    """Mixup of 10 classes with weights ∝ 10^(−k/9)."""
    from ufm.finite import finite_law
    from ufm.labels import LabelLaw

    weights = 10.0 ** (-np.arange(CLASSES) / (CLASSES - 1))
    law = LabelLaw("mixup", alpha=1.0, class_weights=tuple(weights / weights.sum()))
    return finite_law(law, CLASSES, nodes)


class Variables:
    """The vector (W, s_n h_n) that a peer moves: s = √π_n, or 1 for a plain one."""

    def __init__(self, law, penalty: float, plain: bool):
        self.Y, self.weights, self.penalty = law.labels, law.weights, penalty
        self.scale = np.ones((len(law.weights), 1)) if plain else np.sqrt(law.weights)[:, None]

    def start(self, seed: int = 0) -> np.ndarray:
        """W as `solve_joint` starts it, then small random features."""
        rng = np.random.default_rng(seed)
        W = rng.standard_normal((CLASSES, DIM)) / np.sqrt(CLASSES)
        H = 0.1 * rng.standard_normal((len(self.weights), DIM))
        return np.concatenate([W.ravel(), (H * self.scale).ravel()])

    def unpack(self, x):
        """W and the scaled features G."""
        return x[: CLASSES * DIM].reshape(CLASSES, DIM), x[CLASSES * DIM :].reshape(-1, DIM)

    def value_and_gradient(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """L and its gradient; cross-entropy of soft labels, λ_W = λ_H = penalty."""
        W, G = self.unpack(x)
        H = G / self.scale
        Z = H @ W.T
        top = Z.max(1, keepdims=True)
        P = np.exp(Z - top)
        total = P.sum(1, keepdims=True)
        fit = self.weights @ ((np.log(total) + top)[:, 0] - np.einsum("nk,nk->n", self.Y, Z))
        R = (P / total - self.Y) * self.weights[:, None]
        ridge = self.weights[:, None] * H
        value = fit + 0.5 * self.penalty * (np.sum(W * W) + np.sum(ridge * H))
        slopes = R.T @ H + self.penalty * W, (R @ W + self.penalty * ridge) / self.scale
        return float(value), np.concatenate([slope.ravel() for slope in slopes])


class Recorder:
    """Points at iteration counts that grow by 10 %, with wall and processor time since the start."""

    def __init__(self):
        self.count, self.due, self.kept = 0, 1, []
        self.began = np.array([time.perf_counter(), time.process_time()])

    def __call__(self, x: np.ndarray) -> None:
        self.count += 1
        if self.count >= self.due:
            self.keep(x)
            self.due = max(self.due + 1, int(1.1 * self.due))

    def keep(self, x) -> None:
        seconds, cpu = np.array([time.perf_counter(), time.process_time()]) - self.began
        self.kept.append((seconds, cpu, np.array(x)))


def run_lbfgs(variables: Variables, iterations: int = 5000):
    """Points, compile time (none) and a note."""
    from scipy.optimize import minimize

    options = {"maxcor": 30, "maxfun": 2 * iterations, "ftol": 0.0, "gtol": 0.0}

    def descend(iterations, record):
        return minimize(
            variables.value_and_gradient,
            variables.start(),
            method="L-BFGS-B",
            jac=True,
            options=options | {"maxiter": iterations},
            callback=lambda x: record(x),
        )

    descend(3, Recorder())
    record = Recorder()
    found = descend(iterations, record)
    record.keep(found.x)
    return record.kept, 0.0, f"{found.nit} iterations"


def momentum_block(variables: Variables):
    """A compiled function of (x, v, rate, count): `count` steps v ← 0.9 v − rate ∇L, x ← x + v."""
    import jax
    import jax.numpy as jnp

    Y, weights = jnp.asarray(variables.Y), jnp.asarray(variables.weights)[:, None]
    scale, penalty = jnp.asarray(variables.scale), variables.penalty

    def gradient(x):
        W, G = variables.unpack(x)
        H = G / scale
        R = (jax.nn.softmax(H @ W.T, axis=1) - Y) * weights
        slopes = R.T @ H + penalty * W, (R @ W + penalty * weights * H) / scale
        return jnp.concatenate([slope.ravel() for slope in slopes])

    @jax.jit
    def block(x, v, rate, count):
        def step(_, state):
            v = 0.9 * state[1] - rate * gradient(state[0])
            return state[0] + v, v

        return jax.lax.fori_loop(0, count, step, (x, v))

    return block


def run_sgd(variables: Variables, steps: int = 30_000, rates=(0.1, 0.3, 1.0, 3.0), trial: int = 2000):
    """Points, compile time and a note; points are kept between blocks of steps."""
    block, x = momentum_block(variables), variables.start()
    began = time.perf_counter()
    block(x, 0 * x, 0.1, 1)[0].block_until_ready()
    compiled = time.perf_counter() - began

    def loss(rate):
        value = variables.value_and_gradient(np.asarray(block(x, 0 * x, rate, trial)[0]))[0]
        return value if np.isfinite(value) else np.inf

    with np.errstate(all="ignore"):
        rate = min(rates, key=loss)
    v, done, record = 0 * x, 0, Recorder()
    while done < steps:
        size = min(max(1, done // 10), steps - done)
        x, v = block(x, v, rate, size)
        done += size
        record.keep(x)
    return record.kept, compiled, f"{steps} steps, rate {rate:g}"


def run_ours(law, penalty: float, repeats: int = 5) -> tuple[list[Snapshot], float, str]:
    """The descent cut off after 1, 2, … steps, then the whole of `solve_joint`: a snapshot each.

    Each is the median of `repeats` runs from the start, after a first one that compiles.
    """
    import jax.numpy as jnp

    from ufm.optimize.gram import Atoms, Penalties, descend_gram, logit_basis
    from ufm.optimize.joint import solve_joint

    penalties = Penalties(*(jnp.asarray(value, float) for value in (penalty, penalty, 0.0)))
    B = jnp.asarray(logit_basis(CLASSES, "cross-entropy"))

    def cut_off(steps):
        atoms = Atoms(jnp.asarray(law.labels.T), jnp.asarray(law.weights), penalties)
        point = descend_gram(B, atoms, loss_name="cross-entropy", bias=False, max_steps=steps).point
        return np.asarray(B @ point.V), np.asarray(point.h).T

    def whole():
        found = solve_joint(law, penalty, penalty, dim=DIM)
        return found.W, found.H, found.steps

    clock = Recorder()
    steps = whole()[2]
    clock.keep(0.0)
    snapshots = [timed(lambda count=count: cut_off(count), repeats) for count in range(1, steps)]
    snapshots.append(timed(lambda: whole()[:2], repeats))
    return snapshots, clock.kept[0][0] - snapshots[-1].seconds, f"{steps} outer steps"


def timed(call, repeats: int) -> Snapshot:
    """Median times of a call that returns W and H."""
    times = []
    for _ in range(repeats):
        clock = Recorder()
        W, H = call()
        clock.keep(0.0)
        times.append(clock.kept[0][:2])
    return Snapshot(*map(float, np.median(times, axis=0)), W, H)


def milestones(snapshots: list[Snapshot], law, penalty: float) -> list[Milestone]:
    """Every snapshot, certified."""
    from ufm.duality import certify_joint

    found = []
    for seconds, cpu, W, H in snapshots:
        certificate = certify_joint(W, H, law.labels, law.weights, penalty, penalty)
        objective = certificate.objective
        found.append(Milestone(seconds, cpu, certificate.gap / objective, objective))
    return found


def reach(found: list[Milestone], gap: float) -> Milestone | None:
    """The first of them with a gap at most as large."""
    return next((point for point in found if point.gap <= gap), None)


def measure(method: str, penalty: float, **effort) -> Outcome:
    """One method in this process; `effort`: iterations, steps or repeats."""
    law = imbalanced_law()
    if method == "ours":
        snapshots, compiled, note = run_ours(law, penalty, **effort)
    else:
        variables = Variables(law, penalty, method.endswith("-plain"))
        run = run_lbfgs if method.startswith("lbfgs") else run_sgd
        kept, compiled, note = run(variables, **effort)
        points = ((seconds, cpu, *variables.unpack(x)) for seconds, cpu, x in kept)
        snapshots = [Snapshot(seconds, cpu, W, G / variables.scale) for seconds, cpu, W, G in points]
        snapshots = [snapshot for snapshot in snapshots if np.isfinite(snapshot.H).all()]
    return Outcome(milestones(snapshots, law, penalty), snapshots[-1].seconds, compiled, note)


def in_process(method: str, penalty: float, threads: int) -> Outcome:
    """`measure` in a fresh process with its threads pinned."""
    pinned = {name: str(threads) for name in VARIABLES} | {"JAX_PLATFORMS": "cpu"}
    command = [
        sys.executable,
        "-m",
        "experiments.speed_joint",
        "--worker",
        method,
        str(penalty),
        str(threads),
    ]
    done = subprocess.run(command, env=os.environ | pinned, check=True, stdout=subprocess.PIPE, text=True)
    found, *rest = json.loads(done.stdout.splitlines()[-1])
    return Outcome([Milestone(*point) for point in found], *rest)


def work(method: str, penalty: float, threads: int) -> None:
    """The worker process: as many processors as threads (XLA sizes its pool by that), one line of JSON."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    import jax

    jax.config.update("jax_enable_x64", True)
    print(json.dumps(tuple(measure(method, penalty))))


def faster(runs: dict[int, Outcome]) -> int:
    """The thread count that reached the target sooner, or else its own best gap."""
    return min(runs, key=lambda n: (runs[n].target is None, (runs[n].target or runs[n].best).seconds))


def compare(penalty: float) -> None:
    """Run everything in turn and print the table, line by line as it is known."""
    print(f"\nλ_W = λ_H = {penalty:g}, target: certified relative gap {TARGET:g}\n{HEADER}", flush=True)
    ours = None
    for method in METHODS:
        runs = {threads: in_process(method, penalty, threads) for threads in (1, 2)}
        threads = faster(runs)
        ours = ours or runs[threads].found
        for line in rows(method, threads, runs[threads], ours):
            print(line, flush=True)


def rows(method: str, threads: int, run: Outcome, ours: list[Milestone]) -> list[str]:
    """Lines of the table for one method against all milestones of ours."""
    marks = {"target": run.target, "best": run.best}
    if method == "ours":
        marks["whole"] = run.found[-1]
    lines = [_row(f"{method:<12}{threads:>8}  {name:<8}", point, ours) for name, point in marks.items()]
    return [*lines, f"{'':<22}{run.note}; whole run {run.whole:.2f} s; compile {run.compile:.2f} s"]


def _row(head: str, point: Milestone | None, ours: list[Milestone]) -> str:
    """One line; a ratio above 1 says that ours took less time to the same gap or a smaller one."""
    if point is None:
        return f"{head}  not reached"
    apart = max(point.objective / min(each.objective for each in ours) - 1, 0.0)
    line = f"{head}{point.gap:>9.1e}{apart:>10.1e}{point.seconds:>11.4f}"
    rival = reach(ours, point.gap)
    if rival is None:
        return f"{line}  ours never reaches that gap"
    ratios = point.seconds / rival.seconds, point.cpu / rival.cpu
    return f"{line}{rival.seconds:>9.4f}{ratios[0]:>8.2f}{point.cpu:>9.4f}{ratios[1]:>7.2f}"


def main(argv: list[str] | None = None) -> int:
    """The comparison at each penalty; `--worker METHOD PENALTY THREADS` is one process of it."""
    argv = sys.argv[1:] if argv is None else argv
    if len(argv) == 4 and argv[0] == "--worker":
        work(argv[1], float(argv[2]), int(argv[3]))
        return 0
    if argv:
        print(__doc__)
        return 0 if argv[0] in ("-h", "--help") else 2
    print(f"K = {CLASSES}, {len(imbalanced_law().weights)} atoms, d = {DIM}, one method at a time")
    for penalty in PENALTIES:
        compare(penalty)
    return 0


if __name__ == "__main__":
    sys.exit(main())
