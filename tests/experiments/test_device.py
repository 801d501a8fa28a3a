"""`python -m experiments.device`: what holds on a device, its rates, kernels, peers; tried on platform cpu."""

import json
from dataclasses import replace

import numpy as np
import pytest

from experiments import device
from experiments.benchmark import profile, rows
from experiments.benchmark.device import checks as device_checks
from experiments.benchmark.device import run as device_run
from experiments.benchmark.device.checks import Check, bound_check, command_check, product_check
from experiments.benchmark.device.kernels import DeviceRates, Kernel, Scale
from experiments.benchmark.device.report import write_device
from experiments.benchmark.oracle import exact_features
from experiments.benchmark.processes import pinned
from experiments.benchmark.tasks import CHECKED, FeatureTask

ETF = FeatureTask(4, 1e-4)

TINY = Scale(stream=2**10, matrix=16, exps=2**8, labels=2**8, seconds=0.0, classes=(4,))


@pytest.fixture(scope="module")
def on_device():
    """The whole path, with the platform cpu and one command; on a busy machine everything takes longer."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("LIMIT", "KERNEL_LIMIT"):
            patch.setattr(device_run, name, 300.0)
        patch.setattr(device_checks, "COMMANDS", {"one": "ufm.solve --classes 4 --lam 0.3"})
        return device_run.measure_device("cpu", (ETF,), TINY)


def test_every_route_and_peer_of_a_device_answers(on_device):
    found = {row.variant: row for row in on_device.features}
    errors = {name: row.error for name, row in found.items() if row.outcome.ok}
    assert max(errors[name] for name in (rows.NEWTON, rows.CLOSED)) <= 1e-14
    assert (
        1e-12 < errors[rows.NEWTON + ", float32"] <= 1e-3
        and errors[rows.NEWTON + ", float32, then float64"] <= 1e-13
    )
    assert errors["optax L-BFGS, vmapped"] <= 1e-7
    torch = found["torch L-BFGS, batched"]
    assert torch.outcome.status == "not installed" or torch.error <= 1e-3


def test_every_kernel_of_a_device_is_counted(on_device):
    assert {kernel.dtype for kernel in on_device.kernels} == {"float64", "float32"}
    assert len(on_device.kernels) == len({(kernel.name, kernel.dtype) for kernel in on_device.kernels}) == 11
    for kernel in on_device.kernels:
        shares = kernel.shares(on_device.rates)
        assert min(kernel.seconds, kernel.flops, kernel.bytes, kernel.transcendentals) > 0, kernel
        assert all(np.isfinite(share) and share > 0 for share in shares.values())
    leap, step, whole, call = *on_device.kernels[:3], on_device.kernels[-2]
    steps = int(whole.name.split()[-2])
    assert whole.flops == pytest.approx(leap.flops + steps * step.flops)
    newton = next(row for row in on_device.features if row.variant == rows.NEWTON)
    assert (call.flops, call.bytes, call.seconds) == (whole.flops, whole.bytes, newton.seconds)


def test_shares_are_counts_over_time_and_rate():
    rates = DeviceRates(1e9, 2e9, {"float64": 1e12, "float32": 4e12}, {"float64": 1e9, "float32": 8e9})
    kernel = Kernel("k", 10, "float32", 1e-6, 2e6, 1e3, 4e3)
    assert kernel.shares(rates) == pytest.approx({"bandwidth": 0.5, "flops": 0.5, "exp": 0.5})


def test_operations_are_counted_a_feature():
    """A product of 8 x 16 and 16 x 4: 2·8·16·4 flops, and its arrays once each."""
    import jax
    import jax.numpy as jnp

    compiled = jax.jit(jnp.matmul).lower(jnp.ones((8, 16)), jnp.ones((16, 4))).compile()
    found = profile.count_operations(compiled, 8)
    assert found == {"transcendentals": 0.0, "flops": 128.0, "bytes": 8.0 * (8 * 16 + 16 * 4 + 8 * 4) / 8}


def test_the_report_of_a_device(on_device, tmp_path):
    paths = write_device(on_device, "the command", {"processor": "p"}, tmp_path, "device_gpu")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["device_gpu.json", "device_gpu.md"]
    text, found = paths[0].read_text(), json.loads(paths[1].read_text(), parse_constant=pytest.fail)
    for word in (
        on_device.device["device"],
        "the command",
        "triad",
        "Tflop/s",
        "certificate",
        "| ours: Newton |",
    ):
        assert word in text, word
    assert found["device"]["platform"] == "cpu" and len(found["kernels"]) == 11
    assert {each["method"] for each in found["features"]} == {row.variant for row in on_device.features}


def test_without_the_device_nothing_is_measured(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    assert device.main(["--out", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert "--platform gpu: JAX sees only cpu" in error and "jax[cuda12]" in error and error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_the_command_on_a_device(on_device, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(device_run, "measure_device", lambda *_: on_device)
    assert device.main(["--quick", "--out", str(tmp_path)]) == 0
    assert sorted(path.suffix for path in tmp_path.glob("device_gpu_quick.*")) == [".json", ".md"]
    assert "| triad |" in capsys.readouterr().out


def test_a_process_sees_one_device(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    assert pinned(2)["JAX_PLATFORMS"] == "cpu" and pinned(2)["OMP_NUM_THREADS"] == "2"
    assert "JAX_PLATFORMS" not in pinned(2, "gpu") and pinned(2, "gpu")["CUDA_VISIBLE_DEVICES"] == "0"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,4")
    assert pinned(1, "gpu")["CUDA_VISIBLE_DEVICES"] == "3"


# --- what holds ------------------------------------------------------------------------------------------


def test_everything_holds_here(on_device):
    assert all(check.held for check in on_device.checks), on_device.checks
    names = [check.name for check in on_device.checks]
    assert len(names) == 5 and sum(name.startswith("bound: ") for name in names) == 3
    assert names[3:] == ["products: float32, never TF32", "command: one"]


def test_a_bound_that_understates_is_told():
    exact, labels = exact_features(ETF), ETF.labels(CHECKED)
    assert bound_check("", ETF, labels, exact, exact).held
    assert not bound_check("", ETF, labels, exact, exact + 1e-9).held


def test_products_of_tensor_floats_are_told():
    def rounded(A):  # to the 10 bits of TF32
        return (A.view(np.uint32) & np.uint32(0xFFFFE000)).view(np.float32)

    assert product_check(lambda A, B: A @ B).held
    assert not product_check(lambda A, B: rounded(A) @ rounded(B)).held


@pytest.mark.parametrize("words, said", [("ufm.solve --classes 1", "exit 2"), ("no_such_module", "exit 1")])
def test_a_command_that_does_not_end_well_is_told(words, said, tmp_path):
    check = command_check("", words, pinned(1), tmp_path)
    assert not check.held and said in check.said


def test_checks_that_take_too_long_are_told_and_end_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(device_run, "KERNEL_LIMIT", 0.01)
    monkeypatch.setattr(device_checks, "COMMANDS", {})
    (check,) = device_run.check_all("cpu", (ETF,), "no file", tmp_path)
    assert not check.held and "not within" in check.said


def test_what_does_not_hold_is_the_exit_code(on_device, tmp_path, capsys, monkeypatch):
    planted = replace(on_device, checks=[*on_device.checks, Check("planted", False, "off")])
    monkeypatch.setattr(device_run, "measure_device", lambda *_: planted)
    assert device.main(["--quick", "--out", str(tmp_path)]) == 1
    assert "| planted | **no** | off |" in capsys.readouterr().out
