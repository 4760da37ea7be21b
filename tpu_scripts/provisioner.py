"""What a way of provisioning TPUs does; there is one for each API of Google that has TPUs."""

import dataclasses
from collections.abc import Mapping
from typing import ClassVar, Protocol

from tpu_scripts.accelerators import Accelerator
from tpu_scripts.gcloud import Gcloud
from tpu_scripts.health import Status


@dataclasses.dataclass(frozen=True)
class Request:
    """A TPU that is asked for.

    Attributes:
      accelerator: its type.
      runtime: what it boots: a runtime version of the Cloud TPU API, an image family of Compute
        Engine.
      tensorflow: the TensorFlow version that the runtime must fit; empty for the installed one.
      spot, preemptible: whether it can be preempted; preemptible ones last 24 hours at most.
      reservation: name of the reservation to take it from; empty for none.
      network, subnetwork: names; empty for the default.
      internal_ips: whether its hosts have no external addresses.
      labels: of the resource.
    """

    accelerator: Accelerator
    runtime: str
    tensorflow: str = ""
    spot: bool = False
    preemptible: bool = False
    reservation: str = ""
    network: str = ""
    subnetwork: str = ""
    internal_ips: bool = False
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def label_flags(self) -> list[str]:
        """The flags of gcloud that set the labels."""
        pairs = ",".join(f"{key}={value}" for key, value in self.labels.items())
        return [f"--labels={pairs}"] if pairs else []


class Provisioner(Protocol):
    """Creates, watches, uses and deletes one TPU.

    `create` and `delete` can be repeated: what is there is not created again, and what is not
    there needs no deletion.

    Attributes:
      api: "tpu" or "compute", as `--api` names it.
      service: the API that must be enabled in the project.
    """

    api: ClassVar[str]
    service: ClassVar[str]

    @property
    def gcloud(self) -> Gcloud:
        """Runs the commands."""

    def default_runtime(self, accelerator: Accelerator, tensorflow: str) -> str:
        """What an accelerator boots by default. Raises ValueError if nothing is known."""

    def check(self, request: Request) -> None:
        """Raises ValueError for a request that cannot be fulfilled; asks nobody."""

    def create(self, request: Request) -> None:
        """Creates the TPU. Raises GcloudError."""

    def delete(self) -> None:
        """Deletes the TPU and all that was created for it. Raises GcloudError."""

    def wait_until_granted(self, timeout: float, interval: float) -> None:
        """Waits in the queue, if there is one. Raises HealthError after `timeout` seconds."""

    def status(self) -> Status:
        """State and health. Raises HealthError; TpuNotFoundError if there is no such TPU."""

    def run(self, command: str, worker: str) -> None:
        """Runs a shell command on one worker, or on "all". Raises GcloudError."""

    def upload(self, source: str, destination: str) -> None:
        """Copies a file to all workers. Raises GcloudError."""

    def download(self, source: str, destination: str) -> None:
        """Copies a folder from worker 0. Raises GcloudError."""

    def offer_query(self, accelerator: Accelerator) -> list[str]:
        """The gcloud command that fails where the zone does not offer the type."""

    def runtime_query(self, runtime: str) -> list[str]:
        """The gcloud command that fails where there is no such runtime."""
