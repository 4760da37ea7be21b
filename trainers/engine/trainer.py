"""Trains a task: resumes at its step, and notices values that are not finite."""

import functools
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from trainers.engine.base import EngineTask
from trainers.engine.config import ExperimentConfig
from trainers.platform import optimizers, training


class Trainer(training.Trainer):
    """Builds the training input at the step where training begins, and tracks finiteness.

    Args:
      config: the experiment's configuration.
      task: the task to train.
      train: whether the trainer is used for training.
      evaluate: whether it is used for evaluation.
      checkpoint_exporter: exports the best checkpoint.
    """

    def __init__(
        self,
        config: ExperimentConfig,
        task: EngineTask,
        train: bool,
        evaluate: bool,
        checkpoint_exporter: Any = None,
    ):
        """Builds model and optimizer, and variables of the latter; to be called in the scope."""
        model = task.build_model()
        optimizer = task.create_optimizer(config.trainer.optimizer_config, config.runtime)
        super().__init__(
            config,
            task,
            model=model,
            optimizer=optimizer,
            train=train,
            evaluate=evaluate,
            # The real input begins at the step of the checkpoint, which is restored later.
            train_dataset=tf.data.Dataset.range(0) if train else None,
            checkpoint_exporter=checkpoint_exporter,
        )
        if train:
            task.make_optimizer_variables(model, optimizer)
        self._first_bad_step = tf.Variable(
            0,
            dtype=tf.int64,
            trainable=False,
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        )
        self._weights_before_swap: list[tf.Tensor] | None = None

    @property
    def first_bad_step(self) -> int:
        """Number (from 1) of the first step that was not finite; 0 if there was none."""
        return int(self._first_bad_step.numpy())

    def restart(self) -> None:
        """Forgets the input and the bad step: the next loop builds its input again."""
        self._train_iter = None
        self._first_bad_step.assign(0)

    def train_input(self, first_step: int) -> tf.distribute.DistributedDataset:
        """The distributed training input from a step on."""
        build = functools.partial(self.task.build_inputs, first_step=first_step)
        return self.distribute_dataset(build, self.config.task.train_data)

    def train_loop_begin(self) -> None:
        """Builds the input at the first loop."""
        super().train_loop_begin()
        if self._train_iter is None:
            self.train_dataset = self.train_input(int(self.global_step.numpy()))

    def train_step(self, iterator: Iterator[Any]) -> None:
        """One step on all replicas."""

        def step(inputs: Any) -> None:
            run = self.task.train_step
            if self.config.runtime.enable_xla and self.config.runtime.num_gpus > 0:
                run = tf.function(run, jit_compile=True)
            logs = run(
                inputs, model=self.model, optimizer=self.optimizer, metrics=self.train_metrics
            )
            self._train_loss.update_state(logs[self.task.loss])
            self.global_step.assign_add(1)
            first = tf.logical_and(tf.equal(self._first_bad_step, 0), ~logs["finite"])
            self._first_bad_step.assign(
                tf.where(first, tf.identity(self.global_step), tf.identity(self._first_bad_step))
            )

        self.strategy.run(step, args=(next(iterator),), options=self._runtime_options)

    def eval_end(self, aggregated_logs: Any = None) -> Any:
        """Restores the exact weights from before `eval_begin`.

        tf-models-official swaps by adding and subtracting, which rounds at each evaluation.
        """
        logs = super().eval_end(aggregated_logs)
        if self._weights_before_swap is not None:
            for variable, value in zip(
                self.model.trainable_variables, self._weights_before_swap, strict=True
            ):
                variable.assign(value)
            self._weights_before_swap = None
        return logs

    def eval_begin(self) -> None:
        """Swaps in the moving averages of the weights, if the optimizer has them."""
        if isinstance(self.optimizer, optimizers.ExponentialMovingAverage):
            self._weights_before_swap = [v.numpy() for v in self.model.trainable_variables]
        super().eval_begin()
