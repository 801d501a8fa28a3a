"""What the pages show is so: their Python runs, twice as in a notebook, and prints what they say."""

import contextlib
import io
import json
import re
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import ufm
import ufm.collect.log
from docs.builder import gallery
from experiments.commands.shown import pages
from tests.house.test_walls import MAY
from ufm.network.collapse.conventions import PRESETS
from ufm.network.collapse.flat import collapse_metrics
from ufm.network.read.activations import read_activations
from ufm.solve import main as solve

ROOT = Path(__file__).resolve().parents[2]
README, NETWORK, SWEEPS = ROOT / "README.md", ROOT / "docs" / "network.md", ROOT / "docs" / "sweeps.md"
TRACED = ROOT / "docs" / "jax.md"
JOINT = ROOT / "docs" / "joint.md"
METRICS = ROOT / "docs" / "metrics.md"
DESIGN = ROOT / "docs" / "design.md"
THEORY = ROOT / "docs" / "theorems.md"
EXPLORE = ROOT / "docs" / "explore.md"
N, D, K, INPUTS = 12, 5, 3, 7
BATCH = 5  # does not divide N
PYTHON = ("python", "py", "pycon", "code-block", "code-cell", "doctest")
RECIPES = ("torch", "mixing", "jax", "keras", "whole", "tracker", "numpy")
SHOWN = re.compile(r"```python\n(.*?)```(?:\n\n```text\n(.*?)```)?", re.DOTALL)
SLOW = ("theorist", "empiricist", "student")  # more than ten seconds on an idle core
TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.md"))


def blocks(page: Path) -> list[tuple[str, str]]:
    """Every block of Python of a page, and the block of text that follows it at once, or nothing."""
    return SHOWN.findall(page.read_text(encoding="utf-8"))


def recipe(name: str) -> str:
    found = re.search(
        rf"<!-- {name} -->\n```python\n(.*?)```", NETWORK.read_text(encoding="utf-8"), re.DOTALL
    )
    return found.group(1)


def only_block(page: Path) -> str:
    ((code, _),) = blocks(page)
    return code


def differences(shown: list[tuple[str, str]]) -> list[str]:
    """What the blocks of a page, run one after the other in one namespace, print that the page does not say."""
    names, found = {}, []
    for code, said in shown:
        with contextlib.redirect_stdout(io.StringIO()) as out:
            exec(code, names)
        found += [] if out.getvalue() == said else [out.getvalue()]
    return found


def samples(seed: int = 0) -> tuple[list, list]:
    """Batches (x, y) to train on and to test on, of which the last is short."""
    rng = np.random.default_rng(seed)
    return tuple(
        [(x[n : n + BATCH], y[n : n + BATCH]) for n in range(0, N, BATCH)]
        for x, y in (
            (rng.normal(size=(N, INPUTS)).astype(np.float32), rng.integers(0, K, N)) for _ in range(2)
        )
    )


