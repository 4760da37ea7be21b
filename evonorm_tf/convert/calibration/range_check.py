"""Detects examples that are scaled differently from those of the network's training."""

from typing import Any

import numpy as np

from evonorm_tf.convert import sources
from evonorm_tf.convert.calibration.moments import TINY, Batches, Moments

# Examples of one data set differ by far less; pixels to 255 instead of 1 by a factor of 65,025.
_FACTOR, _DEVIATIONS = 10.0, 3.0


def check(norm: Any, x: Batches, name: str) -> None:
    """Raises ValueError if a batch norm's inputs are not like those its moving averages followed.

    An untrained norm, with averages of 0 and 1, accepts all inputs.
    """
    mean, variance = np.asarray(norm.moving_mean), np.asarray(norm.moving_variance)
    if not mean.any() and (variance == 1.0).all():
        return
    moments = Moments(x, x, sources.channel_axis(norm) or 0)
    factor = float(np.median(moments.variance / np.maximum(variance, TINY)))
    deviations = float(np.median(np.abs(moments.mean - mean) / np.sqrt(variance + norm.epsilon)))
    if 1 / _FACTOR <= factor <= _FACTOR and deviations <= _DEVIATIONS:
        return
    raise ValueError(
        "`calibrate` must be scaled as the examples that the model was trained with. Received: "
        f"examples with which the variance in {name} is {factor:.2g} times its moving variance, "
        f"and the mean {deviations:.2g} deviations away from its moving mean"
    )
