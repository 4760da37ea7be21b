"""`convert_model(..., calibrate=...)`: the function of the old network is kept."""

import numpy as np
import pytest
import tensorflow as tf

import evonorm_tf as en
from evonorm_tf.convert.calibration.fitting import agreement
from tests.evonorm_tf.conversion import SHAPE, assert_same, block, functional, images, places

layers = tf.keras.layers
# max(x, 0) * gamma + beta: with it, a conversion of BatchNormalization and ReLU can be exact.
RELU = en.LayerGraph((en.Node("MAX", (0, 1)),), name="relu")
SWISH = en.LayerGraph((en.Node("SIGMOID", (0,)), en.Node("MUL", (0, 4))), name="swish")
COUNT = 40


def examples(shape=SHAPE, count=COUNT):
    return images(3, shape, count)


def exact(model, to=RELU, **settings):
    """Converts, checks that the function is the same on other inputs, and returns the report."""
    before = [weight.copy() for weight in model.get_weights()]
    new, report = en.convert_model(model, to, calibrate=examples(), **settings)
    assert_same(model, new, images(5), atol=2e-4)
    assert report.agreement.outputs == pytest.approx(1, abs=1e-6)
    assert report.agreement.examples == COUNT // 5
    for place in report.places:
        assert place.kept is None or place.kept == pytest.approx(1, abs=1e-6)
    for old, weight in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, weight)
    return new, report


@pytest.mark.parametrize("bias", [False, True])
def test_a_convolution_takes_over_the_norms_scale_and_offset(bias):
    def body(x):
        x = layers.Conv2D(4, 3, use_bias=bias, name="conv")(x)
        return layers.ReLU()(layers.BatchNormalization(name="bn")(x))

    new, report = exact(functional(body), refit_kernels=False)
    assert new.get_layer("conv").use_bias
    assert "conv has its scale and offset now" in places(report)["bn"].reason
    np.testing.assert_allclose(new.get_layer("bn").gamma, 1, atol=1e-4)
    np.testing.assert_allclose(new.get_layer("bn").beta, 0, atol=1e-4)


@pytest.mark.parametrize(
    "before",
    [
        lambda: layers.DepthwiseConv2D(3, depth_multiplier=2, name="before"),
        lambda: layers.Conv2D(4, 3, groups=2, dilation_rate=2, name="before"),
        lambda: layers.Dense(5, use_bias=False, name="before"),
    ],
)
def test_other_linear_layers_do_too(before):
    def body(x):
        return layers.ReLU()(layers.BatchNormalization(name="bn")(before()(x)))

    _, report = exact(functional(body))
    assert "before has its scale" in places(report)["bn"].reason


def test_a_layer_is_added_where_no_convolution_comes_before():
    def pre_activation(x):
        y = layers.ReLU(name="r1")(layers.BatchNormalization(name="b1")(x))
        x = layers.Add()([x, layers.Conv2D(6, 3, padding="same", name="c1")(y)])
        return layers.ReLU(name="r2")(layers.BatchNormalization(name="b2")(x))

    new, report = exact(functional(pre_activation))
    assert "x * gamma + beta comes before it" in places(report)["b1"].reason
    assert isinstance(new.get_layer("b2_affine"), en.EvoNormS0)
    # A layer with a learned offset before its activation needs none.
    new, _ = en.convert_model(functional(pre_activation), "frn", calibrate=examples())
    assert "b1_affine" not in [layer.name for layer in new.layers]


def test_a_calibrated_network_is_saved_and_served(tmp_path):
    """With a kernel that takes over a norm, and an added layer."""

    def body(x):
        y = layers.ReLU(name="r1")(layers.BatchNormalization(name="b1")(x))
        x = layers.Add()([x, layers.Conv2D(6, 3, padding="same", name="c1")(y)])
        x = layers.Conv2D(4, 3, use_bias=False, name="c2")(x)
        return layers.ReLU(name="r2")(layers.BatchNormalization(name="b2")(x))

    new, _ = en.convert_model(functional(body), "evonorm_b0", calibrate=examples())
    assert new.get_layer("c2").use_bias and new.get_layer("b1_affine")
    new.save(str(tmp_path / "model.keras"))
    assert_same(
        new, tf.keras.models.load_model(str(tmp_path / "model.keras")), images(5), atol=1e-6
    )
    new.export(str(tmp_path / "exported"))
    loaded = tf.saved_model.load(str(tmp_path / "exported"))
    np.testing.assert_allclose(loaded.serve(images(5)), new(images(5)), rtol=1e-5, atol=1e-5)


