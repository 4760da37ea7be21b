"""`CCode`: a folder of C code, compiled when it is first used, and kept.

The compiled file is kept in the user's cache folder, `~/.cache/evonorm_tf` or that of
XDG_CACHE_HOME, under a name that has a hash of all that it depends on. A file that is not whole
is compiled again, and several processes may compile at once.
"""

import hashlib
import logging
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from evonorm_tf import files

SWITCH = "EVONORM_CPU_KERNEL"
# -march=native: the file is for this processor alone. Sums keep their order.
_FLAGS = ["-std=gnu11", "-O3", "-march=native", "-fno-math-errno", "-shared", "-fPIC"]
_FLAGS += ["-fvisibility=hidden", "-pthread"]
_DIGEST_BYTES = hashlib.sha256().digest_size
_CPUINFO = pathlib.Path("/proc/cpuinfo")


class CCode(NamedTuple):
    """C code in one folder.

    Attributes:
      name: the compiled file's name begins with it.
      folder: all of its files belong to the code.
      without: what a user is told where it cannot be compiled, before the reason.
      arguments: more arguments of the compiler.
      depends: what else the compiled file depends on, such as a library's version.
    """

    name: str
    folder: pathlib.Path
    without: str
    arguments: Sequence[str] = ()
    depends: Sequence[str] = ()

    def load(self, loader: Callable[[str], Any]) -> Any:
        """What the loader makes of the compiled file.

        None without a compiler, where the code does not compile, or where the loader raises an
        OSError or a RuntimeError. The reason is logged.
        """
        if sys.platform != "linux":
            return self._without(f"it is for Linux, and this is {sys.platform}")
        compiler = shutil.which("cc")
        if compiler is None:
            return self._without("no C compiler `cc` was found")
        try:
            return loader(str(self.compiled_file(compiler)))
        except subprocess.CalledProcessError as error:
            return self._without(error.stderr.strip() or str(error))
        except (OSError, RuntimeError) as error:
            return self._without(str(error))

    def compiled_file(self, compiler: str) -> pathlib.Path:
        """The file of the compiled code, made if it is not there or not whole.

        Raises OSError where the folder or the file cannot be written, RuntimeError for a user
        without a home, and subprocess.CalledProcessError with the compiler's messages.
        """
        path = _cache() / f"{self.name}-{self.identity(compiler)}.so"
        if not is_whole(path):
            files.write_whole(path, _sealed(self._compiled(compiler)))
        return path

    def identity(self, compiler: str) -> str:
        """A hash of all that the compiled file depends on."""
        parts = [path.read_text(encoding="utf-8") for path in sorted(self.folder.iterdir())]
        parts += [*_FLAGS, *self.arguments, *self.depends, _run([compiler, "--version"])]
        return hashlib.sha256("\0".join([*parts, _processor()]).encode()).hexdigest()[:32]

    def _compiled(self, compiler: str) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            output = pathlib.Path(folder) / "code.so"
            sources = [str(path) for path in sorted(self.folder.glob("*.c"))]
            _run([compiler, *_FLAGS, *sources, *self.arguments, "-lm", "-o", str(output)])
            return output.read_bytes()

    def _without(self, reason: str) -> None:
        logging.getLogger("evonorm_tf").warning("%s: %s", self.without, reason)


def is_switched_off() -> bool:
    """Whether the environment variable EVONORM_CPU_KERNEL is 0: then no C code is to be used."""
    return os.environ.get(SWITCH) == "0"


def is_whole(path: pathlib.Path) -> bool:
    """Whether the file is there, with its hash; loading a part of it could end the process."""
    if not path.exists():
        return False
    content = path.read_bytes()
    return content == _sealed(content[:-_DIGEST_BYTES])


def _cache() -> pathlib.Path:
    cache = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    folder = pathlib.Path(cache) / "evonorm_tf"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _processor() -> str:
    """What `-march=native` depends on."""
    lines = _CPUINFO.read_text(encoding="utf-8").splitlines() if _CPUINFO.exists() else []
    names = "model name", "flags", "Features", "CPU part"
    chosen = {line for line in lines if line.startswith(names)}
    return "\n".join([platform.machine(), *sorted(chosen)])


def _run(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _sealed(content: bytes) -> bytes:
    """The content and its hash, which the system's loader does not read."""
    return content + hashlib.sha256(content).digest()
