"""`ExchangeableLayer`: a searched layer whose function is replaced in a traced network."""

import math
from typing import Any

import numpy as np
import tensorflow as tf

from evonorm_tf.layers.parts import effective_groups
from search.evaluation.engine.instructions import Array, Sizes
from search.evaluation.engine.layer_program import VECTORS, LayerProgram

_INITIAL = {"gamma": "ones", "beta": "zeros", "v0": "zeros", "v1": "ones"}
_MOMENTUM = 0.9


class ExchangeableLayer(tf.keras.layers.Layer):
    """Computes the same as a `GraphLayer` of its current graph.

    TensorFlow calls back into Python for it, where a `LayerProgram` runs on NumPy arrays. So a
    network is traced once, for its training, its derivatives of two orders and its inference, and
    every candidate runs in it at once. Without a nonlinearity the layer is x * gamma + beta.

    Args:
      groups: upper bound of the number of channel groups.
      nonlinearity: False where no activation follows the normalization in the host network.
      **kwargs: Keras's own.

    Attributes:
      moving_averages: of the (b, w, h) aggregations, for inference.
    """

    def __init__(self, groups: int, nonlinearity: bool = True, **kwargs: Any):
        super().__init__(**kwargs)
        self._groups, self._nonlinearity = groups, nonlinearity
        self._program: LayerProgram | None = None
        self.moving_averages: list[Array] = []

    def build(self, input_shape):
        """Creates gamma, beta, v0 and v1, which any graph may need."""
        channels = int(input_shape[-1])
        self._effective_groups = effective_groups(channels, self._groups)
        names = VECTORS if self._nonlinearity else ("gamma", "beta")
        self._vectors = [
            self.add_weight(name, (channels,), tf.float32, _INITIAL[name]) for name in names
        ]
        super().build(input_shape)

    def start(self, program: LayerProgram) -> None:
        """Replaces the function; its moving averages are reset, other weights stay."""
        self._program = program
        channels = self._vectors[0].shape[0]
        self.moving_averages = [
            np.full((channels, 1, 1), start, np.float32) for start in program.moving_starts
        ]

    def call(self, inputs, training=None):
        """The layer's output."""
        vectors = [tf.convert_to_tensor(vector) for vector in self._vectors]
        if not self._nonlinearity:
            gamma, beta = vectors
            return inputs * gamma + beta
        if training:
            output = self._in_training(inputs, *vectors)
        else:
            output = tf.numpy_function(self._infer, [inputs, *vectors], tf.float32)
        return tf.ensure_shape(output, inputs.shape)

    def _in_training(self, *arguments):
        @tf.custom_gradient
        def forward(*arguments):
            output = tf.numpy_function(self._forward, arguments, tf.float32)
            return output, lambda upstream: backward(*arguments, upstream)

        @tf.custom_gradient
        def backward(*arguments):
            types = [tf.float32] * (len(arguments) - 1)
            results = tf.numpy_function(self._backward, arguments, types)
            for result, argument in zip(results, arguments, strict=False):
                result.set_shape(argument.shape)

            def gradient(*upstream):
                types = [tf.float32] * len(arguments)
                return tf.numpy_function(self._second, [*arguments, *upstream], types)

            return results, gradient

        return forward(*arguments)

    def _forward(self, *arrays: Array) -> Array:
        output, *moments = self._run(self._program.training, ("x", *VECTORS), arrays)
        self.moving_averages = [
            average - (average - moment) * np.float32(1.0 - _MOMENTUM)
            for average, moment in zip(self.moving_averages, moments, strict=True)
        ]
        return _like(output, arrays[0])

    def _infer(self, *arrays: Array) -> Array:
        moving = {f"moving{i}": average for i, average in enumerate(self.moving_averages)}
        (output,) = self._run(self._program.inference, ("x", *VECTORS), arrays, moving)
        return _like(output, arrays[0])

    def _backward(self, *arrays: Array) -> list[Array]:
        names = ("x", *VECTORS, "upstream")
        results = self._run(self._program.backward, names, arrays)
        return [_like(result, array) for result, array in zip(results, arrays, strict=False)]

    def _second(self, *arrays: Array) -> list[Array]:
        names = ("x", *VECTORS, "upstream", *(f"to_{name}" for name in ("x", *VECTORS)))
        results = self._run(self._program.second, names, arrays)
        return [_like(result, array) for result, array in zip(results, arrays, strict=False)]

    def _run(self, compiled, names, arrays, more=None) -> list[Array]:
        batch, *places, channels = arrays[0].shape
        sizes = Sizes((channels, batch, math.prod(places)), self._effective_groups)
        merged = {name: _merged(array) for name, array in zip(names, arrays, strict=True)}
        return compiled({**merged, **(more or {})}, sizes)


def _merged(array: Array) -> Array:
    """A feature map (batch, ..., channels) or a vector as (channels, batch, places)."""
    channels = array.shape[-1]
    batch = array.shape[0] if array.ndim > 1 else 1
    return np.ascontiguousarray(array.reshape(-1, channels).T).reshape(channels, batch, -1)


def _like(result: Array, array: Array) -> Array:
    """A result in the shape of an argument, of which it may have size 1 on some axes."""
    channels = array.shape[-1]
    batch = array.shape[0] if array.ndim > 1 else 1
    full = np.broadcast_to(result, (channels, batch, array.size // (channels * batch)))
    return np.ascontiguousarray(full.reshape(channels, -1).T).reshape(array.shape)
