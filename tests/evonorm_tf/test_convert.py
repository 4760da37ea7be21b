"""What `convert_model` does at each kind of place, on small models made for it."""

import numpy as np
import pytest
import tensorflow as tf

import evonorm_tf as en

layers = tf.keras.layers
SHAPE = (8, 8, 6)


def images(seed=0, shape=SHAPE, batch=3):
    return np.random.default_rng(seed).normal(size=(batch, *shape)).astype("float32")


def randomize(model):
    """Gives every weight a value that no initializer would."""
    rng = np.random.default_rng(1)
    for weight in model.weights:
        values = rng.uniform(0.5, 1.5, weight.shape)
        if len(weight.shape) > 1:
            values = values - 1.0
        weight.assign(values.astype(weight.dtype if isinstance(weight.dtype, str) else "float32"))
    return model


def functional(body, shape=SHAPE):
    inputs = tf.keras.Input(shape)
    return randomize(tf.keras.Model(inputs, body(inputs), name="model"))


def places(report):
    return {place.layer.split("/", 1)[1]: place for place in report.places}


def actions(report):
    return {name: place.action for name, place in places(report).items()}


def norms(model, kind=layers.BatchNormalization):
    return [layer for layer in model._flatten_layers() if isinstance(layer, kind)]


def assert_same(model, other, x=None, atol=1e-6):
    x = images() if x is None else x
    np.testing.assert_allclose(np.asarray(model(x)), np.asarray(other(x)), atol=atol, rtol=1e-5)


def block(x, name, activation="relu"):
    x = layers.Conv2D(4, 3, name=f"{name}_conv")(x)
    x = layers.BatchNormalization(name=f"{name}_bn")(x)
    return layers.Activation(activation, name=f"{name}_act")(x)


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


def test_training_mode_agrees_too():
    model = functional(lambda x: block(x, "a"))
    new, _ = en.convert_model(model, "bn_relu")
    expected, actual = (np.asarray(m(images(), training=True)) for m in (model, new))
    np.testing.assert_allclose(actual, expected, atol=1e-5)
    name = "moving_mean"
    np.testing.assert_allclose(
        np.asarray(getattr(new.get_layer("a_bn"), name)),
        np.asarray(getattr(model.get_layer("a_bn"), name)),
        rtol=1e-5,
    )


def test_evonorm_starts_with_gamma_one_and_beta_zero():
    model = functional(lambda x: block(x, "a"))
    new, report = en.convert_model(model, "evonorm_s0", groups=2)
    layer = new.get_layer("a_bn")
    assert isinstance(layer, en.EvoNormS0) and layer.effective_groups == 2
    np.testing.assert_array_equal(np.asarray(layer.gamma), 1.0)
    np.testing.assert_array_equal(np.asarray(layer.beta), 0.0)
    assert places(report)["a_bn"].carried == ""
    # x * sigmoid(x) / std of each of two groups, from the old model's convolution.
    x = np.asarray(model.get_layer("a_conv")(images())).astype("float64")
    grouped = x.reshape(3, 6, 6, 2, 2)
    std = np.sqrt(grouped.var(axis=(1, 2, 4), keepdims=True) + 1e-5)
    expected = (grouped / (1 + np.exp(-grouped)) / std).reshape(x.shape)
    np.testing.assert_allclose(np.asarray(new(images())), expected, rtol=1e-4, atol=1e-5)


def test_b0_takes_over_the_moving_variance():
    model = functional(lambda x: block(x, "a"))
    new, report = en.convert_model(model, "evonorm_b0", momentum=0.5)
    old, layer = model.get_layer("a_bn"), new.get_layer("a_bn")
    np.testing.assert_array_equal(
        np.asarray(layer.moving_variance), np.asarray(old.moving_variance)
    )
    assert places(report)["a_bn"].carried == "moving_variance"
    assert layer.momentum == 0.5 and layer.epsilon == 1e-5


@pytest.mark.parametrize("scale_and_center", [True, False])
def test_a_linear_norm_is_folded_into_the_affine(scale_and_center):
    def body(x):
        flags = {"scale": scale_and_center, "center": scale_and_center}
        return layers.BatchNormalization(name="bn", **flags)(layers.Conv2D(4, 3, name="conv")(x))

    model = functional(body)
    new, report = en.convert_model(model, "evonorm_s0")
    assert places(report)["bn"].reason == "its output is one of the model's"
    assert "folded" in places(report)["bn"].carried
    assert_same(model, new)


