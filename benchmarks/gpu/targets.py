"""Descriptions of GPUs, from which XLA compiles for one that is not there.

The numbers are NVIDIA's, of the SXM modules; XLA's estimates of time depend on them. Those that an
architecture shares are in `_COMMON`.
"""

from typing import Any

_COMMON: dict[str, Any] = {
    "threads_per_block_limit": 1024,
    "threads_per_warp": 32,
    "shared_memory_per_block": 49152,
    "threads_per_core_limit": 2048,
    "block_dim_limit_x": 2**31 - 1,
    "block_dim_limit_y": 65535,
    "block_dim_limit_z": 65535,
    "registers_per_core_limit": 65536,
    "registers_per_block_limit": 65536,
}
_GPUS: dict[str, dict[str, Any]] = {
    "h100": {
        "core_count": 132,
        "fpus_per_core": 128,
        "clock_rate_ghz": 1.98,
        "memory_bandwidth": 3_352_320_000_000,
        "device_memory_size": 84_942_979_072,
        "l2_cache_size": 50 * 2**20,
        "shared_memory_per_core": 233_472,
        "shared_memory_per_block_optin": 232_448,
        "major": 9,
    },
    "a100": {
        "core_count": 108,
        "fpus_per_core": 64,
        "clock_rate_ghz": 1.41,
        "memory_bandwidth": 1_555_200_000_000,
        "device_memory_size": 42_331_013_120,
        "l2_cache_size": 40 * 2**20,
        "shared_memory_per_core": 167_936,
        "shared_memory_per_block_optin": 166_912,
        "major": 8,
    },
}
NAMES = tuple(_GPUS)


def description(name: str) -> str:
    """XLA's GpuTargetConfig, as protobuf's text. Raises ValueError for a GPU without numbers."""
    if name not in _GPUS:
        raise ValueError(f"`name` must be one of {', '.join(NAMES)}. Received: name={name!r}")
    numbers = {**_COMMON, **_GPUS[name]}
    capability = f"cuda_compute_capability {{ major: {numbers.pop('major')} }}"
    fields = [*(f"{key}: {value}" for key, value in numbers.items()), capability]
    return (
        f'gpu_device_info {{ {" ".join(fields)} }} platform_name: "CUDA" '
        "dnn_version_info { major: 9 minor: 10 }"
    )
