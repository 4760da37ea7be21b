"""timm's EvoNorm weights in our network: every weight in its place, and the same logits."""

import importlib.util
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import save_file

from tests.trainers.models.timm_state import images, resnetv2_50d_evos_state
from trainers.models import import_timm

NUM_CLASSES = 4
# What timm 1.0.31 computes with the made-up state for `images()`.
TIMM_LOGITS = [
    [-0.507207, -0.13715, 0.9362788, 0.1236287],
    [-0.4842994, -0.1078767, 0.8004783, -0.1026774],
]


@pytest.fixture(scope="module")
def state():
    return resnetv2_50d_evos_state(NUM_CLASSES)


@pytest.fixture(scope="module")
def checkpoint(state, tmp_path_factory):
    path = tmp_path_factory.mktemp("timm") / "resnetv2_50d_evos.safetensors"
    save_file(state, path)
    return str(path)


@pytest.fixture(scope="module")
def model(checkpoint):
    return import_timm.import_timm(checkpoint)


@pytest.mark.slow
def test_the_logits_are_those_of_timm(model):
    np.testing.assert_allclose(model(images()).numpy(), TIMM_LOGITS, rtol=1e-4, atol=1e-5)


def test_every_weight_has_its_place(model, state):
    assert model.count_params() == sum(value.size for value in state.values())
    conv = state["stages.1.blocks.0.conv2.weight"]
    kernel = model.get_layer("stage2_block1_conv2").kernel.numpy()
    np.testing.assert_array_equal(kernel, conv.transpose(2, 3, 1, 0))
    norm = model.get_layer("stage2_block1_norm_act3")
    for theirs, ours in {"weight": "gamma", "bias": "beta", "v": "v"}.items():
        expected = state[f"stages.1.blocks.0.norm3.{theirs}"]
        np.testing.assert_array_equal(getattr(norm, ours).numpy(), expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("norm.v"), "Missing: final_norm_act/v"),
        (lambda s: s.update({"norm.running_var": np.ones(3)}), "Unknown: norm.running_var"),
        (lambda s: s.update({"norm.v": np.ones(3)}), r"norm.v .* \(2048,\).*Received: \(3,\)"),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(model, state, change, message):
    state = dict(state)
    change(state)
    before = [weight.numpy() for weight in model.weights]
    with pytest.raises(ValueError, match=message):
        import_timm.assign_state(model, state)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.weights, strict=True))


def test_another_architecture_is_an_error(tmp_path):
    path = str(tmp_path / "regnetz_c16_evos.safetensors")
    save_file({"stem.conv.weight": np.zeros((3, 3), "float32")}, path)
    with pytest.raises(ValueError, match=r"resnetv2_50d_evos.*stem\.conv\.weight"):
        import_timm.import_timm(path)


def test_another_kind_of_file_is_an_error():
    with pytest.raises(ValueError, match=r"path='weights\.npz'"):
        import_timm.read_state("weights.npz")


@pytest.mark.slow
def test_the_command(checkpoint, tmp_path):
    output = str(tmp_path / "model.keras")
    import_timm.main([checkpoint, output])
    reloaded = tf.keras.models.load_model(output)
    np.testing.assert_allclose(reloaded(images()).numpy(), TIMM_LOGITS, rtol=1e-4, atol=1e-5)


# In a process of its own: torchvision and TensorFlow do not always load side by side.
_TIMM = """
import sys
import numpy as np
import timm
import torch

pixels, checkpoint, logits = sys.argv[1:]
torch.manual_seed(0)
model = timm.create_model("resnetv2_50d_evos", num_classes=4).eval()
with torch.no_grad():
    for parameter in model.parameters():
        if parameter.ndim == 1:
            parameter.uniform_(0.5, 1.5)
    images = torch.from_numpy(np.load(pixels).transpose(0, 3, 1, 2).copy())
    np.save(logits, model(images).numpy())
torch.save(model.state_dict(), checkpoint)
"""


@pytest.mark.slow
def test_against_timm_itself(tmp_path):
    if not all(map(importlib.util.find_spec, ("torch", "timm"))):
        pytest.skip("needs torch and timm")
    paths = [str(tmp_path / name) for name in ("pixels.npy", "checkpoint.pth", "logits.npy")]
    np.save(paths[0], images())
    subprocess.run([sys.executable, "-c", _TIMM, *paths], check=True)
    actual = import_timm.import_timm(paths[1])(images()).numpy()
    np.testing.assert_allclose(actual, np.load(paths[2]), rtol=1e-4, atol=1e-5)
