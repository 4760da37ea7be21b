"""Writes table and figures of the digits' GANs for the documentation, from model folders.

python -m trainers.gan.digits_report DIR... --output_dir=docs/gan
"""

import json
import os
import pathlib

from absl import flags

from trainers import checks, command

if __name__ == "__main__":
    flags.DEFINE_string("output_dir", "docs/gan", "Where to write.")
    command.run_module("trainers.gan.digits_report", checks.model_folders("gan"))

import numpy as np

from trainers.data import loading
from trainers.engine import events, restoring
from trainers.errors import TrainersError
from trainers.gan import data, features, metrics, sample
from trainers.gan.config import GanModelConfig
from trainers.gan.task import GanTask

_ROWS = 5


def scores(model_dir: str) -> dict[str, float | str | int]:
    """A run's layer, and each evaluation's step, Inception Score and FID.

    Raises:
      TrainersError: when the folder holds no evaluated GAN.
    """
    params = restoring.configuration(model_dir, GanTask)
    folder = os.path.join(model_dir, "validation")
    fid = events.read_curve(folder, "fid")
    score = events.read_curve(folder, "inception_score")
    if not fid:
        raise TrainersError(f"{model_dir} has no evaluation")
    steps = sorted(fid)
    return {
        "layer": params.task.model.norm_act,
        "steps": steps,
        "fid": [round(fid[step], 2) for step in steps],
        "inception_score": [round(score[step], 3) for step in steps],
    }


def real_scores(model: GanModelConfig) -> dict[str, float]:
    """The scores of the digits' test images, compared with the training images."""
    network = features.feature_network(features.DIGITS, upsampling=model.upsampling)
    splits = loading.load(features.DIGITS)
    train, _ = network(data.scaled(splits.train.images, model))
    test, probabilities = network(data.scaled(splits.test.images, model))
    right = np.argmax(probabilities, -1) == splits.test.labels
    return {
        "fid": round(metrics.frechet_inception_distance(train.numpy(), test.numpy()), 2),
        "inception_score": round(metrics.inception_score(probabilities.numpy()), 3),
        "accuracy": round(float(right.mean()), 4),
    }


def table(runs: list[dict], real: dict[str, float]) -> str:
    """Markdown: the last evaluation's scores of each layer."""
    rows = ["| layer | steps | Inception Score | FID |", "| --- | ---: | ---: | ---: |"]
    for run in runs:
        score, fid = run["inception_score"][-1], run["fid"][-1]
        rows.append(f"| {run['layer']} | {run['steps'][-1]} | {score:.2f} | {fid:.1f} |")
    rows.append(f"| real test images | | {real['inception_score']:.2f} | {real['fid']:.1f} |")
    return "\n".join(rows) + "\n"


def main(arguments: list[str]) -> None:
    """Writes digits.json, digits.md, and a PNG for each layer."""
    folders = command.named(arguments, "model folder")
    output = pathlib.Path(flags.FLAGS.output_dir)
    output.mkdir(parents=True, exist_ok=True)
    runs = [scores(folder) for folder in folders]
    for run, folder in zip(runs, folders, strict=True):
        image = sample.draw(folder, _ROWS)
        sample.save(image, image.shape[0] // _ROWS, str(output / f"{run['layer']}.png"))
    model = restoring.configuration(folders[0], GanTask).task.model
    real = real_scores(model)
    text = json.dumps({"runs": runs, "real": real}, indent=1)
    (output / "digits.json").write_text(text + "\n", encoding="utf-8")
    (output / "digits.md").write_text(table(runs, real), encoding="utf-8")
    print(table(runs, real), end="")
