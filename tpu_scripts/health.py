"""State and health of a TPU: waiting for it, and reading them with cloud-tpu-client."""

import contextlib
import dataclasses
import socket
import time
from collections.abc import Callable, Iterator

_LOST = ("PREEMPTED", "TERMINATED")
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_REQUEST_SECONDS = 30.0


class HealthError(RuntimeError):
    """The TPU API did not answer, or it reports a TPU that cannot be used."""


class TpuNotFoundError(HealthError):
    """There is no such TPU."""


@dataclasses.dataclass(frozen=True)
class Status:
    """What is known of a TPU, in the words of the Cloud TPU API."""

    state: str
    health: str
    runtime_version: str
    accelerator_type: str

    @property
    def usable(self) -> bool:
        """Whether it is ready and healthy."""
        return self.state == "READY" and self.health == "HEALTHY"

    @property
    def lost(self) -> bool:
        """Whether it was preempted or has ended, and must be created again."""
        return self.state in _LOST


def read(name: str, zone: str, project: str, request_seconds: float = _REQUEST_SECONDS) -> Status:
    """Reads the status of a TPU from the TPU API, at TPU_API_DISCOVERY_URL if that is set.

    Raises:
      HealthError: if the API is not reachable, refuses, or takes longer than `request_seconds`.
      TpuNotFoundError: if there is no such TPU.
    """
    try:
        import google.auth
        from cloud_tpu_client import Client
    except ModuleNotFoundError as error:
        raise HealthError("reading a TPU's health needs the group tpu") from error
    with _requests_end_after(request_seconds):
        try:
            # By default the client uses oauth2client, which does not support newer credentials.
            credentials, _ = google.auth.default(scopes=[_SCOPE])
            client = Client(tpu=name, zone=zone, project=project, credentials=credentials)
            return Status(
                state=client.state() or "UNKNOWN",
                health=client.health() or "UNKNOWN",
                runtime_version=client.runtime_version() or "",
                accelerator_type=(client.accelerator_type() or "").rpartition("/")[2],
            )
        except Exception as error:  # the client does not wrap the errors of its transports
            kind = TpuNotFoundError if "HttpError 404" in str(error) else HealthError
            raise kind(f"the TPU API did not report on {name!r} in {zone}: {error}") from error


@contextlib.contextmanager
def _requests_end_after(seconds: float) -> Iterator[None]:
    """Sets the default timeout of sockets, since the client has no timeout of its own."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def wait(
    ask: Callable[[], Status],
    timeout: float,
    interval: float,
    report: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Status:
    """Polls the status until the TPU is ready and healthy.

    An error of the API counts as "not yet", since it reports errors while it creates a TPU.

    Args:
      ask: returns the status, or raises HealthError.
      timeout: seconds after which the wait fails.
      interval: seconds between two polls.
      report: receives a line whenever the status has changed.
      clock: returns the time in seconds, as `time.monotonic` does.
      sleep: waits for a number of seconds, as `time.sleep` does.

    Raises:
      HealthError: if the TPU is lost, or not healthy within `timeout`.
    """
    deadline, reported = clock() + timeout, ""
    while True:
        try:
            status = ask()
        except HealthError as error:
            now = str(error)
        else:
            now = f"state {status.state}, health {status.health}"
            if status.usable:
                return status
            if status.lost:
                raise HealthError(f"the TPU is lost: {now}; delete it and create it again")
        if now != reported:
            report(now)
            reported = now
        if clock() + interval > deadline:
            raise HealthError(f"not healthy within {timeout:g} s; last: {now}")
        sleep(interval)
