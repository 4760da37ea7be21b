"""Accelerator types, such as "v3-8": generation, chips, hosts."""

import dataclasses
import re

from tpu_scripts.generations import GENERATIONS, Generation

_PREFIXES = {generation.prefix: generation for generation in GENERATIONS.values()}
_PREFIXES["v5e"] = GENERATIONS["v5e"]  # as people call what the API calls v5litepod
# Sizes of pod slices. The others allow every multiple of a host's cores, and are not listed.
_SLICES = {
    "v2": (32, 128, 256, 512),
    "v3": (32, 64, 128, 256, 512, 1024, 2048),
    "v5e": (16, 32, 64, 128, 256),
    "v6e": (16, 32, 64, 128, 256),
}


@dataclasses.dataclass(frozen=True)
class Accelerator:
    """An accelerator type such as "v3-8", with the chips and hosts that it has."""

    name: str
    generation: Generation
    chips: int
    hosts: int

    @property
    def replicas(self) -> int:
        """The number of replicas on which TensorFlow trains."""
        return self.chips * self.generation.replicas_per_chip


def parse_type(name: str) -> Accelerator:
    """Parses the name of an accelerator type. Raises ValueError for one that does not exist."""
    prefix, _, size = name.partition("-")
    generation = _PREFIXES.get(prefix)
    if generation is None or not re.fullmatch(r"[1-9]\d*", size):
        raise ValueError(
            f"`type` must be one of {', '.join(_PREFIXES)}, a hyphen and a size, such as v3-8. "
            f"Received: type={name!r}"
        )
    per_chip = generation.cores_per_chip if generation.type_counts == "cores" else 1
    single = [chips * per_chip for chips in generation.single_host_chips]
    per_host = generation.chips_per_host * per_chip
    if generation.name in _SLICES:
        allowed = int(size) in (*single, *_SLICES[generation.name])
        rule = f"one of {', '.join(map(str, (*single, *_SLICES[generation.name])))}"
    else:
        allowed, rule = int(size) % per_host == 0, f"a multiple of {per_host}"
    if not allowed:
        raise ValueError(f"the size of a {prefix} must be {rule}. Received: type={name!r}")
    hosts = 1 if int(size) in single else int(size) // per_host
    return Accelerator(f"{generation.prefix}-{size}", generation, int(size) // per_chip, hosts)
