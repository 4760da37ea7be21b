"""Operations in the dtype of their input, where Keras's own round float64 to float32.

`keras.ops.mean` does so on JAX and PyTorch, `maximum` on PyTorch, and `tanh` on JAX.
"""

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops


def mean(x: Any, axes: Sequence[int]) -> Any:
    """Mean over axes, which keep size 1."""
    shape = ops.shape(x)
    return ops.sum(x, axes, keepdims=True) / math.prod(shape[axis] for axis in axes)


def maximum(x: Any, y: Any) -> Any:
    """max(x, y); where both are equal the gradient goes to x, as on TensorFlow."""
    return ops.where(ops.logical_or(x >= y, ops.isnan(x)), x, y)


def tanh(x: Any) -> Any:
    """The hyperbolic tangent of x."""
    if keras.backend.standardize_dtype(x.dtype) == "float64":
        return 2.0 * ops.sigmoid(2.0 * x) - 1.0
    return ops.tanh(x)
