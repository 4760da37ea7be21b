"""What a layer normalizes by, in words."""

import functools

import numpy as np

from evonorm_tf.graph.layer_graph import LayerGraph
from search.evaluation.engine.instructions import Array, Sizes
from search.evaluation.engine.layer_program import LayerProgram, initial_vectors

_SHAPE, _GROUPS = (16, 8, 16), 4
_FACTORS = (0.1, 10.0)
# Where the input is multiplied by ten, the scale of a normalized output changes by less.
_MOST_CHANGE = 2.0
_SETS = {
    "BWH": "the batch",
    "WH": "each channel of an image",
    "WHCQ": "groups of channels of an image",
    "WHC": "each image",
}


NOTHING = "normalizes nothing"


def described(graph: LayerGraph) -> str:
    """Says "normalizes by statistics of ...", or "normalizes nothing".

    A layer normalizes if its output keeps its scale when its input is ten times as large or
    as small, and if it has statistics that can be the reason.
    """
    used = {node.index_set for node in graph.canonical().nodes}
    names = [name for index_set, name in _SETS.items() if index_set in used]
    if not names or not _keeps_its_scale(LayerProgram(graph)):
        return NOTHING
    return f"normalizes by statistics of {' and '.join(names)}"


def _keeps_its_scale(program: LayerProgram) -> bool:
    scale = _output_scale(program, 1.0)
    changes = [_output_scale(program, factor) / scale for factor in _FACTORS] if scale else [0.0]
    return all(1 / _MOST_CHANGE <= change <= _MOST_CHANGE for change in changes)


def _output_scale(program: LayerProgram, factor: float) -> float:
    output = program.train(
        {"x": factor * _input(), **initial_vectors(_SHAPE[0], np.float64)}, Sizes(_SHAPE, _GROUPS)
    ).output
    with np.errstate(all="ignore"):
        return float(np.sqrt(np.mean(np.square(output))))


@functools.cache
def _input() -> Array:
    return np.random.default_rng(0).normal(size=_SHAPE)
