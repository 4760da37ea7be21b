"""`Evaluator`: what a worker does with a candidate, from probe to scores (section 4.2)."""

import dataclasses
import functools
import math
import statistics
import time
from typing import Any

from evonorm_tf import registry
from evonorm_tf.layer_graph import LayerGraph
from search.anchor_trainer import AnchorTrainer
from search.config import Config
from search.probe import probe
from trainers import data


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The end of an evaluation; its fields are those of the table `candidates`."""

    status: str
    reason: str | None
    scores: dict[str, float] | None
    fitness: float | None
    stages: dict[str, Any]
    seconds: float


@dataclasses.dataclass(frozen=True)
class ScoreTask:
    """One training from scratch outside the search: for reranking and final numbers.

    Attributes:
      layer: a graph's JSON, or a registered name.
      anchor, width, steps, seed: the network and its training.
      held_out: share of train and validation to score on; None for the test split.
    """

    layer: str
    anchor: str
    width: float
    steps: int
    seed: int
    held_out: float | None


class Evaluator:
    """Evaluates candidates one after another, keeping the anchors that it has built."""

    def __init__(self, config: Config):
        self._config = config
        self._settings = config.evaluation
        self._data = data.load(self._settings.data, self._settings.data_dir)
        self._trainer = functools.cache(self._new_trainer)
        self._score_trainer = functools.lru_cache(4)(self._new_score_trainer)

    def probe(self, graph: str) -> dict[str, Any]:
        """A dictionary of `reason`, `fingerprint` and `seconds`, by `search.probe`."""
        start = time.perf_counter()
        found = probe(LayerGraph.from_json(graph), self._settings.reject_flat)
        return {**dataclasses.asdict(found), "seconds": time.perf_counter() - start}

    def evaluate(self, layer: str, rejects: bool) -> Outcome:
        """Runs the tests and, for a layer that passes, the full training on each anchor.

        A training goes on where its quality test stopped. The anchors are taken in order
        of cost, and the first failure ends the evaluation.

        Args:
          layer: a graph's JSON, or a registered name.
          rejects: whether the tests that the configuration asks for are applied.
        """
        return _Evaluation(layer, rejects, self._settings, self._data, self._trainer).run()

    def score(self, task: ScoreTask) -> float:
        """Accuracy after the training that the task describes."""
        graph, name = graph_or_name(task.layer)
        trainer, split = self._score_trainer(
            name, task.anchor, task.width, task.steps, task.seed, task.held_out
        )
        trainer.start(graph)
        trainer.train(0, task.steps)
        return trainer.accuracy(split)

    def _new_trainer(self, anchor: str, name: str | None) -> AnchorTrainer:
        seed = self._config.method.seed
        return AnchorTrainer(anchor, self._data, self._settings, seed, norm_act=name)

    def _new_score_trainer(self, name, anchor, width, steps, seed, held_out):
        settings = dataclasses.replace(self._settings, steps=steps)
        images = self._data if held_out is None else self._data.held_out(held_out, seed)
        trainer = AnchorTrainer(anchor, images, settings, seed, norm_act=name, width=width)
        return trainer, images.test if held_out is None else images.validation


class _Evaluation:
    """One candidate on its way through the stages."""

    def __init__(self, layer, rejects, settings, images, new_trainer):
        self._settings, self._images = settings, images
        self._rejects = rejects
        self._graph, name = graph_or_name(layer)
        self._trainer = functools.partial(new_trainer, name=name)
        self._stages: dict[str, Any] = {}
        self._start = time.perf_counter()

    def run(self) -> Outcome:
        for stage in (self._quality, self._stability):
            reason = stage()
            if reason is not None:
                return self._outcome("rejected", reason, None)
        return self._outcome("accepted", None, self._full_training())

    def _quality(self) -> str | None:
        """Accuracy after the first steps, against a multiple of random guess."""
        settings = self._settings
        least = settings.quality_ratio / self._images.num_classes
        testing = self._rejects and settings.quality_test
        accuracies: dict[str, float] = {}
        with self._timed("quality", accuracies=accuracies):
            for anchor in settings.anchors:
                trainer = self._trainer(anchor)
                trainer.start(self._graph)
                finite = trainer.train(0, self._quality_steps)
                if not testing:
                    continue
                accuracies[anchor] = trainer.accuracy(self._images.validation) if finite else 0.0
                if accuracies[anchor] < least:
                    return "quality"
        return None

    def _stability(self) -> str | None:
        """The worst gradient norm that gradient ascent on the weights finds."""
        settings = self._settings
        norms: dict[str, float | None] = {}
        steps: dict[str, int] = {}
        if not (self._rejects and settings.stability_test):
            return None
        with self._timed("stability", norms=norms, steps=steps):
            for anchor in settings.anchors[: settings.stability_anchors]:
                norm, steps[anchor] = self._trainer(anchor).largest_gradient()
                norms[anchor] = norm if math.isfinite(norm) else None  # JSON has no infinity
                if norm > settings.stability_limit:
                    return "stability"
        return None

    def _full_training(self) -> dict[str, float]:
        scores = {}
        with self._timed("training"):
            for anchor in self._settings.anchors:
                trainer = self._trainer(anchor)
                trainer.train(self._quality_steps, self._settings.steps)
                scores[anchor] = trainer.accuracy(self._images.validation)
        return scores

    @property
    def _quality_steps(self) -> int:
        return min(self._settings.quality_steps, self._settings.steps)

    def _timed(self, stage: str, **figures: Any) -> "_Timer":
        return _Timer(self._stages, stage, figures)

    def _outcome(self, status, reason, scores) -> Outcome:
        fitness = None if scores is None else statistics.fmean(scores.values())
        seconds = time.perf_counter() - self._start
        return Outcome(status, reason, scores, fitness, self._stages, seconds)


class _Timer:
    """Writes a stage's seconds beside its figures, however the stage ends."""

    def __init__(self, stages, stage, figures):
        self._stages, self._stage, self._figures = stages, stage, figures

    def __enter__(self):
        self._start = time.perf_counter()

    def __exit__(self, *_):
        seconds = time.perf_counter() - self._start
        self._stages[self._stage] = {"seconds": seconds, **self._figures}


def graph_or_name(layer: str) -> tuple[LayerGraph | None, str | None]:
    """A layer's graph where it has one, else its registered name."""
    if layer.lstrip().startswith("{"):
        return LayerGraph.from_json(layer), None
    graph = registry.graph(layer)
    return (None, layer) if graph is None else (graph, None)
