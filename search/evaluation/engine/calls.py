"""`Call`: the part of an instruction that runs or differentiates a registered primitive.

TensorFlow does both, without tracing: the array is copied into a tensor, and back. That takes some
hundred microseconds for each call, where an instruction of NumPy takes a few.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from evonorm_tf.graph import ops
from search.evaluation.engine.instructions import (
    BATCH,
    CHANNELS,
    EVERYWHERE,
    PLACES,
    Array,
    Axes,
    Sizes,
)

# The axes on which an aggregation has size 1. "WHCQ" is repeated for the channels of each group.
_REDUCED = {
    "BWH": frozenset({BATCH, PLACES}),
    "WHC": frozenset({PLACES, CHANNELS}),
    "WH": frozenset({PLACES}),
    "WHCQ": frozenset({PLACES}),
}


class Call(NamedTuple):
    """A registered primitive, or its gradient for one of its arguments, or the gradient of that.

    The gradient of a function for one argument is a function of the same arguments and of the
    upstream gradient of its result.

    Attributes:
      op: the primitive.
      index_set: that of an aggregation.
      differentiated: for each gradient the place of its argument, the innermost first.
    """

    op: str
    index_set: str | None = None
    differentiated: tuple[int, ...] = ()

    def gradient(self, place: int) -> "Call":
        """The gradient for the argument at a place."""
        return self._replace(differentiated=(*self.differentiated, place))

    def axes(self, sources: Sequence[Axes]) -> Axes:
        """The axes along which the result varies, from those of the arguments."""
        if self.index_set is None:
            return frozenset().union(*sources)
        return self._shapes()[-1]

    def run(self, arrays: Sequence[Array], sizes: Sizes) -> Array:
        """The result for arrays, which may have size 1 on any axis."""
        import tensorflow as tf

        if self.index_set is None:
            full = list(np.broadcast_arrays(*arrays))
        else:
            # A sum counts every element, so an array that does not vary along an axis is repeated.
            full = [
                np.broadcast_to(array, [n if i in axes else 1 for i, n in enumerate(sizes.shape)])
                for array, axes in zip(arrays, self._shapes(), strict=False)
            ]
        with tf.device("CPU"):
            tensors = [tf.constant(array) for array in full]
            return _gradient(self._function(sizes.groups), self.differentiated)(*tensors).numpy()

    def _shapes(self) -> list[Axes]:
        """The axes on which each argument of an aggregation has its full size; last, the result."""
        arguments, result = [EVERYWHERE], EVERYWHERE - _REDUCED[self.index_set or ""]
        for place in self.differentiated:
            arguments.append(result)
            result = arguments[place]
        return [*arguments, result]

    def _function(self, groups: int) -> Callable[..., Any]:
        from evonorm_tf.numerics import registered

        index_set = self.index_set
        if index_set is None:
            return lambda *inputs: registered.elementwise(self.op, *inputs)
        return lambda x: registered.aggregation(
            self.op, x, index_set, CHANNELS, groups, batch_axis=BATCH
        )


def is_called(op: str) -> bool:
    """Whether an operation is a registered one, for which the engine has no instruction."""
    return ops.registered(op) is not None


def _gradient(function: Callable[..., Any], places: Sequence[int]) -> Callable[..., Any]:
    """The function, differentiated for one argument after another."""
    if not places:
        return function
    import tensorflow as tf

    *inner, place = places
    differentiated = _gradient(function, inner)

    def run(*arguments: Any) -> Any:
        *given, upstream = arguments
        with tf.GradientTape() as tape:
            tape.watch(given[place])
            value = differentiated(*given)
        zero = tf.UnconnectedGradients.ZERO
        return tape.gradient(value, given[place], upstream, unconnected_gradients=zero)

    return run
