"""Layers of earlier searches as the first genotypes of a run.

A search on a laptop is followed by one on a cluster, or one on a cheap proxy by one on a dear one:
the layers that the first has found are the first members of the second's population.
"""

import dataclasses
import itertools
import os
import pathlib
import time
from collections.abc import Mapping, Sequence

import numpy as np

from evonorm_tf.graph import ops
from evonorm_tf.graph.layer_graph import LayerGraph
from search.config import Config
from search.errors import SearchError
from search.evolution import space
from search.storage import ranking
from search.storage.candidate import Candidate
from search.storage.graphs import graph_of
from search.storage.store import Store

META = "imports"
# Of a run folder; as many as it has files in best/.
LAYERS_OF_A_RUN = 10


def read(paths: Sequence[str | os.PathLike], config: Config) -> list[dict[str, str]]:
    """The graphs of run folders and files, for the entry "imports" of a new run.

    A graph with fewer nodes than `space.num_nodes` gets random ones that nothing uses, as the
    graphs of a search have them; mutations may come to use them. Nodes that nothing uses are left
    behind if the search space leaves one of them out.

    Args:
      paths: run folders, of each of which the ten best layers that the search space can express are
        read, or JSON files of graphs.
      config: the configuration of the new run.

    Returns:
      For each layer its `graph`, as JSON, and its `source`.

    Raises:
      SearchError: for what is neither a run folder nor a graph, a run without an accepted layer, or
        without one that the search space can express, a graph with more nodes than
        `space.num_nodes`, or a file's with a primitive that the search space leaves out.
    """
    settings = config.space
    drawn = space.choices(settings.primitives, settings.batch_independent)
    found = [pair for path in paths for pair in _graphs(pathlib.Path(path), drawn)]
    rng = np.random.default_rng((config.method.seed, len(found)))
    return [
        {"graph": _fitted(graph, source, config, drawn, rng).to_json(), "source": source}
        for source, graph in found
    ]


def add(store: Store, config: Config) -> None:
    """Adds the imported layers as the first genotypes, unless they have been added."""
    last = store.last_id()
    imports: Sequence[Mapping[str, str]] = store.meta(META) or ()
    if not imports or last > len(config.baselines):
        return
    with store.batch():
        for number, each in enumerate(imports, start=last + 1):
            graph = dataclasses.replace(
                LayerGraph.from_json(each["graph"]), name=f"candidate_{number}"
            )
            row = Candidate(
                number,
                "import",
                graph=graph.to_json(),
                formula=graph.formula(),
                created=time.time(),
            )
            store.add(row)


def _graphs(path: pathlib.Path, drawn: space.Choices) -> list[tuple[str, LayerGraph]]:
    if path.is_dir():
        return _layers_of_a_run(path, drawn)
    try:
        graph = _usable(LayerGraph.load(path), drawn)
    except (OSError, ValueError) as error:
        raise SearchError(f"cannot import the layer {path}: {error}") from None
    if left_out := _left_out(graph, drawn):
        raise SearchError(f"cannot import {path}: the search space leaves out {left_out[0]}")
    return [(str(path), graph)]


def _layers_of_a_run(path: pathlib.Path, drawn: space.Choices) -> list[tuple[str, LayerGraph]]:
    """The best layers that the space can express, perhaps those without batch statistics."""
    with Store.open(path) as store:
        rows = ranking.accepted(store)
    if not rows:
        raise SearchError(f"cannot import from {path}: its search has accepted no layer")
    layers = ((row, _usable(graph_of(row), drawn)) for row in rows)
    fit = ((row, graph) for row, graph in layers if not _left_out(graph, drawn))
    best = list(itertools.islice(fit, LAYERS_OF_A_RUN))
    if not best:
        raise SearchError(
            f"cannot import from {path}: each of its {len(rows)} accepted layers has a primitive "
            "that the search space leaves out"
        )
    return [(f"{path}, candidate {row.id}", graph) for row, graph in best]


def _usable(graph: LayerGraph, drawn: space.Choices) -> LayerGraph:
    """The graph, without the nodes that nothing uses if the space leaves one of its nodes out."""
    return graph.canonical() if _left_out(graph, drawn) else graph


def _left_out(graph: LayerGraph, drawn: space.Choices) -> list[str]:
    """The primitives of a graph that the space leaves out."""
    used = [ops.Primitive(node.op, node.index_set) for node in graph.nodes]
    return [":".join(filter(None, each)) for each in used if each not in drawn.primitives]


def _fitted(
    graph: LayerGraph, source: str, config: Config, drawn: space.Choices, rng: np.random.Generator
) -> LayerGraph:
    """The graph with as many nodes as the space asks for. Raises SearchError if it has more."""
    size = config.space.num_nodes
    if len(graph.nodes) > size:
        raise SearchError(
            f"cannot import {source}: it has {len(graph.nodes)} nodes, and space.num_nodes is "
            f"{size}"
        )
    return dataclasses.replace(graph, nodes=_filled(graph.nodes, size, drawn, rng))


def _filled(
    nodes: tuple[space.Node, ...], size: int, drawn: space.Choices, rng: np.random.Generator
) -> tuple[space.Node, ...]:
    """Nodes that nothing uses, before the output, which is the last one."""
    unused = space.sample_nodes(rng, size, drawn)[len(nodes) - 1 : size - 1]
    return (*nodes[:-1], *unused, nodes[-1])
