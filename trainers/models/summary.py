"""Parameters and multiply-adds of every network with every registered layer, in one table.

    python -m trainers.models.summary [--csv] [--networks resnet50_v2 ...]

Multiply-adds are those of convolutions and dense layers for one image at the network's own
size, as in the published counts, so they do not depend on the norm-act layer.
"""

import csv
import functools
import sys
from collections.abc import Callable, Iterable
from typing import NamedTuple

from trainers import command
from trainers.models import options

if __name__ == "__main__":
    command.run_parsed("trainers.models.summary", options.summary)

import numpy as np
import tensorflow as tf

import evonorm_tf as en
from trainers.models.anchors import ANCHORS, build_anchor
from trainers.models.efficientnet import VARIANTS, efficientnet
from trainers.models.kernels import kernel_of
from trainers.models.mnasnet import mnasnet
from trainers.models.mobilenet_v2 import mobilenet_v2
from trainers.models.resnet import resnet

_CIFAR_SHAPE, _DIGITS_SHAPE = (32, 32, 3), (8, 8, 1)


def _networks() -> dict[str, Callable[..., tf.keras.Model]]:
    """Builders by name; each takes `norm_act`."""
    networks: dict[str, Callable[..., tf.keras.Model]] = {}
    for version in (1, 2):
        for depth in (18, 34, 50, 101, 152):
            networks[f"resnet{depth}_v{version}"] = functools.partial(
                resnet, depth, version=version
            )
    networks["resnet50d_v2"] = functools.partial(resnet, "50d")
    networks["mobilenet_v2"] = mobilenet_v2
    for width in (0.5, 0.75, 1.0, 1.3):
        networks[f"mnasnet_b1_{width:g}"] = functools.partial(mnasnet, width)
    for variant in VARIANTS:
        networks[f"efficientnet_{variant}"] = functools.partial(efficientnet, variant)
    for anchor in ANCHORS:
        shape = _DIGITS_SHAPE if anchor.endswith("small") else _CIFAR_SHAPE
        networks[anchor] = functools.partial(build_anchor, anchor, input_shape=shape)
    return networks


NETWORKS = _networks()


class Site(NamedTuple):
    """A place of a network that has a norm-act layer."""

    channels: int
    nonlinearity: bool


class Counts(NamedTuple):
    """Numbers of parameters."""

    trainable: int
    non_trainable: int

    @property
    def total(self) -> int:
        """All parameters."""
        return self.trainable + self.non_trainable


class Skeleton(NamedTuple):
    """A network without its norm-act layers.

    Attributes:
      parameters: of convolutions and dense layers.
      multiply_adds: of the same, for one image.
      sites: the places of the norm-act layers.
    """

    parameters: int
    multiply_adds: int
    sites: list[Site]


@functools.cache
def skeleton(network: str) -> Skeleton:
    """A network without its norm-act layers. Raises ValueError for an unknown name."""
    if network not in NETWORKS:
        raise ValueError(
            f"`network` must be one of {', '.join(NETWORKS)}. Received: network={network!r}"
        )
    nonlinearity = {}

    def identity(is_nonlinear: bool, name: str) -> tf.keras.layers.Layer:
        nonlinearity[name] = is_nonlinear
        return tf.keras.layers.Activation("linear", name=name)

    model = NETWORKS[network](norm_act=identity)
    sites = [
        Site(layer.input.shape[-1], nonlinearity[layer.name])
        for layer in model.layers
        if layer.name in nonlinearity
    ]
    parameters = sum(int(np.prod(weight.shape)) for weight in model.weights)
    return Skeleton(parameters, multiply_adds(model), sites)


def multiply_adds(model: tf.keras.Model) -> int:
    """Multiply-adds of the convolutions and dense layers of a model of known input size.

    A kernel is applied once at each position of the output, and each of its weights is
    multiplied once there.
    """
    total = 0
    for layer in model.layers:
        kernel = kernel_of(layer)
        if kernel is None:
            continue
        axis_first = getattr(layer, "data_format", None) == "channels_first"
        spatial = layer.output.shape[2:] if axis_first else layer.output.shape[1:-1]
        total += int(np.prod(kernel.shape)) * int(np.prod(spatial, dtype=np.int64))
    return total


def count(network: str, layer: str) -> Counts:
    """Parameters of a network with a registered layer."""
    return count_with(skeleton(network), layer)


def count_with(base: Skeleton, layer: str) -> Counts:
    """Parameters of a skeleton with a registered layer at all its sites."""
    trainable, non_trainable = base.parameters, 0
    for site in base.sites:
        vectors = _vectors(layer, site.nonlinearity)
        trainable += vectors.trainable * site.channels
        non_trainable += vectors.non_trainable * site.channels
    return Counts(trainable, non_trainable)


@functools.cache
def _vectors(layer: str, nonlinearity: bool) -> Counts:
    """How many weights of shape (channels,) a layer has."""
    instance = en.get(layer, nonlinearity=nonlinearity)
    instance.build((None, 4, 4, 8))
    return Counts(len(instance.trainable_weights), len(instance.non_trainable_weights))


def table(networks: Iterable[str]) -> list[list[str]]:
    """Rows of text, the header first, with a column for all layers that have the same counts."""
    groups: dict[tuple[Counts, Counts], list[str]] = {}
    for name in en.names():
        groups.setdefault((_vectors(name, True), _vectors(name, False)), []).append(name)
    columns = list(groups.values())
    rows = [["network", "multiply-adds (M)", *(", ".join(names) for names in columns)]]
    for network in networks:
        row = [network, f"{skeleton(network).multiply_adds / 1e6:,.1f}"]
        for names in columns:
            counts = count(network, names[0])
            row.append(f"{counts.trainable:,} + {counts.non_trainable:,}")
        rows.append(row)
    return rows


def markdown(rows: list[list[str]]) -> str:
    """A table in Markdown."""
    header, *body = (f"| {' | '.join(row)} |" for row in rows)
    return "\n".join([header, "| --- " + "| ---: " * (len(rows[0]) - 1) + "|", *body])


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    chosen = options.summary(arguments)
    rows = table(chosen.networks)
    if chosen.csv:
        csv.writer(sys.stdout).writerows(rows)
    else:
        print(markdown(rows))
