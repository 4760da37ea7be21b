"""Two ways to differentiate with one signature: (compute, sources) -> (result, gradients).

`gradients(targets, upstream)` are those of parts of the result for each of the sources, and
zeros for a source that has none.
"""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

Differentiated = tuple[Any, Callable[[Any, Any], list[tf.Tensor]]]


def recorded(compute: Callable[[], Any], sources: Sequence[tf.Tensor]) -> Differentiated:
    """By a tape of its own; another tape around can differentiate the gradients."""
    with tf.GradientTape() as tape:
        tape.watch(sources)
        result = compute()

    def gradients(targets, upstream):
        zero = tf.UnconnectedGradients.ZERO
        return tape.gradient(targets, sources, upstream, unconnected_gradients=zero)

    return result, gradients


def symbolic(compute: Callable[[], Any], sources: Sequence[tf.Tensor]) -> Differentiated:
    """In the graph that is being traced, also where no tape records."""

    def gradients(targets, upstream):
        zero = tf.UnconnectedGradients.ZERO
        return tf.gradients(targets, sources, upstream, unconnected_gradients=zero)

    return compute(), gradients
