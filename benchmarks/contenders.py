"""What the layer benchmark compares, by name: each a layer's forward and training pass.

    keras bn_relu       Keras's BatchNormalization and ReLU
    keras gn_relu       Keras's GroupNormalization and ReLU
    evonorm_s0          a registered layer
    evonorm_s0 graph    its graph as a GraphLayer
    evonorm_s0 plain    the same from one TensorFlow operation a node, without a gradient of its own
    evonorm_s0 kecam    keras_cv_attention_models' EvoNormalization
    evonorm_s0 timm     timm's, PyTorch in a process of its own; "timm compiled" by torch.compile
    copy                x + 1, which reads one array and writes one: the speed of memory

A pass is a function without arguments that returns when it is done, with its seconds.
"""

import functools
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

RIVAL = "keras bn_relu"
GROUP_RIVAL = "keras gn_relu"
COPY = "copy"
ARRAYS_OF_A_COPY = 2
_TORCH = "timm"


def least_arrays(name: str, kind: str) -> int:
    """Arrays of the input's size that a pass must read or write in memory.

    A layer with batch statistics reads x for them, and x again for its output; backward it reads x
    and the upstream gradient for sums over the batch, and again for its result. In a layer that
    keeps to an example, the example can stay in the cache between the two.

    Args:
      name: of a contender.
      kind: "forward", or "training" for both passes.
    """
    if name == COPY:
        return ARRAYS_OF_A_COPY
    uses_batch = name.startswith((RIVAL, "bn_", "evonorm_b"))
    forward, both = (3, 8) if uses_batch else (2, 5)
    return forward if kind == "forward" else both


def layer_of(name: str, dtype: str) -> Any:
    """A Keras layer, or several in a row."""
    import tensorflow as tf

    import evonorm_tf as en

    policy = dtype if dtype == "float32" else f"mixed_{dtype}"
    if name in (RIVAL, GROUP_RIVAL):
        norms = tf.keras.layers.BatchNormalization, tf.keras.layers.GroupNormalization
        norm = norms[name == GROUP_RIVAL](dtype=policy)
        return tf.keras.Sequential([norm, tf.keras.layers.ReLU(dtype=policy)])
    if name == COPY:
        return tf.keras.layers.Lambda(lambda x: x + 1, dtype=policy)
    registered, _, kind = name.partition(" ")
    if kind == "graph":
        return en.GraphLayer(_graph(registered), dtype=policy)
    if kind == "plain":
        return _plain(registered, policy)
    if kind == "kecam":
        return _kecam(registered, policy)
    return en.get(registered, dtype=policy)


def _graph(registered: str) -> Any:
    """A registered graph. Raises ValueError for a layer without one."""
    import evonorm_tf as en

    graph = en.registry.graph(registered)
    if graph is None:
        raise ValueError(f"`name` must be a layer with a graph. Received: {registered!r}")
    return graph


def _plain(registered: str, policy: str) -> Any:
    import evonorm_tf as en

    layer = en.GraphLayer(_graph(registered), dtype=policy)
    layer._plan = None  # each node is then computed by itself
    return layer


def _kecam(registered: str, policy: str) -> Any:
    from keras_cv_attention_models.attention_layers import EvoNormalization

    groups = {"evonorm_b0": -1, "evonorm_s0": 32}[registered]
    return EvoNormalization(nonlinearity=True, num_groups=groups, dtype=policy)


def training_pass(layers: list, how: str) -> Callable:
    """Of (x, upstream), a chain of layers' gradients for its input and weights, and its output.

    As in a network, the pass backward begins when the output is there.

    Args:
      layers: Keras layers.
      how: "function" for a tf.function, "xla" for one that XLA compiles, "eager" for none.
    """
    import tensorflow as tf

    def run(x: Any, upstream: Any) -> list[Any]:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = x
            for layer in layers:
                y = layer(y, training=True)
        sources = [x, *(weight for layer in layers for weight in layer.trainable_weights)]
        with tf.control_dependencies([y]):
            upstream = tf.identity(upstream)
        return [*tape.gradient(y, sources, upstream, unconnected_gradients="zero"), y]

    return _prepared(run, how)


def passes(name: str, shape: list[int], dtype: str, how: str) -> dict[str, Callable[[], float]]:
    """The contender's passes: "forward" and "training", seconds each time it is called."""
    if name.partition(" ")[2].startswith(_TORCH):
        return _torch_passes(name, shape, dtype)
    import tensorflow as tf

    x = tf.cast(tf.random.stateless_normal(shape, [1, 2]), dtype)
    layer = layer_of(name, dtype)
    layer.build(x.shape)
    upstream = tf.cast(tf.random.stateless_normal(shape, [3, 4]), dtype)
    forward = _prepared(lambda x, upstream: [layer(x, training=True)], how)
    training = training_pass([layer], how)

    def timed(run: Callable) -> Callable[[], float]:
        def once() -> float:
            start = time.perf_counter()
            # One element waits for all of the tensor, and copies none of it.
            run(x, upstream)[0][(0,) * len(shape)].numpy()
            return time.perf_counter() - start

        return once

    return {"forward": timed(forward), "training": timed(training)}


def _prepared(run: Callable, how: str) -> Callable:
    import tensorflow as tf

    if how == "eager":
        return run
    return tf.function(run, autograph=False, jit_compile=True if how == "xla" else None)


def _torch_passes(name: str, shape: list[int], dtype: str) -> dict[str, Callable[[], float]]:
    # In one process TensorFlow and PyTorch can crash each other; and threads that wait for
    # work by turning in circles would slow down whoever is next.
    quiet = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0", "KMP_BLOCKTIME": "0"}
    size = "x".join(map(str, shape))
    command = [sys.executable, "-m", "benchmarks.torch_contender", *name.split(" "), size, dtype]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **quiet},
    )

    if process.stdin is None or process.stdout is None:
        raise RuntimeError("a process with pipes has both")
    stdin, stdout = process.stdin, process.stdout

    def ask(kind: str) -> float:
        stdin.write(kind + "\n")
        stdin.flush()
        answer = stdout.readline()
        if not answer:
            raise RuntimeError(f"{name} ended with exit code {process.wait()}")
        return float(answer)

    return {kind: functools.partial(ask, kind) for kind in ("forward", "training")}
