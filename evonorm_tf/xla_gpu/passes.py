"""`PASSES`: the passes of `fused/keep_input.py` as XLA programs, one each.

XLA makes a kernel of element-wise work and the sums that it feeds, if it expects to gain by that.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from evonorm_tf.fused import keep_input
from evonorm_tf.fused.computation import Coefficients, Computation
from evonorm_tf.numerics import devices, statistics
from evonorm_tf.xla import internals, programs
from evonorm_tf.xla_gpu import kernels

Weights = Mapping[str, tf.Tensor]


def use_xla_programs(x: tf.Tensor, training: Any) -> bool:
    """Whether a layer's passes over x should be programs.

    They should in training where layers are traced for GPUs that XLA compiles for, and sizes are
    known (the batch's may be unknown). They should not in a SavedModel.
    """
    if training is not True or internals.is_saving():
        return False
    return x.shape[1:].is_fully_defined() and devices.xla_compiles_for_gpus()


def forward(
    computation: Computation, x: tf.Tensor, weights: Weights, dtype: tf.DType
) -> tuple[tf.Tensor, Any, Sequence[tf.Tensor]]:
    """`keep_input.forward` in one program, if the computation has a cache key."""
    key = computation.cache_key()
    if key is None:
        return keep_input.forward(computation, x, weights, dtype)

    def whole(x, *vectors):
        moments = None
        if computation.reduction is not None:
            moments = kernels.moments(computation, x)
        named = dict(zip(weights, vectors, strict=True))
        coefficients = computation.coefficients(moments, computation.context, **named)
        y = computation.output(statistics.widened(x), coefficients)
        return tf.cast(y, dtype), moments, tuple(coefficients.observed)

    return programs.run((forward, key, tuple(weights), dtype), whole, [x, *weights.values()])


def backward(
    computation: Computation, x: tf.Tensor, moments: Any, weights: Weights, upstream: tf.Tensor
) -> list[tf.Tensor]:
    """`keep_input.backward` in one program, if the computation has a cache key."""
    key = computation.cache_key()
    if key is None:
        return keep_input.backward(computation, x, moments, weights, upstream)

    given = computation, moments, weights

    def program(*tensors):
        compute = keep_input.of_tensors(_backward, *given)
        return programs.run((backward, key, tuple(weights)), compute, tensors)

    plain = keep_input.of_tensors(keep_input.backward, *given)
    tensors = [x, upstream, *weights.values(), *(moments or ())]
    return programs.with_gradients_of(plain, program, tensors)


PASSES = keep_input.Passes(forward, backward)


def _backward(
    computation: Computation, x: tf.Tensor, moments: Any, weights: Weights, upstream: tf.Tensor
) -> list[tf.Tensor]:
    """The steps of `keep_input.backward`, in the graph of a program."""
    small = [*(moments or ())]
    coefficients, vjp = programs.graph_value_and_vjp(
        lambda: computation.coefficients(moments, computation.context, **weights),
        [*weights.values(), *small],
    )
    values = coefficients.values
    if kernels.has_pairs(x, len(values)):
        gradient, totals = _in_pairs(computation, coefficients, small, x, upstream)
    else:
        gradient, totals = kernels.gradients(computation, coefficients, x, upstream)
    gradients = vjp([*values.values()], [totals[name] for name in values])
    weight_gradients, moment_gradients = gradients[: len(weights)], gradients[len(weights) :]
    if computation.reduction is not None:
        wide_x = statistics.widened(x)
        gradient += computation.reduction.gradient(wide_x, moments, moment_gradients)
    return [tf.cast(gradient, x.dtype), *weight_gradients]


def _in_pairs(
    computation: Computation, coefficients: Coefficients, moments, x: tf.Tensor, upstream: tf.Tensor
) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """The gradient for the formula's x, and those for the values, summed in pairs.

    The kernel of the gradient for x can hold a pair of sums that this gradient does not wait for,
    or a single sum. A single one beside a pair gets a kernel of its own.
    """
    awaited, others = _by_dependence(coefficients, moments)
    if len(others) > 2 and len(others) % 2:
        awaited, others = [*awaited, others[-1]], others[:-1]
    totals = kernels.value_gradients(computation, coefficients, awaited, x, upstream)
    if awaited:
        x, upstream = internals.optimization_barrier([x, upstream])
    totals |= kernels.value_gradients(computation, coefficients, others, x, upstream)
    gradient, _ = kernels.gradients(computation, coefficients, x, upstream)
    return gradient, totals


def _by_dependence(
    coefficients: Coefficients, moments: Sequence[tf.Tensor]
) -> tuple[list[str], list[str]]:
    """The values' names: those that depend on the moments, made even by one more, and the rest."""

    def depends(name: str) -> bool:
        return any(g is not None for g in tf.gradients(coefficients.values[name], moments))

    awaited = [name for name in coefficients.values if moments and depends(name)]
    others = [name for name in coefficients.values if name not in awaited]
    odd = len(awaited) % 2
    return awaited + others[:odd], others[odd:]
