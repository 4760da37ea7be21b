"""`FusedNormAct`: base of the layers whose backward pass keeps only their input."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from evonorm_tf import xla_cpu, xla_gpu
from evonorm_tf.fused import keep_input
from evonorm_tf.fused.computation import MOMENTS, Coefficients, Computation, Context, Reduction
from evonorm_tf.layers import base, formulas, parts
from evonorm_tf.numerics import quantization, statistics


class FusedNormAct(base.NormAct):
    """A layer that is one formula of x and small coefficients.

    A subclass defines `formula` and `_coefficients`; see `fused/computation.py`. Both are static
    or class methods, so that layers of equal settings share programs. Coefficients read settings
    from their context; a subclass with a setting of its own adds it as `Context.extra`.
    """

    # Whether nonlinearity=False leaves x * gamma + beta and no normalization.
    _LINEAR_IS_AFFINE = False
    _HAS_V = False
    # (x - shift, **coefficients) -> output, element by element.
    formula: Callable[..., tf.Tensor]

    def __init__(self, **kwargs):
        v_initializer = kwargs.pop("v_initializer", None) if self._HAS_V else None
        super().__init__(**kwargs)
        if self._HAS_V:
            self.v_initializer = tf.keras.initializers.get(v_initializer)

    def build(self, input_shape):
        """Creates gamma and beta, and v of the same shape for a layer whose formula has it."""
        super().build(input_shape)
        self.v = self._add_vector("v") if self._HAS_V and self.nonlinearity else None

    def _call(self, inputs, training):
        x = self._checked(inputs)
        dtype = statistics.statistics_dtype(x.dtype)
        weights = {
            name: self._aligned(tf.cast(tf.convert_to_tensor(weight), dtype), x)
            for name, weight in self._weights().items()
        }
        y, observed = keep_input.keep_input(
            self._computation(x, training),
            x,
            weights,
            self.compute_dtype,
            self._passes(x, training),
        )
        if observed:
            self._observe(observed, x, training)
        return y

    def _passes(self, x: tf.Tensor, training) -> keep_input.Passes:
        """XLA programs for the device's kind, or plain operations."""
        # Programs are cached, whatever operations the coefficients used.
        if quantization.is_active():
            return keep_input.PLAIN
        if xla_cpu.use_xla_programs(x, self.axis, training):
            return xla_cpu.PASSES
        return xla_gpu.PASSES if xla_gpu.use_xla_programs(x, training) else keep_input.PLAIN

    def _computation(self, x: tf.Tensor, training) -> Computation:
        """What this call computes; of x only rank and number of elements matter."""
        if self._LINEAR_IS_AFFINE and not self.nonlinearity:
            context = Context(self.axis, self.epsilon)
            return Computation(formulas.affine, formulas.affine_coefficients, context, None)
        context = self._context(x, training)
        return Computation(self._formula(), self._coefficients, context, self._reduction(context))

    def _context(self, x: tf.Tensor, training) -> Context:
        """The settings that `_coefficients` reads."""
        return Context(self.axis, self.epsilon, getattr(self, "effective_groups", None))

    def _formula(self):
        return type(self).formula if self.nonlinearity else formulas.affine

    @classmethod
    def _coefficients(cls, moments: Any, context: Context, **weights: tf.Tensor) -> Coefficients:
        """The coefficients of the formula, from the spatial moments and the weights."""
        raise NotImplementedError

    def _reduction(self, context: Context) -> Reduction | None:
        """The spatial moments that `_coefficients` needs."""
        return MOMENTS

    def _weights(self) -> dict[str, Any]:
        weights = {"gamma": self.gamma, "beta": self.beta, "v": self.v}
        return {name: weight for name, weight in weights.items() if weight is not None}

    def _observe(self, observed: Sequence[tf.Tensor], x: tf.Tensor, training) -> None:
        """Updates moving averages with batch statistics."""

    def get_config(self):
        """The constructor's arguments; `v_initializer` only for a layer whose formula has v."""
        config = super().get_config()
        if self._HAS_V:
            config["v_initializer"] = tf.keras.initializers.serialize(self.v_initializer)
        return config


class FusedBatchNormAct(parts.BatchStatistics, FusedNormAct):
    """Base of the layers with batch statistics and their moving averages."""

    # Names of the weights that follow what `_coefficients` observes, in the same order.
    _MOVING: tuple[str, ...]

    def build(self, input_shape):
        """Creates the moving averages too, each of shape (channels,) and float32.

        A linear form that is x * gamma + beta has no statistics, and no moving averages.
        """
        super().build(input_shape)
        if self.nonlinearity or not self._LINEAR_IS_AFFINE:
            for name in self._MOVING:
                setattr(self, name, self._add_moving(name))

    def _context(self, x, training):
        batch = self._batch_mode(self._moving_weights(), x, training)
        return super()._context(x, training)._replace(batch=batch)

    def _moving_weights(self) -> Sequence:
        return [getattr(self, name) for name in self._MOVING if hasattr(self, name)]

    def _observe(self, observed, x, training):
        training = self._in_training(training)
        if training is False:
            return
        for weight, value in zip(self._moving_weights(), observed, strict=True):
            self._move(weight, value, x, training)
