"""Augmentation policies: operations and tables as tf-models-official's, and what is drawn."""

import collections
import itertools

import numpy as np
import pytest
import tensorflow as tf

from tests.trainers.official import needs_official
from trainers.data import augment, operations, policies
from trainers.data.config import DataConfig

LEVELS = [0, 1, 2.5, 5, 9, 10]
SIZES = [(17, 23), (32, 9)]
NAMES = list(policies.operations_at(0, 0, 0))
# A positive sign; the pixel at 3/4 of the height and 1/8 of the width.
DRAWS = (0.25, 0.75, 0.125)


def image(size=SIZES[0], highest=255):
    return np.random.default_rng(0).integers(highest + 1, size=(*size, 3)).astype("uint8")


@pytest.fixture
def official():
    from official.vision.ops import augment

    return augment


@pytest.fixture
def draw(monkeypatch):
    """Calls a function with the given numbers in place of random ones."""

    def call(function, *numbers):
        left = list(numbers)

        def uniform(shape, *_, **__):
            count = int(np.prod(shape))
            drawn, left[:count] = left[:count], []
            return tf.reshape(tf.constant(drawn, tf.float32), shape)

        monkeypatch.setattr(tf.random, "uniform", uniform)
        result = function()
        monkeypatch.undo()
        assert not left
        return result

    return call


def expected(official, name, pixels, level, cutout, translate):
    """tf-models-official's image, with a positive sign and the cut-out at `DRAWS`."""
    arguments = official.level_to_arg(cutout, translate)[name](level)
    if name == "Cutout":
        row, column = (int(d * side) for d, side in zip(DRAWS[1:], pixels.shape, strict=False))
        half = arguments[0]
        return official._fill_rectangle(tf.constant(pixels), column, row, half, half, [128] * 3)
    fill = [[128] * 3] if name in official.REPLACE_FUNCS else []
    # tf-models-official draws a sign too, and no argument is negative without one.
    return official.NAME_TO_FUNC[name](tf.constant(pixels), *map(abs, arguments), *fill)


@needs_official
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", NAMES)
def test_operations_are_those_of_tf_models_official(official, name, size):
    for level, highest in itertools.product(LEVELS, (255, 99, 0)):
        pixels = image(size, highest)
        found = policies.operations_at(level, 40, 11)[name](tf.constant(pixels), tf.constant(DRAWS))
        wanted = expected(official, name, pixels, level, 40, 11)
        np.testing.assert_array_equal(found, wanted, err_msg=f"level {level}, to {highest}")


@needs_official
@pytest.mark.parametrize("name", ["Rotate", "ShearX", "ShearY", "TranslateX", "TranslateY"])
def test_a_sign_is_negative_in_half_of_the_draws(official, name):
    pixels = tf.constant(image())
    operation = policies.operations_at(9, 40, 11)[name]
    argument = official.level_to_arg(40, 11)[name](9)[0]
    negative = official.NAME_TO_FUNC[name](pixels, -abs(argument), [128] * 3)
    np.testing.assert_array_equal(operation(pixels, tf.constant([0.5, 0, 0])), negative)
    positive = operation(pixels, tf.constant([0.4999, 0, 0]))
    np.testing.assert_array_equal(positive, operation(pixels, tf.constant([0.0, 0, 0])))
    assert not np.array_equal(positive, negative)


@needs_official
def test_the_tables_are_those_of_tf_models_official(official):
    assert [list(pair) for pair in policies.SUB_POLICIES] == official.AutoAugment().policies
    assert official.RandAugment().available_ops == NAMES


@needs_official
def test_rand_augment_applies_what_is_drawn(official, draw):
    pixels = image()
    policy = policies.rand_augment(2, 9, 40, 100)
    for first, name in enumerate(NAMES):
        second = (5 * first + 3) % 16
        middle = expected(official, name, pixels, 9.0, 40.0, 100.0).numpy()
        wanted = expected(official, NAMES[second], middle, 9.0, 40.0, 100.0)
        places = ((place + 0.5) / 17 for place in (first, second))
        numbers = [number for place in places for number in (place, *DRAWS)]
        found = draw(lambda: policy(tf.constant(pixels)), *numbers)
        np.testing.assert_array_equal(found, wanted, err_msg=f"{name}, {NAMES[second]}")


