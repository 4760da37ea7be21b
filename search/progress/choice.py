"""Chooses the progress for a configuration and a stream."""

from typing import TextIO

from search.config import Config
from search.progress.events import Progress
from search.progress.lines import LogLines
from search.progress.metrics import Metrics


def new_progress(config: Config, stream: TextIO) -> Progress:
    """A display on a terminal if its libraries are installed, else log lines.

    With the executor "ray" the figures are exported as metrics too.
    """
    try:
        from search.progress.display import new_display
    except ImportError:
        progress: Progress = LogLines(stream)
    else:
        progress = new_display(config, stream)
    return Metrics(progress) if config.executor == "ray" else progress
