"""`Network`: adds plain Keras layers to a functional model, with one network's settings."""

import functools
import random
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from evonorm_tf import compat, norm_act_factory
from evonorm_tf.factory import NormAct
from trainers.models import recompute as recomputing

DIVISOR = 8


def make_divisible(filters: float) -> int:
    """The multiple of 8 nearest to `filters`, at least 8 and never below 90% of it.

    The rule of MobileNetV2, MnasNet and EfficientNet for scaled widths.
    """
    rounded = max(DIVISOR, int(filters + DIVISOR / 2) // DIVISOR * DIVISOR)
    return rounded + DIVISOR if rounded < 0.9 * filters else rounded


class Network:
    """The settings that all layers of one network share, and a method for each kind of layer.

    Args:
      norm_act: registered name, `LayerGraph` or callable; see `norm_act_factory`.
      norm_act_args: constructor arguments of every norm-act layer, for a name or graph.
      padding: "same", or "fixed": strided convolutions are padded alike on both sides.
      make_initializer: returns a new initializer, for each convolution; one object used
        twice would start both with the same values.
      kernel_regularizer: of all convolutions and of the classifier.
      data_format: "channels_last" or "channels_first"; None is Keras's setting. A callable
        `norm_act` must return layers for that format itself.
      unit_strides: how many spatially reducing operations, from the input on, get stride 1.
      recompute: convolutions compute the outputs of norm-act layers again in the backward pass,
        rather than keep them: less memory for the same numbers. Not for a callable `norm_act`.
    """

    def __init__(
        self,
        norm_act: NormAct,
        *,
        norm_act_args: Mapping[str, Any] | None = None,
        make_initializer: Callable[[], Any],
        padding: str = "same",
        kernel_regularizer: Any = None,
        data_format: str | None = None,
        unit_strides: int = 0,
        recompute: bool = False,
    ):
        """Checks the data format; the class describes the arguments."""
        data_format = data_format or tf.keras.backend.image_data_format()
        if data_format not in ("channels_last", "channels_first"):
            raise ValueError(
                "`data_format` must be 'channels_last' or 'channels_first'. "
                f"Received: data_format={data_format!r}"
            )
        if recompute and callable(norm_act):
            raise ValueError(
                "`recompute` needs a `norm_act` that is a registered name or a LayerGraph. "
                f"Received: norm_act={norm_act!r}"
            )
        arguments = dict(norm_act_args or {})
        self.channel_axis = -1 if data_format == "channels_last" else 1
        if self.channel_axis == 1 and not callable(norm_act):
            arguments["axis"] = 1
        self._make_norm_act = norm_act_factory(norm_act, **arguments)
        self._padding = padding
        self._make_initializer = make_initializer
        self._kernel_regularizer = tf.keras.regularizers.get(kernel_regularizer)
        self._data_format = data_format
        self._unit_strides_left = unit_strides
        self._recompute = recompute
        # Outputs of norm-act layers by id, each with the layer and its input.
        self._activated: dict[int, tuple[tf.Tensor, Any, tf.Tensor]] = {}
        self.level = 0

    def reduction(self, strides: int) -> int:
        """The strides of the network's next operation that reduces by `strides`.

        Counts `level`, the number of halvings so far. Called once for operations on
        parallel paths.
        """
        if strides == 1:
            return 1
        if self._unit_strides_left:
            self._unit_strides_left -= 1
            return 1
        self.level += 1
        return strides

    def image_shape(self, side: int) -> tuple[int, int, int]:
        """The shape of a square RGB image."""
        return (side, side, 3) if self.channel_axis == -1 else (3, side, side)

    def channels(self, x: tf.Tensor) -> int:
        """The number of channels of x."""
        return x.shape[self.channel_axis]

    def norm_act(self, x: tf.Tensor, name: str, **kwargs: Any) -> tf.Tensor:
        """The norm-act layer; `nonlinearity=False` where no activation follows."""
        layer = self._make_norm_act(name=name, **kwargs)
        y = layer(x)
        if self._recompute:
            self._activated[id(y)] = (y, layer, x)
        return y

    def conv(
        self, x: tf.Tensor, filters: int, kernel_size: int, name: str, strides: int = 1
    ) -> tf.Tensor:
        """A convolution without bias."""
        return self._without_bias(
            (tf.keras.layers.Conv2D, recomputing.RecomputingConv2D),
            x,
            kernel_size,
            name,
            strides,
            filters=filters,
            kernel_initializer=self._make_initializer(),
            kernel_regularizer=self._kernel_regularizer,
        )

    def depthwise_conv(
        self, x: tf.Tensor, kernel_size: int, name: str, strides: int = 1
    ) -> tf.Tensor:
        """A depthwise convolution without bias."""
        return self._without_bias(
            (tf.keras.layers.DepthwiseConv2D, recomputing.RecomputingDepthwiseConv2D),
            x,
            kernel_size,
            name,
            strides,
            depthwise_initializer=self._make_initializer(),
            depthwise_regularizer=self._kernel_regularizer,
        )

    def squeeze_excite(
        self, x: tf.Tensor, filters: int, name: str, activation: str = "swish"
    ) -> tf.Tensor:
        """Returns x * sigmoid(expand(activation(reduce(mean of x)))).

        Both convolutions, reduce and expand, have biases.
        """
        gate = self.global_average_pool(x, f"{name}_squeeze", keepdims=True)
        gate = self._conv(gate, filters, 1, f"{name}_reduce", activation=activation)
        gate = self._conv(gate, self.channels(x), 1, f"{name}_expand", activation="sigmoid")
        return tf.keras.layers.Multiply(name=f"{name}_excite")([x, gate])

    def max_pool(
        self, x: tf.Tensor, pool_size: int, name: str, strides: int, symmetric: bool = False
    ) -> tf.Tensor:
        """A max pooling with padding "same", or with padding alike on both sides."""
        pool = functools.partial(
            tf.keras.layers.MaxPooling2D, padding="same", data_format=self._data_format
        )
        if not symmetric:
            return pool(pool_size, strides=strides, name=name)(x)
        # Padding "same" is symmetric at stride 1. The second pooling then reduces by `strides`.
        x = pool(pool_size, strides=1, name=name)(x)
        return pool(1, strides=strides, name=f"{name}_reduce")(x)

    def average_pool(self, x: tf.Tensor, pool_size: int, name: str) -> tf.Tensor:
        """An average pooling that reduces by its size."""
        return tf.keras.layers.AveragePooling2D(
            pool_size, padding="same", data_format=self._data_format, name=name
        )(x)

    def global_average_pool(self, x: tf.Tensor, name: str, keepdims: bool = False) -> tf.Tensor:
        """The mean over the spatial axes."""
        return tf.keras.layers.GlobalAveragePooling2D(
            data_format=self._data_format, keepdims=keepdims, name=name
        )(x)

    def residual(
        self, x: tf.Tensor, branch: tf.Tensor, name: str, drop_rate: float = 0.0
    ) -> tf.Tensor:
        """Returns x + branch; in training an example's branch is dropped with `drop_rate`."""
        if drop_rate:
            drop = _dropout(drop_rate, f"{name}_stochastic_depth", noise_shape=(None, 1, 1, 1))
            branch = drop(branch)
        return tf.keras.layers.Add(name=f"{name}_add")([x, branch])

    def classifier(
        self, x: tf.Tensor, num_classes: int, dropout: float, kernel_initializer: Any
    ) -> tf.Tensor:
        """Logits, in float32 under any dtype policy."""
        x = self.global_average_pool(x, "pool")
        if dropout:
            x = _dropout(dropout, "dropout")(x)
        return tf.keras.layers.Dense(
            num_classes,
            kernel_initializer=kernel_initializer,
            kernel_regularizer=self._kernel_regularizer,
            dtype="float32",
            name="logits",
        )(x)

    def _conv(
        self, x: tf.Tensor, filters: int, kernel_size: int, name: str, **kwargs: Any
    ) -> tf.Tensor:
        return tf.keras.layers.Conv2D(
            filters,
            kernel_size,
            kernel_initializer=self._make_initializer(),
            kernel_regularizer=self._kernel_regularizer,
            data_format=self._data_format,
            name=name,
            **kwargs,
        )(x)

    def _without_bias(
        self,
        classes: tuple[type, type],
        x: tf.Tensor,
        kernel_size: int,
        name: str,
        strides: int,
        **kwargs: Any,
    ) -> tf.Tensor:
        """A layer of the first class, or of the second if its input is to be recomputed."""
        margins = self._margins(kernel_size, strides)
        y = x
        if margins is not None:
            y = tf.keras.layers.ZeroPadding2D(
                (margins, margins), data_format=self._data_format, name=f"{name}_pad"
            )(x)
        kwargs |= {
            "kernel_size": kernel_size,
            "strides": strides,
            "padding": "same" if margins is None else "valid",
            "data_format": self._data_format,
            "name": name,
        }
        plain, again = classes
        if id(x) not in self._activated:
            return plain(use_bias=False, **kwargs)(y)
        _, norm_act, source = self._activated[id(x)]
        of_axes = None if margins is None else self._of_all_axes(margins)
        return again(norm_act=norm_act, margins=of_axes, **kwargs)([y, source])

    def _margins(self, kernel_size: int, strides: int) -> tuple[int, int] | None:
        """Zeros before and after each spatial axis; None for padding "same"."""
        if self._padding == "same" or strides == 1 or kernel_size == 1:
            return None
        before = (kernel_size - 1) // 2
        return before, kernel_size - 1 - before

    def _of_all_axes(self, margins: tuple[int, int]) -> list[tuple[int, int]]:
        none = (0, 0)
        spatial = [margins, margins]
        return [none, *spatial, none] if self.channel_axis == -1 else [none, none, *spatial]


def _dropout(rate: float, name: str, **kwargs: Any) -> tf.keras.layers.Layer:
    """A dropout that does not change which kernels a seed gives.

    Keras 3 draws the seeds of dropouts and kernels from Python's generator in turn, Keras 2 those
    of kernels alone. So a dropout gets a seed here that leaves the generator as it is.
    """
    if compat.IS_KERAS_3:
        copy = random.Random()
        copy.setstate(random.getstate())
        kwargs["seed"] = zlib.crc32(name.encode(), copy.getrandbits(31))
    return tf.keras.layers.Dropout(rate, name=name, **kwargs)
