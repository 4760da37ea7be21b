"""Quotas of TPUs: their names, and what `gcloud beta quotas` says of them.

Names differ by API, generation and kind, and none follows from another. Those of v2, v3 and v4,
and that of spot tpu7x, could not be confirmed, so they are not here. A limit is a ceiling: it does
not say that the zone has chips left.
"""

import dataclasses
import json
from typing import Any

from tpu_scripts.accelerators import Accelerator
from tpu_scripts.gcloud import Gcloud

_TPU, _COMPUTE = "tpu.googleapis.com", "compute.googleapis.com"


@dataclasses.dataclass(frozen=True)
class Quota:
    """A quota of a service.

    Attributes:
      service: the API that has it.
      name: its id.
      family: the value of its dimension tpu_family; empty if it has none.
    """

    service: str
    name: str
    family: str = ""


_FAMILIES = "TPUS-PER-TPU-FAMILY-per-project-region"
# By API, generation, and whether spot. Any of them is enough.
_QUOTAS = {
    ("tpu", "v5e", False): (
        Quota(_TPU, "TPUV5sLitepodPerProjectPerZoneForTPUAPI"),
        Quota(_TPU, "TPUV5sLitepodServingPerProjectPerZoneForTPUAPI"),
    ),
    ("tpu", "v5e", True): (Quota(_TPU, "TPUV5sPreemptibleLitepodPerProjectPerZoneForTPUAPI"),),
    ("tpu", "v5p", False): (Quota(_TPU, "TPUV5PPerProjectPerZoneForTPUAPI"),),
    ("tpu", "v5p", True): (Quota(_TPU, "TPUV5PPreemptiblePerProjectPerZoneForTPUAPI"),),
    ("tpu", "v6e", False): (Quota(_TPU, "TPUV6EPerProjectPerZoneForTPUAPI"),),
    ("tpu", "v6e", True): (Quota(_TPU, "TPUV6EPreemptiblePerProjectPerZoneForTPUAPI"),),
    ("compute", "v5p", False): (Quota(_COMPUTE, "TPU-V5P-per-project-region"),),
    ("compute", "v5p", True): (Quota(_COMPUTE, "PREEMPTIBLE-TPU-V5P-per-project-region"),),
    ("compute", "v6e", False): (Quota(_COMPUTE, _FAMILIES, "CT6E"),),
    ("compute", "v6e", True): (Quota(_COMPUTE, "PREEMPTIBLE-TPU-V6E-per-project-region"),),
    ("compute", "tpu7x", False): (Quota(_COMPUTE, _FAMILIES, "tpu7x"),),
}


def quotas_for(accelerator: Accelerator, api: str, spot: bool) -> tuple[Quota, ...]:
    """The quotas of which one must allow the accelerator; empty where none is known."""
    if accelerator.generation.name == "v5e" and spot and accelerator.hosts == 1:
        return ()  # may count as serving, whose spot quota is not known
    return _QUOTAS.get((api, accelerator.generation.name, spot), ())


def query(quota: Quota, project: str) -> list[str]:
    """The gcloud command that reads a quota; it needs gcloud's beta component."""
    return [
        *("beta", "quotas", "info", "describe", quota.name),
        *(f"--service={quota.service}", f"--project={project}", "--format=json"),
    ]


def limit_of(quota: Quota, gcloud: Gcloud, project: str) -> int | None:
    """The limit in the TPU's zone; None if the answer has none, -1 for no limit.

    Some quotas count chips, some cores; each chip has at least one core.

    Raises:
      GcloudError: if gcloud cannot read it.
    """
    answer = json.loads(gcloud.read(*query(quota, project)) or "{}")
    entries = [
        entry for entry in answer.get("dimensionsInfos") or [] if _applies(entry, quota, gcloud)
    ]
    # An entry with more dimensions stands above the default.
    entries.sort(key=lambda entry: len(entry.get("dimensions") or {}), reverse=True)
    for entry in entries:
        value = (entry.get("details") or {}).get("value")
        if value is not None:
            return int(value)
    return None


def _applies(entry: dict[str, Any], quota: Quota, gcloud: Gcloud) -> bool:
    dimensions = entry.get("dimensions") or {}
    places = entry.get("applicableLocations")
    return (
        dimensions.get("zone", gcloud.zone) == gcloud.zone
        and dimensions.get("region", gcloud.region) == gcloud.region
        and dimensions.get("tpu_family", quota.family).lower() == quota.family.lower()
        and (not places or gcloud.zone in places or gcloud.region in places or "global" in places)
    )
