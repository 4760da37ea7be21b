"""Chooses the API that provisions a TPU, by its generation."""

from tpu_scripts.accelerators import Accelerator
from tpu_scripts.cloud_tpu import CloudTpu
from tpu_scripts.compute_engine import ComputeEngine
from tpu_scripts.gcloud import Gcloud
from tpu_scripts.provisioner import Provisioner

APIS = ("tpu", "compute")


def choose(
    gcloud: Gcloud, accelerator: Accelerator | None, api: str = "", queued: bool = False
) -> Provisioner:
    """The provisioner of a TPU.

    Args:
      gcloud: runs its commands.
      accelerator: its type; None if that is not known, for a TPU of the Cloud TPU API.
      api: one of APIS; empty for the default of its generation.
      queued: whether it is a queued resource.

    Raises:
      ValueError: for an API that does not have the generation, or no queued resources.
    """
    apis = accelerator.generation.apis if accelerator else ("tpu",)
    api = api or apis[0]
    if accelerator is None and api != "tpu":
        raise ValueError(f"`type` must be given with --api={api}. Received: type=''")
    if accelerator and api not in apis:
        raise ValueError(
            f"`api` of a {accelerator.generation.name} must be {' or '.join(apis)}. "
            f"Received: api={api!r}"
        )
    if api == "tpu" or accelerator is None:
        return CloudTpu(gcloud, queued)
    if queued:
        raise ValueError(
            "`queued` must not be given with Compute Engine, which has no queued resources. "
            f"Received: type={accelerator.name!r}"
        )
    return ComputeEngine(gcloud, accelerator)
