"""Trains the seeds of one cell of a study, which share one trace."""

import importlib
import time
from collections.abc import Iterator, Sequence

import tensorflow as tf

from trainers.classification import networks
from trainers.classification.task import ClassificationTask
from trainers.engine.trainer import Trainer
from trainers.studies.journal import Run
from trainers.studies.study import Cell, Study


def train(study: Study, cell: Cell, seeds: Sequence[int]) -> Iterator[Run]:
    """Trains each seed as the engine does, without checkpoints, and scores it on the test split."""
    module = importlib.import_module(f"trainers.experiments.{study.config}")
    arguments = study.settings[cell.setting]
    params = module.config(layer=cell.layer, network=cell.network, **arguments)
    params.task.validation_data.split = "test"
    with tf.distribute.OneDeviceStrategy("CPU:0").scope():
        trainer = Trainer(params, ClassificationTask(params.task), train=True, evaluate=True)
        for seed in seeds:
            yield {
                "network": cell.network,
                "layer": cell.layer,
                "setting": cell.setting,
                "seed": seed,
                **_scores(trainer, seed),
            }


def _scores(trainer: Trainer, seed: int) -> Run:
    start = time.monotonic()
    _restart(trainer, seed)
    steps = trainer.config.trainer.train_steps
    logs = trainer.train(tf.constant(steps))
    scores = trainer.evaluate(tf.constant(-1))
    return {
        "steps": steps,
        "accuracy": float(scores["accuracy"]),
        "training_loss": float(logs["training_loss"]),
        "first_bad_step": trainer.first_bad_step,
        "seconds": round(time.monotonic() - start, 1),
    }


def _restart(trainer: Trainer, seed: int) -> None:
    """Gives the trainer the weights and the order of data of a seed."""
    config = trainer.config.task
    tf.keras.utils.set_random_seed(seed)
    trainer.model.set_weights(networks.build_network(config.model).get_weights())
    for variable in (*trainer.optimizer.variables(), trainer.global_step):
        variable.assign(tf.zeros_like(variable))
    config.train_data.seed = seed
    trainer.restart()
