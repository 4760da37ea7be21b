"""Compiles a network's training step for a TPU topology, on a machine without a TPU.

    python -m tpu_scripts.aot_compile --model=resnet50 --layer=evonorm_s0 --topology=v5e:2x2
    python -m tpu_scripts.aot_compile --model=resnet50 --compare=bn_relu,frn --topology=v4:4x4x4
    python -m tpu_scripts.aot_compile --backend=jax --model=resnet50 --layer=frn --topology=v6e:2x2

The step is forward pass, backward pass and optimizer in bfloat16, with the all-reduce over the
topology's replicas: as the trainers run it, or of the same network on Keras's JAX backend. Figures
are those of one replica. It needs the group `tpu`.
"""

import importlib
import json
import sys

from tpu_scripts import aot_options
from tpu_scripts.aot_report import Report, table
from trainers import command

if __name__ == "__main__":
    command.run_parsed("tpu_scripts.aot_compile", aot_options.parse)


def main(arguments: list[str] | None = None) -> None:
    """Prints the figures of all layers. Exits with 1 for a step that does not compile."""
    options = aot_options.parse(arguments)
    reports = []
    try:
        steps = importlib.import_module(aot_options.BACKENDS[options.backend])
        # All are checked first, since a compilation takes minutes.
        configured = [
            steps.configure(options.model, layer, options.image_size) for layer in options.layers
        ]
        for layer, params in zip(options.layers, configured, strict=True):
            compiled, parameters = steps.compile_step(params, options.topology, options.batch)
            figures = (params.task.model.input_size[0], parameters, compiled, options.backend)
            report = Report(options.model, layer, options.topology, options.batch, *figures)
            if options.json:
                print(json.dumps(report.as_dict()), flush=True)
            reports.append(report)
    except (ValueError, ModuleNotFoundError) as error:
        sys.exit(f"aot_compile: {error}")
    if not options.json:
        print(table(reports))
