"""Layers in compiled C code: numbers, gradients, threads, and where the code is used."""

import itertools
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

import evonorm_tf as en
from evonorm_tf import compat
from evonorm_tf.cpu_kernel import library, passes
from evonorm_tf.numerics import devices
from tests.evonorm_tf import program_cases
from tests.evonorm_tf.program_cases import arrays, first_order
from tests.evonorm_tf.test_conformance import check_training
from tests.evonorm_tf.test_programs import assert_close, second_order, step_of, values

NAMES = ["evonorm_s0", "evonorm_b0", "gn_relu", "affine"]
# Full vectors and remainders, one position, groups of one channel, one example, more rows than
# are summed in float32, and ranks 3 and 5.
SHAPES = [
    (3, 8, 4, 32),
    (3, 5, 7, 24),
    (4, 1, 1, 96),
    (1, 9, 9, 16),
    (2, 1, 1, 37),
    (2, 40, 31, 33),
    (2, 11, 48),
    (2, 3, 4, 5, 16),
]
# Roundings of 2^-24 in the dozen operations that lead to a value, relative to the largest one.
BOUND = 12 * 2.0**-24

each_layer = pytest.mark.parametrize("name", NAMES)


@pytest.fixture
def used(monkeypatch):
    """How many passes ran as compiled code."""
    if library.operations() is None:
        pytest.skip("needs a C compiler")
    runs = []
    for kind in ("_forward", "_backward"):
        function = getattr(passes, kind)
        monkeypatch.setattr(
            passes, kind, lambda *a, function=function: (runs.append(1), function(*a))[1]
        )
    return lambda: len(runs)


def layer_of(name, shape, dtype="float32", **settings):
    if name == "affine":
        name, settings = "evonorm_b1", {"nonlinearity": False, **settings}
    return program_cases.layer_of(name, shape, dtype, **settings)


def inputs_of(shape, dtype="float32", **distribution):
    return [tf.constant(array, dtype) for array in arrays(shape, **distribution)]


def exact_results(layer, x, upstream):
    """The output and the gradients in float64, for float32 values."""
    return values(first_order(layer, tf.cast(x, tf.float64), tf.cast(upstream, tf.float64)))


@each_layer
@pytest.mark.parametrize("shape", SHAPES)
def test_training_equals_float64(name, shape, used):
    x, upstream, _ = inputs_of(shape)
    expected = layer_of(name, shape, "float64")
    wanted = exact_results(expected, x, upstream)
    assert used() == 0
    layer = layer_of(name, shape)
    assert_close(values(first_order(layer, x, upstream)), wanted, BOUND)
    moved = [np.asarray(weight) for weight in layer.non_trainable_weights]
    assert_close(moved, [np.asarray(w) for w in expected.non_trainable_weights], BOUND)
    assert used() == 2


@pytest.mark.parametrize("name", ["evonorm_s0", "evonorm_b0", "gn_relu"])
@pytest.mark.parametrize("channels", [16, 24, 37])
def test_training_equals_the_formulas_in_numpy(name, channels, used):
    check_training(name, channels)
    assert used() == 2


@each_layer
def test_a_large_mean_costs_no_digits(name, used):
    shape = (3, 8, 4, 32)
    x, upstream, _ = inputs_of(shape, offset=1e4, scale=1.0)
    wanted = exact_results(layer_of(name, shape, "float64"), x, upstream)
    found = values(first_order(layer_of(name, shape), x, upstream))
    assert_close(found, wanted, BOUND)
    assert used() == 2


def test_a_first_eighth_unlike_the_rest_costs_the_variance_three_bits(used):
    x = np.random.default_rng(0).normal(0.0, 1e-3, (1, 8, 8, 16)).astype("float32")
    x[:, 0] += 1e4
    layer = layer_of("evonorm_b0", x.shape, momentum=0.0)
    layer(tf.constant(x), training=True)
    exact = x.astype("float64").var((0, 1, 2))
    np.testing.assert_allclose(
        np.asarray(layer.moving_variance), exact, rtol=2 * 8 * np.finfo("float32").eps
    )
    assert used() == 1


def test_the_sigmoid_is_exact_far_from_zero(used):
    """Of large arguments of both signs, where an exponential leaves float32's range."""
    shape = (2, 4, 4, 16)
    x, upstream, _ = inputs_of(shape, scale=100.0)
    wanted = exact_results(layer_of("evonorm_s0", shape, "float64"), x, upstream)
    found = values(first_order(layer_of("evonorm_s0", shape), x, upstream))
    assert np.abs(x.numpy()).max() > 200.0
    assert_close(found, wanted, BOUND)
    assert used() == 2


