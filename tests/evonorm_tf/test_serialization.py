"""Every registered layer through every format: equal outputs after reload."""

import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

import evonorm_tf as en
from evonorm_tf import compat
from tests.evonorm_tf.graph_cases import weights_by_name
from tests.tiers import tiered

CHANNELS = 8
ROOT = pathlib.Path(en.__file__).parent.parent
# Every day one layer with batch statistics and one with groups; before a merge one of each kind,
# and one linear form.
EVERYDAY = ("evonorm_b0", "evonorm_s0")
CASES = [(name, nonlinearity) for name in en.names() for nonlinearity in (True, False)]
MOSTLY_SLOW = tiered(
    CASES,
    everyday=[(name, True) for name in EVERYDAY],
    slow=[(name, True) for name in ("bn_relu", "gn_silu", "frn", "evonorm_b1", "rs_rej")]
    + [("bn_relu", False)],
)
all_layers = pytest.mark.parametrize(("name", "nonlinearity"), CASES)
mostly_slow = pytest.mark.parametrize(("name", "nonlinearity"), MOSTLY_SLOW)
UNUSUAL = {
    "axis": 3,
    "epsilon": 1e-3,
    "momentum": 0.75,
    "synchronized": True,
    "groups": 4,
    "gamma_initializer": "zeros",
    "beta_initializer": tf.keras.initializers.Constant(0.5),
    "v_initializer": tf.keras.initializers.Constant(0.25),
    "gamma_regularizer": tf.keras.regularizers.L2(0.01),
    "beta_regularizer": "l1",
}


def data(height=5, width=4, batch=2):
    values = np.random.default_rng(0).normal(size=(batch, height, width, CHANNELS))
    return (values * 1.5 + 0.25).astype(np.float32)


def randomized(model):
    rng = np.random.default_rng(2)
    for layer in model.layers:
        for _, weight in sorted(weights_by_name(layer).items()):
            weight.assign(rng.uniform(0.5, 1.5, weight.shape).astype(np.float32))
    return model


def model_of(name, nonlinearity, sizes=(None, None), batch=None):
    """A functional model of one layer, with random weights, for any batch and image size."""
    inputs = tf.keras.Input((*sizes, CHANNELS), batch_size=batch)
    groups = {"groups": 4} if "groups" in en.get(name).get_config() else {}
    layer = en.get(name, nonlinearity=nonlinearity, **groups)
    return randomized(tf.keras.Model(inputs, layer(inputs)))


def output(model, x):
    return np.asarray(model(x, training=False))


def assert_same_model(loaded, model):
    """Weights, outputs in inference, and outputs and moving statistics in training."""
    for one, other in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(output(loaded, data()), output(model, data()))
    trained = [np.asarray(m(data(), training=True)) for m in (loaded, model)]
    np.testing.assert_array_equal(*trained)
    for one, other in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@all_layers
def test_config_holds_every_argument(name, nonlinearity):
    known = en.get(name).get_config()
    arguments = {key: value for key, value in UNUSUAL.items() if key in known}
    layer = en.get(name, nonlinearity=nonlinearity, name="layer", dtype="float64", **arguments)
    config = layer.get_config()
    for key in ("axis", "epsilon", "momentum", "synchronized", "groups"):
        assert config.get(key) == arguments.get(key)
    assert config["nonlinearity"] is nonlinearity and config["name"] == "layer"
    stored = json.loads(json.dumps(config))
    copy = type(layer).from_config(stored)
    assert json.loads(json.dumps(copy.get_config())) == stored
    x = data()
    outputs = [each(x, training=True) for each in (layer, copy)]
    assert outputs[0].dtype == tf.float64
    np.testing.assert_array_equal(*outputs)
    # gamma 0, beta 0.5, v 0.25 give a constant: the initializers arrived.
    silu = name in ("bn_silu", "gn_silu") and nonlinearity
    expected = 0.5 / (1 + np.exp(-0.25 * 0.5)) if silu else 0.5
    assert np.abs(outputs[0] - expected).max() < 1e-6
    assert float(tf.add_n(copy.losses)) == pytest.approx(0.5 * 0.01 * CHANNELS)


