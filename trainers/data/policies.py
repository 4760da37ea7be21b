"""Augmentation policies: random operations on each image, as tf-models-official draws them."""

from collections.abc import Callable, Sequence
from functools import partial

import tensorflow as tf

from trainers.data import operations

Policy = Callable[[tf.Tensor], tf.Tensor]
# Of an image and three numbers in [0, 1): sign, row and column. Most operations need none.
Operation = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]

# Pairs of operation, probability and level.
SUB_POLICIES = (
    (("Equalize", 0.8, 1), ("ShearY", 0.8, 4)),
    (("Color", 0.4, 9), ("Equalize", 0.6, 3)),
    (("Color", 0.4, 1), ("Rotate", 0.6, 8)),
    (("Solarize", 0.8, 3), ("Equalize", 0.4, 7)),
    (("Solarize", 0.4, 2), ("Solarize", 0.6, 2)),
    (("Color", 0.2, 0), ("Equalize", 0.8, 8)),
    (("Equalize", 0.4, 8), ("SolarizeAdd", 0.8, 3)),
    (("ShearX", 0.2, 9), ("Rotate", 0.6, 8)),
    (("Color", 0.6, 1), ("Equalize", 1.0, 2)),
    (("Invert", 0.4, 9), ("Rotate", 0.6, 0)),
    (("Equalize", 1.0, 9), ("ShearY", 0.6, 3)),
    (("Color", 0.4, 7), ("Equalize", 0.6, 0)),
    (("Posterize", 0.4, 6), ("AutoContrast", 0.4, 7)),
    (("Solarize", 0.6, 8), ("Color", 0.6, 9)),
    (("Solarize", 0.2, 4), ("Rotate", 0.8, 9)),
    (("Rotate", 1.0, 7), ("TranslateY", 0.8, 9)),
    (("ShearX", 0.0, 0), ("Solarize", 0.8, 4)),
    (("ShearY", 0.8, 0), ("Color", 0.6, 4)),
    (("Color", 1.0, 0), ("Rotate", 0.6, 2)),
    (("Equalize", 0.8, 4), ("Equalize", 0.0, 8)),
    (("Equalize", 1.0, 4), ("AutoContrast", 0.6, 2)),
    (("ShearY", 0.4, 7), ("SolarizeAdd", 0.6, 7)),
    (("Posterize", 0.8, 2), ("Solarize", 0.6, 10)),
    (("Solarize", 0.6, 8), ("Equalize", 0.6, 1)),
    (("Color", 0.8, 6), ("Rotate", 0.4, 5)),
)
# Of AutoAugment, at the largest level: half the side of a cut-out, and a shift, in pixels.
_CUTOUT, _TRANSLATE = 100, 250


def rand_augment(layers: int, magnitude: float, cutout: float, translate: float) -> Policy:
    """RandAugment, a function of a uint8 image (height, width, 3).

    Applies `layers` operations one after another. Each is drawn uniformly from the sixteen and the
    one that changes nothing. Source: Cubuk et al., "RandAugment", 2019, section 3.

    Args:
      layers: operations on each image.
      magnitude: level of them all, from 0 to 10.
      cutout: half the side of a cut-out at level 10, in pixels.
      translate: a shift at level 10, in pixels.
    """
    choices = [*operations_at(magnitude, cutout, translate).values(), _nothing]

    def policy(image: tf.Tensor) -> tf.Tensor:
        for _ in range(layers):
            draws = tf.random.uniform([4])
            image = _one_of([partial(choice, image, draws[1:]) for choice in choices], draws[0])
        return image

    return policy


def auto_augment() -> Policy:
    """AutoAugment for ImageNet, a function of a uint8 image (height, width, 3).

    Applies one of `SUB_POLICIES`, drawn uniformly: each of its two operations with its probability.
    Source: Cubuk et al., "AutoAugment", 2018, section 3. The sub-policies are "v0" of
    tf-models-official, which EfficientNets are trained with; the paper's table has others.
    """
    sub_policies = [
        [(operations_at(level, _CUTOUT, _TRANSLATE)[name], share) for name, share, level in pair]
        for pair in SUB_POLICIES
    ]

    def policy(image: tf.Tensor) -> tf.Tensor:
        draws = tf.random.uniform([2, 4])
        branches = [partial(_with_probabilities, image, pair, draws) for pair in sub_policies]
        return _one_of(branches, tf.random.uniform([]))

    return policy


def operations_at(level: float, cutout: float, translate: float) -> dict[str, Operation]:
    """The sixteen operations at a level from 0 to 10.

    Geometric operations have a random sign, and a cut-out a random place. Levels are no strengths:
    a higher one keeps more bits and solarizes less, and enhancements change nothing at level 5.

    Args:
      level: of all operations.
      cutout: half the side of a cut-out at level 10, in pixels.
      translate: a shift at level 10, in pixels.
    """
    share = level / 10
    enhancement = share * 1.8 + 0.1
    return {
        "AutoContrast": _fixed(operations.auto_contrast),
        "Equalize": _fixed(operations.equalize),
        "Invert": _fixed(operations.invert),
        "Rotate": _signed(operations.rotate, share * 30),
        "Posterize": _fixed(operations.posterize, int(share * 4)),
        "Solarize": _fixed(operations.solarize, int(share * 256)),
        "Color": _fixed(operations.color, enhancement),
        "Contrast": _fixed(operations.contrast, enhancement),
        "Brightness": _fixed(operations.brightness, enhancement),
        "Sharpness": _fixed(operations.sharpness, enhancement),
        "ShearX": _signed(operations.shear_x, share * 0.3),
        "ShearY": _signed(operations.shear_y, share * 0.3),
        "TranslateX": _signed(operations.translate_x, share * translate),
        "TranslateY": _signed(operations.translate_y, share * translate),
        "Cutout": _placed(operations.cutout, int(share * cutout)),
        "SolarizeAdd": _fixed(operations.solarize_add, int(share * 110)),
    }


def _fixed(operation: Callable[..., tf.Tensor], *arguments: float) -> Operation:
    return lambda image, _: operation(image, *arguments)


def _signed(operation: Callable[..., tf.Tensor], argument: float) -> Operation:
    return lambda image, draws: operation(image, tf.where(draws[0] < 0.5, argument, -argument))


def _placed(operation: Callable[..., tf.Tensor], argument: int) -> Operation:
    return lambda image, draws: operation(image, argument, draws[1], draws[2])


def _nothing(image: tf.Tensor, _: tf.Tensor) -> tf.Tensor:
    return tf.identity(image)


def _with_probabilities(
    image: tf.Tensor, pair: list[tuple[Operation, float]], draws: tf.Tensor
) -> tf.Tensor:
    for (operation, probability), drawn in zip(pair, tf.unstack(draws), strict=True):
        applied = partial(operation, image, drawn[1:])
        image = tf.cond(drawn[0] < probability, applied, partial(tf.identity, image))
    return image


def _one_of(branches: Sequence[Callable[[], tf.Tensor]], draw: tf.Tensor) -> tf.Tensor:
    return tf.switch_case(tf.cast(draw * len(branches), tf.int32), branches)