@needs_official
@pytest.mark.parametrize("place", range(25))
def test_auto_augment_applies_what_is_drawn(official, draw, place):
    pixels = image()
    pair = official.AutoAugment().policies[place]
    for applied in itertools.product((True, False), repeat=2):
        wanted, numbers = pixels, []
        for (name, probability, level), here in zip(pair, applied, strict=True):
            if here and probability:
                wanted = expected(official, name, np.array(wanted), level, 100.0, 250.0)
            numbers += [probability - 1e-4 if here else probability, *DRAWS]
        found = draw(
            lambda: policies.auto_augment()(tf.constant(pixels)),
            *(max(number, 0) for number in numbers),
            (place + 0.5) / 25,
        )
        np.testing.assert_array_equal(found, wanted)


def images_of(policy, pixels, count):
    """`count` images of a policy in an input pipeline."""
    tf.random.set_seed(1)
    examples = tf.data.Dataset.from_tensors(pixels).repeat(count)
    return list(examples.map(policy).as_numpy_iterator())


def close_to(count, share, trials):
    """Whether a binomial count is within four standard deviations."""
    return abs(count - trials * share) < 4 * (trials * share * (1 - share)) ** 0.5


@pytest.mark.parametrize("layers", [1, 2])
def test_rand_augment_draws_uniformly_among_seventeen(layers, monkeypatch):
    def recorded(_, index):
        return lambda pixels, draws: tf.concat([pixels[1:], [tf.constant(index, tf.uint8)]], 0)

    fakes = {name: recorded(name, index) for index, name in enumerate(NAMES)}
    monkeypatch.setattr(policies, "operations_at", lambda *_: fakes)
    policy = policies.rand_augment(layers, 9, 40, 100)
    start = tf.constant([99, 99], tf.uint8)
    found = [tuple(pixels) for pixels in images_of(policy, start, 3400)]
    of_one = collections.Counter(index for pixels in found for index in pixels if index != 99)
    assert set(of_one) == set(range(16))
    for index in range(16):
        assert close_to(of_one[index], 1 / 17, layers * 3400), (index, of_one[index])
    nothing = sum(pixels == (99, 99) for pixels in found)
    assert close_to(nothing, 17.0**-layers, 3400)
    assert all(pixels[0] == 99 for pixels in found) == (layers == 1)


def test_auto_augment_draws_uniformly_and_applies_with_probability(monkeypatch):
    table = tuple((("First", 0.3, i), ("Second", 0.8, i)) for i in range(25))

    def at(level, *_):
        def writes(place):
            return lambda pixels, draws: tf.tensor_scatter_nd_update(
                pixels, [[place]], [tf.constant(level, tf.uint8)]
            )

        return {"First": writes(0), "Second": writes(1)}

    monkeypatch.setattr(policies, "operations_at", at)
    monkeypatch.setattr(policies, "SUB_POLICIES", table)
    found = np.array(images_of(policies.auto_augment(), tf.constant([99, 99], tf.uint8), 5000))
    applied = found != 99
    assert close_to(applied[:, 0].sum(), 0.3, 5000)
    assert close_to(applied[:, 1].sum(), 0.8, 5000)
    assert close_to(applied.all(1).sum(), 0.24, 5000)
    for level in range(25):
        assert close_to((found[:, 1] == level).sum(), 0.8 / 25, 5000), level
    both = found[applied.all(1)]
    np.testing.assert_array_equal(both[:, 0], both[:, 1])


@pytest.mark.parametrize("name", ["randaugment", "autoaugment"])
def test_images_of_an_input_pipeline(name):
    policy = augment.policy_of(DataConfig(augment=name))
    pixels = tf.constant(image())
    dataset = tf.data.Dataset.from_tensors(pixels).map(policy)
    assert dataset.element_spec == tf.TensorSpec(pixels.shape, tf.uint8)
    found = images_of(policy, pixels, 40)
    assert len({pixels.tobytes() for pixels in found}) > 10
    for seen, other in zip(found, images_of(policy, pixels, 40), strict=True):
        np.testing.assert_array_equal(seen, other)


