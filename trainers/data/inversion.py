"""Inverts half of the images of a data set, so that no linear function separates the classes.

Networks with layers that are linear, or nearly so, then stay near random guess: every linear
function of a pixel has the same mean over an image and its inverse.
"""

import numpy as np

from trainers.data.image_data import ImageData, Split

# Never change it: scores of different runs and programs are of the same examples.
_SEED = 20200406


def half_inverted(pixels: np.ndarray) -> np.ndarray:
    """A copy of the images, uint8, with black and white exchanged in half of them.

    Which ones is a fixed draw.
    """
    chosen = np.random.default_rng(_SEED).permutation(len(pixels)) < len(pixels) // 2
    return np.where(chosen[:, None, None, None], 255 - pixels, pixels)


def half_inverted_data(data: ImageData) -> ImageData:
    """The same data set with half of the images of each split inverted."""
    splits = (data.train, data.validation, data.test)
    return ImageData.from_splits(
        *(Split(half_inverted(split.images), split.labels) for split in splits)
    )
