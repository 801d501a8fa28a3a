"""This project: the numerical route, the whole check, the closed form, its coefficients; and a copy of an array."""

import numpy as np

from experiments.benchmark.tasks import CHECKED, MULTIPLIER, FeatureTask, Solver

PACKAGES = ("jax", "ufm")
COUNTS = {10: 100_000, 100: 10_000, 1000: 2_000}  # features a call
MATRIX_COUNT = 256  # at K = 1000 against an array, a hundred times dearer


def _count(task: FeatureTask, as_array: bool = False) -> int:
    count = COUNTS.get(task.classes, 2 * CHECKED)
    return min(count, MATRIX_COUNT) if as_array and task.classes == 1000 else count


def problem(task: FeatureTask, as_array: bool = False):
    """The built-in ETF, or the classifier as an array."""
    from ufm.model.problem import Problem

    if task.classifier == "etf" and not as_array:
        return Problem(task.classes, MULTIPLIER, lambda_h=task.lambda_h, dim=task.dim)
    return Problem(task.classes, classifier=task.W(), lambda_h=task.lambda_h)


def numeric(task: FeatureTask, as_array: bool = False, count: int | None = None, **options) -> Solver:
    """`solve_features` with these options, from the labels in numpy to the features in numpy."""
    from ufm.optimize.features import solve_features

    given = problem(task, as_array)
    return Solver(
        lambda labels: solve_features(given, labels, **options),
        count or _count(task, as_array),
        features=lambda found: found.H,
        note=lambda found: f"{found.steps} steps",
    )


def numeric_array(task: FeatureTask) -> Solver | None:
    """The same with the ETF handed over as any other array."""
    return numeric(task, as_array=True) if task.classifier == "etf" else None


def whole_check(task: FeatureTask) -> Solver | None:
    """`check_features`, from pairs of classes to verdicts: all pairs, at K = 1000 those of neighbours."""
    from ufm.agree.features import check_features
    from ufm.model.cases import PairCases

    if task.classifier != "etf":
        return None
    K, pairs = task.classes, "all" if task.classes <= 100 else "cyclic"
    each = K * K if pairs == "all" else K
    cases = PairCases(K, task.mixing(-(-_count(task) // each)), pairs)
    given = problem(task)
    return Solver(
        lambda _: check_features(given, cases),
        cases.count,
        features=lambda _: None,
        note=lambda found: found.verdict,
    )


def _table(task: FeatureTask) -> tuple[np.ndarray, int] | None:
    """Mixing weights and features of a table of all pairs; at K = 1000 one λ alone takes 8 GiB."""
    if task.classifier != "etf" or task.classes > 100:
        return None
    pairs = task.classes**2
    lam = task.mixing(max(CHECKED, _count(task) // pairs))
    return lam, len(lam) * pairs


def closed_form(task: FeatureTask) -> Solver | None:
    """`pair_features`: all pairs at many λ, materialised."""
    from ufm.theory.predict import pair_features

    table = _table(task)
    if table is None:
        return None
    lam, count = table
    given = problem(task)
    return Solver(lambda _: pair_features(given, lam), count, features=lambda H: H[:CHECKED, 0, 1])


def copy(task: FeatureTask) -> Solver | None:
    """A jitted copy of the array that `closed_form` makes."""
    import jax
    import jax.numpy as jnp

    table = _table(task)
    if table is None:
        return None
    source = jnp.ones((table[1], task.dim))
    jitted = jax.jit(jnp.copy)
    return Solver(lambda _: jitted(source).block_until_ready(), table[1], features=lambda _: None)


def coefficients(task: FeatureTask) -> Solver | None:
    """`two_hot_optimum`, compiled: x_i and x_j of each λ, no vector of K or d numbers."""
    import jax

    from ufm.theory.features import two_hot_optimum

    if task.classifier != "etf":
        return None
    lam, W, given = task.mixing(COUNTS[10]), task.W(), problem(task)
    jitted = jax.jit(lambda lam: two_hot_optimum(lam, given.sharpness, float(task.classes)))

    def features(found):
        x_i, x_j = (np.asarray(part)[:CHECKED, None] / given.gain for part in (found.x_i, found.x_j))
        return x_i * W[0] + x_j * W[1]

    return Solver(lambda _: jax.block_until_ready(jitted(lam)), len(lam), features=features)


VARIANTS = {
    "ours: Newton": numeric,
    "ours: Newton, W an array": numeric_array,
    "ours: the whole check": whole_check,
    "ours: closed form, all pairs": closed_form,
    "ours: coefficients alone": coefficients,
    "copy of the same array": copy,
}
