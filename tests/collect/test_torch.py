"""from_torch on real networks: what is collected is a pass by hand, and the training finds all as it was."""

import random
import re

import numpy as np
import pytest

import ufm
import ufm.network
from ufm.rules.errors import InputError

torch = pytest.importorskip("torch")
functional = torch.nn.functional
K, D, INPUTS, N, B = 3, 5, 7, 22, 8


class Net(torch.nn.Module):
    """With Dropout and BatchNorm, a softmax at its end and work in place after it, and layers not called."""

    def __init__(self, bias=True):
        super().__init__()
        self.body = torch.nn.Sequential(
            torch.nn.Linear(INPUTS, D), torch.nn.BatchNorm1d(D), torch.nn.Dropout(0.5), torch.nn.Tanh()
        )
        self.fc = torch.nn.Linear(D, K, bias=bias)
        self.unused = torch.nn.Linear(D, K)
        self.embedding = torch.nn.Embedding(K, D)

    def forward(self, x):
        z = self.fc(self.body(x))
        probabilities = z.softmax(1)
        z.zero_()  # what follows may work in place
        return probabilities


@pytest.fixture
def model():
    torch.manual_seed(0)
    torch.set_num_threads(1)
    found = Net().train()
    found.body[1].eval()
    return found


def data(seed=1, shuffle=True):
    rng = torch.Generator().manual_seed(seed)
    x, y = torch.randn(N, INPUTS, generator=rng), torch.arange(N) % K
    return torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(x, y), B, shuffle=shuffle, generator=torch.Generator().manual_seed(2)
    )


def by_hand(model, loader):
    """Clean features, logits and classes of one pass, its random numbers taken back."""
    state = loader.generator.get_state()
    model.eval()
    with torch.no_grad():
        parts = [(H := model.body(x), model.fc(H), y) for x, y in loader]
    model.train()
    model.body[1].eval()
    loader.generator.set_state(state)
    return [torch.cat(part).numpy() for part in zip(*parts)]


def test_what_is_collected_is_a_pass_by_hand(model):
    train, test = data(), data(5, shuffle=False)
    H, logits, y = by_hand(model, train)
    held, held_logits, held_y = by_hand(model, test)
    found = ufm.collect.from_torch(model, model.fc, train, mix=ufm.collect.mixup(1.0), test=test, ood=test)
    np.testing.assert_allclose(found["H_clean"], H, atol=1e-6)
    np.testing.assert_array_equal(found["y_clean"], y)
    np.testing.assert_array_equal(found["i"], y)
    np.testing.assert_allclose(found["H_test"], held, atol=1e-6)
    np.testing.assert_allclose(found["H_ood"], held, atol=1e-6)
    np.testing.assert_allclose(found["logits"], held_logits, atol=1e-6)
    np.testing.assert_array_equal(found["y_logits"], held_y)
    np.testing.assert_array_equal(found["W"], model.fc.weight.detach())
    np.testing.assert_array_equal(found["b"], model.fc.bias.detach())
    np.testing.assert_allclose(found["logits_H"], found["H"] @ found["W"].T + found["b"], atol=1e-5)
    assert found.layer == "layer fc, 3 x 5" and np.abs(found["logits_H"]).min() > 0
    plain = ufm.collect.from_torch(model, model.fc, train)
    np.testing.assert_allclose(plain["H"], H, atol=1e-6)
    np.testing.assert_allclose(plain["logits_H"], logits, atol=1e-6)
    np.testing.assert_array_equal(plain["y"], y)


def test_every_keyword_arrives(model):
    found = ufm.collect.from_torch(
        *(model, "fc", data()),
        mix=ufm.collect.mixup(1.0),
        test=data(),
        clean=False,
        limit=10,
        lambda_w=0.1,
        lambda_h=0.2,
    )
    assert len(found["H"]) == len(found["H_test"]) == 10 and "H_clean" not in found
    assert (found["lambda_w"], found["lambda_h"]) == (0.1, 0.2)
    again = ufm.collect.from_torch(
        *(model, "fc", [{"x": x, "y": y} for x, y in data()]),
        unpack=lambda b: (b["x"], b["y"]),
        smoothing=0.1,
    )
    assert again["smoothing"] == 0.1 and len(again["y"]) == N


@pytest.mark.parametrize("layer", ["fc", "module.fc", None])
def test_the_layer_may_be_named_or_be_the_last_that_is_called(model, layer):
    assert ufm.collect.from_torch(model, layer, data()).layer == "layer fc, 3 x 5"


