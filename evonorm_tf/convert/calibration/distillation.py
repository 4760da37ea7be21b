"""Trains a converted network to compute what the old one does, on examples without labels."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from evonorm_tf import compat
from evonorm_tf.convert.calibration.examples import in_structure
from evonorm_tf.convert.plan import Plan
from evonorm_tf.convert.rebuild import Rebuilt

_BATCH = 64
_RATE = 1e-3
_TINY = 1e-6


def distill(plan: Plan, rebuilt: Rebuilt, arrays: Sequence[np.ndarray], steps: int) -> None:
    """Trains all trainable weights of the new network by Adam, with a rate that falls to 0.

    The loss is the squared error of the outputs, plus the mean of the squared errors at the
    replaced places, each divided by the variance of the old network's tensor. Both networks
    are in inference mode, so moving averages stay.

    Args:
      plan: of the conversion.
      rebuilt: the new network.
      arrays: examples, one array for each input.
      steps: of training, each on 64 examples.
    """
    teacher, student = _with_features(plan, rebuilt)
    rate = tf.keras.optimizers.schedules.CosineDecay(_RATE, steps)
    optimizer = tf.keras.optimizers.Adam(rate)
    outputs, weights = len(rebuilt.model.outputs), student.trainable_weights
    if not weights:
        return

    @tf.function
    def step(batch: Any) -> None:
        targets = tf.nest.flatten(teacher(batch, training=False))
        with tf.GradientTape() as tape:
            loss = _loss(tf.nest.flatten(student(batch, training=False)), targets, outputs)
        gradients = tape.gradient(loss, [compat.variable(w) for w in weights])
        optimizer.apply_gradients(zip(gradients, weights, strict=True))

    generator = np.random.default_rng(0)
    progress = tf.keras.utils.Progbar(steps)
    size = min(_BATCH, len(arrays[0]))
    for _ in range(steps):
        chosen = generator.choice(len(arrays[0]), size, replace=False)
        step(in_structure(rebuilt.model, [tf.constant(array[chosen]) for array in arrays]))
        progress.add(1)


def _loss(outputs: list[tf.Tensor], targets: list[tf.Tensor], count: int) -> tf.Tensor:
    """The error of the first `count` outputs, plus the mean error of the others, the features."""
    errors = [_error(y, target) for y, target in zip(outputs, targets, strict=True)]
    features = errors[count:]
    of_outputs = tf.add_n(errors[:count])
    return of_outputs + tf.add_n(features) / len(features) if features else of_outputs


def _error(y: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    y, target = tf.cast(y, tf.float32), tf.cast(target, tf.float32)
    _, variance = tf.nn.moments(target, [0])
    return tf.reduce_mean(tf.square(y - target)) / (tf.reduce_mean(variance) + _TINY)


def _with_features(plan: Plan, rebuilt: Rebuilt) -> tuple[tf.keras.Model, tf.keras.Model]:
    """Both networks with more outputs: the features at the places of the outermost model."""
    graph = plan.graphs[0]
    old, new = [], []
    for call in graph.calls:
        layers = rebuilt.layers.get(id(call.layer), [])
        if id(call.layer) in plan.nonlinearity and _has_one_call(layers[-1]):
            activation = plan.activations.get(id(call), [])
            old.append((activation[-1] if activation else call).outputs[0])
            new.append(layers[-1].output)
    teacher = tf.keras.Model(graph.model.inputs, [*graph.output_tensors, *old])
    outputs = tf.nest.flatten(rebuilt.model.outputs)
    return teacher, tf.keras.Model(rebuilt.model.inputs, [*outputs, *new])


def _has_one_call(layer: Any) -> bool:
    return len(layer._inbound_nodes) == 1
