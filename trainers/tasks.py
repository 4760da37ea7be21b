"""Registers all tasks with the engine: importing this module makes every kind trainable.

Detection and GANs only where tf-models-official, of which they are made, can be used.
"""

import importlib

from trainers import keras_choice
from trainers.classification import task as classification

__all__ = ["classification"]

if keras_choice.has_official():
    for _kind in ("detection", "gan"):
        importlib.import_module(f"trainers.{_kind}.task")
