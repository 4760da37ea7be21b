"""HBM temporaries and bytes accessed of a ResNet-50 stage's training step, over BN-ReLU's.

    python -m benchmarks.tpu_stage [--layers evonorm_s0 ...] [--topologies v5e:1x1 ...] [--write]

A stage's three bottleneck blocks, from a 3x3 convolution to logits, are trained in bfloat16 on
64 images; libtpu compiles the step for TPUs that are not there (group `tpu`) and reports the
figures. The rival is Keras's BatchNormalization, followed by ReLU, in the same network and run.
--write keeps the figures in benchmarks/tpu_stage.json and the table in tpu_stage.md, and leaves
those of other stages and TPUs in both.
"""

import argparse
import json
import pathlib

from tpu_scripts import compile_only, training_step

# isort: split
import tensorflow as tf

from evonorm_tf.factory import NormAct
from trainers.classification.task import ClassificationTask
from trainers.models.resnet import ResNetSpec, resnet

_RIVAL = "keras_bn_relu"
_LAYERS = ("bn_relu", "evonorm_b0", "evonorm_s0")
_TOPOLOGIES = ("v5e:1x1",)
_BATCH = 64
# Side of the maps and filters of the 3x3 convolutions, of ResNet-50's first and third stage.
_STAGES = {"stage1": (56, 64), "stage3": (14, 256)}
_TITLE = (
    "HBM temporaries and bytes accessed of a ResNet-50 stage in training, bfloat16, 64 images,\n"
    "over Keras's BatchNormalization and ReLU there: `python -m benchmarks.tpu_stage --write`."
)
_RECORD = pathlib.Path(__file__).with_suffix("")


class StageTask(ClassificationTask):
    """Trains one stage on maps that have its own number of channels."""

    norm_act: NormAct = "bn_relu"
    filters = 0

    def build_model(self) -> tf.keras.Model:
        """The stage, stem and classifier included."""
        side, _, channels = self.task_config.model.input_size
        spec = ResNetSpec((3,), filters=(self.filters,), stem="conv3")
        return resnet(spec, self.norm_act, input_shape=(side, side, channels))


def _keras_bn_relu(nonlinearity: bool, name: str) -> tf.keras.layers.Layer:
    norm = tf.keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5)
    activation = [tf.keras.layers.ReLU()] if nonlinearity else []
    return tf.keras.Sequential([norm, *activation], name=name)


def lowered(stage: str, layer: str, dtype: str = "bfloat16") -> training_step.TrainingStep:
    """One step's program."""
    side, filters = _STAGES[stage]
    params = training_step.configure("resnet50", "bn_relu", side)
    params.runtime.mixed_precision_dtype = dtype
    model = params.task.model
    channels = filters if stage == "stage1" else 4 * filters
    model.input_size = [side, side, channels]
    model.mean, model.stddev = [0.0] * channels, [1.0] * channels
    task = StageTask(params.task)
    task.norm_act = _keras_bn_relu if layer == _RIVAL else layer
    task.filters = filters
    return training_step.lower(params, _BATCH, task=task)


def measure(stage: str, layer: str, topology: str) -> dict:
    """The compiler's figures for one step, in bytes."""
    step = lowered(stage, layer)
    compiled = compile_only.compile_for(step.stablehlo, compile_only.parse_topology(topology))
    return {
        "stage": stage,
        "layer": layer,
        "topology": topology,
        "temporary_bytes": compiled.temporaries,
        "bytes_accessed": compiled.bytes_accessed,
        "flops": compiled.flops,
        "compile_seconds": round(compiled.seconds, 1),
    }


def table(rows: list[dict]) -> str:
    """In Markdown: MB and ratios to the rival of the same stage and topology."""
    rivals = {(r["stage"], r["topology"]): r for r in rows if r["layer"] == _RIVAL}
    lines = [
        "| stage | TPU | layer | temporaries (MB) | over rival | accessed (MB) | over rival |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        rival = rivals[row["stage"], row["topology"]]
        cells = [row["stage"], row["topology"].partition(":")[0], row["layer"]]
        for figure in ("temporary_bytes", "bytes_accessed"):
            cells += [f"{row[figure] / 1e6:,.0f}", f"{row[figure] / rival[figure]:.2f}x"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.tpu_stage", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--layers", nargs="+", default=list(_LAYERS))
    parser.add_argument("--topologies", nargs="+", default=list(_TOPOLOGIES))
    parser.add_argument("--stages", nargs="+", default=list(_STAGES), choices=_STAGES)
    parser.add_argument("--write", action="store_true", help="keep figures and table")
    options = parser.parse_args(arguments)
    rows = []
    for stage in options.stages:
        for topology in options.topologies:
            for layer in (_RIVAL, *options.layers):
                rows.append(measure(stage, layer, topology))
                print(json.dumps(rows[-1]), flush=True)
    print(table(rows))
    if options.write:
        write(rows)


def write(rows: list[dict]) -> None:
    """Adds the rows to the record, in place of those of the same stage and TPU."""
    record = _RECORD.with_suffix(".json")
    measured = {(row["stage"], row["topology"]) for row in rows}
    before = json.loads(record.read_text()) if record.exists() else []
    rows = [row for row in before if (row["stage"], row["topology"]) not in measured] + rows
    record.write_text(json.dumps(rows, indent=1) + "\n")
    _RECORD.with_suffix(".md").write_text(f"{_TITLE}\n\n{table(rows)}\n")


if __name__ == "__main__":
    main()
