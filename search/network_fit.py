"""Searches for the layer that suits a trained network best, by regression and without training.

At each place where an activation follows a batch normalization, u is the output of the norm and y
that of the activation, on a few inputs of the network. The fitness of a layer graph f is the share
of the variance of y that gamma * f(u) + beta keeps, averaged over the places. Graphs that do not
pass the signal test or do not normalize are left out: the best one would be the activation itself.
"""

import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

import evonorm_tf as en
from evonorm_tf.convert import converter, plan, targets
from evonorm_tf.convert.calibration.examples import Examples, in_structure
from evonorm_tf.graph.layer_graph import LayerGraph
from evonorm_tf.layers.arguments.settings import effective_groups
from search.config import Config, Method, Space
from search.controller.breeding import new_algorithm
from search.evaluation.engine.instructions import BATCH, CHANNELS, PLACES, Array, Sizes
from search.evaluation.engine.layer_program import LayerProgram, initial_vectors
from search.evaluation.probe import probe
from search.evolution.population import Member, Population

_EXAMPLES, _MOST_PLACES, _MOST_CHANNELS, _MOST_POSITIONS = 32, 6, 64, 256
# Values of v1 to try, of which the best one counts, since nothing trains v1 here.
_SLOPES = (0.3, 1.0, 3.0, 10.0)
_TINY = 1e-12


@dataclasses.dataclass(frozen=True)
class FittedGraph:
    """The result of `fit_graph`.

    Attributes:
      graph: the best layer graph; `convert_model(model, graph, calibrate=inputs)` uses it.
      kept: the share of the variance that it keeps on inputs that the search did not see.
      tried: number of graphs whose share was computed.
      known: the same share of each registered layer with a graph, by its name.
    """

    graph: LayerGraph
    kept: float
    tried: int
    known: dict[str, float]


def fit_graph(
    model: tf.keras.Model,
    inputs: Any,
    *,
    batch_independent: bool = True,
    groups: int = 32,
    minutes: float = 2.0,
    seed: int = 0,
) -> FittedGraph:
    """Evolves a layer graph for all places of a trained network that fuse a norm and an activation.

    Args:
      model: a functional or sequential model with batch normalization.
      inputs: some hundred inputs without labels, as for `convert_model(..., calibrate=inputs)`.
      batch_independent: whether to leave out statistics of the batch, as the S series does.
      groups: number of channel groups, of aggregations over (w, h, c/g).
      minutes: how long to search.
      seed: of the random graphs and mutations.

    Raises:
      ValueError: for a model or inputs that `convert_model` refuses, for a model without such a
        place, and if no graph that normalizes is found in time.

    Example:
      found = search.fit_graph(model, images, minutes=10)
      new_model, report = evonorm_tf.convert_model(model, found.graph, calibrate=images)
    """
    converter.check_model(model)
    examples = Examples(inputs, model)
    places = _places(model, examples.fitted, groups)
    unseen = _places(model, examples.held_out, groups)
    config = Config(
        space=Space(batch_independent=batch_independent),
        method=Method(
            criterion="average", tournament_fraction=0.2, window=60, skip_neutral=True,
            initial_members=20,
        ),
    )  # fmt: skip
    best, tried = _evolved(config, places, minutes, seed)
    known = {
        name: share_kept(graph, unseen)
        for name in en.names()
        if (graph := en.registry.graph(name)) is not None
        and not (batch_independent and _has_batch_statistics(graph))
    }
    return FittedGraph(best, share_kept(best, unseen), tried, known)


@dataclasses.dataclass(frozen=True)
class Place:
    """The input and the target at one place, both (channels, examples, positions)."""

    x: Array
    target: Array
    sizes: Sizes

    def share(self, program: LayerProgram) -> float:
        """The share of the target's variance that the layer keeps, with the best gamma and beta."""
        vectors = initial_vectors(self.x.shape[CHANNELS], np.float32)
        best = np.zeros(len(self.x))
        with np.errstate(all="ignore"):
            for slope in _SLOPES:
                given = {"x": self.x, **vectors, "v1": vectors["v1"] * np.float32(slope)}
                output = np.broadcast_to(program.train(given, self.sizes).output, self.x.shape)
                best = np.fmax(best, _correlation(output, self.target))
        variance = self.target.var((BATCH, PLACES))
        return float(np.sum(best * variance) / max(float(variance.sum()), _TINY))


