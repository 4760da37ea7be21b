"""Each Cloud TPU generation: chips, hosts, memory, peak rates.

From https://cloud.google.com/tpu/docs/v2 and its siblings for v3, v4, v5e, v5p, v6e and tpu7x.
"""

import dataclasses

_GIB, _TERA, _GIGA = 1024**3, 1e12, 1e9


@dataclasses.dataclass(frozen=True)
class Generation:
    """One generation; rates and memory are a chip's.

    Attributes:
      name: as in a topology, such as "v5e".
      prefix: of its accelerator types, such as "v5litepod".
      type_counts: what the number in an accelerator type counts: "cores" or "chips".
      cores_per_chip: TensorCores of a chip.
      replicas_per_chip: devices of a chip, for each of which there is a replica; on v4 and v5p the
        two cores of a chip are one device.
      chips_per_host: chips of a host in a pod slice.
      single_host_chips: numbers of chips that a single host may have.
      dimensions: number of sizes in a topology.
      flops: peak rate, in bfloat16 multiplications and additions per second.
      hbm_bytes: size of the memory.
      hbm_rate: bandwidth of the memory, in bytes per second.
      apis: Google's APIs that have it, the default first: "tpu" for the Cloud TPU API, "compute"
        for Compute Engine.
      tensorflow: whether Google supports TensorFlow on it.
    """

    name: str
    prefix: str
    type_counts: str
    cores_per_chip: int
    replicas_per_chip: int
    chips_per_host: int
    single_host_chips: tuple[int, ...]
    dimensions: int
    flops: float
    hbm_bytes: int
    hbm_rate: float
    apis: tuple[str, ...] = ("tpu",)
    tensorflow: bool = True

    @property
    def replica_flops(self) -> float:
        """Peak bfloat16 rate of one replica."""
        return self.flops / self.replicas_per_chip

    @property
    def replica_hbm_bytes(self) -> int:
        """Memory of one replica."""
        return self.hbm_bytes // self.replicas_per_chip

    @property
    def replica_hbm_rate(self) -> float:
        """Memory bandwidth of one replica, in bytes a second."""
        return self.hbm_rate / self.replicas_per_chip


GENERATIONS = {
    generation.name: generation
    for generation in (
        Generation("v2", "v2", "cores", 2, 2, 4, (4,), 2, 45 * _TERA, 16 * _GIB, 700 * _GIGA),
        Generation("v3", "v3", "cores", 2, 2, 4, (4,), 2, 123 * _TERA, 32 * _GIB, 900 * _GIGA),
        Generation("v4", "v4", "cores", 2, 1, 4, (4,), 3, 275 * _TERA, 32 * _GIB, 1228 * _GIGA),
        Generation(
            "v5e", "v5litepod", "chips", 1, 1, 4, (1, 4, 8), 2, 197 * _TERA, 16 * _GIB, 819 * _GIGA
        ),
        Generation(
            *("v5p", "v5p", "cores", 2, 1, 4, (4,), 3, 459 * _TERA, 95 * _GIB, 2765 * _GIGA),
            apis=("tpu", "compute"),
        ),
        Generation(
            *("v6e", "v6e", "chips", 1, 1, 4, (1, 4, 8), 2, 918 * _TERA, 32 * _GIB, 1640 * _GIGA),
            apis=("tpu", "compute"),
        ),
        # Unlike on v4 and v5p, the two cores of a chip are two devices.
        Generation(
            *("tpu7x", "tpu7x", "cores", 2, 2, 4, (4,), 3, 2307 * _TERA, 192 * _GIB, 7370 * _GIGA),
            apis=("compute",),
            tensorflow=False,
        ),
    )
}
