"""`Table`: genotypes of finished runs with their verdicts, scores and seconds, in one file.

The file is NumPy's .npz without pickled objects, so one from a stranger cannot run code.
"""

import dataclasses
import functools
import io
import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from evonorm_tf import files
from evonorm_tf.graph import ops
from evonorm_tf.graph.layer_graph import LayerGraph, Node
from search.errors import SearchError

PACKAGED = pathlib.Path(__file__).with_name("layers.npz")
_NO_INPUT = 255
_PRIMITIVES = {primitive: number for number, primitive in enumerate(ops.PRIMITIVES)}
_NAMES = np.array([f"{p.op}:{p.index_set or ''}" for p in ops.PRIMITIVES])


@dataclasses.dataclass(frozen=True)
class Table:
    """Genotypes, each in one row of every array; those that do not use their input are left out.

    Attributes:
      settings: the evaluation that all rows share, and the anchors' names as "anchors".
      nodes: the graphs, uint8 (rows, nodes, 3): the primitive and its two inputs, 255 for none.
      is_random: whether it was drawn at random; else it is a mutant.
      batch_independent: whether its run left batch statistics out.
      run_seed: the seed of its run, which its trainings started from.
      verdict: "accepted", or the reason of its rejection; duplicates have their original's.
      function: the first row with the same function.
      scores: accuracies (rows, anchors); NaN where it was not trained.
      steps: training steps (rows, anchors) of the scores.
      seconds: of all its tests and trainings; those of a duplicate are its probe's.
    """

    settings: Mapping[str, Any]
    nodes: np.ndarray
    is_random: np.ndarray
    batch_independent: np.ndarray
    run_seed: np.ndarray
    verdict: np.ndarray
    function: np.ndarray
    scores: np.ndarray
    steps: np.ndarray
    seconds: np.ndarray

    def __len__(self) -> int:
        return len(self.nodes)

    @property
    def num_functions(self) -> int:
        """How many different functions there are."""
        return len(np.unique(self.function))

    @functools.cached_property
    def mean_scores(self) -> np.ndarray:
        """Each row's scores as the mean over the rows of its function that have any."""
        has_scores = np.isfinite(self.scores).all(1)
        sums = np.zeros(self.scores.shape)
        counts = np.zeros(len(self))
        # A duplicate repeats its original's scores, so the originals of the runs count alone.
        keys = np.stack([self.function, self.run_seed], 1)[has_scores]
        _, firsts = np.unique(keys, axis=0, return_index=True)
        trained = np.flatnonzero(has_scores)[firsts]
        np.add.at(sums, self.function[trained], self.scores[trained])
        np.add.at(counts, self.function[trained], 1)
        means = sums / np.maximum(counts, 1)[:, None]
        return means[self.function]

    @functools.cached_property
    def function_seconds(self) -> np.ndarray:
        """Seconds to test or train each row's function; a duplicate took fewer itself."""
        longest = np.zeros(len(self))
        np.maximum.at(longest, self.function, self.seconds)
        return longest[self.function]

    def summary(self) -> str:
        """The numbers of layers, functions and accepted functions in one line."""
        trained = np.unique(self.function[self.verdict == "accepted"])
        return (
            f"{len(self):,} layers, {self.num_functions:,} different functions, "
            f"{len(trained):,} of them accepted"
        )

    def graph(self, row: int) -> LayerGraph:
        """The layer graph of a row."""
        return LayerGraph(tuple(map(_node, self.nodes[row])))

    def save(self, path: str | os.PathLike) -> None:
        """Writes the file. Raises SearchError, and leaves no partial file, if that fails."""
        arrays = {field: getattr(self, field) for field in _ARRAYS}
        settings = np.array(json.dumps(dict(self.settings)))
        content = io.BytesIO()
        np.savez_compressed(content, settings=settings, primitives=_NAMES, **arrays)
        try:
            files.write_whole(path, content.getvalue())
        except OSError as error:
            raise SearchError(f"cannot write {os.fspath(path)}: {error.strerror}") from None

    @classmethod
    def load(cls, path: str | os.PathLike) -> "Table":
        """Reads a file. Raises SearchError for one that holds no such table."""
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = {field: file[field] for field in _ARRAYS}
                settings = json.loads(str(file["settings"]))
                names = file["primitives"]
        except (OSError, KeyError, ValueError) as error:
            raise SearchError(f"{os.fspath(path)} is no table of layers: {error}") from None
        if not np.array_equal(names, _NAMES):
            raise SearchError(f"{os.fspath(path)} has other primitives than this version")
        lengths = {field: len(values) for field, values in arrays.items()}
        if len({*lengths.values()}) != 1:
            raise SearchError(f"{os.fspath(path)} has arrays of different lengths: {lengths}")
        return cls(settings, **arrays)


_ARRAYS = tuple(field.name for field in dataclasses.fields(Table) if field.name != "settings")


def encoded(graph: LayerGraph) -> np.ndarray:
    """A graph as a row of `Table.nodes`."""
    return np.array([_triple(node) for node in graph.nodes], np.uint8)


def _triple(node: Node) -> tuple[int, int, int]:
    first, *rest = node.inputs
    number = _PRIMITIVES[ops.Primitive(node.op, node.index_set)]
    return number, first, rest[0] if rest else _NO_INPUT


def _node(triple: np.ndarray) -> Node:
    number, *inputs = map(int, triple)
    primitive = ops.PRIMITIVES[number]
    return Node(primitive.op, tuple(inputs[: primitive.arity]), primitive.index_set)
