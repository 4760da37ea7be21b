"""TPUs by the Cloud TPU API: `gcloud compute tpus`.

Google develops this API no further: it has all generations up to v6e, and none after that
(https://docs.cloud.google.com/tpu/docs/v6e-training).
"""

import dataclasses
import sys
import time
from typing import ClassVar

from tpu_scripts import health, runtimes
from tpu_scripts.accelerators import Accelerator
from tpu_scripts.gcloud import Gcloud, check_name
from tpu_scripts.provisioner import Request

_QUEUE_FAILED = ("FAILED", "SUSPENDED", "SUSPENDING", "DELETING")


@dataclasses.dataclass(frozen=True)
class CloudTpu:
    """A TPU VM, or a queued resource of the same name that creates it.

    Attributes:
      gcloud: runs the commands.
      queued: whether it is a queued resource.
    """

    gcloud: Gcloud
    queued: bool = False
    api: ClassVar[str] = "tpu"
    service: ClassVar[str] = "tpu.googleapis.com"

    def default_runtime(self, accelerator: Accelerator, tensorflow: str) -> str:
        """See `Provisioner.default_runtime`."""
        return runtimes.runtime_for(accelerator, tensorflow)

    def check(self, request: Request) -> None:
        """See `Provisioner.check`."""
        runtimes.check_runtime(request.runtime, request.accelerator, request.tensorflow)
        for flag in ("network", "subnetwork"):
            if value := getattr(request, flag):
                check_name(value, flag)
        if self.queued and request.preemptible:
            raise ValueError("queued resources have --spot, not --preemptible")
        if request.reservation:
            raise ValueError(
                "`reservation` must be empty without --api=compute. "
                f"Received: reservation={request.reservation!r}"
            )

    def create(self, request: Request) -> None:
        """See `Provisioner.create`."""
        name = self.gcloud.name
        flags = [f"--accelerator-type={request.accelerator.name}"]
        if self.queued:
            flags += [f"--node-id={name}", f"--runtime-version={request.runtime}"]
        else:
            flags += [f"--version={request.runtime}"]
        flags += ["--spot"] * request.spot + ["--preemptible"] * request.preemptible
        for flag in ("network", "subnetwork"):
            if value := getattr(request, flag):
                flags.append(f"--{flag}={value}")
        flags += ["--internal-ips"] * request.internal_ips
        flags += request.label_flags
        self.gcloud.create(*self._tpus(self._kind, "create", name, *flags))

    def delete(self) -> None:
        """See `Provisioner.delete`."""
        force = ["--force"] * self.queued
        self.gcloud.delete(*self._tpus(self._kind, "delete", self.gcloud.name, *force, "--quiet"))

    def wait_until_granted(self, timeout: float, interval: float) -> None:
        """See `Provisioner.wait_until_granted`; only queued resources wait."""
        deadline, reported, name = time.monotonic() + timeout, "", self.gcloud.name
        while self.queued and (state := self._queued_state()) != "ACTIVE":
            if state in _QUEUE_FAILED:
                raise health.HealthError(f"the queued resource {name} is {state}")
            if state != reported:
                print(f"waiting for {name}: {state}", file=sys.stderr)
                reported = state
            if time.monotonic() + interval > deadline:
                raise health.HealthError(f"not granted within {timeout:g} s; last: {state}")
            time.sleep(interval)

    def status(self) -> health.Status:
        """See `Provisioner.status`."""
        gcloud = self.gcloud
        return health.read(gcloud.name, gcloud.zone, gcloud.project_or_default())

    def run(self, command: str, worker: str) -> None:
        """See `Provisioner.run`."""
        where = (f"--worker={worker}", f"--command={command}")
        self.gcloud.change(*self._tpus("tpu-vm", "ssh", self.gcloud.name, *where))

    def upload(self, source: str, destination: str) -> None:
        """See `Provisioner.upload`."""
        place = f"{self.gcloud.name}:{destination}"
        self.gcloud.change(*self._tpus("tpu-vm", "scp", source, place, "--worker=all"))

    def download(self, source: str, destination: str) -> None:
        """See `Provisioner.download`."""
        place = f"{self.gcloud.name}:{source}"
        self.gcloud.change(
            *self._tpus("tpu-vm", "scp", "--recurse", place, destination, "--worker=0")
        )

    def offer_query(self, accelerator: Accelerator) -> list[str]:
        """See `Provisioner.offer_query`."""
        return self._tpus("tpu-vm", "accelerator-types", "describe", accelerator.name)

    def runtime_query(self, runtime: str) -> list[str]:
        """See `Provisioner.runtime_query`."""
        return self._tpus("tpu-vm", "versions", "describe", runtime)

    @property
    def _kind(self) -> str:
        return "queued-resources" if self.queued else "tpu-vm"

    def _tpus(self, *arguments: str) -> list[str]:
        return ["compute", "tpus", *arguments, *self.gcloud.zonal]

    def _queued_state(self) -> str:
        """The state of the queued resource, such as "WAITING_FOR_RESOURCES" or "ACTIVE"."""
        query = self._tpus("queued-resources", "describe", self.gcloud.name)
        return self.gcloud.read(*query, "--format=value(state.state)")