def test_nothing_of_the_training_is_touched(model):
    loader, ours = data(), ufm.collect.mixup(1.0)
    model(next(iter(data()))[0]).sum().backward()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    grads = [None if part.grad is None else part.grad.clone() for part in model.parameters()]
    modes = [part.training for part in model.modules()]

    def mix(x, y):
        random.random(), np.random.random(), torch.rand(1)  # what other packages draw from
        return ours(x, y)

    def states():
        own = loader.generator.get_state().tolist()
        return random.getstate(), np.random.get_state()[1:3], torch.get_rng_state().tolist(), own

    first = states()
    ufm.collect.from_torch(model, "fc", loader, mix=mix, test=data(shuffle=False), clean=loader)
    for one, other in zip(states(), first):
        assert str(one) == str(other)
    assert [part.training for part in model.modules()] == modes
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in model.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    for part, grad in zip(model.parameters(), grads):
        assert (part.grad is None) == (grad is None) and (grad is None or torch.equal(part.grad, grad))


def test_a_pass_that_fails_leaves_the_training_as_it_was(model):
    modes, state = [part.training for part in model.modules()], torch.get_rng_state()
    with pytest.raises(RuntimeError, match="shapes"):
        ufm.collect.from_torch(model, model.fc, [(torch.zeros(2, INPUTS + 1), torch.zeros(2, dtype=int))])
    assert [part.training for part in model.modules()] == modes and not model.fc._forward_hooks
    assert torch.equal(torch.get_rng_state(), state)


def test_passes_need_no_gradients_and_mixing_may(model):
    """A mixing by saliency takes them, as in training."""
    seen = []
    model.body.register_forward_hook(lambda *_: seen.append(torch.is_grad_enabled()))

    def mix(x, y):
        seen.append(torch.is_grad_enabled())
        return x, y

    ufm.collect.from_torch(model, "fc", data(), mix=mix)
    assert seen == [False, True, False] * 3 and torch.is_grad_enabled()


def test_a_loader_of_gradients_is_taken_off_its_graph(model):
    x = torch.randn(N, INPUTS, requires_grad=True)
    ufm.collect.from_torch(model, "fc", [(2 * x, torch.arange(N) % K)], mix=ufm.collect.mixup(1.0))
    assert x.grad is None


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64"])
def test_a_model_of_any_float_type(model, dtype):
    model = model.to(getattr(torch, dtype))
    found = ufm.collect.from_torch(model, "fc", data(), mix=ufm.collect.mixup(1.0), test=data())
    assert found["H"].dtype == found["W"].dtype == (np.float64 if dtype == "float64" else np.float32)
    logits = found["H"] @ found["W"].T + found["b"]
    np.testing.assert_allclose(found["logits_H"], logits, atol={"float64": 1e-12}.get(dtype, 2e-2))


def test_a_layer_without_bias():
    found = ufm.collect.from_torch(Net(bias=False), None, data())
    assert found.layer == "layer fc, 3 x 5 without bias" and not found["b"].any()


@pytest.mark.parametrize("shell", ["compile", "DataParallel"])
def test_a_wrapped_model_is_looked_through(model, shell):
    wrapped = torch.compile(model) if shell == "compile" else torch.nn.DataParallel(model)
    found = ufm.collect.from_torch(wrapped, model.fc, data())
    np.testing.assert_allclose(found["H"], by_hand(model, data())[0], atol=1e-6)