@each_layer
@pytest.mark.parametrize("graph", [False, True])
def test_second_order_gradients_equal_float64(name, graph, used):
    shape = (3, 8, 4, 32)
    wanted = values(second_order(layer_of(name, shape, "float64"), *inputs_of(shape, "float64")))
    run = tf.function(second_order, autograph=False) if graph else second_order
    assert_close(values(run(layer_of(name, shape), *inputs_of(shape))), wanted, 1e-5)
    assert used() == 2


@each_layer
def test_the_number_of_threads_changes_no_bit(name, used, monkeypatch):
    shape = (13, 16, 17, 37)
    x, upstream, _ = inputs_of(shape)
    results = []
    for threads in (1, 2, 5):
        own = {**passes._attributes(layer_of(name, shape)._computation(x, True))}
        monkeypatch.setattr(
            passes, "_attributes", lambda _, own=own, n=threads: {**own, "threads": n}
        )
        results.append([t.numpy() for t in first_order(layer_of(name, shape), x, upstream)])
        monkeypatch.undo()
    for result in results[1:]:
        for one, other in zip(results[0], result, strict=True):
            np.testing.assert_array_equal(one, other)


@each_layer
def test_sizes_may_be_unknown(name, used):
    layer = layer_of(name, (None, None, None, 24))
    traced = step_of(layer).get_concrete_function(*[tf.TensorSpec((None, None, None, 24))] * 2)
    assert used() == 2
    for shape in [(2, 3, 4, 24), (3, 5, 5, 24)]:
        x, upstream, _ = inputs_of(shape)
        wanted = exact_results(layer_of(name, shape, "float64"), x, upstream)
        assert_close(values(traced(x, upstream)), wanted, BOUND)


@each_layer
def test_a_batch_without_examples_moves_nothing(name, used):
    layer = layer_of(name, (0, 4, 4, 16))
    before = [np.asarray(weight) for weight in layer.non_trainable_weights]
    y, dx, *gradients = first_order(layer, tf.zeros((0, 4, 4, 16)), tf.zeros((0, 4, 4, 16)))
    assert y.shape == dx.shape == (0, 4, 4, 16)
    for gradient in gradients:
        np.testing.assert_array_equal(gradient, np.zeros(16))
    for weight, old in zip(layer.non_trainable_weights, before, strict=True):
        np.testing.assert_array_equal(np.asarray(weight), old)
    assert used() == 2


@each_layer
def test_the_output_has_the_compute_dtype(name, used):
    shape = (3, 8, 4, 32)
    layer = layer_of(name, shape, "mixed_bfloat16", autocast=False)
    x, upstream, _ = inputs_of(shape)
    y, dx, *_ = first_order(layer, x, tf.cast(upstream, tf.bfloat16))
    assert (y.dtype, dx.dtype) == (tf.bfloat16, tf.float32)
    wanted = first_order(
        layer_of(name, shape), x, tf.cast(tf.cast(upstream, tf.bfloat16), tf.float32)
    )
    np.testing.assert_array_equal(y, tf.cast(wanted[0], tf.bfloat16))
    np.testing.assert_array_equal(dx, wanted[1])
    assert used() == 4


class Doubled(en.EvoNormS0):
    """A subclass with a formula of its own."""

    @staticmethod
    def formula(x, *, scale, v, beta):
        return 2.0 * en.EvoNormS0.formula(x, scale=scale, v=v, beta=beta)


def test_other_linear_layers_keep_their_passes(used):
    en.GroupNormReLU(nonlinearity=False)(tf.ones((3, 8, 4, 32)), training=True)
    assert used() == 0


def test_a_subclass_computes_its_own_formula(used):
    x = inputs_of((3, 8, 4, 32))[0]
    y = en.EvoNormS0()(x, training=True)
    np.testing.assert_allclose(Doubled()(x, training=True), 2.0 * y, rtol=1e-5, atol=1e-6)
    assert used() == 1


ELSEWHERE = {
    "inference": ({}, (3, 8, 4, 32), "float32", False),
    "no mode": ({}, (3, 8, 4, 32), "float32", None),
    "half precision": ({"dtype": "bfloat16"}, (3, 8, 4, 32), "bfloat16", True),
    "double precision": ({"dtype": "float64"}, (3, 8, 4, 32), "float64", True),
    "few channels": ({}, (3, 8, 4, 15), "float32", True),
    "channels first": ({"axis": 1}, (3, 32, 8, 4), "float32", True),
}


@each_layer
@pytest.mark.parametrize("case", ELSEWHERE)
def test_other_calls_keep_their_passes(name, case, used):
    settings, shape, dtype, training = ELSEWHERE[case]
    layer_of(name, shape, **settings)(tf.ones(shape, dtype), training=training)
    assert used() == 0


