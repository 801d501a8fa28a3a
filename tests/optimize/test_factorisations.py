"""docs/devices.md lists every factorisation of a library, and no CPU program holds one of many matrices."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from math import prod
from pathlib import Path

import pytest

from tests.house.test_walls import ROOT, sources

PAGE = ROOT / "docs" / "devices.md"
ROOMS = ("jax.numpy.linalg", "jax.scipy.linalg", "jax.lax.linalg")
# what of those rooms factorises nothing; norms of matrices may, and are not among them
PLAIN = {"norm", "vector_norm", "outer", "cross", "matmul", "matrix_transpose", "diagonal", "trace", "vecdot"}
PLAIN |= {"tensordot", "multi_dot", "block_diag"}
OTHERS = {"jax.numpy.roots", "jax.numpy.polyfit", "jax.random.multivariate_normal", "jax.random.orthogonal"}
OTHERS |= {"jax.scipy.stats.gaussian_kde", "jax.scipy.stats.multivariate_normal"}


def aliases(tree: ast.AST) -> dict[str, str]:
    """What every imported name of a file stands for."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {
                a.asname or a.name.split(".")[0]: a.name if a.asname else a.name.split(".")[0]
                for a in node.names
            }
        elif isinstance(node, ast.ImportFrom):
            found |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    return found


def full_name(node: ast.AST, names: dict[str, str]) -> str:
    """The dotted name of an expression, its first part as imported; else empty."""
    if isinstance(node, ast.Attribute):
        head = full_name(node.value, names)
        return f"{head}.{node.attr}" if head else ""
    return names.get(node.id, "") if isinstance(node, ast.Name) else ""


def factorises(name: str, call: ast.Call | None) -> bool:
    room, _, what = name.rpartition(".")
    if what == "norm" and room in ROOMS:  # of a matrix, with singular values
        words = {} if call is None else {keyword.arg: keyword.value for keyword in call.keywords}
        order = words.get("ord") or (call.args[1] if call and len(call.args) > 1 else None)
        return order is not None
    return (
        (room in ROOMS and what not in PLAIN)
        or name in OTHERS
        or any(name.startswith(o + ".") for o in OTHERS)
    )


def uses(text: str, module: str) -> Iterator[tuple[str, str, int]]:
    """(function, factorisation, line) of every mention in a file, called or handed on."""
    tree = ast.parse(text)
    names = aliases(tree)

    def visit(node, where, call):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            where = f"{where}.{node.name}"
        if name := full_name(node, names):
            if factorises(name, call):
                yield where, name.rpartition(".")[2], node.lineno
            return  # its parts are names too
        for child in ast.iter_child_nodes(node):
            yield from visit(
                child, where, node if isinstance(node, ast.Call) and child is node.func else None
            )

    yield from visit(tree, module, None)


def found_in_source() -> set[tuple[str, str]]:
    files = {name: path.read_text(encoding="utf-8") for name, path in sources().items()}
    return {use[:2] for name, text in files.items() for use in uses(text, name)}


def table() -> list[list[str]]:
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `ufm.")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def listed() -> set[tuple[str, str]]:
    return {(row[0].strip("`"), what) for row in table() for what in row[1].split(", ")}


def test_every_factorisation_is_listed():
    assert listed() == found_in_source()


def test_every_row_is_of_one_matrix_at_a_time():
    assert {row[4] for row in table()} == {"one"}


def test_every_row_says_who_calls_it():
    assert len(table()) > 5
    code = "".join(path.read_text(encoding="utf-8") for path in sources().values())
    known = set(re.findall(r"(?:def|class) (\w+)", code))
    for row in table():
        callers = set(re.findall(r"\w+", " ".join(re.findall(r"`(.*?)`", row[3]))))
        assert callers <= known, row


@pytest.mark.parametrize(
    "text, what",
    [
        ("import jax.numpy as jnp\ndef f(A):\n    return jnp.linalg.qr(A)", "qr"),
        ("import jax\ndef f(A):\n    return jax.vmap(jax.numpy.linalg.cholesky)(A)", "cholesky"),
        ("from jax import numpy as n\nclass f:\n    g = n.linalg.pinv", "pinv"),
        ("from jax.scipy import linalg as la\ndef f(A):\n    return la.lu_factor(A)", "lu_factor"),
        ("from jax.scipy.linalg import solve as s\ndef f(A):\n    return s(A, A)", "solve"),
        ("import jax\ndef f(A):\n    return jax.lax.linalg.triangular_solve(A, A)", "triangular_solve"),
        ("import jax.scipy.linalg\ndef f(A):\n    return jax.scipy.linalg.expm(A)", "expm"),
        ("import jax.numpy as jnp\ndef f(A):\n    return jnp.linalg.norm(A, ord=2)", "norm"),
        ("import jax.numpy as jnp\ndef f(A):\n    return jnp.linalg.norm(A, 'nuc')", "norm"),
        ("from jax import random\ndef f(k):\n    return random.orthogonal(k, 3)", "orthogonal"),
    ],
)
def test_a_planted_factorisation_is_found(text, what):
    """Negative control: in every spelling."""
    assert [use[1] for use in uses(text, "ufm.new")] == [what]
    assert all(use[0].startswith("ufm.new.f") for use in uses(text, "ufm.new"))


