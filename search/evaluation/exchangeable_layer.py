"""`ExchangeableLayer`: a searched layer whose function is replaced in a traced network."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from evonorm_tf.graph import ops
from evonorm_tf.graph.layer_graph import LayerGraph, Node
from evonorm_tf.layers.arguments.settings import effective_groups
from search.evaluation.engine.fused_program import runner
from search.evaluation.engine.instructions import Array, Sizes
from search.evaluation.engine.layer_program import MOMENTUM, STARTS, VECTORS, LayerProgram, Trained


def exchangeable(graph: LayerGraph) -> LayerProgram:
    """A layer graph, as `ExchangeableLayer.start` takes it."""
    return LayerProgram(graph, runner)


_IDENTITY = exchangeable(LayerGraph((Node("ADD", (ops.INPUT, ops.ZERO)),)))


class _Last(NamedTuple):
    """The last forward pass in training; the backward pass of the same x continues it.

    The backward pass recognizes x by its address, which TensorFlow does not change. Keeping x here
    prevents that another array gets this address.
    """

    x: Array
    inputs: dict[str, Array]
    trained: Trained


@dataclasses.dataclass
class _State:
    """Values that each step changes; Keras would track assignments to attributes of the layer."""

    moving_averages: list[Array]
    last: _Last | None = None


class ExchangeableLayer(tf.keras.layers.Layer):
    """Computes the same as a `GraphLayer` of its current graph.

    TensorFlow calls back into Python for it, where a `LayerProgram` runs on the arrays. So a
    network is traced once, for its training, its derivatives of two orders and its inference, and
    every candidate runs in it at once. Without a nonlinearity the layer is x * gamma + beta.

    Args:
      groups: upper bound of the number of channel groups.
      nonlinearity: False where no activation follows the normalization in the host network.
      **kwargs: Keras's own.

    """

    def __init__(self, groups: int, nonlinearity: bool = True, **kwargs: Any):
        super().__init__(**kwargs)
        self._groups, self.nonlinearity = groups, nonlinearity
        self._program = _IDENTITY
        self._state = _State([])

    @property
    def moving_averages(self) -> list[Array]:
        """The moving averages of the (b, w, h) aggregations, for inference."""
        return self._state.moving_averages

    @moving_averages.setter
    def moving_averages(self, values: list[Array]) -> None:
        self._state.moving_averages = values

    @property
    def vectors(self) -> dict[str, tf.Variable]:
        """gamma, beta and, with a nonlinearity, v0 and v1."""
        return dict(zip(VECTORS, self._vectors, strict=False))

    def build(self, input_shape: Any) -> None:
        """Creates gamma, beta, v0 and v1, which any graph may need."""
        channels = int(input_shape[-1])
        self._effective_groups = effective_groups(channels, self._groups)
        names = VECTORS if self.nonlinearity else ("gamma", "beta")
        self._vectors = [
            self.add_weight(
                name=name,
                shape=(channels,),
                dtype="float32",
                initializer=tf.keras.initializers.Constant(STARTS[name]),
            )
            for name in names
        ]
        super().build(input_shape)

    def start(self, program: LayerProgram) -> None:
        """Replaces the function, and resets the moving averages; the weights stay.

        Args:
          program: what `exchangeable` returns.
        """
        self._program = program
        channels = self._vectors[0].shape[0]
        self.moving_averages = [
            np.full((channels, 1, 1), start, np.float32) for start in program.moving_starts
        ]

    def call(self, inputs: tf.Tensor, training: Any = None) -> tf.Tensor:
        """The layer's output, of the input's shape and float32."""
        if not self.nonlinearity:
            gamma, beta = self._vectors
            return inputs * gamma + beta
        # One array in place of four, since each argument and result of a callback costs time.
        vectors = tf.stack([tf.convert_to_tensor(vector) for vector in self._vectors])
        x = tf.reshape(inputs, [tf.shape(inputs)[0], -1, inputs.shape[-1]])
        if training:
            output = self._in_training(x, vectors)
        else:
            output = tf.numpy_function(self._infer, [x, vectors], tf.float32)
        return tf.ensure_shape(tf.reshape(output, tf.shape(inputs)), inputs.shape)

    def _in_training(self, *arguments: tf.Tensor) -> tf.Tensor:
        @tf.custom_gradient
        def forward(*arguments: tf.Tensor) -> tuple[tf.Tensor, Callable]:
            output = tf.numpy_function(self._forward, arguments, tf.float32)
            return output, lambda upstream: backward(*arguments, upstream)

        @tf.custom_gradient
        def backward(*arguments: tf.Tensor) -> tuple[list[tf.Tensor], Callable]:
            results = tf.numpy_function(self._backward, arguments, [tf.float32] * 2)
            for result, argument in zip(results, arguments, strict=False):
                result.set_shape(argument.shape)

            def gradient(*upstream: tf.Tensor) -> list[tf.Tensor]:
                types = [tf.float32] * len(arguments)
                return tf.numpy_function(self._second, [*arguments, *upstream], types)

            return results, gradient

        return forward(*arguments)

    def _forward(self, x: Array, vectors: Array) -> Array:
        inputs = _named(x, vectors)
        trained = self._program.train(inputs, self._sizes(x))
        self._state.last = _Last(x, inputs, trained)
        with np.errstate(all="ignore"):  # infinite moments, for example
            self._state.moving_averages = [
                average - (average - moment) * np.float32(1.0 - MOMENTUM)
                for average, moment in zip(self.moving_averages, trained.moments, strict=True)
            ]
        return _full(trained.output, x)

    def _infer(self, x: Array, vectors: Array) -> Array:
        output = self._program.infer(_named(x, vectors), self.moving_averages, self._sizes(x))
        return _full(output, x)

    def _backward(self, x: Array, vectors: Array, upstream: Array) -> list[Array]:
        sizes, last = self._sizes(x), self._state.last
        if last is None or last.x.ctypes.data != x.ctypes.data or last.x.shape != x.shape:
            inputs = _named(x, vectors)
            last = _Last(x, inputs, self._program.train(inputs, sizes))
        inputs = {**last.inputs, "upstream": upstream}
        to_x, *to_vectors = self._program.differentiate(inputs, last.trained, sizes)
        return [_full(to_x, x), _stacked(to_vectors, vectors)]

    def _second(
        self, x: Array, vectors: Array, upstream: Array, to_x: Array, to_vectors: Array
    ) -> list[Array]:
        inputs = {**_named(x, vectors), "upstream": upstream}
        inputs |= {f"to_{name}": value for name, value in _named(to_x, to_vectors).items()}
        for_x, *for_vectors, for_upstream = self._program.second(inputs, self._sizes(x))
        return [_full(for_x, x), _stacked(for_vectors, vectors), _full(for_upstream, x)]

    def _sizes(self, x: Array) -> Sizes:
        batch, places, channels = x.shape
        return Sizes((channels, batch, places), self._effective_groups)


def _named(x: Array, vectors: Array) -> dict[str, Array]:
    return {"x": x, **dict(zip(VECTORS, vectors[:, :, None, None], strict=True))}


def _full(result: Array, x: Array) -> Array:
    """A result in the shape of x; a small value, (channels, batch, 1), is repeated."""
    if result.shape != x.shape:
        result = np.broadcast_to(result.transpose(1, 2, 0), x.shape)
    return np.ascontiguousarray(result)


def _stacked(results: Sequence[Array], vectors: Array) -> Array:
    """Results for the vectors in the shape (vectors, channels)."""
    stacked = np.empty_like(vectors)
    for row, result in zip(stacked, results, strict=True):
        row[:] = result.reshape(-1)
    return stacked