def test_linear_keep_leaves_the_norm():
    model = functional(lambda x: layers.BatchNormalization(name="bn")(block(x, "a")))
    new, report = en.convert_model(model, "evonorm_s0", linear="keep")
    assert actions(report) == {"a_bn": "fused", "bn": "kept"}
    assert [layer.name for layer in norms(new)] == ["bn"]


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


def test_a_shared_activation_stays_where_no_norm_precedes():
    relu = layers.ReLU(name="relu")

    def body(x):
        return relu(layers.Conv2D(4, 1)(relu(layers.BatchNormalization(name="bn")(x))))

    model = functional(body)
    new, report = en.convert_model(model, "bn_relu")
    assert actions(report) == {"bn": "fused", "relu": "kept"}
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


@pytest.mark.parametrize("gate", ["sigmoid", "softmax", tf.nn.softmax])
def test_gates_and_distributions_stay(gate):
    model = functional(lambda x: block(x, "a", gate))
    new, report = en.convert_model(model, "bn_relu")
    assert actions(report) == {"a_bn": "linear", "a_act": "kept"}
    assert_same(model, new)


@pytest.mark.parametrize("activation", ["swish", "relu", "elu", "tanh"])
def test_any_other_activation_is_fused(activation):
    model = functional(lambda x: block(x, "a", activation))
    new, report = en.convert_model(model, "bn_silu")
    assert places(report)["a_bn"].activation in (activation, "silu")
    if activation == "swish":
        assert_same(model, new, atol=1e-5)


@pytest.mark.parametrize(
    ("activation", "name"),
    [
        (lambda: layers.ReLU(6.0), "relu6"),
        (lambda: layers.ReLU(), "relu"),
        (lambda: layers.LeakyReLU(), "leaky_relu"),
    ],
)
def test_activation_layers(activation, name):
    model = functional(lambda x: activation()(layers.BatchNormalization(name="bn")(x)))
    assert places(en.convert_model(model, "evonorm_s0")[1])["bn"].activation == name


def test_an_activation_function_of_ones_own():
    def cubed(x):
        return x * x * x

    model = functional(lambda x: layers.Activation(cubed)(x))
    assert_same(model, en.convert_model(model, "evonorm_s0")[0])
    model = functional(lambda x: layers.Activation(cubed)(layers.BatchNormalization(name="bn")(x)))
    new, report = en.convert_model(model, "evonorm_s0")
    assert places(report)["bn"].activation == "cubed"
    assert isinstance(new.get_layer("bn"), en.EvoNormS0)


def test_a_swish_spelt_out_is_one_activation():
    def body(x):
        y = layers.BatchNormalization(name="bn")(x)
        z = layers.Multiply(name="product")([y, layers.Activation("sigmoid", name="gate")(y)])
        return layers.Conv2D(2, 1, name="conv")(z)

    model = functional(body)
    new, report = en.convert_model(model, "bn_silu")
    assert actions(report) == {"bn": "fused"} and places(report)["bn"].activation == "swish"
    assert_same(model, new, atol=1e-5)


def test_a_hard_swish_spelt_out_is_one_activation():
    def body(x):
        y = layers.BatchNormalization(name="bn")(x)
        gate = layers.ReLU(6.0)(y + 3.0) * (1.0 / 6.0)
        return layers.Conv2D(2, 1, name="conv")(layers.Multiply()([y, gate]))

    new, report = en.convert_model(functional(body), "bn_silu")
    assert actions(report) == {"bn": "fused"}
    assert places(report)["bn"].activation == "hard_swish"
    assert not norms(new, layers.ReLU)


def test_a_product_with_something_else_is_no_activation():
    def body(x):
        y = layers.BatchNormalization(name="bn")(x)
        return layers.Multiply()([y, layers.Conv2D(6, 1, activation="sigmoid")(y)])

    model = functional(body)
    new, report = en.convert_model(model, "bn_relu")
    assert actions(report) == {"bn": "linear"}
    assert_same(model, new)


