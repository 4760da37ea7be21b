"""Bases of the baselines: a norm, gamma and beta, then an activation."""

from typing import Any

from keras import ops

from evonorm_tf.layers.arguments import documentation
from evonorm_tf.layers.portable import base
from evonorm_tf.layers.portable.statistics import Statistics


class ActivatedNorm(base.NormAct):
    """activation(z), z = normalized x * gamma + beta; with `nonlinearity=False`, z."""

    gamma_before_activation = True

    def _output(self, x, statistics, training):
        z = self._affine(self._normalized(x, statistics, training))
        return self._activated(z) if self.nonlinearity else z

    def _normalized(self, x: Any, statistics: Statistics, training: Any) -> Any:
        raise NotImplementedError

    def _activated(self, z: Any) -> Any:
        """The ReLU, max(z, 0)."""
        return ops.relu(z)


class WithSiLU(ActivatedNorm):
    """z * sigmoid(v * z), SiLU/Swish with a trainable slope."""

    _HAS_V = True
    ARGUMENTS = documentation.V_ARGUMENT

    def __init__(self, *, v_initializer="ones", **kwargs):
        super().__init__(v_initializer=v_initializer, **kwargs)

    def _activated(self, z):
        return z * ops.sigmoid(self._per_channel(self.v, z) * z)
