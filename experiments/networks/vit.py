"""A vision transformer for small images (Dosovitskiy et al. 2021; mean over tokens instead of a class token)."""

import jax.numpy as jnp
from flax import nnx

from ufm.rules.errors import InputError


class Patches(nnx.Module):
    """One token for each square patch, plus a learned position."""

    def __init__(self, shape: tuple[int, ...], patch: int, width: int, dtype, rngs: nnx.Rngs):
        height, breadth, channels = shape
        if height % patch or breadth % patch:
            raise InputError(f"images of {height} x {breadth} cannot be cut into {patch} x {patch} patches")
        size = (patch, patch)
        self.embed = nnx.Conv(channels, width, size, patch, padding="VALID", dtype=dtype, rngs=rngs)
        start = nnx.initializers.normal(0.02)
        self.position = nnx.Param(start(rngs.params(), (height // patch * (breadth // patch), width)))

    def __call__(self, x):
        tokens = self.embed(x)
        tokens = tokens.reshape(len(x), -1, tokens.shape[-1])
        return tokens + self.position[...].astype(tokens.dtype)


class Block(nnx.Module):
    """t + attention(norm t), then t + mlp(norm t) with one hidden layer of 4 times the width."""

    def __init__(self, width: int, heads: int, dtype, rngs: nnx.Rngs):
        self.norm1 = nnx.LayerNorm(width, dtype=dtype, rngs=rngs)
        self.attention = nnx.MultiHeadAttention(heads, width, dtype=dtype, decode=False, rngs=rngs)
        self.norm2 = nnx.LayerNorm(width, dtype=dtype, rngs=rngs)
        self.widen = nnx.Linear(width, 4 * width, dtype=dtype, rngs=rngs)
        self.narrow = nnx.Linear(4 * width, width, dtype=dtype, rngs=rngs)

    def __call__(self, tokens):
        tokens = tokens + self.attention(self.norm1(tokens))
        return tokens + self.narrow(nnx.gelu(self.widen(self.norm2(tokens))))


def mean_token(tokens):
    """Mean over the tokens, in float32."""
    return jnp.mean(tokens, 1, dtype=jnp.float32).astype(tokens.dtype)


def vit_stages(
    shape: tuple[int, ...], patch: int, width: int, depth: int, heads: int, dtype, rngs: nnx.Rngs
) -> tuple[list, int]:
    """Patches, `depth` blocks, then the normalised mean token. ViT with patch 4: width 192, depth 6, 3 heads."""
    blocks = [Block(width, heads, dtype, rngs) for _ in range(depth)]
    last = nnx.Sequential(nnx.LayerNorm(width, dtype=dtype, rngs=rngs), mean_token)
    return [Patches(shape, patch, width, dtype, rngs), *blocks, last], width
