"""Says where a training stopped being finite: the step and the first layer."""

import tensorflow as tf

from trainers.engine.task import everywhere
from trainers.engine.trainer import Trainer
from trainers.errors import TrainingDivergedError

_BATCHES = 3


class StopWhenNotFinite:
    """An action after each training loop; raises before a checkpoint is written.

    Args:
      trainer: whose loop it is.
      last_checkpoint: returns the path of the newest checkpoint, or None.
    """

    def __init__(self, trainer: Trainer, last_checkpoint):
        self._trainer = trainer
        self._last_checkpoint = last_checkpoint

    def __call__(self, _):
        """Raises TrainingDivergedError if a step was not finite."""
        step = self._trainer.first_bad_step
        if not step:
            return
        layer, what = _locate(self._trainer, step)
        kept = self._last_checkpoint() or "none was written"
        raise TrainingDivergedError(
            f"training stopped: loss or gradients were not finite at step {step}. {what} "
            f"Last good checkpoint: {kept}",
            step,
            layer,
        )


def _locate(trainer: Trainer, step: int) -> tuple[str | None, str]:
    """The layer's name, and a sentence, from the batches that begin with the step's own.

    The weights are those of the step: gradients that are not finite change none.
    """
    for layer in trainer.model.layers:
        for variable in layer.trainable_variables:
            if not bool(tf.reduce_all(tf.math.is_finite(variable))):
                return layer.name, f"The weight {variable.name} is not finite."
    iterator = iter(trainer.train_input(step - 1))
    watch = _watched(trainer)
    for _ in range(_BATCHES):
        outputs, gradients = (list(flags.numpy()) for flags in watch(next(iterator)))
        if not all(outputs):
            layer = trainer.model.layers[outputs.index(False)]
            return layer.name, f"First in the output of {layer.name} ({type(layer).__name__})."
        if not all(gradients):
            # Backwards: the last variable in the network's order comes first.
            name = trainer.model.trainable_variables[
                len(gradients) - 1 - gradients[::-1].index(False)
            ].name
            return _owner(trainer.model, name), f"First in the gradient of {name}."
    return None, "It does not occur again on the next batches."


def _watched(trainer: Trainer):
    """A function of a distributed batch: which layers' outputs and gradients are finite."""
    model, task = trainer.model, trainer.task
    inside = tf.keras.Model(model.inputs, [layer.output for layer in model.layers])

    def replica(batch):
        images, labels, _ = batch
        with tf.GradientTape() as tape:
            outputs = inside(task.normalized(images), training=True)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
                labels, tf.cast(outputs[-1], tf.float32)
            )
            loss = tf.reduce_mean(losses)
        gradients = tape.gradient(loss, model.trainable_variables)
        return _flags(outputs), _flags(gradients)

    @tf.function
    def watch(batch):
        results = trainer.strategy.run(replica, args=(batch,))
        return [trainer.strategy.experimental_local_results(flags)[0] for flags in results]

    return watch


def _flags(tensors) -> tf.Tensor:
    """For each tensor whether all its elements are finite on all replicas."""
    return tf.stack(
        [
            everywhere(tf.constant(True) if t is None else tf.reduce_all(tf.math.is_finite(t)))
            for t in tensors
        ]
    )


def _owner(model: tf.keras.Model, variable_name: str) -> str | None:
    for layer in model.layers:
        if any(variable.name == variable_name for variable in layer.trainable_variables):
            return layer.name
    return None
