"""What a layer normalizes by, in words."""

from evonorm_tf.graph.layer_graph import LayerGraph
from search.evaluation.engine.layer_program import LayerProgram
from search.evaluation.normalization import MOST_CHANGE, MOST_CHANGE_IN_PART, change_of_scale

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
    program = LayerProgram(graph)
    change = change_of_scale(program)
    names = [name for index_set, name in _SETS.items() if index_set in program.index_sets]
    if not names or change > MOST_CHANGE_IN_PART:
        return "normalizes nothing"
    part = "" if change <= MOST_CHANGE else " in part,"
    return f"normalizes{part} by statistics of {' and '.join(names)}"
