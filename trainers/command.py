"""What the command lines share: flags, help, checks, and errors in one line.

TensorFlow takes many seconds to import, so a command handles its flags and errors in them before
it imports TensorFlow. Its file defines the flags at the top, under `if __name__ == "__main__":`,
and calls `run_module` there. This parses the flags, runs the checks, and then imports the same
file under its own name, with TensorFlow, to call its `main`. A check must import neither
tensorflow nor official.
"""

import importlib
import sys
from collections.abc import Callable

from absl import app, flags

from trainers.errors import TrainersError, TrainingDivergedError

# Called with the positional arguments, the program's name first.
Main = Callable[[list[str]], object]
_HELP = ("--help", "-help", "--helpshort", "-helpshort", "-h", "-?")


def define_model_flags() -> None:
    """Defines the flags that select a trained model."""
    flags.DEFINE_string("model_dir", None, "Folder of the trained model. Required.", required=True)
    flags.DEFINE_string("checkpoint", "", "Another checkpoint than the newest.")


def define_export_flags() -> None:
    """Defines the flags that select a trained model and the folder of its export."""
    define_model_flags()
    flags.DEFINE_string("export_dir", None, "Folder to write. Required.", required=True)


def named(arguments: list[str], things: str) -> list[str]:
    """The arguments after the program's name.

    Raises:
      TrainersError: when there are none.
    """
    if len(arguments) < 2:
        raise TrainersError(f"name at least one {things}")
    return arguments[1:]


def run(program: str, main: Main) -> None:
    """Runs main under absl; errors that a user can act on end it with one line and exit code 1."""

    def reported(arguments: list[str]) -> None:
        try:
            main(arguments)
        except (TrainersError, TrainingDivergedError) as error:
            sys.exit(f"{program}: {error}")

    app.run(reported, flags_parser=_parse)


def run_module(program: str, *checks: Main) -> None:
    """Runs the checks, then imports the module `program` and runs its main.

    Args:
      program: name of the module.
      checks: raise TrainersError for arguments that cannot be used.
    """

    def main(arguments: list[str]) -> None:
        for check in checks:
            check(arguments)
        importlib.import_module(program).main(arguments)

    run(program, main)


def run_parsed(program: str, parse: Callable[[list[str]], object]) -> None:
    """Runs a module whose main reads its options by argparse.

    Args:
      program: name of the module.
      parse: reads them, and ends the program for options that cannot be used.
    """
    parse(sys.argv[1:])
    importlib.import_module(program).main(sys.argv[1:])


def _parse(arguments: list[str]) -> list[str]:
    """Parses the flags as absl does, except for the help."""
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    if any(option in _HELP for option in options[1:]):
        print(_help())
        sys.exit(0)
    return app.parse_flags_with_usage(arguments)


def _help() -> str:
    """The program's docstring and its flags; absl's own flags are in --helpfull."""
    described = []
    for module in flags.FLAGS.flags_by_module_dict():
        if not module.startswith("absl."):
            _, _, text = flags.FLAGS.module_help(module).strip().partition("\n")
            described.append(text)
    document = (sys.modules["__main__"].__doc__ or "").strip()
    return "\n".join(filter(None, [document, "\nflags:" if described else "", *described]))
