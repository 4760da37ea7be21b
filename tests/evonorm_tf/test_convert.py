"""What `convert_model` does at each kind of place, on small models made for it."""

import numpy as np
import pytest
import tensorflow as tf

import evonorm_tf as en
from tests.evonorm_tf.conversion import (
    SHAPE,
    actions,
    assert_same,
    block,
    functional,
    images,
    norms,
    places,
    randomize,
)

layers = tf.keras.layers


def test_fused_linear_and_kept_places():
    def body(x):
        y = block(x, "a")
        z = layers.Conv2D(4, 1, name="b_conv")(y)
        z = layers.BatchNormalization(name="b_bn")(z)
        z = layers.Add(name="add")([y, z])
        return layers.ReLU(name="last")(z)

    model = functional(body)
    new, report = en.convert_model(model, "bn_relu")
    assert actions(report) == {"a_bn": "fused", "b_bn": "linear", "last": "kept"}
    assert places(report)["a_bn"].activation == "relu"
    assert places(report)["a_bn"].carried == "gamma, beta, moving_mean, moving_variance"
    assert isinstance(new.get_layer("a_bn"), en.BatchNormReLU)
    assert new.get_layer("a_bn").nonlinearity and not new.get_layer("b_bn").nonlinearity
    assert new.get_layer("a_bn").epsilon == model.get_layer("a_bn").epsilon
    assert new.get_layer("a_bn").momentum == model.get_layer("a_bn").momentum
    assert [layer.name for layer in new.layers] == [layer.name for layer in model.layers]
    assert_same(model, new)
    assert "1 fused, 1 linear, 0 converted, 1 kept" in str(report)


def test_linear_keep_leaves_the_norm():
    model = functional(lambda x: layers.BatchNormalization(name="bn")(block(x, "a")))
    new, report = en.convert_model(model, "evonorm_s0", linear="keep")
    assert actions(report) == {"a_bn": "fused", "bn": "kept"}
    assert [layer.name for layer in norms(new)] == ["bn"]


@pytest.mark.parametrize("source", [layers.LayerNormalization, layers.GroupNormalization])
def test_no_normalization_is_lost_unasked(source):
    settings = {"groups": 2} if source is layers.GroupNormalization else {}

    def body(x):
        x = source(name="alone", **settings)(block(x, "a"))
        return layers.Conv2D(4, 1, name="last")(x)

    kinds = ["batch", "layer", "group"]
    model = functional(body)
    new, report = en.convert_model(model, "evonorm_s0", sources=kinds)
    assert actions(report) == {"a_bn": "fused", "alone": "kept"}
    assert isinstance(new.get_layer("alone"), source)
    assert 'only linear="affine"' in places(report)["alone"].reason
    assert report.lost_norms == 0 and "without a normalization" not in str(report)
    new, report = en.convert_model(model, "evonorm_s0", sources=kinds, linear="affine")
    assert actions(report) == {"a_bn": "fused", "alone": "linear"}
    assert isinstance(new.get_layer("alone"), en.EvoNormS0)
    assert report.lost_norms == 1 and "1 without a normalization now" in str(report)
    # A baseline's linear form normalizes.
    new, report = en.convert_model(model, "gn_relu", sources=kinds)
    assert actions(report) == {"a_bn": "fused", "alone": "linear"}
    assert report.lost_norms == 0


def test_lost_batch_norms_are_counted():
    model = functional(lambda x: layers.BatchNormalization(name="bn")(block(x, "a")))
    for to, lost in (("evonorm_b0", 1), ("bn_relu", 0)):
        _, report = en.convert_model(model, to)
        assert actions(report) == {"a_bn": "fused", "bn": "linear"}
        assert report.lost_norms == lost
    linear, _ = en.convert_model(model, "gn_relu")
    _, report = en.convert_model(linear, "evonorm_s0")
    assert actions(report) == {"a_bn": "converted", "bn": "kept"}
    _, report = en.convert_model(linear, "evonorm_s0", linear="affine")
    assert actions(report) == {"a_bn": "converted", "bn": "converted"}
    assert report.lost_norms == 1


def test_a_class_is_a_target():
    model = functional(lambda x: block(x, "a"))
    new, report = en.convert_model(model, en.EvoNormS0, groups=2)
    assert actions(report) == {"a_bn": "fused"}
    assert isinstance(new.get_layer("a_bn"), en.EvoNormS0) and new.get_layer("a_bn").groups == 2


def test_an_activation_behind_an_evonorm_is_reported():
    model = functional(lambda x: layers.ReLU(name="relu")(en.EvoNormB0(name="norm")(x)))
    _, report = en.convert_model(model, "evonorm_s0")
    assert actions(report) == {"norm": "converted", "relu": "kept"}
    assert "directly after EvoNormB0, which has a nonlinearity" in places(report)["relu"].reason


