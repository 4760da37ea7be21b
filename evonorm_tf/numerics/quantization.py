"""Operations that an integer interpreter has, for models that will be quantized.

TensorFlow Lite's integer division fails if a byte of the divisor is 0, which stands for an
ordinary number. Its square and square root exist in float32 only, so a converter wraps each of them
in a conversion to float32 and back. Integer products, reciprocal square roots, logarithms and
exponentials exist. The last two are table lookups, some hundred times as fast for each element as a
reciprocal square root, so a quotient of two feature maps uses them. In float32, divisions and roots
are faster and round once, so layers use them everywhere else.
"""

import contextlib
import threading
from collections.abc import Callable

import tensorflow as tf

_state = threading.local()


@contextlib.contextmanager
def quantizable():
    """Context in which layers compute with operations of full-integer TensorFlow Lite only.

        converter = tf.lite.TFLiteConverter.from_keras_model(model)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = examples
        with evonorm_tf.quantizable():
            content = converter.convert()

    With Keras 3, `model.export` must be called in the context too. Outputs differ by rounding only.

    Without it, integer models with EvoNorm-B0, B1, B2 or a graph that divides fail at their first
    call with "div.cc: data[i] != 0 was not true". Conversions to float32, float16 or dynamic range
    do not need it, and are slower with it.
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
    """sqrt(x), for a positive x."""
    return x * tf.math.rsqrt(x) if is_active() else tf.sqrt(x)


def divider_by_root(y: tf.Tensor) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns the function x -> x / sqrt(y), for a positive y."""
    if is_active():
        factor = tf.math.rsqrt(y)
        return lambda x: x * factor
    divisor = tf.sqrt(y)
    return lambda x: x / divisor


def over(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """`x / y`, for a positive y."""
    if not is_active():
        return x / y
    # A product, since the negation exists in float32 only.
    return x * tf.exp(tf.math.log(y) * -1.0)
