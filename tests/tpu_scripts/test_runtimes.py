"""Accelerator types, and the runtime versions that fit them."""

import pytest

from tpu_scripts import accelerators, runtimes


@pytest.mark.parametrize(
    ("name", "chips", "hosts", "replicas", "runtime"),
    [
        ("v2-8", 4, 1, 8, "tpu-ubuntu2204-base"),
        ("v3-8", 4, 1, 8, "tpu-ubuntu2204-base"),
        ("v3-32", 16, 4, 32, "tpu-vm-tf-2.18.0-pod-pjrt"),
        ("v4-8", 4, 1, 4, "tpu-ubuntu2204-base"),
        ("v4-32", 16, 4, 16, "tpu-vm-tf-2.18.0-pod-pjrt"),
        ("v5litepod-8", 8, 1, 8, "v2-alpha-tpuv5-lite"),
        ("v5e-16", 16, 4, 16, "tpu-vm-tf-2.18.0-pod-pjrt-v5e-and-v6"),
        ("v5p-16", 8, 2, 8, "tpu-vm-tf-2.18.0-pod-pjrt"),
        ("v6e-1", 1, 1, 1, "v2-alpha-tpuv6e"),
    ],
)
def test_types_and_their_runtimes(name, chips, hosts, replicas, runtime):
    """Counted by hand from the tables of each generation's page."""
    accelerator = accelerators.parse_type(name)
    found = (accelerator.chips, accelerator.hosts, accelerator.replicas)
    assert found == (chips, hosts, replicas)
    assert runtimes.runtime_for(accelerator, "2.18.0") == runtime
    runtimes.check_runtime(runtime, accelerator, "2.18.0")


@pytest.mark.parametrize(
    ("name", "chips", "hosts", "replicas"),
    [("v6e-256", 256, 64, 256), ("tpu7x-8", 4, 1, 8), ("tpu7x-128", 64, 16, 128)],
)
def test_types_without_a_runtime(name, chips, hosts, replicas):
    accelerator = accelerators.parse_type(name)
    found = (accelerator.chips, accelerator.hosts, accelerator.replicas)
    assert found == (chips, hosts, replicas)


@pytest.mark.parametrize(
    ("tensorflow", "runtime"),
    [
        ("2.15.1", "tpu-vm-tf-2.15.0-pod-pjrt"),
        ("2.16.2", "tpu-vm-tf-2.16.1-pod-pjrt"),
        ("2.17.1", "tpu-vm-tf-2.17.0-pod-pjrt"),
        ("2.18.1", "tpu-vm-tf-2.18.0-pod-pjrt"),
    ],
)
def test_a_patch_release_gets_the_runtime_that_exists(tensorflow, runtime):
    accelerator = accelerators.parse_type("v3-32")
    assert runtimes.runtime_for(accelerator, tensorflow) == runtime
    runtimes.check_runtime(runtime, accelerator, tensorflow)


@pytest.mark.parametrize(
    "name", ["v3", "v3-", "v3-16", "v9-8", "v4-12", "v5e-12", "tpu7x-4", "v3-08", "-8"]
)
def test_types_that_do_not_exist(name):
    with pytest.raises(ValueError, match=rf"Received: type='{name}'"):
        accelerators.parse_type(name)


@pytest.mark.parametrize(
    ("type_name", "runtime", "message"),
    [
        ("v3-8", "tpu-vm-tf-2.18.0-pjrt", "match the installed TensorFlow 2.20.0"),
        ("v3-8", "tpu-vm-tf-2.20.0-pod-pjrt", "must not have -pod"),
        ("v3-32", "tpu-vm-tf-2.20.0-pjrt", "must have -pod"),
        ("v5e-8", "tpu-vm-tf-2.20.0-se", "name its device API"),
        ("v3-8", "tpu-vm-tf-2.20.0", "name its device API"),
        ("v6e-8", "v2-alpha-tpuv5", "of a v6e must be"),
        ("v3-8", "--version", "of a v3 must be"),
        ("v3-8", "tpu-vm-tf-2.20.0-pjrt-v5e-and-v6", "of a v3 must not be for v5e-and-v6"),
        ("v6e-8", "tpu-vm-tf-2.20.0-pjrt-v5p-and-below", "must not be for v5p-and-below"),
    ],
)
def test_runtimes_that_do_not_match(type_name, runtime, message):
    accelerator = accelerators.parse_type(type_name)
    with pytest.raises(ValueError, match=f"{message}.*Received: runtime='{runtime}'"):
        runtimes.check_runtime(runtime, accelerator, "2.20.0")


@pytest.mark.parametrize(
    ("name", "runtime"),
    [
        ("v6e-8", "v2-alpha-tpuv6e"),
        ("v2-8", "tpu-vm-tf-2.20.1-se"),
        ("v5e-8", "tpu-vm-tf-2.20.0-pjrt-v5e-and-v6"),
        ("v4-8", "tpu-vm-tf-2.20.0-pjrt-v5p-and-below"),
    ],
)
def test_other_runtimes_that_match(name, runtime):
    runtimes.check_runtime(runtime, accelerators.parse_type(name), "2.20.0")


@pytest.mark.parametrize("tensorflow", ["2.14.1", "2.19.0", "2.20.0"])
def test_a_slice_has_no_runtime_for_every_tensorflow(tensorflow):
    with pytest.raises(ValueError, match=rf"v3-32 has 4 hosts.*2\.15 to 2\.18.*{tensorflow}"):
        runtimes.runtime_for(accelerators.parse_type("v3-32"), tensorflow)


def test_no_runtime_trains_on_a_slice_of_v6e():
    with pytest.raises(ValueError, match=r"v6e-16 has 4 hosts.*known for none.*2\.18\.0"):
        runtimes.runtime_for(accelerators.parse_type("v6e-16"), "2.18.0")


@pytest.mark.parametrize(
    ("name", "api", "message"),
    [
        ("tpu7x-8", "compute", r"generation with TensorFlow.*Received: type='tpu7x-8'"),
        ("v6e-16", "compute", r"only --api=tpu has.*type='v6e-16', api='compute'"),
    ],
)
def test_tensorflow_does_not_train_everywhere(name, api, message):
    with pytest.raises(ValueError, match=message):
        runtimes.check_training(accelerators.parse_type(name), api)


@pytest.mark.parametrize(("name", "api"), [("v6e-8", "compute"), ("v3-32", "tpu")])
def test_tensorflow_trains(name, api):
    runtimes.check_training(accelerators.parse_type(name), api)
