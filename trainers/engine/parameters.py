"""Configurations: read from a model folder, and checked."""

import os
from typing import Any

import tensorflow as tf
import yaml

from trainers import checks
from trainers.engine import kinds
from trainers.engine.config import ExperimentConfig
from trainers.engine.sharding import check_divides
from trainers.errors import TrainersError
from trainers.platform import configs

# Fields that the configurations have and nothing reads: setting one is an error.
_UNREAD = (
    "task.differential_privacy_config",
    "task.name",
    "runtime.gpu_thread_mode",
    "runtime.dataset_num_private_threads",
    "runtime.per_gpu_thread_count",
    "runtime.run_eagerly",
    "runtime.batchnorm_spatial_persistent",
    "runtime.num_cores_per_replica",
    "runtime.default_shard_dim",
    "runtime.use_tpu_mp_strategy",
    "trainer.recovery_begin_steps",
    "trainer.recovery_max_trials",
    "trainer.loss_upper_bound",
    "trainer.preemption_on_demand_checkpoint",
)


def load(path: str, kind: str | None = None) -> ExperimentConfig:
    """The configuration in a model folder's params.yaml.

    Args:
      path: of the file.
      kind: the kind of experiment that the caller can use; None for all registered kinds.

    Raises:
      TrainersError: when it is no configuration of a registered kind, or of another kind.
    """
    actual = _kind_in(path)
    if kind not in (None, actual):
        raise checks.wrong_kind(actual, str(kind), os.path.dirname(path))
    try:
        return configs.override(kinds.find(actual).config(), path)
    except (KeyError, ValueError, yaml.YAMLError) as error:
        raise checks.no_configuration(path, error) from error


def _kind_in(path: str) -> str:
    try:
        with tf.io.gfile.GFile(path) as file:
            return checks.kind_of(yaml.safe_load(file))
    except (AttributeError, ValueError, yaml.YAMLError, tf.errors.NotFoundError) as error:
        raise checks.no_configuration(path, error) from error


def check(params: ExperimentConfig) -> None:
    """Checks all that needs neither data nor devices.

    Raises:
      TrainersError: naming the field.
    """
    default = type(params)()
    if params.kind != default.kind:
        raise TrainersError(
            f"`kind` must be {default.kind!r} for this experiment. Received: kind={params.kind!r}"
        )
    task, trainer = kinds.find(params.kind).task, params.trainer
    for path in (*_UNREAD, *configs.UNREAD, *task.unread):
        if _value(params, path) != _value(default, path):
            raise TrainersError(
                f"`{path}` is not read by this engine; leave it alone. "
                f"Received: {path}={_value(params, path)!r}"
            )
    task.check(params)
    for name in ("train_steps", "steps_per_loop", "checkpoint_interval", "validation_interval"):
        if getattr(trainer, name) < 1:
            raise TrainersError(
                f"`trainer.{name}` must be at least 1. Received: {name}={getattr(trainer, name)}"
            )


def check_data(params: ExperimentConfig, mode: str, replicas: int) -> None:
    """Opens the data sets that the mode needs and compares them with the model.

    Raises:
      TrainersError: naming what is missing or does not fit.
    """
    parts = [("train_data", "train" in mode), ("validation_data", "eval" in mode)]
    for name, needed in parts:
        if needed:
            config = getattr(params.task, name)
            check_divides(config.global_batch_size, replicas)
            kinds.find(params.kind).task.check_data(config, params, f"task.{name}")


def check_model_dir(params: ExperimentConfig, model_dir: str) -> None:
    """Compares the model with that of the folder's params.yaml, if there is one.

    Raises:
      TrainersError: naming the fields that differ; variables of different layers can have
        equal names and shapes, so a checkpoint alone does not show the difference.
    """
    path = os.path.join(model_dir, "params.yaml")
    if not tf.io.gfile.exists(path):
        return
    stored, given = (_flat(p.task.model.as_dict()) for p in (load(path), params))
    differing = [name for name in stored if given.get(name) != stored[name]]
    if differing or stored.keys() != given.keys():
        shown = ", ".join(f"{name}={stored[name]!r}" for name in differing)
        raise TrainersError(
            f"`model_dir` holds another model: {shown}. Choose an empty folder. "
            f"Received: model_dir={model_dir}"
        )


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested dictionaries as one, with dotted names."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        path = f"{prefix}{name}"
        flat.update(_flat(value, f"{path}.") if isinstance(value, dict) else {path: value})
    return flat


def _value(params: Any, path: str) -> Any:
    for name in path.split("."):
        params = getattr(params, name)
    return params.as_dict() if isinstance(params, configs.Config) else params
