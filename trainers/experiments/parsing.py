"""From the flags of a training to its checked configuration."""

from typing import Any

import tensorflow as tf
import yaml

from trainers.engine import parameters
from trainers.engine.config import ExperimentConfig
from trainers.experiments import EXPERIMENTS, arguments, keys
from trainers.platform import configs, settings


def parse(flags: Any) -> ExperimentConfig:
    """The experiment of --experiment with --config_file, --tpu and --params_override applied.

    Raises:
      TrainersError: for an unknown experiment or key, a key that nothing reads, or values
        that do not go together.
    """
    arguments.check_name(flags.experiment)
    arguments.check_keys(flags, keys.tree_of(EXPERIMENTS[flags.experiment].build()))
    try:
        params = _changed(EXPERIMENTS[flags.experiment].build(), flags)
    except (LookupError, TypeError, yaml.YAMLError, tf.errors.NotFoundError) as error:
        raise settings.unusable(error) from error
    parameters.check(params)
    params.lock()
    return params


def _changed(params: ExperimentConfig, flags: Any) -> ExperimentConfig:
    """An experiment changed by flags, in tf-models-official's order."""
    for source in flags.config_file or []:
        params = configs.override(params, source)
    params.override({"runtime": {"tpu": flags.tpu}})
    if flags.tf_data_service:
        data = {"tf_data_service_address": flags.tf_data_service}
        params.override({"task": {"train_data": data, "validation_data": data}})
    if flags.params_override:
        params = configs.override(params, flags.params_override)
    return params
