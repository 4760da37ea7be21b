"""Fused layers whose pieces are XLA programs: the plain layers' numbers, gradients, memory."""

import itertools
import math
import re

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

import evonorm_tf as en
from evonorm_tf import compat
from evonorm_tf.xla_cpu import passes, programs
from tests.evonorm_tf.program_cases import (
    EVERYDAY,
    SHAPES,
    arrays,
    first_order,
    layer_of,
    vectors_of,
)
from tests.evonorm_tf.test_fusion import FUSED, kept
from tests.tiers import everywhere, tiered

GRAPHS = [f"evonorm_{name} graph" for name in ("b0", "b1", "b2", "s0", "s1", "s2")]
# How rows are cut into slices does not depend on the layer.
SLICED = tiered(
    itertools.product([*FUSED, *GRAPHS], SHAPES),
    everyday=[(name, SHAPES[0]) for name in EVERYDAY] + [("evonorm_b0", SHAPES[2])],
    slow=[
        *((name, SHAPES[0]) for name in [*FUSED, *GRAPHS] if name not in EVERYDAY),
        *itertools.product(("bn_relu", "evonorm_s0", "evonorm_b0 graph"), SHAPES[1:]),
        ("evonorm_b0", SHAPES[1]),
    ],
)
# Most tests here count programs, which layers with compiled code do not use.
pytestmark = pytest.mark.usefixtures("no_cpu_kernel")
HALF = {"bfloat16": 2.0**-8, "float16": 2.0**-11}
TWICE = tiered(
    itertools.product([*FUSED, *GRAPHS], [False, True]),
    everyday=[("bn_relu", True), ("evonorm_b0", False), ("evonorm_s0", True)],
    slow=[
        *zip([*FUSED, *GRAPHS], itertools.cycle([False, True]), strict=False),
        ("bn_relu", False),
    ],
)
# Each layer with one of the types: how a type is cast does not depend on the layer.
HALVED = tiered(
    itertools.product(FUSED, HALF),
    everyday=[("bn_relu", "float16"), ("evonorm_b0", "bfloat16"), ("evonorm_s0", "float16")],
    slow=[
        case
        for case in zip(FUSED, itertools.cycle(HALF), strict=False)
        if case[0] not in ("bn_relu", "evonorm_b0", "evonorm_s0")
    ]
    + [("evonorm_s0", "bfloat16"), ("evonorm_b0", "float16")],
)


@pytest.fixture
def count(monkeypatch):
    """How many programs were asked for, without those that are part of another."""
    asked, depths, run = [], [0], programs.run

    def counting(*arguments):
        if depths[-1] == 0:
            asked.append(arguments)
        depths.append(depths[-1] + 1)
        try:
            return run(*arguments)
        finally:
            depths.pop()

    monkeypatch.setattr(programs, "run", counting)
    return lambda: len(asked)


def step_of(layer, jit_compile=False):
    run = lambda x, upstream: first_order(layer, x, upstream)  # noqa: E731
    return tf.function(run, autograph=False, jit_compile=jit_compile)


def second_order(layer, x, upstream, other):
    """The gradient of a product with the gradient."""
    sources = [x, upstream, *vectors_of(layer)]
    with tf.GradientTape() as tape:
        tape.watch([x, upstream])
        _, gradient, *others = first_order(layer, x, upstream)
        product = tf.reduce_sum(gradient * other)
        product += tf.add_n([tf.reduce_sum(tf.cast(each, x.dtype)) for each in others])
    zero = tf.UnconnectedGradients.ZERO
    return tape.gradient(product, sources, unconnected_gradients=zero)


def values(tensors):
    return [np.asarray(tf.cast(tensor, tf.float64)) for tensor in tensors]


def assert_close(actual, expected, bound):
    for one, other in zip(actual, expected, strict=True):
        assert np.abs(one - other).max() <= bound * np.abs(other).max()


