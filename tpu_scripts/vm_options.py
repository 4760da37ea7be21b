"""The command line of `tpu_scripts.tpu_vm`."""

import argparse
from collections.abc import Callable, Mapping
from typing import Any

from tpu_scripts import provisioning


def parse(actions: Mapping[str, Callable], arguments: list[str] | None) -> argparse.Namespace:
    """Parses the command line; `act` of the result is the chosen action.

    Args:
      actions: functions by the name of their command; each has a docstring for its help.
      arguments: the command line; None for that of the process.
    """
    parser = argparse.ArgumentParser(
        prog="python -m tpu_scripts.tpu_vm", description="Cloud TPUs from creation to deletion."
    )
    commands = parser.add_subparsers(dest="action", required=True)
    for name, action in actions.items():
        command = commands.add_parser(name, help=_summary(action))
        command.set_defaults(act=action)
        # doctor asks nothing about the TPU itself, which need not be there.
        command.add_argument("name", help="of the TPU", **_NAMELESS.get(name, {}))
        _common(command, type_is_required=name in ("create", "doctor"))
        _OPTIONS[name](command)
    return parser.parse_args(arguments)


_NAMELESS: dict[str, Any] = {"doctor": {"nargs": "?", "default": "tpu"}}


def _summary(action: Callable) -> str:
    text = (action.__doc__ or "").partition("\n")[0]
    return text[0].lower() + text[1:].rstrip(".")


def _common(command: argparse.ArgumentParser, type_is_required: bool) -> None:
    command.add_argument("--zone", required=True, help="such as us-central1-a")
    command.add_argument("--project", default="", help="default: gcloud's own")
    command.add_argument(
        "--type",
        required=type_is_required,
        default="",
        help="such as v3-8, v4-32, v5litepod-4, v6e-8, tpu7x-8; its generation chooses the API",
    )
    command.add_argument(
        "--api",
        choices=provisioning.APIS,
        default="",
        help="Cloud TPU API or Compute Engine; default: of the type's generation, else tpu",
    )
    command.add_argument("--dry_run", action="store_true", help="print the exact commands")


def _create_options(command: argparse.ArgumentParser) -> None:
    _runtime_options(command, "default: the plain image; for a slice with TensorFlow")
    command.add_argument("--queued", action="store_true", help="as a queued resource")
    cheap = command.add_mutually_exclusive_group()
    cheap.add_argument("--spot", action="store_true", help="cheaper; can be preempted")
    cheap.add_argument("--preemptible", action="store_true", help="the same, 24 hours at most")
    command.add_argument("--reservation", default="", help="take it from it; Compute Engine alone")
    command.add_argument("--network", default="")
    command.add_argument("--subnetwork", default="")
    command.add_argument("--internal_ips", action="store_true", help="no external addresses")
    command.add_argument("--labels", default="", metavar="KEY=VALUE,...")
    command.add_argument("--experiment", default="", help="to be trained; checked")
    command.add_argument("--layer", default="", help="to be trained; checked")
    command.add_argument("--data_dir", default="", help="gs:// folder of prepared data; checked")
    command.add_argument("--bucket", default="", help="gs:// folder for checkpoints; checked")


def _doctor_options(command: argparse.ArgumentParser) -> None:
    _create_options(command)
    command.add_argument("--json", action="store_true")


def _wait_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--queued", action="store_true", help="a queued resource")
    command.add_argument("--timeout", type=float, default=1800.0, help="seconds")
    command.add_argument("--interval", type=float, default=15.0, help="seconds between two polls")


def _run_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--worker", default="all", help="all, or a worker's number")
    command.add_argument(
        "--training", metavar="TYPE", help="a training on a TPU of this type: worker 0 coordinates"
    )
    _runtime_options(command, "that it was created with; default: as in create")
    command.add_argument("command", nargs="+", help="after --")


def _runtime_options(command: argparse.ArgumentParser, help_text: str) -> None:
    command.add_argument("--runtime", help=help_text)
    command.add_argument("--tf_version", default="", help="default: of the installed TensorFlow")


def _delete_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--yes", action="store_true", help="confirm the deletion")
    command.add_argument("--queued", action="store_true", help="a queued resource")


_OPTIONS: dict[str, Callable[[argparse.ArgumentParser], object]] = {
    "doctor": _doctor_options,
    "create": _create_options,
    "wait": _wait_options,
    "status": lambda command: command.add_argument("--json", action="store_true"),
    "run": _run_options,
    "copy": lambda command: None,
    "logs": lambda command: command.add_argument("--to", default="logs", help="a new folder"),
    "delete": _delete_options,
}
