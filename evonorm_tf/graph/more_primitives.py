"""Two primitives that the paper lacks: importing this module registers SOFTPLUS and ERF.

They are off by default, and are examples of how a user adds primitives. TensorFlow is imported when
they run.
"""

from typing import Any

from evonorm_tf.graph import ops


def softplus(x: Any) -> Any:
    """ln(1 + e^x), a smooth max(x, 0)."""
    import tensorflow as tf

    return tf.math.softplus(x)


def erf(x: Any) -> Any:
    """The error function, 2/sqrt(pi) times the integral of exp(-t^2) from 0 to x."""
    import tensorflow as tf

    return tf.math.erf(x)


ops.register("SOFTPLUS", function=softplus)
ops.register("ERF", function=erf)
