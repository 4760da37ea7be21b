"""Builds the new model of a plan, with the names and the weights of the old one."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import tensorflow as tf

from evonorm_tf import compat
from evonorm_tf.convert import folding, model_graph, weights
from evonorm_tf.convert.model_graph import Call, ModelGraph
from evonorm_tf.convert.plan import Plan


class Rebuilt(NamedTuple):
    """A new model, and for the `id` of each old layer the new layers in its place."""

    model: tf.keras.Model
    layers: Mapping[int, list[Any]]


def rebuild(plan: Plan, target: Any) -> Rebuilt:
    """Builds the new model of a plan."""
    return _Rebuilder(plan, target).run()


class _Rebuilder:
    def __init__(self, plan: Plan, target: Any):
        self._plan = plan
        self._target = target
        self._graphs = {id(graph.model): graph for graph in plan.graphs}
        # For each old layer the new layers that replace it; a shared layer stays shared.
        self._new: dict[int, list[Any]] = {}
        self._copies: list[tuple[Any, Any]] = []
        self._replaced: list[tuple[Any, list[Any]]] = []
        self._folded: list[tuple[Any, Any]] = []

    def run(self) -> Rebuilt:
        model = self._model(self._plan.graphs[0])
        for old, new in self._copies:
            if getattr(old, "weights", None):  # Keras 3's operations have none
                new.set_weights(old.get_weights())
                if hasattr(new, "finalize_state"):  # of preprocessing layers
                    new.finalize_state()
        for old, new in self._folded:
            folding.fold(old, self._plan.folded[id(old)], new)
        folded = {id(norm) for norm in self._plan.folded.values()}
        for old, new in self._replaced:
            if id(old) not in folded:  # with an affine layer before it, `new` starts with that
                self._plan.places[id(old)].carried = weights.carry(old, new[0])
        self._set_trainable()
        return Rebuilt(model, self._new)

    def _model(self, graph: ModelGraph) -> tf.keras.Model:
        if isinstance(graph.model, tf.keras.Sequential):
            return self._sequential(graph)
        return self._functional(graph)

    def _sequential(self, graph: ModelGraph) -> tf.keras.Model:
        (input_layer,) = map(_clone, graph.input_layers)
        layers = [
            new
            for old in graph.model.layers
            if not isinstance(old, tf.keras.layers.InputLayer)
            for new in self._layers(old)
        ]
        return tf.keras.Sequential([input_layer, *layers], name=graph.model.name)

    def _functional(self, graph: ModelGraph) -> tf.keras.Model:
        tensors: dict[int, Any] = {}
        for layer in graph.input_layers:
            tensors[id(layer.output)] = _clone(layer).output
        for call in graph.calls:
            if id(call) in self._plan.bypasses:
                new_outputs = [tensors[id(self._plan.bypasses[id(call)])]]
            else:
                new_outputs = tf.nest.flatten(self._call(graph, call, tensors))
            tensors.update(
                (id(old), new) for old, new in zip(call.outputs, new_outputs, strict=True)
            )

        def new_structure(structure: Any) -> Any:
            return tf.nest.map_structure(lambda tensor: tensors[id(tensor)], structure)

        model = graph.model
        inputs, outputs = model_graph.inputs(model), model_graph.outputs(model)
        return tf.keras.Model(new_structure(inputs), new_structure(outputs), name=model.name)

    def _call(self, graph: ModelGraph, call: Call, tensors: dict[int, Any]) -> Any:
        layers = self._layers(call.layer)
        if id(call.layer) not in self._plan.nonlinearity:
            args, kwargs = tf.nest.map_structure(
                lambda value: tensors.get(id(value), value), (call.args, call.kwargs)
            )
            return layers[0](*args, **kwargs)
        x = tensors[id(graph.inputs(call)[0])]
        training = call.kwargs.get("training", call.args[1] if len(call.args) > 1 else None)
        x = layers[0](x) if training is None else layers[0](x, training=training)
        for layer in layers[1:]:
            x = layer(x)
        return x

    def _layers(self, old: Any) -> list[Any]:
        if id(old) not in self._new:
            self._new[id(old)] = self._make(old)
        return self._new[id(old)]

    def _make(self, old: Any) -> list[Any]:
        if id(old) in self._plan.nonlinearity:
            new = self._target.layers(old, self._plan.nonlinearity[id(old)])
            self._plan.places[id(old)].target = "+".join(type(layer).__name__ for layer in new)
            if id(old) in self._plan.with_affine:
                new = [folding.affine_layer(old), *new]
            self._replaced.append((old, new))
            return new
        if id(old) in self._plan.identities:
            dtype = old.get_config()["dtype"]
            return [tf.keras.layers.Activation("linear", name=old.name, dtype=dtype)]
        if id(old) in self._graphs:
            return [self._model(self._graphs[id(old)])]
        if id(old) in self._plan.folded:
            new = folding.with_bias(old)
            self._folded.append((old, new))
            return [new]
        new = _clone(old)
        self._copies.append((old, new))
        return [new]

    def _set_trainable(self) -> None:
        """Copies `trainable`; models come first, since a model's flag sets those of its layers."""
        models = [
            (graph.model, self._new[id(graph.model)][0])
            for graph in self._plan.graphs
            if id(graph.model) in self._new
        ]
        replaced = ((old, new) for old, news in self._replaced for new in news)
        layers = [*self._copies, *self._folded, *replaced]
        for old, new in [*models, *layers]:
            if hasattr(old, "trainable"):
                new.trainable = old.trainable


def _clone(layer: Any) -> Any:
    config = layer.get_config()
    if compat.IS_KERAS_3 and isinstance(layer, tf.keras.layers.Lambda):
        # The function comes from the caller's model and not from a file, so it is trusted.
        return type(layer).from_config(config, safe_mode=False)
    if isinstance(layer, tf.keras.layers.Activation):
        # A function that is not registered with Keras cannot be looked up by its name.
        return type(layer)(**{**config, "activation": layer.activation})
    return type(layer).from_config(config)
