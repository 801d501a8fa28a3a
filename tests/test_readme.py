"""The README's recipes for saving activations: each one compiles, and runs where its framework is installed."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from ufm.activations import read_activations

README = Path(__file__).resolve().parent.parent / "README.md"
N, D, K, INPUTS = 12, 5, 3, 7


def recipe(name: str) -> str:
    found = re.search(rf"<!-- {name} -->\n```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    return found.group(1)


def samples() -> dict:
    rng = np.random.default_rng(0)
    x, x_test = rng.normal(size=(2, N, INPUTS)).astype(np.float32)
    i, j, y_test = rng.integers(0, K, (3, N))
    return {"np": np, "x": x, "x_test": x_test, "i": i, "j": j, "lam": rng.random(N), "y_test": y_test}


def check(logits):
    """What was written is read, and W, b and H make the logits of the network on x."""
    found = read_activations("activations.npz")
    (chunk,) = found.chunks()
    assert (found.count, found.dim, found.classes, found.held_out) == (N, D, K, N)
    np.testing.assert_allclose(chunk.H @ found.W.T + found.b, logits, atol=1e-5)


@pytest.mark.parametrize("name", ["torch", "jax", "keras"])
def test_recipes_are_short_and_compile(name):
    lines = recipe(name).strip().splitlines()
    assert len(lines) <= 6 and lines[0].startswith("#")  # five, after a comment
    compile(recipe(name), name, "exec")


def test_jax_recipe_runs(tmp_path, monkeypatch):
    import jax
    import jax.numpy as jnp

    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(1)
    params = {
        "first": rng.normal(size=(INPUTS, D)),
        "kernel": rng.normal(size=(D, K)),
        "bias": rng.normal(size=K),
    }

    def features(params, x):
        return jnp.tanh(x @ params["first"])

    names = samples() | {"jax": jax, "features": features, "params": params}
    exec(recipe("jax"), names)
    check(features(params, names["x"]) @ params["kernel"] + params["bias"])


def test_torch_recipe_runs(tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    model = torch.nn.Sequential()
    model.add_module("body", torch.nn.Sequential(torch.nn.Linear(INPUTS, D), torch.nn.Tanh()))
    model.add_module("fc", torch.nn.Linear(D, K))
    names = samples() | {"torch": torch, "model": model}
    names |= {key: torch.from_numpy(names[key]) for key in ("x", "x_test")}
    exec(recipe("torch"), names)
    check(model(names["x"]).detach().numpy())
    held = np.load("activations.npz")["logits"]
    np.testing.assert_allclose(held, model(names["x_test"]).detach().numpy(), atol=1e-5)


def test_table_of_claims_is_that_of_the_committed_runs():
    """Every verdict of docs/claims is in the README as it came out."""
    rows = [
        json.loads((README.parent / "docs" / "claims" / f"{name}.json").read_text(encoding="utf-8"))["claims"]
        for name in ("digits", "fashion")
    ]
    lines = [f"| {a['says']} | {a['verdict']} | {b['verdict']} |" for a, b in zip(*rows, strict=True)]
    text = README.read_text(encoding="utf-8")
    table = text[text.index("<!-- claims -->") : text.index("<!-- end of claims -->")]
    assert table.splitlines()[3:] == lines


def test_table_of_speeds_is_that_of_the_committed_run():
    """Every figure of the README's table stands in the targets of docs/speed.md."""
    readme = README.read_text(encoding="utf-8").split("<!-- speed table -->")[1].split("\n\n")[1]
    found = [line.split("|")[2].strip() for line in readme.splitlines()[2:]]
    targets = (
        (README.parent / "docs" / "speed.md")
        .read_text(encoding="utf-8")
        .split("## Targets")[1]
        .split("##")[0]
    )
    assert len(found) == 9
    for figure in found:
        assert re.search(rf"(?<![\d.]){re.escape(figure)}(?!\d)", targets), figure
