"""The programs that layers run in on GPUs, compiled by XLA for the CPU that is here."""

import numpy as np
import pytest
import tensorflow as tf

from evonorm_tf import xla_cpu, xla_gpu
from evonorm_tf.fused import keep_input
from evonorm_tf.numerics import devices
from evonorm_tf.xla import programs
from evonorm_tf.xla_gpu import kernels
from tests.evonorm_tf.layer_cases import EVERYDAY as CONFORMING
from tests.evonorm_tf.layer_cases import NAMES
from tests.evonorm_tf.program_cases import EVERYDAY, arrays, first_order, layer_of, vectors_of
from tests.evonorm_tf.test_conformance import check_training
from tests.evonorm_tf.test_fusion import FUSED
from tests.tiers import everywhere, tiered

SHAPE = (3, 8, 9, 32)
GRAPHS = [f"evonorm_{name} graph" for name in ("b0", "b1", "b2", "s0", "s1", "s2")]
LAYERS = tiered([*FUSED, *GRAPHS], everyday=EVERYDAY)


@pytest.fixture
def on_gpu():
    """Returns a context in which layers are traced for GPUs."""
    return lambda: devices.for_accelerator("GPU")


@pytest.fixture
def made(monkeypatch):
    """The programs that a test has made."""
    monkeypatch.setattr(programs, "_PROGRAMS", {})
    return programs._PROGRAMS


def second_order(layer, x, upstream, other):
    """The gradient of a product with the gradient."""
    with tf.GradientTape() as tape:
        tape.watch([x, upstream])
        _, gradient, *others = first_order(layer, x, upstream)
        product = tf.reduce_sum(gradient * other)
        product += tf.add_n([tf.reduce_sum(tf.cast(each, x.dtype)) for each in others])
    sources = [x, upstream, *vectors_of(layer)]
    return tape.gradient(product, sources, unconnected_gradients="zero")


def assert_close(actual, expected, bound):
    for one, other in zip(actual, expected, strict=True):
        one, other = (np.asarray(tf.cast(tensor, tf.float64)) for tensor in (one, other))
        assert np.abs(one - other).max() <= bound * np.abs(other).max()


@pytest.mark.parametrize("channels", [7, 48])
@pytest.mark.parametrize("name", everywhere(tiered(NAMES, CONFORMING), ["evonorm_b0"]))
def test_training_equals_the_oracle(name, channels, on_gpu):
    with on_gpu():
        check_training(name, channels)


@pytest.mark.parametrize("name", everywhere(LAYERS, EVERYDAY))
def test_a_pass_is_one_program(name, on_gpu, made):
    x, upstream, _ = arrays(SHAPE)
    wanted = first_order(layer_of(name, SHAPE, "float64"), *map(tf.constant, (x, upstream)))
    assert not made
    layer = layer_of(name, SHAPE)
    with on_gpu():
        found = first_order(layer, tf.constant(x, tf.float32), tf.constant(upstream, tf.float32))
    assert len(made) == 2
    assert_close(found, wanted, 3e-6)


@pytest.mark.parametrize("name", everywhere(LAYERS, ["evonorm_b0"]))
def test_second_order_gradients_equal_float64(name, on_gpu):
    inputs = arrays(SHAPE)
    wanted = second_order(layer_of(name, SHAPE, "float64"), *map(tf.constant, inputs))
    layer = layer_of(name, SHAPE)
    with on_gpu():
        found = second_order(layer, *(tf.constant(array, tf.float32) for array in inputs))
    assert_close(found, wanted, 1e-5)


@pytest.mark.parametrize("dtype, rounding", [("bfloat16", 2.0**-8), ("float16", 2.0**-11)])
@pytest.mark.parametrize("name", everywhere(tiered(FUSED, EVERYDAY[:-1]), ["evonorm_s0"]))
def test_half_precision_is_computed_in_float32(name, dtype, rounding, on_gpu):
    x, upstream, _ = (tf.constant(array, dtype) for array in arrays(SHAPE))
    exact = tf.cast(x, tf.float64), tf.cast(upstream, tf.float64)
    wanted = first_order(layer_of(name, SHAPE, "float64"), *exact)
    layer = layer_of(name, SHAPE, f"mixed_{dtype}")
    with on_gpu():
        found = first_order(layer, x, upstream)
    assert found[0].dtype == found[1].dtype == tf.as_dtype(dtype)
    assert_close(found[:2], wanted[:2], rounding)
    assert_close(found[2:], wanted[2:], 1e-5)


