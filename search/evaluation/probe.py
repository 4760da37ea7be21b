"""Probes a layer on fixed arrays: it rejects the layer without training, or fingerprints it.

A layer is rejected if its output is constant or not finite, or if its gradient is zero. Any other
layer gets a fingerprint, which is the same for all graphs that compute the same function at each
step of a training.
"""

import dataclasses
import functools
import hashlib
from collections.abc import Sequence

import numpy as np

from evonorm_tf.graph.layer_graph import LayerGraph
from evonorm_tf.layers.arguments.settings import effective_groups
from search.evaluation import signal
from search.evaluation.engine.instructions import BATCH, CHANNELS, PLACES, Array, Sizes
from search.evaluation.engine.layer_program import (
    MOMENTUM,
    VECTORS,
    LayerProgram,
    initial_vectors,
)
from search.evaluation.normalization import normalizes
from search.evolution.space import check_structure

# With 64 channels a group has two channels, so that (w,h,c/q) differs from (w,h). The shapes and
# scales include odd sizes, and inputs with and without an offset.
_SHAPES = ((64, 3, 20), (64, 5, 3))
_GROUPS = 32
_SCALES = ((1.0, 0.0), (3.0, 0.7))
_SEED = 1729
# In float64 equal functions differ by rounding errors of about 1e-15, others by far more.
_DIGITS = 7
_NOISE = 1e-10
_TRAINED = ("v0", "v1")
_LARGEST = float(np.finfo(np.float32).max)


@dataclasses.dataclass(frozen=True)
class Probed:
    """The result of a probe: a reason to reject the layer, or its fingerprint."""

    reason: str | None
    fingerprint: str | None


def probe(
    graph: LayerGraph,
    reject_flat: bool = False,
    reject_unnormalized: bool = False,
    reject_signal: bool = False,
    up_to_affine: bool = False,
) -> Probed:
    """Applies the free rejections in turn; a layer that passes gets its fingerprint.

    With `reject_flat`, a layer is also rejected if its output is the same at all places of each
    map, such as a mean over (w, h): it removes all spatial information. With `reject_unnormalized`,
    it is also rejected if it does not normalize (`search/evaluation/normalization.py`), and with
    `reject_signal`, if it fails the signal test (`search/evaluation/signal.py`).

    The fingerprint is computed from several arrays with random v0 and v1: the output in training,
    its gradients for the input, v0 and v1, and the output in inference after one update of the
    moving averages. A vector that no training moves has its initial value instead, such as v0 in
    rms(v0). With `up_to_affine`, layers share it too whose outputs differ by a factor and an offset
    of each channel, constant or trainable: gamma and beta can make them equal.
    """
    reason = check_structure(graph)
    if reason is not None:
        return Probed(reason, None)
    program = LayerProgram(graph)
    if not _is_finite(program):
        return Probed("not_finite", None)
    values = [_values(program, bench) for bench in _benches()]
    if all(_is_constant(output) for output, *_ in values):
        return Probed("constant", None)
    if all(_is_negligible(gradient, output) for output, gradient, *_ in values):
        return Probed("zero_gradient", None)
    if reject_flat and all(_is_constant(output, (PLACES,)) for output, *_ in values):
        return Probed("flat", None)
    if reject_unnormalized and not normalizes(program):
        return Probed("unnormalized", None)
    if reject_signal and not signal.passes(program):
        return Probed("signal", None)
    benches = _with_initial(_never_moved(program))
    return Probed(None, _fingerprint([_values(program, each, up_to_affine) for each in benches]))


@dataclasses.dataclass(frozen=True)
class _Bench:
    """A layer's vectors, its inputs in both modes, and the upstream gradient of its output."""

    vectors: dict[str, Array]
    train: Array
    inference: Array
    upstream: Array


@functools.cache
def _benches() -> tuple[_Bench, ...]:
    rng = np.random.default_rng(_SEED)
    return tuple(
        _bench(shape, scale, offset, rng)
        for shape, (scale, offset) in zip(_SHAPES, _SCALES, strict=True)
    )


def _bench(
    shape: tuple[int, int, int], scale: float, offset: float, rng: np.random.Generator
) -> _Bench:
    v0, v1 = (rng.normal(mean, width, shape[CHANNELS]) for mean, width in ((0.0, 0.5), (1.0, 0.3)))
    draws = [rng.normal(size=shape) for _ in range(3)]
    return _Bench(_vectors(v0, v1), draws[0] * scale + offset, draws[1] * scale + offset, draws[2])


def _vectors(v0: Array, v1: Array) -> dict[str, Array]:
    """Weights are float32 in models, so these are numbers that float32 has."""
    values = (np.ones_like(v0), np.zeros_like(v0), v0, v1)
    return {
        name: value.astype(np.float32).astype(np.float64).reshape(-1, 1, 1)
        for name, value in zip(VECTORS, values, strict=True)
    }


