"""What the command lines share: their flags, their help, their checks, and errors in one line.

TensorFlow takes many seconds to import, so a command answers first what needs none of it. Its
file has the flags at the top, under `if __name__ == "__main__":`, and ends there with
`run_module`: flags and checks come first, and only then is the same file imported under its own
name, with all that it needs, for its `main`. This is the one place where a command goes from
one to the other; a check must import neither tensorflow nor official.
"""

import importlib
import sys
from collections.abc import Callable

from absl import app, flags

from trainers.errors import TrainersError, TrainingDivergedError

# Called with the arguments that are no flags, the program's name first.
Main = Callable[[list[str]], None]
_HELP = ("--help", "-help", "--helpshort", "-helpshort", "-h", "-?")


def define_model_flags() -> None:
    """Flags that say which trained model is meant."""
    flags.DEFINE_string("model_dir", None, "Folder of the trained model. Required.", required=True)
    flags.DEFINE_string("checkpoint", "", "Another checkpoint than the newest.")


def define_export_flags() -> None:
    """Flags that say which trained model goes where."""
    define_model_flags()
    flags.DEFINE_string("export_dir", None, "Folder to write. Required.", required=True)


def named(arguments: list[str], things: str) -> list[str]:
    """The arguments behind the program's name.

    Raises:
      TrainersError: when there is none.
    """
    if len(arguments) < 2:
        raise TrainersError(f"name at least one {things}")
    return arguments[1:]


def run(program: str, main: Main) -> None:
    """Runs main under absl; what a user can act on ends in one line and exit code 1."""

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
    """The same for a module whose main reads its options by argparse.

    Args:
      program: name of the module.
      parse: reads them, and ends the program for options that cannot be used.
    """
    parse(sys.argv[1:])
    importlib.import_module(program).main(sys.argv[1:])


def _parse(arguments: list[str]) -> list[str]:
    """Reads the flags, as absl does but for the help."""
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    if any(option in _HELP for option in options[1:]):
        print(_help())
        sys.exit(0)
    return app.parse_flags_with_usage(arguments)


def _help() -> str:
    """What the program does and which flags it has; absl's own are in --helpfull."""
    described = []
    for module in flags.FLAGS.flags_by_module_dict():
        if not module.startswith("absl."):
            _, _, text = flags.FLAGS.module_help(module).strip().partition("\n")
            described.append(text)
    document = (sys.modules["__main__"].__doc__ or "").strip()
    return "\n".join(filter(None, [document, "\nflags:" if described else "", *described]))
