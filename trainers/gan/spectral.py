"""Spectral normalization (Miyato et al. 2018): kernels divided by their largest singular value.

Each call estimates this value by one round of power iteration from the vector u, which
training updates. The gradient passes through the estimate, with its singular vectors as
constants.
"""

from typing import Any

import tensorflow as tf

from trainers.platform.model_parts import layers_within

_TINY = 1e-12


class SpectralLayer(tf.keras.layers.Layer):
    """Base of the layers with one kernel, whose last axis is that of the outputs.

    A subclass calls `_add_kernel` when it is built, and `normalized_kernel` when it is called.
    Initial kernels are orthogonal.
    """

    def normalized_kernel(self, training: bool | None) -> tf.Tensor:
        """The kernel divided by its largest singular value; in training u is updated."""
        matrix = tf.reshape(self.kernel, [-1, self.kernel.shape[-1]])
        constant = tf.stop_gradient(matrix)
        v = _unit(tf.linalg.matvec(constant, tf.convert_to_tensor(self.u)))
        u = _unit(tf.linalg.matvec(constant, v, transpose_a=True))
        if training:
            self.u.assign(u)
        sigma = tf.tensordot(v, tf.linalg.matvec(matrix, u), 1)
        return self.kernel / tf.maximum(sigma, _TINY)

    def _add_kernel(self, shape: tuple[int, ...]) -> None:
        self.kernel = self.add_weight(
            name="kernel", shape=shape, initializer=tf.keras.initializers.Orthogonal()
        )
        self.u = self.add_weight(
            name="u",
            shape=shape[-1:],
            initializer=tf.keras.initializers.RandomNormal(),
            trainable=False,
            # Replicas have equal kernels, and so compute equal vectors u.
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        )

    def _add_bias(self, size: int) -> None:
        self.bias = self.add_weight(name="bias", shape=(size,), initializer="zeros")


class SpectralConv2D(SpectralLayer):
    """A convolution with stride 1 and "same" padding.

    Args:
      filters: output channels.
      kernel_size: side of the kernel.
      use_bias: whether a bias is added.
      **kwargs: Keras's own.
    """

    def __init__(self, filters: int, kernel_size: int, use_bias: bool = True, **kwargs: Any):
        """Keeps the sizes; the variables are created when the layer is built."""
        super().__init__(**kwargs)
        self.filters, self.kernel_size, self.use_bias = filters, kernel_size, use_bias

    def build(self, input_shape: Any) -> None:
        """Creates the kernel (height, width, inputs, filters), u and the bias."""
        self._add_kernel((self.kernel_size, self.kernel_size, input_shape[-1], self.filters))
        if self.use_bias:
            self._add_bias(self.filters)
        super().build(input_shape)

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """The convolution of a batch of feature maps."""
        y = tf.nn.conv2d(inputs, self.normalized_kernel(training), 1, "SAME")
        return y + self.bias if self.use_bias else y


class SpectralDense(SpectralLayer):
    """A fully connected layer.

    Args:
      units: size of the output.
      use_bias: whether a bias is added.
      **kwargs: Keras's own.
    """

    def __init__(self, units: int, use_bias: bool = True, **kwargs: Any):
        """Keeps the sizes; the variables are created when the layer is built."""
        super().__init__(**kwargs)
        self.units, self.use_bias = units, use_bias

    def build(self, input_shape: Any) -> None:
        """Creates the kernel (inputs, units), u and the bias."""
        self._add_kernel((input_shape[-1], self.units))
        if self.use_bias:
            self._add_bias(self.units)
        super().build(input_shape)

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """The product with the normalized kernel, plus the bias."""
        y = tf.matmul(inputs, self.normalized_kernel(training))
        return y + self.bias if self.use_bias else y


class SpectralEmbedding(SpectralLayer):
    """A vector for each label, from 0 to `count` - 1.

    Args:
      count: number of labels.
      size: of each vector.
      **kwargs: Keras's own.
    """

    def __init__(self, count: int, size: int, **kwargs: Any):
        """Keeps the sizes; the variables are created when the layer is built."""
        super().__init__(**kwargs)
        self.count, self.size = count, size

    def build(self, input_shape: Any) -> None:
        """Creates the kernel (count, size) and u."""
        self._add_kernel((self.count, self.size))
        super().build(input_shape)

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """The labels' vectors, rows of the normalized kernel."""
        return tf.gather(self.normalized_kernel(training), inputs)


def build_parts(shapes: dict[tf.keras.layers.Layer, tuple]) -> None:
    """Builds layers for their input shapes, with variables named after the layers."""
    for layer, shape in shapes.items():
        with tf.name_scope(layer.name):
            layer.build(shape)


def kernels(model: tf.keras.Model) -> list[tf.Variable]:
    """The kernels of all spectrally normalized layers."""
    return [layer.kernel for layer in layers_within(model, SpectralLayer)]


def _unit(vector: tf.Tensor) -> tf.Tensor:
    return vector / tf.maximum(tf.norm(vector), _TINY)
