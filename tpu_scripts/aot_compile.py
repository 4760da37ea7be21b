"""Compiles the trainers' training step for a TPU topology, on a machine without a TPU.

    python -m tpu_scripts.aot_compile --model=resnet50 --layer=evonorm_s0 --topology=v5e:2x2
    python -m tpu_scripts.aot_compile --model=resnet50 --compare=bn_relu,frn --topology=v4:4x4x4

The step is forward pass, backward pass and optimizer in bfloat16, as the trainers run them, with
the all-reduce over the topology's replicas. Figures are those of one replica. It needs the group
`tpu`.
"""

import json
import sys

from tpu_scripts import aot_options, compile_only
from trainers import command

if __name__ == "__main__":
    command.run_parsed("tpu_scripts.aot_compile", aot_options.parse)

from tpu_scripts import training_step
from tpu_scripts.aot_report import Report, table


def compile_step(
    model: str,
    layer: str,
    topology: compile_only.Topology,
    batch: int = aot_options.DEFAULT_BATCH,
    image_size: int | None = None,
) -> Report:
    """Compiles one training step.

    Args:
      model: a name in `trainers.models.classifiers.CLASSIFIERS`.
      layer: a registered name, or the path of a layer graph's JSON file.
      topology: see `compile_only.parse_topology`.
      batch: images on each replica.
      image_size: side of the images; None for the network's own.

    Raises:
      ValueError: for an unknown name (TrainersError), or a step that cannot run on the TPU
        (CompilationError).
      ModuleNotFoundError: without the group `tpu`.
    """
    params = training_step.configure(model, layer, image_size)
    step = training_step.lower(params, batch, topology.replicas)
    compiled = compile_only.compile_for(step.stablehlo, topology)
    side = params.task.model.input_size[0]
    return Report(model, layer, topology, batch, side, step.parameters, compiled)


def main(arguments: list[str] | None = None) -> None:
    """Prints the figures of all layers. Exits with 1 for a step that does not compile."""
    options = aot_options.parse(arguments)
    model, size = options.model, options.image_size
    reports = []
    try:
        for layer in options.layers:  # all are checked first, since a compilation takes minutes
            training_step.configure(model, layer, size)
        for layer in options.layers:
            report = compile_step(model, layer, options.topology, options.batch, size)
            if options.json:
                print(json.dumps(report.as_dict()), flush=True)
            reports.append(report)
    except (ValueError, ModuleNotFoundError) as error:
        sys.exit(f"aot_compile: {error}")
    if not options.json:
        print(table(reports))
