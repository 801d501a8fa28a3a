"""What a person reads holds numbers: never NaN, None or infinity, whatever was undefined on the way."""

import html
import json
import re
from pathlib import Path

import matplotlib.figure
import numpy as np
import pytest

from ufm import compare, solve, verify
from ufm.agree.verdict import judge
from ufm.network.comparison import Options
from ufm.network.read.activations import from_arrays
from ufm.output.text import fixed, shown, small
from ufm.report.network import compare_network
from ufm.rules.errors import InputError

WORDS = re.compile(r"(?<![\w-])[-+]?(nan|inf|infinity|none|null)(?![\w-])", re.IGNORECASE)
# sentences of the project's own in which "none" is a word
PROSE = re.compile(
    r"bias none|none: W is zero[^;]*|none in 1e-3[^;]*|with none|none of|none for \d+|none is optimal"
)
LIGHT = ("--replicates", "20")


def without_numbers(text: str) -> list[str]:
    """What of the text is no number where one should stand."""
    text = " ".join(html.unescape(re.sub(r"<[^>]*>", " ", text)).split())
    return [found.group() for found in WORDS.finditer(PROSE.sub("", text))]


@pytest.fixture(autouse=True)
def _in_tmp(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def drawn(monkeypatch):
    """All words of the pictures that are saved."""
    words, save = [], matplotlib.figure.Figure.savefig

    def keep(figure, *args, **more):
        words.extend(text.get_text() for text in figure.findobj(matplotlib.text.Text))
        return save(figure, *args, **more)

    monkeypatch.setattr(matplotlib.figure.Figure, "savefig", keep)
    return words


def labels(N, K, hot=False):
    rng = np.random.default_rng(0)
    i, j = rng.integers(K, size=(2, N))
    lam = np.ones(N) if hot else rng.beta(1, 1, N)
    return lam[:, None] * np.eye(K)[i] + (1 - lam)[:, None] * np.eye(K)[j]


def network(K=3, d=4, N=60, hot=False, **more):
    rng = np.random.default_rng(1)
    Y, W = labels(N, K, hot), rng.normal(size=(K, d))
    return {"Y": Y, "W": W, "H": (Y - 1 / K) @ W + 0.1 * rng.normal(size=(N, d))} | more


KNOWN = {"lambda_w": 0.01, "lambda_h": 0.01}
WRONG = np.array([[1e3, -1e3, 0.0]] * 20)  # sure of a class that never is the label
NETWORKS = {
    "one-hot": network(hot=True),
    "one-hot, known": network(hot=True, **KNOWN),
    "two classes": network(K=2),
    "W = 0": network(W=np.zeros((3, 4))),
    "W = 0, known": network(W=np.zeros((3, 4)), **KNOWN),
    "equal rows": network(W=np.ones((3, 4)), **KNOWN),
    "H = 0": network(H=np.zeros((60, 4)), **KNOWN),
    "one sample": {k: v[:1] if k != "W" else v for k, v in network().items()},
    "one class": network(Y=np.tile([1.0, 0.0, 0.0], (60, 1))),
    "even labels": network(Y=np.full((60, 3), 1 / 3), **KNOWN),
    "half and half": network(Y=np.tile([0.5, 0.5, 0.0], (60, 1)), **KNOWN),
    "sure and wrong": network(logits=WRONG, y_logits=np.full(20, 1), **KNOWN),
    "one held out": network(logits=WRONG[:1], y_logits=np.array([0])),
    "tiny": network(W=np.full((3, 4), 1e-200) * np.arange(3)[:, None]),
    "small H": network(H=np.full((60, 4), 1e-30), **KNOWN),
}
ZERO = "W is zero, or all its rows are equal"


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_a_comparison_shows_numbers(name, call_main, drawn):
    np.savez("a.npz", **NETWORKS[name])
    code, out, err = call_main(compare.main, "a.npz", *LIGHT, "--plot", "p.png", "--report", "p.html")
    assert code in (0, 2), err
    assert not without_numbers(out) and not without_numbers(err) and "Warning" not in err
    if name.startswith("W = 0") or name == "equal rows":
        assert ZERO in out and "two-hot" not in out.split("left out")[0] and "a = 0.0001" not in out
    if code == 0:
        with open("p.html", encoding="utf-8") as page:
            # the record that the page carries is JSON, where null is right
            visible = re.sub(r"<(script|style)\b.*?</\1>", "", page.read(), flags=re.DOTALL)
        assert not without_numbers(visible)
        assert drawn and not without_numbers("\n".join(drawn))


@pytest.mark.parametrize("size", [1e-200, 1e-100, 1e100, 1e200, 1e300])
@pytest.mark.parametrize("name", ["H", "W", "b", "logits", "weights"])
@pytest.mark.filterwarnings("error")
def test_activations_whose_squares_leave_the_range_are_refused(name, size):
    """In words, and not taken for zero; but what is small beside something else may be so."""
    given = network(b=np.ones(3), logits=3 * WRONG, y_logits=np.full(20, 1), weights=np.ones(60))
    given[name] = size * given[name]
    if size < 1 and name not in ("H", "W"):
        assert from_arrays(**given).count == 60
        return
    with pytest.raises(InputError, match=f"largest entry of {name} is"):
        compare_network(from_arrays(**given), options=Options(replicates=0))


FREE = ("--classifier", "free", "--quadrature", "6")
SOLVED = {
    "out of hypothesis": (*FREE, "--weights", "0.6,0.3,0.1"),
    "no room": ("--classes", "4", *FREE, "--dim", "2"),
    "squared error without a bias": (*FREE, "--loss", "squared-error"),
    "trivial": (*FREE, "--lambda-w", "1", "--lambda-h", "1"),
    "trivial, draws": (*FREE[:2], "--lambda-w", "1", "--lambda-h", "1", "--draws", "20"),
    "even labels": ("--labels", "even.npy", *FREE),
    "no multiplier": ("--multiplier", "0"),
    "no multiplier, explained": ("--multiplier", "0", "--explain"),
    "even labels, fixed": ("--labels", "even.npy", "--multiplier", "1"),
    "not an ETF": ("--classifier", "W.npy", "--explain"),
    "unsolved": ("--classifier", "W.npy", "--max-steps", "1", "--explain"),
}


@pytest.mark.parametrize("name", SOLVED)
def test_a_solution_shows_numbers(name, call_main, drawn):
    np.save("even.npy", np.full((4, 3), 1 / 3))
    np.save("W.npy", np.random.default_rng(0).normal(size=(3, 3)))
    argv = SOLVED[name] if "--classes" in SOLVED[name] else ("--classes", "3", *SOLVED[name])
    code, out, err = call_main(solve.main, *argv, "--plot", "p.png")
    assert code in (0, 2, 3), err
    assert code == 2 or out
    assert not without_numbers(out) and not without_numbers(err) and not without_numbers("\n".join(drawn))


@pytest.mark.slow  # test_verify looks at those of a usual problem
@pytest.mark.parametrize("argv", [("--multiplier", "0"), ("--lambda-w", "0"), ("--smoothing", "0.2")])
def test_the_theorems_show_numbers(argv, call_main):
    code, out, err = call_main(verify.main, "--classes", "3", *argv)
    assert code in (0, 3), err
    assert not without_numbers(out)


@pytest.mark.parametrize(
    "argv", [SOLVED[n] for n in ("out of hypothesis", "no room", "squared error without a bias")]
)
def test_no_theory_is_shown_where_there_is_none(argv, call_main):
    argv = argv if "--classes" in argv else ("--classes", "3", *argv)
    _, out, _ = call_main(solve.main, *argv, "--json", "r.json")
    line = next(line for line in out.splitlines() if line.split()[:1] == ["multiplier"])
    assert "numeric" in line and "theory" not in line and "continuous" not in line
    found = json.loads(Path("r.json").read_text())["joint"]["multiplier"]
    assert found["theory"] is None and found["continuous"] is None and found["numeric"] > 0


def test_theory_is_shown_where_it_holds(recall):
    _, out, _ = recall(solve.main, "--classes", "3", *FREE)
    assert re.search(r"multiplier +numeric [\d.]+, theory [\d.]+, continuous", out)


def test_thresholds_are_those_of_the_loss_and_bias(recall):
    """Squared error without a bias leaves zero along 1 as well, at E(Σ y)²/K = 1/3; other classes at 2/9."""
    for argv, value in (((), 2 / 9), (("--bias", "free"), 2 / 9), (("--loss", "squared-error"), 1 / 3)):
        _, out, _ = recall(solve.main, "--classes", "3", *FREE, *argv)
        (told,) = re.findall(r"trivial: .* of ([\d.]+), below it", " ".join(out.split()))
        assert float(told) == pytest.approx(value, rel=0.02)  # a rule of six nodes


BAD = (float("nan"), float("inf"), -float("inf"), None)


@pytest.mark.parametrize("value", BAD)
def test_what_is_no_number_is_shown_as_none(value):
    assert small(value) == fixed(value) == shown(value, ".3g") == "-"
    bound = np.nan if value is None else value
    for word in (
        judge(0.1, abs(bound), 0.0, 1e-6, exceeds=False),
        judge(abs(bound), 1e-9, 0.0, 1e-6, exceeds=True),
    ):
        assert not without_numbers(word.reason)


def test_the_net_catches():
    for text in ("a nan", "(nan to 3)", "m = inf", "<td>NaN</td>", "x -inf,", "value None"):
        assert without_numbers(text), text
    for text in ("finance", "bias none", "infinite", "nano", "not known"):
        assert not without_numbers(text), text
