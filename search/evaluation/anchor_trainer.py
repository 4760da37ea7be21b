"""`AnchorTrainer`: one anchor network, built and traced once, trained with one layer after another.

A training is one TensorFlow function with a loop over its steps, in which a candidate changes only
the function of the layers. All random numbers are drawn in advance from the seed, so all layers
start from the same kernels and get the same batches.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from evonorm_tf import compat
from evonorm_tf.factory import NormAct
from evonorm_tf.graph.layer_graph import LayerGraph
from search.config import Evaluation
from search.evaluation import networks
from search.evaluation.exchangeable_layer import exchangeable
from search.evaluation.stability import ascent_function
from trainers.data import ImageData, Split
from trainers.models.kernels import kernels

_EVALUATION_BATCH = 512


class AnchorTrainer:
    """Trains and scores an anchor.

    Args:
      anchor: any of `trainers.models.anchor_sources`.
      data: the images to train and score on.
      settings: the configuration's `evaluation`.
      seed: seed of the kernels, the batches and the crops.
      norm_act: a layer that the network is traced with; None for graphs, which `start`
        sets.
      width: factor on the anchor's width.

    Attributes:
      model: the Keras model.
      settings: the configuration's `evaluation`.
      graph: the graph of every layer, which `start` sets.
      batches: indices of the training images (steps, batch); with a crop, also the rows and
        the columns of each image (steps, batch, crop).
    """

    def __init__(
        self,
        anchor: str,
        data: ImageData,
        settings: Evaluation,
        seed: int,
        norm_act: NormAct | None = None,
        width: float | None = 1.0,
    ):
        self._data, self.settings = data, settings
        self.graph: LayerGraph | None = None
        self._arguments: dict[str, Any] = {
            "anchor": anchor,
            "seed": seed,
            "norm_act": norm_act,
            "width": width,
        }
        self._others: dict[Evaluation, AnchorTrainer] = {}
        self.model = self.rebuilt(norm_act)
        self._layers = networks.searched_layers(self.model)
        self._initial = self.model.get_weights()
        self._variables = [compat.variable(weight) for weight in self.model.trainable_weights]
        self._slots = [tf.Variable(tf.zeros_like(variable)) for variable in self._variables]
        self.batches = _draw_batches(len(data.train), settings, data.train.images.shape, seed)
        self._on_device: dict[int, tuple[Split, tf.Tensor, tf.Tensor]] = {}
        self._run_steps = self._steps_function()
        self._count_correct = self._correct_function()
        self._ascend = ascent_function(self._loss, self._variables, settings)

    def rebuilt(self, norm_act: NormAct | None) -> tf.keras.Model:
        """A new model of the same network with this layer; None for the searched one."""
        arguments = {**self._arguments, "norm_act": norm_act}
        return networks.build(images=self._data, settings=self.settings, **arguments)

    def other(self, **changes: Any) -> "AnchorTrainer":
        """The trainer of the same network with other settings; made once for each.

        Raises:
          TypeError: for a name that is no field of `evaluation`.
        """
        settings = dataclasses.replace(self.settings, **changes)
        if settings not in self._others:
            self._others[settings] = AnchorTrainer(
                data=self._data, settings=settings, **self._arguments
            )
        return self._others[settings]

    def start(self, graph: LayerGraph | None) -> None:
        """Resets all weights to their initial values, and sets the graph of every layer."""
        self.graph = graph
        self.model.set_weights(self._initial)
        for slot in self._slots:
            slot.assign(tf.zeros_like(slot))
        if graph is not None:
            program = exchangeable(graph)
            for layer in self._layers:
                layer.start(program)

    def train(self, first: int, last: int) -> bool:
        """Runs the steps first to last - 1; stops and returns False if a loss is not finite."""
        images, labels = self._tensors(self._data.train)
        rates = tf.constant(learning_rates(self.settings)[first:last])
        batches = [tf.constant(draw[first:last]) for draw in self.batches]
        done = self._run_steps(images, labels, rates, *batches)
        return int(done) == last - first

    def accuracy(self, split: Split) -> float:
        """The accuracy on a split in inference, from 0 to 1."""
        images, labels = self._tensors(split)
        correct = 0
        for first in range(0, len(split), _EVALUATION_BATCH):
            last = first + _EVALUATION_BATCH
            correct += int(self._count_correct(images[first:last], labels[first:last]))
        return correct / len(split)

    def largest_gradient(self) -> tuple[float, int]:
        """Runs the stability test from the initial weights, and restores the present ones.

        Returns:
          The largest gradient norm, infinite if one was not finite, and the number of steps.
        """
        weights = self.model.get_weights()
        averages = [layer.moving_averages for layer in self._layers]
        self.model.set_weights(self._initial)
        images, labels = self._tensors(self._data.train)
        # The last batch of the training, which is as random as the others.
        chosen = self.batches[0][-1][: self.settings.stability_batch]
        crops = [draw[-1][: self.settings.stability_batch] for draw in self.batches[1:]]
        x = self.prepared(tf.gather(images, chosen), *crops)
        steps, largest = self._ascend(x, tf.gather(labels, chosen))
        self.model.set_weights(weights)
        for layer, kept in zip(self._layers, averages, strict=True):
            layer.moving_averages = kept
        return float(largest), int(steps) - 1

    def _tensors(self, split: Split) -> tuple[tf.Tensor, tf.Tensor]:
        """The images and labels of a split as tensors, made once for each split object."""
        if id(split) not in self._on_device:
            # The reference to the split keeps its id from being reused.
            images, labels = tf.constant(split.images), tf.constant(split.labels)
            self._on_device[id(split)] = split, images, labels
        return self._on_device[id(split)][1:]

    def _steps_function(self) -> Callable[..., tf.Tensor]:
        # Any number of steps, in one trace.
        signature = [*map(_spec, self._tensors(self._data.train)), tf.TensorSpec([None])]
        signature += [tf.TensorSpec([None, *draw.shape[1:]], tf.int32) for draw in self.batches]

        @tf.function(autograph=False, input_signature=signature)
        def run(
            images: tf.Tensor,
            labels: tf.Tensor,
            rates: tf.Tensor,
            chosen: tf.Tensor,
            *crops: tf.Tensor,
        ) -> tf.Tensor:
            def body(i: tf.Tensor, _: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
                x = self.prepared(tf.gather(images, chosen[i]), *(crop[i] for crop in crops))
                finite = self._step(x, tf.gather(labels, chosen[i]), rates[i])
                return i + tf.cast(finite, tf.int32), finite

            def more(i: tf.Tensor, finite: tf.Tensor) -> tf.Tensor:
                return tf.logical_and(finite, i < tf.shape(rates)[0])

            return tf.while_loop(more, body, [0, True], parallel_iterations=1)[0]

        return run

    def _step(self, x: tf.Tensor, y: tf.Tensor, rate: tf.Tensor) -> tf.Tensor:
        """Runs one step of Nesterov momentum; returns whether the loss is finite."""
        with tf.GradientTape() as tape:
            loss = self._loss(x, y) + self._decay()
        gradients = tape.gradient(loss, self._variables)
        for variable, slot, gradient in zip(self._variables, self._slots, gradients, strict=True):
            if gradient is None:
                continue
            tf.raw_ops.ResourceApplyKerasMomentum(
                var=variable.handle,
                accum=slot.handle,
                lr=rate,
                grad=gradient,
                momentum=self.settings.momentum,
                use_nesterov=True,
            )
        return tf.math.is_finite(loss)

    def _correct_function(self) -> Callable[..., tf.Tensor]:
        split = self._data.train
        shapes = [None, *split.images.shape[1:]], [None]
        signature = [
            tf.TensorSpec(shapes[0], split.images.dtype),
            tf.TensorSpec(shapes[1], tf.int32),
        ]

        @tf.function(autograph=False, input_signature=signature)
        def correct(images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
            logits = self.model(self.prepared(images), training=False)
            hits = tf.equal(tf.argmax(logits, -1, output_type=tf.int32), labels)
            # argmax returns the first class for NaN, which is not a prediction.
            hits = tf.logical_and(hits, tf.reduce_all(tf.math.is_finite(logits), -1))
            return tf.reduce_sum(tf.cast(hits, tf.int32))

        return correct

    def _loss(self, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        logits = self.model(x, training=True)
        return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits))

    def _decay(self) -> tf.Tensor:
        if not self.settings.weight_decay:
            return 0.0
        squares = [tf.nn.l2_loss(kernel) for kernel in kernels(self.model)]
        return self.settings.weight_decay * tf.add_n(squares)

    def prepared(
        self,
        images: tf.Tensor,
        rows: tf.Tensor | None = None,
        columns: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Normalizes images for the model, and crops each to its rows and columns if given.

        Tokens, which are int32, stay as they are.
        """
        if images.dtype == tf.int32:
            return images
        if rows is not None:
            images = tf.gather(images, rows, axis=1, batch_dims=1)
            images = tf.gather(images, columns, axis=2, batch_dims=1)
        return (tf.cast(images, tf.float32) - self._data.mean) / self._data.stddev


