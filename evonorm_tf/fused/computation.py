"""`Computation`: a layer as moments of x, small coefficients and an element-wise formula.

moments = reduction(x)                                     over the spatial axes
coefficients = coefficients(moments, context, **weights)   small arrays, by name
y = formula(x - shift, **coefficients)                     element by element
"""

from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from evonorm_tf.numerics import statistics


class Reduction(NamedTuple):
    """Spatial statistics of x.

    Attributes:
      compute: (x, axes) -> a named tuple of moments.
      gradient: (x, moments, upstream gradient of each moment) -> gradient for x.
    """

    compute: Callable[..., Any]
    gradient: Callable[..., tf.Tensor]


MOMENTS = Reduction(statistics.moments, statistics.moments_gradient)
SECOND_MOMENT = Reduction(statistics.mean_of_squares, statistics.mean_of_squares_gradient)


class Coefficients(NamedTuple):
    """The arguments of a formula besides x, each broadcastable to x.

    Attributes:
      values: by the name of the formula's argument. XLA programs compute their gradients in
        pairs, in this order; names 1 and 2, 3 and 4, ... should share work.
      shift: subtracted from x before the formula; a constant for gradients. None: no shift.
      observed: batch statistics that moving averages follow.
    """

    values: dict[str, tf.Tensor]
    shift: tf.Tensor | None = None
    observed: Sequence[tf.Tensor] = ()


class BatchMode(NamedTuple):
    """Whether one call uses batch statistics or their moving averages.

    Attributes:
      training: True for the batch's, False for the moving averages; may be a scalar tensor.
      elements: number of elements per channel on this replica, if replicas share statistics.
      moving: functions that read the moving averages, which broadcast to x; empty if `training`
        is True.
    """

    training: bool | tf.Tensor
    elements: tf.Tensor | None = None
    moving: tuple[Callable[[], tf.Tensor], ...] = ()

    def choose(self, from_batch: Callable[..., Any], from_moving: Callable[..., Any]) -> Any:
        """Returns from_batch(elements) in training, from_moving(*moving) in inference."""

        def in_training():
            return from_batch(self.elements)

        def in_inference():
            return from_moving(*(read() for read in self.moving))

        if isinstance(self.training, bool):
            return in_training() if self.training else in_inference()
        return tf.cond(self.training, in_training, in_inference)


class Context(NamedTuple):
    """Everything that coefficients may read besides moments and weights.

    Attributes:
      axis: the channel axis.
      epsilon: added to variances and second moments, inside the square root.
      groups: number of channel groups; None for a layer without groups.
      batch: the `BatchMode` of a layer with statistics over the batch, else None.
      extra: whatever else one kind of layer reads; must be hashable.
    """

    axis: int
    epsilon: float
    groups: int | None = None
    batch: BatchMode | None = None
    extra: Hashable = None

    def cache_key(self) -> Hashable | None:
        """The context, or None if it holds tensors or reads moving averages."""
        batch = self.batch
        is_local = batch is None or (batch.training is True and batch.elements is None)
        return self if is_local else None


class Computation(NamedTuple):
    """What a layer computes in one call.

    Attributes:
      formula: (x - shift, **coefficients) -> y, element by element.
      coefficients: (moments, context, **weights) -> `Coefficients`.
      context: the `Context` of this call.
      reduction: which moments `coefficients` gets; None for none.
    """

    formula: Callable[..., tf.Tensor]
    coefficients: Callable[..., Coefficients]
    context: Context
    reduction: Reduction | None

    def moments(self, x: tf.Tensor) -> Any:
        """The spatial moments of x; None without a reduction."""
        if self.reduction is None:
            return None
        axes = statistics.spatial_axes(x.shape.rank, self.context.axis)
        return self.reduction.compute(x, axes)

    def output(self, x: tf.Tensor, coefficients: Coefficients) -> tf.Tensor:
        """The formula's value for x in the dtype of the coefficients."""
        shifted = x if coefficients.shift is None else x - coefficients.shift
        return self.formula(shifted, **coefficients.values)

    def cache_key(self) -> Hashable | None:
        """Computations with equal keys compute the same; None where this is not certain.

        `coefficients` must be a function or a class method: these read a layer's attributes
        through the context only. A closure or a method of a layer can read more, and has no key.
        """
        owner = getattr(self.coefficients, "__self__", None)
        is_closure = getattr(self.coefficients, "__closure__", None) is not None
        if not isinstance(owner, type) and (owner is not None or is_closure):
            return None
        key = self.context.cache_key()
        return None if key is None else (self.formula, self.coefficients, key, self.reduction)
