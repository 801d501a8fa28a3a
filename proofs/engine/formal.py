"""The formal proofs: `proofs/formal/` built by Coq, and audited.

What is audited: the statement of every theorem and the body of every definition, as Coq prints them, against the
committed `proofs/formal/statements.txt`; what they assume, against a list; the sources, for words that assume
something; the compiled files, by the independent checker; and planted faults, each of which must break the build.
"""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from proofs.engine import faults
from proofs.engine.coq import formulas, shipped
from proofs.engine.step import ProofError

FOLDER = Path(__file__).parents[1] / "formal"
BUILD = FOLDER.parents[1] / "build" / "formal"
STATEMENTS = FOLDER / "statements.txt"
SHIPPED = "shipped/Shipped.v"
INSTALL = "apt-get install -y --no-install-recommends coq libcoq-coquelicot libcoq-interval"

# The real numbers of Coq's library are classical: these four axioms are those of its Reals.
CLASSICAL = {
    "ClassicalDedekindReals.sig_not_dec",
    "ClassicalDedekindReals.sig_forall_dec",
    "FunctionalExtensionality.functional_extensionality_dep",
    "Classical_Prop.classic",
}
# Numerical bounds also compute with the machine's 63-bit integers, which Coq specifies by axioms.
MACHINE = re.compile(r"(PrimInt63|Uint63)\.\w+")
NUMERICAL = "Values"
ASSUMED = "assumptions of"
FORBIDDEN = re.compile(
    r"\b(Admitted|admit|give_up|Axioms?|Parameters?|Conjecture|Declare|Unset|bypass_check|Typing Flags|"
    r"vm_cast_no_check|native_cast_no_check|exact_no_check|Redirect|Load|Drop)\b|\bSet\b"
)
ASSUMING = re.compile(r"^\s*(Variables?|Hypothes[ie]s|Context)\b")


def missing() -> str | None:
    """Why nothing can be built here, or None."""
    if all(shutil.which(name) for name in ("coqc", "coq_makefile", "coqchk", "make")):
        return None
    return f"Coq is not installed: {INSTALL}"


def sources(folder: Path = FOLDER) -> list[Path]:
    """The files, in the order in which they build."""
    lines = (folder / "_CoqProject").read_text(encoding="utf-8").split()
    return [folder / line for line in lines if line.endswith(".v")]


def _run(command: list[str], folder: Path) -> str:
    found = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=1800)
    if found.returncode:
        raise ProofError(f"{' '.join(command[:3])}: {(found.stdout + found.stderr)[-2000:]}")
    return found.stdout


def build(work: Path = BUILD) -> None:
    """Copy the sources and make them, one file at a time; ProofError with Coq's words where one fails."""
    work.mkdir(parents=True, exist_ok=True)
    for path in [FOLDER / "_CoqProject", *sources()]:
        target = work / path.relative_to(FOLDER)
        target.parent.mkdir(exist_ok=True)
        if not target.exists() or target.read_bytes() != path.read_bytes():
            shutil.copyfile(path, target)
    _run(["coq_makefile", "-f", "_CoqProject", "-o", "Makefile"], work)
    _run(["make", "-j1"], work)


# ---- statements and assumptions


def _plain(text: str) -> str:
    """Source without comments, which nest."""
    kept, depth = [], 0
    for part in re.split(r"(\(\*|\*\))", text):
        depth += (part == "(*") - (part == "*)")
        kept.append("" if depth or part in ("(*", "*)") else part)
    return "".join(kept)


def declared(words: str, folder: Path = FOLDER) -> list[str]:
    """Names that the sources declare by one of these words, with their files: Joint.joint."""
    pattern = re.compile(rf"^\s*(?:{words})\s+(\w+)", re.MULTILINE)
    return [f"{p.stem}.{n}" for p in sources(folder) for n in pattern.findall(_plain(p.read_text("utf-8")))]


def audit_file() -> str:
    """Commands that print every definition, every theorem's statement and what it assumes."""
    modules = " ".join(
        path.stem for path in sources() if path.stem != "Shipped"
    )  # its names are those of others
    lines = [
        f"Require Import Reals. From UFM Require Import {modules}. From UFM Require Shipped.",
        "Open Scope R_scope. Set Printing Width 100.",
    ]
    for name in declared("Definition|Fixpoint"):
        lines.append(f'Goal True. idtac "== {name}". Abort. Print {name}.')
    theorems = declared("Theorem|Corollary")
    for name in theorems:
        lines.append(f'Goal True. idtac "== {name}". Abort. Check {name}.')
    for n, (title, names) in enumerate(groups(theorems).items()):
        lines.append(f"Definition group{n} := ({', '.join(names)}).")
        lines.append(f'Goal True. idtac "== {title}". Abort. Print Assumptions group{n}.')
    return "\n".join(lines) + "\n"


def groups(theorems: list[str]) -> dict[str, list[str]]:
    """Whose assumptions are printed together: what one theorem of a group assumes is in its list."""
    numerical = [name for name in theorems if name.split(".")[0] == NUMERICAL]
    return {
        f"{ASSUMED} Joint.joint": ["Joint.joint", "Joint.joint"],
        f"{ASSUMED} every theorem outside {NUMERICAL}": [n for n in theorems if n not in numerical],
        f"{ASSUMED} the theorems of {NUMERICAL}": numerical,
    }


def audited(work: Path = BUILD) -> str:
    """What Coq prints of the built files, tidied: the text of statements.txt. ProofError for an assumption."""
    (work / "Audit.v").write_text(audit_file(), encoding="utf-8")
    entries = _run(["coqc", "-R", ".", "UFM", "-w", "none", "Audit.v"], work).split("== ")[1:]
    return "\n".join(_entry(entry) for entry in entries)


