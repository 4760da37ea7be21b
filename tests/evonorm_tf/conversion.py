"""Small models and readings of reports for the tests of `convert_model`."""

import numpy as np
import tensorflow as tf

layers = tf.keras.layers
SHAPE = (8, 8, 6)


def images(seed=0, shape=SHAPE, batch=3):
    return np.random.default_rng(seed).normal(size=(batch, *shape)).astype("float32")


def randomize(model):
    """Gives every weight a value that no initializer would."""
    rng = np.random.default_rng(1)
    for weight in model.weights:
        values = rng.uniform(0.5, 1.5, weight.shape)
        if len(weight.shape) > 1:
            values = values - 1.0
        weight.assign(values.astype(weight.dtype if isinstance(weight.dtype, str) else "float32"))
    return model


def functional(body, shape=SHAPE):
    inputs = tf.keras.Input(shape)
    return randomize(tf.keras.Model(inputs, body(inputs), name="model"))


def places(report):
    return {place.layer.split("/", 1)[1]: place for place in report.places}


def actions(report):
    return {name: place.action for name, place in places(report).items()}


def norms(model, kind=layers.BatchNormalization):
    return [layer for layer in model._flatten_layers() if isinstance(layer, kind)]


def assert_same(model, other, x=None, atol=1e-6):
    x = images() if x is None else x
    np.testing.assert_allclose(np.asarray(model(x)), np.asarray(other(x)), atol=atol, rtol=1e-5)


def block(x, name, activation="relu"):
    x = layers.Conv2D(4, 3, name=f"{name}_conv")(x)
    x = layers.BatchNormalization(name=f"{name}_bn")(x)
    return layers.Activation(activation, name=f"{name}_act")(x)
