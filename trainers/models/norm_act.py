"""The norm-act layer that a configuration asks for: its name and its arguments."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import evonorm_tf as en
from evonorm_tf.factory import NormAct
from trainers.errors import TrainersError
from trainers.models import names
from trainers.platform.configs import Config


@dataclasses.dataclass
class NormActArgs(Config):
    """Constructor arguments that a user chooses for all norm-act layers of a network.

    None leaves an argument to the network's defaults, such as a task's `norm_activation` of
    tf-models-official, or else to the layer's. An argument that the layer does not have is an
    error.

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

    def given(self) -> dict[str, Any]:
        """The arguments that are not None."""
        return {name: value for name, value in self.as_dict().items() if value is not None}


def source_of(norm_act: str, field: str = names.LAYER_FIELD) -> NormAct:
    """A registered name as it is, or the layer graph of a JSON file.

    Raises:
      TrainersError: for neither; names the configuration's `field`.
    """
    names.check_layer(norm_act, field)
    return norm_act if norm_act in en.names() else en.LayerGraph.load(norm_act)


def resolve(
    norm_act: str,
    arguments: Mapping[str, Any] | None = None,
    defaults: Mapping[str, Any] | None = None,
    field: str = names.LAYER_FIELD,
) -> tuple[NormAct, dict[str, Any]]:
    """The layer that a configuration names: `norm_act` and `norm_act_args` of `trainers.models`.

    Args:
      norm_act: a registered name, or the path of a layer graph's JSON file.
      arguments: constructor arguments that the user chose for this layer.
      defaults: arguments of the network, for every layer; those that the layer has are
        given to it, unless `arguments` has them too.
      field: the configuration's field, for messages.

    Raises:
      TrainersError: for neither a name nor a file, and for one of `arguments` that the layer
        does not have.
    """
    source = source_of(norm_act, field)
    taken = en.norm_act_factory(source)().get_config()
    arguments, defaults = arguments or {}, defaults or {}
    unknown = [name for name in arguments if name not in taken]
    if unknown:
        raise TrainersError(
            f"`norm_act_args` must be arguments of {norm_act}. Received: {', '.join(unknown)}"
        )
    inherited = {name: value for name, value in defaults.items() if name in taken}
    return source, {**inherited, **arguments}