@all_layers
def test_building_leaves_the_config_alone(name, nonlinearity):
    layer = en.get(name, nonlinearity=nonlinearity)
    before = layer.get_config()
    layer.build((None, None, None, CHANNELS))
    after = layer.get_config()
    assert {key: after[key] for key in before} == before


@pytest.mark.parametrize("autocast", [False, True])
def test_autocast_is_kept(autocast):
    layer = en.EvoNormS0(dtype="mixed_float16", autocast=autocast)
    copy = en.EvoNormS0.from_config(json.loads(json.dumps(layer.get_config())))
    for each in (layer, copy):
        assert each.get_config()["autocast"] is compat.autocasts(each) is autocast
    assert compat.autocasts(en.EvoNormS0.from_config({"name": "of a version without it"})) is False


def test_constraints_hold_and_are_kept():
    bound = tf.keras.constraints.MaxNorm(0.5)
    layer = en.EvoNormB0(gamma_constraint="non_neg", beta_constraint=bound)
    copy = en.EvoNormB0.from_config(json.loads(json.dumps(layer.get_config())))
    for each in (layer, copy):
        model = tf.keras.Sequential([tf.keras.Input((4, 4, 3)), each])
        model.compile(tf.keras.optimizers.SGD(100.0), "mse")
        x = np.random.default_rng(0).normal(size=(4, 4, 4, 3)).astype("float32")
        model.fit(x, -100.0 * x, verbose=0)
        np.testing.assert_array_equal(each.gamma, 0.0)
        np.testing.assert_allclose(np.linalg.norm(np.asarray(each.beta)), 0.5, rtol=1e-5)


@all_layers
def test_keras_file(tmp_path, name, nonlinearity):
    model = model_of(name, nonlinearity)
    model.save(tmp_path / "model.keras")
    assert_same_model(tf.keras.models.load_model(tmp_path / "model.keras"), model)


@mostly_slow
def test_whole_model_h5_file(tmp_path, name, nonlinearity):
    model = model_of(name, nonlinearity)
    model.save(str(tmp_path / "model.h5"))
    assert_same_model(tf.keras.models.load_model(str(tmp_path / "model.h5")), model)


@all_layers
def test_h5_weights(tmp_path, name, nonlinearity):
    model = model_of(name, nonlinearity)
    model.save_weights(str(tmp_path / "model.weights.h5"))
    other = model_of(name, nonlinearity)
    other.set_weights([weight * 0 for weight in other.get_weights()])
    assert np.abs(output(other, data()) - output(model, data())).max() > 0.1
    other.load_weights(str(tmp_path / "model.weights.h5"))
    assert_same_model(other, model)


@mostly_slow
def test_model_export(tmp_path, name, nonlinearity):
    model = model_of(name, nonlinearity)
    model.export(str(tmp_path / "exported"))
    loaded = tf.saved_model.load(str(tmp_path / "exported"))
    for x in (data(), data(height=7, width=1, batch=3)):
        np.testing.assert_allclose(loaded.serve(x), output(model, x), rtol=1e-5, atol=1e-5)


@mostly_slow
def test_saved_model_save(tmp_path, name, nonlinearity):
    model = model_of(name, nonlinearity)
    shape = (None, None, None, CHANNELS)
    serve = tf.function(lambda x: {"y": model(x, training=False)})
    signature = serve.get_concrete_function(tf.TensorSpec(shape, tf.float32, name="x"))
    tf.saved_model.save(model, str(tmp_path / "saved"), signatures=signature)
    loaded = tf.saved_model.load(str(tmp_path / "saved")).signatures["serving_default"]
    for x in (data(), data(height=7, width=1, batch=3)):
        actual = loaded(x=tf.constant(x))["y"]
        np.testing.assert_allclose(actual, output(model, x), rtol=1e-5, atol=1e-5)