def test_group_and_layer_normalization_as_sources():
    def body(x):
        x = layers.ReLU(name="r1")(layers.GroupNormalization(3, name="gn")(x))
        return layers.ReLU(name="r2")(layers.LayerNormalization(name="ln")(x))

    model = functional(body)
    _, report = en.convert_model(model, "gn_relu")
    assert [place.action for place in report.places] == ["kept"] * 4
    new, report = en.convert_model(model, "gn_relu", sources=["group"])
    assert actions(report) == {"gn": "fused", "ln": "kept", "r2": "kept"}
    assert new.get_layer("gn").groups == 3
    assert_same(model, new, atol=1e-5)
    new, report = en.convert_model(model, "frn", sources=["group", "layer"])
    assert places(report)["ln"].carried == "gamma, beta"
    np.testing.assert_array_equal(
        np.asarray(new.get_layer("ln").gamma), np.asarray(model.get_layer("ln").gamma)
    )


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


def test_graphs_and_callables_as_targets():
    model = functional(lambda x: block(x, "a"))
    graph = en.LayerGraph.from_json(en.get("random_rej").graph.to_json())
    new, report = en.convert_model(model, graph)
    assert isinstance(new.get_layer("a_bn"), en.GraphLayer)
    assert places(report)["a_bn"].target == "GraphLayer"

    def make(nonlinearity, name):
        return layers.Activation("tanh" if nonlinearity else "linear", name=name)

    new, report = en.convert_model(model, make)
    expected = np.tanh(np.asarray(model.get_layer("a_conv")(images())))
    np.testing.assert_allclose(np.asarray(new(images())), expected, rtol=1e-5, atol=1e-6)


def test_from_one_norm_act_layer_to_another():
    model = functional(lambda x: block(layers.BatchNormalization(name="linear")(x), "a"))
    first, _ = en.convert_model(model, "evonorm_s0")
    first.get_layer("a_bn").v.assign([0.5] * 4)
    second, report = en.convert_model(first, "evonorm_b0")
    assert actions(report) == {"linear": "converted", "a_bn": "converted"}
    assert not second.get_layer("linear").nonlinearity and second.get_layer("a_bn").nonlinearity
    assert places(report)["a_bn"].carried == "gamma, beta"
    np.testing.assert_array_equal(np.asarray(second.get_layer("a_bn").v), 1.0)
    again, _ = en.convert_model(first, "evonorm_s0")
    assert_same(first, again)


@pytest.mark.parametrize(
    ("source", "to", "activation"),
    [("batch", "bn_relu", "relu"), ("batch", "bn_silu", "swish"), ("group", "gn_relu", "relu")],
)
def test_there_and_back(source, to, activation):
    make = {
        "batch": lambda name: layers.BatchNormalization(momentum=0.7, epsilon=1e-4, name=name),
        "group": lambda name: layers.GroupNormalization(groups=2, name=name),
    }[source]

    def body(x):
        x = layers.Activation(activation, name="act")(make("norm")(x))
        return make("linear")(layers.Conv2D(4, 1)(x))

    model = functional(body)
    there, _ = en.convert_model(model, to, sources=[source])
    assert_same(model, there, atol=1e-5)
    back, report = en.convert_model(there, "keras")
    assert actions(report) == {"norm": "converted", "linear": "converted"}
    for name in ("norm", "linear"):
        assert type(back.get_layer(name)) is type(model.get_layer(name))
    assert_same(model, back, atol=1e-5)
    if source == "batch":
        expected, actual = (np.asarray(m(images(), training=True)) for m in (model, back))
        np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_keras_has_no_trained_slope_and_no_evonorm():
    model = functional(lambda x: block(x, "a", "swish"))
    silu, _ = en.convert_model(model, "bn_silu")
    silu.get_layer("a_bn").v.assign([2.0] * 4)
    for there in (silu, en.convert_model(model, "evonorm_s0")[0]):
        back, report = en.convert_model(there, "keras")
        assert actions(report) == {"a_bn": "kept"}
        assert_same(there, back)


def test_flags_policies_and_regularizers_are_kept():
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        model = functional(
            lambda x: layers.ReLU()(
                layers.BatchNormalization(
                    name="bn", gamma_regularizer="l2", trainable=False, dtype="mixed_bfloat16"
                )(layers.Conv2D(4, 3, name="conv")(x))
            )
        )
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")
    model.get_layer("conv").trainable = False
    new, _ = en.convert_model(model, "evonorm_s0")
    layer = new.get_layer("bn")
    assert not layer.trainable and not new.get_layer("conv").trainable
    assert layer.compute_dtype == "bfloat16" and layer.gamma_regularizer is not None
    assert new(images()).dtype == tf.bfloat16


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
