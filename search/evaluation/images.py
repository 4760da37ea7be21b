"""The examples of a run, and whether its settings fit them."""

from search.config import Evaluation
from search.errors import SearchError
from trainers import data
from trainers.data.image_data import ImageData
from trainers.errors import TrainersError
from trainers.models.anchor_sources import Kind, kind_of


def load_data(settings: Evaluation) -> ImageData:
    """Loads the configured data. Raises SearchError, in one line, if it cannot be used."""
    _check_inputs(settings)
    try:
        return data.load(settings.data, settings.data_dir, settings.image_size, settings.inputs)
    except TrainersError as error:
        raise SearchError(f"evaluation.data cannot be {settings.data!r}: {error}") from error


def check_fit(images: ImageData, settings: Evaluation) -> None:
    """Raises SearchError for fewer images than a batch, or a crop larger than the images."""
    count = len(images.train)
    if settings.batch_size > count:
        raise SearchError(
            f"evaluation.batch_size cannot be {settings.batch_size}: it is at most the number of "
            f"{settings.inputs} to train on, {count}"
        )
    if settings.crop is None:
        return
    height, width = images.train.images.shape[1:3]
    if settings.crop > min(height, width):
        raise SearchError(
            f"evaluation.crop cannot be {settings.crop}: it is at most the smaller side of the "
            f"images, which are {width} pixels wide and {height} high, or none"
        )


def _check_inputs(settings: Evaluation) -> None:
    """Raises SearchError for a setting of images if the inputs are no images."""
    if settings.inputs == "images":
        return
    what = f"and evaluation.inputs is {settings.inputs!r}"
    for name in ("crop", "image_size"):
        value = getattr(settings, name)
        if value is not None:
            raise SearchError(f"evaluation.{name} cannot be {value}: it is for images, {what}")
    for anchor in settings.anchors:
        if kind_of(anchor) in (Kind.KNOWN, Kind.APPLICATION):
            raise SearchError(f"evaluation.anchors cannot be {anchor!r}: it takes images, {what}")