def test_several_consumers():
    def different(x):
        y = layers.BatchNormalization(name="bn")(x)
        return layers.Concatenate()([layers.ReLU(name="relu")(y), layers.Conv2D(2, 1)(y)])

    def same(x):
        y = layers.BatchNormalization(name="bn")(x)
        return layers.Concatenate()([layers.ReLU(name="r1")(y), layers.ReLU(name="r2")(y)])

    model = functional(different)
    new, report = en.convert_model(model, "bn_relu")
    assert actions(report) == {"bn": "linear", "relu": "kept"}
    assert "2 layers take its output" in places(report)["bn"].reason
    assert_same(model, new)
    model = functional(same)
    new, report = en.convert_model(model, "bn_relu")
    assert actions(report) == {"bn": "fused"}
    assert_same(model, new)


def test_an_output_of_the_model_is_a_consumer():
    def body(x):
        y = layers.BatchNormalization(name="bn")(x)
        return [y, layers.ReLU(name="relu")(y)]

    model = functional(body)
    new, report = en.convert_model(model, "bn_relu")
    assert actions(report) == {"bn": "linear", "relu": "kept"}
    for expected, actual in zip(model(images()), new(images()), strict=True):
        np.testing.assert_allclose(np.asarray(actual), np.asarray(expected), atol=1e-5)


def test_shared_layers_stay_shared():
    conv, norm = layers.Conv2D(6, 1, name="conv"), layers.BatchNormalization(name="bn")

    def body(x):
        for index in range(2):
            x = layers.ReLU(name=f"relu{index}")(norm(conv(x)))
        return x

    model = functional(body)
    new, report = en.convert_model(model, "bn_relu")
    assert actions(report) == {"bn": "fused"}
    assert len(new.weights) == len(model.weights) == 6
    assert_same(model, new)


def test_a_shared_norm_with_and_without_activation_is_linear():
    norm = layers.BatchNormalization(name="bn")
    model = functional(lambda x: norm(layers.ReLU(name="relu")(norm(x))))
    new, report = en.convert_model(model, "bn_relu")
    assert actions(report) == {"bn": "linear", "relu": "kept"}
    assert places(report)["bn"].reason.startswith("in a shared layer")
    assert_same(model, new)


def test_nested_models_are_entered_and_stay_shared():
    inner_input = tf.keras.Input(SHAPE)
    y = layers.ReLU()(layers.BatchNormalization(name="inner_bn")(inner_input))
    inner = tf.keras.Model(inner_input, layers.Conv2D(6, 1)(y), name="inner")
    stack = [tf.keras.Input((8, 8, 6)), layers.BatchNormalization(name="s"), layers.ReLU()]
    sequential = tf.keras.Sequential(stack, name="sequential")
    model = functional(lambda x: sequential(inner(inner(x))))
    new, report = en.convert_model(model, "bn_relu")
    assert actions(report) == {"inner/inner_bn": "fused", "sequential/s": "fused"}
    assert norms(new) == [] and len(norms(new, en.BatchNormReLU)) == 2
    assert [layer.name for layer in new.layers] == [layer.name for layer in model.layers]
    assert isinstance(new.get_layer("sequential"), tf.keras.Sequential)
    assert len(new.weights) == len(model.weights)
    assert_same(model, new)


def test_sequential_models_stay_sequential():
    stack = [
        tf.keras.Input(SHAPE, name="pixels"),
        layers.Conv2D(4, 3, name="conv"),
        layers.BatchNormalization(name="bn"),
        layers.Activation("relu", name="relu"),
        layers.GlobalAveragePooling2D(name="pool"),
        layers.Dense(3, activation="softmax", name="dense"),
    ]
    model = randomize(tf.keras.Sequential(stack, name="model"))
    new, report = en.convert_model(model, "bn_relu")
    assert type(new) is type(model) and actions(report) == {"bn": "fused"}
    assert [layer.name for layer in new.layers] == [layer.name for layer in model.layers]
    assert_same(model, new)


def test_places_that_no_layer_can_take():
    def body(x):
        x = layers.LayerNormalization(axis=[1, 2, 3], name="ln")(x)
        x = layers.Dense(4, name="dense")(layers.GlobalAveragePooling2D()(x))
        return layers.ReLU(name="relu")(layers.BatchNormalization(name="bn")(x))

    model = functional(body)
    new, report = en.convert_model(model, "evonorm_s0", sources=["batch", "layer"])
    assert actions(report) == {"ln": "kept", "bn": "kept", "relu": "kept"}
    assert "rank 2" in places(report)["bn"].reason and "axes" in places(report)["ln"].reason
    assert_same(model, new)


