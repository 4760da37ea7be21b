"""Compares finished runs with the paper's figures, and plots their curves.

    python -m trainers.results [--output_dir=DIR] MODEL_DIR...

Prints a Markdown table: run, step, top-1 accuracy on all validation images, and what the
paper has for the experiment. Runs that differ in their seeds alone also have a mean with its 95 %
interval. With --output_dir, writes the tables as results.md and the curves of loss and accuracy as
curves.png.
"""

import dataclasses
import os
import pathlib
from typing import Any

from absl import flags

from trainers import checks, command

if __name__ == "__main__":
    flags.DEFINE_string("output_dir", "", "Where to write results.md and curves.png.")
    command.run_module("trainers.results", checks.model_folders("classification"))

from trainers.classification.config import ExperimentConfig
from trainers.classification.task import ClassificationTask
from trainers.engine import events, restoring
from trainers.engine.events import Curve
from trainers.errors import TrainersError
from trainers.experiments import EXPERIMENTS
from trainers.studies import estimates


@dataclasses.dataclass(frozen=True)
class Run:
    """What a model folder records of a run.

    Attributes:
      model_dir: the folder.
      params: its configuration.
      loss, accuracy: training loss and validation accuracy by step.
    """

    model_dir: str
    params: ExperimentConfig
    loss: Curve
    accuracy: Curve

    @property
    def paper(self) -> str:
        """The paper's figure for the experiment of this configuration, or "-"."""
        model = self.params.task.model
        for name, experiment in EXPERIMENTS.items():
            of_model = f"_{model.network}_" in name and model.norm_act in name
            if experiment.table and of_model and _same(experiment.build(), self.params):
                return f"{experiment.figure} ({experiment.table})"
        return "-"


def read(model_dir: str) -> Run:
    """Reads the configuration and the TensorBoard events of a model folder.

    Raises:
      TrainersError: when the folder holds no run.
    """
    params = restoring.configuration(model_dir, ClassificationTask)
    loss = events.read_curve(os.path.join(model_dir, "train"), "training_loss")
    accuracy = events.read_curve(os.path.join(model_dir, "validation"), "accuracy")
    if not loss and not accuracy:
        raise TrainersError(f"{model_dir} has no TensorBoard events of a training")
    return Run(model_dir, params, loss, accuracy)


def table(runs: list[Run]) -> str:
    """The runs as a Markdown table, and the means of those that differ in their seeds alone."""
    rows = [
        "| run | network | layer | images/step | step | top-1 % | paper % |",
        "| --- | --- | --- | ---: | ---: | ---: | --- |",
    ]
    for run in runs:
        model, data = run.params.task.model, run.params.task.train_data
        step = max({**run.loss, **run.accuracy})
        last = f"{100 * run.accuracy[max(run.accuracy)]:.1f}" if run.accuracy else "-"
        rows.append(
            f"| {os.path.basename(os.path.normpath(run.model_dir))} | {model.network} "
            f"| {model.norm_act} | {data.global_batch_size} "
            f"| {step}/{run.params.trainer.train_steps} | {last} | {run.paper} |"
        )
    means = [_mean(group) for group in _groups(runs) if len(group) > 1]
    if means:
        rows += [
            "",
            "| network | layer | images/step | seeds | mean top-1 %, 95 % interval | paper % |",
            "| --- | --- | ---: | ---: | ---: | --- |",
            *means,
        ]
    return "\n".join(rows) + "\n"


def _groups(runs: list[Run]) -> list[list[Run]]:
    """Finished runs, those that differ in their seeds alone together."""
    groups: list[list[Run]] = []
    for run in runs:
        steps = run.params.trainer.train_steps
        if max(run.accuracy, default=0) < steps:
            continue
        alike = [group for group in groups if _same(group[0].params, run.params)]
        if alike:
            alike[0].append(run)
        else:
            groups.append([run])
    return groups


def _mean(group: list[Run]) -> str:
    """The row of a group."""
    model, data = group[0].params.task.model, group[0].params.task.train_data
    found = estimates.mean([100 * run.accuracy[max(run.accuracy)] for run in group])
    return (
        f"| {model.network} | {model.norm_act} | {data.global_batch_size} | {len(group)} "
        f"| {found.value:.1f} ± {found.half_width:.1f} | {group[0].paper} |"
    )


def plot(runs: list[Run], path: pathlib.Path) -> None:
    """Training loss and validation accuracy by step, a line for each run."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for run in runs:
        name = os.path.basename(os.path.normpath(run.model_dir))
        axes[0].plot(*_points(run.loss), label=name)
        axes[1].plot(*_points(run.accuracy, 100), marker="o", markersize=3, label=name)
    for axis, title in zip(axes, ("training loss", "validation accuracy, %"), strict=True):
        axis.set_xlabel("step")
        axis.set_title(title)
    axes[0].legend(fontsize="small")
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def _points(curve: Curve, scale: float = 1.0) -> tuple[list[int], list[float]]:
    steps = sorted(curve)
    return steps, [scale * curve[step] for step in steps]


def _same(first: ExperimentConfig, second: ExperimentConfig) -> bool:
    """Whether two configurations train alike; seeds, folders and devices do not matter."""

    def relevant(params: ExperimentConfig) -> tuple[Any, ...]:
        task = params.task.as_dict()
        for data in (task["train_data"], task["validation_data"]):
            data.pop("data_dir")
            data.pop("seed")
        task.pop("seed")
        return task, params.trainer.optimizer_config.as_dict(), params.trainer.train_steps

    return relevant(first) == relevant(second)


def main(arguments: list[str]) -> None:
    """Prints the table, and writes files where --output_dir is set."""
    runs = [read(folder) for folder in command.named(arguments, "model folder")]
    print(table(runs), end="")
    if flags.FLAGS.output_dir:
        output = pathlib.Path(flags.FLAGS.output_dir)
        output.mkdir(parents=True, exist_ok=True)
        (output / "results.md").write_text(table(runs), encoding="utf-8")
        plot(runs, output / "curves.png")
