"""`ExchangeableLayer`: a searched layer whose function is replaced in a traced network."""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from evonorm_tf.graph import ops
from evonorm_tf.graph.layer_graph import LayerGraph, Node
from evonorm_tf.layers.parts import effective_groups
from search.evaluation.engine.instructions import Array, Sizes
from search.evaluation.engine.layer_program import STARTS, VECTORS, LayerProgram, Trained

_MOMENTUM = 0.9
_IDENTITY = LayerProgram(LayerGraph((Node("ADD", (ops.INPUT, ops.ZERO)),)))


class _Last(NamedTuple):
    """The last forward pass in training; the backward pass of the same x continues it.

    TensorFlow gives the backward pass the same memory as x. It is kept here, so that no other array
    can have its address.
    """

    x: Array
    inputs: dict[str, Array]
    trained: Trained


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
        self._program = _IDENTITY
        self.moving_averages: list[Array] = []
        self._last: _Last | None = None

    def build(self, input_shape: Any) -> None:
        """Creates gamma, beta, v0 and v1, which any graph may need."""
        channels = int(input_shape[-1])
        self._effective_groups = effective_groups(channels, self._groups)
        names = VECTORS if self._nonlinearity else ("gamma", "beta")
        self._vectors = [
            self.add_weight(
                name, (channels,), tf.float32, tf.keras.initializers.Constant(STARTS[name])
            )
            for name in names
        ]
        super().build(input_shape)

    def start(self, program: LayerProgram) -> None:
        """Replaces the function, and resets the moving averages; the weights stay."""
        self._program = program
        channels = self._vectors[0].shape[0]
        self.moving_averages = [
            np.full((channels, 1, 1), start, np.float32) for start in program.moving_starts
        ]

    def call(self, inputs: tf.Tensor, training: Any = None) -> tf.Tensor:
        """The layer's output, of the input's shape and float32."""
        vectors = [tf.convert_to_tensor(vector) for vector in self._vectors]
        if not self._nonlinearity:
            gamma, beta = vectors
            return inputs * gamma + beta
        if training:
            output = self._in_training(inputs, *vectors)
        else:
            output = tf.numpy_function(self._infer, [inputs, *vectors], tf.float32)
        return tf.ensure_shape(output, inputs.shape)

    def _in_training(self, *arguments: tf.Tensor) -> tf.Tensor:
        @tf.custom_gradient
        def forward(*arguments: tf.Tensor) -> tuple[tf.Tensor, Callable]:
            output = tf.numpy_function(self._forward, arguments, tf.float32)
            return output, lambda upstream: backward(*arguments, upstream)

        @tf.custom_gradient
        def backward(*arguments: tf.Tensor) -> tuple[list[tf.Tensor], Callable]:
            types = [tf.float32] * (len(arguments) - 1)
            results = tf.numpy_function(self._backward, arguments, types)
            for result, argument in zip(results, arguments, strict=False):
                result.set_shape(argument.shape)

            def gradient(*upstream: tf.Tensor) -> list[tf.Tensor]:
                types = [tf.float32] * len(arguments)
                return tf.numpy_function(self._second, [*arguments, *upstream], types)

            return results, gradient

        return forward(*arguments)

    def _forward(self, *arrays: Array) -> Array:
        inputs = _named(("x", *VECTORS), arrays)
        trained = self._program.train(inputs, self._sizes(arrays[0]))
        self._last = _Last(arrays[0], inputs, trained)
        self.moving_averages = [
            average - (average - moment) * np.float32(1.0 - _MOMENTUM)
            for average, moment in zip(self.moving_averages, trained.moments, strict=True)
        ]
        return _like(trained.output, arrays[0])

    def _infer(self, *arrays: Array) -> Array:
        inputs = _named(("x", *VECTORS), arrays)
        output = self._program.infer(inputs, self.moving_averages, self._sizes(arrays[0]))
        return _like(output, arrays[0])

    def _backward(self, *arrays: Array) -> list[Array]:
        x, *_, upstream = arrays
        sizes, last = self._sizes(x), self._last
        if last is None or last.x.ctypes.data != x.ctypes.data or last.x.shape != x.shape:
            inputs = _named(("x", *VECTORS), arrays[:-1])
            last = _Last(x, inputs, self._program.train(inputs, sizes))
        inputs = {**last.inputs, "upstream": _merged(upstream)}
        results = self._program.differentiate(inputs, last.trained, sizes)
        return [_like(result, array) for result, array in zip(results, arrays, strict=False)]

    def _second(self, *arrays: Array) -> list[Array]:
        names = ("x", *VECTORS, "upstream", *(f"to_{name}" for name in ("x", *VECTORS)))
        results = self._program.second(_named(names, arrays), self._sizes(arrays[0]))
        return [_like(result, array) for result, array in zip(results, arrays, strict=False)]

    def _sizes(self, x: Array) -> Sizes:
        batch, *places, channels = x.shape
        return Sizes((channels, batch, math.prod(places)), self._effective_groups)


def _named(names: Sequence[str], arrays: Sequence[Array]) -> dict[str, Array]:
    return {name: _merged(array) for name, array in zip(names, arrays, strict=True)}


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
