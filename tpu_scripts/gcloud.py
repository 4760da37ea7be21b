"""Runs `gcloud`, or prints what it would run: the one place that starts it."""

import concurrent.futures
import dataclasses
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence

_NAME = re.compile(r"[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?")
_HINTS = (
    (r"quota|RESOURCE_EXHAUSTED.*limit", "the project has no quota for this; ask for it, or"),
    (
        r"no more capacity|stockout|RESOURCE_EXHAUSTED",
        "the zone has none left now; try --queued or another zone,",
    ),
    (r"permission|PERMISSION_DENIED", "`gcloud auth login`, or enable the TPU API;"),
)
# What gcloud says of a thing that it was to create, or to delete and to read.
EXISTS = re.compile(r"already exists|ALREADY_EXISTS", re.I)
MISSING = re.compile(r"\bnot found|NOT_FOUND|does not exist|matched no objects|HTTPError 404", re.I)


class GcloudError(RuntimeError):
    """gcloud failed, or is not installed.

    Attributes:
      returncode: gcloud's exit code; 1 if it did not run.
      said: what gcloud said; empty if it did not run.
    """

    def __init__(self, message: str, returncode: int = 1, said: str = ""):
        super().__init__(message)
        self.returncode, self.said = returncode, said


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
    """Runs commands on the resources of one TPU, or prints them.

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

    @property
    def region(self) -> str:
        """The region of the zone, such as "us-central1"."""
        return self.zone.rpartition("-")[0]

    @property
    def zonal(self) -> list[str]:
        """The flags of a resource in the zone."""
        return [f"--zone={self.zone}", *self._project_flag()]

    @property
    def regional(self) -> list[str]:
        """The flags of a resource in the region."""
        return [f"--region={self.region}", *self._project_flag()]

    def change(self, *arguments: str) -> None:
        """Runs a command, whose output this process shows.

        Raises:
          GcloudError: if the command fails.
        """
        self.change_all([arguments])

    def change_all(self, commands: Sequence[Sequence[str]]) -> None:
        """Runs commands at the same time, after it has shown all of them.

        Raises:
          GcloudError: if one fails; the others run to their end first.
        """
        for command in commands:
            shown = shlex.join(["gcloud", *command])
            print(f"$ {shown}", file=sys.stdout if self.dry_run else sys.stderr)
        sys.stdout.flush()
        if self.dry_run:
            return
        if len(commands) == 1:
            _execute(commands[0], capture=False)
            return
        with concurrent.futures.ThreadPoolExecutor(len(commands)) as pool:
            running = [pool.submit(_execute, command, capture=False) for command in commands]
        for future in running:
            future.result()

    def create(self, *arguments: str) -> None:
        """Runs a command that creates something; what exists already is left as it is."""
        self._unless(EXISTS, "exists already, and is left as it is", arguments)

    def delete(self, *arguments: str) -> None:
        """Runs a command that deletes something; what does not exist needs no deletion."""
        self._unless(MISSING, "does not exist, so there is nothing to delete", arguments)

    def _unless(self, done: re.Pattern[str], message: str, arguments: Sequence[str]) -> None:
        try:
            self.change(*arguments)
        except GcloudError as error:
            # Of this thing, and not of its project or zone.
            if not (done.search(error.said) and self.name in error.said):
                raise
            where = f"{self.name} in {self.zone}"
            print(f"{where} {message}: {error.said.splitlines()[0]}", file=sys.stderr)

    def read(self, *arguments: str) -> str:
        """The output of a command that changes nothing; runs in a dry run too.

        Raises:
          GcloudError: if the command fails.
        """
        return _execute(arguments, capture=True).strip()

    def project_or_default(self) -> str:
        """The given project, else the one that gcloud is configured with.

        Raises:
          GcloudError: if gcloud has none either.
          ValueError: in a dry run without a project, since that asks gcloud nothing.
        """
        if self.dry_run and not self.project:
            raise ValueError(
                "`project` must be given, for a dry run asks gcloud nothing. Received: project=''"
            )
        project = self.project or self.read("config", "get-value", "project")
        if not project or project == "(unset)":
            raise GcloudError("no project: give --project, or `gcloud config set project`")
        return project

    def _project_flag(self) -> list[str]:
        return [f"--project={self.project}"] if self.project else []


def _execute(arguments: Sequence[str], capture: bool) -> str:
    try:
        done = subprocess.run(
            ["gcloud", *arguments],
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
        raise GcloudError(
            f"gcloud failed ({done.returncode}): {said}{advice}", done.returncode, said
        )
    sys.stderr.write(done.stderr)
    return done.stdout or ""
