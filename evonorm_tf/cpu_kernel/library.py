"""`operations`: the C code of this folder as operations of TensorFlow, compiled when first used.

The compiled file is kept in the user's cache folder, `~/.cache/evonorm_tf` or that of
XDG_CACHE_HOME, under a name that has a hash of all that it depends on. A file that is not whole
is compiled again, and several processes may compile at once.
"""

import functools
import hashlib
import logging
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
from typing import Any

import tensorflow as tf

from evonorm_tf import files

SWITCH = "EVONORM_CPU_KERNEL"
_SOURCE = pathlib.Path(__file__).parent / "source"
# -march=native: the file is for this processor alone. Sums keep their order.
_FLAGS = ["-std=gnu11", "-O3", "-march=native", "-fno-math-errno", "-shared", "-fPIC"]
_FLAGS += ["-fvisibility=hidden", "-pthread"]
_DIGEST_BYTES = hashlib.sha256().digest_size
_CPUINFO = pathlib.Path("/proc/cpuinfo")

_lock = threading.Lock()


def operations() -> Any:
    """The module of the operations; None without a compiler, or if EVONORM_CPU_KERNEL is 0."""
    if os.environ.get(SWITCH) == "0":
        return None
    with _lock:
        return _loaded()


@functools.cache
def _loaded() -> Any:
    if sys.platform != "linux":
        return _without(f"it is for Linux, and this is {sys.platform}")
    compiler = shutil.which("cc")
    if compiler is None:
        return _without("no C compiler `cc` was found")
    try:
        return tf.load_op_library(str(compiled_file(compiler)))
    except subprocess.CalledProcessError as error:
        return _without(error.stderr.strip() or str(error))
    except (OSError, RuntimeError, tf.errors.OpError) as error:
        return _without(str(error))


def compiled_file(compiler: str) -> pathlib.Path:
    """The file of the compiled code, made if it is not there or not whole.

    Raises OSError where the folder or the file cannot be written, RuntimeError for a user without
    a home, and subprocess.CalledProcessError with the compiler's messages.
    """
    path = _folder() / f"layers-{_identity(compiler)}.so"
    if not _is_whole(path):
        files.write_whole(path, _sealed(_compiled(compiler)))
    return path


def _without(reason: str) -> None:
    logging.getLogger("evonorm_tf").warning(
        "layers run without compiled C code, which is slower: %s", reason
    )


def _folder() -> pathlib.Path:
    cache = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    folder = pathlib.Path(cache) / "evonorm_tf"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _identity(compiler: str) -> str:
    """A hash of all that the compiled file depends on."""
    parts = [path.read_text(encoding="utf-8") for path in sorted(_SOURCE.iterdir())]
    parts += [*_FLAGS, _run([compiler, "--version"]), tf.__version__, tf.sysconfig.get_lib()]
    return hashlib.sha256("\0".join([*parts, _processor()]).encode()).hexdigest()[:32]


def _processor() -> str:
    """What `-march=native` depends on."""
    lines = _CPUINFO.read_text(encoding="utf-8").splitlines() if _CPUINFO.exists() else []
    names = "model name", "flags", "Features", "CPU part"
    chosen = {line for line in lines if line.startswith(names)}
    return "\n".join([platform.machine(), *sorted(chosen)])


def _compiled(compiler: str) -> bytes:
    libraries = pathlib.Path(tf.sysconfig.get_lib())
    with tempfile.TemporaryDirectory() as folder:
        output = pathlib.Path(folder) / "layers.so"
        arguments = [*map(str, sorted(_SOURCE.glob("*.c"))), f"-I{tf.sysconfig.get_include()}"]
        arguments += [str(path) for path in sorted(libraries.glob("libtensorflow_*.so.2"))]
        _run([compiler, *_FLAGS, *arguments, "-lm", "-o", str(output)])
        return output.read_bytes()


def _run(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _sealed(content: bytes) -> bytes:
    """The content and its hash, which the system's loader does not read."""
    return content + hashlib.sha256(content).digest()


def _is_whole(path: pathlib.Path) -> bool:
    """Whether the file is there, with its hash; loading a part of it could end the process."""
    if not path.exists():
        return False
    content = path.read_bytes()
    return content == _sealed(content[:-_DIGEST_BYTES])
