"""`gcloud compute tpus`: a method for each command, and one function that runs them all."""

import dataclasses
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping

_NAME = re.compile(r"[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?")
_HINTS = (
    (r"quota|RESOURCE_EXHAUSTED.*limit", "the project has no quota for this; ask for it, or"),
    (r"no more capacity|stockout|RESOURCE_EXHAUSTED", "the zone has none left now; try --queued,"),
    (r"permission|PERMISSION_DENIED", "`gcloud auth login`, or enable the TPU API;"),
)


class GcloudError(RuntimeError):
    """gcloud failed, or is not installed.

    Attributes:
      returncode: gcloud's exit code; 1 if it did not run.
    """

    def __init__(self, message: str, returncode: int = 1):
        super().__init__(message)
        self.returncode = returncode


def check_name(name: str, what: str) -> str:
    """Returns a name that Google Cloud allows; no program takes such a name for a flag.

    Raises:
      ValueError: for any other name.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"`{what}` must be lower-case letters, digits and hyphens and begin with a letter. "
            f"Received: {what}={name!r}"
        )
    return name


@dataclasses.dataclass(frozen=True)
class Gcloud:
    """Runs commands on one TPU, or prints them.

    Attributes:
      name, zone, project: of the TPU; with an empty project gcloud uses its configured one.
      dry_run: whether to print the commands that change something, and not run them.
    """

    name: str
    zone: str
    project: str = ""
    dry_run: bool = False

    def __post_init__(self) -> None:
        check_name(self.name, "name")
        check_name(self.zone, "zone")
        if self.project:
            check_name(self.project, "project")

    def create(
        self,
        accelerator_type: str,
        runtime: str,
        *,
        queued: bool = False,
        spot: bool = False,
        preemptible: bool = False,
        network: str = "",
        subnetwork: str = "",
        internal_ips: bool = False,
        labels: Mapping[str, str] | None = None,
    ) -> None:
        """Creates the TPU, or a queued resource of the same name that creates it."""
        flags = [f"--accelerator-type={accelerator_type}"]
        if queued:
            flags += [f"--node-id={self.name}", f"--runtime-version={runtime}"]
        else:
            flags += [f"--version={runtime}"]
        flags += ["--spot"] * spot + ["--preemptible"] * preemptible
        flags += [f"--network={check_name(network, 'network')}"] if network else []
        flags += [f"--subnetwork={check_name(subnetwork, 'subnetwork')}"] if subnetwork else []
        flags += ["--internal-ips"] * internal_ips
        if labels:
            flags.append("--labels=" + ",".join(f"{key}={value}" for key, value in labels.items()))
        self._change(_kind(queued), "create", self.name, *flags)

    def delete(self, queued: bool = False) -> None:
        """Deletes the TPU; with `queued` the queued resource and the TPU that it created."""
        self._change(_kind(queued), "delete", self.name, *["--force"] * queued, "--quiet")

    def run(self, command: str, worker: str = "all") -> None:
        """Runs a shell command on one worker or on all; this process shows its output."""
        self._change("tpu-vm", "ssh", self.name, f"--worker={worker}", f"--command={command}")

    def upload(self, source: str, destination: str) -> None:
        """Copies a file to all workers."""
        self._change("tpu-vm", "scp", source, f"{self.name}:{destination}", "--worker=all")

    def download(self, source: str, destination: str) -> None:
        """Copies a folder from worker 0."""
        place = f"{self.name}:{source}"
        self._change("tpu-vm", "scp", "--recurse", place, destination, "--worker=0")

    def queued_state(self) -> str:
        """The state of the queued resource, such as "WAITING_FOR_RESOURCES" or "ACTIVE"."""
        return self._read(
            *("compute", "tpus", "queued-resources", "describe", self.name),
            *(f"--zone={self.zone}", *self._project_flag(), "--format=value(state.state)"),
        )

    def project_or_default(self) -> str:
        """The given project, else the one that gcloud is configured with.

        Raises:
          GcloudError: if gcloud has none either.
        """
        project = self.project or self._read("config", "get-value", "project")
        if not project or project == "(unset)":
            raise GcloudError("no project: give --project, or `gcloud config set project`")
        return project

    def _project_flag(self) -> list[str]:
        return [f"--project={self.project}"] if self.project else []

    def _change(self, *arguments: str) -> None:
        where = [f"--zone={self.zone}", *self._project_flag()]
        command = ["gcloud", "compute", "tpus", *arguments, *where]
        print(f"$ {shlex.join(command)}", file=sys.stdout if self.dry_run else sys.stderr)
        sys.stdout.flush()
        if not self.dry_run:
            _execute(command, capture=False)

    def _read(self, *arguments: str) -> str:
        return _execute(["gcloud", *arguments], capture=True).strip()


def _kind(queued: bool) -> str:
    return "queued-resources" if queued else "tpu-vm"


def _execute(command: list[str], capture: bool) -> str:
    try:
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE if capture else None,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise GcloudError(
            "gcloud is not installed: https://cloud.google.com/sdk/docs/install"
        ) from error
    if done.returncode:
        said = done.stderr.strip()
        hint = next((text for rule, text in _HINTS if re.search(rule, said, re.I | re.S)), "")
        advice = f"\n{hint} see docs/tpu.md" if hint else ""
        raise GcloudError(f"gcloud failed ({done.returncode}): {said}{advice}", done.returncode)
    sys.stderr.write(done.stderr)
    return done.stdout or ""
