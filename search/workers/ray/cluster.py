"""`RayCluster`: sends code, data and tasks to a Ray cluster, and reads its resources."""

import contextlib
import json
import logging
import os
from collections.abc import Iterator
from typing import Any

import ray

import evonorm_tf
import search
import trainers
from search import modules
from search.config import Config
from search.errors import SearchError
from search.evaluation.images import load_data
from search.workers.ray import task
from trainers.named_function import is_function_name, root_of

_GIB = 2**30
_PACKAGES = (evonorm_tf, trainers, search)


class RayCluster:
    """A connection to a cluster, from construction to `close`.

    Args:
      config: the run's configuration; its `ray` names the cluster.

    Raises:
      SearchError: if there is no such cluster, or no node has the CPUs of a stage.
    """

    def __init__(self, config: Config):
        self._settings = config.ray
        named = (*config.evaluation.anchors, config.evaluation.objective or "")
        own = [name for name in named if is_function_name(name)]
        _connect(config.ray.address, [*map(root_of, own), *modules.roots(config)])
        try:
            self._check_room()
            self._config = ray.put(json.dumps(config.to_dict()))
            # Each host fetches the images once, into the shared memory of its workers.
            self._images = ray.put(load_data(config.evaluation))
        except BaseException:
            self.close()
            raise
        self._functions: dict[str, Any] = {}

    def start(self, kind: str, arguments: tuple[Any, ...]) -> Any:
        """Starts a task; returns the generator of its messages."""
        if kind not in self._functions:
            self._functions[kind] = ray.remote(**self._options(kind))(task.run_task)
        threads = max(1, int(self.cpus_of(kind)))
        return self._functions[kind].remote(self._config, self._images, threads, kind, arguments)

    def cpus_of(self, kind: str) -> float:
        """The CPUs that a task reserves."""
        return getattr(self._settings, f"{_stage(kind)}_cpus")

    def seconds_of(self, kind: str) -> float:
        """The seconds that a task may take."""
        return 60.0 * getattr(self._settings, f"{_stage(kind)}_minutes")

    def _options(self, kind: str) -> dict[str, Any]:
        cpus = self.cpus_of(kind)
        # Tasks with different numbers of threads need different processes.
        threads = {"SEARCH_THREADS": str(max(1, int(cpus)))}
        memory = 0 if kind == "probe" else int(self._settings.memory_gb * _GIB)
        return {
            "num_cpus": cpus,
            "num_returns": "streaming",
            "max_retries": 0,  # the pool retries, since it knows the lost stage
            "runtime_env": {"env_vars": {**_environment(), **threads}},
            **({"memory": memory} if memory else {}),
        }

    def nodes(self) -> list[dict[str, float]]:
        """The resources of the nodes that are alive."""
        with _as_search_error():
            return [node["Resources"] for node in ray.nodes() if node["Alive"]]

    def _check_room(self) -> None:
        cpus = [node.get("CPU", 0.0) for node in self.nodes()]
        needed = max(self.cpus_of(kind) for kind in ("probe", "quality", "stability", "training"))
        if any(cpus) and max(cpus) < needed:
            raise SearchError(
                f"the largest node of the cluster has {max(cpus):g} CPUs, and a stage needs "
                f"{needed:g}: set ray.*_cpus"
            )

    def close(self) -> None:
        """Disconnects, which ends all tasks of this run."""
        ray.shutdown()


def _stage(kind: str) -> str:
    return "training" if kind == "score" else kind


def _connect(address: str | None, own: list[str]) -> None:
    roots = list(dict.fromkeys([*(package.__path__[0] for package in _PACKAGES), *own]))
    options: dict[str, Any] = {"include_dashboard": False} if address is None else {}
    try:
        ray.init(
            address=address or "local",
            runtime_env={"py_modules": roots, "env_vars": _environment()},
            log_to_driver=False,
            logging_level=logging.ERROR,
            **options,
        )
    except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
        text = str(error).strip().splitlines()[0]
        raise SearchError(f"no Ray cluster at {address or 'this machine'}: {text}") from None


def _environment() -> dict[str, str]:
    """The workers have this process's Keras (`trainers.keras_choice`)."""
    choice = "TF_USE_LEGACY_KERAS"
    chosen = {choice: os.environ[choice]} if choice in os.environ else {}
    return {"TF_CPP_MIN_LOG_LEVEL": "3", **chosen}


@contextlib.contextmanager
def _as_search_error() -> Iterator[None]:
    """Raises the error of a lost cluster as a SearchError of one line."""
    try:
        yield
    except ray.exceptions.RayError as error:
        raise SearchError(f"the Ray cluster is gone: {error}") from None
