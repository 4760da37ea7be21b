"""A trained anchor as a Keras model of its own, in which the layer is a `GraphLayer`."""

import tensorflow as tf

from evonorm_tf import GraphLayer
from search.evaluation.anchor_trainer import AnchorTrainer
from search.evaluation.exchangeable_layer import ExchangeableLayer
from trainers.platform.model_parts import layers_within


def standalone(trainer: AnchorTrainer) -> tf.keras.Model:
    """The trainer's network with its weights, without Python in it.

    A network that is traced with a layer of its own, such as a baseline, is returned as it is.
    """
    graph, groups = trainer.graph, trainer.settings.groups
    if graph is None:
        return trainer.model

    def layer(nonlinearity: bool, name: str) -> GraphLayer:
        return GraphLayer(graph, groups=groups, nonlinearity=nonlinearity, name=name)

    model = trainer.rebuilt(layer)
    for source, target in zip(_searched(trainer.model), _searched(model), strict=True):
        _copy(source, target)
    for before, after in zip(_others(trainer.model), _others(model), strict=True):
        after.assign(before)
    return model


def _searched(model: tf.keras.Model) -> list[ExchangeableLayer | GraphLayer]:
    return layers_within(model, (ExchangeableLayer, GraphLayer))


def _others(model: tf.keras.Model) -> list[tf.Variable]:
    """The weights of all layers but the searched ones."""
    searched = {id(weight) for layer in _searched(model) for weight in layer.weights}
    return [weight for weight in model.weights if id(weight) not in searched]


def _copy(source: ExchangeableLayer, target: GraphLayer) -> None:
    for name, vector in source.vectors.items():
        # A graph's layer has only the vectors that it uses.
        if getattr(target, name, None) is not None:
            getattr(target, name).assign(vector)
    if source.nonlinearity:
        for average, weight in zip(source.moving_averages, target._moving_weights(), strict=True):
            weight.assign(average.reshape(-1))
