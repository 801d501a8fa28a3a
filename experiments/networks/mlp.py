"""The multilayer perceptron."""

from flax import nnx


class Layer(nnx.Module):
    """relu(A x + c), or A x + c where `relu` is false; images are flattened."""

    def __init__(self, inputs: int, width: int, relu: bool, dtype, rngs: nnx.Rngs):
        init = nnx.initializers.he_normal()
        self.linear = nnx.Linear(inputs, width, kernel_init=init, dtype=dtype, rngs=rngs)
        self.relu = relu

    def __call__(self, x):
        x = self.linear(x.reshape(len(x), -1))
        return nnx.relu(x) if self.relu else x


def mlp_stages(inputs: int, width: int, depth: int, linear: bool, dtype, rngs: nnx.Rngs):
    """`depth` layers of `width` units; the last without ReLU if `linear`. Returns (stages, d)."""
    sizes = [inputs, *[width] * depth]
    last = depth - 1
    stages = [Layer(sizes[n], width, not (linear and n == last), dtype, rngs) for n in range(depth)]
    return stages, width
