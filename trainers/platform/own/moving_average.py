"""Moving averages of the weights, kept beside an optimizer."""

from collections.abc import Iterable
from typing import Any

import tensorflow as tf


class ExponentialMovingAverage(tf.Module):
    """An optimizer that also keeps moving averages a of the model's weights w.

    After update number t, counted from 1, and from zeros at the beginning,

        a <- d a + (1 - d) w,    d = min(D, (1 + t - S) / (10 + t - S))

    with the decay D and the start step S; d = D without `dynamic_decay`, and d = 0 before step S.
    Keras 3's own averages (`use_ema`) have a constant decay only.

    Args:
      optimizer: applies the gradients.
      trainable_weights_only: whether statistics that layers collect are not averaged.
      average_decay: D.
      start_step: S.
      dynamic_decay: whether d is smaller at first.
    """

    def __init__(
        self,
        optimizer: tf.keras.optimizers.Optimizer,
        trainable_weights_only: bool = True,
        average_decay: float = 0.99,
        start_step: int = 0,
        dynamic_decay: bool = True,
    ):
        """Keeps the settings; `shadow_copy` creates the averages."""
        super().__init__()
        self.inner_optimizer = optimizer
        self._trainable_only = trainable_weights_only
        self._average_decay, self._start_step = average_decay, start_step
        self._dynamic_decay = dynamic_decay
        self._weights: list[tf.Variable] = []
        self.averages: list[tf.Variable] = []

    def shadow_copy(self, model: tf.keras.Model) -> None:
        """Creates the averages, in the strategy's scope."""
        weights = model.trainable_variables if self._trainable_only else model.variables
        weights = [weight for weight in weights if weight.dtype.startswith("float")]
        self._weights = [weight.value for weight in weights]
        self.averages = [
            tf.Variable(tf.zeros(weight.shape, weight.dtype), trainable=False) for weight in weights
        ]

    def build(self, variables: Iterable[tf.Variable]) -> None:
        """Creates the variables of the inner optimizer."""
        self.inner_optimizer.build(list(variables))

    def scale_loss(self, loss: tf.Tensor) -> tf.Tensor:
        """The loss times the inner optimizer's loss scale."""
        return self.inner_optimizer.scale_loss(loss)

    @property
    def iterations(self) -> tf.Variable:
        """The number of updates."""
        return self.inner_optimizer.iterations

    @property
    def learning_rate(self) -> tf.Tensor:
        """The rate of the next update."""
        return self.inner_optimizer.learning_rate

    def apply_gradients(self, gradients_and_variables: Iterable[tuple[Any, tf.Variable]]) -> None:
        """One update, on a replica."""
        self.inner_optimizer.apply_gradients(gradients_and_variables)
        tf.__internal__.distribute.interim.maybe_merge_call(
            self._update, tf.distribute.get_strategy()
        )

    def _update(self, strategy: tf.distribute.Strategy) -> None:
        kept = self._decay(tf.cast(self.inner_optimizer.iterations, tf.float32))

        def move(average: tf.Variable, weight: tf.Tensor) -> None:
            average.assign_sub(tf.cast(1.0 - kept, average.dtype) * (average - weight))

        for average, weight in zip(self.averages, self._weights, strict=True):
            strategy.extended.update(average, move, args=(weight,), group=False)

    def _decay(self, step: tf.Tensor) -> tf.Tensor:
        decay = tf.constant(self._average_decay)
        if self._dynamic_decay:
            passed = step - self._start_step
            decay = tf.minimum(decay, (1.0 + passed) / (10.0 + passed))
        return tf.where(step < self._start_step, 0.0, decay)

    def swap_weights(self) -> None:
        """Exchanges weights and averages; called twice, it restores both exactly."""
        for average, weight in zip(self.averages, self._weights, strict=True):
            before = weight.numpy()
            weight.assign(average.numpy())
            average.assign(before)
