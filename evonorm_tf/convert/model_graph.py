"""A Keras model as a list of layer calls, independent of the Keras generation."""

import dataclasses
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from evonorm_tf import compat


@dataclasses.dataclass(eq=False)
class Call:
    """One call of a layer (or of an operation) in a model.

    Attributes:
      layer: the called layer.
      args, kwargs: the arguments, symbolic tensors and plain values.
      outputs: the symbolic output tensors, as a flat list.
    """

    layer: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    outputs: list[Any]


class ModelGraph:
    """The calls of a functional or built sequential model, with the consumers of each tensor.

    Attributes:
      model: the model.
      path: name of the model, after the names of the models that contain it.
      calls: the calls in topological order, without those of input layers.
      input_layers: the input layers.
      input_tensors, output_tensors: the model's symbolic inputs and outputs, as flat lists.
    """

    def __init__(self, model: tf.keras.Model, path: str):
        self.model = model
        self.path = path
        self.input_layers: list[Any] = []
        self.calls: list[Call] = []
        functional = _functional(model)
        for depth in sorted(functional._nodes_by_depth, reverse=True):
            for node in functional._nodes_by_depth[depth]:
                self._add(node)
        produced = [tensor for call in self.calls for tensor in call.outputs]
        self.input_tensors = tf.nest.flatten(inputs(model))
        self.output_tensors = tf.nest.flatten(outputs(model))
        self._tensors = {id(tensor) for tensor in [*produced, *self.input_tensors]}
        self._consumers: dict[int, list[Call]] = defaultdict(list)
        for call in self.calls:
            for key in {id(tensor) for tensor in self.inputs(call)}:
                self._consumers[key].append(call)
        self._model_outputs = {id(tensor) for tensor in self.output_tensors}

    def _add(self, node: Any) -> None:
        layer = node.operation if compat.IS_KERAS_3 else node.layer
        if node.is_input:
            self.input_layers.append(layer)
            return
        call = node.arguments if compat.IS_KERAS_3 else node
        args, kwargs = (
            (call.args, call.kwargs) if compat.IS_KERAS_3 else (call.call_args, call.call_kwargs)
        )
        self.calls.append(Call(layer, tuple(args), dict(kwargs), tf.nest.flatten(node.outputs)))

    def inputs(self, call: Call) -> list[Any]:
        """The symbolic tensors among a call's arguments."""
        values = tf.nest.flatten((call.args, call.kwargs))
        return [value for value in values if id(value) in self._tensors]

    def consumers(self, tensor: Any) -> list[Call]:
        """The calls that have a tensor among their inputs."""
        return self._consumers[id(tensor)]

    def producer(self, tensor: Any) -> Call | None:
        """The call that produces a tensor; None for one of the model's inputs."""
        producers = (call for call in self.calls if any(out is tensor for out in call.outputs))
        return next(producers, None)

    def is_output(self, tensor: Any) -> bool:
        """Whether a tensor is an output of the model."""
        return id(tensor) in self._model_outputs

    def layers(self) -> Iterator[Any]:
        """Each called layer once."""
        yield from {id(call.layer): call.layer for call in self.calls}.values()


def is_rewritable(model: Any) -> bool:
    """Whether a model is a graph of layers, and its `call` executes this graph."""
    if not isinstance(model, tf.keras.Model) or _functional(model) is None:
        return False
    own_call = type(model).call.__module__
    return own_call.split(".")[0] == tf.keras.Model.__module__.split(".")[0]


def inputs(model: tf.keras.Model) -> Any:
    """A model's symbolic inputs, in its own structure."""
    return _functional(model)._inputs_struct if compat.IS_KERAS_3 else model.input


def outputs(model: tf.keras.Model) -> Any:
    """A model's symbolic outputs, in its own structure."""
    return _functional(model)._outputs_struct if compat.IS_KERAS_3 else model.output


def _functional(model: tf.keras.Model) -> Any:
    """The model with the graph: the model itself, or the functional one of a sequential model."""
    if compat.IS_KERAS_3 and isinstance(model, tf.keras.Sequential):
        model = model._functional
    return model if getattr(model, "_nodes_by_depth", None) else None
