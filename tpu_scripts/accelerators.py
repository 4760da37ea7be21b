"""Accelerator types, and the runtime version that a TensorFlow needs on each of them."""

import dataclasses
import importlib.metadata
import re

from tpu_scripts.generations import GENERATIONS, Generation

_PREFIXES = {generation.prefix: generation for generation in GENERATIONS.values()}
_PREFIXES["v5e"] = GENERATIONS["v5e"]  # as people call what the API calls v5litepod
# Sizes of pod slices. v4 and v5p allow every multiple of a host's cores, and are not listed.
_SLICES = {
    "v2": (32, 128, 256, 512),
    "v3": (32, 64, 128, 256, 512, 1024, 2048),
    "v5e": (16, 32, 64, 128, 256),
    "v6e": (16, 32, 64, 128, 256),
}
_RUNTIME = re.compile(r"tpu-vm-tf-(\d+\.\d+)\.\d+(-pod)?(?:-(pjrt|se))?")
_WITHOUT_TENSORFLOW = {
    **dict.fromkeys(("v2", "v3", "v4"), "tpu-ubuntu2204-base"),
    **{"v5e": "v2-alpha-tpuv5-lite", "v5p": "v2-alpha-tpuv5", "v6e": "v2-alpha-tpuv6e"},
}
# TensorFlow versions for which a runtime for slices, with the device API PJRT, is known to exist.
_FIRST_FOR_SLICES, _LAST_FOR_SLICES = (2, 15), (2, 18)
# Generations whose device API must be PJRT.
_ONLY_PJRT = ("v5e", "v5p", "v6e")


@dataclasses.dataclass(frozen=True)
class Accelerator:
    """An accelerator type such as "v3-8", with the chips and hosts that it has."""

    name: str
    generation: Generation
    chips: int
    hosts: int

    @property
    def replicas(self) -> int:
        """The number of replicas on which TensorFlow trains."""
        return self.chips * self.generation.replicas_per_chip


def parse_type(name: str) -> Accelerator:
    """Parses the name of an accelerator type. Raises ValueError for one that does not exist."""
    prefix, _, size = name.partition("-")
    generation = _PREFIXES.get(prefix)
    if generation is None or not re.fullmatch(r"[1-9]\d*", size):
        raise ValueError(
            f"`type` must be one of {', '.join(_PREFIXES)}, a hyphen and a size, such as v3-8. "
            f"Received: type={name!r}"
        )
    per_chip = generation.cores_per_chip if generation.type_counts == "cores" else 1
    single = [chips * per_chip for chips in generation.single_host_chips]
    per_host = generation.chips_per_host * per_chip
    if generation.name in _SLICES:
        allowed = int(size) in (*single, *_SLICES[generation.name])
        rule = f"one of {', '.join(map(str, (*single, *_SLICES[generation.name])))}"
    else:
        allowed, rule = int(size) % per_host == 0, f"a multiple of {per_host}"
    if not allowed:
        raise ValueError(f"the size of a {prefix} must be {rule}. Received: type={name!r}")
    hosts = 1 if int(size) in single else int(size) // per_host
    return Accelerator(f"{generation.prefix}-{size}", generation, int(size) // per_chip, hosts)


def installed_tensorflow() -> str:
    """The version of the installed TensorFlow. Raises ValueError if none is installed."""
    for distribution in ("tensorflow", "tensorflow-cpu", "tensorflow-tpu"):
        try:
            return importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            continue
    raise ValueError("TensorFlow is not installed here, so no runtime version matches it")


def runtime_for(accelerator: Accelerator, tensorflow: str) -> str:
    """The runtime version that an accelerator gets by default.

    A single host gets the image of its generation without TensorFlow. A slice of several hosts
    needs tpu-vm-tf-x.y.z-pod-pjrt, which runs a server on each host, so that one process reaches
    all chips.

    Raises:
      ValueError: for a slice, if no such runtime is known for the TensorFlow version.
    """
    if accelerator.hosts == 1:
        return _WITHOUT_TENSORFLOW[accelerator.generation.name]
    minor = tuple(int(part) for part in tensorflow.split(".")[:2])
    if not _FIRST_FOR_SLICES <= minor <= _LAST_FOR_SLICES:
        raise ValueError(
            f"{accelerator.name} has {accelerator.hosts} hosts, and a runtime for several hosts is "
            "known only for TensorFlow 2.15 to 2.18: train with one of those (`tf_version`), or "
            "name a `runtime` that `gcloud compute tpus tpu-vm versions list` shows. "
            f"Received: tensorflow={tensorflow}"
        )
    return f"tpu-vm-tf-{tensorflow}-pod-pjrt"


def check_runtime(runtime: str, accelerator: Accelerator, tensorflow: str) -> None:
    """Checks that a runtime version fits an accelerator and a TensorFlow version.

    The image without TensorFlow fits every accelerator of its generation.

    Raises:
      ValueError: for a runtime that does not fit; the message names one that does.
    """
    generation = accelerator.generation.name
    base = _WITHOUT_TENSORFLOW[generation]
    if runtime == base:
        return
    match = _RUNTIME.fullmatch(runtime)
    pod = "-pod" if accelerator.hosts > 1 else ""
    should_be = f"tpu-vm-tf-{tensorflow}{pod}-pjrt or {base}. Received: runtime={runtime!r}"
    if match is None:
        raise ValueError(f"`runtime` of a {generation} must be {should_be}")
    version, named_pod, device_api = match.groups()
    if version != ".".join(tensorflow.split(".")[:2]):
        raise ValueError(f"`runtime` must match the installed TensorFlow {tensorflow}: {should_be}")
    if bool(named_pod) != bool(pod):
        raise ValueError(
            f"`runtime` of {accelerator.hosts} host(s) must {'not ' * bool(named_pod)}have -pod: "
            f"{should_be}"
        )
    if device_api is None or (generation in _ONLY_PJRT and device_api != "pjrt"):
        raise ValueError(f"`runtime` of a {generation} must name its device API: {should_be}")


def training_environment(name: str, accelerator: Accelerator, runtime: str) -> dict[str, str]:
    """The environment variables of a training on worker 0.

    A single host trains on its own chips. On several hosts worker 0 coordinates, and must leave
    the chips to the servers that the runtime starts on each host.
    """
    if accelerator.hosts > 1:
        return {"TPU_NAME": name, "TPU_LOAD_LIBRARY": "0"}
    if not runtime.endswith("-pjrt"):
        return {"TPU_NAME": "local"}
    return {
        "TPU_NAME": "local",
        "NEXT_PLUGGABLE_DEVICE_USE_C_API": "true",
        "TF_PLUGGABLE_DEVICE_LIBRARY_PATH": "/lib/libtpu.so",
    }
