"""Operations that an integer interpreter has, for models that are to be quantized.

TensorFlow Lite's integer division stops where a divisor's byte is 0, which stands for some
ordinary number, and it has no integer square root or square at all: it leaves integers for each
of them and comes back. It has products and reciprocal roots. Elsewhere divisions and
roots are better: they round once, and cost less in float32.
"""

import contextlib
import threading
from collections.abc import Callable

import tensorflow as tf

_state = threading.local()


@contextlib.contextmanager
def quantizable():
    """Within it layers compute by operations that full-integer TensorFlow Lite has.

        converter = tf.lite.TFLiteConverter.from_keras_model(model)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = examples
        with evonorm_tf.quantizable():
            content = converter.convert()

    With Keras 3, `model.export` belongs in it too. Results are the same but for float32's
    rounding. Without it, the integer models of EvoNorm-B0, B1, B2 and of graphs that divide
    stop at their first call: "div.cc: data[i] != 0 was not true". For conversion to float32,
    float16 or dynamic range it is not needed, and makes a model slower.
    """
    before = is_active()
    _state.active = True
    try:
        yield
    finally:
        _state.active = before


def is_active() -> bool:
    """Whether `quantizable` holds here."""
    return getattr(_state, "active", False)


def square(x: tf.Tensor) -> tf.Tensor:
    """x^2."""
    return x * x if is_active() else tf.square(x)


def root(x: tf.Tensor) -> tf.Tensor:
    """sqrt(x) of a positive x."""
    return x * tf.math.rsqrt(x) if is_active() else tf.sqrt(x)


def by_root(y: tf.Tensor) -> Callable[[tf.Tensor], tf.Tensor]:
    """Of x: x / sqrt(y) of a positive y."""
    if is_active():
        factor = tf.math.rsqrt(y)
        return lambda x: x * factor
    divisor = tf.sqrt(y)
    return lambda x: x / divisor


def over(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """x / y of a positive y."""
    if not is_active():
        return x / y
    reciprocal_root = tf.math.rsqrt(y)
    return x * (reciprocal_root * reciprocal_root)
