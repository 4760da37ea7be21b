"""Learning rates, and what a step does with its optimizer."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from trainers import keras_choice

if TYPE_CHECKING or keras_choice.has_official():
    from official.modeling.optimization import (
        ExponentialMovingAverage,
        OptimizationConfig,
        OptimizerFactory,
    )

    LossScaleOptimizer = tf.keras.mixed_precision.LossScaleOptimizer

    def learning_rate(config: OptimizationConfig) -> Any:
        """The configured rate: a function of the step, or a number."""
        return OptimizerFactory(config).build_learning_rate()

    def scaled_loss(loss: tf.Tensor, optimizer: Any) -> tf.Tensor:
        """The loss times the optimizer's loss scale."""
        if isinstance(optimizer, LossScaleOptimizer):
            return optimizer.get_scaled_loss(loss)
        return loss

    def apply_scaled(
        optimizer: Any, gradients: Sequence[tf.Tensor], variables: Sequence[tf.Variable]
    ) -> None:
        """Applies the gradients of a scaled loss; skips the step if one is not finite."""
        gradients = optimizer.get_unscaled_gradients(gradients)
        optimizer.apply_gradients(zip(gradients, variables, strict=True))

    def make_variables(optimizer: Any, variables: Sequence[tf.Variable]) -> None:
        """Creates the optimizer's own variables before the first step.

        Wrappers (of a loss scale, of averaged weights) create theirs in the first trace.
        """
        make = getattr(optimizer, "_create_all_weights", None) or getattr(optimizer, "build", None)
        wrappers = (LossScaleOptimizer, ExponentialMovingAverage)
        if make is not None and not isinstance(optimizer, wrappers):
            make(variables)

    def state(optimizer: Any) -> list[tf.Variable]:
        """The optimizer's own variables."""
        return list(optimizer.variables())

else:
    from trainers.platform.own.loss_scale import LossScaleOptimizer
    from trainers.platform.own.moving_average import ExponentialMovingAverage
    from trainers.platform.own.optimizers import (
        apply_scaled,
        learning_rate,
        make_variables,
        scaled_loss,
        state,
    )

__all__ = [
    "ExponentialMovingAverage",
    "LossScaleOptimizer",
    "apply_scaled",
    "learning_rate",
    "make_variables",
    "scaled_loss",
    "state",
]
