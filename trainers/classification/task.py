"""The classification task: model, loss, steps and metrics."""

from typing import Any

import tensorflow as tf

from trainers.classification import class_names, networks, weight_decay
from trainers.classification.config import ClassificationConfig, ExperimentConfig
from trainers.data import inputs
from trainers.data.config import DataConfig
from trainers.engine import kinds, steps
from trainers.engine.base import EngineTask, Named
from trainers.errors import TrainersError
from trainers.models import norm_act
from trainers.platform import model_parts

_TOP_K = 5


@kinds.register(ExperimentConfig)
class ClassificationTask(EngineTask):
    """Trains a network of `trainers.models` with any norm-act layer.

    The task normalizes pixels from 0 to 255, so that an exported model takes them too. A step
    whose loss or gradients are not finite on any replica does not apply its gradients and
    reports it in its logs ("finite"); the trainer then raises an error.
    """

    unread = ("task.allow_image_summary",)

    @classmethod
    def check(cls, params: ExperimentConfig) -> None:
        """Checks network, layer, and the images' size and scaling. Raises TrainersError."""
        model = params.task.model
        networks.check_network(model.network)
        norm_act.source_of(model.norm_act)
        channels = len(model.input_size) == 3 and model.input_size[2]
        if not channels or {len(model.mean), len(model.stddev)} != {channels}:
            raise TrainersError(
                "`task.model.input_size` must be height, width, channels, and `mean` and "
                f"`stddev` have a number for each channel. Received: "
                f"input_size={list(model.input_size)}, "
                f"mean={list(model.mean)}, stddev={list(model.stddev)}"
            )

    @classmethod
    def check_data(cls, config: DataConfig, params: ExperimentConfig, path: str) -> None:
        """Compares a data set's images and classes with the model's. Raises TrainersError."""
        inputs.check(config, params.task.model, path)

    @classmethod
    def data_name(cls, config: DataConfig) -> str:
        """The data set's source."""
        return config.source

    @classmethod
    def in_inference(cls, config: ClassificationConfig) -> ClassificationConfig:
        """Without recomputation, with which a model cannot be saved."""
        return config.replace(recompute=False)

    def build_model(self) -> tf.keras.Model:
        """The network, with the same initial weights for the same `task.seed`."""
        tf.keras.utils.set_random_seed(self.task_config.seed)
        return networks.build_network(self.task_config.model, self.task_config.recompute)

    def build_inputs(
        self,
        params: DataConfig,
        input_context: tf.distribute.InputContext | None = None,
        first_step: int = 0,
    ) -> tf.data.Dataset:
        """Batches (images, labels, weights), from a step on; see `trainers.data.inputs`."""
        return inputs.build_inputs(params, self.task_config.model, input_context, first_step)

    def write_assets(self, model_dir: str) -> None:
        """Writes the names that the training data set gives its classes."""
        names = inputs.class_names(self.task_config.train_data)
        if names:
            class_names.write(model_dir, names)

    def build_metrics(self, training: bool = True) -> list[tf.keras.metrics.Metric]:
        """Accuracy; in evaluation top-5 accuracy, loss and the number of images too.

        All are weighted by the images' weights: images that only fill up a batch have weight 0.
        """
        accuracy = tf.keras.metrics.SparseCategoricalAccuracy("accuracy")
        if training:
            return [accuracy]
        return [
            accuracy,
            tf.keras.metrics.SparseTopKCategoricalAccuracy(_TOP_K, f"top_{_TOP_K}_accuracy"),
            tf.keras.metrics.Mean("validation_loss"),
            tf.keras.metrics.Sum("images"),
        ]

    def normalized(self, images: tf.Tensor) -> tf.Tensor:
        """Pixels from 0 to 255, minus the mean, divided by the standard deviation."""
        config = self.task_config.model
        mean, stddev = (tf.constant(list(x), tf.float32) for x in (config.mean, config.stddev))
        return (tf.cast(images, tf.float32) - mean) / stddev

    def logits(self, images: tf.Tensor, model: tf.keras.Model, training: bool) -> tf.Tensor:
        """The float32 logits of images with pixels from 0 to 255."""
        return tf.cast(model(self.normalized(images), training=training), tf.float32)

    def train_step(
        self,
        inputs: Any,
        model: tf.keras.Model,
        optimizer: Any,
        metrics: list[tf.keras.metrics.Metric] | None = None,
    ) -> dict[str, tf.Tensor]:
        """One step on this replica; see the base class."""
        images, labels, _ = inputs
        config = self.task_config.losses
        decayed = weight_decay.decayed_variables(model)
        with tf.GradientTape() as tape:
            logits = self.logits(images, model, training=True)
            loss = tf.reduce_mean(self._cross_entropy(labels, logits))
            loss += weight_decay.penalty(decayed, config.weight_decay)
            scaled = steps.scaled(loss, optimizer)
        variables = model.trainable_variables
        gradients = tape.gradient(scaled, variables)
        finite = steps.apply_if_finite(gradients, variables, optimizer, loss)
        for metric in metrics or ():
            metric.update_state(labels, logits)
        return {self.loss: loss, "finite": finite}

    def probe(self, inputs: Any, model: tf.keras.Model) -> tuple[list[Named], list[Named]]:
        """The outputs of all layers, and the gradients of the loss without weight decay."""
        images, labels, _ = inputs
        all_layers = tf.keras.Model(model.inputs, [layer.output for layer in model.layers])
        with tf.GradientTape() as tape:
            outputs = all_layers(self.normalized(images), training=True)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
                labels, tf.cast(outputs[-1], tf.float32)
            )
            loss = tf.reduce_mean(losses)
        gradients = tape.gradient(loss, model.trainable_variables)
        names = [layer.name for layer in model.layers]
        variables = [model_parts.name_of(variable) for variable in model.trainable_variables]
        return (
            list(zip(names, outputs, strict=True)),
            list(zip(variables, gradients, strict=True)),
        )

    def validation_step(
        self,
        inputs: Any,
        model: tf.keras.Model,
        metrics: list[tf.keras.metrics.Metric] | None = None,
    ) -> dict[str, Any]:
        """Updates the metrics, one of which is the weighted loss."""
        images, labels, weights = inputs
        logits = self.logits(images, model, training=False)
        losses = self._cross_entropy(labels, logits)
        for metric in metrics or ():
            if metric.name == "validation_loss":
                metric.update_state(losses, weights)
            elif metric.name == "images":
                metric.update_state(weights)
            else:
                metric.update_state(labels, logits, weights)
        return {}

    def _cross_entropy(self, labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        """The loss of each image."""
        smoothing = self.task_config.losses.label_smoothing
        if not smoothing:
            return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        one_hot = tf.one_hot(labels, self.task_config.model.num_classes)
        return tf.keras.losses.categorical_crossentropy(
            one_hot, logits, from_logits=True, label_smoothing=smoothing
        )
