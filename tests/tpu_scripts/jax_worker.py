"""In a process whose Keras runs on JAX: two steps of a network on a CPU, and what is refused.

    python -m tests.tpu_scripts.jax_worker FOLDER

FOLDER/LAYER.npz gets images and labels, the variables before them and after, and the losses;
FOLDER/refused.txt the error for a network that is not trained with SGD.
"""

import pathlib
import sys

from tpu_scripts import jax_step

# isort: split
import jax
import numpy as np

STEPS, BATCH = 2, 4
NETWORK, LAYERS = "resnet_small", ("bn_relu", "evonorm_s0")


def data(image_shape):
    """Pixels from 0 to 255 and labels, of all steps."""
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 255, (STEPS, BATCH, *image_shape)).astype(np.float32)
    return images, rng.integers(0, 10, (STEPS, BATCH)).astype(np.int32)


def train(layer):
    params = jax_step.configure(NETWORK, layer)
    params.runtime.mixed_precision_dtype = "float32"
    step = jax_step.build(params)
    variables = [*step.model.trainable_variables, *step.model.non_trainable_variables]
    before = {f"before/{variable.path}": variable.value for variable in variables}
    all_images, all_labels = data(params.task.model.input_size)
    state, losses = step.state, []
    for images, labels in zip(all_images, all_labels, strict=True):
        state, loss = jax.jit(step.run)(state, images, labels)
        losses.append(loss)
    values = zip(variables, [*state[0], *state[1]], strict=True)
    after = {f"after/{variable.path}": value for variable, value in values}
    return {**before, **after, "losses": losses, "images": all_images, "labels": all_labels}


def main(folder):
    for layer in LAYERS:
        np.savez(folder / f"{layer}.npz", **train(layer))
    try:
        jax_step.configure("efficientnet_b0", "evonorm_s0")
    except ValueError as error:
        (folder / "refused.txt").write_text(str(error), encoding="utf-8")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
