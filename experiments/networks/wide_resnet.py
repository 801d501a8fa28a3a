"""Wide residual networks (Zagoruyko and Komodakis 2016): blocks with normalisation first, no dropout."""

from functools import partial

from flax import nnx

from experiments.networks.resnet import batch_norm, block_group, conv, pool


class WideBlock(nnx.Module):
    """s(x) + conv(relu(norm(conv(relu(norm(x)))))), s the identity or a 1x1 conv of relu(norm(x))."""

    def __init__(self, inputs: int, outputs: int, stride: int, dtype, rngs: nnx.Rngs):
        self.norm1 = batch_norm(inputs, dtype, rngs)
        self.conv1 = conv(inputs, outputs, 3, stride, dtype, rngs)
        self.norm2 = batch_norm(outputs, dtype, rngs)
        self.conv2 = conv(outputs, outputs, 3, 1, dtype, rngs)
        same = stride == 1 and inputs == outputs
        self.shortcut = None if same else conv(inputs, outputs, 1, stride, dtype, rngs)

    def __call__(self, x):
        a = nnx.relu(self.norm1(x))
        h = self.conv2(nnx.relu(self.norm2(self.conv1(a))))
        return h + (x if self.shortcut is None else self.shortcut(a))


def wide_resnet_stages(channels: int, depth: int, widen: int, dtype, rngs: nnx.Rngs) -> tuple[list, int]:
    """Stem and first group, two groups at half and a quarter of the resolution, norm, ReLU, mean.

    WRN-40-10: depth 40 = 6·6 + 4, widths 160, 320, 640.
    """
    group = partial(block_group, WideBlock, blocks=(depth - 4) // 6, dtype=dtype, rngs=rngs)
    widths = [16 * widen, 32 * widen, 64 * widen]
    last = [batch_norm(widths[2], dtype, rngs), nnx.relu, pool]
    return [
        nnx.Sequential(conv(channels, 16, 3, 1, dtype, rngs), *group(16, widths[0], stride=1)),
        nnx.Sequential(*group(widths[0], widths[1], stride=2)),
        nnx.Sequential(*group(widths[1], widths[2], stride=2)),
        nnx.Sequential(*last),
    ], widths[2]
