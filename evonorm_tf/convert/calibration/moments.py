"""Mean values, variances and covariances of two tensors, channel by channel."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import tensorflow as tf

Batches: TypeAlias = Sequence[tf.Tensor]
TINY = 1e-12


class Moments:
    """The moments of two tensors over all batches and places, in float64.

    Attributes:
      count: values in each channel.
      mean, variance: of the first tensor, each of shape (channels,).
      target_mean, target_variance: of the second one.
      covariance: of both.
    """

    def __init__(self, y: Batches, target: Batches, axis: int):
        sums = np.zeros((5, y[0].shape[axis]))
        self.count = 0
        for y_batch, target_batch in zip(y, target, strict=True):
            a, b = (tf.cast(each, tf.float64) for each in (y_batch, target_batch))
            axes = [i for i in range(a.shape.rank) if i != axis % a.shape.rank]
            sums += [tf.reduce_sum(each, axes).numpy() for each in (a, b, a * a, a * b, b * b)]
            self.count += int(tf.size(a)) // int(a.shape[axis])
        self.mean, self.target_mean, square, product, target_square = sums / self.count
        self.variance = np.maximum(square - self.mean * self.mean, 0.0)
        self.target_variance = np.maximum(target_square - self.target_mean * self.target_mean, 0.0)
        self.covariance = product - self.mean * self.target_mean

    @property
    def correlation(self) -> np.ndarray:
        """The squared correlation of each channel; 0 where a tensor is constant."""
        product = self.variance * self.target_variance
        return np.where(product > TINY, self.covariance**2 / np.maximum(product, TINY), 0.0)


def share_kept(outputs: Batches, target: Batches, axis: int) -> float:
    """The share of a target's variance that outputs keep: at most 1, and 0 for its mean.

    It is 1 - (sum of squared errors) / (sum of squares around the mean of each channel).
    """
    moments = Moments(outputs, target, axis)
    errors = sum(
        float(tf.reduce_sum(tf.square(tf.cast(y, tf.float64) - tf.cast(t, tf.float64))))
        for y, t in zip(outputs, target, strict=True)
    )
    total = float(np.sum(moments.target_variance)) * moments.count
    return 1.0 - errors / max(total, TINY)
