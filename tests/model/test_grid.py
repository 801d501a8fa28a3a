"""Grids of problems: reading TOML, the product of axes, blocks, the hash, and everything refused."""

from itertools import product

import numpy as np
import pytest

from ufm.commands.grid_file import make_grid, read_grid
from ufm.model.grid import AXES, Grid, Group


def read(tmp_path, text: str) -> Grid:
    path = tmp_path / "grid.toml"
    path.write_text(text, encoding="utf-8")
    return read_grid(str(path))


def problems(grid: Grid) -> list[tuple]:
    """Every problem in the order of the blocks: its number, its group and its real parameters."""
    found = []
    for number in range(grid.blocks):
        block = grid.get_block(number)
        assert block.number == number and 1 <= block.size <= grid.block
        columns = grid.values(block)
        for n in range(block.size):
            found.append((block.first + n, block.group, {name: v[n] for name, v in columns.items()}))
    return found


def test_defaults_are_those_of_solve():
    grid = make_grid({})
    ((number, group, values),) = problems(grid)
    assert number == 0 and group == Group("mixup", "all", "cross-entropy", 10)
    assert np.isnan(values.pop("multiplier")) and grid.joint
    assert values == {"dim": 10, "alpha": 1, "smoothing": 0, "lambda_w": 5e-4, "lambda_h": 5e-4}
    assert grid.lam == (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0) and grid.tol == 1e-6


def test_values_lists_and_ranges(tmp_path):
    grid = read(
        tmp_path,
        """
        classes = { from = 3, to = 5, count = 3 }
        alpha = [2, 0.5]
        lambda_w = { from = 1e-4, to = 1e-1, count = 4, scale = "log" }
        lambda_h = { from = 0.1, to = 0.4, count = 4 }
        lam = [0.7, 0.2]
        """,
    )
    assert grid.axes["classes"] == (3, 4, 5) and grid.axes["alpha"] == (2.0, 0.5)
    assert grid.axes["lambda_w"] == (1e-4, 1e-3, 1e-2, 1e-1)
    assert grid.axes["lambda_h"] == (0.1, 0.2, 0.3, 0.4)  # 0.3 and not its neighbour
    assert grid.lam == (0.2, 0.7)
    assert grid.problems == 3 * 2 * 4 * 4 and len(grid.groups) == 3


@pytest.mark.parametrize("block", [1, 2, 5, 7, 12, 1000])
def test_blocks_hold_the_product_each_problem_once(block):
    axes = {"classes": [3, 4], "loss": ["squared-error", "cross-entropy"], "alpha": [1, 2, 3]}
    axes |= {"lambda_w": [0.1, 0.2], "lambda_h": [0.3, 0.4]}
    found = problems(make_grid({**axes, "block": block}))
    assert [number for number, *_ in found] == list(range(48))
    order = [name for name in AXES if name in axes]  # not the order of the file
    expected = [dict(zip(order, values)) for values in product(*(axes[name] for name in order))]
    seen = [{name: getattr(group, name, values.get(name)) for name in order} for _, group, values in found]
    assert seen == expected


def test_a_block_never_mixes_compilations():
    grid = make_grid({"classes": [3, 4], "alpha": [1, 2, 3], "block": 2})
    assert [grid.get_block(n).group.classes for n in range(grid.blocks)] == [3, 3, 4, 4]
    assert [grid.get_block(n).size for n in range(grid.blocks)] == [2, 1, 2, 1]


def test_laws_bring_their_own_defaults():
    grid = make_grid({"labels": ["mixup", "onehot", "smoothing"], "classes": 4})
    assert [group.pairs for group in grid.groups] == ["all", "same", "same"]
    by_law = {group.labels: values for _, group, values in problems(grid)}
    assert [by_law[law]["smoothing"] for law in ("mixup", "onehot", "smoothing")] == [0, 0, 0.1]
    assert by_law["mixup"]["alpha"] == 1 and np.isnan(by_law["onehot"]["alpha"])


def test_rows_and_features():
    lam = {"lam": [0.3, 0.5], "classes": 3}
    rows = {pairs: make_grid({**lam, "pairs": pairs}) for pairs in ("all", "same", "different")}
    same, different = [("same", 0.3, 0), ("same", 0.5, 0)], [("different", 0.3, 1), ("different", 0.5, 2)]
    assert rows["all"].rows(rows["all"].groups[0]) == same + different
    assert rows["same"].rows(rows["same"].groups[0]) == same
    assert [n for *_, n in rows["different"].rows(rows["different"].groups[0])] == [0, 1]
    assert [grid.row_count for grid in rows.values()] == [4, 2, 2]
    assert [grid.feature_count for grid in rows.values()] == [3, 1, 2]
    onehot = make_grid({"labels": "onehot"})
    assert onehot.rows(onehot.groups[0]) == [("same", 1.0, 0)]


