"""Compiles layers' training passes for a GPU that is not there: what the compiler makes of them.

    python -m benchmarks.gpu.compile_only [--gpu h100] [--layers evonorm_s0 ...]
        [--shapes 32x56x56x128] [--dtypes float32 bfloat16] [--passes apart joined] [--write FOLDER]

Needs the group `gpu` (`make install-gpu`), no GPU and no driver. The passes are those of
`benchmarks.gpu.export`, and the table has the compiler's word alone: kernels, array passes (the
bytes of each kernel's operands and results over those of x), and temporaries over the bytes of x.
"""

import argparse
import functools
import itertools
import json
import math
import os
import pathlib
from collections.abc import Iterator
from typing import Any

from benchmarks import contenders
from benchmarks.gpu import export, hlo, targets

_SIZES = {"float32": 4, "bfloat16": 2}


def compile_pass(name: str, shape: str, dtype: str, kind: str, gpu: str) -> dict[str, Any]:
    """The compiler's figures for a layer's training pass.

    Args:
      name: of a contender, see `benchmarks.contenders`.
      shape: of the input, such as "32x56x56x128".
      dtype: of the input, "float32" or "bfloat16".
      kind: "apart" or "joined"; see `benchmarks.gpu.export`.
      gpu: one of `targets.NAMES`.

    Raises:
      ValueError: for another GPU.
      ModuleNotFoundError: without the group `gpu`.
    """
    device = _device(gpu)
    module = export.layer_pass(name, shape, dtype, kind)
    from benchmarks.gpu import measure

    options = measure.compiler.get_compile_options(num_replicas=1, num_partitions=1)
    devices = measure.extension.DeviceList((device,))
    executable = device.client.compile(measure.loaded(module), devices, options)
    found = hlo.kernels(executable.hlo_modules()[0].to_string())
    array = math.prod(map(int, shape.split("x"))) * _SIZES[dtype]
    temporaries = executable.get_compiled_memory_stats().temp_size_in_bytes
    return {
        **{"gpu": gpu, "layer": name, "shape": shape, "dtype": dtype, "pass": kind},
        "kernels": len(found),
        "passes": sum(kernel.bytes for kernel in found) / array,
        "temporaries": temporaries / array,
    }


@functools.cache
def _device(gpu: str) -> Any:
    description = targets.description(gpu)
    try:
        import jax
        import jax_plugins.xla_cuda12  # noqa: F401
        from jax.experimental import topologies
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"compiling for a GPU needs the group gpu: `make install-gpu` ({error})"
        ) from error
    jax.config.update("jax_platforms", "cpu")  # the plugin would look for a driver
    chips = topologies.get_topology_desc(gpu, "cuda", target_config=description, topology="1x1x1")
    return chips.devices[0]


def rows(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """The figures of each case; Keras's BatchNormalization and ReLU come first."""
    for shape, kind, dtype in itertools.product(options.shapes, options.passes, options.dtypes):
        for name in (contenders.RIVAL, *options.layers):
            yield compile_pass(name, shape, dtype, kind, options.gpu)


def table(figures: list[dict[str, Any]]) -> str:
    """In Markdown, a part for each shape and pass."""
    parts = []
    cases = dict.fromkeys((row["gpu"], row["shape"], row["pass"], row["dtype"]) for row in figures)
    for case in cases:
        gpu, shape, kind, dtype = case
        parts.append(f"{gpu}, {shape}, {dtype}, {kind}\n")
        parts.append("| layer | passes | kernels | temporaries |\n| --- | ---: | ---: | ---: |")
        for row in figures:
            if (row["gpu"], row["shape"], row["pass"], row["dtype"]) == case:
                parts.append(
                    f"| {row['layer']} | {row['passes']:.1f} | {row['kernels']} "
                    f"| {row['temporaries']:.1f} |"
                )
        parts.append("")
    return "\n".join(parts)


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu.compile_only", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--gpu", default="h100", choices=targets.NAMES)
    parser.add_argument("--layers", nargs="*", default=list(export.LAYERS))
    parser.add_argument("--shapes", nargs="+", default=["32x56x56x128"])
    parser.add_argument("--dtypes", nargs="+", default=list(_SIZES), choices=_SIZES)
    parser.add_argument("--passes", nargs="+", default=["apart", "joined"])
    parser.add_argument("--write", type=pathlib.Path, metavar="FOLDER")
    options = parser.parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    figures = []
    for row in rows(options):
        figures.append(row)
        print(json.dumps(row), flush=True)
    text = table(figures)
    print(text)
    if options.write:
        (options.write / "gpu_compiled.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
