"""The norm-act layer in tf-models-official's configs: its name and its arguments."""

import dataclasses
import pathlib
from typing import Any

from official.modeling import hyperparams

import evonorm_tf as en
from evonorm_tf.factory import NormAct


@dataclasses.dataclass
class NormActArgs(hyperparams.Config):
    """Constructor arguments of every norm-act layer of a network.

    None leaves an argument to the task's `norm_activation` config (epsilon, momentum,
    synchronized) or to the layer's default. Setting one that the layer has not is an error.

    Attributes:
      groups, group_size: of the layers with channel groups.
      epsilon: added to variances inside the root.
      momentum: share of the old value in the moving averages.
      synchronized: whether all replicas share their batch statistics.
    """

    groups: int | None = None
    group_size: int | None = None
    epsilon: float | None = None
    momentum: float | None = None
    synchronized: bool | None = None


def norm_act_settings(
    norm_act: str, args: NormActArgs, norm_activation: Any = None
) -> tuple[NormAct, dict[str, Any]]:
    """What the configs mean, as `norm_act` and `norm_act_args` of `trainers.models`.

    Args:
      norm_act: a registered name, or the path of a layer graph's JSON file.
      args: those that are not None are given to the layer.
      norm_activation: a task's `NormActivation`; its epsilon, momentum and synchronization
        hold where `args` has None and the layer has such an argument.

    Raises:
      ValueError: for an unknown name, and for an argument that the layer has not.
    """
    layer_source: NormAct = norm_act
    if pathlib.Path(norm_act).suffix == ".json":
        layer_source = en.LayerGraph.load(norm_act)
    layer = en.norm_act_factory(layer_source)()
    given = {name: value for name, value in args.as_dict().items() if value is not None}
    unknown = [name for name in given if not hasattr(layer, name)]
    if unknown:
        raise ValueError(
            f"`norm_act_args` must be arguments of {norm_act}. Received: {', '.join(unknown)}"
        )
    inherited = {}
    if norm_activation is not None:
        inherited = {
            "epsilon": norm_activation.norm_epsilon,
            "momentum": norm_activation.norm_momentum,
            "synchronized": norm_activation.use_sync_bn,
        }
    inherited = {name: value for name, value in inherited.items() if hasattr(layer, name)}
    return layer_source, inherited | given
