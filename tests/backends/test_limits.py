"""What a backend refuses, and what it does with unusual inputs."""

import json

import numpy as np
import pytest

from tests.backends.cases import BACKENDS

# In the message of every backend; of those without TensorFlow alone; of PyTorch alone.
EVERYWHERE = {
    "integers": "EvoNormS0 needs floating-point input. Received: int32",
    "mask": "`mask` must have the input's shape without its last axis",
    "rank": "the input must have rank 3, 4 or 5",
    "groups": "ValueError: `groups` must be a positive integer. Received: groups=0",
    "misspelt": "TypeError: EvoNormS0 has no argument `num_groups`: write `groups`",
}
PORTABLE = {
    "convert_model": "ImportError: `evonorm_tf.convert_model` needs Keras with the backend "
    "TensorFlow. Received: the backend '{backend}'",
    "quantizable": "ImportError: `evonorm_tf.quantizable` needs Keras with the backend "
    "TensorFlow. Received: the backend '{backend}'",
    "registered primitive": "ValueError: registered primitives need Keras with the backend "
    "TensorFlow. Received: PLUS_ONE with the backend '{backend}'",
    "primitive layer": "ValueError: registered primitives need Keras with the backend "
    "TensorFlow. Received: PLUS_ONE with the backend '{backend}'",
}
PYTORCH = {
    "synchronized": "`synchronized` must be False in training on PyTorch, where processes do not "
    "share statistics. Received: synchronized=True"
}


@pytest.fixture(scope="module")
def outcomes(workers):
    """By backend, the errors by call and the outputs by input."""
    workers.run("limits", "messages")
    workers.run("limits", "unusual")
    found = {}
    for backend in BACKENDS:
        errors = json.loads((workers.folder / f"messages.{backend}.json").read_text())
        with np.load(workers.folder / f"unusual.{backend}.npz") as file:
            found[backend] = errors, dict(file)
    return found


@pytest.mark.parametrize("backend", BACKENDS)
def test_errors_name_the_rule_and_the_value(outcomes, backend):
    errors, _ = outcomes[backend]
    expected = dict(EVERYWHERE)
    expected |= {} if backend == "tensorflow" else PORTABLE
    expected |= PYTORCH if backend == "torch" else {}
    assert {name for name, error in errors.items() if error} == set(expected)
    for name, message in expected.items():
        assert message.format(backend=backend) in errors[name]


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_empty_batch_keeps_the_moving_average(outcomes, backend):
    _, outputs = outcomes[backend]
    assert outputs["empty batch"].shape == (0, 3, 3, 8)
    np.testing.assert_array_equal(outputs["kept average"], np.zeros(8))


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_unusual_outputs_equal_tensorflows(outcomes, backend):
    _, outputs = outcomes[backend]
    _, expected = outcomes["tensorflow"]
    assert outputs.keys() == expected.keys()
    assert outputs["half"].dtype == np.float16 and np.isfinite(outputs["half"]).all()
    for name, value in expected.items():
        np.testing.assert_allclose(outputs[name], value, rtol=1e-6, atol=1e-6, err_msg=name)
