"""No factorisation of a library in a program of several CPU devices: docs/devices.md lists them all, and says why."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_walls import ROOT, sources

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


def test_every_row_says_where_it_runs():
    assert len(table()) > 5
    assert {row[4] for row in table()} == {"one device", "one device a process"}
    known = set(
        re.findall(r"(?:def|class) (\w+)", "".join(p.read_text(encoding="utf-8") for p in sources().values()))
    )
    for row in table():
        assert set(re.split(r"\W+", " ".join(re.findall(r"`(.*?)`", row[3])))) <= known, row


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

LIBRARY = re.compile(r"lapack_\w+|blas_\w*trsm\w*|\b(?:cholesky|triangular-solve)\(")
COMMANDS = """
import os, numpy as np
from ufm import solve, sweep
from ufm.command import guarded
rng = np.random.default_rng(0)
np.save("near.npy", rng.normal(size=(4, 6)))
np.save("thin.npy", rng.normal(size=(4, 2)))
open("grid.toml", "w").write("classes = 3\\nalpha = [0.5, 1.0]\\nlam = [0.3]\\n")
lam = ["--classes", "4", "--lam", "0.3"]
codes = [
    solve.main([*lam]),
    solve.main([*lam, "--loss", "squared-error"]),
    solve.main([*lam, "--classifier", "near.npy"]),
    solve.main([*lam, "--classifier", "thin.npy"]),
    solve.main(["--classes", "3", "--classifier", "free", "--quadrature", "3"]),
    solve.main(["--classes", "3", "--dim", "1", "--starts", "1", "--classifier", "free", "--quadrature", "3"]),
    sweep.main(["grid.toml"]),
]
assert set(codes) <= {0, 3}, codes
"""


def programs(folder: Path, devices: int) -> dict[str, tuple[int, set[str]]]:
    """Every program that the commands compile for so many CPU devices: how many it runs on, and its factorisations."""
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "JAX_PLATFORMS": "cpu",
        "JAX_NUM_CPU_DEVICES": str(devices),
        "JAX_COMPILATION_CACHE_DIR": str(folder / "cache"),  # empty: all is compiled, and dumped
        "XLA_FLAGS": f"--xla_dump_to={folder / 'dump'} --xla_dump_hlo_as_text",
    }
    command = [sys.executable, "-c", COMMANDS]
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    found = {}
    for path in (folder / "dump").glob("*before_optimizations.txt"):
        text = path.read_text(encoding="utf-8", errors="replace")
        width = re.search(r"num_partitions=(\d+)", text.splitlines()[0])
        found[path.name] = (int(width[1]) if width else 1, set(LIBRARY.findall(text)))
    return found


@pytest.mark.slow
def test_no_program_of_several_devices_holds_a_factorisation(tmp_path):
    """Whatever the source says: read from the programs themselves. Both kinds must be among them."""
    found = programs(tmp_path, 2)
    wide = {name: held for name, (width, held) in found.items() if width > 1}
    assert len(wide) > 3, "these commands spread their work, and some do so without a factorisation"
    assert any(held for width, held in found.values() if width == 1)
    assert {name: held for name, held in wide.items() if held} == {}
