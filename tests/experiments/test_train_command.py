"""The command experiments.train: what it writes and says, exit codes, help at once."""

import csv
import os

import pytest

from experiments.train import Arguments, main, read_settings
from experiments.training.settings import TrainSettings, default_settings
from tests.children import refused
from tests.house.test_walls import loaded_after
from ufm.commands.frame import parse
from ufm.network.read.activations import read_activations

QUICK = [
    "--data",
    "digits",
    "--train",
    "200",
    "--test",
    "50",
    "--width",
    "16",
    "--depth",
    "2",
    "--epochs",
    "2",
]
QUICK += ["--batch", "32"]


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_it_trains_keeps_and_saves(call_main):
    words = [*QUICK, "--seeds", "2", "--seed", "3", "--folder", "runs", "--save", "a.npz"]
    code, out, err = call_main(main, *words)
    assert code == 0 and err == ""
    assert "200 of 1437 train images" in out and "mlp, mixup, learned classifier: 2 epochs" in out
    for seed in (3, 4):
        assert f"seed {seed}: loss" in out
        with open(f"runs/seed-{seed}/log.csv", newline="") as file:
            assert [row["epoch"] for row in csv.DictReader(file)] == ["1", "2"]
    found = read_activations("a.npz")
    assert (found.classes, found.dim, found.held_out, found.lambda_w) == (10, 16, 50, 1e-4)
    assert call_main(main, *words) == (code, out, err), "a finished run is only read"


def test_another_run_in_the_same_folder_is_refused(call_main):
    call_main(main, *QUICK, "--folder", "runs")
    code, _, err = call_main(main, *QUICK, "--folder", "runs", "--alpha", "2")
    assert code == 2 and "alpha 1.0, asked 2.0" in err


def test_divergence_is_one_line(call_main):
    words = [*QUICK, "--arm", "mixup-squared", "--learning-rate", "1e6"]
    code, _, err = call_main(main, *words)
    assert code == 2 and "diverged in epoch" in err and len(err.splitlines()) == 1


BAD = [
    (["--epochs", "0"], "epochs must be a whole number >= 1"),
    (["--alpha", "-1"], "alpha must be finite and > 0"),
    (["--seeds", "0"], "--seeds must be at least 1"),
    (["--arm", "erm", "--arm", "mixup"], "--arm is given more than once"),
    (["--save", "missing/a.npz"], "--save missing/a.npz cannot be written"),
    (["--data", "mnist"], "--data-dir"),
    (["--data-dir", "nowhere"], "nowhere"),
    (["--data", "digits", "--train", "5"], "allowed are 10 to 1437"),
    (["--data", "digits", "--network", "mlp", "--classifier", "etf", "--width", "4"], "dim >= 9"),
    (["--data", "digits", "--batch", "5000"], "batch 5000 is larger"),
]


@pytest.mark.parametrize("words, message", BAD, ids=[message for _, message in BAD])
def test_bad_input_is_one_line_and_exit_2(call_main, words, message):
    code, _, err = call_main(main, *words)
    assert code == 2 and message in err and len(err.splitlines()) == 1 and os.listdir() == []


def test_an_unknown_choice_is_refused_by_the_parser(call_main):
    refused(call_main(main, "--arm", "cutout"), "--arm")


def test_flags_become_settings():
    assert read_settings(parse(Arguments, [], "train")) == TrainSettings()
    words = (
        "--network resnet8 --arm manifold --classifier etf --lambda-h 0.5 --lam-per sample --dtype bfloat16"
    )
    changes = {"classifier": "etf", "lambda_h": 0.5, "lam_per": "sample", "dtype": "bfloat16"}
    assert read_settings(parse(Arguments, words.split(), "train")) == default_settings(
        "resnet8", "manifold", **changes
    )
    flags = parse(Arguments, ["--classifier", "etf", "--linear-features", "no"], "train")
    assert not read_settings(flags).linear_features


def test_help_and_refusals_load_no_jax():
    code = "from experiments.train import main\ntry: main(['--help'])\nexcept SystemExit: pass"
    assert not loaded_after(code) & {"jax", "flax", "sklearn", "matplotlib"}
    code = "from experiments.train import main\nassert main(['--epochs', '0']) == 2"
    assert not loaded_after(code) & {"jax", "flax", "sklearn", "matplotlib"}
