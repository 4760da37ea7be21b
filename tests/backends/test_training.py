"""Training of one network on every backend, from the same file."""

import json

import numpy as np
import pytest

from tests.backends.cases import BACKENDS


@pytest.fixture(scope="module")
def trained(workers):
    """By backend, the losses and the arrays after training."""
    workers.run("network", "create", ["torch"])
    workers.run("network", "train")
    found = {}
    for backend in BACKENDS:
        record = json.loads((workers.folder / f"network.{backend}.json").read_text())
        with np.load(workers.folder / f"network.{backend}.npz") as file:
            found[backend] = record, dict(file)
    return found


def test_the_step_is_compiled_on_jax(trained):
    assert trained["jax"][0]["jit"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_loss_falls_and_averages_move(trained, backend):
    record, arrays = trained[backend]
    assert record["loss"][-1] < 0.6 * record["loss"][0]
    assert record["evaluated"]["accuracy"] > 0.9
    untouched = [name for name, value in arrays.items() if np.all(value == 1.0)]
    assert not untouched


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_training_is_that_of_tensorflow(trained, backend):
    record, arrays = trained[backend]
    expected, expected_arrays = trained["tensorflow"]
    np.testing.assert_allclose(record["loss"], expected["loss"], rtol=1e-4)
    assert record["evaluated"]["loss"] == pytest.approx(expected["evaluated"]["loss"], rel=1e-4)
    assert arrays.keys() == expected_arrays.keys()
    for name, value in expected_arrays.items():
        # A beta before a batch norm has no gradient but rounding errors.
        tolerance = 1e-4 * np.abs(value).max() + 1e-7
        np.testing.assert_allclose(arrays[name], value, rtol=0, atol=tolerance, err_msg=name)


def test_two_devices_of_jax_take_statistics_of_the_whole_batch(workers):
    workers.run("network", "distribute", ["jax"])
    with np.load(workers.folder / "distributed.npz") as file:
        images, moving = file["images"], file["moving"]
    np.testing.assert_allclose(moving, images.var(axis=(0, 1, 2)), rtol=1e-5)
    halves = [half.var(axis=(0, 1, 2)) for half in np.split(images, 2)]
    assert np.all(np.abs(moving - np.mean(halves, axis=0)) > 1.0)


def test_the_example_of_the_page(workers):
    workers.run("page", "run", ["jax"])
    assert (workers.folder / "model.keras").exists()
