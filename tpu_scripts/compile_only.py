"""Compiles StableHLO for a TPU on a machine without one, with libtpu's compile-only client.

Needs the group `tpu`: the client has no public interface, so jax and libtpu are pinned.
"""

import dataclasses
import functools
import math
import os
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

from tpu_scripts.generations import GENERATIONS, Generation

# libtpu reads these when it is loaded. Without them it looks for a TPU with a metadata server.
ENVIRONMENT = {
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_ACCELERATOR_TYPE": "v5litepod-4",  # of the host; any type works
    "TPU_LOG_DIR": "disabled",
    "TPU_MIN_LOG_LEVEL": "3",
    "TPU_STDERR_LOG_LEVEL": "3",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",  # there is no device to lock
    "JAX_PLATFORMS": "cpu",
}


class CompilationError(ValueError):
    """The module cannot run on a TPU, or it does not fit into the TPU's memory."""


@dataclasses.dataclass(frozen=True)
class Topology:
    """Chips of one generation in a mesh, such as "v5e:2x2" or "v4:4x4x4"."""

    name: str
    generation: Generation
    chips: int

    @property
    def replicas(self) -> int:
        """The number of replicas on which TensorFlow would train."""
        return self.chips * self.generation.replicas_per_chip


def parse_topology(name: str) -> Topology:
    """Parses the name of a topology. Raises ValueError for another form or generation."""
    generation, _, mesh = name.partition(":")
    if generation not in GENERATIONS:
        raise ValueError(
            f"`topology` must begin with one of {', '.join(GENERATIONS)}. "
            f"Received: topology={name!r}"
        )
    facts = GENERATIONS[generation]
    if not re.fullmatch("x".join([r"[1-9]\d*"] * facts.dimensions), mesh):
        example = "x".join("2" * 2 + "1" * (facts.dimensions - 2))
        raise ValueError(
            f"`topology` of {generation} must have {facts.dimensions} sizes, such as "
            f"{generation}:{example}. Received: topology={name!r}"
        )
    return Topology(name, facts, math.prod(int(size) for size in mesh.split("x")))


@dataclasses.dataclass(frozen=True)
class Compiled:
    """The compiler's figures of one replica's program; sizes are in bytes.

    Attributes:
      arguments, outputs: sizes in HBM; `aliased` of these bytes belong to both.
      temporaries: the peak size of the live intermediate buffers.
      code: size of the program itself, which is in HBM too.
      bytes_accessed: HBM reads and writes of a step.
      flops, transcendentals: operations of a step.
      seconds: compile time.
    """

    arguments: int
    outputs: int
    aliased: int
    temporaries: int
    code: int
    bytes_accessed: float
    flops: float
    transcendentals: float
    seconds: float

    @property
    def hbm(self) -> int:
        """HBM in use at the peak."""
        return self.arguments + self.outputs - self.aliased + self.temporaries + self.code


def compile_for(stablehlo: bytes, topology: Topology) -> Compiled:
    """Compiles one replica's program, for all replicas of a topology.

    Raises:
      CompilationError: for a program that cannot run on this TPU; the message says why.
      ModuleNotFoundError: without the group `tpu`.
    """
    jax = _jax()
    found = devices(topology)
    module = load(stablehlo)
    options = jax.compiler.get_compile_options(
        num_replicas=len(found), num_partitions=1, device_assignment=jax.numpy.array(found)
    )
    replicas = jax.extension.DeviceList(tuple(found))
    return measured(lambda: found[0].client.compile(module, replicas, options), topology)