@each_layer
def test_masks_and_shared_statistics_keep_their_passes(name, used, strategy):
    x = tf.ones((2, 8, 4, 32))
    layer_of(name, x.shape)(x, training=True, mask=tf.ones((2, 8, 4), tf.bool))
    if name == "evonorm_b0":
        with strategy.scope():
            layer = en.get(name, synchronized=True)
            layer.build(x.shape)
        strategy.run(tf.function(lambda: layer(x, training=True), autograph=False))
    with devices.for_accelerator("GPU"):
        layer_of(name, x.shape)(x, training=True)
    assert used() == 0


@each_layer
def test_two_replicas_of_equal_examples(name, used, strategy):
    shape = (3, 8, 4, 32)
    x, upstream, _ = inputs_of(shape)
    with strategy.scope():
        layer = layer_of(name, shape)
    step = tf.function(lambda: first_order(layer, x, upstream)[1], autograph=False)
    found = strategy.experimental_local_results(strategy.run(step))
    expected = exact_results(layer_of(name, shape, "float64"), x, upstream)
    for replica in found:
        assert_close(values([replica]), expected[1:2], BOUND)
    assert used() == 4


@each_layer
def test_where_xla_compiles_the_caller_there_is_no_operation(name, used):
    shape = (3, 8, 4, 32)
    x, upstream, _ = inputs_of(shape)
    expected = exact_results(layer_of(name, shape, "float64"), x, upstream)
    step = step_of(layer_of(name, shape), jit_compile=True)
    assert_close(values(step(x, upstream)), expected, 3e-6)
    assert used() == 0


def test_no_graph_is_sent_to_another_process(used, monkeypatch):
    names = ["/job:chief/task:0/device:CPU:0", "/job:worker/task:0/device:CPU:0"]
    found = [tf.config.LogicalDevice(name, "CPU") for name in names]
    monkeypatch.setattr(
        tf.config, "list_logical_devices", lambda kind: found if kind == "CPU" else []
    )
    en.EvoNormS0()(tf.ones((3, 8, 4, 32)), training=True)
    assert used() == 0


def operations_in(folder):
    saved = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    graph = saved.meta_graphs[0].graph_def
    functions = [node for function in graph.library.function for node in function.node_def]
    return {node.op for node in [*graph.node, *functions]}


LOAD = """
import sys
import numpy as np, tensorflow as tf
arrays = np.load(sys.argv[2])
loaded = tf.saved_model.load(sys.argv[1])
found = loaded.step(tf.constant(arrays["x"]), tf.constant(arrays["upstream"]))
np.testing.assert_allclose(found[0], arrays["y"], rtol=1e-5, atol=1e-6)
"""


@pytest.mark.slow
@each_layer
def test_a_saved_model_trains_on_without_the_package(name, used, tmp_path):
    shape = (3, 8, 4, 32)
    x, upstream, _ = inputs_of(shape)
    module = tf.Module()
    module.layer = layer_of(name, shape)
    module.step = tf.function(
        lambda x, upstream: first_order(module.layer, x, upstream), autograph=False
    )
    y = module.step(x, upstream)[0]
    assert used() == 2
    tf.saved_model.save(module, str(tmp_path / "model"))
    operations = operations_in(tmp_path / "model")
    assert operations and not [op for op in operations if op.startswith("EvoNorm>")]
    np.savez(tmp_path / "arrays.npz", x=x, upstream=upstream, y=y)
    command = [sys.executable, "-c", LOAD, tmp_path / "model", tmp_path / "arrays.npz"]
    subprocess.run(command, check=True, cwd=tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "how"), [*itertools.product(NAMES, ["saved_model", "export", "tf"])]
)
def test_keras_saves_no_operation(name, how, used, tmp_path):
    if how == "tf" and compat.IS_KERAS_3:
        pytest.skip("needs a Keras with save_format=tf")
    if how == "export" and not hasattr(tf.keras.Model, "export"):
        pytest.skip("needs a Keras with Model.export")
    inputs = tf.keras.Input((8, 4, 32))
    model = tf.keras.Model(inputs, layer_of(name, inputs.shape)(inputs))
    model.compile("sgd", "mse", jit_compile=False)
    x = arrays((3, 8, 4, 32))[0].astype(np.float32)
    model.fit(x, x, verbose=0)
    assert used() >= 2  # Keras traces a first step twice
    save = {
        "saved_model": lambda folder: tf.saved_model.save(model, folder),
        "export": lambda folder: model.export(folder),
        "tf": lambda folder: model.save(folder, save_format="tf"),
    }
    save[how](str(tmp_path / "saved"))
    operations = operations_in(tmp_path / "saved")
    assert operations and not [op for op in operations if op.startswith("EvoNorm>")]