def test_every_python_block_of_a_page_is_run_here():
    """A page with Python is one of these; and in them no block has another form."""
    run = {README, NETWORK, SWEEPS, TRACED, JOINT, METRICS, DESIGN, THEORY, EXPLORE, *TUTORIALS}
    run |= {*gallery.pages()}  # by test_gallery
    for page in pages():
        fences = re.findall(r"^ *(?:```+|~~~+) *(\S*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
        assert len(blocks(page)) == sum(name.strip("{}") in PYTHON for name in fences), page
        assert page in run or not blocks(page), page
    assert [code for code, _ in blocks(NETWORK)][: len(RECIPES)] == [recipe(name) for name in RECIPES]


def test_the_python_of_the_page_on_networks_prints_what_it_says():
    assert differences(blocks(NETWORK)[len(RECIPES) :]) == []


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=[pytest.mark.slow] * (page.stem in SLOW), id=page.stem) for page in TUTORIALS],
)
def test_a_tutorial_prints_what_it_says(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shown = blocks(page)
    assert any(said for _, said in shown)
    assert differences(shown) == []


@pytest.mark.parametrize(
    "page", [TRACED, JOINT, METRICS, DESIGN, THEORY, EXPLORE], ids=lambda page: page.stem
)
def test_a_page_prints_what_it_says(page):
    assert differences(blocks(page)) == []


def test_every_key_and_preset_of_the_metrics_is_on_its_page():
    """The keys of `collapse_metrics` have one line each there, and every measure named is there."""
    text = METRICS.read_text(encoding="utf-8")
    names = re.findall(
        r"^\| `(\w+)` \|", text.split("<!-- keys -->")[1].split("<!-- end of keys -->")[0], re.MULTILINE
    )
    y = np.arange(6) % 3
    assert sorted(names) == sorted(collapse_metrics(np.eye(3)[y], y, np.eye(3)))
    presets = text.split("<!-- presets -->")[1].split("<!-- end of presets -->")[0]
    assert re.findall(r"^\| `([\w-]+)` \|", presets, re.MULTILINE) == list(PRESETS)
    for file, name in re.findall(r"`(\w+)\.(\w+)`", text.split("<!-- measures -->")[1]):
        if file in {path.stem for path in (ROOT / "ufm" / "network" / "collapse").glob("*.py")}:
            assert hasattr(import_module(f"ufm.network.collapse.{file}"), name), (file, name)


def test_every_verdict_is_on_the_page_of_networks():
    from ufm.network.resemblance import CRITERIA

    table = (
        NETWORK.read_text(encoding="utf-8").split("<!-- findings -->")[1].split("<!-- end of findings -->")[0]
    )
    assert re.findall(r"^\| `([\w-]+)` \|", table, re.MULTILINE) == list(CRITERIA)


def test_the_table_of_code_bases_names_what_is_there():
    text = METRICS.read_text(encoding="utf-8")
    table = text.split("<!-- code bases -->")[1].split("<!-- end of code bases -->")[0]
    y = np.arange(6) % 3
    keys = collapse_metrics(np.eye(3)[y], y, np.eye(3))
    for row in re.findall(r"^\|.*\|.*\|(.*)\|$", table, re.MULTILINE):
        for name in re.findall(r"`([\w.]+)`", row):
            file, _, function = name.rpartition(".")
            assert hasattr(import_module(f"ufm.network.collapse.{file}"), function) if file else name in keys


def test_what_a_page_does_not_say_is_found():
    """Negative control."""
    assert differences([("print(1)\n", "1\n"), ("x = 2\n", ""), ("print(x)\n", "3\n")]) == ["2\n"]


def without_bounds(line: str) -> str:
    """Errors and bounds are this machine's own; all else is what a page says."""
    return re.sub(r"\d\.\de-\d\d", "#", line.rstrip())


def test_the_readme_shows_what_the_main_command_prints(call_main):
    text = README.read_text(encoding="utf-8")
    words = re.search(r"<!-- main command -->\n```sh\n.*-m ufm.solve (.*)\n```", text)[1].split()
    said = re.search(r"```text\n(.*?)```", text, re.DOTALL)[1].splitlines()
    code, out, _ = call_main(solve, *words)
    printed = {without_bounds(line) for line in out.splitlines()} | {"…"}
    assert code == 0 and len(said) > 10
    assert [line for line in said if without_bounds(line) not in printed] == []


def test_the_readme_is_short_and_links_lead_somewhere():
    for page in pages():
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert "generated/" in target or (page.parent / target).exists(), (page.name, target)
    assert len(README.read_text(encoding="utf-8").splitlines()) < 150


def test_the_rooms_of_the_pages_are_those_of_the_house():
    """The table of CONTRIBUTING.md is that of the walls, and each room has its page."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = text[text.index("<!-- may -->") : text.index("<!-- end of may -->")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[3:]]
    assert {room: may for room, may in rows} == MAY
    assert {page.stem for page in (ROOT / "docs" / "rooms").glob("*.md")} == {*MAY, "index"}
    for room, may in MAY.items():
        page = (ROOT / "docs" / "rooms" / f"{room}.md").read_text(encoding="utf-8")
        said = re.search(r"\*\*May import\*\*: (.*)\.", page)[1].replace(",", "")
        assert said in (may or "nothing of `ufm`", "every room but the doors"), room


def test_the_softmax_trap_is_named():
    assert "softmax gives probabilities, not logits" in recipe("keras")


def names_of(train, test) -> dict:
    """What a recipe of the page is given besides its network."""
    return {"np": np, "ufm": ufm, "train_loader": train, "test_loader": test, "train": train, "test": test}


def check_found(found, train, test, features, W, b):
    """The arrays of exactly these batches: clean and held-out rows, and mixtures that W and b make logits of."""
    for key, batches in (("H_clean", train), ("H_test", test)):
        np.testing.assert_allclose(found[key], features(np.concatenate([x for x, _ in batches])), atol=1e-5)
    np.testing.assert_array_equal(found["i"], np.concatenate([y for _, y in train]))
    np.testing.assert_allclose(found["W"], W, atol=1e-7)
    np.testing.assert_allclose(found["b"], b, atol=1e-7)
    np.testing.assert_allclose(found["logits"], found["H_test"] @ np.transpose(W) + b, atol=1e-5)
    assert len(set(found["lam"])) == N and set(found) >= {"H", "j", "y_clean", "y_test", "y_logits"}


def test_numpy_recipe_is_what_the_reader_takes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    names = {"np": np, "H": rng.normal(size=(N, D)), "W": rng.normal(size=(K, D)), "b": np.ones(K)}
    names |= {"i": np.arange(N) % K, "j": np.arange(N)[::-1] % K, "lam": rng.uniform(size=N)}
    names |= {"logits": rng.normal(size=(N, K)), "y": np.arange(N) % K}
    exec(recipe("numpy"), names)
    found = read_activations("activations.npz")
    assert (found.count, found.dim, found.classes, found.held_out) == (N, D, K, N)


def test_jax_recipe_takes_networks_of_every_kind():
    import jax

    linen, nnx = pytest.importorskip("flax.linen"), pytest.importorskip("flax.nnx")

    class Body(linen.Module):
        @linen.compact
        def __call__(self, x, train=True):
            x = linen.Dropout(0.5, deterministic=not train)(jax.numpy.tanh(linen.Dense(D)(x)))
            return linen.Dense(K, name="head")(x)

    class Net(nnx.Module):
        def __init__(self, rngs):
            self.body, self.head = nnx.Linear(INPUTS, D, rngs=rngs), nnx.Linear(D, K, rngs=rngs)

        def features(self, x):
            return jax.numpy.tanh(self.body(x))

        def __call__(self, x):
            return self.head(self.features(x))

    (train, test), network, model = samples(), Body(), Net(nnx.Rngs(0))
    variables = network.init(jax.random.key(0), train[0][0], train=False)
    W, b = np.asarray(model.head.kernel[...]).T, np.asarray(model.head.bias[...])
    names = names_of(train, test) | {"jax": jax, "model": model, "network": network, "variables": variables}
    names |= {"features": model.features, "W": W, "b": b}
    other = np.asarray(variables["params"]["head"]["kernel"]).T
    lines, seen = recipe("jax").splitlines(), []
    for line in lines:
        exec(line, names)
        seen += [names["found"]] if line.startswith("found") else []
    assert len(seen) == 3
    for found, head in zip(seen, (W, other, W)):
        np.testing.assert_allclose(found["W"], head, atol=1e-7)
    check_found(seen[0], train, test, model.features, W, b)
    check_found(seen[2], train, test, model.features, W, b)


def torch_network():
    """A network in training, and loaders of the samples."""
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = torch.nn.Sequential()
    model.add_module(
        "body", torch.nn.Sequential(torch.nn.Linear(INPUTS, D), torch.nn.Dropout(0.5), torch.nn.Tanh())
    )
    model.add_module("fc", torch.nn.Linear(D, K))
    sets = samples()
    tensors = [[tuple(map(torch.tensor, batch)) for batch in batches] for batches in sets]
    loaders = [torch.utils.data.DataLoader(part, batch_size=None) for part in tensors]
    return model.train(), sets, loaders


def test_torch_recipe_runs_twice(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model, (train, test), loaders = torch_network()
    for _ in range(2):
        names = names_of(*loaders) | {"model": model}
        exec(recipe("torch"), names)
        assert model.training and Path("network.html").stat().st_size > 10_000
        first, shift, W, b = (part.detach().numpy() for part in model.parameters())
        check_found(names["found"], train, test, lambda x, A=first, c=shift: np.tanh(x @ A.T + c), W, b)


def test_every_mixing_of_the_page_is_one():
    """Those of packages where these are installed."""
    timm, package = pytest.importorskip("timm"), pytest.importorskip("mixup")
    model = torch_network()[0]
    for line in recipe("mixing").splitlines():
        names = {"ufm": ufm, "timm": timm, "mixup": package, "torch": sys.modules["torch"], "model": model}
        exec(line, names)


def test_tracker_recipe_logs_every_so_many_epochs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model, _, loaders = torch_network()
    names = names_of(*loaders) | {"model": model, "epochs": 7, "train_one_epoch": lambda *given: None}
    for _ in range(2):  # the log is continued
        exec(recipe("tracker"), names)
        assert [row["epoch"] for row in ufm.collect.log.read_log("run.csv")] == [0, 5]
    assert Path("run.png").stat().st_size > 1000


def test_a_network_of_torch_becomes_a_page(tmp_path, monkeypatch, call_main, capsys):
    torch = pytest.importorskip("torch")
    import jax

    from ufm.compare import main

    torch.set_num_threads(1)
    monkeypatch.chdir(tmp_path)
    text = recipe("whole")
    assert len(text.splitlines()) <= 30
    with jax.enable_x64(False):  # as most people have it
        exec(text, {})
    assert capsys.readouterr().out and Path("network.html").stat().st_size > 10_000
    assert Path("run.csv").read_text().count("\n") == 4
    code, out, _ = call_main(main, "activations.npz", "--replicates", "20", "--report", "again.html")
    assert code == 0 and "mixup of two classes" in out and Path("again.html").exists()


def test_keras_recipe_runs(monkeypatch):
    if "keras" not in sys.modules:
        monkeypatch.setenv("KERAS_BACKEND", "jax")
    keras = pytest.importorskip("keras")
    inputs = keras.Input((INPUTS,))
    hidden = keras.layers.Dropout(0.5)(keras.layers.Dense(D, activation="tanh")(inputs))
    model = keras.Model(inputs, keras.layers.Dense(K, activation="softmax", name="head")(hidden))
    first, shift, kernel, b = model.get_weights()
    train, test = samples()
    names = names_of(train, test) | {"model": model}
    exec(recipe("keras"), names)
    check_found(names["found"], train, test, lambda x: np.tanh(x @ first + shift), kernel.T, b)


@pytest.mark.slow
def test_block_from_python_runs_twice():
    names: dict = {}
    for _ in range(2):
        exec(only_block(README), names)
    assert names["report"].verdict == "agrees" and names["pairs"].d_lam.shape == names["pairs"].H.shape


def test_block_on_sweeps_runs_twice(tmp_path, monkeypatch, call_main):
    pandas, duckdb = pytest.importorskip("pandas"), pytest.importorskip("duckdb")
    from ufm.sweep import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    Path("grid.toml").write_text(
        "classes = 3\nalpha = [1.0, 2.0]\nlambda_h = [1e-3, 1e-2]\nlam = [0.3, 1.0]\n"
    )
    assert call_main(main, "grid.toml")[0] == 0
    names = {"pandas": pandas, "duckdb": duckdb}
    for _ in range(2):
        exec(only_block(SWEEPS), names)
    assert len(names["rows"]) == names["rows"].alpha.count() > 0


def test_table_of_claims_is_that_of_the_committed_runs():
    """Every verdict of docs/claims is on their page as it came out."""
    rows = [
        json.loads((ROOT / "docs" / "claims" / f"{name}.json").read_text(encoding="utf-8"))["claims"]
        for name in ("digits", "fashion")
    ]
    lines = [f"| {a['says']} | {a['verdict']} | {b['verdict']} |" for a, b in zip(*rows, strict=True)]
    text = (ROOT / "docs" / "claims" / "index.md").read_text(encoding="utf-8")
    table = text[text.index("<!-- claims -->") : text.index("<!-- end of claims -->")]
    assert table.splitlines()[3:] == lines


def test_table_of_speeds_is_that_of_the_committed_run():
    """Every figure of the table of docs/cost.md stands in the targets of docs/speed.md."""
    page, speed = ((ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("cost.md", "speed.md"))
    rows = page.split("<!-- speed table -->")[1].split("\n\n")[1].splitlines()[2:]
    found, targets = [row.split("|")[2].strip() for row in rows], speed.split("## Targets")[1].split("##")[0]
    assert len(found) == 9
    for figure in found:
        assert re.search(rf"(?<![\d.]){re.escape(figure)}(?!\d)", targets), figure
