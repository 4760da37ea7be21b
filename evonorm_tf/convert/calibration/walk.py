"""Runs the old and the new network side by side, layer by layer, on all examples."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from evonorm_tf.convert.calibration.moments import Batches
from evonorm_tf.convert.model_graph import Call, ModelGraph
from evonorm_tf.convert.plan import Plan
from evonorm_tf.convert.rebuild import Rebuilt


class Pair(NamedTuple):
    """A tensor in both networks, in batches; one object as long as no layer was replaced."""

    old: Batches
    new: Batches

    @property
    def is_same(self) -> bool:
        """Whether no layer before this tensor was replaced."""
        return self.old is self.new


class Visitor:
    """Is called once for each layer, before the new layer runs."""

    def replaced(self, norm: Any, layers: Sequence[Any], x: Pair, target: Batches) -> None:
        """Receives a replaced norm, its new layers, their input, and the outputs to fit."""

    def kept(self, layer: Any, x: Pair, target: Callable[[], Batches]) -> None:
        """Receives any other new layer, its first input, and a function of its old output."""


class Walk:
    """One run of both networks.

    Only tensors that a layer still needs are kept: at most those of the largest layers.
    """

    def __init__(self, plan: Plan, rebuilt: Rebuilt, visitor: Visitor):
        self._plan, self._layers, self._visitor = plan, rebuilt.layers, visitor
        self._graphs = {id(graph.model): graph for graph in plan.graphs}
        self._visited: set[int] = set()

    def run(self, inputs: Sequence[Batches]) -> list[Pair]:
        """Runs both networks; takes the batches of each input, and returns their outputs."""
        return self._run(self._plan.graphs[0], [Pair(batches, batches) for batches in inputs])

    def _run(self, graph: ModelGraph, inputs: Sequence[Pair]) -> list[Pair]:
        values = dict(zip(map(id, graph.input_tensors), inputs, strict=True))
        open_calls: dict[int, int] = {}
        for call in graph.calls:
            for tensor, pair in zip(call.outputs, self._call(graph, call, values), strict=True):
                values[id(tensor)] = pair
            for tensor in {id(tensor): tensor for tensor in graph.inputs(call)}.values():
                left = open_calls.get(id(tensor), len(graph.consumers(tensor))) - 1
                open_calls[id(tensor)] = left
                if not left and not graph.is_output(tensor):
                    del values[id(tensor)]
        return [values[id(tensor)] for tensor in graph.output_tensors]

    def _call(self, graph: ModelGraph, call: Call, values: dict[int, Pair]) -> list[Pair]:
        layer = call.layer
        if id(call) in self._plan.bypasses:
            old = self._outputs(layer, graph, call, values, "old")
            return [Pair(old[0], values[id(self._plan.bypasses[id(call)])].new)]
        if id(layer) in self._plan.nonlinearity:
            return [self._replaced(graph, call, values)]
        pairs = [values[id(tensor)] for tensor in graph.inputs(call)]
        if id(layer) in self._graphs:
            return self._run(self._graphs[id(layer)], pairs)
        (new,) = self._layers[id(layer)]
        folded = self._plan.folded.get(id(layer))
        is_same = all(pair.is_same for pair in pairs) and folded is None
        old_outputs = self._outputs(layer, graph, call, values, "old")
        if is_same:
            return [Pair(output, output) for output in old_outputs]
        if id(layer) not in self._visited:
            self._visited.add(id(layer))

            def target() -> Batches:
                (output,) = old_outputs
                return output if folded is None else [folded(batch) for batch in output]

            self._visitor.kept(new, pairs[0], target)
        return list(map(Pair, old_outputs, self._outputs(new, graph, call, values, "new")))

    def _replaced(self, graph: ModelGraph, call: Call, values: dict[int, Pair]) -> Pair:
        x = values[id(graph.inputs(call)[0])]
        old = [call.layer(batch) for batch in x.old]
        layers = self._layers[id(call.layer)]
        if id(call.layer) not in self._visited:
            self._visited.add(id(call.layer))
            target = self._activated(graph, call, old)
            self._visitor.replaced(call.layer, layers, x, target)
        new = x.new
        for layer in layers:
            new = [layer(batch) for batch in new]
        return Pair(old, new)

    def _activated(self, graph: ModelGraph, call: Call, old: Batches) -> Batches:
        """The output of the activation that the new layer includes."""
        values = {id(call.outputs[0]): Pair(old, old)}
        for follower in self._plan.activations.get(id(call), []):
            outputs = self._outputs(follower.layer, graph, follower, values, "old")
            values[id(follower.outputs[0])] = Pair(outputs[0], outputs[0])
            old = outputs[0]
        return old

    def _outputs(
        self, layer: Any, graph: ModelGraph, call: Call, values: dict[int, Pair], side: str
    ) -> list[Batches]:
        """A layer's outputs, each in batches, from the arguments of a call of the old network."""
        keys = {id(tensor) for tensor in graph.inputs(call)}
        given = {key: getattr(values[key], side) for key in keys}
        count = len(next(iter(given.values())))
        batches = []
        for index in range(count):

            def value_of(value: Any, index: int = index) -> Any:
                return given[id(value)][index] if id(value) in given else value

            args, kwargs = tf.nest.map_structure(value_of, (call.args, call.kwargs))
            batches.append(tf.nest.flatten(layer(*args, **kwargs)))
        return [list(output) for output in zip(*batches, strict=True)]
