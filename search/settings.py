"""Settings on top of a configuration: nested dictionaries of its fields."""

from collections.abc import Mapping
from typing import Any

from search.config import Config


def merged(config: Config, values: Mapping[str, Any]) -> Config:
    """A copy with the fields that `values` has, a section as a dictionary of its fields.

    Raises:
      SearchError: for a field that does not exist, or a wrong value.
    """
    return Config.from_dict(_merge(config.to_dict(), values))


def with_workers(config: Config, workers: int) -> Config:
    """A copy with so many evaluations at once, in local processes or on the cluster.

    Raises:
      SearchError: for a number that is no count.
    """
    is_local = config.executor == "local"
    return merged(config, {"workers": workers} if is_local else {"ray": {"workers": workers}})


def _merge(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    both = {
        key: _merge(old[key], value)
        for key, value in new.items()
        if isinstance(value, Mapping) and isinstance(old.get(key), Mapping)
    }
    return {**old, **new, **both}
