"""The runtime version of the Cloud TPU API that a TensorFlow needs on an accelerator."""

import importlib.metadata
import re

from tpu_scripts.accelerators import Accelerator

# tpu-vm-tf-2.18.0-pod-pjrt-v5e-and-v6: TensorFlow, several hosts, device API, generations.
_RUNTIME = re.compile(
    r"tpu-vm-tf-(\d+\.\d+)\.\d+(-pod)?(?:-(pjrt|se))?(?:-(v5p-and-below|v5e-and-v6))?"
)
_WITHOUT_TENSORFLOW = {
    **dict.fromkeys(("v2", "v3", "v4"), "tpu-ubuntu2204-base"),
    **{"v5e": "v2-alpha-tpuv5-lite", "v5p": "v2-alpha-tpuv5", "v6e": "v2-alpha-tpuv6e"},
}
# TensorFlow versions for which a runtime for slices, with the device API PJRT, is known to exist,
# and the patch release in its name.
_FOR_SLICES = {"2.15": "2.15.0", "2.16": "2.16.1", "2.17": "2.17.0", "2.18": "2.18.0"}
# Generations whose device API must be PJRT.
_ONLY_PJRT = ("v5e", "v5p", "v6e")
# Generations of the runtimes that name any.
_SUFFIXES, _OLDER = dict.fromkeys(("v5e", "v6e"), "-v5e-and-v6"), "-v5p-and-below"


def installed_tensorflow() -> str:
    """The version of the installed TensorFlow. Raises ValueError if none is installed."""
    for distribution in ("tensorflow", "tensorflow-cpu", "tensorflow-tpu"):
        try:
            return importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            continue
    raise ValueError("TensorFlow is not installed here, so no runtime version matches it")


def runtime_for(accelerator: Accelerator, tensorflow: str = "") -> str:
    """The runtime version that an accelerator gets by default.

    A single host gets the image of its generation without TensorFlow. A slice of several hosts
    needs tpu-vm-tf-x.y.z-pod-pjrt, which runs a server on each host, so that one process reaches
    all chips.

    Args:
      accelerator: the accelerator.
      tensorflow: the TensorFlow version; empty for the installed one.

    Raises:
      ValueError: for a slice, if no such runtime is known for the TensorFlow version.
    """
    generation = accelerator.generation.name
    if accelerator.hosts == 1:
        return _WITHOUT_TENSORFLOW[generation]
    tensorflow = tensorflow or installed_tensorflow()
    minor = _minor(tensorflow)
    if minor not in _FOR_SLICES or generation == "v6e":
        known = "for none" if generation == "v6e" else "only for TensorFlow 2.15 to 2.18"
        raise ValueError(
            f"{accelerator.name} has {accelerator.hosts} hosts, and a runtime for several hosts of "
            f"a {generation} is known {known}: train with one of those (`tf_version`), or name a "
            "`runtime` that `gcloud compute tpus tpu-vm versions list` shows. "
            f"Received: tensorflow={tensorflow}"
        )
    suffix = _SUFFIXES.get(generation, "") if minor == "2.18" else ""
    return f"tpu-vm-tf-{_FOR_SLICES[minor]}-pod-pjrt{suffix}"


def check_runtime(runtime: str, accelerator: Accelerator, tensorflow: str = "") -> None:
    """Checks that a runtime version fits an accelerator and a TensorFlow version.

    The image without TensorFlow fits every accelerator of its generation.

    Args:
      runtime: the runtime version.
      accelerator: the accelerator.
      tensorflow: the TensorFlow version; empty for the installed one.

    Raises:
      ValueError: for a runtime that does not fit; the message names one that does.
    """
    generation = accelerator.generation.name
    base = _WITHOUT_TENSORFLOW[generation]
    if runtime == base:
        return
    tensorflow = tensorflow or installed_tensorflow()
    match = _RUNTIME.fullmatch(runtime)
    pod = "-pod" if accelerator.hosts > 1 else ""
    should_be = f"tpu-vm-tf-{tensorflow}{pod}-pjrt or {base}. Received: runtime={runtime!r}"
    if match is None:
        raise ValueError(f"`runtime` of a {generation} must be {should_be}")
    version, named_pod, device_api, suffix = match.groups()
    if version != _minor(tensorflow):
        raise ValueError(f"`runtime` must match the installed TensorFlow {tensorflow}: {should_be}")
    if bool(named_pod) != bool(pod):
        raise ValueError(
            f"`runtime` of {accelerator.hosts} host(s) must {'not ' * bool(named_pod)}have -pod: "
            f"{should_be}"
        )
    if device_api is None or (generation in _ONLY_PJRT and device_api != "pjrt"):
        raise ValueError(f"`runtime` of a {generation} must name its device API: {should_be}")
    if suffix and suffix != _SUFFIXES.get(generation, _OLDER)[1:]:
        raise ValueError(f"`runtime` of a {generation} must not be for {suffix}: {should_be}")


def is_known_base(runtime: str) -> bool:
    """Whether it is an image without TensorFlow; gcloud's list of runtimes lacks some of them."""
    return runtime in _WITHOUT_TENSORFLOW.values()


def check_training(accelerator: Accelerator, api: str) -> None:
    """Raises ValueError where TensorFlow cannot train: see docs/tpu.md."""
    generation = accelerator.generation
    if not generation.tensorflow:
        raise ValueError(
            f"a training must be on a generation with TensorFlow, which {generation.name} has not: "
            f"Google supports JAX and PyTorch there. Received: type={accelerator.name!r}"
        )
    if api == "compute" and accelerator.hosts > 1:
        raise ValueError(
            "a training on several hosts needs the servers of a runtime tpu-vm-tf-...-pod-pjrt, "
            f"which only --api=tpu has. Received: type={accelerator.name!r}, api={api!r}"
        )


def training_environment(name: str, accelerator: Accelerator, runtime: str) -> dict[str, str]:
    """The environment variables of a training on worker 0.

    A single host trains on its own chips. On several hosts worker 0 coordinates, and must leave
    the chips to the servers that the runtime starts on each host.
    """
    if accelerator.hosts > 1:
        return {"TPU_NAME": name, "TPU_LOAD_LIBRARY": "0"}
    if "-pjrt" not in runtime:
        return {"TPU_NAME": "local"}
    return {
        "TPU_NAME": "local",
        "NEXT_PLUGGABLE_DEVICE_USE_C_API": "true",
        "TF_PLUGGABLE_DEVICE_LIBRARY_PATH": "/lib/libtpu.so",
    }


def _minor(tensorflow: str) -> str:
    return ".".join(tensorflow.split(".")[:2])
