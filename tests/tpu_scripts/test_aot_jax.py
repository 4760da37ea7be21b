"""Steps on Keras's JAX backend: their numbers are those of the trainers, and they compile."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

pytest.importorskip("libtpu", reason="needs the group tpu: make test-tpu")
from tests.tiers import tiered
from tpu_scripts import training_step
from trainers.classification.task import ClassificationTask
from trainers.models import summary
from trainers.models.classifiers import CLASSIFIERS

NETWORK = "resnet_small"
FIGURES = f"--model={NETWORK} --layer=evonorm_s0 --batch=4 --json"


def python(*arguments):
    """The output of a process that has not chosen a Keras yet."""
    free = {key: value for key, value in os.environ.items() if key != "TF_USE_LEGACY_KERAS"}
    command = [sys.executable, "-m", *arguments]
    done = subprocess.run(command, env=free, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def worker(tmp_path_factory):
    """The folder that `jax_worker` has written."""
    folder = tmp_path_factory.mktemp("jax")
    python("tests.tpu_scripts.jax_worker", str(folder))
    return folder


def trained(layer, found):
    """Losses and variables of the trainers' task from the same variables, by Keras 2's SGD."""
    params = training_step.configure(NETWORK, layer)
    task = ClassificationTask(params.task)
    model = task.build_model()
    for variable in model.variables:
        variable.assign(found[f"before/{path(variable)}"])
    sgd = params.trainer.optimizer_config.optimizer.sgd
    optimizer = tf.keras.optimizers.SGD(momentum=sgd.momentum, nesterov=sgd.nesterov)
    losses = []
    for images, labels in zip(found["images"], found["labels"], strict=True):
        batch = (tf.constant(images), tf.constant(labels), tf.ones([len(labels)]))
        losses.append(task.train_step(batch, model, optimizer)[task.loss])
    return losses, {path(variable): variable.numpy() for variable in model.variables}


def path(variable):
    return variable.name.partition(":")[0]


@pytest.mark.parametrize("layer", ["bn_relu", "evonorm_s0"])
def test_two_steps_are_those_of_the_trainers(worker, layer):
    found = np.load(worker / f"{layer}.npz")
    losses, variables = trained(layer, found)
    np.testing.assert_allclose(found["losses"], losses, rtol=1e-5)
    assert len(variables) == sum(name.startswith("after/") for name in found)
    for name, value in variables.items():
        before, after = found[f"before/{name}"], found[f"after/{name}"]
        change = np.abs(value - before).max()
        assert change > 0, name
        np.testing.assert_allclose(after, value, atol=1e-4 * change, rtol=1e-6, err_msg=name)


def test_a_network_that_is_not_trained_with_sgd_is_refused(worker):
    assert "Received: efficientnet_b0, which is trained with rmsprop" in (
        worker / "refused.txt"
    ).read_text(encoding="utf-8")


@pytest.mark.parametrize("topology", tiered(["v6e:2x2", "tpu7x:2x2x1"], slow=["v6e:2x2"]))
def test_step_compiles(topology):
    options = f"--backend=jax {FIGURES} --topology={topology}".split()
    figures = json.loads(python("tpu_scripts.aot_compile", *options))
    assert (figures["backend"], figures["model"]) == ("jax", NETWORK)
    builder, arguments = CLASSIFIERS[NETWORK]
    side = figures["image_size"]
    model = builder(**arguments, norm_act="evonorm_s0", input_shape=(side, side, 1), num_classes=10)
    assert figures["parameters"] == sum(int(tf.size(v)) for v in model.trainable_variables)
    # Each replica has all variables with their momentum, and its own images and labels.
    variables, batch = 2 * 4 * figures["parameters"], figures["batch_per_replica"]
    assert figures["argument_bytes"] >= variables + 4 * batch * (side**2 + 1)
    assert figures["aliased_bytes"] >= variables
    # A forward pass and two backward products of its own images alone, a flop each in + and in x.
    products = 3 * 2 * batch * summary.multiply_adds(model)
    assert 0.8 * products < figures["flops"] < 1.6 * products
    assert figures["temporary_bytes"] > 0
