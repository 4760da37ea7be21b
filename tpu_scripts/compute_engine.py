"""TPUs by Compute Engine: an instance for a single host, a managed instance group for a slice.

A slice is a group in bulk mode with a workload policy, which has the topology, and an instance
template; all three have the TPU's name
(https://docs.cloud.google.com/compute/docs/tpus/create-tpu-mig-multi-host-slice).
"""

import dataclasses
import json
from typing import ClassVar

from tpu_scripts import health, machines
from tpu_scripts.accelerators import Accelerator
from tpu_scripts.gcloud import MISSING, Gcloud, GcloudError, check_name
from tpu_scripts.provisioner import Request

_DISK_SIZE = "200GB"  # the image's own 10 GB are too few for the trainers' packages
_STARTING = ("PENDING", "PROVISIONING", "STAGING", "REPAIRING", "")
_ENDED = ("TERMINATED", "STOPPED", "SUSPENDED", "PREEMPTED")
_PROBE = ("--command=true", "--quiet", "--ssh-flag=-oConnectTimeout=10")


@dataclasses.dataclass(frozen=True)
class ComputeEngine:
    """The instance or the group of instances that is a TPU.

    Workers are numbered by the names of their instances, which Compute Engine chooses in a slice.

    Attributes:
      gcloud: runs the commands.
      accelerator: the TPU's type.
    """

    gcloud: Gcloud
    accelerator: Accelerator
    api: ClassVar[str] = "compute"
    service: ClassVar[str] = "compute.googleapis.com"

    def default_runtime(self, accelerator: Accelerator, tensorflow: str) -> str:
        """See `Provisioner.default_runtime`; the images have no TensorFlow."""
        return machines.image_for(accelerator)

    def check(self, request: Request) -> None:
        """See `Provisioner.check`."""
        machines.machine_for(request.accelerator)
        machines.check_image(request.runtime)
        for flag in ("network", "subnetwork", "reservation"):
            if value := getattr(request, flag):
                check_name(value, flag)
        if request.preemptible:
            raise ValueError("TPUs of Compute Engine have --spot, not --preemptible")
        if request.spot and request.reservation:
            raise ValueError(
                "`reservation` must be empty with --spot. "
                f"Received: reservation={request.reservation!r}"
            )

    def create(self, request: Request) -> None:
        """See `Provisioner.create`."""
        name, gcloud = self.gcloud.name, self.gcloud
        flags = self._instance_flags(request)
        if self.accelerator.hosts == 1:
            gcloud.create("compute", "instances", "create", name, *flags, *gcloud.zonal)
            return
        topology = machines.machine_for(request.accelerator).topology
        policy = ["compute", "resource-policies", "create", "workload-policy", name]
        policy += ["--type=HIGH_THROUGHPUT", f"--accelerator-topology={topology}"]
        gcloud.create(*policy, *gcloud.regional)
        template = ["compute", "instance-templates", "create", name, *flags]
        where = [f"--instance-template-region={gcloud.region}", *gcloud.regional[1:]]
        gcloud.create(*template, *where)
        group = ["compute", "instance-groups", "managed", "create", name]
        group += [f"--size={self.accelerator.hosts}", "--target-size-policy-mode=bulk"]
        group += ["--default-action-on-vm-failure=do-nothing"]
        group += [f"--template={self._path('instanceTemplates', name)}"]
        group += [f"--workload-policy={self._path('resourcePolicies', name)}"]
        gcloud.create(*group, *gcloud.zonal)

    def delete(self) -> None:
        """See `Provisioner.delete`."""
        name, gcloud = self.gcloud.name, self.gcloud
        if self.accelerator.hosts == 1:
            gcloud.delete("compute", "instances", "delete", name, "--quiet", *gcloud.zonal)
            return
        group = ("compute", "instance-groups", "managed", "delete", name, "--quiet")
        gcloud.delete(*group, *gcloud.zonal)  # first: the others cannot go while it uses them
        for kind in ("instance-templates", "resource-policies"):
            gcloud.delete("compute", kind, "delete", name, "--quiet", *gcloud.regional)

    def wait_until_granted(self, timeout: float, interval: float) -> None:
        """See `Provisioner.wait_until_granted`; there is no queue here."""

    def status(self) -> health.Status:
        """See `Provisioner.status`.

        An instance is RUNNING before it can be used, so READY means that ssh answers too.
        """
        instances = self._instances()
        states = {state for _, state in instances}
        if states & set(_ENDED):
            state = "TERMINATED"
        elif states & set(_STARTING) or len(instances) < self.accelerator.hosts:
            state = "CREATING"
        elif states != {"RUNNING"}:
            state = min(states - {"RUNNING"})
        else:
            state = "READY" if all(map(self._answers, dict(instances))) else "STARTING"
        health_of = "HEALTHY" if state == "READY" else "UNKNOWN"
        return health.Status(state, health_of, "", self.accelerator.name)

    def run(self, command: str, worker: str) -> None:
        """See `Provisioner.run`; the outputs of several workers are mixed."""
        self.gcloud.change_all(
            [
                ["compute", "ssh", host, f"--command={command}", "--quiet", *self.gcloud.zonal]
                for host in self._hosts(worker)
            ]
        )

    def upload(self, source: str, destination: str) -> None:
        """See `Provisioner.upload`."""
        self.gcloud.change_all(
            [
                ["compute", "scp", source, f"{host}:{destination}", "--quiet", *self.gcloud.zonal]
                for host in self._hosts("all")
            ]
        )

    def download(self, source: str, destination: str) -> None:
        """See `Provisioner.download`."""
        (host,) = self._hosts("0")
        place = f"{host}:{source}"
        copy = ("compute", "scp", "--recurse", place, destination, "--quiet")
        self.gcloud.change(*copy, *self.gcloud.zonal)

    def offer_query(self, accelerator: Accelerator) -> list[str]:
        """See `Provisioner.offer_query`."""
        machine = machines.machine_for(accelerator).machine_type
        return ["compute", "machine-types", "describe", machine, *self.gcloud.zonal]

    def runtime_query(self, runtime: str) -> list[str]:
        """See `Provisioner.runtime_query`."""
        project = f"--project={machines.IMAGE_PROJECT}"
        return ["compute", "images", "describe-from-family", runtime, project]

    def _instance_flags(self, request: Request) -> list[str]:
        machine = machines.machine_for(request.accelerator)
        flags = [
            f"--machine-type={machine.machine_type}",
            f"--image-family={request.runtime}",
            f"--image-project={machines.IMAGE_PROJECT}",
            f"--boot-disk-size={_DISK_SIZE}",
            # TPUs cannot move to another host while they run.
            "--maintenance-policy=TERMINATE",
            # Without it the instance cannot write to the bucket.
            "--scopes=cloud-platform",
        ]
        flags += [f"--boot-disk-type={machine.disk_type}"] if machine.disk_type else []
        if request.spot:
            flags += ["--provisioning-model=SPOT", "--instance-termination-action=DELETE"]
        if request.reservation:
            flags.append("--provisioning-model=RESERVATION_BOUND")
            flags.append(f"--reservation={request.reservation}")
            flags += ["--reservation-affinity=specific", "--instance-termination-action=DELETE"]
        if request.network:
            flags.append(f"--network={request.network}")
        if request.subnetwork:
            name = request.subnetwork
            # A template knows no zone, so the subnetwork's name alone does not say its region.
            alone = self.accelerator.hosts == 1
            flags.append(f"--subnet={name if alone else self._path('subnetworks', name)}")
        flags += ["--no-address"] * request.internal_ips
        return flags + request.label_flags

    def _path(self, kind: str, name: str) -> str:
        project, region = self.gcloud.project_or_default(), self.gcloud.region
        return f"projects/{project}/regions/{region}/{kind}/{name}"

    def _hosts(self, worker: str) -> list[str]:
        """Names of the instances of one worker, or of "all". Raises ValueError for no worker."""
        count = self.accelerator.hosts
        if worker != "all" and int(worker) >= count:
            raise ValueError(f"`worker` must be less than {count}. Received: worker={worker}")
        if count == 1:
            return [self.gcloud.name]
        if self.gcloud.dry_run:  # which asks nobody for the names that Compute Engine has chosen
            names = [f"{self.gcloud.name}-{number}" for number in range(count)]
        else:
            names = [name for name, _ in self._instances()]
        return names if worker == "all" else [names[int(worker)]]

    def _instances(self) -> list[tuple[str, str]]:
        """Names and states of the instances that there are, by name."""
        name, zonal = self.gcloud.name, self.gcloud.zonal
        single = ("compute", "instances", "describe", name, "--format=value(status)")
        group = ("compute", "instance-groups", "managed", "list-instances", name, "--format=json")
        try:
            if self.accelerator.hosts == 1:
                return [(name, self.gcloud.read(*single, *zonal))]
            listed = json.loads(self.gcloud.read(*group, *zonal) or "[]")
        except GcloudError as error:
            known = bool(MISSING.search(error.said))
            kind = health.TpuNotFoundError if known else health.HealthError
            raise kind(f"Compute Engine did not report on {name!r}: {error}") from error
        return sorted(
            (entry["instance"].rpartition("/")[2], entry.get("instanceStatus", ""))
            for entry in listed
        )

    def _answers(self, host: str) -> bool:
        try:
            self.gcloud.read("compute", "ssh", host, *_PROBE, *self.gcloud.zonal)
        except GcloudError:
            return False
        return True
