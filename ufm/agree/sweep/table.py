"""Rows of a sweep: one flat table a block, one row for each (problem, kind, λ)."""

from collections import Counter

import numpy as np

from ufm.agree.sweep.block import Answer, Numbers
from ufm.agree.verdict import JUDGED, judge_rows
from ufm.model.grid import Block, Columns, Grid, Words


def make_table(grid: Grid, block: Block, answer: Answer) -> Columns:
    """The rows of a block; answer: arrays of its problems. Null where a number means nothing."""
    rows = grid.rows(block.group)
    kinds, lam = [kind == "different" for kind, *_ in rows], [value for _, value, _ in rows]
    columns = _parameters(grid, block, rows)
    columns |= {name: _each(getattr(answer, name), rows) for name in ("m", "a")}
    columns["kind"] = _words(np.tile(kinds, block.size), ("same", "different"))
    columns["lam"] = np.tile(lam, block.size)
    for side in ("numeric", "theory"):
        parts = zip(Numbers._fields, getattr(answer, side))
        columns |= {f"{side}_{name}": _nullable(_spread(part, rows)) for name, part in parts}
    found = {name: _spread(getattr(answer, name), rows) for name in ("error", "bound", "theory_bound")}
    return columns | found | {"verdict": Words(judge_rows(**found, tol=grid.tol), JUDGED)}


def _parameters(grid: Grid, block: Block, rows) -> Columns:
    """Every parameter of the problems, once a row."""
    group, each = block.group, np.zeros(block.size * len(rows), np.int32)
    columns: Columns = {"problem": _each(np.arange(block.first, block.first + block.size), rows)}
    columns["classes"] = each + np.int32(group.classes)
    columns |= {name: _words(each, (getattr(group, name),)) for name in ("labels", "pairs", "loss")}
    columns |= {name: _each(part, rows) for name, part in grid.values(block).items()}
    columns["dim"] = columns["dim"].astype(np.int32)
    return columns


def summarise(columns: Columns) -> dict:
    """How many rows have each verdict, and the worst error and bound."""
    codes, words = columns["verdict"]
    counts = {words[code]: count for code, count in Counter(codes.tolist()).items()}
    worst = {f"worst_{name}": float(np.max(columns[name])) for name in ("error", "bound")}
    return {"verdicts": counts, **worst}


def _each(values, rows) -> np.ndarray:
    """A number of each problem, once a row."""
    return _nullable(np.repeat(np.asarray(values), len(rows)))


def _spread(part, rows) -> np.ndarray:
    """Numbers of features (B, F) as one column, in the order of the rows."""
    return np.asarray(part)[:, [feature for *_, feature in rows]].ravel()


def _nullable(values: np.ndarray) -> np.ndarray:
    return np.ma.masked_where(np.isnan(values), values)


def _words(codes, words) -> Words:
    return Words(np.asarray(codes, np.int8), words)