@functools.cache
def _initial_bench() -> _Bench:
    """A bench with v0 = 0 and v1 = 1, the initial values of training."""
    bench = _bench(_SHAPES[0], 1.0, 0.0, np.random.default_rng(_SEED + 1))
    return dataclasses.replace(bench, vectors=initial_vectors(_SHAPES[0][CHANNELS], np.float64))


def _never_moved(program: LayerProgram) -> tuple[str, ...]:
    """The vectors whose gradients are zero at their initial values, whatever the others are."""
    for names in (_TRAINED, *((name,) for name in _TRAINED)):
        values = [_values(program, bench) for bench in _with_initial(names)]
        indices = [2 + _TRAINED.index(name) for name in names]
        if all(_is_negligible(found[index], found[1]) for found in values for index in indices):
            return names
    return ()


def _with_initial(names: Sequence[str]) -> list[_Bench]:
    """The benches, in which these vectors have their initial values."""
    return [
        dataclasses.replace(bench, vectors={**bench.vectors, **_starts(names, bench)})
        for bench in _benches()
    ]


def _starts(names: Sequence[str], bench: _Bench) -> dict[str, Array]:
    initial = initial_vectors(bench.train.shape[CHANNELS], np.float64)
    return {name: initial[name] for name in names}


def _is_finite(program: LayerProgram) -> bool:
    values = _values(program, _initial_bench())
    # Models compute in float32, where larger values are infinite.
    return all(np.isfinite(value).all() and np.abs(value).max() < _LARGEST for value in values)


def _values(program: LayerProgram, bench: _Bench, up_to_affine: bool = False) -> list[Array]:
    """Output, gradients for x, v0 and v1, and the output in inference.

    With `up_to_affine`, those of (output - offset) / factor, without the gradients for v0 and v1.
    """
    given = {"x": bench.train, **bench.vectors}
    shape = bench.train.shape
    sizes = Sizes(shape, effective_groups(shape[CHANNELS], _GROUPS))
    trained = program.train(given, sizes)
    factor, offset = _absorbed(trained.output, bench) if up_to_affine else (1.0, 0.0)
    upstream = {**given, "upstream": bench.upstream / factor}
    x, _, _, v0, v1 = program.differentiate(upstream, trained, sizes)
    averages = [
        MOMENTUM * start + (1 - MOMENTUM) * moment
        for start, moment in zip(program.moving_starts, trained.moments, strict=True)
    ]
    inference = program.infer({**given, "x": bench.inference}, averages, sizes)
    outputs = [(value - offset) / factor for value in (trained.output, inference)]
    full = [np.broadcast_to(value, shape) for value in (outputs[0], x, outputs[1])]
    gradients = () if up_to_affine else (v0, v1)
    vectors = [np.broadcast_to(value.reshape(-1), shape[:1]) for value in gradients]
    return [full[0], full[1], *vectors, full[2]]


def _absorbed(output: Array, bench: _Bench) -> tuple[Array, Array]:
    """A factor and an offset of each channel, linear in the output.

    The factor is a random projection, so it has a sign too, which a standard deviation has not.
    """
    axes = (BATCH, PLACES)
    offset = np.mean(np.broadcast_to(output, bench.train.shape), axes, keepdims=True)
    factor = np.mean((output - offset) * bench.upstream, axes, keepdims=True)
    return np.where(factor == 0.0, 1.0, factor), offset


def _is_constant(output: np.ndarray, axes: tuple[int, ...] = (BATCH, PLACES)) -> bool:
    """Whether the output is constant over the axes; default: the batch and all places."""
    with np.errstate(invalid="ignore"):  # of two infinities
        spread = output.max(axes) - output.min(axes)
    return bool((spread <= _NOISE * np.abs(output).max()).all())


def _is_negligible(gradient: np.ndarray, output: np.ndarray) -> bool:
    return bool(np.abs(gradient).max() <= _NOISE * max(np.abs(output).max(), 1e-300))


def _fingerprint(values: list[list[np.ndarray]]) -> str:
    digest = hashlib.sha256()
    for arrays in values:
        for array in arrays:
            digest.update(_rounded(array).tobytes())
    return digest.hexdigest()


def _rounded(array: np.ndarray) -> np.ndarray:
    """The leading digits of each number; rounding errors around zero become zero."""
    array = np.nan_to_num(array, nan=np.inf, posinf=np.inf, neginf=-np.inf)
    finite = np.where(np.isfinite(array), np.abs(array), 0.0)
    array = np.where(np.abs(array) <= _NOISE * finite.max(), 0.0, array)
    exponent = np.floor(np.log10(np.where(finite > 0, finite, 1.0)))
    with np.errstate(over="ignore", invalid="ignore"):
        unit = 10.0 ** (exponent - _DIGITS + 1)
        rounded = np.where(np.isfinite(array), np.round(array / unit), array)
    # Mantissa and exponent stay separate, since their product would be rounded again.
    return np.stack([rounded + 0.0, np.where(rounded == 0, 0.0, exponent)])