@pytest.mark.usefixtures("all_sizes_in_programs")
@pytest.mark.parametrize(
    ("name", "shape"), everywhere(SLICED, [(name, SHAPES[0]) for name in EVERYDAY])
)
def test_training_equals_float64(name, shape, count):
    x, upstream, _ = arrays(shape)
    expected = layer_of(name, shape, "float64")
    wanted = values(first_order(expected, tf.constant(x), tf.constant(upstream)))
    assert count() == 0
    layer = layer_of(name, shape)
    inputs = tf.constant(x, tf.float32), tf.constant(upstream, tf.float32)
    assert_close(values(first_order(layer, *inputs)), wanted, 3e-6)
    moved = [np.asarray(weight) for weight in layer.non_trainable_weights]
    assert_close(moved, [np.asarray(w) for w in expected.non_trainable_weights], 1e-6)
    assert count() == 2


@pytest.mark.usefixtures("all_sizes_in_programs")
@pytest.mark.parametrize(
    ("name", "dtype"), everywhere(HALVED, [("bn_relu", "float16"), ("evonorm_b0", "bfloat16")])
)
def test_half_precision_is_computed_in_float32(name, dtype):
    shape = SHAPES[0]
    x, upstream, _ = (tf.constant(array, dtype) for array in arrays(shape))
    found = first_order(layer_of(name, shape, f"mixed_{dtype}"), x, upstream)
    assert found[0].dtype == found[1].dtype == tf.as_dtype(dtype)
    exact = tf.cast(x, tf.float64), tf.cast(upstream, tf.float64)
    expected = values(first_order(layer_of(name, shape, "float64"), *exact))
    assert_close(values(found[:2]), expected[:2], HALF[dtype])
    assert_close(values(found[2:]), expected[2:], 1e-5)


@pytest.mark.usefixtures("all_sizes_in_programs")
@pytest.mark.parametrize(("name", "graph"), everywhere(TWICE, [("evonorm_b0", False)]))
def test_second_order_gradients_equal_float64(name, graph):
    shape = SHAPES[0]
    expected = layer_of(name, shape, "float64")
    wanted = values(second_order(expected, *(tf.constant(array) for array in arrays(shape))))
    layer = layer_of(name, shape)
    run = tf.function(second_order, autograph=False) if graph else second_order
    found = run(layer, *(tf.constant(array, tf.float32) for array in arrays(shape)))
    assert_close(values(found), wanted, 1e-5)


@pytest.mark.usefixtures("all_sizes_in_programs")
@pytest.mark.parametrize("name", everywhere(tiered([*FUSED, *GRAPHS], EVERYDAY), EVERYDAY))
def test_the_input_alone_is_kept(name):
    layer = layer_of(name, (4, 6, 6, 8))
    assert kept(layer, "float32") == {"x", "upstream"}


def test_programs_are_for_large_training_on_cpus(count):
    shape = (2, 8, 8, 4)
    layer = layer_of("evonorm_s0", shape)
    x, upstream, _ = (tf.constant(array, tf.float32) for array in arrays(shape))
    first_order(layer, x, upstream)
    assert count() == 0
    large = (2, 64, 64, 32)
    layer = layer_of("evonorm_s0", large)
    x, upstream, _ = (tf.constant(array, tf.float32) for array in arrays(large))
    for training in (False, None):
        first_order(layer, x, upstream, training)
    unknown = [tf.TensorSpec((None, None, None, 32))] * 2
    step_of(layer).get_concrete_function(*unknown)
    assert count() == 0
    first_order(layer, x, upstream)
    assert count() == 2


@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_batch_of_unknown_size(jit_compile, count):
    large = (None, 16, 16, 32)
    layer = layer_of("evonorm_b0", large)
    step = step_of(layer, jit_compile)
    traced = step.get_concrete_function(*[tf.TensorSpec(large)] * 2)
    assert count() == 2
    for batch in (2, 5):
        layer = layer_of("evonorm_b0", large)
        x, upstream, _ = arrays((batch, *large[1:]))
        expected = layer_of("evonorm_b0", large, "float64")
        wanted = first_order(expected, tf.constant(x), tf.constant(upstream))
        found = traced(tf.constant(x, tf.float32), tf.constant(upstream, tf.float32))
        assert_close(values(found), values(wanted), 3e-6)


