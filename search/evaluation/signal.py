"""The signal test: whether a layer passes signals and gradients through a deep random stack.

Nothing is trained. The stack alternates products with a random matrix and the layer. It runs with
three gains: 1, at which a product keeps the variance, 1/4 and 4. Each matrix is multiplied by the
gain, and the first one by its third power. This imitates training, which changes the scale of
weights: the outputs of a layer that follows the scale of its input then vanish or explode. The
stability test looks for exploding gradients too (paper section 4.2), in minutes where this test
takes milliseconds.
"""

import functools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from search.evaluation.engine.instructions import Array, Sizes
from search.evaluation.engine.layer_program import LayerProgram, Trained, initial_vectors

_CHANNELS, _BATCH, _PLACES, _GROUPS = 32, 8, 16, 8
_DEPTH = 16
# The gain that most layers fail at comes first.
_GAINS = (0.25, 4.0, 1.0)
# Bounds of the root mean square of outputs and of gradients.
_OUTPUTS, _GRADIENTS = (0.03, 30.0), (1e-3, 1e3)
# The largest mean cosine between the outputs of two examples.
_ALIKE = 0.99
_SEED = 20200406
_FEATURES_GAIN = np.float32(4.0)
_FEATURES_PLACES = (0, 3, _DEPTH - 1)
_FEATURES_BOUNDS = (1e-10, 1e10)


class _Stack(NamedTuple):
    """The matrices, the input and the upstream gradient of the output."""

    matrices: list[Array]
    x: Array
    upstream: Array


def passes(program: LayerProgram) -> bool:
    """Whether signals, gradients and the differences of examples survive the stack.

    The layer has gamma = 1, beta = 0, v0 = 0 and v1 = 1. At every gain, the root mean square of
    each layer's output must be from 0.03 to 30, that of the gradient for its input from 1e-3 to
    1e3, and the mean cosine between the last outputs of two examples at most 0.99.
    """
    with np.errstate(all="ignore"):
        return all(_survives(program, np.float32(gain)) for gain in _GAINS)


def features(program: LayerProgram) -> list[float]:
    """Seven numbers that separate good layers from bad ones before any training.

    They describe the stack with a gain of 4, the one that predicts best:
    the decimal logarithms of the root mean squares of the outputs of the first, fourth and last
    layer, those of the gradients for the inputs of the same layers, from 1e-10 to 1e10, and the
    mean cosine between the last outputs of two examples.
    """
    with np.errstate(all="ignore"):
        steps = list(_forward(program, _FEATURES_GAIN))
        gradients = list(_backward(program, _FEATURES_GAIN, steps))[::-1]
        arrays = [steps[place].output for place in _FEATURES_PLACES]
        arrays += [gradients[place] for place in _FEATURES_PLACES]
        cosine = _mean_cosine(steps[-1].output)
    scales = np.nan_to_num([_scale(array) for array in arrays], nan=np.inf)
    logarithms = np.log10(np.clip(scales, *_FEATURES_BOUNDS)).tolist()
    return [*logarithms, float(np.nan_to_num(cosine, nan=1.0))]


def _survives(program: LayerProgram, gain: np.float32) -> bool:
    steps: list[_Step] = []
    for step in _forward(program, gain):
        if not _is_within(_OUTPUTS, step.output):
            return False
        steps.append(step)
    if _mean_cosine(steps[-1].output) > _ALIKE:
        return False
    return all(_is_within(_GRADIENTS, gradient) for gradient in _backward(program, gain, steps))


class _Step(NamedTuple):
    """One layer of the stack, after its product."""

    inputs: dict[str, Array]
    trained: Trained
    output: Array


def _forward(program: LayerProgram, gain: np.float32) -> Iterator[_Step]:
    stack, x = _stack(), _stack().x * gain**2
    for matrix in stack.matrices:
        inputs = {"x": np.tensordot(gain * matrix, x, 1), **initial_vectors(_CHANNELS, np.float32)}
        trained = program.train(inputs, _SIZES)
        x = np.broadcast_to(trained.output, x.shape)
        yield _Step(inputs, trained, x)


def _backward(program: LayerProgram, gain: np.float32, steps: Sequence[_Step]) -> Iterator[Array]:
    """The gradients for the inputs of the products, from the last one to the first."""
    stack, gradient = _stack(), _stack().upstream
    for matrix, step in zip(reversed(stack.matrices), reversed(steps), strict=True):
        given = {**step.inputs, "upstream": gradient}
        through_layer = program.differentiate(given, step.trained, _SIZES)[0]
        full = np.broadcast_to(through_layer, gradient.shape)
        gradient = np.tensordot(gain * matrix.T, full, 1)
        yield gradient


_SIZES = Sizes((_CHANNELS, _BATCH, _PLACES), _GROUPS)


@functools.cache
def _stack() -> _Stack:
    rng = np.random.default_rng(_SEED)
    shape = _SIZES.shape
    x = rng.normal(size=shape) + rng.normal(size=(_CHANNELS, _BATCH, 1))
    matrices = rng.normal(size=(_DEPTH, _CHANNELS, _CHANNELS)) / np.sqrt(_CHANNELS)
    upstream = rng.normal(size=shape)
    return _Stack(
        [matrix.astype(np.float32) for matrix in matrices],
        x.astype(np.float32),
        upstream.astype(np.float32),
    )


def _is_within(bounds: tuple[float, float], values: Array) -> bool:
    least, most = bounds
    return least <= _scale(values) <= most  # False for NaN


def _scale(values: Array) -> float:
    """The root mean square."""
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


def _mean_cosine(outputs: Array) -> float:
    """The mean cosine between outputs, over all pairs of two examples."""
    examples = outputs.transpose(1, 0, 2).reshape(_BATCH, -1).astype(np.float64)
    units = examples / np.linalg.norm(examples, axis=1, keepdims=True)
    cosines: Sequence[float] = (units @ units.T)[~np.eye(_BATCH, dtype=bool)]
    return float(np.mean(cosines))
