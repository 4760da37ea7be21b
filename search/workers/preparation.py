"""Checks a user's own data, networks and primitives in a process, before there is a run folder.

So the controller needs no TensorFlow, and the memory of the images is freed.
"""

import json
import multiprocessing
import os
from multiprocessing.connection import Connection
from typing import Any

from evonorm_tf.graph import ops
from search import modules
from search.config import Config, Evaluation
from search.errors import SearchError
from search.evolution.space import choices
from trainers.data import ImageData
from trainers.models.anchor_sources import Kind, kind_of

# Entries of a run's meta.
NUM_CLASSES = "num_classes"
# For each network that was converted from a Keras model, the names of its places.
PLACES = "places"
_LONGEST_LINE = 1000


def check_own(config: Config) -> dict[str, Any]:
    """Loads the configured data once, and checks that settings and networks fit it.

    The functions of registered primitives run once too.

    Returns:
      What the run keeps as meta: the number of classes, and the places of each network that was
      converted, as `networks.check_own` returns them.

    Raises:
      SearchError: in one line, for what a worker could not use.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_check, args=(theirs, config.to_dict()), daemon=True)
    process.start()
    theirs.close()
    try:
        line, meta = json.loads(ours.recv_bytes())
    except EOFError:
        process.join()
        meta = {}
        line = f"the process that checks data and networks ended with exit code {process.exitcode}"
    finally:
        process.terminate()
        process.join()
    if line:
        raise SearchError(line)
    return meta


def _check(connection: Connection, config: dict[str, Any]) -> None:
    """Sends the line of the error, or an empty one, and the meta."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from search.evaluation import images

    chosen = Config.from_dict(config)
    settings = chosen.evaluation
    line, meta = "", {}
    try:
        _check_primitives(chosen)
        loaded = images.load_data(settings)
        images.check_fit(loaded, settings)
        meta = {NUM_CLASSES: loaded.num_classes, PLACES: _check_networks(loaded, settings)}
        if settings.objective is not None:
            from search.evaluation import objective  # with TensorFlow

            objective.check(settings.objective, settings, loaded)
    except Exception as error:
        line = str(error) if isinstance(error, SearchError) else f"{type(error).__name__}: {error}"
    line = " ".join(line.split())[:_LONGEST_LINE]
    connection.send_bytes(json.dumps([line, meta]).encode())


def _check_primitives(config: Config) -> None:
    modules.import_all(config)
    drawn = choices(config.space.primitives, config.space.batch_independent).primitives
    if any(ops.registered(primitive.op) for primitive in drawn):
        from search.evaluation import own_primitives  # with TensorFlow

        own_primitives.check(drawn)


def _check_networks(images: ImageData, settings: Evaluation) -> dict[str, Any]:
    # The known networks fit images of any shape, so that most checks need no TensorFlow.
    own = [anchor for anchor in settings.anchors if kind_of(anchor) is not Kind.KNOWN]
    if not own:
        return {}
    from search.evaluation import networks  # with TensorFlow

    found = {anchor: networks.check_own(anchor, images, settings) for anchor in own}
    return {anchor: places for anchor, places in found.items() if places is not None}
