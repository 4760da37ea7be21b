"""`Evaluator`: the tests and the training of a candidate (paper section 4.2)."""

import dataclasses
import functools
import math
import time
from typing import Any

from evonorm_tf import registry
from evonorm_tf.graph.layer_graph import LayerGraph
from search.config import Config
from search.evaluation import objective
from search.evaluation.anchor_trainer import AnchorTrainer
from search.evaluation.images import load_data
from search.evaluation.outcome import Outcome, ScoreTask, StageResult, outcome_of, stages_of
from search.evaluation.probe import probe
from trainers import data


class Evaluator:
    """Evaluates candidates one after another, in anchors that are built once.

    Args:
      config: the run's configuration.
      images: the data set; default: the configured one is loaded.
    """

    def __init__(self, config: Config, images: data.ImageData | None = None):
        self._config = config
        self._settings = config.evaluation
        self._data = images or load_data(self._settings)
        # For each anchor its layer, and the number of training steps so far.
        self._positions: dict[tuple[str, str | None], tuple[str, int]] = {}
        self._trainer = functools.cache(self._new_trainer)
        self._score_trainer = functools.lru_cache(4)(self._new_score_trainer)

    def probe(self, graph: str) -> dict[str, Any]:
        """Probes a graph; returns a dictionary of `reason`, `fingerprint` and `seconds`."""
        start = time.perf_counter()
        settings = self._settings
        probed = probe(
            LayerGraph.from_json(graph),
            reject_flat=settings.reject_flat,
            reject_unnormalized=settings.reject_unnormalized,
            reject_signal=settings.reject_signal,
            up_to_affine=settings.equivalence_affine,
        )
        return {**dataclasses.asdict(probed), "seconds": time.perf_counter() - start}

    def evaluate(self, layer: str, rejects: bool) -> Outcome:
        """Runs the tests and, for a layer that passes, the full training on each anchor.

        The training continues from the weights of the quality test. The anchors are evaluated in
        order of cost, and the first failure ends the evaluation.

        Args:
          layer: a graph's JSON, or a registered name.
          rejects: whether to apply the tests that the configuration asks for.
        """
        results: dict[str, StageResult] = {}
        for stage in stages_of(rejects, self._settings.stability_test):
            results[stage] = getattr(self, stage)(layer, rejects)
            if results[stage].reason is not None:
                break
        return outcome_of(results)

    def quality(self, layer: str, rejects: bool) -> StageResult:
        """Rejects a layer whose accuracy after the first steps is too near random guess."""
        settings, start = self._settings, time.perf_counter()
        least = settings.quality_ratio / self._data.num_classes
        accuracies: dict[str, float] = {}
        reason = None
        for anchor in settings.anchors:
            trainer, finite = self._train_first_steps(anchor, layer)
            if not (rejects and settings.quality_test):
                continue
            accuracies[anchor] = trainer.accuracy(self._data.validation) if finite else 0.0
            if accuracies[anchor] < least:
                reason = "quality"
                break
        return _stage(start, reason, accuracies=accuracies)

    def stability(self, layer: str, rejects: bool) -> StageResult:
        """Rejects a layer for which gradient ascent finds a gradient norm above the limit."""
        settings, start = self._settings, time.perf_counter()
        norms: dict[str, float | None] = {}
        steps: dict[str, int] = {}
        reason = None
        for anchor in settings.anchors[: settings.stability_anchors]:
            norm, steps[anchor] = self._holding(anchor, layer).largest_gradient()
            norms[anchor] = norm if math.isfinite(norm) else None  # JSON has no infinity
            if norm > settings.stability_limit:
                reason = "stability"
                break
        return _stage(start, reason, norms=norms, steps=steps)

    def training(self, layer: str, rejects: bool) -> StageResult:
        """Continues the training from the weights of the quality test; returns the scores.

        A layer with a loss or an objective that is not finite is rejected. After an anchor in which
        a layer has learned too little by half of the steps, none of its trainings goes on; it keeps
        the scores that it has.

        If another process ran the quality test, its steps are repeated and give the same weights.
        """
        start = time.perf_counter()
        scores: dict[str, float] = {}
        steps: dict[str, int] = {}
        is_promising = True
        for anchor in self._settings.anchors:
            trainer = self._after_first_steps(anchor, layer)
            steps[anchor] = self._quality_steps
            if is_promising:
                steps[anchor], finite = self._go_on(trainer, rejects)
                if rejects and not finite:
                    return _stage(start, "diverged")
                is_promising = steps[anchor] == self._settings.steps
            scores[anchor] = self._score_of(trainer, self._data.validation)
            if not math.isfinite(scores[anchor]):
                return _stage(start, "diverged")
        return _stage(start, None, scores, steps=steps)

    def _after_first_steps(self, anchor: str, layer: str) -> AnchorTrainer:
        """The anchor with the layer where its quality test ended; another training may follow."""
        key, _ = self._key(anchor, layer)
        if self._positions.get(key) != (layer, self._quality_steps):
            self._train_first_steps(anchor, layer)
        self._positions.pop(key)
        return self._trainer(*key)

    def _go_on(self, trainer: AnchorTrainer, rejects: bool) -> tuple[int, bool]:
        """Trains to the end, or to half of it; returns the steps, and whether losses are finite."""
        settings, first = self._settings, self._quality_steps
        if rejects and settings.halving_ratio:
            half = max(first, settings.steps // 2)
            finite = trainer.train(first, half)
            accuracy = trainer.accuracy(self._data.validation)
            if not finite or accuracy * self._data.num_classes < settings.halving_ratio:
                return half, finite
            first = half
        return settings.steps, trainer.train(first, settings.steps)

    def _train_first_steps(self, anchor: str, layer: str) -> tuple[AnchorTrainer, bool]:
        """Trains from the initial weights to the quality test; False if a loss is not finite."""
        key, graph = self._key(anchor, layer)
        trainer = self._trainer(*key)
        self._positions.pop(key, None)
        trainer.start(graph)
        finite = trainer.train(0, self._quality_steps)
        self._positions[key] = (layer, self._quality_steps)
        return trainer, finite

    def _holding(self, anchor: str, layer: str) -> AnchorTrainer:
        """The anchor with the layer, at any step of its training."""
        key, graph = self._key(anchor, layer)
        trainer = self._trainer(*key)
        if self._positions.get(key, (None, 0))[0] != layer:
            self._positions.pop(key, None)
            trainer.start(graph)
            self._positions[key] = (layer, 0)
        return trainer

    def _key(self, anchor: str, layer: str) -> tuple[tuple[str, str | None], LayerGraph | None]:
        graph, name = graph_or_name(layer)
        return (anchor, name), graph

    @property
    def _quality_steps(self) -> int:
        return min(self._settings.quality_steps, self._settings.steps)

    def score(self, task: ScoreTask) -> float | None:
        """The score after the training that a task describes; None if it is not finite."""
        graph, name = graph_or_name(task.layer)
        trainer, split = self._score_trainer(
            name, task.anchor, task.width, task.steps, task.seed, task.held_out
        )
        trainer.start(graph)
        trainer.train(0, task.steps)
        score = self._score_of(trainer, split)
        return score if math.isfinite(score) else None

    def _score_of(self, trainer: AnchorTrainer, split: data.Split) -> float:
        """The user's objective, or the accuracy without one."""
        if self._settings.objective is None:
            return trainer.accuracy(split)
        return objective.score(self._settings.objective, trainer, split)

    def _new_trainer(self, anchor: str, name: str | None) -> AnchorTrainer:
        seed = self._config.method.seed
        return AnchorTrainer(anchor, self._data, self._settings, seed, norm_act=name)

    def _new_score_trainer(
        self,
        name: str | None,
        anchor: str,
        width: float | None,
        steps: int,
        seed: int,
        held_out: float | None,
    ) -> tuple[AnchorTrainer, data.Split]:
        settings = dataclasses.replace(self._settings, steps=steps)
        images = self._data if held_out is None else self._data.held_out(held_out, seed)
        trainer = AnchorTrainer(anchor, images, settings, seed, norm_act=name, width=width)
        return trainer, images.test if held_out is None else images.validation


def _stage(
    start: float, reason: str | None, scores: dict[str, float] | None = None, **figures: Any
) -> StageResult:
    return StageResult(reason, scores, {"seconds": time.perf_counter() - start, **figures})


def graph_or_name(layer: str) -> tuple[LayerGraph | None, str | None]:
    """The graph of a layer and None, or None and its registered name if it has no graph."""
    if layer.lstrip().startswith("{"):
        return LayerGraph.from_json(layer), None
    graph = registry.graph(layer)
    return (None, layer) if graph is None else (graph, None)
