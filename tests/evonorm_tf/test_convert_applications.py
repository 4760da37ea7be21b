"""Every classification family of `tf.keras.applications`, converted, trained, saved, reloaded."""

import inspect
import itertools

import numpy as np
import pytest
import tensorflow as tf

import evonorm_tf as en
from tests.tiers import tiered

applications = tf.keras.applications
# Of each family the member that is quickest to build. The inputs are small, but leave more
# than one place to the last feature maps: a batch standard deviation of four single values
# is no statistic that a network survives.
FAMILIES = {
    "DenseNet121": 64,
    "EfficientNetB0": 64,
    "EfficientNetV2B0": 64,
    "InceptionV3": 107,
    "MobileNetV2": 64,
    "MobileNetV3Small": 64,
    "NASNetMobile": 64,
    "RegNetX002": 64,
    "ResNet50": 64,
    "ResNet50V2": 64,
    "ResNetRS50": 64,
    "Xception": 71,
}
# Where all other activations are ReLUs (or ReLU6s below 6), BN-ReLU computes the same.
WITHOUT_RELU = ("EfficientNetB0", "EfficientNetV2B0", "MobileNetV3Small")
# Of two families even that member is deep; Keras's builders of them take fewer blocks.
SHALLOWER = {
    "DenseNet121": ("DenseNet", {"blocks": [2, 2, 2, 2]}),
    "NASNetMobile": (
        "NASNet",
        {
            "penultimate_filters": 1056,
            "num_blocks": 1,
            "stem_block_filters": 32,
            "skip_reduction": False,
        },
    ),
}


@pytest.fixture(autouse=True)
def _memory():
    yield
    tf.keras.backend.clear_session()


def build(name):
    if not hasattr(applications, name):
        pytest.skip(f"needs a Keras with {name}")
    size = FAMILIES[name]
    arguments = {"weights": None, "input_shape": (size, size, 3)}
    builder = getattr(applications, name)
    if name in SHALLOWER:
        title, depth = SHALLOWER[name]
        builder = getattr(inspect.getmodule(builder), title)
        arguments |= depth
    if name == "NASNetMobile":  # with a top it asks for its ImageNet size
        arguments |= {"include_top": False, "pooling": "avg"}
    model = builder(**arguments)
    rng = np.random.default_rng(0)
    for layer in norms(model):
        size = layer.moving_mean.shape[0]
        layer.moving_mean.assign(rng.normal(0, 0.1, size).astype("float32"))
        layer.moving_variance.assign(rng.uniform(0.8, 1.2, size).astype("float32"))
    return model


def norms(model):
    kind = tf.keras.layers.BatchNormalization
    return [layer for layer in model._flatten_layers() if isinstance(layer, kind)]


def images(model):
    # So few that hardly any map is large enough for programs, each of which XLA would compile.
    shape = (2, *model.input_shape[1:])
    return np.random.default_rng(1).uniform(-1, 1, shape).astype("float32")


def train_one_step(model, x):
    """One step of SGD on the sum of squares of the outputs; returns the loss."""
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(model(x, training=True)))
    weights = model.trainable_weights
    gradients = tape.gradient(loss, weights)
    assert all(np.isfinite(np.asarray(g)).all() for g in gradients if g is not None)
    tf.keras.optimizers.SGD(1e-3).apply_gradients(
        (g, w) for g, w in zip(gradients, weights, strict=True) if g is not None
    )
    return float(loss)


def check(model, to, path):
    new, report = en.convert_model(model, to)
    assert norms(new) == []
    assert report.count("fused") > 10
    assert report.count("fused") + report.count("linear") == len(norms(model))
    x = images(new)
    assert np.isfinite(train_one_step(new, x))
    expected = np.asarray(new(x))
    assert np.isfinite(expected).all()
    new.save(path)
    reloaded = tf.keras.models.load_model(path)
    np.testing.assert_allclose(np.asarray(reloaded(x)), expected, rtol=1e-5, atol=1e-6)


def check_there_and_back(model):
    there, _ = en.convert_model(model, "bn_relu")
    back, _ = en.convert_model(there, "keras")
    assert norms(there) == [] and len(norms(back)) == len(norms(model))
    x = images(model)
    expected = np.asarray(model(x))
    scale = np.abs(expected).max()
    for converted in (there, back):
        np.testing.assert_allclose(np.asarray(converted(x)), expected, atol=1e-4 * scale)


@pytest.mark.slow
def test_mobilenet_v2(tmp_path):
    check(build("MobileNetV2"), "evonorm_b0", str(tmp_path / "model.keras"))


@pytest.mark.one_environment  # the others convert one network
@pytest.mark.parametrize(
    "name, to",
    tiered(
        zip(FAMILIES, itertools.cycle(["evonorm_s0", "evonorm_b0"]), strict=False),
        slow=[("EfficientNetB0", "evonorm_b0")],
    ),
)
def test_family(name, to, tmp_path):
    model = build(name)
    check(model, to, str(tmp_path / "model.keras"))
    if name not in WITHOUT_RELU:
        check_there_and_back(model)


@pytest.mark.one_environment
@pytest.mark.parametrize("name", tiered(FAMILIES, slow=["MobileNetV3Small"]))
def test_every_family_is_calibrated(name):
    """The weights are random, so that the fit runs to its end is all that can be asked."""
    model = build(name)
    for layer in norms(model):  # as in a model that was never trained
        layer.moving_mean.assign(tf.zeros_like(layer.moving_mean))
        layer.moving_variance.assign(tf.ones_like(layer.moving_variance))
    rng = np.random.default_rng(2)
    examples = rng.uniform(-1, 1, (80, 1, 1, 3)) + rng.uniform(-1, 1, (80, *model.input_shape[1:]))
    _, report = en.convert_model(model, "evonorm_s0", calibrate=examples.astype("float32"))
    kept = [place.kept for place in report.places if place.kept is not None]
    assert len(kept) == len(norms(model)) and np.isfinite(kept).all() and np.median(kept) > 0.5
    assert np.isfinite(report.agreement.outputs)
