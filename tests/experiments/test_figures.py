"""Figures of theorems: each belongs to a theorem, has its words, and its marks are not the formula's own."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from docs.builder.pages import PICTURES, figures, theorem_page
from experiments import theorem_figures as door
from experiments.figures import growth, table
from experiments.figures.table import FIGURES
from experiments.tools.captions import write_caption
from ufm.theory import THEOREMS

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("folder", PICTURES)
def test_every_picture_is_small_has_words_and_a_theorem(folder):
    said = json.loads((DOCS / folder / "captions.json").read_text(encoding="utf-8"))
    assert sorted(said) == sorted(path.stem for path in (DOCS / folder).glob("*.png"))
    for name, words in said.items():
        assert words["theorem"] in THEOREMS and words["alt"] and words["caption"].endswith(".")
        assert (DOCS / folder / f"{name}.png").stat().st_size < 60_000
        assert f"../../{folder}/{name}.png" in figures(words["theorem"])
    assert folder != "figures" or sorted(said) == sorted(FIGURES)


def test_a_page_shows_its_figures_before_the_proof():
    page = theorem_page({"name": "bce-no-bias"})
    assert page.index("figures/bce-no-bias.png") < page.index("## Proof")
    assert figures("duality") == ""


def test_a_figure_is_drawn_and_its_caption_sees_a_wrong_formula(tmp_path, monkeypatch):
    def difference():
        draw = FIGURES["mse-ray"]._replace(
            draw=lambda figure: growth._ray(figure, "squared-error", np.linspace(1, 9, 20), (4.0,), (0.1,))
        )
        monkeypatch.setitem(FIGURES, "mse-ray", draw)
        return float(table.draw("mse-ray", tmp_path / "one.png").rsplit(" ", 1)[1].rstrip("."))

    assert difference() < 1e-9
    with Image.open(tmp_path / "one.png") as image:
        assert image.mode == "P" and min(image.size) > 300
    right = growth.ray_gap
    monkeypatch.setattr(growth, "ray_gap", lambda K, start, t, loss: right(K, start, 1.01 * t, loss))
    assert difference() > 1e-4


def test_words_of_other_pictures_stay(tmp_path):
    write_caption(tmp_path, "b", "focal", "seen", "One.")
    write_caption(tmp_path, "a", "bce", "seen", "Two.")
    write_caption(tmp_path, "b", "focal", "seen", "Three.")
    said = json.loads((tmp_path / "captions.json").read_text(encoding="utf-8"))
    assert [(name, words["caption"]) for name, words in said.items()] == [("a", "Two."), ("b", "Three.")]


def test_an_unknown_theorem_is_wrong_usage(tmp_path, capsys):
    assert door.main(["--only", "duality", "--out", str(tmp_path)]) == 2
    assert "no figure for 'duality'" in capsys.readouterr().err
