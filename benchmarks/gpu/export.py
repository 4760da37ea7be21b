"""Writes training passes of layers, and steps of a ResNet-50 stage, as StableHLO for a GPU.

    python -m benchmarks.gpu.export FOLDER [--layers NAME ...] [--shapes 32x56x56x128 ...]
        [--dtypes float32 bfloat16] [--passes apart joined] [--stages stage1] [--stage-layers ...]

Needs TensorFlow and no GPU. FOLDER gets a module for each case, and index.json; then
`benchmarks.gpu.measure` needs jax, a GPU and FOLDER, and no TensorFlow.

A layer's pass has the output, and, from an upstream gradient, the gradients for the input and all
weights. In `apart` the upstream gradient waits for the output, as in a network; in `joined` the
compiler may mix both directions, which no network lets it do. bfloat16 is Keras's mixed policy.
"""

import argparse
import json
import os
import pathlib
from collections.abc import Iterator

from benchmarks import contenders

LAYERS = (
    "bn_relu",
    "gn_relu",
    *(f"evonorm_{name}" for name in ("b0", "b1", "b2", "s0", "s1", "s2")),
)
_SHAPES = ("32x56x56x128", "128x56x56x256", "128x14x14x1024")
_DTYPES = ("float32", "bfloat16")
_PASSES = ("apart", "joined")
_STAGE_LAYERS = ("bn_relu", "evonorm_b0", "evonorm_s0")


def layer_pass(name: str, shape: str, dtype: str, kind: str) -> bytes:
    """The StableHLO of a layer's training pass.

    Args:
      name: of a contender, see `benchmarks.contenders`.
      shape: of the input, such as "32x56x56x128".
      dtype: of the input; under bfloat16 weights and statistics are float32.
      kind: "apart" or "joined".
    """
    import tensorflow as tf

    from evonorm_tf.numerics import devices
    from evonorm_tf.xla import internals

    spec = tf.TensorSpec([int(size) for size in shape.split("x")], dtype)
    layer = contenders.layer_of(name, dtype)
    layer.build(spec.shape)

    def run(x, upstream):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True)
        output = y
        if kind == "apart":
            upstream, output = internals.optimization_barrier([upstream, y])
        sources = [x, *layer.trainable_weights]
        gradients = tape.gradient(y, sources, upstream, unconnected_gradients="zero")
        return [*gradients, output]

    with devices.for_accelerator("GPU"):
        function = tf.function(run, autograph=False, jit_compile=True)
        lower = function.experimental_get_compiler_ir(spec, spec)
    return lower(stage="stablehlo_serialized", platform_name="CPU")


def stage_step(stage: str, name: str, dtype: str) -> bytes:
    """The StableHLO of a training step of a ResNet-50 stage; see `benchmarks.tpu_stage`."""
    from benchmarks import tpu_stage

    return tpu_stage.lowered(stage, name.replace(" ", "_"), dtype).stablehlo


def modules(options: argparse.Namespace) -> Iterator[tuple[dict, bytes]]:
    """Each case, and its module."""
    for shape in options.shapes:
        for dtype in options.dtypes:
            for kind in options.passes:
                for name in (contenders.RIVAL, contenders.GROUP_RIVAL, *options.layers):
                    case = {"layer": name, "shape": shape, "dtype": dtype, "pass": kind}
                    yield case, layer_pass(name, shape, dtype, kind)
    for stage in options.stages:
        for dtype in options.dtypes:
            for name in (contenders.RIVAL, *options.stage_layers):
                case = {"layer": name, "shape": stage, "dtype": dtype, "pass": "step"}
                yield case, stage_step(stage, name, dtype)


def write(folder: pathlib.Path, cases: Iterator[tuple[dict, bytes]]) -> None:
    """A file for each module, and the index of all that the folder has."""
    folder.mkdir(parents=True, exist_ok=True)
    index = folder / "index.json"
    known = json.loads(index.read_text(encoding="utf-8")) if index.exists() else {}
    for case, module in cases:
        file = "-".join(case.values()).replace(" ", "_") + ".mlirbc"
        (folder / file).write_bytes(module)
        known[file] = case
        index.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
        print(file, flush=True)


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu.export", description=__doc__.splitlines()[0]
    )
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--layers", nargs="*", default=list(LAYERS))
    parser.add_argument("--shapes", nargs="*", default=list(_SHAPES))
    parser.add_argument("--dtypes", nargs="+", default=list(_DTYPES), choices=_DTYPES)
    parser.add_argument("--passes", nargs="+", default=list(_PASSES), choices=_PASSES)
    parser.add_argument("--stages", nargs="*", default=["stage1"])
    parser.add_argument("--stage-layers", nargs="*", default=list(_STAGE_LAYERS))
    options = parser.parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    write(options.folder, modules(options))


if __name__ == "__main__":
    main()