def converted(converter):
    """The converter's result, with builtin operations only."""
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    return converter.convert()


def run_tflite(content, x):
    interpreter = tf.lite.Interpreter(model_content=content)
    (entry,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
    if tuple(entry["shape"]) != x.shape:
        interpreter.resize_tensor_input(entry["index"], x.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(entry["index"], x)
    interpreter.invoke()
    return interpreter.get_tensor(result["index"])


needs_tflite = pytest.mark.skipif(
    not hasattr(tf.lite, "Interpreter"), reason="needs a TensorFlow with TFLite"
)


@needs_tflite
@pytest.mark.filterwarnings("ignore")  # the interpreter announces its move to another package
@pytest.mark.parametrize("name", EVERYDAY)  # the next test has all
def test_tflite_of_a_fixed_shape(name):
    model, x = model_of(name, True, sizes=(5, 4), batch=2), data()
    actual = run_tflite(converted(tf.lite.TFLiteConverter.from_keras_model(model)), x)
    np.testing.assert_allclose(actual, output(model, x), rtol=1e-4, atol=1e-5)


@needs_tflite
@pytest.mark.filterwarnings("ignore")
@mostly_slow
def test_tflite_of_unknown_batch_and_spatial_sizes(tmp_path, name, nonlinearity):
    model = model_of(name, nonlinearity)
    model.export(str(tmp_path / "exported"))
    content = converted(tf.lite.TFLiteConverter.from_saved_model(str(tmp_path / "exported")))
    for x in (data(), data(height=7, width=1, batch=3)):
        actual = run_tflite(content, x)
        np.testing.assert_allclose(actual, output(model, x), rtol=1e-4, atol=1e-5)


LOAD_ALL = """
import pathlib, sys
import numpy as np
import evonorm_tf
import tensorflow as tf
folder = pathlib.Path(sys.argv[1])
x = np.load(folder / "x.npy")
for path in sorted(folder.glob("*.keras")):
    model = tf.keras.models.load_model(path)
    np.save(path.with_suffix(".npy"), model(x, training=False))
"""


@pytest.mark.slow
def test_loading_needs_nothing_but_the_import(tmp_path):
    np.save(tmp_path / "x.npy", data())
    models = {
        f"{name}-{nonlinearity}": model_of(name, nonlinearity) for name, nonlinearity in CASES
    }
    for stem, model in models.items():
        model.save(tmp_path / f"{stem}.keras")
    command = [sys.executable, "-c", LOAD_ALL, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    for stem, model in models.items():
        loaded = np.load(tmp_path / f"{stem}.npy")
        np.testing.assert_allclose(loaded, output(model, data()), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("op", ["STD", "DIV"])
def test_primitive_layers_in_a_keras_file(tmp_path, op):
    inputs = tf.keras.Input((None, None, CHANNELS))
    layer = en.PrimitiveLayer(op, "BWH" if op == "STD" else None, momentum=0.5)
    outputs = layer(inputs) if op == "STD" else layer([inputs, tf.keras.layers.ReLU()(inputs)])
    model = randomized(tf.keras.Model(inputs, outputs))
    model.save(tmp_path / "model.keras")
    assert_same_model(tf.keras.models.load_model(tmp_path / "model.keras"), model)


def test_an_own_graph_in_a_keras_file(tmp_path):
    nodes = (en.Node("STD", (0,), "BWH"), en.Node("MUL", (2, 4)), en.Node("ADD", (0, 5)))
    graph = en.LayerGraph(nodes, name="ünïcode 😀")
    inputs = tf.keras.Input((None, None, CHANNELS))
    model = randomized(tf.keras.Model(inputs, en.GraphLayer(graph)(inputs)))
    model.save(tmp_path / "model.keras")
    loaded = tf.keras.models.load_model(tmp_path / "model.keras")
    assert loaded.layers[-1].graph == graph
    assert_same_model(loaded, model)