def measured(compiling: Callable[[], Any], topology: Topology) -> Compiled:
    """The figures of the executable that `compiling` returns.

    Raises:
      CompilationError: for a program that cannot run on this TPU; the message says why.
    """
    started = time.monotonic()
    try:
        executable = compiling()
    except _jax().errors.JaxRuntimeError as error:
        raise CompilationError(f"{topology.name} cannot run it: {error}") from error
    seconds = time.monotonic() - started
    memory, cost = executable.get_compiled_memory_stats(), executable.cost_analysis()
    # The analysis has "optimal_seconds" too, but they are negative.
    return Compiled(
        arguments=memory.argument_size_in_bytes,
        outputs=memory.output_size_in_bytes,
        aliased=memory.alias_size_in_bytes,
        temporaries=memory.temp_size_in_bytes,
        code=memory.generated_code_size_in_bytes,
        bytes_accessed=cost["bytes accessed"],
        flops=cost["flops"],
        transcendentals=cost.get("transcendentals", 0.0),
        seconds=seconds,
    )


def load(stablehlo: bytes) -> Any:
    """Parses a module, and removes TensorFlow's `mhlo.copy`, which libtpu does not know.

    Raises:
      CompilationError: for sizes that are not static, and for calls to code on the host.
    """
    jax = _jax()
    context = jax.mlir.make_ir_context()
    with context:
        try:
            module = jax.ir.Module.parse(stablehlo)
        except jax.ir.MLIRError as error:
            # TensorFlow writes some operations on dynamic sizes in a form that no parser reads.
            raise CompilationError(
                f"has operations without static sizes: {str(error).splitlines()[1].strip()}"
            ) from error
        operations = list(_operations(jax.ir, module))
        for operation in operations:
            _check(operation)
        for operation in operations:
            if operation.name == "mhlo.copy":
                operation.results[0].replace_all_uses_with(operation.operands[0])
                operation.erase()
    return module


def _operations(ir: Any, module: Any) -> Iterator[Any]:
    found = []

    def visit(operation: Any) -> Any:
        found.append(operation.operation)
        return ir.WalkResult.ADVANCE

    module.operation.walk(visit)
    return iter(found)


def _check(operation: Any) -> None:
    """Raises CompilationError for an operation that a TPU cannot run."""
    if operation.name in ("stablehlo.custom_call", "stablehlo.infeed", "stablehlo.outfeed"):
        target = operation.attributes.get("call_target_name", "")
        raise CompilationError(f"calls code of the host: {operation.name} {target}".rstrip())
    for result in operation.results:
        if "?" in str(result.type) or operation.name == "stablehlo.set_dimension_size":
            raise CompilationError(
                f"has a size that is known only at run time: {operation.name} -> {result.type}"
            )


def devices(topology: Topology) -> list[Any]:
    """The devices of a topology, for which programs are compiled and on which none runs.

    Raises:
      ValueError: for a topology that libtpu does not know.
      ModuleNotFoundError: without the group `tpu`.
    """
    # Without this option libtpu has the two cores of a v4 chip as two devices.
    options = {"chip_config_name": "megacore"} if topology.generation.name == "v4" else {}
    jax = _jax()
    try:
        found = jax.topologies.get_topology_desc(topology.name, "tpu", **options).devices
    except jax.errors.JaxRuntimeError as error:
        raise ValueError(
            f"`topology` must be one that libtpu knows: {error}. "
            f"Received: topology={topology.name!r}"
        ) from error
    if len(found) != topology.replicas:
        raise RuntimeError(f"libtpu has {len(found)} devices for {topology}")
    return found


class _Jax:
    """The parts of jax that are used here, imported once the environment is set."""

    def __init__(self) -> None:
        import jax.errors
        import numpy
        from jax._src import compiler
        from jax._src.interpreters import mlir
        from jax._src.lib import _jax as extension
        from jax.experimental import topologies
        from jaxlib.mlir import ir

        self.errors, self.numpy, self.compiler, self.mlir = jax.errors, numpy, compiler, mlir
        self.extension, self.topologies, self.ir = extension, topologies, ir


@functools.cache
def _jax() -> _Jax:
    os.environ.update(ENVIRONMENT)
    try:
        return _Jax()
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"compiling for a TPU needs the group tpu: `make install-tpu` ({error})"
        ) from error
