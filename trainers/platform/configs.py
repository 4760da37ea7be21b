"""Configurations: dataclasses that settings change, those that all experiments share, files."""

from typing import TYPE_CHECKING

from trainers import keras_choice

if TYPE_CHECKING or keras_choice.has_official():
    from official.core.config_definitions import (
        ExperimentConfig,
        RuntimeConfig,
        TaskConfig,
        TrainerConfig,
    )
    from official.modeling.hyperparams import params_dict
    from official.modeling.hyperparams.base_config import Config
    from official.modeling.hyperparams.params_dict import save_params_dict_to_yaml as save
    from official.modeling.optimization import OptimizationConfig

    UNREAD = ()

    def override(config: Config, source: str) -> Config:
        """Changes a configuration by a text: NAME=VALUE,... or YAML or the path of a YAML file."""
        return params_dict.override_params_dict(config, source, is_strict=True)

else:
    from trainers.platform.own.config import Config, override, save
    from trainers.platform.own.experiment_config import (
        UNREAD,
        ExperimentConfig,
        RuntimeConfig,
        TaskConfig,
        TrainerConfig,
    )
    from trainers.platform.own.optimization_config import OptimizationConfig

__all__ = [
    "UNREAD",
    "Config",
    "ExperimentConfig",
    "OptimizationConfig",
    "RuntimeConfig",
    "TaskConfig",
    "TrainerConfig",
    "override",
    "save",
]
