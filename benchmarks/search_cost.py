"""Core-hours of the paper's search, from measured seconds per step.

    python -m benchmarks.search_cost [--preset paper-b] [--layer NAME] [--steps 3] [--json FILE]

Each anchor takes training steps of 128 crops of 24x24 and steps of the stability test, on one
thread; the images are noise, which costs the same. Seconds are processor seconds, so that other
programs on the machine matter little. How many genotypes reach which stage is that of the
recorded run (`benchmarks/search_recording.json`), which was on smaller images.
"""

import argparse
import dataclasses
import json
import pathlib

import tensorflow as tf

from benchmarks.processor_time import timed
from benchmarks.search_step import noise
from benchmarks.simulated_workers import RECORDING
from evonorm_tf import registry
from search.config import Evaluation
from search.evaluation.anchor_trainer import AnchorTrainer
from search.presets import preset

_CORES = 2 * 5000  # paper: 5000 workers of two cores
_HOURS = 48  # paper: two days
_ASCENTS = 16


def measure(anchor: str, layer: str, settings: Evaluation, steps: int) -> dict[str, float]:
    """Processor seconds of one training step and of one step of the stability test."""
    settings = dataclasses.replace(
        settings, steps=1 + steps, learning_rate=1e-3, stability_steps=_ASCENTS
    )
    trainer = AnchorTrainer(anchor, noise(1024), settings, seed=0)
    trainer.start(registry.graph(layer))
    # Without what traces each function.
    trainer.train(0, 1)
    trainer.largest_gradient()
    _, trained = timed(trainer.train, 1, 1 + steps)
    (_, ascents), ascended = timed(trainer.largest_gradient)
    return {"training_step": trained / steps, "stability_step": ascended / (1 + ascents)}


def stage_hours(seconds: dict[str, dict[str, float]], settings: Evaluation) -> dict[str, float]:
    """Core-hours of each stage of an evaluation that passes all of them."""
    training = sum(each["training_step"] for each in seconds.values()) / 3600
    tested = list(seconds.values())[: settings.stability_anchors]
    stability = sum(each["stability_step"] for each in tested) / 3600
    return {
        "quality": settings.quality_steps * training,
        "stability": settings.stability_steps * stability,
        "training": (settings.steps - settings.quality_steps) * training,
    }


def mean_hours(hours: dict[str, float]) -> dict[str, float]:
    """Core-hours of an average genotype that got past the probe, by the recorded shares."""
    rows = json.loads(RECORDING.read_text(encoding="utf-8"))
    trained = [row for row in rows if row["end"] == "trained"]
    reached = {stage: sum(stage in row["seconds"] for row in trained) for stage in hours}
    return {stage: hours[stage] * reached[stage] / len(trained) for stage in hours}


def main() -> None:
    """Prints the figures, and writes them as JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="paper-b")
    parser.add_argument("--layer", default="evonorm_b0")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.get_logger().setLevel("ERROR")  # about traces, which are meant to be many
    settings = preset(options.preset).evaluation
    seconds = {
        anchor: measure(anchor, options.layer, settings, options.steps)
        for anchor in settings.anchors
    }
    hours = stage_hours(seconds, settings)
    mean = mean_hours(hours)
    result = {
        "preset": options.preset,
        "layer": options.layer,
        "seconds": seconds,
        "core_hours_of_a_full_evaluation": {**hours, "all": sum(hours.values())},
        "core_hours_of_a_mean_evaluation": {**mean, "all": sum(mean.values())},
        "core_hours_of_the_paper": _CORES * _HOURS,
        "evaluations_for_them": _CORES * _HOURS / sum(mean.values()),
    }
    print(json.dumps(result, indent=1))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
