"""`SimulatedPool`: thousands of workers that do not exist, with times and scores of a recorded run.

    python -m benchmarks.simulated_workers --run-dir DIR    writes benchmarks/search_recording.json

Time is virtual: it jumps from one answer to the next. What becomes of a genotype is what became
of a recorded one that a hash of its graph picks; equal graphs end equally. As on a cluster, the
stages of an evaluation are tasks that follow each other, and one that is lost with its worker is
given to another.
"""

import argparse
import dataclasses
import hashlib
import heapq
import json
import pathlib
import time
from collections import deque
from typing import Any

import numpy as np

from search.config import Config
from search.evaluation.outcome import STAGES, Outcome
from search.storage.store import Store
from search.workers.pool import Answer

RECORDING = pathlib.Path(__file__).with_name("search_recording.json")
_MOST_ROWS = 1000
_RECENT_FUNCTIONS = 5000


@dataclasses.dataclass(frozen=True)
class Workers:
    """Who works, and how badly.

    Attributes:
      count: workers.
      slowdown: factor on the recorded seconds of trainings; the probes take what they took.
      straggler_share, straggler_factor: of the stages, how many take how much longer.
      lost_per_hour: share of the workers that vanish in an hour.
      back_after: seconds until another one stands in its place.
      turn: seconds between two looks of the controller.
    """

    count: int = 5000
    slowdown: float = 1.0
    straggler_share: float = 0.0
    straggler_factor: float = 10.0
    lost_per_hour: float = 0.0
    back_after: float = 600.0
    turn: float = 1.0


class SimulatedPool:
    """A `search.workers.pool.Pool`.

    Attributes:
      now: virtual seconds since the start.
      useful, lost: worker seconds that led to an answer, and that were lost with a worker.
      answers: how many there were.
      own_seconds: processor time of the simulation itself.
    """

    def __init__(self, config: Config, workers: Workers, recording: list[dict], seed: int = 0):
        self._anchors = config.evaluation.anchors
        self._workers, self._recording = workers, recording
        self._rng = np.random.default_rng(seed)
        self._events: list[tuple] = []
        self._submitted: list[tuple[Any, str, str]] = []
        self._recent: deque[str] = deque(maxlen=_RECENT_FUNCTIONS)
        self._sequence = self.answers = 0
        self.now = self.useful = self.lost = self.own_seconds = 0.0

    def __enter__(self) -> "SimulatedPool":
        return self

    def __exit__(self, *_: Any) -> None:
        pass

    @property
    def has_idle(self) -> bool:
        """Whether a worker waits."""
        return len(self._events) + len(self._submitted) < self._workers.count

    @property
    def is_busy(self) -> bool:
        """Whether an answer is to come."""
        return bool(self._events or self._submitted)

    def cluster(self) -> None:
        """None: there is no cluster."""

    def submit(self, tag: Any, kind: str, *arguments: Any) -> None:
        """Gives a task to a worker that waits."""
        self._submitted.append((tag, kind, arguments[0]))

    def _begin(self, tag: Any, kind: str, layer: str) -> None:
        row, digest = self._fate(layer)
        stages = ("probe",) if kind == "probe" else self._stages(row)
        end = self.now + sum(self._stage_time(stage, row) for stage in stages)
        self._sequence += 1
        heapq.heappush(self._events, (end, self._sequence, tag, kind, row, digest))

    def wait(self, timeout: float | None = None) -> list[Answer]:
        """The answers of the next turn that has any."""
        # All of the simulation is here: reading the clock is not cheap.
        start = time.process_time()
        for task in self._submitted:
            self._begin(*task)
        self._submitted.clear()
        self.now = max(self.now + self._workers.turn, self._events[0][0])
        answers = []
        while self._events and self._events[0][0] <= self.now:
            _, _, tag, kind, row, digest = heapq.heappop(self._events)
            answers.append(Answer(tag, "ok", self._result(kind, row, digest)))
        self.answers += len(answers)
        self.own_seconds += time.process_time() - start
        return answers

    def _fate(self, layer: str) -> tuple[dict, bytes]:
        # The name, which is the genotype's own, stands before the nodes.
        nodes = layer.partition('"nodes"')[2] or layer
        digest = hashlib.blake2b(nodes.encode(), digest_size=16).digest()
        return self._recording[int.from_bytes(digest[:8]) % len(self._recording)], digest

    def _stages(self, row: dict) -> tuple[str, ...]:
        return tuple(stage for stage in STAGES if stage in row["seconds"])

    def _stage_time(self, stage: str, row: dict) -> float:
        """Seconds until the stage is through, however often it is lost on the way."""
        workers = self._workers
        seconds = row["seconds"].get(stage, 0.0)
        if stage != "probe":
            seconds *= workers.slowdown
        if workers.straggler_share and self._rng.random() < workers.straggler_share:
            seconds *= workers.straggler_factor
        self.useful += seconds
        if not workers.lost_per_hour:
            return seconds
        waited, life = 0.0, 3600.0 / -np.log1p(-workers.lost_per_hour)
        while (alive := self._rng.exponential(life)) < seconds:
            waited += alive + workers.back_after
            self.lost += alive + workers.back_after
        return waited + seconds

    def _result(self, kind: str, row: dict, digest: bytes) -> Any:
        if kind == "probe":
            reason = row["reason"] if row["end"] == "free" else None
            function = None if reason else self._function(row, digest)
            seconds = row["seconds"]["probe"]
            return {"reason": reason, "fingerprint": function, "seconds": seconds}
        stages = {stage: {"seconds": row["seconds"][stage]} for stage in self._stages(row)}
        seconds = sum(row["seconds"].values())
        if not row["scores"]:
            return Outcome("rejected", row["reason"] or "quality", None, None, stages, seconds)
        scores = dict(zip(self._anchors, row["scores"], strict=True))
        fitness = sum(row["scores"]) / len(row["scores"])
        return Outcome("accepted", None, scores, fitness, stages, seconds)

    def _function(self, row: dict, digest: bytes) -> str:
        if row["end"] == "duplicate" and self._recent:
            return self._recent[int.from_bytes(digest[8:12]) % len(self._recent)]
        self._recent.append(digest.hex() * 2)
        return self._recent[-1]


def record(run_dir: pathlib.Path) -> list[dict]:
    """What became of the genotypes of a run that reached the probe, at most a thousand."""
    rows = []
    with Store.open(run_dir) as store:
        for row in store.candidates("accepted", "rejected", "duplicate"):
            stages = row.stages or {}
            if row.origin == "baseline" or "probe" not in stages:
                continue
            free = "duplicate" if row.status == "duplicate" else "free"
            end = "trained" if "quality" in stages else free
            seconds = {name: round(stage["seconds"], 4) for name, stage in stages.items()}
            scores = [round(score, 4) for score in row.anchor_scores.values()]
            rows.append({"end": end, "reason": row.reason, "seconds": seconds, "scores": scores})
    chosen = np.random.default_rng(0).permutation(len(rows))[:_MOST_ROWS]
    return [rows[i] for i in sorted(chosen)]


def main() -> None:
    """Writes the recording, a genotype a line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run-dir", type=pathlib.Path, required=True)
    lines = ",\n".join(json.dumps(row) for row in record(parser.parse_args().run_dir))
    RECORDING.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
