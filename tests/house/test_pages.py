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
N, D, K, INPUTS = 12, 5, 3, 7
BATCH = 5  # does not divide N
PYTHON = ("python", "py", "pycon", "code-block", "code-cell", "doctest")
RECIPES = ("torch", "numpy", "jax", "keras")
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


def check(path, mixed, test, features, W, b, atol=1e-5):
    """The file holds the features of exactly these batches, W and b, and the logits of the held-out ones."""
    found = read_activations(str(path))
    (chunk,) = found.chunks()
    assert (found.count, found.dim, found.classes, found.held_out) == (N, D, K, N)
    np.testing.assert_allclose(chunk.H, features(np.concatenate([x for x, *_ in mixed])), atol=atol)
    for name, part in zip("ij", zip(*[(i, j) for _, i, j, _ in mixed])):
        np.testing.assert_array_equal(getattr(chunk.labels, name), np.concatenate(part))
    np.testing.assert_allclose(chunk.labels.lam, np.concatenate([lam for *_, lam in mixed]), atol=1e-7)
    np.testing.assert_allclose(found.W, W, atol=1e-7)
    np.testing.assert_allclose(found.b, b, atol=1e-7)
    ((logits, y),) = found.held_out_chunks()
    held = features(np.concatenate([x for x, _ in test]))
    np.testing.assert_allclose(logits, held @ np.transpose(W) + b, atol=atol)
    np.testing.assert_array_equal(y, np.concatenate([y for _, y in test]))