def test_inputs_of_several_parts_are_arguments():
    class Two(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = torch.nn.Linear(4, K)

        def forward(self, ids, scale):
            return {"logits": self.fc(input=scale * functional.one_hot(ids, 4).float())}

    ids, scale = torch.arange(6) % 4, torch.ones(6, 1)
    named = [{"ids": ids, "scale": scale, "labels": ids % K}]
    found = ufm.collect.from_torch(
        Two(), None, named, unpack=lambda b: ({"ids": b["ids"], "scale": b["scale"]}, b["labels"])
    )
    np.testing.assert_array_equal(found["H"], functional.one_hot(ids, 4))
    again = ufm.collect.from_torch(Two(), None, [((ids, scale), ids % K)])
    np.testing.assert_array_equal(again["H"], found["H"])


def soften(x, y):
    """As timm's Mixup with smoothing 0.1: in place, soft labels of float32."""
    lam, hot = 0.3, 0.9 * functional.one_hot(y, K).float() + 0.1 / K
    other = x.flip(0).mul_(1 - lam)
    x.mul_(lam).add_(other)
    return x, lam * hot + (1 - lam) * hot.flip(0)


def test_a_mixing_that_works_in_place_leaves_clean_rows_and_the_data(model):
    loader = data(shuffle=False)
    before = loader.dataset.tensors[0].clone()
    batches = list(loader)
    kept = [x.clone() for x, _ in batches]
    found = ufm.collect.from_torch(model, "fc", batches, mix=soften)
    assert all(torch.equal(x, other) for (x, _), other in zip(batches, kept))
    assert torch.equal(loader.dataset.tensors[0], before)
    np.testing.assert_allclose(found["H_clean"], by_hand(model, loader)[0], atol=1e-6)
    report = ufm.compare_network(**found, replicates=0)
    assert report.kind.words == "mixup of two classes with label smoothing 0.1"


@pytest.mark.parametrize("make", [ufm.collect.mixup, ufm.collect.cutmix])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_tensors_are_mixed_as_arrays_are(make, dtype):
    x, y = torch.randn(6, 2, 8, 8).to(dtype), torch.arange(6)
    mixed, (i, j, lam) = make(0.8, seed=4)(x, y)
    given = x.double().numpy() if dtype == torch.float64 else x.float().numpy()
    axes = {} if make is ufm.collect.mixup else {"axes": (2, 3)}
    wanted, (_, other, share) = make(0.8, seed=4, **axes)(given, y.numpy())
    assert mixed.dtype == dtype and torch.equal(i, y)
    np.testing.assert_allclose(mixed.double(), wanted, atol=2e-2 if dtype == torch.bfloat16 else 1e-6)
    np.testing.assert_array_equal(j, other)
    np.testing.assert_array_equal(lam, share)


class Twice(Net):
    """Calls its last layer twice."""

    def forward(self, x):
        H = self.body(x)
        return self.fc(H) + self.fc(-H)


class Maps(Net):
    """Its last layer takes maps."""

    def forward(self, x):
        return self.fc(self.body(x)[:, None]).mean(1)


REFUSED = {
    "no module": ({"model": 3}, "model must be a torch.nn.Module, got int"),
    "a name that is none": (
        {"layer": "head"},
        "layer 'head' is no module of the model: its Linear layers are",
    ),
    "a layer of elsewhere": ({"layer": torch.nn.Linear(D, K)}, "a Linear, is no module of the model"),
    "no Linear": (
        {"layer": "body.1"},
        "layer is a BatchNorm1d, which has no weight K x d: its Linear layers are",
    ),
    "an embedding": ({"layer": "embedding"}, "layer is a Embedding, which has no weight K x d"),
    "never called": ({"layer": "unused"}, "layer unused is not called in a forward pass"),
    "called twice": ({"model": Twice()}, "layer fc is called 2 times in one forward pass"),
    "not the last": (
        {"layer": "body.0"},
        "the model gives 8 x 3, and layer body.0 has 5 rows: it is not the last",
    ),
    "maps": ({"model": Maps()}, r"takes \(8, 1, 5\) where \(B, 5\) is asked for: layer fc"),
    "no layer": ({"model": torch.nn.Tanh(), "layer": None}, "the model has no Linear layer"),
    "nothing": ({"loader": []}, "loader yields nothing"),
    "unknown targets": ({"loader": [(torch.randn(4, INPUTS), torch.rand(4, 9))]}, "targets of unknown form"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_says_what_to_do(name, model):
    given, words = REFUSED[name]
    with pytest.raises(InputError, match=words):
        ufm.collect.from_torch(**{"model": model, "layer": "fc", "loader": data()} | given)


def test_a_tracker_takes_one_line_of_the_loop(model, tmp_path):
    tracker = ufm.Tracker(
        tmp_path / "run.csv", model=model, layer=model.fc, loader=data(), mix=ufm.collect.mixup(1.0), every=2
    )
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    for epoch in range(4):
        for x, y in data():
            optimizer.zero_grad()
            functional.nll_loss(torch.log(model(x) + 1e-9), y).backward()
            optimizer.step()
        row = tracker.step(epoch)
        assert (row is None) == bool(epoch % 2)
    assert [row["epoch"] for row in tracker.rows] == [0, 2]
    assert tracker.rows[0]["nc3_distance"] != tracker.rows[1]["nc3_distance"]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_model_on_cuda(model, dtype):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    model = model.to("cuda", getattr(torch, dtype))
    torch.rand(1, device="cuda")
    state = torch.cuda.get_rng_state()

    def mix(x, y):
        torch.rand(3, device=x.device)
        return ufm.collect.mixup(1.0)(x, y)

    found = ufm.collect.from_torch(model, "fc", data(), mix=mix, test=data())
    assert torch.equal(torch.cuda.get_rng_state(), state)
    logits = found["H"] @ found["W"].T + found["b"]
    np.testing.assert_allclose(found["logits_H"], logits, atol=1e-5 if dtype == "float32" else 2e-2)


@pytest.fixture
def images():
    """A network of images, and a loader of them."""
    model = torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(3 * 64, D), torch.nn.Tanh(), torch.nn.Linear(D, K)
    )
    return model, [(torch.randn(B, 3, 8, 8), torch.arange(B) % K)]


def test_mixing_of_the_package_timm(images):
    """Where it is installed: in place, soft labels, NumPy's own random numbers."""
    timm = pytest.importorskip("timm.data")
    state = np.random.get_state()[1].copy()
    mix = timm.Mixup(mixup_alpha=0.8, cutmix_alpha=1.0, label_smoothing=0.1, num_classes=K)
    found = ufm.collect.from_torch(images[0], None, images[1], mix=mix)
    np.testing.assert_allclose(found["Y"].sum(1), 1, atol=1e-6)
    assert found["Y"].min() >= 0.1 / K - 1e-6 and (np.random.get_state()[1] == state).all()
    assert ufm.network.from_arrays(**found).kind.words == "mixup of two classes with label smoothing 0.1"


@pytest.mark.parametrize("kind", ["VanillaMixUp", "CutMix", "ResizeMix", "FMix"])
def test_mixing_of_the_package_mixup(images, kind):
    """Where it is installed: functions of one-hot labels."""
    mix = getattr(pytest.importorskip("mixup"), kind)(alpha=1.0)
    found = ufm.collect.from_torch(
        images[0], None, images[1], mix=lambda x, y: mix(x, functional.one_hot(y, K).float())
    )
    np.testing.assert_allclose(found["Y"].sum(1), 1, atol=1e-6)
    assert found["H_clean"].shape == (B, D) and ((found["Y"] > 1e-6).sum(1) <= 2).all()


class Behind(torch.nn.Module):
    """A body and a head, and a function behind them."""

    def __init__(self, after, head=None):
        super().__init__()
        self.body, self.fc = torch.nn.Linear(INPUTS, D), torch.nn.Linear(D, K) if head is None else head
        self.after = after

    def forward(self, x):
        return self.after(self.fc(self.body(x)))


FOLLOWED = {
    "nothing": (lambda z: z, None),
    "softmax": (lambda z: z.softmax(1), None),
    "log-softmax": (lambda z: z.log_softmax(1), None),
    "a temperature": (lambda z: z / 4, "0.25 times what the layer gives.*multiply W, b and all logits"),
    "a scale": (lambda z: 16 * z + 1, "16 times what the layer gives"),
    "a softmax of a temperature": (lambda z: (8 * z).softmax(1), "something else than a softmax"),
    "sigmoids": (torch.sigmoid, "something else than a softmax"),
}


@pytest.mark.parametrize("name", FOLLOWED)
@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_what_follows_the_layer_is_noticed(name, kind, recwarn):
    after, words = FOLLOWED[name]
    torch.manual_seed(0)
    net = Behind(after)
    with torch.no_grad():
        net.fc.weight *= 6  # logits that a softmax of another scale does not hide
    ufm.collect.from_torch(net.to(kind), "fc", data(), clean=False)
    said = [str(warning.message) for warning in recwarn if "behind it" in str(warning.message)]
    assert len(said) == (words is not None)
    if words:
        assert re.search(f"layer fc: the model gives {words}", said[0])


class Cosine(torch.nn.Linear):
    """A head of unit rows: no W h + b of its weight."""

    def forward(self, h):
        return functional.linear(functional.normalize(h), functional.normalize(self.weight))


def test_a_layer_that_gives_something_else_is_refused():
    torch.manual_seed(0)
    with pytest.raises(InputError, match=r"layer fc, 3 x 5: gives .* where W h [+] b is .* in row"):
        ufm.collect.from_torch(Behind(lambda z: z, Cosine(D, K)), "fc", data())


def test_batches_of_numpy_are_those_of_torch():
    torch.manual_seed(0)
    net, loader = Behind(lambda z: z), data(shuffle=False)
    arrays = [(x.numpy().astype(np.float64), y.numpy()) for x, y in loader]
    one, other = (
        ufm.collect.from_torch(net, None, part, mix=ufm.collect.mixup(1.0, seed=3), test=part)
        for part in (loader, arrays)
    )
    for name in one:
        np.testing.assert_allclose(one[name], other[name], atol=1e-6)
