"""Plans the conversion of every normalization and activation, before anything is built."""

import dataclasses
from collections import defaultdict
from typing import Any, TypeAlias

import tensorflow as tf

from evonorm_tf.convert import activations, model_graph, sources
from evonorm_tf.convert.model_graph import Call, ModelGraph
from evonorm_tf.convert.report import Place, Report

# The calls of one layer, each with the model that contains it.
_Calls: TypeAlias = list[tuple[ModelGraph, Call]]


@dataclasses.dataclass
class Plan:
    """What to do with layers and calls; the keys are their `id`.

    Attributes:
      graphs: the model and all nested models, each after the model that contains it.
      nonlinearity: for each norm to replace, whether the new layer has its nonlinearity.
      identities: activation layers that become the identity.
      bypasses: calls of activations that the new model does not have, with the tensor that
        replaces their output.
      activations: for each call of a norm to fuse, the calls of the activation, in order.
      folded: for each convolution that takes over the affine map of the batch norm after it, that
        norm; see `folding`.
      with_affine: norms to replace by x * gamma + beta and the new layer; see `folding`.
      places: the report's place of each norm and activation.
      report: the report for the user.
    """

    graphs: list[ModelGraph]
    nonlinearity: dict[int, bool] = dataclasses.field(default_factory=dict)
    identities: set[int] = dataclasses.field(default_factory=set)
    bypasses: dict[int, Any] = dataclasses.field(default_factory=dict)
    activations: dict[int, list[Call]] = dataclasses.field(default_factory=dict)
    folded: dict[int, Any] = dataclasses.field(default_factory=dict)
    with_affine: set[int] = dataclasses.field(default_factory=set)
    places: dict[int, Place] = dataclasses.field(default_factory=dict)
    report: Report = dataclasses.field(default_factory=Report)


@dataclasses.dataclass
class _Fusion:
    """The activation that follows a norm's call, and the calls that compute it."""

    name: str
    calls: list[Call]
    is_spelt_out: bool = False


def make_plan(model: tf.keras.Model, target: Any, linear: str, kinds: tuple[str, ...]) -> Plan:
    """Plans the conversion of a model; see `convert_model` for the arguments."""
    plan = Plan(_graphs(model, model.name, {}))
    calls: dict[int, _Calls] = defaultdict(list)
    for graph in plan.graphs:
        for call in graph.calls:
            calls[id(call.layer)].append((graph, call))
    absorbed: set[int] = set()
    for layer_calls in calls.values():
        layer = layer_calls[0][1].layer
        if sources.kind(layer) is not None:
            _plan_norm(plan, layer_calls, target, linear, kinds, absorbed)
    for layer_calls in calls.values():
        _plan_activation(plan, layer_calls, absorbed)
    _collect_places(plan, calls)
    return plan


def _graphs(model: tf.keras.Model, path: str, graphs: dict[int, ModelGraph]) -> list[ModelGraph]:
    graphs[id(model)] = graph = ModelGraph(model, path)
    for layer in graph.layers():
        if id(layer) not in graphs and model_graph.is_rewritable(layer):
            _graphs(layer, f"{path}/{layer.name}", graphs)
    return list(graphs.values())


def _plan_norm(
    plan: Plan,
    calls: _Calls,
    target: Any,
    linear: str,
    kinds: tuple[str, ...],
    absorbed: set[int],
) -> None:
    graph, call = calls[0]
    layer = call.layer
    kind = sources.kind(layer)
    place = Place(f"{graph.path}/{layer.name}", type(layer).__name__, "kept", "")
    plan.places[id(layer)] = place
    if kind not in kinds:
        place.reason = f"{kind!r} is not in `sources`"
        return
    place.reason = target.obstacle(layer, _rank(graph.inputs(call)[0])) or ""
    if place.reason:
        return
    if kind == "norm_act":
        _plan_norm_act(plan, layer, place, target, linear)
        return
    outcomes = [_fusion(graph, call) for graph, call in calls]
    obstacles = [outcome for outcome in outcomes if isinstance(outcome, str)]
    fusions = [outcome for outcome in outcomes if isinstance(outcome, _Fusion)]
    if obstacles:
        place.reason = obstacles[0] if len(calls) == 1 else f"in a shared layer: {obstacles[0]}"
        if linear != "keep" and _may_be_linear(layer, place, target, linear):
            plan.nonlinearity[id(layer)] = False
            place.action = "linear"
        return
    place.reason = "only the activation takes its output"
    _fuse(plan, place, [call for _, call in calls], fusions, absorbed)


