"""`Study`, a grid of trainings, and `Cell`, the trainings of it that differ in the seed alone."""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from trainers.studies.journal import Run


@dataclasses.dataclass(frozen=True)
class Cell:
    """Trainings that differ in the seed alone.

    Attributes:
      network, layer: their names.
      setting: the label of a setting.
    """

    network: str
    layer: str
    setting: str

    def has(self, run: Run) -> bool:
        """Whether a run is one of these trainings."""
        return (run["network"], run["layer"], run["setting"]) == dataclasses.astuple(self)


@dataclasses.dataclass(frozen=True)
class Study:
    """A grid of trainings: layers x networks x settings x seeds.

    Attributes:
      title: what it compares, for figures.
      baseline: the layer that every other one is compared with.
      layers: all layers in the order of the tables, the baseline too.
      networks: names of networks.
      settings: the arguments of `config` for each label.
      settings_title: what the labels are, for the figure's axis.
      seeds: the number of seeds of each training.
      config: the module of `trainers.experiments` whose `config(layer=, network=, **arguments)`
        makes the configuration of a training.
      changes: pairs of settings whose difference is tabulated for each layer.
      more_seeds: layers with another number of seeds.
      shown: the layers that the figure names, the others being grey; empty for all.
    """

    title: str
    baseline: str
    layers: Sequence[str]
    networks: Sequence[str]
    settings: Mapping[str, Mapping[str, Any]]
    settings_title: str
    seeds: int
    config: str
    changes: Sequence[tuple[str, str]] = ()
    more_seeds: Mapping[str, int] = dataclasses.field(default_factory=dict)
    shown: Sequence[str] = ()

    def cells(self) -> Iterator[Cell]:
        """All cells, those of layers that the figure names first."""
        layers = sorted(self.layers, key=lambda layer: layer not in self.shown)
        for layer, network, setting in itertools.product(layers, self.networks, self.settings):
            yield Cell(network, layer, setting)

    def missing(self, cell: Cell, runs: Sequence[Run]) -> list[int]:
        """The seeds of a cell that no run has."""
        finished = {run["seed"] for run in runs if cell.has(run)}
        wanted = range(self.more_seeds.get(cell.layer, self.seeds))
        return [seed for seed in wanted if seed not in finished]
