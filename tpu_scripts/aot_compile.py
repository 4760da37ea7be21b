"""Compiles a real training step for a TPU generation and topology, on a machine without one.

    python -m tpu_scripts.aot_compile --model=resnet50 --layer=evonorm_s0 --topology=v5e:2x2
    python -m tpu_scripts.aot_compile --model=resnet50 --compare=bn_relu,frn --topology=v4:4x4x4

Forward, backward and optimizer in bfloat16, as the trainers run them, with the all-reduce of
the topology's replicas. Figures are of one replica. Needs the extra `[tpu]`.
"""

import argparse
import json
import sys

from tpu_scripts import compile_only, training_step
from tpu_scripts.aot_report import Report, table

_DEFAULT_BATCH = 128


def compile_step(
    model: str,
    layer: str,
    topology: compile_only.Topology,
    batch: int = _DEFAULT_BATCH,
    image_size: int | None = None,
) -> Report:
    """Compiles one training step.

    Args:
      model: a name in `trainers.engine.networks.NETWORKS`.
      layer: a registered name, or the path of a layer graph's JSON file.
      topology: see `compile_only.parse_topology`.
      batch: images on each replica.
      image_size: side of the images; None for the network's own.

    Raises:
      ValueError: for an unknown name (TrainersError), or a step that the TPU refuses
        (CompilationError).
      ModuleNotFoundError: without the extra `[tpu]`.
    """
    params = training_step.configure(model, layer, image_size)
    step = training_step.lower(params, batch, topology.replicas)
    compiled = compile_only.compile_for(step.stablehlo, topology)
    side = params.task.model.input_size[0]
    return Report(model, layer, topology, batch, side, step.parameters, compiled)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line's options."""
    parser = argparse.ArgumentParser(
        prog="python -m tpu_scripts.aot_compile",
        description="Compile a training step for a TPU that is not there.",
    )
    parser.add_argument("--model", required=True, help="a network, such as resnet50")
    layers = parser.add_mutually_exclusive_group(required=True)
    layers.add_argument("--layer", help="a registered name or a layer graph's JSON file")
    layers.add_argument("--compare", metavar="LAYER,LAYER,...", help="layers side by side")
    parser.add_argument("--topology", required=True, help="such as v5e:2x2 or v4:4x4x4")
    parser.add_argument(
        "--batch", type=_positive, default=_DEFAULT_BATCH, help="images on each replica"
    )
    parser.add_argument("--image_size", type=_positive, help="default: the network's own")
    parser.add_argument("--json", action="store_true", help="one JSON object a layer and line")
    return parser.parse_args(arguments)


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1. Received: {text}")
    return value


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    options = parse(arguments)
    layers = options.compare.split(",") if options.compare else [options.layer]
    reports = []
    try:
        topology = compile_only.parse_topology(options.topology)
        for layer in layers:  # all, before the first takes its minutes
            training_step.configure(options.model, layer, options.image_size)
        for layer in layers:
            report = compile_step(options.model, layer, topology, options.batch, options.image_size)
            if options.json:
                print(json.dumps(report.as_dict()), flush=True)
            reports.append(report)
    except (ValueError, ModuleNotFoundError) as error:
        sys.exit(f"aot_compile: {error}")
    if not options.json:
        print(table(reports))


if __name__ == "__main__":
    main()
