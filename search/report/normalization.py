"""What a layer normalizes by, in words."""

import functools

import numpy as np

from evonorm_tf.graph.layer_graph import LayerGraph
from search.evaluation.engine.instructions import Array, Sizes
from search.evaluation.engine.layer_program import LayerProgram, initial_vectors

_SHAPE, _GROUPS = (16, 8, 16), 4
_FACTORS = (0.1, 10.0)
# Where the input is multiplied by ten, the scale of a normalized output changes by less, and that
# of an output that is normalized in part, such as x / sqrt(mean(|x|)), by a root of ten or so.
_MOST_CHANGE, _MOST_CHANGE_IN_PART = 2.0, 4.0
_SETS = {
    "BWH": "the batch",
    "WH": "each channel of an image",
    "WHCQ": "groups of channels of an image",
    "WHC": "each image",
}


def described(graph: LayerGraph) -> str:
    """Says "normalizes by statistics of ...", "normalizes in part ..." or "normalizes nothing".

    A layer normalizes if its output keeps its scale when its input is ten times as large or
    as small, and if it has statistics that can be the reason.
    """
    names, change = _statistics(graph), _change_of_scale(graph)
    if not names or change > _MOST_CHANGE_IN_PART:
        return "normalizes nothing"
    part = "" if change <= _MOST_CHANGE else " in part,"
    return f"normalizes{part} by statistics of {' and '.join(names)}"


def normalizes(graph: LayerGraph) -> bool:
    """Whether a layer normalizes, and not in part alone."""
    return bool(_statistics(graph)) and _change_of_scale(graph) <= _MOST_CHANGE


def _statistics(graph: LayerGraph) -> list[str]:
    used = {node.index_set for node in graph.canonical().nodes}
    return [name for index_set, name in _SETS.items() if index_set in used]


def _change_of_scale(graph: LayerGraph) -> float:
    """By which factor, 1 or larger, the output's scale changes at most; infinite for NaN."""
    program = LayerProgram(graph)
    scales = [_output_scale(program, factor) for factor in (1.0, *_FACTORS)]
    if not all(np.isfinite(scales)) or min(scales) <= 0:
        return np.inf
    return max(max(scale / scales[0], scales[0] / scale) for scale in scales)


def _output_scale(program: LayerProgram, factor: float) -> float:
    output = program.train(
        {"x": factor * _input(), **initial_vectors(_SHAPE[0], np.float64)}, Sizes(_SHAPE, _GROUPS)
    ).output
    with np.errstate(all="ignore"):
        return float(np.sqrt(np.mean(np.square(output))))


@functools.cache
def _input() -> Array:
    return np.random.default_rng(0).normal(size=_SHAPE)
