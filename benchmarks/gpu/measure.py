"""Compiles and times the modules of `benchmarks.gpu.export` on the GPU that is there.

    python -m benchmarks.gpu.measure FOLDER --write FILE.json [--seconds 0.3] [--only TEXT ...]

Needs jax with a GPU (written for jax 0.11) and no TensorFlow. A row for each module:

    milliseconds     median over rounds, each of many calls enqueued one after the other, whose
                     inputs are on the GPU and of which several sets take turns
    host             milliseconds that enqueuing took: where it is as long, the GPU waited
    kernels, bytes   of the compiled program, from its text; see `benchmarks.gpu.hlo`
    temporaries      bytes, by the compiler

and one, "copy", for a kernel that negates half a GiB: the bandwidth that can be had.
"""

import argparse
import concurrent.futures
import functools
import itertools
import json
import pathlib
import re
import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax._src import compiler
from jax._src.interpreters import mlir
from jax._src.lib import _jax as extension
from jaxlib.mlir import ir

from benchmarks.gpu import hlo

_ROUNDS = 15
_SETS = 3
_COMPILERS = 8
_COPIED = (128, 1024, 1024)


class Program:
    """A module, compiled for the first device, with inputs of its own.

    Attributes:
      executable: of jax's client.
      arguments: shape and dtype of each, as jax has them.
    """

    def __init__(self, module: bytes):
        device = jax.devices()[0]
        parsed = loaded(module)
        self.arguments = _arguments(parsed)
        options = compiler.get_compile_options(num_replicas=1, num_partitions=1)
        devices = extension.DeviceList((device,))
        self.executable = device.client.compile_and_load(parsed, devices, options)

    def inputs(self, seed: int) -> list[jax.Array]:
        """Random numbers on the device; vectors are near 1, for they scale or are variances."""
        keys = jax.random.split(jax.random.key(seed), len(self.arguments))
        return [_random(key, *one) for key, one in zip(keys, self.arguments, strict=True)]

    def run(self, inputs: list[jax.Array]) -> Any:
        """Enqueues a call; its results can be waited for."""
        return self.executable.execute_sharded(inputs)

    def compiled(self) -> dict[str, int]:
        """What the compiler says."""
        found = hlo.kernels(self.executable.hlo_modules()[0].to_string())
        memory = self.executable.get_compiled_memory_stats()
        return {
            "kernels": len(found),
            "bytes": sum(kernel.bytes for kernel in found),
            "temporaries": memory.temp_size_in_bytes,
        }


def loaded(module: bytes) -> Any:
    """The parsed module, less TensorFlow's `mhlo.copy`, which jax's dialects do not have.

    It donates no inputs to outputs, such as a variable's memory to its new value, since the inputs
    are used for many calls.
    """
    with mlir.make_ir_context():
        parsed = ir.Module.parse(module)
        found = []

        def visit(operation: Any) -> Any:
            if operation.operation.name == "mhlo.copy":
                found.append(operation.operation)
            return ir.WalkResult.ADVANCE

        parsed.operation.walk(visit)
        for copy in found:
            copy.results[0].replace_all_uses_with(copy.operands[0])
            copy.erase()
        if "mhlo.input_output_alias" in parsed.operation.attributes:
            del parsed.operation.attributes["mhlo.input_output_alias"]
    return parsed


def _main(module: Any) -> Any:
    return next(operation for operation in module.body if operation.name.value == "main")


def _arguments(module: Any) -> list[tuple[tuple[int, ...], Any]]:
    with module.context:
        types = [ir.RankedTensorType(kind) for kind in _main(module).type.inputs]
        return [(tuple(kind.shape), mlir_dtype(str(kind.element_type))) for kind in types]


def mlir_dtype(name: str) -> Any:
    """NumPy's dtype of what MLIR calls "f32", "bf16", "i64" or "i1"."""
    match = re.fullmatch(r"(bf|f|ui|i)(\d+)", name)
    if match is None:
        raise ValueError(f"`name` must be one of MLIR's types of numbers. Received: {name!r}")
    letters, bits = match.groups()
    if name == "i1":
        return np.dtype(bool)
    kinds = {"bf": "bfloat", "f": "float", "i": "int", "ui": "uint"}
    return jnp.dtype(f"{kinds[letters]}{bits}")


