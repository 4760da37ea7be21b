"""A layer's function on fixed probe tensors: free rejections, and a fingerprint.

Nothing is trained. A layer is rejected here when its output is constant or not finite, or when it
passes no gradient back. Any other layer gets a fingerprint, which is the same for all graphs that
compute the same function.
"""

import dataclasses
import functools
import hashlib

import numpy as np
import tensorflow as tf

from evonorm_tf.graph.layer_graph import LayerGraph
from search.evaluation.searched_layer import SearchedLayer
from search.evolution.space import check_structure

# Two channels a group at 32 groups, so that (w,h,c/q) differs from (w,h). The shapes and scales
# cover odd batches and maps, a map of one column, and inputs with and without an offset.
_SHAPES = ((3, 4, 5, 64), (5, 3, 1, 64))
_SCALES = ((1.0, 0.0), (3.0, 0.7))
_SEED = 1729
_MOMENTUM = 0.9
# In float64 equal functions differ by rounding of about 1e-15, different ones by far more.
_DIGITS = 7
_NOISE = 1e-10
_LARGEST = float(np.finfo(np.float32).max)


@dataclasses.dataclass(frozen=True)
class Probed:
    """The result of a probe: a reason to reject the layer, or its fingerprint."""

    reason: str | None
    fingerprint: str | None


def probe(graph: LayerGraph, reject_flat: bool = False) -> Probed:
    """Applies the free rejections in turn; a layer that passes gets its fingerprint.

    With `reject_flat`, they include layers whose output is the same at all places of each
    map, such as a mean over (w, h): all that follows the first such layer sees no pattern.

    The fingerprint covers, on several tensors and with random v0 and v1: the output in
    training, its gradients for the input, v0 and v1, and the output in inference after one
    update of the moving averages.
    """
    reason = check_structure(graph)
    if reason is not None:
        return Probed(reason, None)
    if not _is_finite(graph):
        return Probed("not_finite", None)
    values = [_values(graph, bench) for bench in _benches()]
    if all(_is_constant(output) for output, *_ in values):
        return Probed("constant", None)
    if all(_is_negligible(gradient, output) for output, gradient, *_ in values):
        return Probed("zero_gradient", None)
    if reject_flat and all(_is_constant(output, (1, 2)) for output, *_ in values):
        return Probed("flat", None)
    return Probed(None, _fingerprint(values))


class _ProbeLayer(SearchedLayer):
    """A layer whose moving averages are float64, in place of its float32 weights."""

    def _move(self, moving, value, x):
        old = super()._per_channel(moving, x)
        self.averages[id(moving)] = _MOMENTUM * old + (1 - _MOMENTUM) * value

    def _per_channel(self, weight, x):
        average = self.averages.get(id(weight))
        return super()._per_channel(weight, x) if average is None else average


@dataclasses.dataclass(frozen=True)
class _Bench:
    """A layer of fixed weights, its two inputs, and the upstream gradient of its output."""

    layer: _ProbeLayer
    train: tf.Tensor
    inference: tf.Tensor
    cotangent: tf.Tensor


@functools.cache
def _benches() -> tuple[_Bench, ...]:
    rng = np.random.default_rng(_SEED)
    return tuple(
        _bench(shape, scale, offset, rng)
        for shape, (scale, offset) in zip(_SHAPES, _SCALES, strict=True)
    )


def _bench(shape, scale, offset, rng) -> _Bench:
    layer = _ProbeLayer(max_nodes=64, dtype="float64")
    layer.averages = {}
    layer.build(shape)
    layer.v0.assign(rng.normal(0.0, 0.5, shape[-1]))
    layer.v1.assign(rng.normal(1.0, 0.3, shape[-1]))
    draws = [tf.constant(rng.normal(size=shape)) for _ in range(3)]
    return _Bench(layer, draws[0] * scale + offset, draws[1] * scale + offset, draws[2])


@functools.cache
def _initial_bench() -> _Bench:
    """A bench with v0 = 0 and v1 = 1, the initial values of training."""
    bench = _bench(_SHAPES[0], 1.0, 0.0, np.random.default_rng(_SEED + 1))
    bench.layer.v0.assign(tf.zeros_like(bench.layer.v0))
    bench.layer.v1.assign(tf.ones_like(bench.layer.v1))
    return bench


def _is_finite(graph: LayerGraph) -> bool:
    values = _values(graph, _initial_bench())
    # Models compute in float32, so larger values are infinite there.
    return all(np.isfinite(value).all() and np.abs(value).max() < _LARGEST for value in values)


def _values(graph: LayerGraph, bench: _Bench) -> list[np.ndarray]:
    """Output, gradients for x, v0 and v1, and the output in inference."""
    layer, x = bench.layer, bench.train
    layer.averages = {}
    layer.set_graph(graph)
    with tf.GradientTape() as tape:
        tape.watch(x)
        output = layer(x, training=True)
        loss = tf.reduce_sum(output * bench.cotangent)
    gradients = tape.gradient(
        loss, [x, layer.v0, layer.v1], unconnected_gradients=tf.UnconnectedGradients.ZERO
    )
    inference = layer(bench.inference, training=False)
    return [tensor.numpy().astype(np.float64) for tensor in (output, *gradients, inference)]


def _is_constant(output: np.ndarray, axes: tuple[int, ...] = (0, 1, 2)) -> bool:
    """Whether the output has one value over the axes, by default over the batch and all places."""
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
    # Mantissa and exponent stay apart, since their product would be rounded once more.
    return np.stack([rounded + 0.0, np.where(rounded == 0, 0.0, exponent)])
