"""Time series: scikit-learn's digits row by row, and a 1-D network.

Each row of a digit is a step of 8 channels. Half of the series are inverted and each has a gain of
its own, so that no linear function of them separates the classes, and scales differ by a factor of
ten.
"""

from typing import Any

import numpy as np
import tensorflow as tf
from sklearn import datasets

L = tf.keras.layers


def load() -> tuple[np.ndarray, np.ndarray]:
    """1,797 series (8, 8) of ten classes, float32, and the labels."""
    digits = datasets.load_digits()
    rng = np.random.default_rng(0)
    sign = rng.choice([-1.0, 1.0], (len(digits.images), 1, 1))
    gain = 10 ** rng.uniform(-0.5, 0.5, sign.shape)
    series = sign * gain * (digits.images - 8) / 8
    return series.astype(np.float32), digits.target


def build(norm_act: Any, num_classes: int, input_shape: tuple[int, ...]) -> tf.keras.Model:
    """Three convolutions along the series, each with a searched layer."""
    inputs = tf.keras.Input(input_shape)
    x = inputs
    for number, (filters, strides) in enumerate([(32, 1), (32, 2), (64, 2)]):
        x = L.Conv1D(filters, 3, strides, padding="same", use_bias=False)(x)
        x = norm_act(nonlinearity=True, name=f"searched_{number}")(x)
    x = L.GlobalAveragePooling1D()(x)
    return tf.keras.Model(inputs, L.Dense(num_classes)(x))