def test_norms_inside_wrappers_are_reported():
    stack = [layers.BatchNormalization(name="bn"), layers.ReLU()]
    wrapped = tf.keras.Sequential([tf.keras.Input((8, 6)), *stack], name="wrapped")
    model = functional(lambda x: layers.TimeDistributed(wrapped, name="rows")(x))
    new, report = en.convert_model(model, "evonorm_s0")
    assert actions(report) == {"rows/bn": "kept"}
    assert "TimeDistributed" in places(report)["rows/bn"].reason
    assert_same(model, new)


def test_dry_run_changes_nothing():
    model = functional(lambda x: block(block(x, "a"), "b"))
    before = [np.asarray(weight) for weight in model.weights]
    same, report = en.convert_model(model, "evonorm_b0", dry_run=True)
    assert same is model and str(report) == str(en.convert_model(model, "evonorm_b0")[1])
    assert all(np.array_equal(a, b) for a, b in zip(before, model.weights, strict=True))
    assert len(norms(model)) == 2


def test_calls_keep_their_training_argument():
    norm = layers.BatchNormalization(name="bn")
    model = functional(lambda x: layers.ReLU()(norm(x, training=False)))
    new, _ = en.convert_model(model, "bn_relu")
    expected, actual = (np.asarray(m(images(), training=True)) for m in (model, new))
    np.testing.assert_allclose(actual, expected, atol=1e-6)


def test_channels_first():
    x = images(shape=(6, 8, 8))

    def body(inputs):
        return layers.ReLU()(layers.BatchNormalization(axis=1, name="bn")(inputs))

    model = functional(body, (6, 8, 8))
    new, _ = en.convert_model(model, "bn_relu")
    assert new.get_layer("bn").axis == 1
    assert_same(model, new, x)


def test_structures_operations_and_functions():
    first, second = tf.keras.Input(SHAPE, name="first"), tf.keras.Input(SHAPE, name="second")
    x = layers.ReLU()(layers.BatchNormalization(name="bn")(first + 2.0 * second))
    x = layers.Lambda(lambda t: t * 3.0, output_shape=SHAPE)(x)
    outputs = {"main": layers.Conv2D(2, 1)(x), "side": tf.keras.layers.Flatten()(x)}
    inputs = {"first": first, "second": second}
    model = randomize(tf.keras.Model(inputs, outputs, name="model"))
    new, report = en.convert_model(model, "bn_relu")
    assert actions(report) == {"bn": "fused"}
    batch = {"first": images(), "second": images(1)}
    expected, actual = model(batch), new(batch)
    assert sorted(actual) == ["main", "side"]
    for key in actual:
        np.testing.assert_allclose(np.asarray(actual[key]), np.asarray(expected[key]), atol=1e-5)


def test_converting_leaves_the_given_model_whole():
    model = functional(lambda x: block(block(x, "a"), "b"))
    expected, config = np.asarray(model(images())), model.to_json()
    new, _ = en.convert_model(model, "evonorm_s0")
    new.get_layer("a_conv").kernel.assign(np.zeros((3, 3, 6, 4), "float32"))
    np.testing.assert_array_equal(np.asarray(model(images())), expected)
    assert model.to_json() == config


def test_models_that_cannot_be_rewritten():
    class Subclassed(tf.keras.Model):
        def __init__(self):
            super().__init__()
            self.norm = layers.BatchNormalization()

        def call(self, x):
            return tf.nn.relu(self.norm(x))

    with pytest.raises(ValueError, match=r"Subclassed.*norm_act_factory"):
        en.convert_model(Subclassed(), "evonorm_s0")
    with pytest.raises(ValueError, match="not built yet"):
        en.convert_model(tf.keras.Sequential([layers.BatchNormalization()]), "evonorm_s0")
    with pytest.raises(ValueError, match="Received: str"):
        en.convert_model("resnet50", "evonorm_s0")


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"to": "evonorm_x"}, "evonorm_x"),
        ({"to": "evonorm_s0", "linear": "drop"}, "linear='drop'"),
        ({"to": "evonorm_s0", "sources": "batch"}, "sources='batch'"),
        ({"to": "evonorm_s0", "sources": ["instance"]}, "instance"),
        ({"to": "evonorm_s0", "dry_run": 1}, "dry_run=1"),
        ({"to": "keras", "groups": 2}, "groups"),
    ],
)
def test_wrong_arguments(kwargs, message):
    model = functional(lambda x: block(x, "a"))
    with pytest.raises(ValueError, match=message):
        en.convert_model(model, **kwargs)


def test_an_action_that_is_none():
    with pytest.raises(ValueError, match="dropped"):
        en.convert_model(functional(lambda x: block(x, "a")), "frn")[1].count("dropped")