@pytest.mark.usefixtures("all_sizes_in_programs")
@pytest.mark.parametrize(
    "name",
    everywhere(
        tiered(FUSED, ["evonorm_b0"], ["bn_relu", "evonorm_s0", "evonorm_b2", "gn_silu", "frn"]),
        ["evonorm_b0", "evonorm_s0"],
    ),
)
def test_as_part_of_a_larger_program(name, count):
    shape = SHAPES[0]
    x, upstream, _ = arrays(shape)
    wanted = first_order(layer_of(name, shape, "float64"), tf.constant(x), tf.constant(upstream))
    inputs = [tf.constant(array, tf.float32) for array in (x, upstream)]
    found = step_of(layer_of(name, shape), jit_compile=True)(*inputs)
    assert_close(values(found), values(wanted), 3e-6)
    assert count() == 2


@pytest.mark.usefixtures("all_sizes_in_programs")
@pytest.mark.slow
@pytest.mark.parametrize("name", ["evonorm_b0", "evonorm_s0"])
def test_second_order_gradients_as_part_of_a_larger_program(name):
    shape = SHAPES[0]
    exact = layer_of(name, shape, "float64")
    wanted = second_order(exact, *(tf.constant(array) for array in arrays(shape)))
    run = tf.function(second_order, autograph=False, jit_compile=True)
    found = run(layer_of(name, shape), *(tf.constant(a, tf.float32) for a in arrays(shape)))
    assert_close(values(found), values(wanted), 1e-5)


@pytest.mark.one_environment
@pytest.mark.parametrize(
    "name",
    tiered(["bn_relu", "gn_silu", "evonorm_b0", "evonorm_s0", "evonorm_s0 graph"], ["evonorm_s0"]),
)
def test_a_larger_program_makes_no_array_of_what_parts_share(name):
    shape = (8, 32, 32, 64)
    x, upstream = (tf.constant(array, tf.float32) for array in arrays(shape)[:2])
    step = step_of(layer_of(name, shape), jit_compile=True)
    hlo = step.experimental_get_compiler_ir(x, upstream)("optimized_hlo")
    made = re.findall(r"= \w+\[([\d,]+)\]\S* (?!parameter|bitcast)", hlo.split("\nENTRY ")[1])
    sizes = [math.prod(map(int, sizes.split(","))) for sizes in made]
    # The output and the gradient for the input; of sums an eighth each, or of pairs of them. B0
    # has five sums in its backward pass.
    assert len([size for size in sizes if size > math.prod(shape) / 8]) == 2
    assert len([size for size in sizes if size == math.prod(shape) / 8]) <= 3 + (
        name == "evonorm_b0"
    )


@pytest.mark.parametrize("mean", [0.0, 1e4, -1e6])
def test_a_large_mean_does_not_cost_the_variance(mean):
    x = np.random.default_rng(0).normal(mean, 1.0, (2, 16, 16, 4)).astype("float32")
    found = programs.run("moments", passes.two_pass, [tf.constant(x)])
    exact = x.astype("float64")
    np.testing.assert_allclose(found.variance, exact.var((1, 2), keepdims=True), rtol=1e-5)
    difference = found.shift.numpy().astype("float64") - exact.mean((1, 2), keepdims=True)
    np.testing.assert_allclose(difference + found.rest.numpy(), 0.0, atol=1e-5)


def test_a_first_slice_unlike_the_others_costs_the_variance_three_bits():
    x = np.random.default_rng(0).normal(0.0, 1e-3, (1, 8, 8, 1)).astype("float32")
    x[:, 0] += 1e4
    found = programs.run("moments", passes.two_pass, [tf.constant(x)]).variance.numpy()
    exact = x.astype("float64").var((1, 2), keepdims=True)
    np.testing.assert_allclose(found, exact, rtol=2 * 8 * np.finfo("float32").eps)


