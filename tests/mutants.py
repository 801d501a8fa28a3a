"""Planted faults: small changes of the code, drawn by a seed, each against the quick tests of its room.

    python -m tests.mutants --count 200 --jobs 2

One operator, comparison, number or function of a file in theory, certify, agree or network is changed in a copy of
the package, and the tests that KILLERS has for the file run on it. The fault is caught where one fails, or where
they take twice the LIMIT seconds of processor time that they may take on the sound code. What is left alive is
printed: either a test is missing, or the change changes nothing, which EQUIVALENT says with the reason.
Annotations, docstrings, messages and decorators are left alone. A fault is drawn by its name, which has no line,
so that a change of the code leaves the draw of the rest as it was.
Exit code: 0 where at least a share SHARE is caught and no survivor is unexplained, else 1.
"""

import argparse
import ast
import copy
import multiprocessing
import os
import resource
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from queue import Queue
from typing import NamedTuple

import pytest

from tests.mutants_known import EQUIVALENT, KILLERS

ROOT = Path(__file__).resolve().parent.parent
LIMIT = 20  # seconds of processor time for the tests of a file
SHARE = 0.9
ROOMS = ("theory", "certify", "agree", "network")
FORKS = multiprocessing.get_context("forkserver")
LOADED = ["jax.numpy", "jax.scipy.special", "optax", "flint", "mpmath", "scipy.optimize", "scipy.special"]
LOADED += ["hypothesis.extra.numpy", "beartype", "jaxtyping", "rich.console", "pytest", "xdist.plugin"]
OPERATORS = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Pow: ast.Mult}
ORDERS = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
NAMES = {"minimum": "maximum", "min": "max", "argmin": "argmax", "log1p": "log", "expm1": "exp", "any": "all"}
NAMES |= {other: name for name, other in NAMES.items() if name in ("minimum", "min", "argmin", "any")}


class Mutant(NamedTuple):
    """A change of the node numbered `place` in the walk of a file, with the line and words it is told by.

    function: the one it is in, or the class, or nothing. A second one of the same words there ends with (2).
    """

    file: str
    place: int
    line: int
    function: str
    words: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.function}: {self.words}"

    @property
    def name(self) -> str:
        """What EQUIVALENT calls it: no line, as lines move."""
        return f"{self.file.removeprefix('ufm/')} {self.function}: {self.words}"


# --- what can be changed ------------------------------------------------------------------------------


def walk(tree: ast.AST) -> Iterator[ast.AST]:
    """The nodes that compute something: no annotations, docstrings, messages or decorators."""
    if isinstance(tree, ast.FunctionDef | ast.ClassDef | ast.Module):
        parts = [n for n in tree.body if not (isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant))]
    elif isinstance(tree, ast.Raise | ast.JoinedStr | ast.Import | ast.ImportFrom | ast.Assert):
        return
    elif isinstance(tree, ast.AnnAssign):
        parts = [tree.value] if tree.value else []
    else:
        parts = list(ast.iter_child_nodes(tree))
    yield tree
    for part in parts:
        yield from walk(part)


def change(node: ast.AST) -> str | None:
    """Change a node in place; the words for it, or None where there is nothing to change."""
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        old, node.op = node.op, OPERATORS[type(node.op)]()
        return f"{type(old).__name__} → {type(node.op).__name__}"
    if isinstance(node, ast.Compare) and type(node.ops[0]) in ORDERS:
        old_order, node.ops[0] = node.ops[0], ORDERS[type(node.ops[0])]()
        return f"{type(old_order).__name__} → {type(node.ops[0]).__name__}"
    if isinstance(node, ast.BoolOp):
        node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        return f"→ {type(node.op).__name__}"
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.Not):
        words = f"{type(node.op).__name__} → nothing"
        node.op = ast.UAdd() if isinstance(node.op, ast.USub) else ast.Not()
        if isinstance(node.op, ast.Not):
            node.operand = ast.UnaryOp(ast.Not(), node.operand)
        return words
    if isinstance(node, ast.Attribute) and node.attr in NAMES:
        old_name, node.attr = node.attr, NAMES[node.attr]
        return f"{old_name} → {node.attr}"
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        old_value, node.value = node.value, 2 * node.value if node.value else type(node.value)(1)
        return f"{old_value!r} → {node.value!r}"
    return None


def mutants(files: list[str]) -> list[Mutant]:
    """All changes of these files."""
    found = []
    named: Counter[str] = Counter()
    for file in files:
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        around = {part: node for node in ast.walk(tree) for part in ast.iter_child_nodes(node)}
        for place, node in enumerate(walk(tree)):
            words = change(copy.deepcopy(node))
            if words:
                shown = ast.unparse(around[node] if isinstance(node, ast.Constant) else node)[:70]
                line: int = node.lineno  # type: ignore[attr-defined]
                mutant = Mutant(
                    file, place, line, function_of(node, around), f"{words}  in  {shown}".rstrip()
                )
                named[mutant.name] += 1
                again = f" ({named[mutant.name]})" if named[mutant.name] > 1 else ""
                found.append(mutant._replace(words=mutant.words + again))
    return found


def draw(everything: list[Mutant], count: int, seed: int) -> list[Mutant]:
    """The first `count` in an order that the seed and each one's name decide, whatever else there is."""
    return sorted(everything, key=lambda one: sha256(f"{seed} {one.name}".encode()).digest())[:count]


def function_of(node: ast.AST, around: dict[ast.AST, ast.AST]) -> str:
    """The name of the innermost function or class that a node is in."""
    while node in around:
        node = around[node]
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            return node.name
    return ""


