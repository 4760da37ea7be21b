"""Creates, watches, uses and deletes Cloud TPUs.

    python -m tpu_scripts.tpu_vm create NAME --zone=us-central1-a --type=v3-8
    python -m tpu_scripts.tpu_vm wait NAME --zone=us-central1-a
    python -m tpu_scripts.tpu_vm copy NAME --zone=us-central1-a
    python -m tpu_scripts.tpu_vm run NAME --zone=us-central1-a -- nproc
    python -m tpu_scripts.tpu_vm delete NAME --zone=us-central1-a --yes

Commands that change something run gcloud; --dry_run prints them and runs none. State and health are
read with cloud-tpu-client (group `tpu`). docs/tpu.md describes a whole training.
"""

import argparse
import dataclasses
import json
import pathlib
import re
import shlex
import sys
import tempfile
import time
from collections.abc import Callable

from tpu_scripts import accelerators, checkout, health, runtimes
from tpu_scripts.gcloud import Gcloud, GcloudError

FOLDER = "evonorm-tf"  # of the checkout, in the home folder of each worker
_LOG = "logs/training.log"
_ZONE = re.compile(r"[a-z]+-[a-z]+\d+-[a-z]")
_LABEL = re.compile(r"[a-z][-_a-z0-9]{0,62}=[-_a-z0-9]{0,63}")
_QUEUE_FAILED = ("FAILED", "SUSPENDED", "SUSPENDING", "DELETING")


def create(options: argparse.Namespace, gcloud: Gcloud) -> None:
    """Creates a TPU, directly or as a queued resource."""
    accelerator = accelerators.parse_type(options.type)
    runtime = options.runtime or runtimes.runtime_for(accelerator, options.tf_version)
    runtimes.check_runtime(runtime, accelerator, options.tf_version)
    if options.queued and options.preemptible:
        raise ValueError("queued resources have --spot, not --preemptible")
    gcloud.create(
        accelerator.name,
        runtime,
        queued=options.queued,
        spot=options.spot,
        preemptible=options.preemptible,
        network=options.network,
        subnetwork=options.subnetwork,
        internal_ips=options.internal_ips,
        labels=_labels(options.labels),
    )


def _labels(text: str) -> dict[str, str]:
    pairs = text.split(",") if text else []
    for pair in pairs:
        if not _LABEL.fullmatch(pair):
            raise ValueError(
                "`labels` must be key=value,..., in lower-case letters, digits, hyphens and "
                f"underscores. Received: labels={text!r}"
            )
    return dict(pair.split("=") for pair in pairs)


def wait(options: argparse.Namespace, gcloud: Gcloud) -> None:
    """Waits until the TPU is healthy; with --queued, first until the request is granted."""
    deadline = time.monotonic() + options.timeout
    if options.queued:
        _wait_in_queue(gcloud, options.timeout, options.interval)
    project = gcloud.project_or_default()
    status = health.wait(
        lambda: health.read(gcloud.name, gcloud.zone, project),
        max(deadline - time.monotonic(), 0.0),
        options.interval,
        lambda line: print(f"waiting for {gcloud.name}: {line}", file=sys.stderr),
    )
    print(f"{gcloud.name} is healthy: {status.accelerator_type}, {status.runtime_version}")


def _wait_in_queue(gcloud: Gcloud, timeout: float, interval: float) -> None:
    deadline, reported = time.monotonic() + timeout, ""
    while (state := gcloud.queued_state()) != "ACTIVE":
        if state in _QUEUE_FAILED:
            raise health.HealthError(f"the queued resource {gcloud.name} is {state}")
        if state != reported:
            print(f"waiting for {gcloud.name}: {state}", file=sys.stderr)
            reported = state
        if time.monotonic() + interval > deadline:
            raise health.HealthError(f"not granted within {timeout:g} s; last: {state}")
        time.sleep(interval)


def status(options: argparse.Namespace, gcloud: Gcloud) -> None:
    """Prints state, health, runtime version and accelerator type."""
    read = health.read(gcloud.name, gcloud.zone, gcloud.project_or_default())
    figures = dataclasses.asdict(read)
    if options.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name:17} {value}")


def run(options: argparse.Namespace, gcloud: Gcloud) -> None:
    """Runs a command in the copied checkout; a training runs on worker 0, with its environment."""
    if options.worker != "all" and not options.worker.isdigit():
        raise ValueError(f"`worker` must be all or a number. Received: worker={options.worker!r}")
    command, worker = shlex.join(options.command), options.worker
    if options.training:
        accelerator = accelerators.parse_type(options.training)
        runtime = options.runtime or runtimes.runtime_for(accelerator, options.tf_version)
        variables = runtimes.training_environment(gcloud.name, accelerator, runtime)
        command = " ".join([*(f"{key}={value}" for key, value in variables.items()), command])
        # The output is shown here and kept in a file there; the exit code is that of the training.
        command = f"mkdir -p logs && set -o pipefail && {command} 2>&1 | tee -a {_LOG}"
        worker = "0"
    gcloud.run(f"mkdir -p {FOLDER} && cd {FOLDER} && {command}", worker)


