"""Ranks layers on ImageNet, as the paper does with the ten best of a search.

    python -m trainers.rerank runs/paper-b/best/*.json --output_dir=runs/rerank

A layer is the path of a layer graph's JSON file or a registered name. Each is trained within
ResNet-50, MobileNetV2 and EfficientNet-B0 on 90 % of the training images, by the experiments
`imagenet_NETWORK_rerank_bn_relu` with the layer in place of BN-ReLU, and scored on the other 10 %
(section 5, appendix C). The mean accuracy ranks the layers; the paper keeps three.

Model folders are OUTPUT_DIR/NETWORK/LAYER. The same command resumes: a training goes on from its
last checkpoint, and one that has its score is not repeated. Several machines that share the
folder can each take some layers or --networks. A layer whose training diverges has no mean and
comes last.
"""

import math
import os
import statistics
import types
from typing import Any

from absl import flags

from trainers import command
from trainers.experiments import reranking

if __name__ == "__main__":
    reranking.define()
    command.run_module("trainers.rerank", reranking.check)

from trainers import train
from trainers.engine import events, parameters
from trainers.engine.config import ExperimentConfig
from trainers.errors import TrainersError, TrainingDivergedError
from trainers.experiments import parsing
from trainers.experiments.catalogue import reranking_experiment

KEPT = 3  # paper: appendix C
Scores = dict[str, dict[str, float | None]]
"""Accuracies by layer and network; None where a training has none."""


def configuration(network: str, layer: str, given: Any) -> ExperimentConfig:
    """The configuration of one training.

    Args:
      network: one of the reranking's.
      layer: a registered name, or the path of a layer graph's JSON file.
      given: the flags that change an experiment.

    Raises:
      TrainersError: for keys or values that cannot be used.
    """
    changes = ("config_file", "tpu", "tf_data_service", "params_override")
    options = types.SimpleNamespace(
        experiment=reranking_experiment(network),
        **{name: getattr(given, name) for name in changes},
    )
    params = parsing.parse(options).replace(task={"model": {"norm_act": layer}})
    if params.runtime.distribution_strategy == "multi_worker_mirrored":
        raise TrainersError(
            "`runtime.distribution_strategy` must not be 'multi_worker_mirrored': TensorFlow forms "
            "a cluster once in a process. Train each layer by trainers.train"
        )
    parameters.check(params)
    params.lock()
    return params


def rerank(layers: dict[str, str], networks: list[str], output: str, given: Any) -> Scores:
    """Trains what has no score yet.

    Args:
      layers: registered names and paths, by the name of their model folder.
      networks: some of the reranking's.
      output: folder of the model folders.
      given: the flags that change an experiment.

    Raises:
      TrainersError: for settings, data or a model folder that cannot be used.
    """
    scores: Scores = {name: {} for name in layers}
    for network in networks:
        for name, layer in layers.items():
            params = configuration(network, layer, given)
            folder = os.path.join(output, network, name)
            print(f"{network} {name}: {folder}", flush=True)
            scores[name][network] = _score(params, folder)
    return scores


def _score(params: ExperimentConfig, folder: str) -> float | None:
    """The accuracy after the last step, found or trained; None if the training diverges."""
    earlier = events.read_curve(os.path.join(folder, "validation"), "accuracy")
    if params.trainer.train_steps in earlier:
        parameters.check_model_dir(params, folder)
        return earlier[params.trainer.train_steps]
    try:
        metrics = train.run(params, "train_and_eval", folder)
    except TrainingDivergedError as error:
        print(f"  {error}", flush=True)
        return None
    # Without metrics it was stopped between its last step and the evaluation.
    return (metrics or train.run(params, "eval", folder))["accuracy"]


def mean(scores: dict[str, float | None]) -> float | None:
    """The mean over the networks; None if one has no score."""
    found = [score for score in scores.values() if score is not None]
    return statistics.fmean(found) if len(found) == len(scores) else None


def ranked(scores: Scores) -> list[str]:
    """The layers by their mean, best first; those without one last, in the given order."""

    def place(name: str) -> float:
        found = mean(scores[name])
        return math.inf if found is None else -found

    return sorted(scores, key=place)


def table(scores: Scores, networks: list[str]) -> str:
    """The ranking in Markdown, accuracies in percent."""
    rows = [
        f"| rank | layer | {' | '.join(networks)} | mean |",
        "| ---: | --- |" + " ---: |" * (len(networks) + 1),
    ]
    for rank, name in enumerate(ranked(scores), start=1):
        values = [*(scores[name][network] for network in networks), mean(scores[name])]
        rows.append(f"| {rank} | {name} | {' | '.join(map(_percent, values))} |")
    return "\n".join(rows)


def _percent(score: float | None) -> str:
    return "-" if score is None else f"{100 * score:.2f}"


def main(arguments: list[str]) -> None:
    """Trains, and prints the ranking."""
    given = flags.FLAGS
    train.tidy_output()
    layers = reranking.layers(command.named(arguments, "layer"))
    scores = rerank(layers, given.networks, given.output_dir, given)
    print(table(scores, given.networks))
    kept = [layers[name] for name in ranked(scores)[:KEPT] if mean(scores[name]) is not None]
    print(f"the {len(kept)} best: {' '.join(kept)}")
