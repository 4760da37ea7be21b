"""The figures of compiled training steps: as JSON for machines, as a table for people."""

import dataclasses
from collections.abc import Callable
from typing import Any

from tpu_scripts.compile_only import Compiled, Topology

_MIB, _GIGA = 1024**2, 1e9


@dataclasses.dataclass(frozen=True)
class Report:
    """A compiled step, and the figures that follow from it.

    Attributes:
      model, layer: names of the network and of its layer.
      topology: the TPU that it was compiled for.
      batch: images on each replica.
      image_size: side of the images.
      parameters: number of the network's trainable parameters.
      compiled: the compiler's figures.
      backend: of Keras, "tensorflow" or "jax".
    """

    model: str
    layer: str
    topology: Topology
    batch: int
    image_size: int
    parameters: int
    compiled: Compiled
    backend: str

    @property
    def compute_seconds(self) -> float:
        """The time of the step's flops at the replica's peak bfloat16 rate."""
        return self.compiled.flops / self.topology.generation.replica_flops

    @property
    def memory_seconds(self) -> float:
        """The time of the step's HBM accesses at the replica's HBM bandwidth."""
        return self.compiled.bytes_accessed / self.topology.generation.replica_hbm_rate

    @property
    def roofline_seconds(self) -> float:
        """The longer of the two times, without communication; XLA counts some bytes twice."""
        return max(self.compute_seconds, self.memory_seconds)

    def as_dict(self) -> dict[str, Any]:
        """All figures, with the unit in each name."""
        compiled, generation = self.compiled, self.topology.generation
        compute_bound = self.compute_seconds >= self.memory_seconds
        return {
            "backend": self.backend,
            "model": self.model,
            "layer": self.layer,
            "topology": self.topology.name,
            "replicas": self.topology.replicas,
            "batch_per_replica": self.batch,
            "image_size": self.image_size,
            "precision": "bfloat16",
            "parameters": self.parameters,
            "argument_bytes": compiled.arguments,
            "output_bytes": compiled.outputs,
            "aliased_bytes": compiled.aliased,
            "temporary_bytes": compiled.temporaries,
            "code_bytes": compiled.code,
            "hbm_bytes": compiled.hbm,
            "hbm_capacity_bytes": generation.replica_hbm_bytes,
            "bytes_accessed": compiled.bytes_accessed,
            "flops": compiled.flops,
            "transcendentals": compiled.transcendentals,
            "compile_seconds": round(compiled.seconds, 1),
            "roofline_seconds": self.roofline_seconds,
            "roofline_bound": "compute" if compute_bound else "memory",
        }


_ROWS: tuple[tuple[str, Callable[[Report], float]], ...] = (
    ("HBM in use (MiB)", lambda r: r.compiled.hbm / _MIB),
    ("  arguments", lambda r: r.compiled.arguments / _MIB),
    ("  outputs not aliased", lambda r: (r.compiled.outputs - r.compiled.aliased) / _MIB),
    ("  temporaries", lambda r: r.compiled.temporaries / _MIB),
    ("  code", lambda r: r.compiled.code / _MIB),
    ("bytes accessed (GB)", lambda r: r.compiled.bytes_accessed / _GIGA),
    ("flops (G)", lambda r: r.compiled.flops / _GIGA),
    ("roofline: bytes (ms)", lambda r: r.memory_seconds * 1e3),
    ("roofline: flops (ms)", lambda r: r.compute_seconds * 1e3),
    ("images/s at most, a replica", lambda r: r.batch / r.roofline_seconds),
    ("compile time (s)", lambda r: r.compiled.seconds),
)


def table(reports: list[Report]) -> str:
    """A table with a column for each layer; ratios in brackets are those to the first layer."""
    names = ["", *(report.layer for report in reports)]
    rows = [[name, *_cells(figure, reports)] for name, figure in _ROWS]
    widths = [max(len(row[i]) for row in [names, *rows]) for i in range(len(names))]
    lines = [_title(reports[0]), *(_line(row, widths) for row in [names, *rows])]
    return "\n".join(lines)


def _title(report: Report) -> str:
    topology, side = report.topology, report.image_size
    return (
        f"{report.model} on {report.backend}, {side}x{side}, bfloat16: a step of {report.batch} "
        f"images on each of {topology.replicas} replicas of {topology.name}, with "
        f"{topology.generation.replica_hbm_bytes // _MIB:,} MiB each"
    )


def _cells(figure: Callable[[Report], float], reports: list[Report]) -> list[str]:
    values = [figure(report) for report in reports]
    cells = [_number(values[0])]
    for value in values[1:]:
        ratio = f" ({value / values[0]:.2f}x)" if values[0] else ""
        cells.append(f"{_number(value)}{ratio}")
    return cells


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _line(row: list[str], widths: list[int]) -> str:
    name, *cells = row
    padded = [cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True)]
    return "  ".join([name.ljust(widths[0]), *padded]).rstrip()
