"""`FusedNormAct`: a layer that is one formula of its input and small coefficients."""

from collections.abc import Callable, Hashable, Sequence

import tensorflow as tf

from evonorm_tf.fused import keep_input
from evonorm_tf.layers import base, parts
from evonorm_tf.numerics import statistics
from evonorm_tf.xla_cpu import sigmoid


class FusedNormAct(base.NormAct):
    """Base of the layers whose backward pass keeps nothing but their input.

    A subclass has the formula in `_formula`, an element of the output from the same
    element of the input, and its coefficients in `_coefficients`.
    """

    # Whether nonlinearity=False leaves x * gamma + beta and no normalization.
    _LINEAR_IS_AFFINE = False

    def _call(self, inputs, training):
        x = self._checked(inputs)
        given, training = training, self._mode(training)
        affine = self._LINEAR_IS_AFFINE and not self.nonlinearity

        def coefficients(reduced, *vectors):
            vectors = [self._aligned(vector, x) for vector in vectors]
            if affine:
                return keep_input.Coefficients(vectors)
            return self._coefficients(reduced, x, training, *vectors)

        dtype = statistics.statistics_dtype(x.dtype)
        recipe = keep_input.Recipe(
            multiply_add if affine else self._formula(),
            coefficients,
            None if affine else self._reduction(training),
            self.axis,
            self._rule(training),
        )
        vectors = [tf.cast(tf.convert_to_tensor(vector), dtype) for vector in self._vectors()]
        y, observed = keep_input.fused(recipe, x, vectors, self.compute_dtype, given)
        if observed:
            self._observe(observed, x, training)
        return y

    def _formula(self) -> Callable[..., tf.Tensor]:
        """The function of (x - shift, *coefficients)."""
        raise NotImplementedError

    def _reduction(self, training) -> keep_input.Reduction | None:
        """What the coefficients need of x."""
        return keep_input.MOMENTS

    def _coefficients(self, reduced, x, training, gamma, beta, v=None) -> keep_input.Coefficients:
        """The formula's coefficients; x serves for its rank and number of elements alone."""
        raise NotImplementedError

    def _rule(self, training) -> Hashable | None:
        """All that `_coefficients` takes from the layer itself; see `keep_input.Recipe`."""
        groups = getattr(self, "effective_groups", None)
        return type(self), self.axis, self.epsilon, self.nonlinearity, groups

    def _vectors(self) -> Sequence:
        v = getattr(self, "v", None)
        return [self.gamma, self.beta] if v is None else [self.gamma, self.beta, v]

    def _mode(self, training):
        return training

    def _observe(self, observed: Sequence[tf.Tensor], x: tf.Tensor, training) -> None:
        """Lets moving averages follow what the coefficients observed."""


class FusedBatchNormAct(parts.BatchStatistics, FusedNormAct):
    """Base of those with statistics over the batch, and moving averages of them."""

    # The weights that follow what `_coefficients` observes, in its order.
    _MOVING: tuple[str, ...]

    def build(self, input_shape):
        super().build(input_shape)
        if self.nonlinearity or not self._LINEAR_IS_AFFINE:
            for name in self._MOVING:
                setattr(self, name, self._add_moving(name))

    def _mode(self, training):
        return self._in_training(training)

    def _rule(self, training):
        # Replicas communicate outside of programs.
        apart = self.synchronized or training is not True
        return None if apart and self._moving_weights() else super()._rule(training)

    def _batch_moments(self, moments: statistics.Moments, x: tf.Tensor) -> statistics.Moments:
        return statistics.batch_moments(moments, self._element_count(x))

    def _moving_weights(self) -> Sequence:
        return [getattr(self, name) for name in self._MOVING if hasattr(self, name)]

    def _observe(self, observed, x, training):
        if training is False:
            return
        for weight, value in zip(self._moving_weights(), observed, strict=True):
            self._move(weight, value, x, training)


def multiply_add(x, scale, offset):
    """x * scale + offset."""
    return x * scale + offset


def rectified(x, scale, offset):
    """max(x * scale + offset, 0)."""
    return tf.nn.relu(x * scale + offset)


def gated(x, scale, offset, v):
    """n * sigmoid(v * n), n = x * scale + offset."""
    n = x * scale + offset
    return n * sigmoid.sigmoid(v * n)


def normalized(
    moments: statistics.Moments, epsilon: float, gamma, beta, *more: tf.Tensor
) -> keep_input.Coefficients:
    """Coefficients of n = (x - mean) / sqrt(variance + epsilon) * gamma + beta."""
    scale = gamma / tf.sqrt(moments.variance + epsilon)
    return keep_input.Coefficients((scale, beta - moments.rest * scale, *more), shift=moments.shift)
