"""A network trained by mixup meets the theorem's optimum with nothing fitted: the headline alone (PyTorch).

python -m experiments.headline_torch: 300 images of Fashion-MNIST; with --quick: 60 of the embedded digits.
Mixup cross-entropy + (λ_H/2) mean ‖h‖² + (λ_W/2) ‖W‖², no other decay, n ≲ input dimension; held against `ufm`.
"""

import argparse

import jax
import numpy as np
import torch

from experiments.datasets import load_dataset, subset
from ufm.model.laws import mixup
from ufm.network.measures.fitting import closed_logits
from ufm.network.read.label_rows import LabelBlock
from ufm.report.network import compare_network
from ufm.theory.multiplier import joint_multiplier

K, LAM, BATCH, SEED = 10, 0.01, 128, 100  # LAM = λ_W = λ_H
FULL, QUICK = ("fashion", 30, 6000, 256, 200, 2e-3), ("digits", 6, 1000, 128, 50, 3e-3)


def train(x, y, steps, width, warm, rate):  # Adam with warm-up and a cosine to 0, each step on fresh pairs
    torch.manual_seed(SEED)
    torch.set_num_threads(1)  # small matrices
    X, Y, W = torch.tensor(x), torch.eye(K)[y], torch.zeros(K, width, requires_grad=True)
    layers = [torch.nn.Linear(n, width) for n in (x.shape[1], width, width)]
    for layer in layers:
        torch.nn.init.kaiming_normal_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    relu = torch.nn.ReLU()
    forward = torch.nn.Sequential(layers[0], relu, layers[1], relu, layers[2])
    adam = torch.optim.Adam([*forward.parameters(), W], rate)
    for t in range(steps):
        adam.param_groups[0]["lr"] = rate * min(1.0, (t + 1) / warm) * (1 + np.cos(np.pi * t / steps)) / 2
        (i, j), lam = torch.randint(len(x), (2, BATCH)), torch.rand(BATCH, 1)
        h, labels = forward(lam * X[i] + (1 - lam) * X[j]), lam * Y[i] + (1 - lam) * Y[j]
        fit = -(labels * torch.log_softmax(h @ W.T, 1)).sum(1).mean()
        adam.zero_grad()
        (fit + LAM / 2 * ((h**2).sum(1).mean() + (W**2).sum())).backward()
        adam.step()
    return lambda x: forward(torch.tensor(x)).detach().double().numpy(), W.detach().double().numpy()


def main():
    parser = argparse.ArgumentParser(prog="python -m experiments.headline_torch", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="in small, on the embedded digits")
    name, each, *sizes = QUICK if parser.parse_args().quick else FULL
    jax.config.update("jax_enable_x64", True)
    data = subset(load_dataset(name), each * K, K, SEED)
    x, y = data.train_x.reshape(each * K, -1), data.train_y.astype(int)
    u, s, _ = np.linalg.svd((x - x.mean(0)) / np.std(x - x.mean(0)), full_matrices=False)
    x, rng = u * s, np.random.default_rng(SEED)  # the mean removed, one scale, along the principal axes
    features, W = train(x, y, *sizes)
    (i, j), lam = rng.integers(0, len(x), (2, 6000)), rng.random(6000, np.float32)
    H, V, i, j = features(lam[:, None] * x[i] + (1 - lam[:, None]) * x[j]), W - W.mean(0), y[i], y[j]
    found = compare_network(H=H, W=V, i=i, j=j, lam=lam, lambda_w=LAM, lambda_h=LAM, replicates=0)
    joint, (left, _, right) = joint_multiplier(mixup(1.0), K, LAM, LAM), np.linalg.svd(V, full_matrices=False)
    m, z = joint.value, closed_logits(LabelBlock(i, j, lam.astype(float), None, K), joint.sharpness)[0]
    best = z @ left[:, : K - 1] @ right[: K - 1] * np.sqrt((K - 1) / K) / m  # the theorem's h, W only turned
    r2 = 1 - ((H - best) ** 2).sum() / ((H - H.mean(0)) ** 2).sum()
    known, line, cosine = found.fit.r2_known, found.fit.r2_linear, found.channel.overall["alignment"].value
    print(f"R², nothing fitted: logits {known:.4f}, features {r2:.4f}; straight line {line:.4f}")
    print(f"same-class cosine {cosine:.4f}, W within {found.etf:.4f} of a simplex ETF")
    print(f"m {found.multiplier:.4f}, theorem {m:.4f}; a {found.a:.1f}, theorem {joint.sharpness:.1f}")
    return 0 if known > line else 1


if __name__ == "__main__":
    raise SystemExit(main())
