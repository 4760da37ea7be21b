"""Checks a user's own data, networks, objective and primitives, before a run starts or goes on.

A run folder may come from anyone. So a name in it is imported only if the user names it again, and
a run goes on only with what it began with.
"""

import contextlib
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from evonorm_tf.graph import ops
from search import modules
from search.config import Config
from search.errors import SearchError
from search.evolution import space
from search.storage.store import Store
from search.storage.values import printable
from search.workers import preparation
from trainers.data import digest
from trainers.data.sources import DATA_SETS, imports_modules
from trainers.errors import TrainersError
from trainers.models.anchor_sources import Kind, kind_of
from trainers.named_function import is_function_name

META = "sources"
_LONGEST = 100
_ANCHORS, _DATA = "evaluation.anchors", "evaluation.data"
_OBJECTIVE = "evaluation.objective"


def check_new(config: Config) -> dict[str, Any]:
    """Checks what a new run is given.

    Returns:
      Meta for the run: the SHA-256 of each source, and what `preparation.check_own` finds.

    Raises:
      SearchError: in one line, for data, networks, modules and primitives that are missing or
        cannot be used.
    """
    digests = _digests(config)
    load_primitives(config)
    kinds = {_kind_of(anchor) for anchor in config.evaluation.anchors}
    draws_own = any(ops.registered(each.op) for each in _drawn(config))
    has_own = bool(_own(config)) or Kind.APPLICATION in kinds or draws_own
    found = preparation.check_own(config) if has_own else {}
    return {META: digests, **found}


def check_again(config: Config, store: Store, trusted: Collection[str]) -> None:
    """Checks that an existing run may go on.

    Args:
      config: the run's configuration.
      store: the run.
      trusted: what the user allows to be imported.

    Raises:
      SearchError: for a source that would import what the user has not named, and for one that has
        changed since the run was made.
    """
    for source, field in _own(config).items():
        if source not in trusted and _imports(source, field):
            raise _not_trusted(store, source)
    _check_modules(config, store, trusted)
    before = store.meta(META) or {}
    for source, now in _digests(config).items():
        if before.get(source) != now:
            raise SearchError(
                f"{store.run_dir}: {printable(source, _LONGEST)!r} has changed since the run was "
                f"made: its SHA-256 was {printable(before.get(source), _LONGEST)}, and is {now}"
            )
    load_primitives(config)


def load_primitives(config: Config) -> None:
    """Imports the modules of a configuration, and checks the primitives of its space.

    Raises:
      SearchError: in one line, for a module that raises, or a primitive that does not exist.
    """
    modules.import_all(config)
    _drawn(config)


def _drawn(config: Config) -> Sequence[ops.Primitive]:
    try:
        drawn = space.choices(config.space.primitives, config.space.batch_independent)
    except ValueError as error:
        raise SearchError(f"space.{error}") from None
    return drawn.primitives


def load_again(store: Store, trusted: Collection[str]) -> Config:
    """Imports the modules of a run whose layers are only to be shown.

    Args:
      store: the run.
      trusted: the modules that the user allows to be imported.

    Returns:
      A configuration with nothing but these modules.

    Raises:
      SearchError: for a module that the user has not named, or that raises.
    """
    config = modules.of_run(store.meta("config") or {})
    _check_modules(config, store, trusted)
    modules.import_all(config)
    return config


def _check_modules(config: Config, store: Store, trusted: Collection[str]) -> None:
    for name in modules.untrusted(config, trusted):
        raise _not_trusted(store, name)


def _not_trusted(store: Store, source: str) -> SearchError:
    text = printable(source, _LONGEST)
    return SearchError(
        f"{store.run_dir}: the run imports what {text!r} names. If you trust it, repeat it: "
        f"--trust {text}"
    )


def _own(config: Config) -> dict[str, str]:
    """The sources that are no known names, each with its field."""
    data, anchors = config.evaluation.data, config.evaluation.anchors
    kinds = (Kind.FUNCTION, Kind.FILE)
    own = {anchor: _ANCHORS for anchor in anchors if _kind_of(anchor) in kinds}
    objective = config.evaluation.objective
    if objective is not None:
        if not is_function_name(objective):
            raise SearchError(f"{_OBJECTIVE} cannot be {objective!r}: it is module:function")
        own[objective] = _OBJECTIVE
    return own if data in DATA_SETS else {**own, data: _DATA}


def _kind_of(anchor: str) -> Kind:
    with _as_refusal(anchor, _ANCHORS):
        return kind_of(anchor)


def _imports(source: str, field: str) -> bool:
    if field != _DATA:
        return True  # a model file too: Keras loads code from some, even in its safe mode
    with _as_refusal(source, field):
        return imports_modules(source)


def _digests(config: Config) -> dict[str, str | None]:
    digests: dict[str, str | None] = {}
    for source, field in _own(config).items():
        with _as_refusal(source, field):
            is_model = field == _ANCHORS and kind_of(source) is Kind.FILE
            digests[source] = (digest.of_model if is_model else digest.digest)(source)
    return {**digests, **modules.digests(config)}


@contextlib.contextmanager
def _as_refusal(source: str, field: str) -> Iterator[None]:
    try:
        yield
    except (TrainersError, OSError) as error:
        text = printable(source, _LONGEST)
        raise SearchError(f"{field} cannot be {text!r}: {error}") from error
