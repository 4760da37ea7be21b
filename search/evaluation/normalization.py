"""Whether a layer normalizes: has statistics, and keeps the scale of its output.

Section 5.4 of the paper: "most EvoNorms attempt to promote scale-invariance".
"""

import functools

import numpy as np

from search.evaluation.engine.instructions import Array, Sizes
from search.evaluation.engine.layer_program import LayerProgram, initial_vectors

_SHAPE, _GROUPS = (16, 8, 16), 4
_FACTORS = (0.1, 10.0)
# Where the input is multiplied by ten, the scale of a normalized output changes by less, and that
# of an output that is normalized in part, such as x / sqrt(mean(|x|)), by a root of ten or so.
MOST_CHANGE, MOST_CHANGE_IN_PART = 2.0, 4.0


def normalizes(program: LayerProgram) -> bool:
    """Whether a layer normalizes, and not in part alone.

    It does if it has a statistic, and if the root mean square of its output changes by a factor of
    2 at most where its input, at first standard normal, is ten times as large or as small.
    """
    return bool(program.index_sets) and change_of_scale(program) <= MOST_CHANGE


def change_of_scale(program: LayerProgram) -> float:
    """By which factor, 1 or larger, the output's scale changes at most; infinite for NaN."""
    scales = [_output_scale(program, factor) for factor in (1.0, *_FACTORS)]
    if not all(np.isfinite(scales)) or min(scales) <= 0:
        return np.inf
    return max(max(scale / scales[0], scales[0] / scale) for scale in scales)


def _output_scale(program: LayerProgram, factor: float) -> float:
    inputs = {"x": factor * _input(), **initial_vectors(_SHAPE[0], np.float64)}
    with np.errstate(all="ignore"):
        output = program.train(inputs, Sizes(_SHAPE, _GROUPS)).output
        return float(np.sqrt(np.mean(np.square(output))))


@functools.cache
def _input() -> Array:
    return np.random.default_rng(0).normal(size=_SHAPE)
