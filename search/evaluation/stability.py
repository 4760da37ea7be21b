"""The stability test: gradient ascent on the weights towards the steepest loss (section 4.2)."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from search.config import Evaluation


def gradient_ascent(
    loss: Callable[[], tf.Tensor], variables: list[tf.Variable], settings: Evaluation
) -> tuple[float, int]:
    """Maximises ||d loss / d theta||_2 by steps along its own gradient.

    Each step is theta <- theta + rate * d||d loss / d theta||_2 / d theta, with second-order
    gradients through the whole network. It ends after `stability_steps` steps, or as soon
    as the norm exceeds `stability_limit` or is not finite.

    Args:
      loss: computes the training loss of one small batch.
      variables: the weights theta, which are changed.
      settings: the configuration's `evaluation`.

    Returns:
      The largest norm met, infinite if one was not finite, and the number of steps.
    """

    def norm_and_direction():
        with tf.GradientTape() as outer:
            with tf.GradientTape() as inner:
                value = loss()
            gradients = inner.gradient(value, variables)
            norm = tf.linalg.global_norm([g for g in gradients if g is not None])
        zero = tf.UnconnectedGradients.ZERO
        return norm, outer.gradient(norm, variables, unconnected_gradients=zero)

    def body(i, _):
        norm, direction = norm_and_direction()
        finite = tf.reduce_all([tf.math.is_finite(norm)])
        for variable, change in zip(variables, direction, strict=True):
            variable.assign_add(settings.stability_rate * change)
        largest = tf.where(finite, norm, np.inf)
        return i + 1, largest

    @tf.function(autograph=False)
    def ascend():
        def more(i, norm):
            return tf.logical_and(i <= settings.stability_steps, norm <= settings.stability_limit)

        def keep_largest(i, largest):
            i, norm = body(i, largest)
            return i, tf.maximum(largest, norm)

        return tf.while_loop(more, keep_largest, [0, 0.0], parallel_iterations=1)

    steps, largest = ascend()
    return float(largest), int(steps) - 1
