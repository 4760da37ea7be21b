"""`passes_of`: the passes of `fused/keep_input.py` as operations of `library.py`."""

import functools
import os
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from evonorm_tf.cpu_kernel import library
from evonorm_tf.fused import keep_input
from evonorm_tf.fused.computation import Computation
from evonorm_tf.numerics import devices
from evonorm_tf.numerics.statistics import Moments
from evonorm_tf.xla import internals
from evonorm_tf.xla.programs import with_gradients_of

Weights = Mapping[str, tf.Tensor]

# A vector of the processor has up to so many channels.
_LEAST_CHANNELS = 16


def passes_of(
    name: str | None, computation: Computation, x: tf.Tensor, training: Any
) -> keep_input.Passes | None:
    """The compiled passes of a layer; None where the layer should not use them.

    It should in training on the CPUs of this process, for float32 with at least 16 channels, the
    last axis. It should not where XLA compiles the caller or a SavedModel is traced, which have no
    such operation, nor where replicas share statistics.

    Args:
      name: "s0", "b0", "gn_relu", "affine", or None for any other layer.
      computation: what the layer computes.
      x: the layer's input.
      training: as the layer was called.
    """
    if name is None or training is not True or not _fits(computation, x):
        return None
    if internals.is_saving() or internals.in_xla() or not _runs_on_own_cpus():
        return None
    operations = library.operations()
    if operations is None:
        return None
    run = {kind: getattr(operations, f"evo_norm_{name}_{kind}") for kind in ("forward", "backward")}
    return keep_input.Passes(
        functools.partial(_forward, run["forward"]), functools.partial(_backward, run["backward"])
    )


def _fits(computation: Computation, x: tf.Tensor) -> bool:
    channels = x.shape[-1]
    return (
        computation.cache_key() is not None
        and computation.context.axis % x.shape.rank == x.shape.rank - 1
        and x.dtype == tf.float32
        and channels is not None
        and channels >= _LEAST_CHANNELS
    )


def _runs_on_own_cpus() -> bool:
    """Whether no GPU or TPU is present, nor another process to which TensorFlow sends graphs."""
    if devices.accelerator() is not None:
        return False
    names = (device.name for device in tf.config.list_logical_devices("CPU"))
    return len({name.rpartition("/device:")[0] for name in names}) == 1


def _attributes(computation: Computation) -> dict[str, Any]:
    context = computation.context
    threads = tf.config.threading.get_intra_op_parallelism_threads()
    return {
        "groups": context.groups or 1,
        "epsilon": context.epsilon,
        "threads": threads or len(os.sched_getaffinity(0)),
    }


def _forward(
    run: Any, computation: Computation, x: tf.Tensor, weights: Weights, dtype: tf.DType
) -> tuple[tf.Tensor, Any, Sequence[tf.Tensor]]:
    """`keep_input.forward` in one operation."""
    y, *small = tf.nest.flatten(run(x=x, **weights, **_attributes(computation)))
    moments, observed = small[:3], small[3:]
    for moment in moments:
        moment.set_shape([x.shape[0], *[1] * (x.shape.rank - 2), x.shape[-1]])
    return tf.cast(y, dtype), Moments(*moments) if moments else None, observed


def _backward(
    run: Any,
    computation: Computation,
    x: tf.Tensor,
    moments: Moments | None,
    weights: Weights,
    upstream: tf.Tensor,
) -> list[tf.Tensor]:
    """`keep_input.backward` in one operation, which has the gradients of that function."""
    given = computation, moments, weights
    compiled = keep_input.of_tensors(functools.partial(_gradients, run), *given)
    return with_gradients_of(
        keep_input.of_tensors(keep_input.backward, *given),
        lambda *tensors: compiled(*map(tf.stop_gradient, tensors)),
        [x, upstream, *weights.values(), *(moments or ())],
    )


def _gradients(
    run: Any,
    computation: Computation,
    x: tf.Tensor,
    moments: Moments | None,
    weights: Weights,
    upstream: tf.Tensor,
) -> list[tf.Tensor]:
    small = {**weights, **(moments._asdict() if moments else {})}
    upstream = tf.cast(upstream, x.dtype)
    dx, *vectors = run(x=x, upstream=upstream, **small, **_attributes(computation))
    for vector in vectors:
        vector.set_shape(x.shape[-1:])
    gradients = dict(zip(("gamma", "beta", "v"), vectors, strict=False))
    return [dx, *(gradients[name] for name in weights)]
