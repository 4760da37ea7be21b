"""`Study`, a grid of trainings, `Cell`, those that differ in the seed alone, and `Score`."""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from trainers.studies.journal import Run


@dataclasses.dataclass(frozen=True)
class Score:
    """A figure of each training, from its evaluation.

    Attributes:
      key: its name among the evaluation's metrics, and in the journal.
      name: its name in tables and figures.
      percent: whether tables and figures have it in percent; evaluations have fractions.
    """

    key: str
    name: str
    percent: bool = False

    def of(self, run: Run) -> float:
        """The score of a run, as tables and figures have it."""
        return (100 if self.percent else 1) * run[self.key]


ACCURACY = Score("accuracy", "test accuracy", percent=True)


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
      networks, settings: the arguments of `config` for the name of each.
      settings_title: what the labels are, for the figure's axis.
      seeds: the number of seeds of each training.
      config: MODULE.FUNCTION of `trainers.experiments`, which makes the configuration of a
        training from a layer and these arguments. Its validation data gives the scores.
      scores: what is kept of the evaluation after the last step.
      changes: pairs of settings whose difference is tabulated for each layer.
      more_seeds: layers with another number of seeds.
      shown: the layers that the figure names, the others being grey; empty for all.
    """

    title: str
    baseline: str
    layers: Sequence[str]
    networks: Mapping[str, Mapping[str, Any]]
    settings: Mapping[str, Mapping[str, Any]]
    settings_title: str
    seeds: int
    config: str
    scores: Sequence[Score] = (ACCURACY,)
    changes: Sequence[tuple[str, str]] = ()
    more_seeds: Mapping[str, int] = dataclasses.field(default_factory=dict)
    shown: Sequence[str] = ()

    @property
    def score_keys(self) -> list[str]:
        """The keys of the scores."""
        return [score.key for score in self.scores]

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