@pytest.mark.parametrize("name", NAMES)
def test_a_graph_for_images_of_any_size_gives_the_same_pixels(name):
    operation = policies.operations_at(9, 5, 11)[name]
    any_size = tf.TensorSpec([None, None, 3], tf.uint8)
    graph = tf.function(operation, input_signature=[any_size, tf.TensorSpec([3])])
    assert graph.get_concrete_function().output_shapes.rank == 3
    for size in SIZES:
        arguments = tf.constant(image(size)), tf.constant(DRAWS)
        np.testing.assert_array_equal(graph(*arguments), operation(*arguments))


@pytest.mark.parametrize("size", [(1, 1), (2, 5)])
@pytest.mark.parametrize("name", NAMES)
def test_shapes_and_dtypes_of_tiny_images(name, size):
    for level in (0, 10):
        operation = policies.operations_at(level, 40, 100)[name]
        found = operation(tf.constant(image(size)), tf.constant(DRAWS))
        assert found.shape == (*size, 3) and found.dtype == tf.uint8


@pytest.mark.parametrize(
    "name, level",
    [
        *((name, 0) for name in ("Rotate", "ShearX", "ShearY", "TranslateX", "TranslateY")),
        *((name, 0) for name in ("Cutout", "SolarizeAdd")),
        *((name, 5) for name in ("Color", "Contrast", "Brightness", "Sharpness")),
    ],
)
def test_levels_that_change_nothing(name, level):
    operation = policies.operations_at(level, 40, 100)[name]
    np.testing.assert_array_equal(operation(tf.constant(image()), tf.constant(DRAWS)), image())


# One row of four grey pixels, and what becomes of it.
ROW = [10, 100, 140, 250]


@pytest.mark.parametrize(
    "operation, arguments, wanted",
    [
        (operations.invert, [], [245, 155, 115, 5]),
        (operations.auto_contrast, [], [0, 95, 138, 255]),  # 255 (x - 10) / 240, rounded down
        (operations.posterize, [2], [0, 64, 128, 192]),
        (operations.posterize, [0], [0, 0, 128, 128]),
        (operations.solarize, [140], [10, 100, 115, 5]),
        (operations.solarize, [256], [245, 155, 115, 5]),
        (operations.solarize_add, [60], [70, 160, 140, 250]),
        (operations.solarize_add, [200], [210, 255, 140, 250]),
        (operations.brightness, [1.5], [15, 150, 210, 255]),
        (operations.contrast, [2.0], [0, 75, 155, 255]),  # the mean is 125
        (operations.translate_x, [1.0], [100, 140, 250, 250]),
        (operations.translate_x, [-2.0], [100, 10, 10, 100]),
        (operations.rotate, [180.0], [250, 140, 100, 10]),
        (operations.cutout, [1, 0.0, 0.5], [10, 128, 128, 250]),
        (operations.cutout, [1, 0.0, 0.0], [128, 100, 140, 250]),
        (operations.equalize, [], ROW),  # too few pixels for a step
    ],
)
def test_a_row_of_pixels(operation, arguments, wanted):
    pixels = tf.tile(tf.constant(ROW, tf.uint8)[None, :, None], [1, 1, 3])
    arguments = [tf.constant(a) if isinstance(a, float) else a for a in arguments]
    np.testing.assert_array_equal(operation(pixels, *arguments)[0, :, 1], wanted)


def test_a_positive_angle_turns_counterclockwise():
    pixels = image((5, 5))
    found = operations.rotate(tf.constant(pixels), tf.constant(90.0))
    np.testing.assert_array_equal(found, np.rot90(pixels))


def test_equalized_values_are_as_frequent():
    # 255 pixels of each of the values 3, 4 and 9 in one channel: step 2, and (below + 1) // 2.
    pixels = np.repeat(np.array([3, 4, 9], np.uint8), 255).reshape(3, 255)
    found = operations.equalize(tf.constant(np.stack([pixels, pixels, 0 * pixels], -1))).numpy()
    np.testing.assert_array_equal(found[:, 7, 0], [0, 128, 255])
    np.testing.assert_array_equal(found[..., 2], 0)


def test_sharpness_of_one_bright_pixel():
    pixels = np.zeros((5, 5, 3), np.uint8)
    pixels[2, 2] = 130
    found = operations.sharpness(tf.constant(pixels), 0.0).numpy()[..., 0]
    np.testing.assert_array_equal(found[1:4, 1:4], [[10, 10, 10], [10, 50, 10], [10, 10, 10]])
    assert found.sum() == 130
