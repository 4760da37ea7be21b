"""Exports a layer of a search: its graph as JSON, and Python code of a Keras model with it."""

import os
import pathlib
import re
from collections.abc import Collection, Sequence
from typing import NamedTuple

from evonorm_tf import files
from evonorm_tf.graph import ops
from evonorm_tf.graph.layer_graph import LayerGraph
from search import sources
from search.config import Config, Evaluation
from search.errors import SearchError
from search.score_format import ScoreFormat
from search.storage import ranking
from search.storage.candidate import Candidate
from search.storage.graphs import formula_of, graph_of
from search.storage.store import Store

_NOT_OF_A_WORD = r"[^\w.-]"
_SNIPPET = '''"""A normalization-activation layer that a search found: {name}.

    {formula}

Validation {score} in the search: {scores}.
"""

import pathlib

import tensorflow as tf

import evonorm_tf as en
{imports}
graph = en.LayerGraph.load(pathlib.Path(__file__).with_name("{json_name}"))
en.register("{name}", graph=graph)


def build_model(input_shape=(32, 32, 3), num_classes=10):
    """A small network with the layer after each convolution."""
    inputs = tf.keras.Input(input_shape)
    x = tf.keras.layers.Conv2D(32, 3, padding="same", use_bias=False)(inputs)
    x = en.GraphLayer(graph, groups={groups})(x)
    x = tf.keras.layers.Conv2D(64, 3, strides=2, padding="same", use_bias=False)(x)
    x = en.get("{name}", groups={groups})(x)  # the same layer, by its name
    x = tf.keras.layers.GlobalAveragePooling2D()(x)
    return tf.keras.Model(inputs, tf.keras.layers.Dense(num_classes)(x))


if __name__ == "__main__":
    build_model().summary()
'''


class Exported(NamedTuple):
    """The written files, and the text of the Python file."""

    graph: pathlib.Path
    snippet: pathlib.Path
    text: str


def export(
    run_dir: str | os.PathLike,
    rank: int = 1,
    output: str | os.PathLike | None = None,
    force: bool = False,
    trusted: Collection[str] = (),
) -> Exported:
    """Writes the layer of a rank as `<name>.json` and `<name>.py`.

    Args:
      run_dir: the run folder.
      rank: 1 is the best layer, as in the report: reranked layers come first, then the
        others by fitness.
      output: folder for the files, which is made if it does not exist; default: the run folder's
        `export`.
      force: whether to replace existing files.
      trusted: which of the run's modules may be imported.

    Raises:
      SearchError: for a folder without a readable run, a rank that no accepted layer has, a
        folder that cannot be written, an existing file without `force`, or a module that is not
        trusted.
    """
    with Store.open(run_dir) as store:
        modules = sources.load_again(store, trusted).space.modules
        row = _ranked(store, rank)
        settings = Config.from_dict(store.meta("config") or {}).evaluation
    folder = pathlib.Path(run_dir, "export") if output is None else pathlib.Path(output)
    name = f"candidate_{row.id}"
    graph = LayerGraph(graph_of(row).nodes, name)
    is_plain = all(ops.registered(node.op) is None for node in graph.nodes)
    text = _snippet(row, graph, settings, () if is_plain else modules)
    exported = Exported(folder / f"{name}.json", folder / f"{name}.py", text)
    existing = [path for path in exported[:2] if path.exists()]
    if existing and not force:
        raise SearchError(f"{existing[0]} exists already: choose another --output, or --force")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        graph.save(exported.graph)
        files.write_whole(exported.snippet, exported.text.encode())
    except OSError as error:
        raise SearchError(f"cannot write into {folder}: {error.strerror}") from error
    return exported


def _ranked(store: Store, rank: int) -> Candidate:
    accepted = store.counts().get("accepted", 0)
    if accepted == 0:
        raise SearchError(f"{store.run_dir} has no accepted layer to export")
    if not 1 <= rank <= accepted:
        raise SearchError(
            f"--rank must be 1 to {accepted}, the number of accepted layers. Received: {rank}"
        )
    return ranking.accepted(store)[rank - 1]


def _snippet(
    row: Candidate, graph: LayerGraph, settings: Evaluation, modules: Sequence[str]
) -> str:
    # This text will be run, and the run folder may come from an untrusted source. So no text is
    # copied: the formula is made from the graph, names of anchors keep only letters and digits, and
    # the modules are those that the user has named.
    shown = ScoreFormat(settings.objective)
    scores = [
        f"{re.sub(_NOT_OF_A_WORD, '?', anchor)} {shown.text(score)}"
        for anchor, score in row.anchor_scores.items()
    ]
    return _SNIPPET.format(
        name=graph.name,
        formula=formula_of(row),
        scores=", ".join(scores),
        json_name=f"{graph.name}.json",
        groups=settings.groups,
        score=shown.name,
        imports="".join(f"import {name}  # registers primitives\n" for name in modules),
    )
