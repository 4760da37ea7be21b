"""What the command lines share: the flags of a trained model, and errors told in one line."""

import sys
from collections.abc import Callable

from absl import app, flags

from trainers.errors import TrainersError, TrainingDivergedError


def define_model_flags() -> None:
    """Flags that say which trained model is meant."""
    flags.DEFINE_string("model_dir", None, "Folder of the trained model.", required=True)
    flags.DEFINE_string("checkpoint", "", "Another checkpoint than the newest.")


def define_export_flags() -> None:
    """Flags that say which trained model goes where."""
    define_model_flags()
    flags.DEFINE_string("export_dir", None, "Folder to write.", required=True)


def named(arguments: list[str], things: str) -> list[str]:
    """The arguments behind the program's name.

    Raises:
      TrainersError: when there is none.
    """
    if len(arguments) < 2:
        raise TrainersError(f"name at least one {things}")
    return arguments[1:]


def run(program: str, main: Callable[[list[str]], None]) -> None:
    """Runs main under absl; what a user can act on ends in one line and exit code 1."""

    def reported(arguments: list[str]) -> None:
        try:
            main(arguments)
        except (TrainersError, TrainingDivergedError) as error:
            sys.exit(f"{program}: {error}")

    app.run(reported)
