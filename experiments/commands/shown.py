"""Commands as pages show them: in fenced and indented blocks, in code spans, in docstrings.

A command is a tuple of words without the interpreter: ("ufm.solve", "--classes", "10") for `python -m ufm.solve
--classes 10`, however python is called there. Other programs keep their name: (".ci/run",).
"""

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODULE = re.compile(r"python[\d.]*\s+-m\s+(?!pip\b)")  # every command of ours is written so
OTHERS = ("pip", "apt-get", ".ci/run")  # programs besides python that pages may tell a reader to run
FENCE = re.compile(r"^[ ]*(```+|~~~+)[^\n]*\n(.*?)^[ ]*\1[ ]*$", re.DOTALL | re.MULTILINE)
SPAN = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)

Words = tuple[str, ...]


def pages(root: Path = ROOT) -> list[Path]:
    """README.md, CONTRIBUTING.md and docs/, but for the pages there that are made when they are built."""
    made = root / "docs" / "generated"
    found = [page for page in sorted((root / "docs").rglob("*.md")) if made not in page.parents]
    return [page for page in (root / "README.md", root / "CONTRIBUTING.md") if page.exists()] + found


def shown(root: Path = ROOT) -> dict[Words, list[str]]:
    """Every command that the pages show, or the docstring of a module that they name, and where."""
    found: dict[Words, list[str]] = {}
    for page in pages(root):
        for command in commands(page.read_text(encoding="utf-8")):
            found.setdefault(command, []).append(str(page.relative_to(root)))
    for name in sorted({command[0] for command in found}):
        for command in usage(name, root):
            found.setdefault(command, []).append(name)
    return found


def commands(text: str) -> list[Words]:
    """All commands of a Markdown page."""
    return [command for unit in units(text) for command in split(unit)]


def units(text: str) -> Iterator[str]:
    """What may hold commands: lines of blocks, continued ones joined, and code spans."""
    for _, body in FENCE.findall(text):
        yield from joined(body).splitlines()
    rest = joined(FENCE.sub("", text))
    indented = [line for line in rest.splitlines() if line.startswith(("    ", "\t"))]
    yield from indented
    prose = "\n".join("" if line in indented else line for line in rest.splitlines())
    for paragraph in re.split(r"\n\s*\n", prose):  # a stray backtick spoils its own paragraph only
        yield from (" ".join(span.split()) for _, span in SPAN.findall(paragraph))


def joined(text: str) -> str:
    """Lines that end with a backslash, and the next, as one."""
    return re.sub(r"\\\n\s*", " ", text)


def split(line: str) -> list[Words]:
    """The commands of a line of shell; words of any other text are none."""
    lexer = shlex.shlex(line.strip().removeprefix("$ "), posix=True, punctuation_chars=";&|<>")
    lexer.whitespace_split, lexer.commenters = True, ""
    try:
        words = list(lexer)
    except ValueError:  # an apostrophe in prose
        words = line.split()
    found: list[list[str]] = [[]]
    for word in words:
        if word.startswith("#"):
            break
        if set(word) <= set(";&|<>"):
            found.append([])
        else:
            found[-1].append(word)
    return [command for part in found if (command := named(part))]


def named(words: list[str]) -> Words | None:
    """The words without what stands before the program's name; None for no command."""
    while words and re.fullmatch(r"\w+=.*", words[0]):
        words = words[1:]
    if len(words) > 2 and re.fullmatch(r"(\S*/)?python[\d.]*", words[0]) and words[1] == "-m":
        return tuple(words[2:])
    return tuple(words) if words and words[0] in OTHERS else None


def usage(module: str, root: Path = ROOT) -> list[Words]:
    """Commands on lines of their own in the docstring of one of our modules; optional parts left out."""
    path = source(module, root)
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")), clean=False) if path else None
    lines = [line for line in (text or "").splitlines() if line.startswith("    ")]
    return [command for line in lines for command in split(re.sub(r"\[[^]]*\]", "", line))]


def source(module: str, root: Path = ROOT) -> Path | None:
    """The file that `python -m module` runs, where it is one of this checkout."""
    stem = root.joinpath(*module.split("."))
    return next((path for path in (stem.with_suffix(".py"), stem / "__main__.py") if path.is_file()), None)
