"""Layers of earlier searches as the first genotypes of a run.

A search on a laptop is followed by one on a cluster, or one on a cheap proxy by one on a dear one:
the layers that the first has found are the first members of the second's population.
"""

import dataclasses
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
    graphs of a search have them; mutations may come to use them.

    Args:
      paths: run folders, of each of which the ten best layers are read, or JSON files of graphs.
      config: the configuration of the new run.

    Returns:
      For each layer its `graph`, as JSON, and its `source`.

    Raises:
      SearchError: for what is neither a run folder nor a graph, a run without an accepted layer, a
        graph with more nodes than `space.num_nodes`, or one with a primitive that the search
        space leaves out.
    """
    found = [pair for path in paths for pair in _graphs(pathlib.Path(path))]
    rng = np.random.default_rng((config.method.seed, len(found)))
    return [
        {"graph": _fitted(graph, source, config, rng).to_json(), "source": source}
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


def _graphs(path: pathlib.Path) -> list[tuple[str, LayerGraph]]:
    if not path.is_dir():
        try:
            return [(str(path), LayerGraph.load(path))]
        except (OSError, ValueError) as error:
            raise SearchError(f"cannot import the layer {path}: {error}") from None
    with Store.open(path) as store:
        best = store.top(LAYERS_OF_A_RUN)
        rows = ranking.order(best, store.meta("rerank"))
    if not rows:
        raise SearchError(f"cannot import from {path}: its search has accepted no layer")
    return [(f"{path}, candidate {row.id}", graph_of(row)) for row in rows]


def _fitted(graph: LayerGraph, source: str, config: Config, rng: np.random.Generator) -> LayerGraph:
    """The graph with as many nodes as the space asks for. Raises SearchError if it cannot be."""
    settings = config.space
    drawn = space.choices(settings.primitives, settings.batch_independent)
    for node in graph.nodes:
        primitive = ops.Primitive(node.op, node.index_set)
        if primitive not in drawn.primitives:
            name = node.op if node.index_set is None else f"{node.op}:{node.index_set}"
            raise SearchError(f"cannot import {source}: the search space leaves out {name}")
    if len(graph.nodes) > settings.num_nodes:
        raise SearchError(
            f"cannot import {source}: it has {len(graph.nodes)} nodes, and space.num_nodes is "
            f"{settings.num_nodes}"
        )
    return dataclasses.replace(graph, nodes=_filled(graph.nodes, settings.num_nodes, drawn, rng))


def _filled(
    nodes: tuple[space.Node, ...], size: int, drawn: space.Choices, rng: np.random.Generator
) -> tuple[space.Node, ...]:
    """Nodes that nothing uses, before the output, which is the last one."""
    unused = space.sample_nodes(rng, size, drawn)[len(nodes) - 1 : size - 1]
    return (*nodes[:-1], *unused, nodes[-1])
