"""The configuration of a data set of labelled images, and what the data must fit."""

import dataclasses
from typing import Protocol

from trainers.platform.configs import Config


class ImageSpec(Protocol):
    """What a model expects of its data; a model's configuration has these fields.

    Attributes:
      num_classes: labels are 0 to num_classes - 1.
      input_size: height, width and channels of the images in training.
    """

    num_classes: int
    input_size: list[int]


@dataclasses.dataclass
class DataConfig(Config):
    """One split of a data set and what is done to its images.

    Attributes:
      source: "digits" (embedded), the name of a TFDS data set, or a folder with a prepared one.
      data_dir: where TFDS keeps its data; empty for its default.
      split: such as "train" or "train[:90%]".
      is_training: whether images are repeated, shuffled and augmented; otherwise each image
        occurs once, in order.
      global_batch_size: images in a step, over all replicas.
      in_memory: whether all images are held in one array. The batch of a step is then a
        function of seed and step. For small data sets of images of one size.
      crop: "none"; "random", a square of `crop_size` of the image, or in evaluation the
        whole image; "inception", 8 to 100% of the image's area, or in evaluation its
        centre, resized to the model's input size.
      crop_size: side of the random crop.
      center_fraction: side of the centre crop over the image's shorter side.
      flip: whether training images are mirrored with probability 1/2.
      augment: "", "randaugment" or "autoaugment"; after crop and flip.
      augment_layers, augment_magnitude: of RandAugment.
      shuffle_buffer: size of the buffer in which images are shuffled, when not in memory.
      seed: seed of the order and the crops.
    """

    source: str = "imagenet2012"
    data_dir: str = ""
    split: str = "train"
    is_training: bool = True
    global_batch_size: int = 1024
    in_memory: bool = False
    crop: str = "none"
    crop_size: int = 0
    center_fraction: float = 0.875
    flip: bool = False
    augment: str = ""
    augment_layers: int = 2
    augment_magnitude: int = 9
    shuffle_buffer: int = 10000
    seed: int = 0