def share_kept(graph: LayerGraph, places: Sequence[Place]) -> float:
    """The mean over places of the share of the variance that a graph keeps there."""
    program = LayerProgram(graph)
    return float(np.mean([place.share(program) for place in places]))


def _correlation(output: Array, target: Array) -> Array:
    """The squared correlation in each channel; 0 where the output is constant or not finite."""
    axes = (BATCH, PLACES)
    y, t = (each - each.mean(axes, keepdims=True) for each in (output, target))
    product = (y * y).mean(axes) * (t * t).mean(axes)
    squared = (y * t).mean(axes) ** 2 / np.maximum(product, _TINY)
    return np.where(np.isfinite(squared) & (product > _TINY), squared, 0.0)


def _evolved(
    config: Config, places: Sequence[Place], minutes: float, seed: int
) -> tuple[LayerGraph, int]:
    """The best graph of an evolution, and how many were tried."""
    algorithm: Callable[..., Any] = new_algorithm(config)
    population = Population(1, config.method.window)
    best: tuple[float, LayerGraph] | None = None
    seen: set[str] = set()
    number, tried, end = 0, 0, time.monotonic() + 60 * minutes
    while time.monotonic() < end:
        number += 1
        nodes = algorithm(population, np.random.default_rng((seed, number))).nodes
        graph = LayerGraph(nodes, f"fitted_{number}")
        probed = probe(
            graph,
            reject_flat=True,
            reject_unnormalized=True,
            reject_signal=True,
            up_to_affine=True,
        )
        if probed.fingerprint is None or probed.fingerprint in seen:
            continue
        seen.add(probed.fingerprint)
        tried += 1
        share = share_kept(graph, places)
        population.add(Member(number, number, [share], graph))
        if best is None or share > best[0]:
            best = share, graph
    if best is None:
        raise ValueError(
            f"no graph that normalizes was found in {minutes:g} minutes; give it more of them"
        )
    return best[1], tried


def _places(model: tf.keras.Model, arrays: Sequence[np.ndarray], groups: int) -> list[Place]:
    """A few places, from the inputs to the outputs, on a few examples."""
    target = targets.target_of("evonorm_s0", {})
    planned = plan.make_plan(model, target, "convert", ("batch",))
    graph = planned.graphs[0]
    pairs = [
        (call.outputs[0], planned.activations[id(call)][-1].outputs[0])
        for call in graph.calls
        if id(call) in planned.activations
    ]
    if not pairs:
        raise ValueError(
            "`model` must have a batch norm that an activation follows, outside nested models"
        )
    chosen = np.unique(np.linspace(0, len(pairs) - 1, _MOST_PLACES).round().astype(int))
    outputs = [tensor for index in chosen for tensor in pairs[index]]
    batch = [tf.constant(array[:_EXAMPLES]) for array in arrays]
    found = tf.keras.Model(model.inputs, outputs)(in_structure(model, batch), training=False)
    return [
        _place(np.asarray(u), np.asarray(y), groups)
        for u, y in zip(found[::2], found[1::2], strict=True)
    ]


def _place(u: np.ndarray, y: np.ndarray, groups: int) -> Place:
    """A place from tensors with the channels last; large ones are cut to some channels."""
    x, target = (
        np.moveaxis(each.reshape(len(each), -1, each.shape[-1]), -1, 0).astype(np.float32)
        for each in (u, y)
    )
    count = effective_groups(len(x), groups)
    size = len(x) // count
    kept = max(size, _MOST_CHANNELS // size * size)
    step = max(1, x.shape[PLACES] // _MOST_POSITIONS)
    x, target = (np.ascontiguousarray(each[:kept, :, ::step]) for each in (x, target))
    return Place(x, target, Sizes(x.shape, len(x) // size))


def _has_batch_statistics(graph: LayerGraph) -> bool:
    return any(node.index_set == "BWH" for node in graph.canonical().nodes)