def _fuse(
    plan: Plan, place: Place, calls: list[Call], fusions: list[_Fusion], absorbed: set[int]
) -> None:
    """Plans the fusion of a norm with the activation that follows each of its calls."""
    plan.nonlinearity[id(calls[0].layer)] = True
    place.action, place.activation = "fused", fusions[0].name
    for norm_call, fusion in zip(calls, fusions, strict=True):
        # Several calls of one activation compute the same.
        plan.activations[id(norm_call)] = fusion.calls if fusion.is_spelt_out else fusion.calls[:1]
        for activation_call in fusion.calls:
            if not fusion.is_spelt_out:
                absorbed.add(id(activation_call))
            plan.bypasses[id(activation_call)] = norm_call.outputs[0]


def _plan_norm_act(plan: Plan, layer: Any, place: Place, target: Any, linear: str) -> None:
    place.reason = "a norm-act layer"
    if layer.nonlinearity or _may_be_linear(layer, place, target, linear):
        plan.nonlinearity[id(layer)] = layer.nonlinearity
        place.action = "converted"


def _may_be_linear(layer: Any, place: Place, target: Any, linear: str) -> bool:
    """Whether the target's linear form may replace a norm; notes it if the place loses its norm.

    Batch normalization is an affine map in inference, and the paper's networks replace it by one.
    Group and layer normalization are not: no weights can replace the statistics of each example.
    """
    if sources.form(layer) != "normalized" or not target.has_affine_linear_form:
        return True
    if sources.is_batch_norm(layer) or linear == "affine":
        place.loses_norm = True
        return True
    place.reason += '; only linear="affine" takes a normalization away'
    return False


def _fusion(graph: ModelGraph, call: Call) -> _Fusion | str:
    """The activation that takes a norm's output, or the reason why none can be fused."""
    tensor = call.outputs[0]
    if graph.is_output(tensor):
        return "its output is one of the model's"
    consumers = graph.consumers(tensor)
    spelt_out = activations.gated_product(graph, tensor)
    if spelt_out:
        return _Fusion(*spelt_out, is_spelt_out=True)
    names = {activations.activation_name(consumer.layer) for consumer in consumers}
    if len(names) > 1:
        return f"{len(consumers)} layers take its output, not all of them the same activation"
    (name,) = names or {None}
    if name is None:
        return "no activation follows"
    if name in activations.GATES:
        return f"{name} follows, which is a gate or a distribution and stays"
    return _Fusion(name, consumers)


def _plan_activation(plan: Plan, calls: _Calls, absorbed: set[int]) -> None:
    """Plans an identity of the same name for an activation layer whose calls are all fused."""
    layer = calls[0][1].layer
    if not activations.is_activation_layer(layer):
        return
    if all(id(call) in absorbed for _, call in calls):
        plan.identities.add(id(layer))
        for _, call in calls:
            del plan.bypasses[id(call)]


def _collect_places(plan: Plan, calls: dict[int, _Calls]) -> None:
    for key, layer_calls in calls.items():
        graph, call = layer_calls[0]
        if key in plan.places:
            plan.report.places.append(plan.places[key])
            continue
        stays = key not in plan.identities and any(
            id(c) not in plan.bypasses for _, c in layer_calls
        )
        if activations.is_activation_layer(call.layer):
            if stays and activations.activation_name(call.layer) is not None:
                plan.report.places.append(_kept_activation(graph, call))
        elif id(call.layer) not in {id(nested.model) for nested in plan.graphs}:
            plan.report.places += _hidden_norms(graph, call.layer)


def _kept_activation(graph: ModelGraph, call: Call) -> Place:
    layer = call.layer
    name = activations.activation_name(layer)
    reason = f"{name} that is not fused with a converted norm"
    before = graph.producer(graph.inputs(call)[0])
    if before is not None and getattr(before.layer, "nonlinearity", False):
        reason = f"{name} directly after {type(before.layer).__name__}, which has a nonlinearity"
    return Place(f"{graph.path}/{layer.name}", type(layer).__name__, "kept", reason)


def _hidden_norms(graph: ModelGraph, layer: Any) -> list[Place]:
    """The norms inside a wrapper, or inside a layer with its own `call`."""
    inner = layer._flatten_layers(include_self=False) if hasattr(layer, "_flatten_layers") else ()
    reason = f"it is inside a {type(layer).__name__}, whose calls cannot be rewritten"
    return [
        Place(f"{graph.path}/{layer.name}/{part.name}", type(part).__name__, "kept", reason)
        for part in inner
        if sources.kind(part) is not None
    ]


def _rank(tensor: Any) -> int | None:
    shape = tf.TensorShape(tensor.shape)
    return shape.rank