def mutated(mutant: Mutant) -> str:
    """The file with the change in it."""
    tree = ast.parse((ROOT / mutant.file).read_text(encoding="utf-8"))
    change(next(node for place, node in enumerate(walk(tree)) if place == mutant.place))
    return ast.unparse(ast.fix_missing_locations(tree))


# --- whether it is caught -----------------------------------------------------------------------------


def killers(file: str) -> list[str]:
    """The tests of a file: those of the longest beginning of its path that KILLERS has."""
    return KILLERS[max((name for name in KILLERS if file.startswith(name)), key=len)]


def copied() -> Path:
    """A copy of the package beside links to everything else."""
    root = Path(tempfile.mkdtemp(prefix="mutants-"))
    shutil.copytree(ROOT / "ufm", root / "ufm", ignore=shutil.ignore_patterns("__pycache__"))
    for part in ROOT.iterdir():
        if part.name not in ("ufm", ".git", ".pytest_cache"):
            (root / part.name).symlink_to(part)
    return root


def caught(root: Path, mutant: Mutant) -> bool:
    """Whether the tests fail on the copy with the change."""
    path = root / mutant.file
    sound = path.read_text(encoding="utf-8")
    path.write_text(mutated(mutant), encoding="utf-8")
    try:
        return fails(root, killers(mutant.file), 2 * LIMIT)
    finally:
        path.write_text(sound, encoding="utf-8")


def fails(root: Path, tests: list[str], limit: int) -> bool:
    """Whether one of the tests fails on this copy, or they take more than `limit` seconds of processor time."""
    child = FORKS.Process(target=try_tests, args=(root, tests, limit))
    child.start()
    child.join(60 * limit)  # a fault that waits takes no processor time
    if child.is_alive():
        child.kill()
        child.join()
    return child.exitcode != 0


def try_tests(root: Path, tests: list[str], limit: int) -> None:
    """In a process of its own, forked where what the package needs is loaded, and nothing of the package."""
    resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
    os.chdir(root)
    os.environ["PYTHONPATH"] = str(root)
    sys.path[:] = [str(root), *(path for path in sys.path if path not in ("", str(ROOT)))]
    for name in [name for name in sys.modules if name.split(".")[0] in ("tests", "ufm")]:
        del sys.modules[name]
    sys.dont_write_bytecode = True
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    os._exit(pytest.main(["-x", "-q", "-n0", "-p", "no:cacheprovider", *tests]))


def unsound(sets: set[tuple[str, ...]], jobs: int) -> list[tuple[str, ...]]:
    """The tests that fail on the sound code, or take too long there once their programs are compiled."""
    root = copied()

    def broken(tests: tuple[str, ...]) -> bool:
        bad = fails(root, list(tests), LIMIT) and fails(root, list(tests), LIMIT)
        print("unsound" if bad else "sound  ", *tests, flush=True)
        return bad

    try:
        with ThreadPoolExecutor(jobs) as pool:
            return [tests for tests, bad in zip(sets, pool.map(broken, sets)) if bad]
    finally:
        shutil.rmtree(root)


def run(drawn: list[Mutant], jobs: int) -> list[Mutant]:
    """The mutants that no test catches."""
    roots: Queue[Path] = Queue()
    for _ in range(jobs):
        roots.put(copied())

    def one(mutant: Mutant) -> Mutant | None:
        root = roots.get()
        try:
            dead = caught(root, mutant)
        finally:
            roots.put(root)
        print(f"{'caught' if dead else 'ALIVE '}  {mutant}", flush=True)
        return None if dead else mutant

    try:
        with ThreadPoolExecutor(jobs) as pool:
            return [mutant for mutant in pool.map(one, drawn) if mutant]
    finally:
        while not roots.empty():
            shutil.rmtree(roots.get())


def explained(mutant: Mutant) -> str | None:
    """Why a survivor changes nothing, if that is known."""
    return EQUIVALENT.get(mutant.name)


def main() -> int:
    """Draw, run, report; the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument(
        "--only", default="", metavar="WORD", help="of the faults drawn those whose file has it"
    )
    parser.add_argument("--list", action="store_true", help="print what is drawn and run nothing")
    args = parser.parse_args()
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    FORKS.set_forkserver_preload(LOADED)
    files = [str(p.relative_to(ROOT)) for room in ROOMS for p in sorted((ROOT / "ufm" / room).rglob("*.py"))]
    everything = mutants(list(dict.fromkeys(files)))
    drawn = [one for one in draw(everything, args.count, args.seed) if args.only in one.file]
    if args.list:
        print(*drawn, sep="\n")
        return 0
    broken = unsound({tuple(killers(mutant.file)) for mutant in drawn}, args.jobs)
    for tests in broken:
        print(f"on the sound code {' '.join(tests)} fails, or takes more than {LIMIT} s")
    if broken:
        return 1
    alive = run(drawn, args.jobs)
    open_ = [mutant for mutant in alive if not explained(mutant)]
    print(f"{len(drawn)} of {len(everything)} faults: {len(drawn) - len(alive)} caught, {len(alive)} alive")
    for room, count in Counter(mutant.file.split("/")[1] for mutant in drawn).items():
        print(f"  {room}: {count}, alive {sum(m.file.split('/')[1] == room for m in alive)}")
    for mutant in alive:
        print(f"{mutant}\n    {explained(mutant) or 'NOT EXPLAINED'}")
    return 0 if not open_ and len(drawn) - len(alive) >= SHARE * len(drawn) else 1


if __name__ == "__main__":
    sys.exit(main())
