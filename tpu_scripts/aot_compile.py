"""Compiles a real training step for a TPU generation and topology, on a machine without one.

    python -m tpu_scripts.aot_compile --model=resnet50 --layer=evonorm_s0 --topology=v5e:2x2
    python -m tpu_scripts.aot_compile --model=resnet50 --compare=bn_relu,frn --topology=v4:4x4x4

Forward, backward and optimizer in bfloat16, as the trainers run them, with the all-reduce of
the topology's replicas. Figures are of one replica. Needs the group `tpu`.
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
      ValueError: for an unknown name (TrainersError), or a step that the TPU refuses
        (CompilationError).
      ModuleNotFoundError: without the group `tpu`.
    """
    params = training_step.configure(model, layer, image_size)
    step = training_step.lower(params, batch, topology.replicas)
    compiled = compile_only.compile_for(step.stablehlo, topology)
    side = params.task.model.input_size[0]
    return Report(model, layer, topology, batch, side, step.parameters, compiled)


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    options = aot_options.parse(arguments)
    model, size = options.model, options.image_size
    reports = []
    try:
        for layer in options.layers:  # all, before the first takes its minutes
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
