"""Tables and summaries as text: no number is cut, and what is named is the worst. No JAX work here."""

import io

import numpy as np
import pytest
from rich.console import Console

from ufm.agree.features import Report, Row
from ufm.agree.finite_data import DrawStudy, Limit
from ufm.agree.stream.sources import Side
from ufm.agree.verdict import judge, worst_verdict
from ufm.output.sections import Table, show
from ufm.output.text import print_rows, print_summary, shown_rows
from ufm.output.text_joint import print_draws


def row(lam=0.3, error=1e-9, bound=1e-8, size=1.2345, kind="different"):
    numbers = size * np.array([-1.0, 1.0]), np.array([0.3, 0.7, 0.0]), size
    side, tol = Side(*numbers), 1e-6
    verdict = judge(error, bound, 0.0, tol, exceeds=error > bound)
    return Row(kind, lam, (0, 1), side._replace(p_bound=np.full(3, 1e-9)), side, error, bound, 0.0, verdict)


def printed(function, rows) -> str:
    word = worst_verdict(found.verdict.word for found in rows)
    worst = (max(getattr(found, name) for found in rows) for name in ("error", "bound"))
    report = Report(None, rows, len(rows), 1, *worst, word, None)
    console = Console(file=io.StringIO(), width=80)
    function(console, report)
    return console.file.getvalue()


@pytest.mark.parametrize("lam", [5e-324, 0.30000000000000004, 1 - 2**-53, 1.2345678901234567e-300])
@pytest.mark.parametrize("size", [1.2345, 1.2345e-200])
def test_no_number_of_a_row_is_cut(lam, size):
    # beside a neighbour that takes all digits to tell from it
    text = printed(print_rows, [row(lam, size=size), row(float(np.nextafter(lam, 0)), size=size)])
    assert "…" not in text and lam in [float(line.split()[1]) for line in text.splitlines()[2::2]]
    first = text.splitlines()[2].split()
    assert first[-1] == "agrees" or text.splitlines()[3].split()[-1] == "agrees"
    assert all(float(cell) for cell in first[3:8])


def test_no_cell_of_another_table_is_cut():
    console = Console(file=io.StringIO(), width=80)
    show(console, Table(("theorem", "numeric", "verdict"), [("a" * 50, "1" * 40, "agrees")], left=(0, -1)))
    print_draws(
        console,
        [DrawStudy(10**30, 0, 0.1, (0.1, 0.2), 1.0, (1e90, 1e91), 0.1, Limit(0.5, (0.4, 0.6), (0.9, 1.1)))],
    )
    text = console.file.getvalue()
    assert "a" * 50 in text and "1" * 40 in text and str(10**30) in text and "…" not in text.split("draws")[0]
    assert "0.4000 … 0.6000" in text and "limit:" in text


@pytest.mark.parametrize(
    "bound, words",
    [
        (4e-5, None),
        (6e-5, "certain: within 6.0e-05 of the optimum's"),
        (np.inf, "nothing is known of p where no digit of it is shown"),
    ],
)
def test_what_is_not_known_of_p_is_said(bound, words):
    one = row()
    text = printed(print_rows, [one._replace(numeric=one.numeric._replace(p_bound=np.full(3, bound)))])
    assert (words in text) if words else ("known" not in text and "certain" not in text)


@pytest.mark.parametrize("wrong", [0, 1, 2])
def test_the_reason_is_that_of_the_worst_row(wrong):
    bounds = [1e-3, 1e-3, 1e-3]
    bounds[wrong] = 0.5
    rows = [row(lam, bound=bound) for lam, bound in zip((0.1, 0.2, 0.3), bounds)]
    assert "certified bound 5.00e-01" in printed(print_summary, rows)
    rows[(wrong + 1) % 3] = row(0.9, error=2.0)  # a worse verdict, whatever its bound
    rows[(wrong + 2) % 3] = row(0.9, error=3.0)
    assert "error 3.00e+00" in printed(print_summary, rows)


def test_the_row_with_the_worst_verdict_is_among_those_shown():
    rows = [row(n / 100, error=0.0, bound=1e-3) for n in range(40)]
    rows[17] = row(0.17, error=0.0, bound=np.inf)
    rows[3] = row(0.03, error=1e-4, bound=1e-3)
    assert {3, 17} <= {n for n, _ in shown_rows(rows)}
