"""Residual networks for small images (He et al. 2016): a 3x3 stem at full resolution, groups of basic blocks."""

from functools import partial
from itertools import pairwise

import jax.numpy as jnp
from flax import nnx


def conv(inputs: int, outputs: int, size: int, stride: int, dtype, rngs: nnx.Rngs) -> nnx.Conv:
    """A square convolution without bias; He's initialisation."""
    return nnx.Conv(
        inputs,
        outputs,
        (size, size),
        stride,
        padding=size // 2,  # "SAME" pads a strided convolution on one side only
        use_bias=False,
        kernel_init=nnx.initializers.he_normal(),
        dtype=dtype,
        rngs=rngs,
    )


def batch_norm(features: int, dtype, rngs: nnx.Rngs) -> nnx.BatchNorm:
    """Running statistics with weight 0.1 for the new batch, as published code has it."""
    return nnx.BatchNorm(features, momentum=0.9, epsilon=1e-5, dtype=dtype, rngs=rngs)


def projection(inputs: int, outputs: int, stride: int, dtype, rngs: nnx.Rngs) -> nnx.Sequential:
    """norm(1x1 conv(x)): a shortcut to another width or resolution."""
    return nnx.Sequential(conv(inputs, outputs, 1, stride, dtype, rngs), batch_norm(outputs, dtype, rngs))


class BasicBlock(nnx.Module):
    """relu(s(x) + norm(conv(relu(norm(conv(x)))))), s the identity or norm(1x1 conv)."""

    def __init__(self, inputs: int, outputs: int, stride: int, dtype, rngs: nnx.Rngs):
        self.conv1 = conv(inputs, outputs, 3, stride, dtype, rngs)
        self.norm1 = batch_norm(outputs, dtype, rngs)
        self.conv2 = conv(outputs, outputs, 3, 1, dtype, rngs)
        self.norm2 = batch_norm(outputs, dtype, rngs)
        same = stride == 1 and inputs == outputs
        self.shortcut = None if same else projection(inputs, outputs, stride, dtype, rngs)

    def __call__(self, x):
        h = self.norm2(self.conv2(nnx.relu(self.norm1(self.conv1(x)))))
        return nnx.relu(h + (x if self.shortcut is None else self.shortcut(x)))


def block_group(block, inputs: int, outputs: int, blocks: int, stride: int, dtype, rngs) -> list:
    """`blocks` blocks; the first one changes width and resolution."""
    first = block(inputs, outputs, stride, dtype, rngs)
    return [first, *(block(outputs, outputs, 1, dtype, rngs) for _ in range(blocks - 1))]


def pool(x):
    """Mean over all positions, in float32."""
    return jnp.mean(x, (1, 2), dtype=jnp.float32).astype(x.dtype)


def resnet_stages(
    channels: int, widths: tuple[int, ...], blocks: int, dtype, rngs: nnx.Rngs
) -> tuple[list, int]:
    """Stem and first group, further groups (each at half the resolution), mean over positions.

    ResNet-8: widths (16, 32, 64), 1 block each. ResNet-18: (64, 128, 256, 512), 2 blocks each.
    """
    group = partial(block_group, BasicBlock, blocks=blocks, dtype=dtype, rngs=rngs)
    stem = [conv(channels, widths[0], 3, 1, dtype, rngs), batch_norm(widths[0], dtype, rngs), nnx.relu]
    stages = [nnx.Sequential(*stem, *group(widths[0], widths[0], stride=1))]
    for inputs, outputs in pairwise(widths):
        stages.append(nnx.Sequential(*group(inputs, outputs, stride=2)))
    return [*stages, pool], widths[-1]