def _entry(text: str) -> str:
    name, _, rest = text.partition("\n")
    statement = rest.partition("\nArguments ")[0].replace("RbaseSymbolsImpl.R", "R")
    if name.startswith(ASSUMED):
        statement = "\n".join(sorted(assumptions(name, statement)))
    lines = [line.rstrip() for line in statement.splitlines() if line.strip()]
    return "\n".join([f"== {name}", *lines, ""])


def assumptions(name: str, printed: str) -> set[str]:
    """The axioms that Coq lists; ProofError for one that is not allowed, for any other assumption, or for none."""
    for line in printed.splitlines():
        # a guard, positivity or universe check that was left out
        if "is assumed to be" in line or "relies on" in line:
            raise ProofError(f"{name}: {line.strip()}")
    found = set(re.findall(r"^([\w.]+)(?= :|$)", printed.partition("Axioms:\n")[2], re.MULTILINE))
    machine = {one for one in found if name.endswith(f" {NUMERICAL}") and MACHINE.fullmatch(one)}
    if not found or found - machine - CLASSICAL or (machine and "outside" in name):
        raise ProofError(f"{name}: {', '.join(sorted(found - machine - CLASSICAL)) or printed}")
    return found


@cache
def statements() -> dict[str, str]:
    """The committed statements, by name."""
    entries = STATEMENTS.read_text(encoding="utf-8").split("== ")[1:]
    return {name: rest.strip() for name, _, rest in (entry.partition("\n") for entry in entries)}


def statement(lemma: str) -> str:
    """What Coq prints of a theorem; ProofError for a name that is none."""
    text = statements().get(lemma, "")
    if not text.startswith(f"{lemma.split('.')[-1]}\n     : "):
        raise ProofError(f"no audited theorem is called {lemma}")
    return text.partition("     : ")[2]


def words(paths: list[Path]) -> Iterator[str]:
    """Words in the sources that assume something: an axiom, or a hypothesis outside a section."""
    for path in paths:
        depth = 0
        for number, line in enumerate(_plain(path.read_text("utf-8")).splitlines(), 1):
            for found in FORBIDDEN.finditer(line):
                yield f"{path.name}, line {number}: {found.group()}"
            depth += len(re.findall(r"^\s*Section\b", line)) - len(re.findall(r"^\s*End\b", line))
            if depth == 0 and ASSUMING.match(line):
                yield f"{path.name}, line {number}: {line.strip()} outside a section"


def kernel(work: Path = BUILD) -> None:
    """The independent checker on this project's own compiled files; ProofError where it objects."""
    names = [".".join(path.relative_to(FOLDER).with_suffix("").parts) for path in sources()]
    own = [part for name in names for part in ("-norec", f"UFM.{name}")]
    _run(["coqchk", "-silent", "-R", ".", "UFM", *own], work)


def planted(work: Path = BUILD) -> list[str]:
    """The faults that did not break the build; each is planted in a copy of the one file that it is in."""
    survived = []
    for fault in faults.FAULTS:
        if _builds(work, SHIPPED, shipped(faults.mutated(fault)), "shipped/Agree.v"):
            survived.append(f"{fault.function}: {fault.old} -> {fault.new}")
    for file, hypothesis in faults.HYPOTHESES:
        text = (FOLDER / file).read_text("utf-8")
        if text.count(hypothesis) != 1 or _builds(work, file, text.replace(hypothesis, ""), file):
            survived.append(f"{file} without {hypothesis.strip()}")
    return survived


def _builds(work: Path, file: str, text: str, user: str) -> bool:
    """Whether `user` compiles where `file` has this text."""
    with_fault = work.with_name("formal-fault")
    shutil.rmtree(with_fault, ignore_errors=True)
    shutil.copytree(work, with_fault)
    (with_fault / file).write_text(text, encoding="utf-8")
    try:
        for path in dict.fromkeys((file, user)):
            _run(["coqc", "-R", ".", "UFM", "-w", "none", path], with_fault)
    except ProofError:
        return False
    finally:
        shutil.rmtree(with_fault, ignore_errors=True)
    return True


# ---- the command


def check_formal(write: bool) -> int:
    """Build and audit; with `write`, the generated files are written first. Returns the exit code."""
    absent = missing()
    if absent:
        print(f"formal proofs not checked. {absent}")
        return 1 if os.environ.get("CI") else 3
    began = time.perf_counter()
    try:
        problems = list(_problems(write))
    except ProofError as error:
        problems = [str(error)]
    for problem in problems:
        print(problem)
    lines = sum(len(path.read_text("utf-8").splitlines()) for path in sources())
    count = len(declared("Theorem|Corollary"))
    verdict = "fails" if problems else "proved"
    print(f"{count} theorems, {lines} lines of Coq: {verdict}, {time.perf_counter() - began:.0f} s")
    return 1 if problems else 0


def _problems(write: bool) -> Iterator[str]:
    generated = shipped(formulas())
    if write:
        (FOLDER / SHIPPED).write_text(generated, encoding="utf-8")
    elif (FOLDER / SHIPPED).read_text("utf-8") != generated:
        yield f"{SHIPPED} is not what ufm.theory.formulas is: python -m proofs --formal"
    yield from words(sources())
    build()
    printed = audited()
    if write:
        STATEMENTS.write_text(printed, encoding="utf-8")
        statements.cache_clear()
    elif STATEMENTS.read_text("utf-8") != printed:
        yield f"{STATEMENTS.name} is not what Coq prints: python -m proofs --formal"
    kernel()
    yield from (f"a planted fault is proved: {fault}" for fault in planted())
