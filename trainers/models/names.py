"""Names of networks and layers, for command lines that run without TensorFlow.

A test holds the networks to the tables in `trainers.models.classifiers` and
`trainers.models.summary`.
"""

import os
from collections.abc import Iterable

import evonorm_tf as en
from trainers.errors import TrainersError
from trainers.models.anchors import ANCHORS

LAYER_FIELD = "task.model.norm_act"  # where the configuration of a task has the layer
_EFFICIENTNETS = tuple(f"efficientnet_b{number}" for number in range(8))
# The networks that experiments train.
TRAINED = (
    *("resnet18", "resnet34", "resnet50", "resnet101", "resnet50_v1"),
    *("mobilenet_v2", "mnasnet_b1"),
    *_EFFICIENTNETS,
    *ANCHORS,
)
# The networks in the table of parameters and multiply-adds.
SUMMARIZED = (
    *(f"resnet{depth}_v{version}" for version in (1, 2) for depth in (18, 34, 50, 101, 152)),
    *("resnet50d_v2", "mobilenet_v2"),
    *(f"mnasnet_b1_{width}" for width in ("0.5", "0.75", "1", "1.3")),
    *_EFFICIENTNETS,
    *ANCHORS,
)


def unknown_network(name: str, networks: Iterable[str]) -> TrainersError:
    """The error for a name that none of the networks has."""
    return TrainersError(
        f"`task.model.network` must be one of {', '.join(networks)}. Received: network={name!r}"
    )


def check_layer(norm_act: str, field: str = LAYER_FIELD) -> None:
    """Raises TrainersError unless `norm_act` is a registered name or the path of a JSON file.

    Args:
      norm_act: the name or the path.
      field: where a configuration has it, for messages.
    """
    if norm_act in en.names():
        return
    if not norm_act.endswith(".json"):
        raise TrainersError(
            f"`{field}` must be the path of a layer graph (.json) or one of "
            f"{', '.join(en.names())}. Received: norm_act={norm_act!r}"
        )
    if not os.path.isfile(norm_act):
        raise TrainersError(f"`{field}`: there is no file {norm_act}")
