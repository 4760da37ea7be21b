"""Tokens: scikit-learn's digits as 16 words, and a transformer with searched normalizations.

A token encodes two by two pixels in four shades each, so there are 256 words. A searched
layer takes the place of each LayerNormalization of a pre-norm transformer. It works on arrays
(batch, tokens, channels): "w,h" is over the tokens, and "w,h,c" over tokens and channels.
"""

from typing import Any

import numpy as np
import tensorflow as tf
from sklearn import datasets

L = tf.keras.layers
_SHADES, _WORDS, _CHANNELS, _BLOCKS = 4, 256, 32, 2


def load() -> tuple[np.ndarray, np.ndarray]:
    """1,797 sequences of 16 tokens from 0 to 255, of ten classes, and the labels."""
    digits = datasets.load_digits()
    shades = np.minimum(digits.images.astype(int) * _SHADES // 16, _SHADES - 1)
    patches = shades.reshape(-1, 4, 2, 4, 2).transpose(0, 1, 3, 2, 4).reshape(-1, 16, 4)
    return patches @ (_SHADES ** np.arange(4)), digits.target


def build(norm_act: Any, num_classes: int, input_shape: tuple[int, ...]) -> tf.keras.Model:
    """Two blocks of attention and a perceptron, each behind a searched layer."""
    (length,) = input_shape
    inputs = tf.keras.Input(input_shape, dtype="int32")
    positions = L.Embedding(length, _CHANNELS)(tf.range(length))
    x = L.Embedding(_WORDS, _CHANNELS)(inputs) + positions
    for block in range(_BLOCKS):
        y = norm_act(nonlinearity=True, name=f"before_attention_{block}")(x)
        x += L.MultiHeadAttention(4, _CHANNELS // 4)(y, y)
        y = norm_act(nonlinearity=True, name=f"before_perceptron_{block}")(x)
        x += L.Dense(_CHANNELS)(L.Dense(2 * _CHANNELS, activation="gelu")(y))
    x = norm_act(nonlinearity=True, name="last")(x)
    return tf.keras.Model(inputs, L.Dense(num_classes)(L.GlobalAveragePooling1D()(x)))
