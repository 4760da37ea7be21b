"""Convolutions that do not keep the output of a norm-act layer for their backward pass.

A convolution needs its input y again for the gradient of its kernel, and the norm-act layer before
it needs its own input x: two arrays of one size. These keep x alone and compute y from it again,
which takes about as long as the layer's forward pass. The idea is that of Chen et al., "Training
Deep Nets with Sublinear Memory Cost" (2016).
"""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from trainers.models.kernels import kernel_of

# Numbers of zeros before and after, for each axis of the input.
Margins = Sequence[Sequence[int]]


class _Recomputing:
    """Makes a convolution without bias, the next base class, take [y, x] with y = norm_act(x).

    Variables, names and results are those of the convolution. In training the backward pass
    computes y again. If `margins` are given, y is norm_act(x) with so many zeros around it.
    """

    def __init__(self, *args: Any, norm_act: Any, margins: Margins | None = None, **kwargs: Any):
        super().__init__(*args, use_bias=False, **kwargs)  # type: ignore[call-arg]
        self.input_spec = None  # of one input
        # A function: Keras would count the weights of an attribute that is a layer as this one's.
        self._norm_act = norm_act.recomputed
        self._margins = margins

    def build(self, input_shape: Any) -> None:
        """Creates the kernel, for the shape of y."""
        super().build(input_shape[0])  # type: ignore[misc]
        self.input_spec = None

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The convolution's, for y."""
        of_two = isinstance(input_shape, list) and not isinstance(input_shape[0], int)
        # The convolution's own `build` asks for one.
        return super().compute_output_shape(input_shape[0] if of_two else input_shape)  # type: ignore[misc]

    @tf.autograph.experimental.do_not_convert
    def call(self, inputs: Sequence[tf.Tensor], training: Any = None) -> tf.Tensor:
        """The convolution of the first input."""
        y, x = inputs
        kernel = tf.cast(tf.convert_to_tensor(kernel_of(self)), self.compute_dtype)  # type: ignore[attr-defined]
        if training is None or training is False:
            return self.convolution_op(y, kernel)  # type: ignore[attr-defined]

        @tf.custom_gradient
        def run(y: tf.Tensor, x: tf.Tensor, kernel: tf.Tensor) -> Any:
            def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, None, tf.Tensor]:
                # Not before its use: the array would live from the forward pass on.
                with tf.control_dependencies([upstream]):
                    again = self._recomputed(tf.identity(x), training)
                with tf.GradientTape() as tape:
                    tape.watch([again, kernel])
                    # Its value is pruned, since the gradients do not need it.
                    result = self.convolution_op(again, kernel)  # type: ignore[attr-defined]
                y_gradient, kernel_gradient = tape.gradient(result, [again, kernel], upstream)
                return y_gradient, None, kernel_gradient

            return self.convolution_op(y, kernel), gradient  # type: ignore[attr-defined]

        return run(y, x, kernel)

    def _recomputed(self, x: tf.Tensor, training: Any) -> tf.Tensor:
        y = self._norm_act(x, training)
        return y if self._margins is None else tf.pad(y, self._margins)

    def get_config(self) -> dict[str, Any]:
        """Raises NotImplementedError: these are for training, and no file has them."""
        raise NotImplementedError(
            "a network with `recompute=True` is for training and cannot be saved as a model; build "
            "it without, and give it these weights: get_weights() has them in the same order"
        )


class RecomputingConv2D(_Recomputing, tf.keras.layers.Conv2D):
    """`Conv2D` of [y, x] with y = norm_act(x); see the module."""


class RecomputingDepthwiseConv2D(_Recomputing, tf.keras.layers.DepthwiseConv2D):
    """`DepthwiseConv2D` of [y, x] with y = norm_act(x); see the module."""

    def convolution_op(self, inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        """The convolution of each channel, which Keras 2's class has no method for."""
        last = self.data_format == "channels_last"
        return tf.nn.depthwise_conv2d(
            inputs,
            kernel,
            strides=[1, *self.strides, 1] if last else [1, 1, *self.strides],
            padding=self.padding.upper(),
            data_format="NHWC" if last else "NCHW",
        )
