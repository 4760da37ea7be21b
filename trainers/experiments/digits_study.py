"""The study of batch sizes on the digits: a small version of the paper's table 4.

    python -m trainers.experiments.digits_study --output_dir=docs/trainers

Thirteen layers with 4, 16 and 128 images in a step, three seeds each, equally many epochs and a
linearly scaled learning rate. The trainings are those of `digits_resnet_small_*`, with the
engine's trainer; the three seeds of a layer and batch size share one trace, and no checkpoints
are written. runs.jsonl has the finished runs, which a new start does not repeat. Scores are those
of the test images after the last step.
"""

import json
import pathlib
from typing import Any

from absl import flags

from trainers import command

if __name__ == "__main__":
    flags.DEFINE_string("output_dir", "runs/digits_study", "Where the results go.")
    command.run_module("trainers.experiments.digits_study")

import tensorflow as tf

from trainers.classification import networks
from trainers.classification.task import ClassificationTask
from trainers.engine.trainer import Trainer
from trainers.experiments import digits, digits_report

SEEDS = (0, 1, 2)


def run(output: pathlib.Path) -> None:
    """Runs the missing trainings, then writes the table and the figure."""
    output.mkdir(parents=True, exist_ok=True)
    journal = output / "runs.jsonl"
    done = digits_report.read(journal)
    finished = {(run["layer"], run["batch_size"], run["seed"]) for run in done}
    for layer in sorted(digits.LAYERS, key=_rank):
        for batch_size in digits.BATCH_SIZES:
            missing = [seed for seed in SEEDS if (layer, batch_size, seed) not in finished]
            if missing:
                _append(journal, _train(layer, batch_size, missing))
    digits_report.write(digits_report.read(journal), output)


def _rank(layer: str) -> int:
    """The sort key of a layer: layers that the figure names come first."""
    return layer not in digits_report.SHOWN


def _train(layer: str, batch_size: int, seeds: list[int]) -> list[dict[str, Any]]:
    """Trains all seeds with one trainer, which is reset for each."""
    params = digits.config(layer, batch_size)
    params.task.validation_data.split = "test"
    with tf.distribute.OneDeviceStrategy("CPU:0").scope():
        trainer = Trainer(params, ClassificationTask(params.task), train=True, evaluate=True)
        return [_run(trainer, layer, batch_size, seed) for seed in seeds]


def _run(trainer: Trainer, layer: str, batch_size: int, seed: int) -> dict[str, Any]:
    config = trainer.config.task
    tf.keras.utils.set_random_seed(seed)
    trainer.model.set_weights(networks.build_network(config.model).get_weights())
    for variable in (*trainer.optimizer.variables(), trainer.global_step):
        variable.assign(tf.zeros_like(variable))
    config.train_data.seed = seed
    trainer.restart()
    logs = trainer.train(tf.constant(trainer.config.trainer.train_steps))
    scores = trainer.evaluate(tf.constant(-1))
    result = {
        "layer": layer,
        "batch_size": batch_size,
        "seed": seed,
        "steps": trainer.config.trainer.train_steps,
        "accuracy": float(scores["accuracy"]),
        "training_loss": float(logs["training_loss"]),
        "first_bad_step": trainer.first_bad_step,
    }
    print(json.dumps(result), flush=True)
    return result


def _append(journal: pathlib.Path, runs: list[dict[str, Any]]) -> None:
    with journal.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(run) + "\n" for run in runs)


def main(_: list[str]) -> None:
    """Runs the study on one thread."""
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    run(pathlib.Path(flags.FLAGS.output_dir))
