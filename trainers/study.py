"""Runs a study, a grid of trainings, and reports on it.

    python -m trainers.study digits_batch_sizes --output_dir=docs/trainers

The studies are those of `trainers/studies/catalogue.py`. NAME.jsonl in the folder has a line for
each finished training, and a new start does not repeat these; several processes can work on one
study, each with its own --layers. NAME.md and NAME.png are made from it: means and differences
with 95 % intervals, tests over seeds, and every seed's score in the figure. Scores are those
after the last step: the accuracy on the test split, or what the study names.
"""

import pathlib
import time

from absl import flags

from trainers import command
from trainers.studies import catalogue

if __name__ == "__main__":
    flags.DEFINE_string("output_dir", "runs/studies", "Where the results go.")
    flags.DEFINE_list("layers", [], "Layers to train; by default all of the study.")
    flags.DEFINE_integer("minutes", None, "When to begin no more trainings.", lower_bound=0)
    command.run_module("trainers.study", catalogue.check_arguments)

import tensorflow as tf

from trainers.studies import figure, journal, report, training
from trainers.studies.study import Study


def run(
    name: str,
    study: Study,
    output: pathlib.Path,
    layers: tuple[str, ...] = (),
    minutes: float | None = None,
) -> None:
    """Runs the missing trainings, then writes the tables and the figure."""
    output.mkdir(parents=True, exist_ok=True)
    path, keys = output / f"{name}.jsonl", study.score_keys
    end = None if minutes is None else time.monotonic() + 60 * minutes
    cells = [cell for cell in study.cells() if not layers or cell.layer in layers]
    for number, cell in enumerate(cells, start=1):
        if end is not None and time.monotonic() >= end:
            break
        missing = study.missing(cell, journal.read(path, keys))
        if missing:
            print(f"{number}/{len(cells)} {cell.network} {cell.layer} {cell.setting}", flush=True)
            for finished in training.train(study, cell, missing):
                journal.append(path, finished)
                print(f"  seed {finished['seed']}: {report.scores(study, finished)}", flush=True)
    runs = journal.read(path, keys)
    if runs:
        (output / f"{name}.md").write_text(report.text(study, runs), encoding="utf-8")
        figure.draw(study, runs, output / f"{name}.png")


def main(arguments: list[str]) -> None:
    """Runs each named study on one thread."""
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    given = flags.FLAGS
    for name in command.named(arguments, "study"):
        output = pathlib.Path(given.output_dir)
        run(name, catalogue.STUDIES[name], output, tuple(given.layers), given.minutes)
