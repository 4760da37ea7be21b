"""Every layer in LiteRT's interpreter (TensorFlow Lite), of floats and of integers."""

import numpy as np
import pytest
import tensorflow as tf

import evonorm_tf as en
from evonorm_tf.numerics import primitives, quantization

pytestmark = [pytest.mark.slow, pytest.mark.one_environment]
EVONORMS = tuple(f"evonorm_{kind}{number}" for kind in "bs" for number in range(3))
BASELINES = ("bn_relu", "bn_silu", "gn_relu", "gn_silu", "ln_relu", "pixelnorm_relu", "frn")
NETWORKS = {
    "evonorms": (*EVONORMS, "graph_evonorm_b0"),
    "baselines": (*BASELINES, "graph_evonorm_s2"),
}
MODES = ("float32", "float16", "dynamic_range", "integer")


def network(name, images):
    """Convolution, layer, convolution, logits; named as the layer."""
    graph = name.removeprefix("graph_")
    layer = en.get(name) if graph == name else en.GraphLayer(en.registry.graph(graph))
    x = layer(tf.keras.layers.Conv2D(8, 3, padding="same")(images))
    x = tf.keras.layers.Conv2D(24, 3, strides=2, activation="relu")(x)
    x = tf.keras.layers.GlobalAveragePooling2D()(x)
    return tf.keras.layers.Dense(10, name=name)(x)


@pytest.fixture(scope="module")
def digits():
    from trainers.data import digits

    return digits.load()


@pytest.fixture(
    scope="module", params=["evonorms", pytest.param("baselines", marks=pytest.mark.nightly)]
)
def trained(request, digits):
    """One model: a network for each layer, all of the same images, none of another's weights."""
    images = tf.keras.Input((8, 8, 1))
    pixels = tf.keras.layers.Rescaling(1 / 96, -0.8)(images)
    names = NETWORKS[request.param]
    model = tf.keras.Model(images, {name: network(name, pixels) for name in names})
    model.compile(
        tf.keras.optimizers.SGD(0.1, momentum=0.9),
        {name: tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True) for name in names},
    )
    labels = {name: digits.train.labels for name in names}
    model.fit(digits.train.images.astype("f"), labels, batch_size=64, epochs=12, verbose=0)
    return model


def saved(model, folder):
    """The folder, with the model's inference in it."""
    images = tf.TensorSpec((None, 8, 8, 1), tf.float32, "images")
    inference = tf.function(lambda images: model(images, training=False))
    module = tf.Module()
    module.weights = model.variables  # alone: Keras would trace every layer's training too
    tf.saved_model.save(module, str(folder), signatures=inference.get_concrete_function(images))
    return str(folder)


@pytest.fixture(scope="module")
def saved_of_floats(trained, tmp_path_factory):
    return saved(trained, tmp_path_factory.mktemp("saved"))


@pytest.fixture(scope="module", params=MODES)
def converted(request, trained, saved_of_floats, digits, tmp_path_factory):
    """Mode and content of each conversion."""
    if request.param == "integer":
        with en.quantizable():
            folder = saved(trained, tmp_path_factory.mktemp("saved_of_integers"))
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        return request.param, to_integers(converter, digits.train.images[:80])
    converter = tf.lite.TFLiteConverter.from_saved_model(saved_of_floats)
    if request.param != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if request.param == "float16":
        converter.target_spec.supported_types = [tf.float16]
    return request.param, converter.convert()


def to_integers(converter, images):
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([image[None].astype("f")] for image in images)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return converter.convert()


def interpreted(content, images):
    """The outputs by their layer's name, and the names of the operations."""
    from ai_edge_litert import interpreter as litert

    interpreter = litert.Interpreter(
        model_content=content,
        experimental_op_resolver_type=litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    runner = interpreter.get_signature_runner()
    ((argument, detail),) = runner.get_input_details().items()
    outputs = runner(**{argument: _to_dtype(images, detail)})
    details = runner.get_output_details()
    floats = {name: _from_dtype(outputs[name], details[name]) for name in outputs}
    return floats, {operation["op_name"] for operation in interpreter._get_ops_details()}


def _to_dtype(x, detail):
    if detail["dtype"] == np.float32:
        return x.astype(np.float32)
    scale, zero = detail["quantization"]
    return np.clip(np.rint(x / scale + zero), -128, 127).astype(np.int8)


def _from_dtype(x, detail):
    scale, zero = detail["quantization"]
    return x if detail["dtype"] == np.float32 else (x.astype(np.float32) - zero) * scale


def test_all_layers_in_the_interpreter(converted, trained, digits):
    mode, content = converted
    parts = digits.validation, digits.test
    images = np.concatenate([part.images for part in parts])
    labels = np.concatenate([part.labels for part in parts])
    expected = {name: y.numpy() for name, y in trained(images.astype("f")).items()}
    actual, operations = interpreted(content, images)
    assert actual.keys() == expected.keys()
    if mode == "integer":
        # Nothing leaves the integers and comes back.
        assert not operations & {"QUANTIZE", "DEQUANTIZE", "DIV", "SQRT", "SQUARE"}
    for name, y in expected.items():
        accuracy = np.mean(y.argmax(-1) == labels)
        assert accuracy > 0.85, name
        difference = abs(np.mean(actual[name].argmax(-1) == labels) - accuracy)
        assert difference <= 0.01, (name, accuracy)
        if mode == "float32":
            np.testing.assert_allclose(actual[name], y, rtol=1e-4, atol=1e-4, err_msg=name)


def test_a_keras_model_becomes_integers_as_the_documentation_says():
    images = np.random.default_rng(0).integers(0, 255, (40, 8, 8, 1))
    inputs = tf.keras.Input((8, 8, 1))
    x = en.EvoNormB0()(tf.keras.layers.Conv2D(8, 3)(tf.keras.layers.Rescaling(1 / 128, -1)(inputs)))
    model = tf.keras.Model(inputs, tf.keras.layers.GlobalAveragePooling2D()(x))
    with en.quantizable():
        content = to_integers(tf.lite.TFLiteConverter.from_keras_model(model), images)
    actual, operations = interpreted(content, images)
    assert {"LOG", "EXP"} <= operations  # table lookups divide one feature map by another
    expected = model(images.astype("f")).numpy()
    (y,) = actual.values()
    assert np.abs(y - expected).max() < 0.1 * np.ptp(expected)


@pytest.mark.parametrize("name", [*EVONORMS, *BASELINES, "b0_no_global", "random_rej"])
def test_quantizable_layers_compute_the_same(name):
    layer, x = en.get(name), tf.random.stateless_normal((3, 5, 4, 8), (0, 1), stddev=3.0) + 0.5
    layer(x)
    layer.set_weights([w + 0.25 * (i + 1) for i, w in enumerate(layer.get_weights())])
    expected = layer(x)
    with en.quantizable():
        np.testing.assert_allclose(layer(x), expected, rtol=2e-5, atol=2e-6)
    assert not quantization.is_active()


def test_graphs_divide_by_negative_and_small_values():
    x = tf.constant([[[-4.0, 3.0, 0.0, 2.0]]])
    y = tf.constant([[[2.0, -0.5, -1e-9, 1e-20]]])
    expected = primitives.div(x, y)
    with en.quantizable():
        np.testing.assert_allclose(primitives.div(x, y), expected, rtol=1e-6)
