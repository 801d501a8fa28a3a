"""Runs on disk: stopped and killed runs go on to the same bits; other, damaged and hostile files are refused."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from experiments.training.checkpoint import LOG, META, NAME, write_whole
from experiments.training.settings import default_settings
from experiments.training.train import train
from tests import programs
from tests.experiments.test_train import SMALL, made_up, same

pytestmark = pytest.mark.slow  # networks are trained

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = default_settings("mlp", "manifold", lam_per="sample", **SMALL | {"epochs": 6})


class Stop(Exception):
    pass


def stop_after(epochs):
    """A progress function that ends the run in the middle, as Ctrl-C would."""

    def progress(done, total, loss):
        if done * SETTINGS.epochs >= (epochs + 1) * total:
            raise Stop

    return progress


def rows(folder):
    """log.csv without the clock."""
    with (folder / LOG).open(newline="") as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


def arrays(folder):
    with np.load(folder / NAME, allow_pickle=False) as file:
        return {name: file[name] for name in file.files if name != META}


def same_run(a, b):
    left, right = arrays(a), arrays(b)
    return (
        rows(a) == rows(b)
        and left.keys() == right.keys()
        and all(map(np.array_equal, left.values(), right.values()))
    )


@pytest.mark.parametrize("epochs", [1, 4])
def test_a_stopped_run_goes_on_to_the_same_bits(tmp_path, epochs):
    data, whole, parts = made_up(), tmp_path / "whole", tmp_path / "parts"
    wanted = train(SETTINGS, data, folder=whole)
    with pytest.raises(Stop):
        train(SETTINGS, data, folder=parts, progress=stop_after(epochs), every=0)
    assert len(rows(parts)) == epochs
    assert same(train(SETTINGS, data, folder=parts), wanted) and same_run(whole, parts)
    assert sorted(os.listdir(parts)) == [NAME, LOG]


@pytest.mark.long
def test_batch_statistics_are_part_of_a_checkpoint(tmp_path):
    settings = replace(SETTINGS, network="resnet8", epochs=3)
    wanted = train(settings, made_up())
    with pytest.raises(Stop):
        train(settings, made_up(), folder=tmp_path, progress=stop_after(2), every=0)
    assert same(train(settings, made_up(), folder=tmp_path), wanted)


def test_a_finished_run_is_only_read(tmp_path):
    first = train(SETTINGS, made_up(), folder=tmp_path)
    told = []
    again = train(SETTINGS, made_up(), folder=tmp_path, progress=lambda *now: told.append(now))
    assert same(first, again) and again.log == first.log
    assert told == [(6, 6, first.log[-1]["loss"])]


def test_the_log_is_the_runs(tmp_path):
    trained = train(SETTINGS, made_up(), folder=tmp_path)
    with (tmp_path / LOG).open(newline="") as file:
        assert [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)] == trained.log
    assert list(trained.log[0]) == [
        "epoch",
        "loss",
        "train_accuracy",
        "test_accuracy",
        "learning_rate",
        "seconds",
    ]


def test_files_have_the_usual_permissions_and_a_lost_log_is_written_again(tmp_path):
    train(SETTINGS, made_up(), folder=tmp_path)
    (tmp_path / "plain").touch()
    assert (tmp_path / NAME).stat().st_mode == (tmp_path / "plain").stat().st_mode
    text = (tmp_path / LOG).read_text()
    (tmp_path / LOG).unlink()
    train(SETTINGS, made_up(), folder=tmp_path)
    assert (tmp_path / LOG).read_text() == text


KILLED = """
import sys
from pathlib import Path
from tests.experiments.test_checkpoint import long_run
from experiments.training.train import train
train(*long_run(), folder=Path(sys.argv[1]), every=0)
"""


def long_run():
    """Some seconds of epochs, with a checkpoint after each."""
    return replace(SETTINGS, epochs=400), made_up()


def wait_for(condition, process):
    while not condition():
        assert process.poll() is None, "the run ended before it could be killed"
        time.sleep(0.01)


def test_a_killed_run_goes_on_to_the_same_bits(tmp_path):
    """kill -9 of a real process that writes checkpoints all the time."""
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(killed)], cwd=ROOT, env=programs.as_here())
    wait_for(lambda: (killed / LOG).exists() and len(rows(killed)) >= 20, process)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL and 20 <= len(rows(killed)) < 400
    wanted = train(*long_run(), folder=whole)
    (killed / ".part-of-a-write.npz").write_bytes(b"half")
    assert same(train(*long_run(), folder=killed), wanted) and same_run(whole, killed)
    assert sorted(os.listdir(killed)) == [NAME, LOG]


@pytest.mark.parametrize(
    "change, words",
    [
        ({"weight_decay": 0.5}, "weight_decay 0.0001, asked 0.5"),
        ({"seed": 1}, "seed 0, asked 1"),
        ({"epochs": 7}, "epochs 6, asked 7"),
        ({"decay_at": (0.5,)}, r"decay_at \[0.3, 0.5, 0.9\], asked \[0.5\]"),
    ],
)
def test_the_checkpoint_of_other_settings_is_refused(tmp_path, change, words):
    train(SETTINGS, made_up(), folder=tmp_path)
    before = (tmp_path / NAME).read_bytes()
    with pytest.raises(ValueError, match=rf"belongs to another run .*{words}.* another folder"):
        train(replace(SETTINGS, **change), made_up(), folder=tmp_path)
    assert (tmp_path / NAME).read_bytes() == before


def test_the_checkpoint_of_other_data_is_refused(tmp_path):
    train(SETTINGS, made_up(), folder=tmp_path)
    with pytest.raises(ValueError, match=r"belongs to another run .*digest"):
        train(SETTINGS, made_up(seed=1), folder=tmp_path)


def truncated(path):
    path.write_bytes(path.read_bytes()[:-400])


def empty(path):
    path.write_bytes(b"")


def pickled(path):
    with np.load(path) as file:
        held = {name: file[name] for name in file.files}
    name = next(key for key in held if key != META)
    np.savez(path, **held | {name: np.array([print], dtype=object)})


def without_meta(path):
    with np.load(path) as file:
        held = {name: file[name] for name in file.files if name != META}
    np.savez(path, **held)


@pytest.mark.parametrize("damage", [truncated, empty, pickled, without_meta])
def test_a_damaged_checkpoint_is_refused(tmp_path, damage):
    train(SETTINGS, made_up(), folder=tmp_path)
    damage(tmp_path / NAME)
    with pytest.raises(ValueError, match=r"is not a readable checkpoint: remove it to start anew"):
        train(SETTINGS, made_up(), folder=tmp_path)


def test_a_checkpoint_without_one_of_its_arrays_is_refused(tmp_path):
    train(SETTINGS, made_up(), folder=tmp_path)
    with np.load(tmp_path / NAME) as file:
        held = {name: file[name] for name in file.files}
        meta = json.loads(str(file[META]))
    assert meta["run"]["arm"] == "manifold" and len(meta["log"]) == 6
    name = next(key for key in held if "velocity" in key)
    np.savez(tmp_path / NAME, **{key: value for key, value in held.items() if key != name})
    with pytest.raises(ValueError, match=r"does not hold .*velocity.* remove it"):
        train(SETTINGS, made_up(), folder=tmp_path)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ValueError, match="nothing can be written to"):
        train(SETTINGS, made_up(), folder=tmp_path / "file" / "run")


def test_a_full_disk_is_said_and_the_old_checkpoint_stays(tmp_path, monkeypatch):
    with pytest.raises(Stop):
        train(SETTINGS, made_up(), folder=tmp_path, progress=stop_after(2), every=0)
    before = (tmp_path / NAME).read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("experiments.training.checkpoint.os.fsync", full)
        with pytest.raises(ValueError, match=r"nothing can be written to .*: No space left on device"):
            train(SETTINGS, made_up(), folder=tmp_path)
    assert (tmp_path / NAME).read_bytes() == before and sorted(os.listdir(tmp_path)) == [NAME, LOG]


def test_a_failed_write_leaves_the_old_file(tmp_path):
    target = tmp_path / "target"
    target.write_text("old")

    def fail(file):
        file.write(b"half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_whole(target, fail)
    assert target.read_text() == "old" and os.listdir(tmp_path) == ["target"]
