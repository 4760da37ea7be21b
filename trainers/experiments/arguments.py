"""The command line that names an experiment and changes it: the flags and their checks.

The flags are those of tf-models-official's that the engine reads.
"""

import sys
from typing import Any

from absl import flags

from trainers import command
from trainers.errors import TrainersError
from trainers.experiments import EXPERIMENTS, keys, overrides

_CHECKED = "its name, the flags and all keys are right"
_UNCHECKED = "its name and the flags are right; the training itself checks the keys"
MODES = ("train", "eval", "train_and_eval", "continuous_eval")


def define() -> None:
    """Defines the flags of a training."""
    flags.DEFINE_string(
        "experiment", None, "Name of an experiment: `python -m trainers.experiments`. Required."
    )
    flags.DEFINE_enum("mode", None, MODES, "What to do. Required.")
    flags.DEFINE_string("model_dir", None, "Folder of checkpoints and events. Required.")
    flags.DEFINE_bool("dry_run", False, "Only check the experiment's name, the flags and the keys.")
    define_changes()
    flags.mark_flags_as_required(["experiment", "mode", "model_dir"])


def define_changes() -> None:
    """Defines the flags that change an experiment."""
    flags.DEFINE_multi_string(
        "config_file", None, "YAML file that changes the experiment; several in their order."
    )
    flags.DEFINE_string(
        "params_override", None, "NAME=VALUE,... or YAML, or a file of it, after --config_file."
    )
    flags.DEFINE_string("tpu", None, 'Name or grpc:// address of a TPU, or "local" on a TPU VM.')
    flags.DEFINE_string("tf_data_service", None, "Address of a tf.data service.")


def command_line() -> None:
    """Runs the training of the command line; also for programs with their own experiments."""
    define()
    command.run_module("trainers.train", check)


def check(_: object) -> None:
    """Checks the flags as far as that needs no TensorFlow. Raises TrainersError."""
    check_name(flags.FLAGS.experiment)
    tree = keys.snapshot_of(flags.FLAGS.experiment)
    check_keys(flags.FLAGS, tree)
    if flags.FLAGS.dry_run:
        print(f"{flags.FLAGS.experiment}: {_CHECKED if tree else _UNCHECKED}")
        sys.exit()


def check_name(experiment: str) -> None:
    """Raises TrainersError for an experiment that is not in the list."""
    if experiment not in EXPERIMENTS:
        raise TrainersError(
            "`experiment` must be one that `python -m trainers.experiments` lists."
            f"{overrides.did_you_mean(experiment, EXPERIMENTS)} "
            f"Received: experiment={experiment!r}"
        )


def check_keys(values: Any, tree: overrides.Tree | None) -> None:
    """Checks the keys that flags change, in tf-models-official's order.

    Args:
      values: the flags.
      tree: the keys of the experiment; None to leave them unchecked. It is changed.

    Raises:
      TrainersError: for one that does not exist, or a file that cannot be read.
    """
    sources: list[str | dict[str, Any]] = list(values.config_file or [])
    if values.tf_data_service:
        data = {"tf_data_service_address": values.tf_data_service}
        sources.append({"task": {"train_data": data, "validation_data": data}})
    sources.append(values.params_override or "")
    overrides.check(sources, tree)
