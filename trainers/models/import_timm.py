"""Loads timm's pretrained EvoNorm weights into the matching network.

    python -m trainers.models.import_timm resnetv2_50d_evos.safetensors model.keras

The network of `resnetv2_50d_evos` is `resnet("50d", "evonorm_s0")` with version 2. timm's
EvoNorm-S0 is the same function: epsilon 1e-5 inside the root, biased group variance, 32
groups. Its B0 differs (epsilon 1e-3, and an unbiased moving variance), but timm publishes no
B0 weights. Inputs are RGB images in [0, 1] minus 0.5, divided by 0.5, with channels last.
"""

import pathlib
import re
from collections.abc import Iterable, Mapping

from trainers import command
from trainers.models import options

if __name__ == "__main__":
    command.run_parsed("trainers.models.import_timm", options.import_timm)

import numpy as np
import tensorflow as tf

from trainers.models.resnet import resnet

ARCHITECTURES = ("resnetv2_50d_evos",)
_NORM_WEIGHTS = {"weight": "gamma", "bias": "beta", "v": "v"}


def import_timm(path: str, input_shape: tuple[int | None, ...] = (None, None, 3)) -> tf.keras.Model:
    """The network of a timm checkpoint, with its weights.

    Args:
      path: of a `.safetensors` file, or of a `.pth` file, which needs torch to read.
      input_shape: of the network, without the batch.

    Raises:
      ValueError: for a file of another kind or another architecture, naming the weights
        that are missing, unknown or of another shape.
    """
    state = read_state(path)
    if "stem.conv1.weight" not in state or "stages.0.blocks.0.norm1.v" not in state:
        raise ValueError(
            f"`path` must hold weights of {' or '.join(ARCHITECTURES)}, the timm architectures "
            f"with EvoNorm that exist here. Received: {path}, with {_some(state)}"
        )
    num_classes = state["head.fc.bias"].shape[0] if "head.fc.bias" in state else 1000
    model = resnet("50d", "evonorm_s0", input_shape=input_shape, num_classes=num_classes)
    assign_state(model, state)
    return model


def read_state(path: str) -> dict[str, np.ndarray]:
    """The arrays of a checkpoint by name. Raises ValueError for a file of another kind."""
    suffix = pathlib.Path(path).suffix
    if suffix == ".safetensors":
        from safetensors.numpy import load_file

        return load_file(path)
    if suffix in (".pth", ".pt"):
        import torch

        state = torch.load(path, map_location="cpu", weights_only=True)
        state = state.get("state_dict", state)
        return {name: tensor.float().numpy() for name, tensor in state.items()}
    raise ValueError(f"`path` must end in .safetensors, .pth or .pt. Received: path={path!r}")


def assign_state(model: tf.keras.Model, state: Mapping[str, np.ndarray]) -> None:
    """Assigns timm's weights to a network, all of them or none.

    Raises:
      ValueError: when a weight is missing, unknown or of another shape.
    """
    names_in_state = {_layer_and_weight(name): name for name in state}
    values, missing = [], []
    for layer in model.layers:
        for variable in layer.weights:
            weight = variable.name.rsplit("/", 1)[-1].split(":")[0]
            name = names_in_state.pop((layer.name, weight), None)
            if name is None:
                missing.append(f"{layer.name}/{weight}")
                continue
            values.append((variable, _keras_layout(layer, state[name]), name))
    if missing or names_in_state:
        raise ValueError(
            f"the checkpoint must have each weight of {model.name} and no other. Missing: "
            f"{_some(missing)}. Unknown: {_some(names_in_state.values())}"
        )
    for variable, value, name in values:
        if tuple(variable.shape) != value.shape:
            raise ValueError(
                f"{name} must have the shape {tuple(variable.shape)} here. Received: {value.shape}"
            )
    for variable, value, _ in values:
        variable.assign(value)


def _keras_layout(layer: tf.keras.layers.Layer, value: np.ndarray) -> np.ndarray:
    """PyTorch's (out, in, height, width) as (height, width, in, out)."""
    if value.ndim != 4:
        return value
    if isinstance(layer, tf.keras.layers.Dense):
        return value[:, :, 0, 0].T
    return value.transpose(2, 3, 1, 0)


def _layer_and_weight(name: str) -> tuple[str, str]:
    """Our layer and weight for the name of a weight in timm's ResNetV2."""
    module, _, weight = name.rpartition(".")
    module = re.sub(
        r"^stages\.(\d+)\.blocks\.(\d+)\.",
        lambda match: f"stage{int(match[1]) + 1}_block{int(match[2]) + 1}_",
        module,
    )
    module = module.replace("downsample.conv", "shortcut_conv").replace("stem.", "stem_")
    if module == "head.fc":
        return "logits", {"weight": "kernel", "bias": "bias"}.get(weight, weight)
    if module == "norm":
        return "final_norm_act", _NORM_WEIGHTS.get(weight, weight)
    if re.search(r"norm\d$", module):
        return re.sub(r"norm(\d)$", r"norm_act\1", module), _NORM_WEIGHTS.get(weight, weight)
    return module, "kernel" if weight == "weight" else weight


def _some(names: Iterable[str]) -> str:
    names = sorted(names)
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "") or "-"


def main(arguments: list[str] | None = None) -> None:
    """The command line: a checkpoint in, a `.keras` file out."""
    chosen = options.import_timm(arguments)
    import_timm(chosen.checkpoint).save(chosen.output)