def test_the_hash_names_the_problems_not_the_file(tmp_path):
    first = read(tmp_path, "alpha = [1, 2]\nlambda_w = 0.1 # comment\n")
    same = read(tmp_path, "lambda_w = [0.1]\nalpha = { from = 1, to = 2, count = 2 }")
    assert first.digest == same.digest and len(first.digest) == 64
    changed = [
        "alpha = [2, 1]",
        "alpha = [1, 2]\nlambda_w = 0.2",
        "alpha = [1, 2]\nlambda_w = 0.1\ntol = 1e-7",
    ]
    changed += ["alpha = [1, 2]\nlambda_w = 0.1\nblock = 3", "alpha = [1, 2]\nlambda_w = 0.1\nlam = 0.3"]
    digests = {first.digest, *(read(tmp_path, text).digest for text in changed)}
    assert len(digests) == 1 + len(changed)


REFUSED = [
    ("alhpa = 1", "unknown key 'alhpa' (did you mean alpha?)"),
    ("x =", "is not TOML"),
    ("alpha = []", "alpha is empty"),
    ("alpha = [1, 1.0]", "alpha has a value twice"),
    ("alpha = true", "alpha must be finite numbers, got the truth value true"),
    ("alpha = [nan]", "alpha must be finite numbers"),
    ("alpha = 1" + "0" * 400, "alpha must be finite numbers"),
    ('alpha = "1"', "alpha must be finite numbers, got '1'"),
    ("alpha = [[1]]", "alpha must be finite numbers"),
    ("alpha = -1", "alpha must be a positive finite number"),
    ("alpha = { from = 1, to = 2 }", "alpha = {'from': 1, 'to': 2}: a range of numbers is"),
    ("alpha = { from = 1, to = 2, count = 3, step = 1 }", "a range of numbers is"),
    ("alpha = { from = 1, to = 2, count = 1 }", "N from 2"),
    ("alpha = { from = 1, to = 2, count = 2.5 }", "N from 2"),
    ('alpha = { from = 1, to = 2, count = 3, scale = "cubic" }', 'scale = "linear" or "log"'),
    ('alpha = { from = 0, to = 2, count = 3, scale = "log" }', "must be positive, got 0 and 2"),
    ("alpha = { from = 2, to = 2, count = 3 }", "alpha has a value twice"),
    ("loss = { from = 1, to = 2, count = 2 }", "a range of numbers"),
    ('labels = "kway"', "labels must be among mixup, cutmix, smoothing, onehot, got 'kway'"),
    ('pairs = "cyclic"', "pairs must be among all, different, same"),
    ('loss = "hinge"', "loss must be among cross-entropy, squared-error"),
    ("classes = 1", "classes must be an integer, at least 2"),
    ("classes = 2.5", "classes must be whole numbers, got 2.5"),
    ("classes = [3, 10]\ndim = 5", "needs dim >= 9, got 5"),
    ("lambda_h = [0.0, 1.0]", "lambda_h = 0 leaves the features without"),
    ("lambda_w = 0", "leaves no jointly optimal multiplier within reach"),
    ("classes = true", "classes must be whole numbers, got the truth value true"),
    ("lambda_h = [0.1, false]", "lambda_h must be finite numbers, got the truth value false"),
    ("lam = { from = true, to = 1, count = 3 }", "lam must be finite numbers, got the truth value true"),
    ("tol = true", "tol must be finite numbers, got the truth value true"),
    ("labels = true", "labels must be among mixup, cutmix, smoothing, onehot, got the truth value true"),
    ("block = true", "got the truth value true"),
    ("multiplier = [0, 1e-200, 1]", "multiplier must be 0 or lie in"),
    ("smoothing = [0.5, 1.0]", "smoothing must lie in [0, 1), got 1.0"),
    ('labels = ["mixup", "onehot"]\nalpha = 1', 'alpha does not apply to labels "onehot"'),
    ('labels = "smoothing"\npairs = "same"', 'pairs does not apply to labels "smoothing"'),
    ('labels = "onehot"\nlam = 0.3', "lam does not apply: onehot labels have no mixing weight"),
    ("lam = [0.5, 1.5]", "numbers in [0, 1]"),
    ("tol = 0", "tol must be positive"),
    ("tol = [1e-6]", "tol must be finite numbers"),
    ("block = 0", "block must be a whole number from 1"),
    ("block = 2.0", "block must be a whole number from 1"),
    (
        "alpha = { from = 1, to = 2, count = 100000 }\nlambda_w = { from = 1e-3, to = 2e-3, count = 100000 }",
        "the grid has 10,000,000,000 problems",
    ),
    (
        "alpha = { from = 1, to = 2, count = 10000 }\nlambda_w = { from = 1, to = 2, count = 1000 }\nblock = 1",
        "10,000,000 files",
    ),
]


@pytest.mark.parametrize("text, words", REFUSED, ids=[words for _, words in REFUSED])
def test_bad_grids_are_refused_in_words(tmp_path, text, words):
    with pytest.raises(ValueError) as caught:
        read(tmp_path, text)
    assert words in str(caught.value) and len(str(caught.value).splitlines()) == 1


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(ValueError, match="No such file"):
        read_grid(str(tmp_path / "absent.toml"))
    with pytest.raises(ValueError, match="not a regular file"):
        read_grid(str(tmp_path))
    (tmp_path / "latin.toml").write_bytes(b"alpha = 1 # \xe9")
    with pytest.raises(ValueError, match="is not TOML"):
        read_grid(str(tmp_path / "latin.toml"))
