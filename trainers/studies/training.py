"""Trains the seeds of one cell of a study."""

import importlib
import tempfile
import time
from collections.abc import Iterator, Sequence

import tensorflow as tf

import trainers.tasks  # noqa: F401  (registers every kind of experiment)
from trainers.classification.task import ClassificationTask
from trainers.engine import kinds, parameters
from trainers.engine.config import ExperimentConfig
from trainers.engine.trainer import Trainer
from trainers.platform import optimizers
from trainers.studies.journal import Run
from trainers.studies.study import Cell, Score, Study


def configuration(study: Study, cell: Cell) -> ExperimentConfig:
    """The configuration of a cell's trainings, but for the seed."""
    module, _, function = study.config.partition(".")
    make = getattr(importlib.import_module(f"trainers.experiments.{module}"), function)
    return make(layer=cell.layer, **study.networks[cell.network], **study.settings[cell.setting])


def train(study: Study, cell: Cell, seeds: Sequence[int]) -> Iterator[Run]:
    """Trains each seed as the engine does, without checkpoints, and yields its scores.

    Classifications of one cell share a trace, which can take longer than the training. Other
    tasks have state that their model does not hold, so each of their seeds has its own trainer.

    Raises:
      TrainersError: for data that is missing or does not fit.
    """
    params = configuration(study, cell)
    parameters.check(params)
    parameters.check_data(params, "train_and_eval", replicas=1)
    scope = tf.distribute.OneDeviceStrategy("CPU:0").scope()
    trainer: Trainer | None = None
    with tempfile.TemporaryDirectory() as folder, scope:
        for seed in seeds:
            start = time.monotonic()
            params.task.seed = params.task.train_data.seed = seed
            if trainer is not None and isinstance(trainer.task, ClassificationTask):
                _restart(trainer)
            else:
                task = kinds.find(params.kind).task(params.task, logging_dir=folder)
                trainer = Trainer(params, task, train=True, evaluate=True)
            yield {
                "network": cell.network,
                "layer": cell.layer,
                "setting": cell.setting,
                "seed": seed,
                **_scores(trainer, study.scores),
                "seconds": round(time.monotonic() - start, 1),
            }


def _scores(trainer: Trainer, scores: Sequence[Score]) -> Run:
    steps = trainer.config.trainer.train_steps
    logs = trainer.train(tf.constant(steps))
    found = trainer.evaluate(tf.constant(-1))
    return {
        "steps": steps,
        **{score.key: float(found[score.key]) for score in scores},
        "training_loss": float(logs["training_loss"]),
        "first_bad_step": trainer.first_bad_step,
    }


def _restart(trainer: Trainer) -> None:
    """Gives the trainer of a classification the weights and the order of data of its new seed."""
    trainer.model.set_weights(trainer.task.build_model().get_weights())
    for variable in (*optimizers.state(trainer.optimizer), trainer.global_step):
        variable.assign(tf.zeros_like(variable))
    trainer.restart()