def test_every_python_block_of_a_page_is_run_here():
    """A page with Python is one of these; and in them no block has another form."""
    run = {README, NETWORK, SWEEPS, TRACED, JOINT, METRICS, *TUTORIALS}
    for page in pages():
        fences = re.findall(r"^ *(?:```+|~~~+) *(\S*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
        assert len(blocks(page)) == sum(name.strip("{}") in PYTHON for name in fences), page
        assert page in run or not blocks(page), page
    assert [code for code, _ in blocks(NETWORK)] == [recipe(name) for name in RECIPES]


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=[pytest.mark.slow] * (page.stem in SLOW), id=page.stem) for page in TUTORIALS],
)
def test_a_tutorial_prints_what_it_says(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shown = blocks(page)
    assert any(said for _, said in shown)
    assert differences(shown) == []


@pytest.mark.parametrize("page", [TRACED, JOINT, METRICS], ids=lambda page: page.stem)
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


def test_numpy_mixture_is_that_of_its_labels():
    names = {"np": np}
    exec(recipe("numpy"), names)
    rng = np.random.default_rng(3)
    batches = [(rng.normal(size=(n, 2, 4)).astype(np.float32), np.arange(n) + 10 * n) for n in (4, 3)]
    for _ in range(2):  # the same mixtures each time
        for (x, y), (mixed, i, j, lam) in zip(batches, names["mix"](iter(batches), 0.7), strict=True):
            at = (np.searchsorted(y, i), np.searchsorted(y, j))
            share = lam[:, None, None]
            np.testing.assert_allclose(mixed, share * x[at[0]] + (1 - share) * x[at[1]], atol=1e-6)
            assert mixed.dtype == np.float32 and len(set(lam)) == len(lam) and set(j) == set(y)


def run_jax(folder, dtype):
    import jax
    import jax.numpy as jnp

    names = {"jax": jax, "np": np}
    for seed in range(2):  # the whole notebook twice, each time with another network
        exec(recipe("numpy"), names)
        exec(recipe("jax"), names)
        rng = np.random.default_rng(seed)
        first, kernel, bias = (
            jnp.asarray(rng.normal(size=shape), dtype) for shape in ((INPUTS, D), (D, K), (K,))
        )

        def features(params, x):
            return jnp.tanh(x.astype(dtype) @ params)

        train, test = samples(seed)
        for name in ("first.npz", "second.npz"):
            last = {"kernel": kernel, "bias": bias}
            names["save_activations"](folder / name, features, first, last, names["mix"](train), test)
            W, b = np.asarray(kernel, float).T, np.asarray(bias, float)

            def expected(x, first=first):
                return np.asarray(features(first, jnp.asarray(x)), float)

            check(folder / name, list(names["mix"](train)), test, expected, W, b)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_jax_recipe_runs_twice(tmp_path, dtype):
    run_jax(tmp_path, dtype)


def test_jax_recipe_takes_a_flax_network(tmp_path):
    """What the comment says of `features`, `params` and `last`, for the commonest library of networks."""
    linen = pytest.importorskip("flax.linen")
    import jax

    class Network(linen.Module):
        def setup(self):
            self.body, self.head = linen.Dense(D), linen.Dense(K)

        def features(self, x):
            return linen.relu(self.body(x))

        def __call__(self, x):
            return self.head(self.features(x))

    names = {"jax": jax, "np": np}
    exec(recipe("numpy") + recipe("jax"), names)
    network, (train, test) = Network(), samples()
    params = network.init(jax.random.key(0), train[0][0])
    last = params["params"]["head"]

    def features(params, x):
        return network.apply(params, x, method="features")

    for _ in range(2):
        names["save_activations"](tmp_path / "a.npz", features, params, last, names["mix"](train), test)
        found = np.load(tmp_path / "a.npz")
        outputs = np.concatenate([network.apply(params, x) for x, _ in test])
        np.testing.assert_allclose(found["logits"], outputs, atol=1e-5)


def torch_network(torch, seed):
    """A network whose evaluation differs from its training, with a part that is frozen in evaluation mode."""
    torch.manual_seed(seed)
    model = torch.nn.Sequential()
    body = [torch.nn.Linear(INPUTS, D), torch.nn.BatchNorm1d(D), torch.nn.Dropout(0.5), torch.nn.Tanh()]
    model.add_module("body", torch.nn.Sequential(*body))
    model.add_module("fc", torch.nn.Linear(D, K, bias=seed == 0))
    model.add_module("softmax", torch.nn.Softmax(1))
    model.train()
    model.body[1].eval()
    return model


def torch_batches(torch, batches, device, dtype, elsewhere):
    """Tensors on a device that ask for gradients; `elsewhere`: a device that NumPy cannot read, as CUDA's."""
    if elsewhere:
        return [[elsewhere.on_device(part) for part in batch] for batch in batches]
    return [
        (torch.tensor(x, device=device, dtype=dtype, requires_grad=True), torch.tensor(y, device=device))
        for x, y in batches
    ]


def make_elsewhere(torch):
    """Tensors that only .cpu() or .numpy(force=True) make readable for NumPy."""

    class Elsewhere(torch.Tensor):
        @staticmethod
        def on_device(part):
            return torch.tensor(part).as_subclass(Elsewhere)

        def numpy(self, *, force=False):
            if not force:
                raise TypeError("can't convert cuda:0 device type tensor to numpy")
            return self.as_subclass(torch.Tensor).numpy(force=True)

        def __array__(self, *args, **kwargs):
            return self.numpy()

    return Elsewhere


def run_torch(folder, text, device="cpu", dtype="float32", elsewhere=False):
    """The notebook twice, each time another network, saved twice: checked against a forward pass by hand."""
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    dtype, kind = getattr(torch, dtype), make_elsewhere(torch) if elsewhere else None
    names = {"np": np, "torch": torch}
    for seed in range(2):
        exec(text, names)
        model, (train, test) = torch_network(torch, seed).to(device, dtype), samples(seed)
        modes, state = [part.training for part in model.modules()], torch.get_rng_state()
        loaders = [torch_batches(torch, batches, device, dtype, kind) for batches in (train, test)]
        if kind is None and device == "cpu":  # batches have their size already
            loaders = [torch.utils.data.DataLoader(part, batch_size=None) for part in loaders]
        for name in ("first.npz", "second.npz"):
            names["save_activations"](
                folder / name, model, model.fc, names["mix"](loaders[0], 0.5), loaders[1]
            )
        assert [part.training for part in model.modules()] == modes
        assert torch.equal(torch.get_rng_state(), state)
        assert not any(part._forward_hooks or part._forward_pre_hooks for part in model.modules())
        assert not any(part.grad is not None for part in model.parameters())
        mixed = [
            [part.float().numpy(force=True) for part in batch] for batch in names["mix"](loaders[0], 0.5)
        ]
        by_hand = model.eval().body

        def features(x, by_hand=by_hand):
            given = torch.from_numpy(x).to(device, dtype)
            return by_hand(given).float().numpy(force=True)

        W, b = (
            np.zeros(K) if part is None else part.float().numpy(force=True)
            for part in (model.fc.weight, model.fc.bias)
        )
        for name in ("first.npz", "second.npz"):
            atol = 1e-5 if dtype is torch.float32 else 2e-2  # logits are rounded to bfloat16
            check(folder / name, mixed, test, features, W, b, atol)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_torch_recipe_runs_twice(tmp_path, dtype):
    run_torch(tmp_path, recipe("torch"), dtype=dtype)


def test_torch_recipe_reads_tensors_of_a_device(tmp_path):
    run_torch(tmp_path, recipe("torch"), elsewhere=True)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_torch_recipe_runs_on_cuda(tmp_path, dtype):
    if not pytest.importorskip("torch").cuda.is_available():
        pytest.skip("no CUDA device")
    run_torch(tmp_path, recipe("torch"), "cuda", dtype)


SLIPS = {
    "hook.remove()": "pass",  # then the second run has two
    "part.training = training": "pass",
    "model.eval()": "pass",
    "torch.no_grad(), torch.random.fork_rng(devices=[])": "torch.no_grad()",
    "H=H": "H=np.flip(H, 0)",
    "numpy(force=True) for part in parts": "detach().numpy() for part in parts",
}


@pytest.mark.parametrize("slip", SLIPS)
def test_slips_of_the_torch_recipe_are_found(tmp_path, slip):
    assert recipe("torch").count(slip) == 1
    with pytest.raises((AssertionError, TypeError)):
        run_torch(tmp_path, recipe("torch").replace(slip, SLIPS[slip]), elsewhere="numpy" in slip)


def test_torch_recipe_restores_a_network_whose_batch_fails(tmp_path):
    torch = pytest.importorskip("torch")
    names = {"np": np, "torch": torch}
    exec(recipe("torch"), names)
    model = torch_network(torch, 0)
    modes = [part.training for part in model.modules()]
    with pytest.raises(RuntimeError, match="shapes"):
        wrong = [(torch.zeros(2, INPUTS + 1), torch.zeros(2, dtype=int))]
        names["save_activations"](tmp_path / "a.npz", model, model.fc, names["mix"](wrong), wrong)
    assert [part.training for part in model.modules()] == modes and not model.fc._forward_hooks


@pytest.mark.parametrize("end", ["logits", "softmax", "softmax layer", "no bias"])
def test_keras_recipe_runs_twice(tmp_path, monkeypatch, end):
    """Logits are logits, whatever the model ends in."""
    if "keras" not in sys.modules:
        monkeypatch.setenv("KERAS_BACKEND", "jax")
    keras = pytest.importorskip("keras")
    names = {"np": np, "keras": keras}
    for seed in range(2):
        exec(recipe("numpy") + recipe("keras"), names)
        keras.utils.set_random_seed(seed)
        inputs = keras.Input((INPUTS,))
        hidden = keras.layers.Dropout(0.5)(keras.layers.Dense(D, activation="tanh")(inputs))
        activation = "softmax" if end == "softmax" else None
        outputs = keras.layers.Dense(K, activation=activation, use_bias=end != "no bias")(hidden)
        if end == "softmax layer":
            outputs = keras.layers.Softmax()(outputs)
        model, (train, test) = keras.Model(inputs, outputs), samples(seed)
        first, shift, kernel, *bias = model.get_weights()
        for name in ("first.npz", "second.npz"):
            names["save_activations"](tmp_path / name, model, names["mix"](train), test)

            def features(x, first=first, shift=shift):
                return np.tanh(x @ first + shift)

            b = bias[0] if bias else np.zeros(K)
            check(tmp_path / name, list(names["mix"](train)), test, features, kernel.T, b)


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
