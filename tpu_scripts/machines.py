"""What Compute Engine has for an accelerator type: machine type, image family, topology.

Machine types: https://docs.cloud.google.com/compute/docs/tpus/tpu-machines. v5e is not among them.
"""

import dataclasses
import re

from tpu_scripts.accelerators import Accelerator

IMAGE_PROJECT = "ubuntu-os-accelerator-images"
_FAMILY = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
_MACHINES = {"v5p": "ct5p-hightpu", "v6e": "ct6e-standard", "tpu7x": "tpu7x-standard"}
# Without TensorFlow, as all images of Compute Engine for TPUs.
_IMAGES = {
    **dict.fromkeys(("v5p", "v6e"), "ubuntu-accel-2204-amd64-tpu-v5e-v5p-v6e"),
    "tpu7x": "ubuntu-accel-2404-amd64-tpu-tpu7x",
}
_TOPOLOGIES = {
    2: {16: "4x4", 32: "4x8", 64: "8x8", 128: "8x16", 256: "16x16"},
    3: {
        **{8: "2x2x2", 16: "2x2x4", 32: "2x4x4", 64: "4x4x4", 128: "4x4x8", 256: "4x8x8"},
        **{512: "8x8x8", 1024: "8x8x16", 2048: "8x16x16"},
    },
}


@dataclasses.dataclass(frozen=True)
class Machine:
    """A host with chips, and how many of them make the accelerator.

    Attributes:
      machine_type: such as "ct6e-standard-4t".
      topology: the chips of the slice, such as "4x4"; empty for a single host.
      disk_type: of the boot disk; empty for the machine type's default.
    """

    machine_type: str
    topology: str
    disk_type: str


def machine_for(accelerator: Accelerator) -> Machine:
    """The machine of an accelerator type. Raises ValueError for a slice that is not known."""
    generation, chips = accelerator.generation, accelerator.chips
    on_host = chips if accelerator.hosts == 1 else generation.chips_per_host
    topologies = _TOPOLOGIES[generation.dimensions]
    if accelerator.hosts > 1 and chips not in topologies:
        raise ValueError(
            f"`type` must have one of {', '.join(map(str, topologies))} chips for a slice on "
            f"Compute Engine. Received: type={accelerator.name!r}, of {chips} chips"
        )
    return Machine(
        machine_type=f"{_MACHINES[generation.name]}-{on_host}t",
        topology=topologies[chips] if accelerator.hosts > 1 else "",
        disk_type="hyperdisk-balanced" if generation.name == "tpu7x" else "",
    )


def image_for(accelerator: Accelerator) -> str:
    """The image family that an accelerator boots by default."""
    return _IMAGES[accelerator.generation.name]


def check_image(family: str) -> None:
    """Raises ValueError for what cannot be the name of an image family."""
    if not _FAMILY.fullmatch(family):
        raise ValueError(
            f"`runtime` on Compute Engine must be an image family of {IMAGE_PROJECT}, such as "
            f"{_IMAGES['v6e']}. Received: runtime={family!r}"
        )
