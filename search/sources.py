"""What a run takes from its user: data of her own.

A run folder may come from anyone. So a name in it is imported only if the user names it again, and
a run goes on only with what it began with.
"""

from collections.abc import Collection

from search.config import Config
from search.errors import SearchError
from search.storage.store import Store
from search.storage.values import printable
from search.workers import preparation
from trainers.data.digest import digest
from trainers.data.sources import DATA_SETS, imports_modules, kind_of
from trainers.errors import TrainersError

META = "sources"
_LONGEST = 100


def check_new(config: Config) -> dict[str, str | None]:
    """Checks what a new run is given; returns the SHA-256 of each source, for `META`.

    Raises:
      SearchError: in one line, for data that is not there or cannot be used.
    """
    try:
        kind_of(config.evaluation.data)
    except TrainersError as error:
        raise _refusal(config.evaluation.data, error) from error
    digests = _digests(config)
    if digests:
        preparation.check_own(config)
    return digests


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
    for source in _own(config):
        if source not in trusted and _imports(source):
            text = printable(source, _LONGEST)
            raise SearchError(
                f"{store.run_dir}: the run imports what {text!r} names. If you trust it, repeat "
                f"it: --trust {text}"
            )
    before = store.meta(META) or {}
    for source, now in _digests(config).items():
        if before.get(source) != now:
            raise SearchError(
                f"{store.run_dir}: {printable(source, _LONGEST)!r} has changed since the run was "
                f"made: its SHA-256 was {printable(before.get(source), _LONGEST)}, and is {now}"
            )


def _own(config: Config) -> list[str]:
    """The sources that are no known names."""
    return [source for source in (config.evaluation.data,) if source not in DATA_SETS]


def _imports(source: str) -> bool:
    try:
        return imports_modules(source)
    except TrainersError as error:
        raise _refusal(source, error) from error


def _digests(config: Config) -> dict[str, str | None]:
    digests = {}
    for source in _own(config):
        try:
            digests[source] = digest(source)
        except (TrainersError, OSError) as error:
            raise _refusal(source, error) from error
    return digests


def _refusal(source: str, error: Exception) -> SearchError:
    return SearchError(f"evaluation.data cannot be {printable(source, _LONGEST)!r}: {error}")
