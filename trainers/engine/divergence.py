"""Locates the first value that is not finite in a training: its step and its layer."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from trainers.engine.trainer import Trainer
from trainers.errors import TrainingDivergedError
from trainers.platform import model_parts
from trainers.platform.replicas import all_replicas

_BATCHES = 3


class StopWhenNotFinite:
    """An action after each training loop, which raises before a checkpoint is written.

    Args:
      trainer: the trainer that runs the loop.
      last_checkpoint: returns the path of the newest checkpoint, or None.
    """

    def __init__(self, trainer: Trainer, last_checkpoint: Callable[[], str | None]):
        """Keeps what the error message needs."""
        self._trainer = trainer
        self._last_checkpoint = last_checkpoint

    def __call__(self, _: object) -> None:
        """Raises TrainingDivergedError if a step was not finite."""
        step = self._trainer.first_bad_step
        if not step:
            return
        layer, sentence = _locate(self._trainer, step)
        kept = self._last_checkpoint() or "none was written"
        raise TrainingDivergedError(
            f"training stopped: loss or gradients were not finite at step {step}. {sentence} "
            f"Last good checkpoint: {kept}",
            step,
            layer,
        )


def _locate(trainer: Trainer, step: int) -> tuple[str | None, str]:
    """The layer's name, and a sentence about it, from the batches that begin with the step's own.

    The weights still are those of the step, since it did not apply its gradients.
    """
    for layer in trainer.model.layers:
        for variable in layer.trainable_variables:
            if not bool(tf.reduce_all(tf.math.is_finite(variable))):
                return layer.name, f"The weight {model_parts.name_of(variable)} is not finite."
    iterator = iter(trainer.train_input(step - 1))
    names_of_bad_values = _names_of_bad_values(trainer)
    for _ in range(_BATCHES):
        bad_outputs, bad_gradients = names_of_bad_values(next(iterator))
        if bad_outputs:
            layer = bad_outputs[0]
            return layer, f"First in the output of {layer} ({_class(trainer.model, layer)})."
        if bad_gradients:
            # The backward pass reaches the last variable of the network first.
            name = bad_gradients[-1]
            return _owner(trainer.model, name), f"First in the gradient of {name}."
    return None, "It does not occur again on the next batches."


def _names_of_bad_values(trainer: Trainer) -> Callable[..., list[list[str]]]:
    """A function of a distributed batch that names outputs and gradients that are not finite."""
    names: list[list[str]] = []

    def replica(batch: Any) -> list[tf.Tensor]:
        probed = trainer.task.probe(batch, trainer.model)
        names[:] = [[name for name, _ in pairs] for pairs in probed]
        return [_flags([tensor for _, tensor in pairs]) for pairs in probed]

    @tf.function
    def flags_of(batch: Any) -> list[tf.Tensor]:
        results = trainer.strategy.run(replica, args=(batch,))
        return [trainer.strategy.experimental_local_results(flags)[0] for flags in results]

    def names_of(batch: Any) -> list[list[str]]:
        flags = flags_of(batch)
        return [
            [name for name, finite in zip(group, values.numpy(), strict=True) if not finite]
            for group, values in zip(names, flags, strict=True)
        ]

    return names_of


def _flags(tensors: Sequence[tf.Tensor | None]) -> tf.Tensor:
    """For each tensor, whether all its elements are finite on all replicas."""
    flags = [
        all_replicas(tf.constant(True) if t is None else tf.reduce_all(tf.math.is_finite(t)))
        for t in tensors
    ]
    return tf.stack(flags) if flags else tf.zeros([0], tf.bool)


def _class(model: tf.keras.Model, layer_name: str) -> str:
    """Class of the layer of that name, in the model or a model within it."""
    layers = model_parts.layers_within(model)
    return type(next(layer for layer in layers if layer.name == layer_name)).__name__


def _owner(model: tf.keras.Model, variable_name: str) -> str | None:
    for layer in model.layers:
        if any(
            model_parts.name_of(variable) == variable_name for variable in layer.trainable_variables
        ):
            return layer.name
    return None
