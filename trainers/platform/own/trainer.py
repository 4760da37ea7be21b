"""`Trainer`, the loops over the steps of a training and of an evaluation."""

import abc
import functools
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from trainers.platform.own.best_checkpoint import BestCheckpoint
from trainers.platform.own.moving_average import ExponentialMovingAverage


class Trainer(abc.ABC):
    """Trains and evaluates a model, on the replicas of the strategy in whose scope it is made.

    A subclass says what a step of training is. The steps between two outputs run in one
    tf.function.

    Args:
      config: the experiment's `ExperimentConfig`.
      task: the `Task` to train, with the methods of `trainers.engine.base.EngineTask`.
      model: its model.
      optimizer: its optimizer.
      train: whether the trainer is used for training.
      evaluate: whether it is used for evaluation.
      train_dataset: the distributed training input, or None to set `train_dataset` later.
      checkpoint_exporter: keeps the best checkpoint; may be None.
    """

    def __init__(
        self,
        config: Any,
        task: Any,
        *,
        model: tf.keras.Model,
        optimizer: Any,
        train: bool,
        evaluate: bool,
        train_dataset: Any = None,
        checkpoint_exporter: BestCheckpoint | None = None,
    ):
        """Creates step counter, metrics and checkpoint, and the averages of the weights."""
        self.strategy = tf.distribute.get_strategy()
        self.config, self.task, self.model, self.optimizer = config, task, model, optimizer
        self.checkpoint_exporter = checkpoint_exporter
        if isinstance(optimizer, ExponentialMovingAverage):
            optimizer.shadow_copy(model)
        self.global_step = tf.Variable(
            0,
            dtype=tf.int64,
            name="global_step",
            trainable=False,
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        )
        items = getattr(model, "checkpoint_items", {})
        self.checkpoint = tf.train.Checkpoint(
            global_step=self.global_step, model=model, optimizer=optimizer, **items
        )
        self._runtime_options = _options_of(config)
        self._train_loss = tf.keras.metrics.Mean("training_loss", dtype=tf.float32)
        self.train_metrics = task.build_metrics(training=True) if train else []
        self.validation_metrics = task.build_metrics(training=False) if evaluate else []
        self.train_dataset = train_dataset
        self._train_iter: Any = None

    def distribute_dataset(
        self, build: Callable[..., tf.data.Dataset], config: Any
    ) -> tf.distribute.DistributedDataset:
        """The input of all replicas, from a function that builds one pipeline's."""
        return self.strategy.distribute_datasets_from_function(
            lambda context: build(config, input_context=context)
        )

    def initialize(self) -> None:
        """Called for a model that begins its training."""
        self.task.initialize(self.model)

    def train(self, num_steps: tf.Tensor) -> dict[str, Any]:
        """Trains a number of steps; returns the mean loss and metrics, and the learning rate."""
        self.train_loop_begin()
        if self._train_iter is None:
            self._train_iter = iter(self.train_dataset)
        self._train_loop(self._train_iter, num_steps)
        return self.train_loop_end()

    @functools.cached_property
    def _train_loop(self) -> Callable[[Iterator[Any], tf.Tensor], None]:
        @tf.function
        def loop(iterator: Iterator[Any], num_steps: tf.Tensor) -> None:
            for _ in tf.range(num_steps):
                self.train_step(iterator)

        return loop

    def train_loop_begin(self) -> None:
        """Called before the steps; a subclass may set `train_dataset`."""
        self._train_loss.reset_state()

    @abc.abstractmethod
    def train_step(self, iterator: Iterator[Any]) -> None:
        """One step on all replicas."""

    def train_loop_end(self) -> dict[str, Any]:
        """The results of the steps; resets the metrics."""
        metrics = [*self.train_metrics, self._train_loss]
        logs = {metric.name: metric.result() for metric in metrics}
        for metric in metrics:
            metric.reset_state()
        return {**logs, "learning_rate": tf.convert_to_tensor(self.optimizer.learning_rate)}

    def evaluate(self, num_steps: int) -> dict[str, Any]:
        """Evaluates a number of batches; -1 for all."""
        self.eval_begin()
        state = None
        batches = iter(self._validation_input)
        done = 0
        while done != num_steps:
            try:
                outputs = self._eval_step(batches)
            except (StopIteration, tf.errors.OutOfRangeError):
                break
            state = self.task.aggregate_logs(state, outputs)
            done += 1
        return self.eval_end(state)

    @functools.cached_property
    def _validation_input(self) -> tf.distribute.DistributedDataset:
        return self.distribute_dataset(self.task.build_inputs, self.config.task.validation_data)

    @functools.cached_property
    def _eval_step(self) -> Callable[[Iterator[Any]], Any]:
        def on_replica(inputs: Any) -> Any:
            return self.task.validation_step(
                inputs, model=self.model, metrics=self.validation_metrics
            )

        @tf.function
        def step(iterator: Iterator[Any]) -> Any:
            outputs = self.strategy.run(on_replica, args=(next(iterator),))
            return tf.nest.map_structure(self.strategy.experimental_local_results, outputs)

        return step

    def eval_begin(self) -> None:
        """Resets the metrics, and swaps in the averages of the weights, if there are any."""
        for metric in self.validation_metrics:
            metric.reset_state()
        self._swap_averages()

    def eval_end(self, aggregated_logs: Any = None) -> dict[str, Any]:
        """The results of an evaluation; exports the checkpoint if it is the best so far."""
        logs = {metric.name: metric.result() for metric in self.validation_metrics}
        if aggregated_logs is not None:
            logs.update(self.task.reduce_aggregated_logs(aggregated_logs, self.global_step))
        if self.checkpoint_exporter is not None:
            step = int(self.global_step.numpy())
            logs.update(self.checkpoint_exporter.maybe_export(self.checkpoint, logs, step))
        self._swap_averages()
        return logs

    def _swap_averages(self) -> None:
        if isinstance(self.optimizer, ExponentialMovingAverage):
            self.optimizer.swap_weights()


def _options_of(config: Any) -> tf.distribute.RunOptions:
    padder = config.runtime.tpu_enable_xla_dynamic_padder
    options = {} if padder is None else {"enable_xla_dynamic_padder": padder}
    return tf.distribute.RunOptions(experimental_xla_options=tf.tpu.XLAOptions(**options))
