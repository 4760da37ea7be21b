"""The six EvoNorms and a graph in ONNX Runtime, an engine that shares nothing with TensorFlow."""

import numpy as np
import pytest
import tensorflow as tf

import evonorm_tf as en

pytestmark = [pytest.mark.slow, pytest.mark.one_environment]
NAMES = tuple(f"evonorm_{kind}{number}" for kind in "bs" for number in range(3))
CHANNELS = 8


@pytest.fixture(scope="module")
def layers():
    layers = {name: en.get(name, groups=4) for name in NAMES if name.startswith("evonorm_s")}
    layers |= {name: en.get(name) for name in NAMES if name.startswith("evonorm_b")}
    layers["graph"] = en.get("b0_max_to_add")
    rng = np.random.default_rng(0)
    for layer in layers.values():
        layer.build((None, None, None, CHANNELS))
        layer.set_weights([rng.uniform(0.5, 2.0, w.shape) for w in layer.get_weights()])
    return layers


@pytest.fixture(scope="module")
def session(layers):
    import onnxruntime
    import tf2onnx

    def inference(x):
        return {name: layer(x, training=False) for name, layer in layers.items()}

    signature = [tf.TensorSpec((None, None, None, CHANNELS), tf.float32, "x")]
    model, _ = tf2onnx.convert.from_function(
        tf.function(inference, input_signature=signature), signature, opset=18
    )
    return onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )


@pytest.mark.parametrize(("mean", "shape"), [(0.0, (3, 5, 4)), (30.0, (1, 7, 2))])
def test_outputs_equal_those_of_onnx_runtime(layers, session, mean, shape):
    x = np.random.default_rng(1).normal(mean, 2.0, (*shape, CHANNELS)).astype(np.float32)
    names = [output.name for output in session.get_outputs()]
    actual = dict(zip(names, session.run(names, {"x": x}), strict=True))
    assert sorted(actual) == sorted(layers)
    for name, layer in layers.items():
        expected = layer(x, training=False)
        np.testing.assert_allclose(actual[name], expected, rtol=2e-5, atol=2e-5, err_msg=name)
