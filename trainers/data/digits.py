"""The 1797 handwritten digits that come with scikit-learn: 8x8 pixels, ten classes.

scikit-learn counts 17 shades, 0 to 16. They are scaled to 0 to 255 here, the range of the
pixels of image files and of all other data sets.
"""

import numpy as np
from sklearn import datasets

from trainers.data.image_data import ImageData, Split, stratified
from trainers.data.inversion import half_inverted

# Never change it: scores of different runs and programs are of the same examples.
_SEED = 20200406
_FRACTION = 0.2
_SHADES = 16


def load(inverted: bool = False) -> ImageData:
    """About 60% to train, 20% to validate, 20% to test, with equal shares of each class.

    Args:
      inverted: whether half of the images are inverted; see `inversion`.
    """
    digits = datasets.load_digits()
    pixels = np.rint(digits.images[..., None] * (255 / _SHADES)).astype(np.uint8)
    if inverted:
        pixels = half_inverted(pixels)
    everything = Split(pixels, digits.target.astype(np.int32))
    rest, test = stratified(everything, _FRACTION, _SEED)
    train, validation = stratified(rest, _FRACTION / (1 - _FRACTION), _SEED)
    return ImageData.from_splits(train, validation, test)
