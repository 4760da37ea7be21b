"""From the flags of a training to its checked configuration."""

from typing import Any

import tensorflow as tf
import yaml
from official.core import train_utils

from trainers.engine import parameters
from trainers.engine.config import ExperimentConfig
from trainers.experiments import EXPERIMENTS, arguments, keys, overrides


def parse(flags: Any) -> ExperimentConfig:
    """The experiment of --experiment with --config_file, --tpu and --params_override applied.

    Raises:
      TrainersError: for an unknown experiment or key, a key that nothing reads, or values
        that do not go together.
    """
    arguments.check_name(flags.experiment)
    arguments.check_keys(flags, keys.tree_of(EXPERIMENTS[flags.experiment].build()))
    try:
        params = train_utils.ExperimentParser(flags).parse()
    except (LookupError, TypeError, yaml.YAMLError, tf.errors.NotFoundError) as error:
        raise overrides.unusable(error) from error
    parameters.check(params)
    params.lock()
    return params
