"""Image classification data that fits in memory, by name."""

from trainers.data.image_data import ImageData, Split
from trainers.data.loading import load

__all__ = ["ImageData", "Split", "load"]
