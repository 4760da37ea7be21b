"""`Cell`: shows a panel in the output of a notebook's cell.

Rich's own display needs ipywidgets in notebooks; this one needs only what each of them has.
"""

import time
from collections.abc import Callable
from typing import Protocol

from rich.console import RenderableType

_SECONDS_BETWEEN = 0.5


class Screen(Protocol):
    """Shows a panel that changes."""

    def start(self, refresh: bool = False) -> None:
        """Shows it for the first time."""

    def changed(self) -> None:
        """Shows the panel again, which may have changed."""

    def stop(self) -> None:
        """Leaves its last state."""


class Cell:
    """An output of the cell that is running, replaced at most twice a second.

    Args:
      render: returns the panel.
    """

    def __init__(self, render: Callable[[], RenderableType]):
        self._render = render
        self._last = 0.0

    def start(self, refresh: bool = False) -> None:
        """Shows the panel for the first time."""
        from IPython.display import display

        self._handle = display(self._render(), display_id=True)

    def changed(self) -> None:
        """Shows the panel as it is now, unless that was done just before."""
        if time.monotonic() - self._last >= _SECONDS_BETWEEN:
            self._last = time.monotonic()
            self._handle.update(self._render())

    def stop(self) -> None:
        """Leaves the last state."""
        self._handle.update(self._render())