def test_two_sums_of_unlike_size_do_not_mix():
    x = np.random.default_rng(0).normal(size=(2, 8, 6, 3)).astype("float32")
    found = programs.sums(lambda _, x: [1e12 * x, 1e-12 * x], [tf.constant(x)], [])
    for total, scale in zip(found, (1e12, 1e-12), strict=True):
        exact = x.astype("float64").sum((1, 2), keepdims=True) * scale
        np.testing.assert_allclose(total, exact, rtol=0, atol=1e-5 * scale)


@pytest.mark.usefixtures("all_sizes_in_programs")
@pytest.mark.parametrize(
    ("name", "settings", "number"),
    # Replicas communicate between programs.
    [("evonorm_s0", {}, 2), ("evonorm_b0", {}, 2), ("evonorm_b0", {"synchronized": True}, 6)],
)
def test_two_replicas_of_equal_examples(name, settings, number, count, strategy):
    shape = SHAPES[0]
    x, upstream, _ = (tf.constant(array, tf.float32) for array in arrays(shape))
    with strategy.scope():
        layer = layer_of(name, shape, **settings)

    @tf.function(autograph=False)
    def step():
        return strategy.run(lambda: first_order(layer, x, upstream)[1])

    expected = first_order(layer_of(name, shape, "float64"), *map(_double, (x, upstream)))
    for replica in strategy.experimental_local_results(step()):
        assert_close(values([replica]), values(expected[1:2]), 3e-6)
    assert count() == 2 * number


def _double(tensor):
    return tf.cast(tensor, tf.float64)


@pytest.mark.slow
@pytest.mark.usefixtures("all_sizes_in_programs")
@pytest.mark.parametrize("name", ["bn_relu", "evonorm_b2"])
def test_synchronized_statistics_have_programs_of_their_own_formula(name):
    """Their coefficients are computed outside, and reach the program with the shift."""
    shape = SHAPES[0]
    x, upstream, _ = (tf.constant(array, tf.float32) for array in arrays(shape))
    synchronized, local = (layer_of(name, shape, synchronized=s) for s in (True, False))
    found, expected = (values(first_order(layer, x, upstream)) for layer in (synchronized, local))
    assert_close(found, expected, 1e-5)


def test_a_saved_model_trains_on(tmp_path):
    shape = SHAPES[0]
    x, upstream, _ = (tf.constant(array, tf.float32) for array in arrays(shape))
    module = tf.Module()
    module.layer = layer_of("evonorm_b0", shape)
    module.step = tf.function(
        lambda x, upstream: first_order(module.layer, x, upstream),
        input_signature=[tf.TensorSpec(shape)] * 2,
        autograph=False,
    )
    expected = values(module.step(x, upstream))
    tf.saved_model.save(module, str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    # Plain operations there, which round otherwise.
    assert_close(values(loaded.step(x, upstream)), expected, 1e-6)


@pytest.mark.slow
@pytest.mark.skipif(compat.IS_KERAS_3, reason="needs a Keras with save_format=tf")
@pytest.mark.parametrize(
    "name", everywhere(["bn_relu", "evonorm_b0", "evonorm_s0"], ["evonorm_b0"])
)
@pytest.mark.usefixtures("all_sizes_in_programs")
def test_keras_saves_nothing_that_needs_xla(name, tmp_path):
    inputs = tf.keras.Input(SHAPES[0][1:])
    model = tf.keras.Model(inputs, en.get(name)(inputs))
    model.compile("sgd", "mse")
    x = arrays(SHAPES[0])[0].astype(np.float32)
    assert programs.use_xla_programs(tf.constant(x), -1, True)
    model.fit(x, x, verbose=0)
    model.save(str(tmp_path / "saved"), save_format="tf")
    saved = saved_model_pb2.SavedModel.FromString((tmp_path / "saved/saved_model.pb").read_bytes())
    library = saved.meta_graphs[0].graph_def.library
    operations = {node.op for function in library.function for node in function.node_def}
    assert operations and not [op for op in operations if op.startswith("Xla")]
    assert not any(function.attr["_XlaMustCompile"].b for function in library.function)
