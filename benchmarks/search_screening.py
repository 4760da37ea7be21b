"""Genotypes screened per minute on two cores, against the plain way.

    python -m benchmarks.search_screening [--candidates 200] [--plain 12] [--json FILE]

The search's way: free rejections, the equivalence cache, and anchors that are built once.
The plain way: for each genotype new models and traces, every test and no cache, though with
the search's own training loop, which is faster than Keras's. Both screen the same stream,
which is the demo's; the plain way a sample of it at equal distances. Times are processor
seconds of one thread, which other programs on the machine do not change much; two cores
screen twice as many.
"""

import argparse
import json
import pathlib
import tempfile
import time
from typing import Any

from search.config import Config, preset
from search.controller.loop import Controller
from search.evaluation.evaluator import Evaluator
from search.progress.events import Event
from search.storage.candidate import Candidate
from search.storage.store import Store
from search.workers.pool import Answer

import tensorflow as tf  # isort: skip  (after `search` chose Keras 2)

_CORES = 2


class InProcess:
    """A `search.workers.pool.Pool` that runs each evaluation at once, in this process."""

    def __init__(self, config: Config):
        self._evaluator = Evaluator(config)
        self._answers: list[Answer] = []

    def __enter__(self) -> "InProcess":
        return self

    def __exit__(self, *_: Any) -> None:
        pass

    @property
    def has_idle(self) -> bool:
        """Whether nothing waits to be taken."""
        return not self._answers

    @property
    def is_busy(self) -> bool:
        """Whether an answer waits to be taken."""
        return bool(self._answers)

    def cluster(self) -> None:
        """None: there is no cluster."""

    def submit(self, tag: Any, kind: str, *arguments: Any) -> None:
        """Runs the task."""
        self._answers.append(Answer(tag, "ok", getattr(self._evaluator, kind)(*arguments)))

    def wait(self, timeout: float | None = None) -> list[Answer]:
        """The task's answer."""
        answers, self._answers = self._answers, []
        return answers


class _Silent:
    def update(self, event: Event) -> None:
        """Says nothing."""

    def close(self) -> None:
        """Nothing to put away."""


def screen_with_search(config: Config, run_dir: pathlib.Path) -> tuple[list[Candidate], float]:
    """The stream's genotypes and the seconds that the search took for them."""
    with Store.create(run_dir, {"config": config.to_dict()}) as store:
        start = time.process_time()
        Controller(config, store, _Silent(), InProcess).run()
        return store.candidates(), time.process_time() - start


def screen_plainly(rows: list[Candidate], config: Config) -> tuple[list[str], float]:
    """The verdicts on the genotypes and the seconds for them, with a new evaluator for each."""
    verdicts = []
    start = time.process_time()
    for row in rows:
        verdicts.append(Evaluator(config).evaluate(row.require_layer(), True).status)
    return verdicts, time.process_time() - start


def compare(config: Config, plain: int) -> dict[str, Any]:
    """Both ways on the same genotypes: how many a minute, and whether the verdicts agree.

    Args:
      config: of the search.
      plain: on how many of the genotypes the plain way is timed.
    """
    with tempfile.TemporaryDirectory() as folder:
        rows, seconds = screen_with_search(config, pathlib.Path(folder) / "run")
    sample = rows[:: max(1, len(rows) // plain)]
    verdicts, plain_seconds = screen_plainly(sample, config)
    agree = [
        (row.fitness is not None) == (verdict == "accepted")
        for row, verdict in zip(sample, verdicts, strict=True)
    ]
    each, plain_each = seconds / len(rows), plain_seconds / len(sample)
    return {
        "genotypes": len(rows),
        "accepted": sum(row.status == "accepted" for row in rows),
        "search_per_minute": _CORES * 60 / each,
        "plain_genotypes": len(sample),
        "plain_per_minute": _CORES * 60 / plain_each,
        "times_faster": plain_each / each,
        "verdicts_agree": sum(agree),
    }


def _config(candidates: int, seed: int) -> Config:
    """The demo's search, ended by a number of genotypes and without baselines."""
    config = preset("demo").override(
        [
            f"method.max_candidates={candidates}",
            f"method.seed={seed}",
            "method.max_minutes=none",
            "workers=1",
        ]
    )
    return Config.from_dict({**config.to_dict(), "baselines": []})


def main() -> None:
    """Prints the comparison, and writes it as JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--candidates", type=int, default=200)
    parser.add_argument("--plain", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.get_logger().setLevel("ERROR")
    result = compare(_config(options.candidates, options.seed), options.plain)
    print(json.dumps(result, indent=1))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
