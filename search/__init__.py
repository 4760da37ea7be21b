"""The evolutionary search for normalization-activation layers; run from a checkout.

The names below are public. They are imported on first use, so that commands that do not need them
start fast.
"""

import importlib
from typing import Any

import trainers  # noqa: F401  (chooses the Keras before TensorFlow does)

__all__ = [
    "Compared",
    "FittedGraph",
    "FoundLayer",
    "SearchError",
    "SearchRun",
    "fit_graph",
    "mutate_graph",
    "open",
    "pareto_frontier",
    "resume",
    "run",
    "sample_graph",
    "tournament",
]

_HOMES = {
    "Compared": "search.api.layers",
    "FittedGraph": "search.network_fit",
    "FoundLayer": "search.api.layers",
    "SearchError": "search.errors",
    "SearchRun": "search.api.entry",
    "fit_graph": "search.network_fit",
    "mutate_graph": "search.evolution.space",
    "open": "search.api.entry",
    "pareto_frontier": "search.evolution.selection",
    "resume": "search.api.entry",
    "run": "search.api.entry",
    "sample_graph": "search.evolution.space",
    "tournament": "search.evolution.selection",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
