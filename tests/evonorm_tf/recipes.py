"""For tests of docs/recipes.md: layers by their statistics, and a classifier's gradients."""

import numpy as np
import tensorflow as tf

import evonorm_tf as en
from evonorm_tf import compat

layers = tf.keras.layers
OF_ONE_EXAMPLE = [
    "evonorm_s0",
    "evonorm_s1",
    "evonorm_s2",
    "gn_relu",
    "gn_silu",
    "ln_relu",
    "frn",
    "pixelnorm_relu",
]
OF_THE_BATCH = ["evonorm_b0", "bn_relu"]
BOTH = [*OF_ONE_EXAMPLE, *OF_THE_BATCH]
COUNT = 6
LABELS = np.array([0, 1, 2, 2, 0, 1])


def images(count=COUNT, seed=0, shape=(8, 8, 3)):
    """Images that differ in brightness and contrast."""
    rng = np.random.default_rng(seed)
    contrast = rng.uniform(0.3, 3, (count, 1, 1, 1))
    x = rng.normal(size=(count, *shape)) * contrast + rng.normal(size=(count, 1, 1, 3))
    return x.astype("float32")


def classifier(norm_act, dtype="float32"):
    tf.keras.utils.set_random_seed(1)
    make = en.norm_act_factory(norm_act, dtype=dtype)
    return tf.keras.Sequential(
        [
            tf.keras.Input((8, 8, 3), dtype=dtype),
            layers.Conv2D(8, 3, use_bias=False, dtype=dtype),
            make(),
            layers.Conv2D(8, 3, use_bias=False, dtype=dtype),
            make(),
            layers.GlobalAveragePooling2D(dtype=dtype),
            layers.Dense(3, dtype=dtype),
        ]
    )


def variables(model):
    return [compat.variable(weight) for weight in model.trainable_variables]


def losses(model, x, y, training=True):
    return tf.nn.sparse_softmax_cross_entropy_with_logits(y, model(x, training=training))


def gradients(model, x, y, training=True):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(losses(model, x, y, training))
    return tape.gradient(loss, variables(model))


def parts_gradients(model, x, y, size):
    """The mean of the gradients of batches of `size`."""
    parts = [gradients(model, x[i : i + size], y[i : i + size]) for i in range(0, len(x), size)]
    return [tf.reduce_mean(tf.stack(part), 0) for part in zip(*parts, strict=True)]


def difference(actual, expected):
    """The largest difference of two lists, relative to each tensor's largest magnitude."""
    pairs = zip(actual, expected, strict=True)
    return max(np.abs(np.subtract(a, b)).max() / np.abs(b).max() for a, b in pairs)


def step(model, x, y, rate=0.1):
    for variable, gradient in zip(variables(model), gradients(model, x, y), strict=True):
        variable.assign_sub(rate * gradient)


def trained(model):
    """The weights that a gradient reaches; a beta's first value is 0, so 1 is added to all."""
    return [variable.numpy() + 1 for variable in variables(model)]
