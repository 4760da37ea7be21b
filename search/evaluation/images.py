"""The images of a run, and whether its settings fit them."""

from search.config import Evaluation
from search.errors import SearchError
from trainers import data
from trainers.data.image_data import ImageData
from trainers.errors import TrainersError


def load_data(settings: Evaluation) -> ImageData:
    """Loads the configured data. Raises SearchError, in one line, if it cannot be used."""
    try:
        return data.load(settings.data, settings.data_dir, settings.image_size)
    except TrainersError as error:
        raise SearchError(f"evaluation.data cannot be {settings.data!r}: {error}") from error


def check_fit(images: ImageData, settings: Evaluation) -> None:
    """Raises SearchError without one batch of images, or for a crop larger than they are."""
    count, (height, width) = len(images.train), images.train.images.shape[1:3]
    if settings.batch_size > count:
        raise SearchError(
            f"evaluation.batch_size cannot be {settings.batch_size}: it is at most the number of "
            f"images to train on, {count}"
        )
    if settings.crop is not None and settings.crop > min(height, width):
        raise SearchError(
            f"evaluation.crop cannot be {settings.crop}: it is at most the smaller side of the "
            f"images, which are {width} pixels wide and {height} high, or none"
        )
