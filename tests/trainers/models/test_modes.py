"""Networks under mixed precision, unknown sizes, channels first and XLA."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

import evonorm_tf as en
from tests.tiers import tiered
from trainers.models import efficientnet, mnasnet, mobilenet_v2, resnet
from trainers.models.resnet import ResNetSpec

SPEC = ResNetSpec((1, 1), filters=(8, 16))
SMALL = {"num_classes": 3, "input_shape": (32, 32, 3)}


def resnet_v1(norm_act, **kwargs):
    return resnet(SPEC, norm_act, version=1, **kwargs)


def resnet_v2(norm_act, **kwargs):
    return resnet(SPEC, norm_act, version=2, **kwargs)


def small_mobilenet_v2(norm_act, **kwargs):
    return mobilenet_v2(0.35, norm_act, **kwargs)


def small_mnasnet(norm_act, **kwargs):
    return mnasnet(0.25, norm_act, **kwargs)


def small_efficientnet(norm_act, **kwargs):
    return efficientnet("b0", norm_act, width=0.25, **kwargs)


DEEP = [small_mobilenet_v2, small_mnasnet, small_efficientnet]
BUILDERS = tiered([resnet_v1, resnet_v2, *DEEP], [resnet_v2], [resnet_v1, small_efficientnet])
# Of the deep ones, half a minute of compilation each, one layer.
COMPILED = tiered(
    [
        *itertools.product([resnet_v1, resnet_v2], ["evonorm_b0", "evonorm_s0"]),
        *zip(DEEP, ["evonorm_s0", "evonorm_b0", "evonorm_s0"], strict=True),
    ],
    everyday=[(resnet_v2, "evonorm_b0")],
    slow=[(resnet_v2, "evonorm_s0"), (resnet_v1, "evonorm_b0")],
)


def images(batch=4, shape=(32, 32, 3)):
    return np.random.default_rng(0).uniform(-1, 1, (batch, *shape)).astype("float32")


@pytest.fixture(params=["mixed_bfloat16", "mixed_float16"])
def policy(request):
    tf.keras.mixed_precision.set_global_policy(request.param)
    yield request.param
    tf.keras.mixed_precision.set_global_policy("float32")


@pytest.mark.parametrize("build", BUILDERS)
def test_mixed_precision(build, policy):
    model = build("evonorm_b0", **SMALL)
    assert all(weight.dtype == "float32" for weight in model.weights)
    norm = next(layer for layer in model.layers if isinstance(layer, en.EvoNormB0))
    assert norm.compute_dtype == policy.removeprefix("mixed_")
    logits = model(images(), training=True)
    assert logits.dtype == tf.float32 and np.isfinite(logits.numpy()).all()


@pytest.mark.parametrize("build", BUILDERS)
def test_unknown_sizes_compute_as_known_ones(build):
    tf.keras.utils.set_random_seed(0)
    known = build("evonorm_s0", **SMALL)
    unknown = build("evonorm_s0", num_classes=3, input_shape=(None, None, 3))
    unknown.set_weights(known.get_weights())
    assert unknown.input_shape == (None, None, None, 3)
    for batch in (1, 4):
        expected = known(images(batch)).numpy()
        np.testing.assert_allclose(unknown(images(batch)).numpy(), expected, rtol=1e-5, atol=1e-6)
    assert unknown(images(2, (45, 36, 3))).shape == (2, 3)


@pytest.mark.parametrize(("build", "norm_act"), COMPILED)
@pytest.mark.usefixtures("_float64")
def test_xla_computes_the_same(build, norm_act):
    """In float64, without the head; the layers' own weights are float32, so rounded to it."""
    network = build(norm_act, **SMALL)
    model = tf.keras.Model(network.input, network.layers[-2].output)

    def gradients(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(x, training=False)))
        return [loss, *tape.gradient(loss, model.trainable_weights)]

    x = tf.constant(images(), tf.float64)
    expected = gradients(x)
    actual = tf.function(gradients, jit_compile=True)(x)
    for value, reference in zip(actual, expected, strict=True):
        rounding = np.finfo(reference.dtype.as_numpy_dtype).eps
        bound = 1e-11 * np.abs(reference.numpy()).max()
        np.testing.assert_allclose(value.numpy(), reference.numpy(), rtol=rounding, atol=bound)


@pytest.mark.parametrize("build", BUILDERS)
def test_channels_first(build):
    """The CPU has no convolution for it but XLA's, so the model runs compiled."""
    last = build("evonorm_b0", **SMALL)
    first = build(
        "evonorm_b0", num_classes=3, input_shape=(3, 32, 32), data_format="channels_first"
    )
    norms = [layer for layer in first.layers if isinstance(layer, en.EvoNormB0)]
    assert {layer.axis for layer in norms} == {1}
    first.set_weights(last.get_weights())
    compiled = tf.function(first, jit_compile=True)
    actual = compiled(tf.constant(images().transpose(0, 3, 1, 2)), training=False)
    expected = last(images(), training=False).numpy()
    np.testing.assert_allclose(actual.numpy(), expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("build", BUILDERS)
def test_saved_and_reloaded(build, tmp_path):
    model = build("evonorm_b0", **SMALL)
    path = str(tmp_path / "model.keras")
    model.save(path)
    reloaded = tf.keras.models.load_model(path)
    np.testing.assert_allclose(reloaded(images()).numpy(), model(images()).numpy(), atol=1e-6)
