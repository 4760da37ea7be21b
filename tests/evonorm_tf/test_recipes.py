"""What docs/recipes.md says of layers that need no batch, and of those that do."""

import numpy as np
import pytest
import tensorflow as tf

import evonorm_tf as en
from evonorm_tf import compat
from evonorm_tf.xla_cpu import use_xla_programs

pytestmark = pytest.mark.one_environment

layers = tf.keras.layers
OF_ONE_EXAMPLE = [
    "evonorm_s0",
    "evonorm_s1",
    "evonorm_s2",
    "gn_relu",
    "gn_silu",
    "ln_relu",
    "frn",
    "pixelnorm_relu",
]
OF_THE_BATCH = ["evonorm_b0", "bn_relu"]
BOTH = [*OF_ONE_EXAMPLE, *OF_THE_BATCH]
COUNT = 6


def images(count=COUNT, seed=0, shape=(8, 8, 3)):
    """Images that differ in brightness and contrast."""
    rng = np.random.default_rng(seed)
    contrast = rng.uniform(0.3, 3, (count, 1, 1, 1))
    x = rng.normal(size=(count, *shape)) * contrast + rng.normal(size=(count, 1, 1, 3))
    return x.astype("float32")


LABELS = np.array([0, 1, 2, 2, 0, 1])


def classifier(norm_act, dtype="float32"):
    tf.keras.utils.set_random_seed(1)
    make = en.norm_act_factory(norm_act, dtype=dtype)
    return tf.keras.Sequential(
        [
            tf.keras.Input((8, 8, 3), dtype=dtype),
            layers.Conv2D(8, 3, use_bias=False, dtype=dtype),
            make(),
            layers.Conv2D(8, 3, use_bias=False, dtype=dtype),
            make(),
            layers.GlobalAveragePooling2D(dtype=dtype),
            layers.Dense(3, dtype=dtype),
        ]
    )


def variables(model):
    return [compat.variable(weight) for weight in model.trainable_variables]


def losses(model, x, y, training=True):
    return tf.nn.sparse_softmax_cross_entropy_with_logits(y, model(x, training=training))


def gradients(model, x, y, training=True):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(losses(model, x, y, training))
    return tape.gradient(loss, variables(model))


def parts_gradients(model, x, y, size):
    """The mean of the gradients of batches of `size`."""
    parts = [gradients(model, x[i : i + size], y[i : i + size]) for i in range(0, len(x), size)]
    return [tf.reduce_mean(tf.stack(part), 0) for part in zip(*parts, strict=True)]


def difference(actual, expected):
    """The largest difference of two lists, relative to each tensor's largest magnitude."""
    pairs = zip(actual, expected, strict=True)
    return max(np.abs(np.subtract(a, b)).max() / np.abs(b).max() for a, b in pairs)


# Few images per step


@pytest.mark.parametrize("name", OF_ONE_EXAMPLE)
@pytest.mark.parametrize("size", [1, 3])
def test_accumulated_gradients_are_those_of_the_large_batch(name, size):
    model, x = classifier(name), images()
    whole = gradients(model, x, LABELS)
    assert difference(parts_gradients(model, x, LABELS, size), whole) < 1e-5


@pytest.mark.parametrize("name", OF_ONE_EXAMPLE)
def test_they_are_in_float64(name):
    """All but the vectors of the layers, which are float32, agree to the digits of float64."""
    model, x = classifier(name, "float64"), images().astype("float64")
    whole, parts = gradients(model, x, LABELS), parts_gradients(model, x, LABELS, 2)
    double = [i for i, gradient in enumerate(whole) if gradient.dtype == tf.float64]
    assert len(double) == 4  # kernels of both convolutions, kernel and bias of Dense
    assert difference([parts[i] for i in double], [whole[i] for i in double]) < 1e-13
    assert difference(parts, whole) < 1e-6