def copy(options: argparse.Namespace, gcloud: Gcloud) -> None:
    """Copies the checkout to all workers."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / f"{FOLDER}.tar.gz"
        files = checkout.archive(path)
        gcloud.upload(str(path), path.name)
        gcloud.run(f"mkdir -p {FOLDER} && tar -xzf {path.name} -C {FOLDER}")
    print(f"{len(files)} files of the checkout go to ~/{FOLDER} of {gcloud.name}")


def logs(options: argparse.Namespace, gcloud: Gcloud) -> None:
    """Copies the folder of logs from worker 0."""
    target = pathlib.Path(options.to)
    if target.exists():
        raise ValueError(f"`to` must not exist, so that nothing is lost. Received: to={target}")
    gcloud.download(f"{FOLDER}/logs", str(target))


def delete(options: argparse.Namespace, gcloud: Gcloud) -> None:
    """Deletes the TPU, if --yes confirms it."""
    if not (options.yes or options.dry_run):
        raise ValueError(f"this deletes {gcloud.name} and all data on its disk: confirm with --yes")
    gcloud.delete(options.queued)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tpu_scripts.tpu_vm", description="Cloud TPUs from creation to deletion."
    )
    commands = parser.add_subparsers(dest="action", required=True)
    for action in (create, wait, status, run, copy, logs, delete):
        command = commands.add_parser(action.__name__, help=_summary(action))
        command.set_defaults(act=action)
        command.add_argument("name", help="name of the TPU")
        command.add_argument("--zone", required=True, help="such as us-central1-a")
        command.add_argument("--project", default="", help="default: gcloud's own")
        command.add_argument("--dry_run", action="store_true", help="print the exact commands")
        _OPTIONS[action.__name__](command)
    return parser.parse_args(arguments)


def _summary(action: Callable) -> str:
    text = action.__doc__ or ""
    return text[0].lower() + text[1:].rstrip(".")


def _create_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--type", required=True, help="such as v3-8, v4-32, v5litepod-4, v6e-8")
    command.add_argument("--runtime", help="default: the plain image; for a slice with TensorFlow")
    command.add_argument("--tf_version", default="", help="default: of the installed TensorFlow")
    command.add_argument("--queued", action="store_true", help="as a queued resource")
    cheap = command.add_mutually_exclusive_group()
    cheap.add_argument("--spot", action="store_true", help="cheaper; can be preempted")
    cheap.add_argument("--preemptible", action="store_true", help="the same, 24 hours at most")
    command.add_argument("--network", default="")
    command.add_argument("--subnetwork", default="")
    command.add_argument("--internal_ips", action="store_true", help="no external addresses")
    command.add_argument("--labels", default="", metavar="KEY=VALUE,...")


def _wait_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--queued", action="store_true", help="a queued resource")
    command.add_argument("--timeout", type=float, default=1800.0, help="seconds")
    command.add_argument("--interval", type=float, default=15.0, help="seconds between two polls")


def _run_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--worker", default="all", help="all, or a worker's number")
    command.add_argument(
        "--training", metavar="TYPE", help="a training on a TPU of this type: worker 0 coordinates"
    )
    command.add_argument("--runtime", help="that it was created with; default: as in create")
    command.add_argument("--tf_version", default="", help="default: of the installed TensorFlow")
    command.add_argument("command", nargs="+", help="after --")


_OPTIONS = {
    "create": _create_options,
    "wait": _wait_options,
    "status": lambda command: command.add_argument("--json", action="store_true"),
    "run": _run_options,
    "copy": lambda command: None,
    "logs": lambda command: command.add_argument("--to", default="logs", help="a new folder"),
    "delete": lambda command: (
        command.add_argument("--yes", action="store_true", help="confirm the deletion"),
        command.add_argument("--queued", action="store_true", help="a queued resource"),
    ),
}


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line; exits with 1, or with gcloud's exit code, after an error."""
    options = parse(arguments)
    try:
        if not _ZONE.fullmatch(options.zone):
            raise ValueError(
                f"`zone` must be one such as us-central1-a. Received: zone={options.zone!r}"
            )
        options.act(options, Gcloud(options.name, options.zone, options.project, options.dry_run))
    except (ValueError, health.HealthError) as error:
        sys.exit(f"tpu_vm: {error}")
    except GcloudError as error:
        print(f"tpu_vm: {error}", file=sys.stderr)
        sys.exit(error.returncode)


if __name__ == "__main__":
    main()
