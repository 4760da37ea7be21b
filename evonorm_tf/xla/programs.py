"""Programs: functions that XLA compiles, each kept for all layers that compute the same.

Where XLA compiles the whole model, a program becomes a part of the model's own.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import tensorflow as tf

from evonorm_tf.fused.vjp import ValueAndVjp, value_and_vjp
from evonorm_tf.xla import internals

Tensors = Sequence[tf.Tensor]

# The key: what is computed, the signature of the arguments, and whether XLA compiles the caller.
_PROGRAMS: dict[tuple[Hashable, tuple, bool], Callable] = {}


def run(key: Hashable, body: Callable, tensors: Tensors) -> Any:
    """Returns body(*tensors) without gradients, from a program.

    Args:
      key: the cache key. Bodies with equal keys must compute the same; they share a program for
        each signature of their arguments.
      body: returns tensors, in any structure.
      tensors: the arguments.
    """
    signature = tuple((tuple(tensor.shape), tensor.dtype) for tensor in tensors)
    full_key = key, signature, internals.in_xla()
    if full_key not in _PROGRAMS:
        _PROGRAMS[full_key] = _program(body, signature, full_key[2])
    # A tape must not record the program: its own gradient would keep intermediate arrays.
    return _PROGRAMS[full_key](*(tf.stop_gradient(tensor) for tensor in tensors))


def _program(body: Callable, signature: tuple, in_xla: bool) -> Callable:
    """Traces a program, outside every graph and every tape.

    If `in_xla`, XLA compiles the program as a part of its caller.
    """
    function = tf.function(body, jit_compile=not in_xla, autograph=False)
    specs = [tf.TensorSpec(shape, dtype) for shape, dtype in signature]
    with tf.init_scope():
        return function.get_concrete_function(*specs)


def with_gradients_of(plain: Callable, program: Callable, tensors: Tensors) -> Any:
    """Returns program(*tensors) with the gradients of plain(*tensors), which must equal it."""

    @tf.custom_gradient
    def run_once(*tensors):
        def gradient(*upstream):
            # A tensor can be an argument twice; each argument has its own gradient.
            sources = [tf.identity(tensor) for tensor in tensors]
            values, vjp = value_and_vjp(lambda: plain(*sources), sources)
            return vjp(tf.nest.flatten(values), upstream)

        return program(*tensors), gradient

    return run_once(*tensors)


def graph_value_and_vjp(compute: Callable[[], Any], sources: Tensors) -> ValueAndVjp:
    """`value_and_vjp` in the graph that is being traced; it needs no tape."""

    def vjp(targets, upstream):
        zero = tf.UnconnectedGradients.ZERO
        return tf.gradients(targets, sources, upstream, unconnected_gradients=zero)

    return compute(), vjp
