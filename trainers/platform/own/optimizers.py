"""Learning rates and optimizers from their configuration, with Keras 3's."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from trainers.errors import TrainersError
from trainers.platform.own.loss_scale import LossScaleOptimizer
from trainers.platform.own.moving_average import ExponentialMovingAverage
from trainers.platform.own.optimization_config import OptimizationConfig

_SCHEDULES = {
    "stepwise": tf.keras.optimizers.schedules.PiecewiseConstantDecay,
    "exponential": tf.keras.optimizers.schedules.ExponentialDecay,
    "polynomial": tf.keras.optimizers.schedules.PolynomialDecay,
    "cosine": tf.keras.optimizers.schedules.CosineDecay,
}
_OPTIMIZERS = {
    "sgd": tf.keras.optimizers.SGD,
    "adam": tf.keras.optimizers.Adam,
    "rmsprop": tf.keras.optimizers.RMSprop,
}
_CLIPPING = ("clipnorm", "clipvalue", "global_clipnorm")


class LearningRate(tf.keras.optimizers.schedules.LearningRateSchedule):
    """The rate of each step: a linear warm-up, then a schedule.

        r(t) = w + (s(T) - w) t / T    for t < T
        r(t) = s(t)                    from then on

    with warm-up steps T, the warm-up's first rate w, and s(t) the schedule at step t - offset.

    Args:
      schedule: a function of the step.
      offset: subtracted from the schedule's steps.
      warmup_steps: steps of the warm-up; 0 for none.
      warmup_rate: the rate at step 0 of the warm-up.
    """

    def __init__(
        self,
        schedule: Callable[[tf.Tensor], tf.Tensor],
        offset: int = 0,
        warmup_steps: int = 0,
        warmup_rate: float = 0.0,
    ):
        """Keeps what the formula reads."""
        super().__init__()
        self._schedule, self._offset = schedule, offset
        self._warmup_steps, self._warmup_rate = warmup_steps, warmup_rate

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        """The rate of the step, a float32 scalar."""
        step = tf.cast(step, tf.float32)
        after = self._after_warmup(step)
        if not self._warmup_steps:
            return after
        end = self._after_warmup(tf.constant(self._warmup_steps, tf.float32))
        share = step / self._warmup_steps
        rising = self._warmup_rate + share * (end - self._warmup_rate)
        return tf.where(step < self._warmup_steps, rising, after)

    def _after_warmup(self, step: tf.Tensor) -> tf.Tensor:
        return tf.cast(self._schedule(step - self._offset), tf.float32)


def learning_rate(config: OptimizationConfig) -> LearningRate:
    """The configured rate as a function of the step.

    Raises:
      TrainersError: for a kind of rate or warm-up that only tf-models-official has.
    """
    kind, warmup = config.learning_rate.type, config.warmup.type
    if warmup not in (None, "linear"):
        raise _unknown("warmup", ["linear"], warmup)
    rising = {}
    if warmup:
        linear = config.warmup.linear
        rising = {
            "warmup_steps": linear.warmup_steps,
            "warmup_rate": linear.warmup_learning_rate,
        }
    if kind == "constant":
        rate = config.learning_rate.constant.learning_rate
        return LearningRate(lambda _: tf.constant(rate), **rising)
    if kind not in _SCHEDULES:
        raise _unknown("learning_rate", ["constant", *_SCHEDULES], kind)
    settings = config.learning_rate.get().as_dict()
    offset = settings.pop("offset")
    return LearningRate(_SCHEDULES[kind](**settings), offset, **rising)


def create(config: OptimizationConfig) -> Any:
    """The configured optimizer, within moving averages if they are configured.

    Unlike tf-models-official's, gradients are clipped on each replica and not after their sum, and
    RMSprop without momentum has epsilon inside the root.

    Raises:
      TrainersError: for an optimizer or a setting that only tf-models-official has.
    """
    kind = config.optimizer.type
    if kind not in _OPTIMIZERS:
        raise _unknown("optimizer", [*_OPTIMIZERS], kind)
    settings = config.optimizer.get().as_dict()
    if settings.pop("decay", 0):
        raise TrainersError(
            "`optimizer.sgd.decay` needs tf-models-official; choose a `learning_rate` that decays"
        )
    settings = {k: v for k, v in settings.items() if k not in _CLIPPING or v is not None}
    optimizer = _OPTIMIZERS[kind](learning_rate=learning_rate(config), **settings)
    if config.ema is None:
        return optimizer
    return ExponentialMovingAverage(
        optimizer,
        trainable_weights_only=config.ema.trainable_weights_only,
        average_decay=config.ema.average_decay,
        start_step=config.ema.start_step,
        dynamic_decay=config.ema.dynamic_decay,
    )


def with_loss_scale(optimizer: Any, loss_scale: str | float | None) -> Any:
    """An optimizer for float16: with a fixed scale of the loss, or one that it finds itself.

    Args:
      optimizer: one that `create` returned.
      loss_scale: a number, or None or "dynamic" for a scale that is halved when gradients are
        not finite and doubled after 2000 steps that are.

    Raises:
      TrainersError: for a scale that is found together with moving averages.
    """
    if loss_scale not in (None, "dynamic"):
        inner = getattr(optimizer, "inner_optimizer", optimizer)
        inner.loss_scale_factor = float(loss_scale)  # type: ignore[arg-type]
        return optimizer
    if isinstance(optimizer, ExponentialMovingAverage):
        raise TrainersError(
            "`ema` does not go with float16 and a loss scale that changes; set "
            f"`runtime.loss_scale` to a number. Received: loss_scale={loss_scale!r}"
        )
    return LossScaleOptimizer(optimizer)


def scaled_loss(loss: tf.Tensor, optimizer: Any) -> tf.Tensor:
    """The loss times the optimizer's loss scale."""
    return optimizer.scale_loss(loss)


def apply_scaled(
    optimizer: LossScaleOptimizer, gradients: Sequence[tf.Tensor], variables: Sequence[tf.Variable]
) -> None:
    """Applies the gradients of a scaled loss; skips the step if one is not finite."""
    optimizer.apply(gradients, variables)


def make_variables(optimizer: Any, variables: Sequence[tf.Variable]) -> None:
    """Creates the optimizer's own variables before the first step."""
    optimizer.build(variables)


def state(optimizer: Any) -> list[tf.Variable]:
    """The optimizer's own variables."""
    return list(optimizer.variables)


def _unknown(field: str, kinds: Sequence[str], kind: str | None) -> TrainersError:
    return TrainersError(
        f"`trainer.optimizer_config.{field}.type` must be one of {', '.join(kinds)}; others need "
        f"tf-models-official. Received: type={kind!r}"
    )
