"""The 1797 handwritten digits that come with scikit-learn: 8x8 pixels, ten classes.

scikit-learn counts 17 shades, 0 to 16. They are scaled to 0 to 255 here, the range of the
pixels of image files and of all other data sets.
"""

import numpy as np
from sklearn import datasets

from trainers.data.image_data import ImageData, Split, stratified

# Never change it: scores of different runs and programs are of the same examples.
_SEED = 20200406
_FRACTION = 0.2
_SHADES = 16


def load(inverted: bool = False) -> ImageData:
    """About 60% to train, 20% to validate, 20% to test, with equal shares of each class.

    Args:
      inverted: whether to exchange black and white in half of the images, by a fixed draw. No
        linear function of the pixels then separates the classes, so that a network with layers
        that are linear, or nearly so, stays near random guess.
    """
    digits = datasets.load_digits()
    pixels = np.rint(digits.images[..., None] * (255 / _SHADES)).astype(np.uint8)
    if inverted:
        chosen = np.random.default_rng(_SEED).permutation(len(pixels)) < len(pixels) // 2
        pixels = np.where(chosen[:, None, None, None], 255 - pixels, pixels)
    everything = Split(pixels, digits.target.astype(np.int32))
    rest, test = stratified(everything, _FRACTION, _SEED)
    train, validation = stratified(rest, _FRACTION / (1 - _FRACTION), _SEED)
    return ImageData.from_splits(train, validation, test)