def test_a_convolution_with_another_use_stays():
    def body(x):
        y = layers.Conv2D(6, 1, use_bias=False, name="conv")(x)
        z = layers.ReLU()(layers.BatchNormalization(name="bn")(y))
        return layers.Add()([y, z])

    new, report = exact(functional(body))
    assert not new.get_layer("conv").use_bias
    assert "x * gamma + beta comes before it" in places(report)["bn"].reason


def test_linear_places_nested_models_and_sequential_ones():
    def inner(x):
        x = layers.BatchNormalization(name="alone")(block(x, "in"))
        return layers.Conv2D(4, 1, name="last")(x)

    nested = functional(inner)

    def outer(x):
        return layers.GlobalAveragePooling2D()(block(nested(x), "out"))

    exact(functional(outer))
    sequential = tf.keras.Sequential(
        [tf.keras.Input(SHAPE), layers.BatchNormalization(), layers.ReLU(), layers.Flatten()]
    )
    exact(sequential)


def test_an_activation_that_is_written_out():
    def body(x):
        x = layers.BatchNormalization(name="bn")(layers.Conv2D(4, 3, name="conv")(x))
        return layers.Multiply()([x, layers.Activation("sigmoid")(x)])

    _, report = exact(functional(body), SWISH)
    assert places(report)["bn"].activation == "swish"


def test_channels_first_and_series():
    def series(x):
        x = layers.Conv1D(4, 3, name="conv")(layers.Reshape((16, 24))(x))
        return layers.ReLU()(layers.BatchNormalization(name="bn")(x))

    exact(functional(series))

    def first(x):
        x = layers.Permute((3, 1, 2))(x)
        return layers.ReLU()(layers.BatchNormalization(axis=1, name="bn")(x))

    exact(functional(first))


def blotches(count):
    """Images that differ from each other, as those that networks are for."""
    rng = np.random.default_rng(4)
    coarse = rng.normal(size=(count, 3, 3, 3)) + rng.normal(size=(count, 1, 1, 3))
    return (np.kron(coarse, np.ones((1, 4, 4, 1))) + images(6, (12, 12, 3), count) / 4).astype(
        "float32"
    )


def deep(norm_count=4):
    """A network in which each place changes what the next ones see."""

    def body(x):
        for index in range(norm_count):
            x = layers.Conv2D(8, 3, padding="same", use_bias=False, name=f"c{index}")(x)
            x = layers.ReLU(name=f"r{index}")(layers.BatchNormalization(name=f"b{index}")(x))
        return layers.Dense(5, name="logits")(layers.GlobalAveragePooling2D()(x))

    inputs = tf.keras.Input((12, 12, 3))
    tf.keras.utils.set_random_seed(2)
    model = tf.keras.Model(inputs, body(inputs))
    model.compile("sgd", "mse")
    data = blotches(64)
    model.fit(data, np.zeros((64, 5)), epochs=30, verbose=0, batch_size=32)  # moving averages
    rng = np.random.default_rng(3)
    for index in range(norm_count):
        model.get_layer(f"b{index}").beta.assign(rng.normal(0, 0.7, 8))
    return model, blotches(200)


@pytest.mark.one_environment
@pytest.mark.parametrize("to", ["evonorm_s0", "evonorm_b0", "gn_relu", "frn", "bn_silu"])
def test_each_step_keeps_more(to):
    """Refitted kernels help the places, and distillation the outputs."""
    model, data = deep()
    groups = {"groups": 2} if hasattr(en.get(to), "groups") else {}
    _, places_alone = en.convert_model(model, to, calibrate=data, refit_kernels=False, **groups)
    _, refitted = en.convert_model(model, to, calibrate=data, **groups)
    assert mean_kept(places_alone) < mean_kept(refitted)
    _, distilled = en.convert_model(model, to, calibrate=data, distill=60, **groups)
    new, _ = en.convert_model(model, to, **groups)
    others = [agreement(model, new, [data[-40:]]), places_alone.agreement, refitted.agreement]
    assert max(other.outputs for other in others) < distilled.agreement.outputs < 1


def mean_kept(report):
    return np.mean([place.kept for place in report.places])


