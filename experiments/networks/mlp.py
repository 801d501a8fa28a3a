"""The multilayer perceptron, and the linear layer that may end any network's features."""

from flax import nnx


class Linear(nnx.Module):
    """A x + c, images flattened. `zero`: A starts at zero."""

    def __init__(self, inputs: int, width: int, dtype, rngs: nnx.Rngs, zero: bool = False):
        init = nnx.initializers.zeros_init() if zero else nnx.initializers.he_normal()
        self.linear = nnx.Linear(inputs, width, kernel_init=init, dtype=dtype, rngs=rngs)

    def __call__(self, x):
        return self.linear(x.reshape(len(x), -1))


class Layer(Linear):
    """relu(A x + c)."""

    def __call__(self, x):
        return nnx.relu(super().__call__(x))


def mlp_stages(inputs: int, width: int, depth: int, dtype, rngs: nnx.Rngs) -> tuple[list, int]:
    """`depth` layers of `width` units with ReLU; returns (stages, width of the last)."""
    sizes = [inputs, *[width] * depth]
    return [Layer(sizes[n], width, dtype, rngs) for n in range(depth)], sizes[-1]
