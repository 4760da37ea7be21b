"""The kinds of experiments: the configuration and the task of each."""

import dataclasses

from trainers.configs import classification
from trainers.configs.experiment import ExperimentConfig
from trainers.detection import config as detection
from trainers.detection.task import MaskRCNNTask
from trainers.engine.base import EngineTask
from trainers.engine.task import ClassificationTask
from trainers.gan.configs import GanExperimentConfig
from trainers.gan.task import GanTask


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of experiment.

    Attributes:
      config: class of its configurations.
      task: class of its task.
    """

    config: type[ExperimentConfig]
    task: type[EngineTask]


# By the value of `ExperimentConfig.kind`.
KINDS: dict[str, Kind] = {
    "classification": Kind(classification.ExperimentConfig, ClassificationTask),
    "gan": Kind(GanExperimentConfig, GanTask),
    "maskrcnn": Kind(detection.ExperimentConfig, MaskRCNNTask),
}