def test_calibration_needs_no_labels_and_takes_any_source_of_inputs():
    model, data = deep(2)
    labels = np.zeros(len(data))
    dataset = tf.data.Dataset.from_tensor_slices((data, labels)).batch(32)

    def generator():
        while True:  # the first 1,024 are taken
            yield data[:100]

    arrays = [data, list(data), dataset, dataset.map(lambda x, _: x), generator()]
    found = [en.convert_model(model, "evonorm_s0", calibrate=each)[1] for each in arrays]
    counts = [report.agreement.examples for report in found]
    assert counts == [40, 40, 40, 40, round(1024 / 5)]
    assert len({round(report.agreement.outputs, 6) for report in found[:4]}) == 1


def test_several_inputs():
    inputs = [tf.keras.Input(SHAPE, name="a"), tf.keras.Input(SHAPE, name="b")]
    x = layers.Add()(inputs)
    x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(3, 1)(x)))
    model = tf.keras.Model(inputs, x)
    data = [examples(), examples()]
    _, report = en.convert_model(model, RELU, calibrate=data)
    assert report.agreement.outputs == pytest.approx(1, abs=1e-6)
    assert report.agreement.classes is None


def test_the_report_says_how_much_is_kept():
    model, data = deep(2)
    _, report = en.convert_model(model, "evonorm_s0", calibrate=data)
    text = str(report)
    assert "% of the variance kept" in text
    assert "on 40 examples left out" in text and "% of the classes" in text


def test_a_dry_run_plans_only():
    model, data = deep(2)
    same, report = en.convert_model(model, "evonorm_s0", calibrate=data, dry_run=True)
    assert same is model and report.agreement is None
    assert "c0 has its scale and offset now" in report.places[0].reason


def test_frozen_layers_are_fitted_and_stay_frozen():
    model, data = deep(2)
    model.get_layer("b0").trainable = False
    new, _ = en.convert_model(model, "evonorm_b0", calibrate=data, distill=5)
    assert not new.get_layer("b0").trainable
    assert not np.allclose(new.get_layer("b0").moving_variance, 1, atol=0.05)
    fitted, _ = en.convert_model(model, "evonorm_b0", calibrate=data)
    np.testing.assert_array_equal(new.get_layer("b0").gamma, fitted.get_layer("b0").gamma)
    assert not np.array_equal(new.get_layer("b1").gamma, fitted.get_layer("b1").gamma)


NAN = examples()
NAN[3, 2, 1, 0] = np.nan


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (examples((8, 8, 5)), r"must have batches of the input's shape .*\(40, 8, 8, 5\)"),
        (examples((6,), 40), "must have batches of the input's shape"),
        (NAN, "must be finite. Received: an array with NaN or infinity"),
        (examples(count=9), "must have at least 10 examples.* Received: 9"),
        (np.array([["a"]] * 40), "must have batches"),
        (np.full((40, *SHAPE), "a"), "must have numbers. Received: dtype <U1"),
        ([], "must have at least 10 examples.* Received: 0"),
        (iter([]), "`calibrate` has no examples"),
        (3, "must be an array, a tf.data.Dataset or a generator of batches. Received: int"),
        (iter([(examples(), 1)] * 2 + [{"a": 1, "b": 2}]), "each batch of `calibrate`"),
        (1000 * examples(), "scaled as the examples that the model was trained with"),
    ],
)
def test_wrong_examples_are_refused_in_one_line(data, message):
    model = functional(lambda x: block(x, "a"))
    with pytest.raises(ValueError, match=message) as refusal:
        en.convert_model(model, "evonorm_s0", calibrate=data)
    assert "\n" not in str(refusal.value)


def test_too_few_values_for_the_channels_are_refused():
    def body(x):
        x = layers.GlobalAveragePooling2D(keepdims=True)(x)
        return layers.ReLU()(layers.BatchNormalization(name="bn")(layers.Conv2D(64, 1)(x)))

    with pytest.raises(
        ValueError, match=r"at least 64 values for each of the 64 .* model/bn\. Received: 32;"
    ):
        inputs = tf.keras.Input(SHAPE)
        model = tf.keras.Model(inputs, body(inputs), name="model")
        en.convert_model(model, "evonorm_s0", calibrate=examples())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"distill": 5}, "`distill` needs `calibrate`"),
        ({"distill": -1, "calibrate": examples()}, "`distill` must be a positive integer"),
        ({"refit_kernels": 1, "calibrate": examples()}, "`refit_kernels` must be True or False"),
        ({"to": "keras", "calibrate": examples()}, '`calibrate` is not for to="keras"'),
    ],
)
def test_wrong_arguments(settings, message):
    model = functional(lambda x: block(x, "a"))
    with pytest.raises(ValueError, match=message):
        en.convert_model(model, **{"to": "evonorm_s0", **settings})
