"""The stability test: gradient ascent on the norm of the loss's gradient (section 4.2)."""

import functools
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from search.config import Evaluation


def ascent_function(
    loss: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
    variables: list[tf.Variable],
    settings: Evaluation,
) -> Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
    """Returns a function that maximizes ||d loss / d theta||_2 by steps along its gradient.

    Each step is theta <- theta + rate * d||d loss / d theta||_2 / d theta, with second-order
    gradients through the whole network. It ends after `stability_steps` steps, or as soon
    as the norm exceeds `stability_limit` or is not finite.

    Args:
      loss: computes the training loss of one small batch, (images, labels).
      variables: the weights theta, which are changed.
      settings: the configuration's `evaluation`.

    Returns:
      A function of the batch, traced at its first call. It returns the number of norms computed,
      one more than steps, and the largest, infinite if one was not finite.
    """

    def more(step: tf.Tensor, largest: tf.Tensor) -> tf.Tensor:
        return tf.logical_and(step <= settings.stability_steps, largest <= settings.stability_limit)

    def ascend(
        x: tf.Tensor, y: tf.Tensor, step: tf.Tensor, largest: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        norm, direction = _norm_and_direction(lambda: loss(x, y), variables)
        finite = tf.reduce_all([tf.math.is_finite(norm)])
        for variable, change in zip(variables, direction, strict=True):
            variable.assign_add(settings.stability_rate * change)
        return step + 1, tf.maximum(largest, tf.where(finite, norm, np.inf))

    @tf.function(autograph=False)
    def run(x: tf.Tensor, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        body = functools.partial(ascend, x, y)
        return tf.while_loop(more, body, [0, 0.0], parallel_iterations=1)

    return run


def _norm_and_direction(
    loss: Callable[[], tf.Tensor], variables: list[tf.Variable]
) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """||d loss / d theta||_2, and its gradient with respect to theta."""
    with tf.GradientTape() as outer:
        with tf.GradientTape() as inner:
            value = loss()
        gradients = inner.gradient(value, variables)
        # That of an embedding is a list of rows, in which a row may occur more than once.
        norm = tf.linalg.global_norm([tf.convert_to_tensor(g) for g in gradients if g is not None])
    zero = tf.UnconnectedGradients.ZERO
    direction = outer.gradient(norm, variables, unconnected_gradients=zero)
    return norm, [tf.convert_to_tensor(change) for change in direction]
