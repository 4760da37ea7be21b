"""The 24 primitives of table 2, as functions and as layers, against float64 NumPy."""

import numpy as np
import pytest
import tensorflow as tf

import evonorm_tf as en
from evonorm_tf.graph import ops
from evonorm_tf.layers.primitive_layer import PrimitiveLayer
from evonorm_tf.numerics import primitives, statistics
from tests.evonorm_tf import oracle

pytestmark = pytest.mark.one_environment

ELEMENTWISE = {
    "ADD": lambda x, y: x + y,
    "MUL": lambda x, y: x * y,
    "DIV": lambda x, y: x / y,
    "MAX": np.maximum,
    "NEG": lambda x: -x,
    "SIGMOID": lambda x: 1 / (1 + np.exp(-x)),
    "TANH": np.tanh,
    "EXP": np.exp,
    "LOG": lambda x: np.sign(x) * np.log(np.abs(x)),
    "ABS": np.abs,
    "SQUARE": lambda x: x**2,
    "SQRT": lambda x: np.sign(x) * np.sqrt(np.abs(x)),
}
MEANS = {
    "BWH": oracle.mean_bwh,
    "WHC": oracle.mean_whc,
    "WH": oracle.mean_wh,
    "WHCQ": lambda x: oracle.mean_group(x, oracle.groups_of(x.shape[-1])),
}
SHAPES = [(3, 5, 40), (2, 3, 4, 40), (2, 2, 3, 2, 40), (2, 3, 3, 1)]
AGGREGATIONS = [p for p in ops.PRIMITIVES if p.index_set]


def expected_moment(op, index_set, x):
    mean = MEANS[index_set]
    if op == "MEAN":
        return mean(x)
    return oracle.root(mean(x**2) if op == "RMS" else mean((x - mean(x)) ** 2))


def draw(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32) * 2 + 0.5


def test_table_2_has_24_primitives():
    assert len(ops.PRIMITIVES) == len(set(ops.PRIMITIVES)) == 24
    assert {p.op for p in ops.PRIMITIVES} == set(ELEMENTWISE) | {"MEAN", "RMS", "STD"}
    assert [p.op for p in ops.PRIMITIVES if p.arity == 2] == ["ADD", "MUL", "DIV", "MAX"]


@pytest.mark.parametrize("op", ELEMENTWISE)
def test_elementwise_function_and_layer(op):
    tensors = [draw((2, 3, 4, 5), seed) for seed in range(ops.ARITY[op])]
    expected = ELEMENTWISE[op](*(t.astype(np.float64) for t in tensors))
    np.testing.assert_allclose(primitives.ELEMENTWISE[op](*tensors), expected, rtol=2e-6)
    layer = PrimitiveLayer(op)
    y = layer(tensors if len(tensors) > 1 else tensors[0])
    np.testing.assert_allclose(y, expected, rtol=2e-6)
    assert layer.weights == []


