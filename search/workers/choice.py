"""Chooses the pool for a configuration."""

from search.config import Config
from search.errors import SearchError
from search.workers.local import LocalPool
from search.workers.pool import Pool


def new_pool(config: Config) -> Pool:
    """A pool of local processes or of Ray tasks. Raises SearchError without Ray or a cluster."""
    if config.executor == "local":
        return LocalPool(config)
    try:
        from search.workers.ray.pool import RayPool
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        raise SearchError(
            "--executor ray needs Ray: install the group ray, or ray[default] itself"
        ) from None
    return RayPool(config)
