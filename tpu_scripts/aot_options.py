"""The command line of `tpu_scripts.aot_compile`, without TensorFlow."""

import argparse
import dataclasses
import sys

from tpu_scripts import compile_only
from trainers.models import names

DEFAULT_BATCH = 128
# The modules that build and compile a step, each for one backend of Keras and so for one process.
BACKENDS = {"tensorflow": "tpu_scripts.training_step", "jax": "tpu_scripts.jax_step"}


@dataclasses.dataclass(frozen=True)
class Options:
    """The steps to compile, and the form of the output.

    Attributes:
      model: a network's name.
      layers: names or files of layer graphs.
      topology: the TPU to compile for.
      batch: images on each replica.
      image_size: side of the images; None for the network's own.
      json: whether to print JSON.
      backend: of Keras; a name in BACKENDS.
    """

    model: str
    layers: list[str]
    topology: compile_only.Topology
    batch: int
    image_size: int | None
    json: bool
    backend: str


def parse(arguments: list[str] | None) -> Options:
    """Parses the command line. Exits with a message for options that cannot be used."""
    given = _parser().parse_args(arguments)
    layers = given.compare.split(",") if given.compare else [given.layer]
    try:
        topology = compile_only.parse_topology(given.topology)
        if given.model not in names.TRAINED:
            raise names.unknown_network(given.model, names.TRAINED)
        for layer in layers:
            names.check_layer(layer)
    except ValueError as error:
        sys.exit(f"aot_compile: {error}")
    figures = (given.model, layers, topology, given.batch, given.image_size)
    return Options(*figures, given.json, given.backend)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tpu_scripts.aot_compile",
        description="Compile a training step for a TPU, on a machine without one.",
    )
    parser.add_argument("--model", required=True, help="a network, such as resnet50")
    layers = parser.add_mutually_exclusive_group(required=True)
    layers.add_argument("--layer", help="a registered name or a layer graph's JSON file")
    layers.add_argument("--compare", metavar="LAYER,LAYER,...", help="layers side by side")
    parser.add_argument("--topology", required=True, help="such as v5e:2x2 or v4:4x4x4")
    parser.add_argument(
        "--batch", type=_positive, default=DEFAULT_BATCH, help="images on each replica"
    )
    parser.add_argument("--image_size", type=_positive, help="default: the network's own")
    parser.add_argument(
        "--backend", choices=BACKENDS, default="tensorflow", help="of Keras; default: %(default)s"
    )
    parser.add_argument("--json", action="store_true", help="a line of JSON per layer")
    return parser


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1. Received: {text}")
    return value
