"""Images with labels: the small data sets by name, and the input pipelines of trainings."""

from trainers.data.image_data import ImageData, Split
from trainers.data.loading import load

__all__ = ["ImageData", "Split", "load"]
