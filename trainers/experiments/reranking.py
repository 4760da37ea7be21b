"""The arguments of a reranking, without TensorFlow: layers, networks, and their checks."""

import os
from collections.abc import Sequence

from absl import flags

from trainers import command
from trainers.errors import TrainersError
from trainers.experiments import arguments, keys
from trainers.experiments.catalogue import RERANKING, reranking_experiment
from trainers.models import names


def define() -> None:
    """Defines the flags of a reranking."""
    flags.DEFINE_string("output_dir", None, "Folder of the model folders. Required.", required=True)
    flags.DEFINE_list("networks", list(RERANKING), "Networks to train; by default all three.")
    arguments.define_changes()


def check(given: list[str]) -> None:
    """Raises TrainersError for layers, networks or keys that there are not."""
    layers(command.named(given, "layer"))
    for network in flags.FLAGS.networks:
        if network not in RERANKING:
            raise TrainersError(
                f"`networks` must be of {', '.join(RERANKING)}. Received: {network!r}"
            )
        tree = keys.snapshot_of(reranking_experiment(network))
        arguments.check_keys(flags.FLAGS, tree)


def layers(given: Sequence[str]) -> dict[str, str]:
    """Registered names and paths of layer graphs, by the name of their model folder.

    Raises:
      TrainersError: for neither, and for two of one name.
    """
    named: dict[str, str] = {}
    for layer in given:
        names.check_layer(layer)
        name = os.path.basename(layer).removesuffix(".json")
        if name in named:
            raise TrainersError(f"two layers have the name {name!r}: {named[name]} and {layer}")
        named[name] = layer
    return named
