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
        for one, other in zip(y, target, strict=True):
            g, t = (tf.cast(each, tf.float64) for each in (one, other))
            axes = [a for a in range(g.shape.rank) if a != axis % g.shape.rank]
            sums += [tf.reduce_sum(each, axes).numpy() for each in (g, t, g * g, g * t, t * t)]
            self.count += int(tf.size(g)) // int(g.shape[axis])
        g, t, gg, gt, tt = sums / self.count
        self.mean, self.target_mean = g, t
        self.variance = np.maximum(gg - g * g, 0.0)
        self.target_variance = np.maximum(tt - t * t, 0.0)
        self.covariance = gt - g * t

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