def _spec(tensor: tf.Tensor) -> tf.TensorSpec:
    return tf.TensorSpec(tensor.shape, tensor.dtype)


def _draw_batches(
    count: int, settings: Evaluation, shape: tuple[int, ...], seed: int
) -> list[np.ndarray]:
    """Draws indices (steps, batch) in shuffled epochs; with a crop, also rows and columns."""
    rng = np.random.default_rng(seed)
    needed = settings.steps * settings.batch_size
    epochs = [rng.permutation(count) for _ in range(-(-needed // count))]
    chosen = np.concatenate(epochs)[:needed].reshape(settings.steps, settings.batch_size)
    draws = [chosen.astype(np.int32)]
    if settings.crop is not None:
        for size in shape[1:3]:
            first = rng.integers(size - settings.crop + 1, size=chosen.shape)
            draws.append((first[..., None] + np.arange(settings.crop)).astype(np.int32))
    return draws


def learning_rates(settings: Evaluation) -> np.ndarray:
    """The learning rate of each step, of shape (steps,)."""
    rates = np.full(settings.steps, settings.learning_rate, np.float32)
    if settings.schedule == "cosine":
        share = np.arange(settings.steps) / settings.steps
        rates *= 0.5 * (1 + np.cos(np.pi * share))
    if settings.warmup_steps:
        rates *= np.minimum(1.0, np.arange(1, settings.steps + 1) / settings.warmup_steps)
    return rates
