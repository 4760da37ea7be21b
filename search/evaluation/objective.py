"""A score of the user's own in place of the accuracy, computed after a training."""

import dataclasses
import math
from typing import Any

import tensorflow as tf

from evonorm_tf import registry
from search.config import Evaluation
from search.errors import SearchError
from search.evaluation.anchor_trainer import AnchorTrainer
from search.evaluation.standalone import standalone
from trainers import named_function
from trainers.data import ImageData, Split
from trainers.errors import TrainersError

# An EvoNorm has all that a searched layer can have: v1, groups of axes, a moving average.
_EXAMPLE = "evonorm_b0"


class Trained:
    """A layer that has been trained in a network, as an objective sees it.

    Attributes:
      model: the network, from `inputs` to logits. The layer in it runs in Python; `standalone` is a
        network without that.
      settings: the configuration's `evaluation` of this training.
    """

    def __init__(self, trainer: AnchorTrainer):
        self._trainer = trainer
        self.model, self.settings = trainer.model, trainer.settings

    def inputs(self, split: Split) -> tf.Tensor:
        """The examples of a split as the network takes them: normalized, or tokens."""
        return self._trainer.prepared(tf.constant(split.images))

    def accuracy(self, split: Split) -> float:
        """The accuracy on a split in inference, from 0 to 1."""
        return self._trainer.accuracy(split)

    def again(self, **settings: Any) -> "Trained":
        """The same layer, trained from the start with other settings, such as `batch_size=2`.

        Raises:
          TypeError: for a name that is no field of the configuration's `evaluation`.
        """
        other = self._trainer.other(**settings)
        other.start(self._trainer.graph)
        other.train(0, other.settings.steps)
        return Trained(other)

    def standalone(self) -> tf.keras.Model:
        """A Keras model with the same weights that can be saved, exported and timed."""
        return standalone(self._trainer)


def score(name: str, trainer: AnchorTrainer, split: Split) -> float:
    """What the objective `name` returns for a trained network; it may be NaN or infinite.

    Raises:
      TrainersError: in one line, if the objective raises or returns something else.
    """
    returned = named_function.call(name, trained=Trained(trainer), split=split)
    try:
        return float(returned)
    except (TypeError, ValueError) as error:
        raise TrainersError(
            f"the objective must return a number. Received: {type(returned).__name__}"
        ) from error


def check(name: str, settings: Evaluation, images: ImageData) -> None:
    """Computes the objective once on each anchor, before any training and with EvoNorm-B0.

    Raises:
      SearchError: in one line, for an objective that cannot be used.
    """
    short = dataclasses.replace(settings, steps=1)
    for anchor in settings.anchors:
        trainer = AnchorTrainer(anchor, images, short, seed=0)
        trainer.start(registry.graph(_EXAMPLE))
        try:
            found = score(name, trainer, images.validation)
            if not math.isfinite(found):
                raise TrainersError(
                    f"the objective must return a finite number. Received: {found} from "
                    f"{_EXAMPLE} in {anchor} before its training"
                )
        except TrainersError as error:
            text = f"evaluation.objective cannot be {name!r}: {error}"
            raise SearchError(text) from error
