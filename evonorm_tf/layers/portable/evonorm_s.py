"""The batch-independent EvoNorms S0, S1 and S2 (paper table 4)."""

from typing import Any

from keras import ops

from evonorm_tf.layers.arguments import documentation
from evonorm_tf.layers.portable import base
from evonorm_tf.layers.portable.statistics import Statistics


class _EvoNormS(base.ChannelGroups, base.NormAct):
    """A sigmoid-weighted x over the root of a group moment, * gamma + beta."""

    _LINEAR_IS_AFFINE = True

    def _output(self, x, statistics, training):
        moment = self._group_moment(x, statistics)
        return self._affine(x * self._weight(x) / ops.sqrt(moment + self.epsilon))

    def _weight(self, x: Any) -> Any:
        return ops.sigmoid(x)

    def _group_moment(self, x: Any, statistics: Statistics) -> Any:
        return statistics.moments(x, "WHCQ").variance


@documentation.public_layer
class EvoNormS0(_EvoNormS):
    """EvoNorm-S0 (paper table 4): the strongest layer that needs no batch.

        x * sigmoid(v * x) / sqrt(s^2_{w,h,c/g}(x)) * gamma + beta

    The same in training and in inference. With `nonlinearity=False` the layer is
    x * gamma + beta.

    Weights: gamma, beta, v, each (channels,) and float32.
    """

    _HAS_V = True
    ARGUMENTS = documentation.V_ARGUMENT

    def __init__(self, *, v_initializer="ones", **kwargs):
        super().__init__(v_initializer=v_initializer, **kwargs)

    def _weight(self, x):
        return ops.sigmoid(self._per_channel(self.v, x) * x)


@documentation.public_layer
class EvoNormS1(_EvoNormS):
    """EvoNorm-S1 (paper table 4).

        x * sigmoid(x) / sqrt(s^2_{w,h,c/g}(x)) * gamma + beta

    The same in training and in inference. With `nonlinearity=False` the layer is
    x * gamma + beta.

    Weights: gamma, beta, each (channels,) and float32.
    """


@documentation.public_layer
class EvoNormS2(_EvoNormS):
    """EvoNorm-S2 (paper table 4).

        x * sigmoid(x) / sqrt(mu_{w,h,c/g}(x^2)) * gamma + beta

    The same in training and in inference. With `nonlinearity=False` the layer is
    x * gamma + beta.

    Weights: gamma, beta, each (channels,) and float32.
    """

    def _group_moment(self, x, statistics):
        return statistics.second_moment(x, "WHCQ")