@pytest.mark.parametrize(
    "text",
    [
        "import numpy as np\nnp.linalg.svd(A)",
        "import jax.numpy as jnp\njnp.linalg.norm(A, axis=1)",
        "import scipy.linalg\nscipy.linalg.cholesky(A)",
        "cholesky = 1\nx.linalg.cholesky",
    ],
)
def test_what_is_none_is_not_taken_for_one(text):
    assert list(uses(text, "ufm.new")) == []


# --- what XLA compiles ---------------------------------------------------------------------------------------

LIBRARY = re.compile(r"lapack_|trsm|\bcholesky\(|\btriangular-solve\(")
SHAPE = re.compile(r"[fc]\d+\[([\d,]+)\]")
COMMANDS = """
import os, numpy as np
import ufm.optimize.factor
from ufm import compare, solve, sweep, verify
from ufm.commands.frame import guarded
ufm.optimize.factor.SMALL = 2  # the route of large systems, on small ones
rng = np.random.default_rng(0)
np.save("near.npy", rng.normal(size=(4, 6)))
np.save("thin.npy", rng.normal(size=(4, 2)))
open("grid.toml", "w").write("classes = 3\\nalpha = [0.5, 1.0]\\nlam = [0.3]\\n")
np.savez("activations.npz", H=rng.normal(size=(60, 5)), W=rng.normal(size=(3, 5)), y=np.arange(60) % 3)
lam = ["--classes", "4", "--lam", "0.3"]
codes = [
    solve.main([*lam]),
    solve.main([*lam, "--loss", "squared-error"]),
    solve.main([*lam, "--classifier", "near.npy"]),
    solve.main([*lam, "--classifier", "thin.npy"]),
    solve.main([*lam, "--classifier", "near.npy", "--precision", "mixed"]),
    solve.main([*lam, "--classifier", "thin.npy", "--method", "lbfgs"]),
    verify.main(["--classes", "3", "--bias", "free"]),
    compare.main(["activations.npz", "--lambda-h", "0.01", "--lambda-w", "0.01"]),
    solve.main(["--classes", "3", "--classifier", "free", "--quadrature", "3"]),
    solve.main(["--classes", "3", "--dim", "1", "--starts", "1", "--classifier", "free", "--quadrature", "3"]),
    sweep.main(["grid.toml"]),
]
assert set(codes) <= {0, 3}, codes
"""


def batches(line: str) -> int:
    """How many matrices a line of HLO speaks of at once, at most."""
    shapes = [list(map(int, shape.split(","))) for shape in SHAPE.findall(line)]
    return max((prod(shape[:-2]) for shape in shapes), default=1)


def programs(folder: Path, devices: int, code: str) -> list[tuple[int, list[str]]]:
    """Every program that some code compiles: how many devices it runs on, and its lines with factorisations."""
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "JAX_PLATFORMS": "cpu",
        "JAX_ENABLE_X64": "1",
        "JAX_NUM_CPU_DEVICES": str(devices),
        "JAX_COMPILATION_CACHE_DIR": str(folder / "cache"),  # empty: all is compiled, and dumped
        "XLA_FLAGS": f"--xla_dump_to={folder / 'dump'} --xla_dump_hlo_as_text",
    }
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    found = []
    for path in sorted((folder / "dump").glob("*before_optimizations.txt")):
        head, *lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        width = re.search(r"num_partitions=(\d+)", head)
        found.append((int(width[1]) if width else 1, [line for line in lines if LIBRARY.search(line)]))
    return found


@pytest.mark.slow
def test_no_program_of_a_command_factorises_many_matrices_at_once(tmp_path):
    """Whatever the source says: read from the programs themselves."""
    found = programs(tmp_path, 2, COMMANDS)
    assert any(width == 2 for width, _ in found), "several devices were asked for, and got nothing to do"
    held = [line for _, lines in found for line in lines]
    assert held, "the dump shows no factorisation at all"
    assert [line for line in held if batches(line) > 1] == []


def test_a_batch_is_seen_in_a_program(tmp_path):
    """Negative control: jaxlib's own batching, and one matrix."""
    counts = {"cholesky": (5, 1), "inv": (6,), "eigh": (7,), "svd": (8,)}
    call = "jax.jit(jax.vmap(jnp.linalg.{}))(jnp.ones(({}, 17, 17)))"
    code = [call.format(name, n) for name, each in counts.items() for n in each]
    found = programs(tmp_path, 1, "\n".join(["import jax, jax.numpy as jnp", *code]))
    assert sorted(max(map(batches, held)) for _, held in found if held) == [1, 5, 6, 7, 8]