@pytest.mark.parametrize("name", OF_THE_BATCH)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_with_batch_statistics_they_are_not(name, dtype):
    model, x = classifier(name, dtype), images().astype(dtype)
    whole = gradients(model, x, LABELS)
    assert difference(parts_gradients(model, x, LABELS, 2), whole) > 0.3


@pytest.mark.parametrize("name", OF_THE_BATCH)
def test_they_are_with_frozen_statistics(name):
    """The batch's statistics alone make the difference."""
    model, x = classifier(name), images()
    for layer in model.layers:
        layer.trainable = "conv" in layer.name or "dense" in layer.name
    whole = gradients(model, x, LABELS)
    assert difference(parts_gradients(model, x, LABELS, 2), whole) < 1e-5


def test_unequal_parts_are_weighted_by_their_examples():
    model, x = classifier("evonorm_s0"), images()
    first, rest = gradients(model, x[:4], LABELS[:4]), gradients(model, x[4:], LABELS[4:])
    weighted = [(4 * a + 2 * b) / 6 for a, b in zip(first, rest, strict=True)]
    assert difference(weighted, gradients(model, x, LABELS)) < 1e-5
    assert difference([(a + b) / 2 for a, b in zip(first, rest, strict=True)], weighted) > 0.01


@pytest.mark.parametrize("name", ["evonorm_s0", "evonorm_b0"])
def test_a_step_with_accumulation(name):
    """By Keras 3's optimizer where there is one, else by hand."""
    model, one_step, x = classifier(name), classifier(name), images()
    if compat.IS_KERAS_3:
        optimizer = tf.keras.optimizers.SGD(0.1, gradient_accumulation_steps=3)
        model.compile(optimizer, tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        model.fit(x, LABELS, batch_size=2, shuffle=False, verbose=0)
    else:
        mean = parts_gradients(model, x, LABELS, 2)
        tf.keras.optimizers.SGD(0.1).apply_gradients(
            zip(mean, model.trainable_variables, strict=True)
        )
    step(one_step, x, LABELS)
    found = difference(trained(model), trained(one_step))
    assert found < 1e-5 if name == "evonorm_s0" else found > 0.01


def step(model, x, y, rate=0.1):
    for variable, gradient in zip(variables(model), gradients(model, x, y), strict=True):
        variable.assign_sub(rate * gradient)


def trained(model):
    """The weights that a gradient reaches; a beta's first value is 0, so 1 is added to all."""
    return [variable.numpy() + 1 for variable in variables(model)]


# Differential privacy


def gradients_of_examples(model, x, y):
    """Each example's gradient within one batch."""
    with tf.GradientTape(persistent=True) as tape:
        loss = losses(model, x, y)
    return tape.jacobian(loss, variables(model), experimental_use_pfor=False)


def vectorized(model, training, **settings):
    """Each example's gradient as a batch of its own, by tf.vectorized_map."""

    def gradient(example):
        image, label = example
        return gradients(model, image[None], label[None], training)

    return tf.function(lambda x, y: tf.vectorized_map(gradient, (x, y), **settings))


def with_another(x, index=2):
    changed = x.copy()
    changed[index] = images(1, seed=9) * 30
    return changed, [i for i in range(len(x)) if i != index]


@pytest.mark.parametrize("name", BOTH)
def test_an_examples_gradient_depends_on_other_examples_with_batch_statistics_alone(name):
    model, x = classifier(name), images()
    changed, others = with_another(x)
    before, after = (gradients_of_examples(model, each, LABELS) for each in (x, changed))
    for index in others:
        found = difference([g[index] for g in after], [g[index] for g in before])
        assert found == 0 if name in OF_ONE_EXAMPLE else found > 0.1
    assert difference([g[2] for g in after], [g[2] for g in before]) > 0.1


@pytest.mark.parametrize("name", OF_ONE_EXAMPLE)
def test_vectorized_map_needs_no_fallback(name):
    model, x = classifier(name), images()
    found = vectorized(model, True, fallback_to_while_loop=False)(x, LABELS)
    assert difference(found, gradients_of_examples(model, x, LABELS)) < 1e-5
    specs = [tf.TensorSpec(variable.shape, tf.float32) for variable in variables(model)]
    loop = tf.map_fn(
        lambda example: gradients(model, example[0][None], example[1][None]),
        (x, LABELS),
        fn_output_signature=specs,
    )
    assert difference(loop, found) < 1e-5


def test_vectorized_map_falls_back_in_programs_of_large_maps(all_sizes_in_programs):
    """XLA's programs have operations that it cannot vectorize; inference has no programs."""
    pooling = layers.GlobalAveragePooling2D()
    model = tf.keras.Sequential([tf.keras.Input((8, 8, 3)), en.EvoNormS0(), pooling])
    x = images()
    with pytest.raises(ValueError, match="No pfor vectorization defined"):
        vectorized(model, True, fallback_to_while_loop=False)(x, LABELS)
    slow = vectorized(model, True)(x, LABELS)
    fast = vectorized(model, False, fallback_to_while_loop=False)(x, LABELS)
    assert difference(slow, fast) < 1e-5


def test_which_maps_are_large():
    assert use_xla_programs(tf.zeros((1, 64, 64, 32)), -1, True)
    assert not use_xla_programs(tf.zeros((1, 64, 64, 31)), -1, True)
    assert not use_xla_programs(tf.zeros((1, 64, 64, 32)), -1, False)


def clipped_sum(each, norm):
    examples = zip(*(tf.unstack(gradient) for gradient in each), strict=True)
    clipped = [tf.clip_by_global_norm(example, norm)[0] for example in examples]
    return [tf.add_n(parts) for parts in zip(*clipped, strict=True)]


@pytest.mark.parametrize("name", BOTH)
def test_one_example_changes_the_clipped_sum_by_two_norms_at_most(name):
    model, x = classifier(name), images()
    changed, _ = with_another(x)
    sums = [clipped_sum(gradients_of_examples(model, each, LABELS), 0.01) for each in (x, changed)]
    distance = tf.linalg.global_norm([a - b for a, b in zip(*sums, strict=True)]).numpy()
    if name in OF_ONE_EXAMPLE:
        assert distance <= 0.02 * (1 + 1e-5)
    else:
        assert distance > 0.022


def test_a_private_step():
    """Without noise, and with a norm that no gradient has, it is the step of the batch."""
    model, x = classifier("evonorm_s0"), images()
    step_of = private_gradients(model)
    plain = step_of(x, LABELS, 1e6, 0.0)
    assert difference(plain, gradients(model, x, LABELS)) < 1e-5
    clipped = step_of(x, LABELS, 0.01, 0.0)
    expected = clipped_sum(gradients_of_examples(model, x, LABELS), 0.01)
    assert difference(clipped, [each / COUNT for each in expected]) < 1e-5
    noisy = step_of(x, LABELS, 0.01, 1.0)
    noise = np.concatenate([np.ravel((a - b) * COUNT) for a, b in zip(noisy, clipped, strict=True)])
    assert np.std(noise) == pytest.approx(0.01, rel=0.1)  # of 800 values or more


def private_gradients(model):
    def clipped(example, norm):
        image, label = example
        gradient = gradients(model, image[None], label[None], training=False)
        length = tf.norm([tf.norm(each) for each in gradient])
        return tf.clip_by_global_norm(gradient, norm, use_norm=length)[0]

    @tf.function
    def step_gradients(x, y, norm, multiplier):
        each = tf.vectorized_map(
            lambda example: clipped(example, norm), (x, y), fallback_to_while_loop=False
        )
        sums = [tf.reduce_sum(gradient, 0) for gradient in each]
        noise = [tf.random.normal(s.shape, stddev=multiplier * norm) for s in sums]
        return [(s + n) / len(x) for s, n in zip(sums, noise, strict=True)]

    return step_gradients


@pytest.mark.parametrize("layer", [en.EvoNormB0, en.BatchNormReLU])
def test_vectorized_map_makes_each_example_a_batch(layer):
    """A layer normalizes each image alone then, and its moving averages follow one of them."""
    layer, x = layer(momentum=0.0), images()
    y = tf.vectorized_map(lambda image: layer(image[None], training=True), tf.constant(x))
    followed = layer.moving_variance.numpy()
    alone = np.var(x, axis=(1, 2))
    assert np.isclose(alone, followed, rtol=1e-4).all(axis=1).sum() == 1
    batch = layer(x, training=True).numpy()
    np.testing.assert_allclose(layer.moving_variance.numpy(), np.var(x, (0, 1, 2)), rtol=1e-4)
    assert difference([y[:, 0]], [batch]) > 0.1


# Federated averaging


def averaged(clients, counts):
    weights = zip(*(client.get_weights() for client in clients), strict=True)
    return [np.average(each, axis=0, weights=counts) for each in weights]


@pytest.mark.parametrize("name", BOTH)
def test_a_step_of_each_client_is_a_step_of_all_their_data(name):
    x, counts = images(), [1, 2, 3]
    clients = [classifier(name) for _ in counts]
    for client, part in zip(clients, np.split(np.arange(COUNT), [1, 3]), strict=True):
        step(client, x[part], LABELS[part])
    server, central = classifier(name), classifier(name)
    server.set_weights(averaged(clients, counts))
    step(central, x, LABELS)
    found = difference(trained(server), trained(central))
    assert found < 1e-5 if name in OF_ONE_EXAMPLE else found > 0.01


@pytest.mark.parametrize("name", OF_ONE_EXAMPLE)
def test_layers_without_batch_statistics_have_no_other_state(name):
    model = classifier(name)
    assert model.non_trainable_weights == []
    before = model.get_weights()
    model(images(), training=True)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def moving(model):
    return [np.array(tf.convert_to_tensor(weight)) for weight in model.non_trainable_weights]


def test_moving_averages_are_averaged_too_or_kept():
    clients = [classifier("evonorm_b0") for _ in range(2)]
    assert [len(moving(client)) for client in clients] == [2, 2]
    for seed, client in enumerate(clients):
        client(images(seed=seed), training=True)
    server = classifier("evonorm_b0")
    server.set_weights(averaged(clients, [1, 3]))
    for value, one, two in zip(moving(server), *map(moving, clients), strict=True):
        np.testing.assert_allclose(value, (one + 3 * two) / 4, rtol=1e-6)
    kept = moving(clients[0])
    for variable, value in zip(variables(clients[0]), variables(server), strict=True):
        variable.assign(value)
    for old, new in zip(kept, moving(clients[0]), strict=True):
        np.testing.assert_array_equal(old, new)


def test_an_average_of_variances_is_not_the_variance_of_all_data():
    parts = [images(), images(seed=1) + 4]
    clients = [en.EvoNormB0(momentum=0.0) for _ in parts]
    for client, part in zip(clients, parts, strict=True):
        client(part, training=True)
    average = np.mean([client.moving_variance.numpy() for client in clients], 0)
    means = [part.mean((0, 1, 2)) for part in parts]
    of_all = np.concatenate(parts).var((0, 1, 2))
    np.testing.assert_allclose(average + np.var(means, 0), of_all, rtol=1e-4)
    assert (of_all > 1.5 * average).all()


# Freezing and fine-tuning


def backbone(name):
    tf.keras.utils.set_random_seed(2)
    make = en.norm_act_factory(name)
    return tf.keras.Sequential(
        [tf.keras.Input((8, 8, 3)), layers.Conv2D(8, 3), make(), layers.Conv2D(8, 3), make()]
    )


@pytest.mark.parametrize("name", BOTH)
def test_modes_of_a_frozen_layer(name):
    """Batch statistics: training differs from inference until the layer is frozen."""
    model, x = backbone(name), images()

    def modes_differ():
        return difference([model(x, training=True)], [model(x, training=False)])

    assert modes_differ() < 1e-5 if name in OF_ONE_EXAMPLE else modes_differ() > 0.1
    model.trainable = False
    assert modes_differ() == 0
    model.trainable = True
    assert modes_differ() < 1e-5 if name in OF_ONE_EXAMPLE else modes_differ() > 0.1


@pytest.mark.parametrize("name", ["evonorm_s0", *OF_THE_BATCH])
@pytest.mark.parametrize("frozen", [True, False])
def test_a_head_on_a_frozen_backbone(name, frozen):
    features = backbone(name)
    features.trainable = not frozen
    head = layers.Dense(3)
    model = tf.keras.Sequential([features, layers.GlobalAveragePooling2D(), head])
    model.compile("sgd", tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.build((None, 8, 8, 3))
    before, kernel = features.get_weights(), head.get_weights()[0]
    model.fit(images(), LABELS, epochs=2, verbose=0)
    unchanged = [np.array_equal(a, b) for a, b in zip(before, features.get_weights(), strict=True)]
    assert all(unchanged) if frozen else not any(unchanged)
    assert not np.array_equal(kernel, head.get_weights()[0])


# Segmentation and detection


def encoder(name):
    tf.keras.utils.set_random_seed(3)
    make = en.norm_act_factory(name)
    x = inputs = tf.keras.Input((None, None, 3))
    maps = []
    for width in (16, 32):
        x = layers.Conv2D(width, 3, strides=2, padding="same", use_bias=False)(x)
        x = shortcut = make()(x)
        x = make()(layers.Conv2D(width, 3, padding="same", use_bias=False)(x))
        x = layers.Conv2D(width, 3, padding="same", use_bias=False)(x)
        x = layers.Add()([shortcut, make(nonlinearity=False)(x)])
        x = layers.ReLU()(x)
        maps.append(x)
    return tf.keras.Model(inputs, maps)


def pairs(seed):
    return images(2, seed, (16, 24, 3))


def outputs_differ(name):
    """Between training and inference with two images, after a training of moving averages."""
    model = encoder(name)
    for seed in range(30):
        model(pairs(seed), training=True)
    x = pairs(100)
    return difference(model(x, training=True), model(x, training=False))


def test_two_images_a_device():
    # Training may run as compiled code, which rounds otherwise; six layers follow each other.
    assert outputs_differ("evonorm_s0") < 6 * 12 * 2.0**-24
    assert outputs_differ("bn_relu") > 0.1
    assert outputs_differ("evonorm_b0") > 0.1


@pytest.mark.parametrize("name", ["evonorm_s0", *OF_THE_BATCH])
def test_an_image_and_its_neighbour(name):
    model, x = encoder(name), pairs(0)
    other = np.stack([x[0], pairs(1)[1]])
    ours, theirs = ([y[:1] for y in model(each, training=True)] for each in (x, other))
    found = difference(ours, theirs)
    assert found == 0 if name == "evonorm_s0" else found > 0.05


def test_pooled_maps_need_larger_groups():
    """A group of one value has no variance: S0 then divides by sqrt(epsilon)."""
    x = tf.constant(np.random.default_rng(0).normal(size=(2, 1, 1, 16)).astype("float32"))
    alone, grouped = en.EvoNormS0(), en.EvoNormS0(group_size=8)
    expected = x * tf.sigmoid(x) / np.sqrt(alone.epsilon)
    np.testing.assert_allclose(alone(x), expected, rtol=1e-5)
    assert alone.effective_groups == 16
    assert np.abs(grouped(x)).max() < 5 < 100 < np.abs(alone(x)).max()
