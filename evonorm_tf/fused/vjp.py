"""`value_and_vjp`: a value and its vector-Jacobian product."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

ValueAndVjp = tuple[Any, Callable[[Any, Any], list[tf.Tensor]]]


def value_and_vjp(compute: Callable[[], Any], sources: Sequence[tf.Tensor]) -> ValueAndVjp:
    """Returns compute() and its vector-Jacobian product.

    The second result, `vjp(targets, upstream)`, returns the gradients of `targets`, parts of the
    value, for each of the sources: zeros where a source has no influence. It uses a tape of its
    own, and an outer tape can differentiate the gradients once more.
    """
    with tf.GradientTape() as tape:
        tape.watch(sources)
        value = compute()

    def vjp(targets, upstream):
        zero = tf.UnconnectedGradients.ZERO
        return tape.gradient(targets, sources, upstream, unconnected_gradients=zero)

    return value, vjp
