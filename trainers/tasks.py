"""Registers all tasks with the engine: importing this module makes every kind trainable."""

from trainers.classification import task as classification
from trainers.detection import task as detection
from trainers.gan import task as gan

__all__ = ["classification", "detection", "gan"]
