"""Augmentation policies, which are tf-models-official's."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from trainers import keras_choice

Policy = Callable[[tf.Tensor], tf.Tensor]


def rand_augment(layers: int, magnitude: int, cutout: float, translate: float) -> Policy:
    """RandAugment, a function of a uint8 image.

    Args:
      layers: operations on each image.
      magnitude: of them, from 0 to 10.
      cutout: pixels of a cut-out at the largest magnitude.
      translate: pixels of a shift at the largest magnitude.

    Raises:
      TrainersError: where tf-models-official cannot be used.
    """
    policy = _augment("RandAugment").RandAugment(
        num_layers=layers, magnitude=magnitude, cutout_const=cutout, translate_const=translate
    )
    return policy.distort


def auto_augment() -> Policy:
    """AutoAugment, a function of a uint8 image. Raises TrainersError as `rand_augment` does."""
    return _augment("AutoAugment").AutoAugment().distort


def _augment(policy: str) -> Any:
    keras_choice.require_official(policy)
    from official.vision.ops import augment

    return augment
