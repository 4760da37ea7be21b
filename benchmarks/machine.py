"""What a benchmark runs on, which goes with its figures: ratios differ between processors."""

import pathlib
import platform

_CPUINFO = pathlib.Path("/proc/cpuinfo")
_VECTORS = {"avx512f": "AVX-512", "avx2": "AVX2"}
_THREADS = 2


def limit_threads() -> None:
    """TensorFlow takes as many as the figures are for."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(_THREADS)
    tf.config.threading.set_inter_op_parallelism_threads(_THREADS)


def describe() -> str:
    """Such as "AMD EPYC with AVX2, 2 threads, TensorFlow 2.20.0"."""
    import tensorflow as tf

    return f"{processor()}, {_THREADS} threads, TensorFlow {tf.__version__}"


def processor(cpuinfo: pathlib.Path = _CPUINFO) -> str:
    """Its model and widest vector instructions, as far as the system tells."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    fields = {key.strip(): value.strip() for key, _, value in (s.partition(":") for s in lines)}
    name = fields.get("model name") or platform.machine()
    flags = fields.get("flags", "").split()
    vectors = [title for flag, title in _VECTORS.items() if flag in flags]
    return f"{name} with {vectors[0]}" if vectors else name
