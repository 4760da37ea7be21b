"""A user's own modules, which register primitives (`space.modules`)."""

import contextlib
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from search.config import Config
from search.errors import SearchError
from trainers import named_function
from trainers.data import digest
from trainers.errors import TrainersError

# A module of the package itself, which any run may import.
PACKAGED = "evonorm_tf.graph.more_primitives"
_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)


def own(config: Config) -> list[str]:
    """The configured modules but the packaged one. Raises SearchError for a wrong name."""
    for name in config.space.modules:
        if len(name) > 100 or not _NAME.fullmatch(name):
            raise SearchError(
                f"space.modules cannot be {name[:100]!r}: it is a Python module, such as "
                "my_primitives for a file my_primitives.py"
            )
    return [name for name in config.space.modules if name != PACKAGED]


def import_all(config: Config) -> None:
    """Imports the configured modules. Raises SearchError, in one line, if that raises."""
    own(config)
    for name in config.space.modules:
        with _as_refusal(name):
            named_function.import_module(name)


def digests(config: Config) -> dict[str, str]:
    """The SHA-256 of each module's file. Raises SearchError for a module that is no file."""
    found = {}
    for name in own(config):
        with _as_refusal(name):
            found[name] = digest.of_module(name)
    return found


def roots(config: Config) -> list[str]:
    """The file of each module, or the folder of its outermost package."""
    return [named_function.root_of(name) for name in own(config)]


def untrusted(config: Config, trusted: Collection[str]) -> list[str]:
    """The modules that may be imported only if the user names them again."""
    return [name for name in own(config) if name not in trusted]


def of_run(values: Mapping[str, Any]) -> Config:
    """A configuration with only the modules of a run's, whose other fields may be of any version.

    Raises:
      SearchError: for modules that are not names.
    """
    space = values.get("space")
    modules = space.get("modules", ()) if isinstance(space, Mapping) else ()
    return Config.from_dict({"space": {"modules": modules}})


@contextlib.contextmanager
def _as_refusal(name: str) -> Iterator[None]:
    try:
        yield
    except (TrainersError, OSError) as error:
        raise SearchError(f"space.modules cannot be {name!r}: {error}") from error
