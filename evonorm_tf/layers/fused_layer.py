"""`FusedNormAct`: base of the layers whose backward pass keeps only their input."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from evonorm_tf import cpu_kernel, xla_cpu, xla_gpu
from evonorm_tf.fused import keep_input
from evonorm_tf.fused.computation import MOMENTS, Coefficients, Computation, Context, Reduction
from evonorm_tf.layers import base, formulas, parts
from evonorm_tf.layers.arguments import settings
from evonorm_tf.numerics import quantization, statistics


class FusedNormAct(base.NormAct):
    """A layer that is one formula of x and small coefficients.

    A subclass defines `formula` and `_coefficients`; see `fused/computation.py`. Both are static
    or class methods, so that layers of equal settings share programs. Coefficients read settings
    from their context; a subclass with a setting of its own adds it as `Context.extra`.
    """

    # (x - shift, **coefficients) -> output, element by element.
    formula: Callable[..., tf.Tensor]

    def _call(self, inputs, training):
        x = self._checked(inputs)
        dtype = statistics.statistics_dtype(x.dtype)
        weights = {
            name: self._aligned(tf.cast(tf.convert_to_tensor(weight), dtype), x)
            for name, weight in self._weights().items()
        }
        computation = self._computation(x, training)
        passes = self._passes(computation, x, training)
        y, observed = keep_input.keep_input(computation, x, weights, self.compute_dtype, passes)
        if observed:
            self._observe(observed, x, training)
        return y

    def _passes(self, computation: Computation, x: tf.Tensor, training) -> keep_input.Passes:
        """Compiled code, XLA programs for the device's kind, or plain operations."""
        # Programs are cached, whatever operations the coefficients used.
        if quantization.is_active():
            return keep_input.PLAIN
        # A subclass may have another formula, so it does not inherit the name.
        kernel = vars(type(self)).get("_CPU_KERNEL") if self.nonlinearity else None
        if computation.coefficients is formulas.affine_coefficients:
            kernel = "affine"
        compiled = cpu_kernel.passes_of(kernel, computation, x, training)
        if compiled is not None:
            return compiled
        if xla_cpu.use_xla_programs(x, self.axis, training):
            return xla_cpu.PASSES
        return xla_gpu.PASSES if xla_gpu.use_xla_programs(x, training) else keep_input.PLAIN

    def _computation(self, x: tf.Tensor, training) -> Computation:
        """What this call computes; of x only rank and number of elements matter."""
        if self._is_affine:
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


class FusedBatchNormAct(settings.BatchNormActSettings, parts.BatchStatistics, FusedNormAct):
    """Base of the layers with batch statistics and their moving averages.

    `_coefficients` observes statistics in the order of `_MOVING`.
    """

    def _context(self, x, training):
        batch = self._batch_mode(self._moving_weights(), x, training)
        return super()._context(x, training)._replace(batch=batch)

    def _observe(self, observed, x, training):
        training = self._in_training(training)
        if training is False:
            return
        for weight, value in zip(self._moving_weights(), observed, strict=True):
            self._move(weight, value, x, training)
