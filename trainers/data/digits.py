"""The 1797 handwritten digits that come with scikit-learn: 8x8, 17 shades, ten classes."""

import numpy as np
from sklearn import datasets

from trainers.data.image_data import ImageData, Split, stratified

# Fixed for good: scores of different runs and programs are of the same examples.
_SEED = 20200406
_FRACTION = 0.2


def load() -> ImageData:
    """About 60% to train, 20% to validate, 20% to test, with equal shares of each class."""
    digits = datasets.load_digits()
    everything = Split(digits.images[..., None].astype(np.uint8), digits.target.astype(np.int32))
    rest, test = stratified(everything, _FRACTION, _SEED)
    train, validation = stratified(rest, _FRACTION / (1 - _FRACTION), _SEED)
    return ImageData.from_splits(train, validation, test)
