"""The command lines of this folder, which are parsed without TensorFlow."""

import argparse
import pathlib

from trainers.models import names

CHECKPOINTS = (".safetensors", ".pth", ".pt")


def summary(arguments: list[str] | None = None) -> argparse.Namespace:
    """The options of `trainers.models.summary`."""
    parser = argparse.ArgumentParser(
        prog="python -m trainers.models.summary",
        description="Parameters (trainable + not) and multiply-adds of networks and layers.",
    )
    parser.add_argument("--csv", action="store_true", help="comma-separated values")
    parser.add_argument(
        "--networks",
        nargs="+",
        choices=names.SUMMARIZED,
        default=list(names.SUMMARIZED),
        metavar="NETWORK",
        help=f"of {', '.join(names.SUMMARIZED)}; default: all",
    )
    return parser.parse_args(arguments)


def import_timm(arguments: list[str] | None = None) -> argparse.Namespace:
    """The options of `trainers.models.import_timm`."""
    parser = argparse.ArgumentParser(
        prog="python -m trainers.models.import_timm",
        description="Load timm's pretrained EvoNorm weights into the matching network.",
    )
    parser.add_argument("checkpoint", type=_checkpoint, help="timm's .safetensors or .pth file")
    parser.add_argument("output", help="the .keras file to write")
    return parser.parse_args(arguments)


def _checkpoint(path: str) -> str:
    if pathlib.Path(path).suffix not in CHECKPOINTS:
        raise argparse.ArgumentTypeError(f"must end in {', '.join(CHECKPOINTS)}. Received: {path}")
    if not pathlib.Path(path).is_file():
        raise argparse.ArgumentTypeError(f"there is no file {path}")
    return path