@pytest.mark.parametrize("first", [False, True], ids=["channels last", "channels first"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("op, index_set", AGGREGATIONS)
def test_aggregation_function_and_layer(op, index_set, shape, first):
    x = draw(shape)
    expected = np.broadcast_to(expected_moment(op, index_set, x.astype(np.float64)), shape)
    axis = 1 if first else -1
    inputs = np.moveaxis(x, -1, 1) if first else x
    function = {"MEAN": primitives.mean, "RMS": primitives.rms, "STD": primitives.std}[op]
    value = function(inputs, index_set, axis=axis, groups=oracle.groups_of(shape[-1]))
    value = np.broadcast_to(value, inputs.shape)
    layer = PrimitiveLayer(op, index_set, axis=axis)(inputs, training=True)
    for actual in (value, layer.numpy()):
        actual = np.moveaxis(actual, 1, -1) if first else actual
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
@pytest.mark.parametrize("op, index_set", AGGREGATIONS)
def test_aggregation_accumulates_in_float32_or_more(op, index_set, dtype):
    # In float16, 65,536 ones do not add up, and squares of 300 overflow.
    shape = (2, 256, 128, 2)
    x = tf.cast(np.where(draw(shape) > 0, 400.0, 300.0), dtype)
    function = {"MEAN": primitives.mean, "RMS": primitives.rms, "STD": primitives.std}[op]
    y = function(x, index_set, groups=2)
    assert y.dtype == x.dtype
    expected = expected_moment(op, index_set, x.numpy().astype(np.float64))
    rounding = {"float16": 2.0**-11, "bfloat16": 2.0**-8, "float64": 1e-12}[dtype]
    y = np.broadcast_to(tf.cast(y, tf.float64), shape)
    np.testing.assert_allclose(y, np.broadcast_to(expected, shape), rtol=1.1 * rounding)


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("index_set", ops.INDEX_SETS)
def test_variance_at_a_large_mean(index_set, jit_compile):
    shape = (4, 64, 64, 8)
    x = np.round((np.random.default_rng(0).normal(size=shape) + 1e4) * 1024) / 1024
    run = tf.function(lambda x: primitives.std(x, index_set, groups=4), jit_compile=jit_compile)
    expected = (
        expected_moment("STD", index_set, x)
        if index_set != "WHCQ"
        else oracle.root(oracle.var_group(x, 4))
    )
    actual = np.broadcast_to(run(tf.constant(x, tf.float32)), shape)
    np.testing.assert_allclose(actual, np.broadcast_to(expected, shape), rtol=1e-5)


@pytest.mark.parametrize("op, index_set", AGGREGATIONS)
def test_aggregation_with_unknown_sizes_in_a_functional_model(op, index_set):
    inputs = tf.keras.Input((None, None, 6))
    layer = en.PrimitiveLayer(op, index_set, groups=3)
    model = tf.keras.Model(inputs, layer(inputs))
    assert tuple(model.output.shape) == (None, None, None, 6)
    x = draw((3, 4, 5, 6))
    x64 = x.astype(np.float64)
    if index_set == "WHCQ":
        mean = oracle.mean_group(x64, 3)
        squares = oracle.mean_group(x64**2, 3), oracle.var_group(x64, 3)
        expected = mean if op == "MEAN" else oracle.root(squares[op == "STD"])
    else:
        expected = expected_moment(op, index_set, x64)
    y = model(x, training=True)
    np.testing.assert_allclose(y, np.broadcast_to(expected, x.shape), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "op, weight, start",
    [
        ("MEAN", "moving_mean", 0.0),
        ("RMS", "moving_second_moment", 1.0),
        ("STD", "moving_variance", 1.0),
    ],
)
def test_batch_aggregation_moves_its_average_and_uses_it_in_inference(op, weight, start):
    layer = en.PrimitiveLayer(op, "BWH", momentum=0.8)
    x = draw((4, 3, 3, 5))
    x64 = x.astype(np.float64)
    value = expected_moment(op, "BWH", x64)
    layer(x, training=True)
    assert [w.name.split("/")[-1].split(":")[0] for w in layer.weights] == [weight]
    moment = value if op == "MEAN" else value**2 - oracle.EPSILON
    moved = 0.8 * start + 0.2 * moment.reshape(-1)
    np.testing.assert_allclose(layer.weights[0].numpy(), moved, rtol=1e-5, atol=1e-6)
    y = layer(draw((2, 7, 7, 5), seed=9), training=False).numpy()
    expected = moved if op == "MEAN" else oracle.root(moved)
    np.testing.assert_allclose(y, np.broadcast_to(expected, y.shape), rtol=1e-5, atol=1e-6)


def test_two_inputs_in_a_functional_model():
    first, second = tf.keras.Input((None, 4)), tf.keras.Input((None, 4))
    model = tf.keras.Model([first, second], en.PrimitiveLayer("DIV")([first, second]))
    x, y = draw((2, 5, 4)), np.abs(draw((2, 5, 4), 1)) + 1
    np.testing.assert_allclose(model([x, y]), x / y, rtol=1e-6)


@pytest.mark.parametrize("op", ["DIV", "LOG", "SQRT", "EXP", "TANH"])
def test_values_and_gradients_are_finite_next_to_zero(op):
    x = tf.constant([0.0, -0.0, 1e-30, -1e-30, 1e-6, -1e-6, 1e-5, -1e-5, 1.0])
    inputs = [tf.ones_like(x), x] if op == "DIV" else [x]
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = primitives.ELEMENTWISE[op](*inputs)
    gradient = tape.gradient(y, x)
    assert np.all(np.isfinite(y)) and np.all(np.isfinite(gradient))


def test_guards_are_exact_outside_epsilon_and_keep_the_sign_inside():
    x = tf.constant([2e-5, -2e-5, 3.0])
    np.testing.assert_allclose(primitives.div(tf.ones(3), x), 1 / x.numpy(), rtol=1e-6)
    np.testing.assert_allclose(
        primitives.div(1.0, tf.constant([0.0, -1e-9])), [1e5, -1e5], rtol=1e-6
    )
    np.testing.assert_allclose(primitives.log(x), np.sign(x) * np.log(np.abs(x.numpy())), rtol=1e-6)
    np.testing.assert_allclose(
        primitives.log(tf.constant([0.0, -1e-9])), [0, -np.log(1e-5)], rtol=1e-6
    )
    root = primitives.sqrt(tf.constant([0.0, 5e-6, -5e-6, 1e-5, 4.0]))
    np.testing.assert_allclose(
        root, [0, 0.5e-2 / 10**0.5, -0.5e-2 / 10**0.5, 1e-5**0.5, 2], rtol=1e-5
    )


@pytest.mark.parametrize("op, index_set", [tuple(p) for p in ops.PRIMITIVES])
def test_layer_config_round_trip(op, index_set):
    layer = en.PrimitiveLayer(op, index_set, groups=2, epsilon=1e-3, name="p")
    again = en.PrimitiveLayer.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    x = [draw((2, 3, 3, 4)), draw((2, 3, 3, 4), 1)][: ops.ARITY[op]]
    x = x if len(x) > 1 else x[0]
    np.testing.assert_array_equal(again(x), layer(x))


def test_merging_unequal_halves_by_hand():
    """mean and M2 of {1, 2} and {3, 4, 8}: worked out on paper."""
    parts = statistics.two_pass(tf.constant([[1.0, 2.0]]), [1])
    assert (float(parts.mean[0, 0]), float(parts.variance[0, 0])) == (1.5, 0.25)
    whole = statistics.two_pass(tf.constant([[1.0, 2.0, 3.0, 4.0, 8.0]]), [1])
    np.testing.assert_allclose(whole.mean, [[3.6]], rtol=1e-6)
    np.testing.assert_allclose(whole.variance, [[5.84]], rtol=1e-6)