@functools.partial(jax.jit, static_argnums=(1, 2))
def _random(key: jax.Array, shape: tuple[int, ...], dtype: Any) -> jax.Array:
    if not jnp.issubdtype(dtype, jnp.floating):
        return jnp.zeros(shape, dtype)
    if len(shape) < 2:
        return jax.random.uniform(key, shape, jnp.float32, 0.5, 1.5).astype(dtype)
    return (0.1 * jax.random.normal(key, shape, jnp.float32)).astype(dtype)


def timed(run: Any, sets: list, seconds: float) -> dict[str, float]:
    """Milliseconds of a call, and of enqueuing it; medians over the rounds."""

    def calls(count: int) -> list[float]:
        start = time.perf_counter()
        for _, inputs in zip(range(count), itertools.cycle(sets), strict=False):
            last = run(inputs)
        enqueued = time.perf_counter()
        jax.block_until_ready(_leaves(last))
        return [1e3 * (t - start) / count for t in (time.perf_counter(), enqueued)]

    calls(2 * len(sets))
    count = max(len(sets), int(1e3 * seconds / _ROUNDS / calls(20)[0]))
    both = [calls(count) for _ in range(_ROUNDS)]
    whole, host = (statistics.median(each) for each in zip(*both, strict=True))
    return {"milliseconds": whole, "host": host, "calls": count * _ROUNDS}


def _leaves(result: Any) -> Any:
    if hasattr(result, "disassemble_into_single_device_arrays"):
        return result.disassemble_into_single_device_arrays()
    return result


def copy_row(seconds: float) -> dict:
    """How long a kernel takes that reads and writes each element of a large array once."""
    sets = [_random(jax.random.key(seed), _COPIED, jnp.dtype("float32")) for seed in range(_SETS)]
    shape = "x".join(map(str, _COPIED))
    row: dict[str, Any] = {"layer": "copy", "shape": shape, "dtype": "float32", "pass": "copy"}
    row |= {"kernels": 1, "bytes": 2 * sets[0].nbytes, "temporaries": 0}
    return {**row, **timed(jax.jit(jnp.negative), sets, seconds)}


def layer_row(case: dict, program: Program, seconds: float) -> dict:
    """A module's row."""
    sets = [program.inputs(seed) for seed in range(_SETS)]
    return {**case, **program.compiled(), **timed(program.run, sets, seconds)}


def measure(
    folder: pathlib.Path, only: list[str], seconds: float, record: Callable[[dict], None]
) -> None:
    """Calls record(row) for the copy, and for each module whose name has one of the texts."""
    index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    chosen = {f: case for f, case in index.items() if not only or any(t in f for t in only)}
    record(copy_row(seconds))
    with concurrent.futures.ThreadPoolExecutor(_COMPILERS) as pool:
        programs = {f: pool.submit(Program, (folder / f).read_bytes()) for f in chosen}
        # Nothing is timed while a compiler may still try kernels on the GPU.
        concurrent.futures.wait(programs.values())
    for file, case in chosen.items():
        try:
            record(layer_row(case, programs.pop(file).result(), seconds))
        except jax.errors.JaxRuntimeError as error:
            record({**case, "error": str(error)})


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu.measure", description=__doc__.splitlines()[0]
    )
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--write", type=pathlib.Path, required=True, metavar="FILE")
    parser.add_argument("--seconds", type=float, default=0.3, help="of timing, for each module")
    parser.add_argument("--only", nargs="*", default=[], metavar="TEXT")
    options = parser.parse_args(arguments)
    jax.config.update("jax_enable_x64", True)  # a training step counts in int64
    device = f"{jax.devices()[0].device_kind}, jax {jax.__version__}"
    rows: list[dict] = []

    def record(row: dict) -> None:
        rows.append({"device": device, **row})
        print(json.dumps(row), flush=True)
        options.write.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")

    measure(options.folder, options.only, options.seconds, record)


if __name__ == "__main__":
    main()
