"""The classification task: model, loss, steps and metrics, for tf-models-official."""

import tensorflow as tf
from official.core import base_task, task_factory

from trainers.configs.classification import ClassificationConfig, DataConfig
from trainers.data import inputs
from trainers.engine import weight_decay
from trainers.engine.networks import build_network

_TOP_K = 5


@task_factory.register_task_cls(ClassificationConfig)
class ClassificationTask(base_task.Task):
    """Trains a network of `trainers.models` with any norm-act layer.

    Pixels from 0 to 255 are normalized here, so that an exported model takes them too.
    A step whose loss or gradients are not finite on any replica changes no weight by its
    gradients, and says so in its logs ("finite"), which the trainer turns into an error.
    """

    def build_model(self) -> tf.keras.Model:
        """The network; the same initial weights for the same `task.seed`."""
        tf.keras.utils.set_random_seed(self.task_config.seed)
        return build_network(self.task_config.model)

    def build_inputs(
        self,
        params: DataConfig,
        input_context: tf.distribute.InputContext | None = None,
        first_step: int = 0,
    ) -> tf.data.Dataset:
        """Batches (images, labels, weights), from a step on; see `trainers.data.inputs`."""
        return inputs.build_inputs(params, self.task_config.model, input_context, first_step)

    def build_metrics(self, training: bool = True) -> list[tf.keras.metrics.Metric]:
        """Accuracy; in evaluation top-5 accuracy, loss and the number of images too.

        All are weighted by the images' weights, so what fills up a batch does not count.
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
        """Pixels from 0 to 255, less the mean, over the standard deviation."""
        config = self.task_config.model
        mean, stddev = (tf.constant(list(x), tf.float32) for x in (config.mean, config.stddev))
        return (tf.cast(images, tf.float32) - mean) / stddev

    def logits(self, images: tf.Tensor, model: tf.keras.Model, training: bool) -> tf.Tensor:
        """float32 logits of pixels from 0 to 255."""
        return tf.cast(model(self.normalized(images), training=training), tf.float32)

    def train_step(self, inputs, model, optimizer, metrics=None):
        """One step on this replica; returns its logs: loss, and whether all are finite."""
        images, labels, _ = inputs
        config = self.task_config.losses
        decayed = weight_decay.decayed_variables(model)
        with tf.GradientTape() as tape:
            logits = self.logits(images, model, training=True)
            loss = tf.reduce_mean(self._cross_entropy(labels, logits))
            loss += weight_decay.penalty(decayed, config.weight_decay)
            # The optimizer adds up the replicas' gradients.
            scaled = loss / tf.distribute.get_strategy().num_replicas_in_sync
            if isinstance(optimizer, tf.keras.mixed_precision.LossScaleOptimizer):
                scaled = optimizer.get_scaled_loss(scaled)
        variables = model.trainable_variables
        gradients = tape.gradient(scaled, variables)
        if isinstance(optimizer, tf.keras.mixed_precision.LossScaleOptimizer):
            # It skips steps with infinite gradients itself, and lowers its scale.
            gradients = optimizer.get_unscaled_gradients(gradients)
            finite = everywhere(tf.math.is_finite(loss))
        else:
            finite = everywhere(tf.math.is_finite(loss + _norm(gradients)))
            gradients = [_kept_if(finite, gradient) for gradient in gradients]
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
        for metric in metrics or ():
            metric.update_state(labels, logits)
        return {self.loss: loss, "finite": finite}

    def validation_step(self, inputs, model, metrics=None):
        """Updates the metrics; the loss is one of them, since it is weighted."""
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

    def _cross_entropy(self, labels, logits) -> tf.Tensor:
        """The loss of each image."""
        smoothing = self.task_config.losses.label_smoothing
        if not smoothing:
            return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        one_hot = tf.one_hot(labels, self.task_config.model.num_classes)
        return tf.keras.losses.categorical_crossentropy(
            one_hot, logits, from_logits=True, label_smoothing=smoothing
        )


def everywhere(condition: tf.Tensor) -> tf.Tensor:
    """Whether a condition holds on all replicas; to be called within one."""
    context = tf.distribute.get_replica_context()
    failed = tf.cast(tf.logical_not(condition), tf.float32)
    if context is not None and context.num_replicas_in_sync > 1:
        failed = context.all_reduce(tf.distribute.ReduceOp.SUM, failed)
    return tf.equal(failed, 0.0)


def _norm(gradients) -> tf.Tensor:
    return tf.linalg.global_norm([gradient for gradient in gradients if gradient is not None])


def _kept_if(finite: tf.Tensor, gradient):
    return None if gradient is None else tf.where(finite, gradient, tf.zeros_like(gradient))