@pytest.mark.parametrize("name", everywhere(LAYERS, ["evonorm_b0"]))
def test_a_network_that_xla_compiles_has_no_programs_of_its_own(name, on_gpu, made):
    x, upstream, _ = (tf.constant(array, tf.float32) for array in arrays(SHAPE))
    layer = layer_of(name, SHAPE)
    wanted = first_order(layer, x, upstream)

    @tf.function(jit_compile=True, autograph=False)
    def step(x, upstream):
        return first_order(layer, x, upstream)

    with on_gpu():
        found = step(x, upstream)
    assert len(made) == 2
    assert all(in_xla for _, _, in_xla in made)
    assert not any(p.function_def.attr["_XlaMustCompile"].b for p in made.values())
    assert_close(found, wanted, 3e-6)


@pytest.mark.parametrize("axes", [[1], [1, 2], [2, 3], [1, 2, 3]])
@pytest.mark.parametrize("mean", [0.0, 1e3, -1e6])
def test_moments_from_one_pass(axes, mean):
    rank = 4 if axes != [1, 2, 3] else 5
    sizes = [20 if i in axes else 3 for i in range(rank)]
    x = tf.constant(np.random.default_rng(0).normal(mean, 1.0, sizes), tf.float32)
    found = kernels.shifted_pass(x, axes)
    exact = tf.cast(x, tf.float64)
    wanted = tf.nn.moments(exact, axes, keepdims=True)
    found_mean = tf.cast(found.shift, tf.float64) + tf.cast(found.rest, tf.float64)
    assert np.abs(found_mean - wanted[0]).max() <= 1e-6 * max(1.0, abs(mean))
    assert_close([found.variance], wanted[1:], 1e-5)


def test_moments_of_an_image_that_differs_where_it_is_sampled():
    """Of s elements one is sampled: the sums' rounding may cost the variance s times as much."""
    count, s = 16 * 16, 64
    x = np.random.default_rng(0).normal(1e4, 1.0, (2, 16, 16, 4)).astype("float32")
    x[:, ::8, ::8] += 100.0
    found = kernels.shifted_pass(tf.constant(x), [1, 2])
    rounding = count * 2.0**-24  # of a sum in any order
    assert_close([found.variance[:, 0, 0]], [x.var((1, 2), dtype="float64")], s * rounding)


def test_every_pair_has_the_gradients_of_plain_operations(on_gpu, monkeypatch):
    """For bfloat16, where layers of many weights have no pairs."""
    x, upstream, _ = (tf.constant(array, "bfloat16") for array in arrays(SHAPE))
    found = []
    for most in (0, 99):
        monkeypatch.setattr(kernels, "_MOST_BFLOAT16_SUMS", most)
        monkeypatch.setattr(programs, "_PROGRAMS", {})
        with on_gpu():
            found.append(first_order(layer_of("evonorm_b0", SHAPE, "mixed_bfloat16"), x, upstream))
    assert_close(found[0][:2], found[1][:2], 2.0**-8)
    assert_close(found[0][2:], found[1][2:], 1e-5)


def passes_of(x, training=True):
    layer = layer_of("evonorm_s0", [8, 128, 128, 32])
    return layer._passes(layer._computation(x, training), x, training)


@pytest.mark.usefixtures("no_cpu_kernel")
def test_the_device_decides(on_gpu):
    x = tf.zeros([8, 128, 128, 32])
    unknown = tf.TensorSpec([8, None, 128, 32])
    assert passes_of(x) is xla_cpu.PASSES
    with on_gpu():
        assert passes_of(x) is xla_gpu.PASSES
        assert passes_of(tf.zeros([1, 1, 1, 32])) is xla_gpu.PASSES
        assert passes_of(tf.TensorSpec([None, 128, 128, 32])) is xla_gpu.PASSES
        for other in (passes_of(x, training=False), passes_of(x, None), passes_of(unknown)):
            assert other is keep_input.PLAIN
    with devices.for_accelerator("TPU"):
        assert passes_of(x) is keep_input.PLAIN


@pytest.mark.parametrize("built, expected", [(True, xla_gpu.PASSES), (False, keep_input.PLAIN)])
def test_a_gpu_must_be_one_that_xla_compiles_for(built, expected, monkeypatch):
    def devices_of(kind):
        return ["a device"] if kind == "GPU" else []

    monkeypatch.setattr(tf.config, "list_logical_devices", devices_of)
    monkeypatch.setattr(tf.test, "is_built_with_gpu_support", lambda: built)
    assert devices.accelerator() == "GPU"
    assert passes_of(tf.zeros([8, 128, 128, 32])) is expected
