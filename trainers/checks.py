"""Checks of a command's arguments that run before TensorFlow is imported.

Each function returns a check for `command.run_module`. Paths with a scheme, such as gs://, are
left to TensorFlow.
"""

import os

import yaml
from absl import flags

from trainers.command import Main, named
from trainers.errors import TrainersError

_KIND_OF_OLD_FOLDERS = "classification"  # their params.yaml has no `kind`
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # seconds faster for long files


def trained_model(kind: str) -> Main:
    """Requires a model of a kind in --model_dir, and a checkpoint unless --checkpoint names one."""

    def check(_: object) -> None:
        values = flags.FLAGS
        _check_model_dir(values.model_dir, kind)
        places = (os.path.join(values.model_dir, "ema_checkpoints"), values.model_dir)
        has_checkpoint = any(os.path.exists(os.path.join(place, "checkpoint")) for place in places)
        if not (has_checkpoint or values.checkpoint or _is_remote(values.model_dir)):
            raise no_checkpoint(values.model_dir)

    return check


def model_folders(kind: str) -> Main:
    """Requires that the arguments are folders with models of a kind."""

    def check(arguments: list[str]) -> None:
        for model_dir in named(arguments, "model folder"):
            _check_model_dir(model_dir, kind)

    return check


def images(arguments: list[str]) -> None:
    """Requires that the arguments are files."""
    for path in named(arguments, "image file"):
        if not (os.path.exists(path) or _is_remote(path)):
            raise no_image(path, f"{path}; No such file or directory")


def new_file(flag: str) -> Main:
    """Requires that a flag's file does not exist yet."""

    def check(_: object) -> None:
        path = flags.FLAGS[flag].value
        if os.path.exists(path):
            raise TrainersError(f"`{flag}` exists already. Received: {flag}={path!r}")

    return check


def at_least_one(flag: str) -> Main:
    """Requires that a flag's number is at least 1."""

    def check(_: object) -> None:
        value = flags.FLAGS[flag].value
        if value < 1:
            raise TrainersError(f"`{flag}` must be at least 1. Received: {flag}={value}")

    return check


def no_checkpoint(model_dir: str) -> TrainersError:
    """The error for a model folder without a checkpoint."""
    return TrainersError(f"`model_dir` holds no checkpoint. Received: model_dir={model_dir}")


def no_configuration(path: str, reason: object) -> TrainersError:
    """The error for a params.yaml that is missing or not a configuration of this project."""
    return TrainersError(f"{path} is no configuration of this project: {reason}")


def no_image(path: str, reason: object) -> TrainersError:
    """The error for a file that is missing or not an image."""
    return TrainersError(f"{path} cannot be read as an image: {reason}")


def wrong_kind(actual: str, kind: str, model_dir: str) -> TrainersError:
    """The error for a model folder of another kind of experiment."""
    return TrainersError(
        f"`model_dir` must hold an experiment of {kind}, not of {actual}. "
        f"Received: model_dir={model_dir}"
    )


def kind_of(settings: dict) -> str:
    """The kind in a configuration's settings."""
    return settings.get("kind", _KIND_OF_OLD_FOLDERS)


def _check_model_dir(model_dir: str, kind: str) -> None:
    if _is_remote(model_dir):
        return
    path = os.path.join(model_dir, "params.yaml")
    try:
        with open(path, encoding="utf-8") as file:
            actual = kind_of(yaml.load(file, Loader=_LOADER))
    except OSError as error:
        raise no_configuration(path, f"{path}; {error.strerror}") from error
    except (AttributeError, UnicodeError, yaml.YAMLError) as error:
        raise no_configuration(path, error) from error
    if actual != kind:
        raise wrong_kind(actual, kind, model_dir)


def _is_remote(path: str) -> bool:
    return "://" in path
