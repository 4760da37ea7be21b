"""Volumes: scikit-learn's digits as blocks of 8x8x8 voxels, and a 3-D network.

A voxel is the ink of its pixel where the ink is at least as high as the voxel, as in a relief. Half
of the blocks are inverted, and each has a density of its own.
"""

from typing import Any

import numpy as np
import tensorflow as tf
from sklearn import datasets

L = tf.keras.layers


def load() -> tuple[np.ndarray, np.ndarray]:
    """1,797 volumes (8, 8, 8) of ten classes, float32, and the labels."""
    digits = datasets.load_digits()
    rng = np.random.default_rng(0)
    heights = 2 * np.arange(8)[:, None, None] + 1
    blocks = 2.0 * (digits.images[:, None] >= heights) - 1
    sign = rng.choice([-1.0, 1.0], (len(blocks), 1, 1, 1))
    density = 10 ** rng.uniform(-0.5, 0.5, sign.shape)
    return (sign * density * blocks).astype(np.float32), digits.target


def build(norm_act: Any, num_classes: int, input_shape: tuple[int, ...]) -> tf.keras.Model:
    """Three convolutions, each with a searched layer."""
    inputs = tf.keras.Input(input_shape)
    x = inputs
    for number, (filters, strides) in enumerate([(8, 2), (16, 1), (32, 2)]):
        x = L.Conv3D(filters, 3, strides, padding="same", use_bias=False)(x)
        x = norm_act(nonlinearity=True, name=f"searched_{number}")(x)
    x = L.GlobalAveragePooling3D()(x)
    return tf.keras.Model(inputs, L.Dense(num_classes)(x))
