"""What each layer keeps for the backward pass on Keras's JAX or PyTorch backend.

    KERAS_BACKEND=jax python -m benchmarks.kept_arrays
    KERAS_BACKEND=torch python -m benchmarks.kept_arrays

A layer is called in training with an input of 32x32x32x64 in float32. Its line has the bytes that
automatic differentiation keeps, divided by those of the input: of the layer as it is, and in
`keras.remat`. On JAX these are the arrays before XLA, which may compute some of them twice instead.
"""

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

import evonorm_tf as en

SHAPE = (32, 32, 32, 64)


def main() -> None:
    """Prints a table in Markdown."""
    x = keras.ops.convert_to_tensor(np.random.default_rng(0).normal(size=SHAPE).astype("float32"))
    print(f"| layer | {keras.backend.backend()} | in `keras.remat` |\n| --- | ---: | ---: |")
    for name in en.names():
        if en.registry.layer_class(name) is not None:
            layer = en.get(name)
            layer.build(SHAPE)
            plain, again = (bytes_kept(layer, x, wrap) for wrap in (lambda f: f, keras.remat))
            print(f"| {name} | {plain / x.nbytes:.2f} | {again / x.nbytes:.2f} |", flush=True)


def bytes_kept(layer: Any, x: Any, wrap: Callable = lambda function: function) -> int:
    """The bytes that differentiation keeps of a built layer's call in training, once wrapped."""
    return {"jax": _on_jax, "torch": _on_torch}[keras.backend.backend()](layer, x, wrap)


def _on_jax(layer: Any, x: Any, wrap: Callable) -> int:
    import jax

    fixed = [variable.value for variable in layer.non_trainable_variables]
    sizes: dict[int, int] = {}

    def output(trainable, x):
        return layer.stateless_call(trainable, fixed, x, training=True)[0]

    def differentiated(trainable, x):
        y, backward = jax.vjp(wrap(output), trainable, x)
        for array in jax.tree.leaves(backward):
            sizes[id(array)] = math.prod(array.shape) * array.dtype.itemsize
        return y

    jax.eval_shape(differentiated, [variable.value for variable in layer.trainable_variables], x)
    return sum(sizes.values())


def _on_torch(layer: Any, x: Any, wrap: Callable) -> int:
    import torch

    tensors: dict[int, Any] = {}

    def keep(tensor):
        tensors[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        wrap(lambda x: layer(x, training=True))(x.clone().requires_grad_())
    return sum(tensor.untyped_storage().nbytes() for tensor in tensors.values())


if __name__ == "__main__":
    main()
