"""The controller with thousands of simulated workers and a million genotypes, and its rival.

    python -m benchmarks.search_controller [--genotypes 1000000] [--rival 1500] [--json FILE]

The real controller and its database, with `benchmarks.simulated_workers` in place of a cluster:
genotypes and decisions a second, time per genotype as the history grows, memory and file,
resuming, the same work upon a short and a long history in turn;
then shorter runs with stragglers and with workers that vanish. The rival is PyGlove's regularized
evolution over the same nodes, with the same recorded scores, in memory and without a database.
A decision is a genotype born or an answer taken. Seconds are processor seconds of the
controller's one thread, without those of the simulation.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import resource
import sys
import tempfile
import time
from typing import Any

import numpy as np

from benchmarks.simulated_workers import RECORDING, SimulatedPool, Workers
from evonorm_tf.graph import ops
from search import lifecycle
from search.config import Config
from search.controller.loop import Controller
from search.presets import preset
from search.progress.events import Event
from search.storage.database import DATABASE
from search.storage.store import Store

# Those that the recorded seconds are of.
_RECORDED_ANCHORS = ("mobilenet_v2_small", "efficientnet_small", "resnet_small")
_BLOCKS = 20
# In proportion to fewer genotypes, so that the run is many evaluations long.
_SCENARIO_WORKERS = 500
_SHORT, _CONTINUED, _ROUNDS = 20_000, 6000, 3
_TRAINING_HOURS = 6.5  # paper: 3 to 10 hours for one model on one worker


class _Meter:
    """Counts decisions, and notes the seconds for each block of genotypes."""

    def __init__(self, genotypes: int, path: pathlib.Path, pool: SimulatedPool):
        self._size, self._path = max(1, genotypes // _BLOCKS), path
        self._pool = pool
        self.decisions = 0
        self.last_birth = 0.0
        self.blocks: list[dict] = []
        self._last = (0, 0, time.process_time())

    def update(self, event: Event) -> None:
        """Counts the event."""
        if event.kind == "sampled":
            self.decisions += 1
            self.last_birth = self._pool.now
            if event.sampled % self._size == 0:
                self._note(event.sampled)

    def close(self) -> None:
        """Nothing to put away."""

    def _note(self, sampled: int) -> None:
        decisions = self.decisions + self._pool.answers
        now = time.process_time() - self._pool.own_seconds
        before = self._last
        self._last = (sampled, decisions, now)
        seconds = now - before[2]
        self.blocks.append(
            {
                "genotypes": sampled,
                "microseconds_per_genotype": 1e6 * seconds / (sampled - before[0]),
                "decisions_per_second": (decisions - before[1]) / seconds,
                "megabytes_of_memory": _resident() / 1e6,
                "megabytes_of_file": _file_size(self._path) / 1e6,
            }
        )
        print(json.dumps(self.blocks[-1]), file=sys.stderr, flush=True)


def configure(genotypes: int, workers: int) -> Config:
    """The paper's search with the recorded run's networks, ended by genotypes."""
    config = preset("paper-b").override(
        [f"method.max_candidates={genotypes}", "method.max_minutes=none", f"workers={workers}"]
    )
    anchors = _RECORDED_ANCHORS
    evaluation = dataclasses.replace(config.evaluation, anchors=anchors)
    return Config.from_dict(
        {**config.to_dict(), "evaluation": dataclasses.asdict(evaluation), "baselines": []}
    )


def simulate(folder: pathlib.Path, genotypes: int, workers: Workers) -> dict:
    """One run; its throughput, and how well the workers were used."""
    recording = json.loads(RECORDING.read_text(encoding="utf-8"))
    config = configure(genotypes, workers.count)
    with lifecycle.create(folder, config) as store:
        pool = SimulatedPool(config, workers, recording)
        meter = _Meter(genotypes, folder / DATABASE, pool)
        start = time.process_time(), time.perf_counter()
        Controller(config, store, meter, lambda _: pool).run()
        total, wall = time.process_time() - start[0], time.perf_counter() - start[1]
        counts = store.counts()
    seconds = total - pool.own_seconds
    decisions = meter.decisions + pool.answers
    return {
        "workers": dataclasses.asdict(workers),
        "genotypes": genotypes,
        "counts": counts,
        "decisions": decisions,
        "controller_seconds": seconds,
        "wall_seconds": wall,
        "genotypes_per_second": genotypes / seconds,
        "decisions_per_second": decisions / seconds,
        "virtual_hours": meter.last_birth / 3600,
        "genotypes_per_virtual_hour": 3600 * genotypes / meter.last_birth,
        "share_of_time_lost": pool.lost / (pool.useful + pool.lost),
        "blocks": meter.blocks,
    }


def continued(folder: pathlib.Path, genotypes: int) -> dict:
    """Goes on with a run for some genotypes; the same figures as of a whole one, in short."""
    recording = json.loads(RECORDING.read_text(encoding="utf-8"))
    with Store.open(folder, controller=True) as store:
        history = store.last_id()
        limit = f"method.max_candidates={history + genotypes}"
        config = lifecycle.load_config(store).override([limit])
        pool = SimulatedPool(config, Workers(300), recording, seed=history)
        meter = _Meter(history + genotypes, folder / DATABASE, pool)
        controller = Controller(config, store, meter, lambda _: pool)
        start = time.process_time()
        controller.run()
        seconds = time.process_time() - start - pool.own_seconds
    return {
        "history": history,
        "microseconds_per_genotype": 1e6 * seconds / genotypes,
        "decisions_per_second": (meter.decisions + pool.answers) / seconds,
    }


def compare_histories(long: pathlib.Path, short: pathlib.Path) -> list[dict]:
    """The same work upon a short and a long history in turn, under equal conditions."""
    simulate(short, _SHORT, Workers(300))
    return [continued(folder, _CONTINUED) for _ in range(_ROUNDS) for folder in (short, long)]


def resume(folder: pathlib.Path) -> dict:
    """Seconds until a controller stands ready over a run that has ended."""
    start = time.perf_counter()
    with Store.open(folder, controller=True) as store:
        opened = time.perf_counter() - start
        config = lifecycle.load_config(store)
        meter = _Meter(1, folder / DATABASE, SimulatedPool(config, Workers(), []))
        Controller(config, store, meter)
    return {"open_and_check": opened, "until_ready": time.perf_counter() - start}


def rival(genotypes: int) -> dict:
    """PyGlove's regularized evolution: propose and feed back, without any evaluation."""
    import pyglove as pg

    def choice(count: int) -> Any:
        return pg.geno.oneof([pg.geno.constant() for _ in range(count)])

    nodes = [
        choice(count)
        for index in range(ops.NUM_INITIAL_NODES, ops.NUM_INITIAL_NODES + 10)
        for count in (len(ops.PRIMITIVES), index, index)
    ]
    rows = json.loads(RECORDING.read_text(encoding="utf-8"))
    rewards = [float(np.mean(row["scores"])) if row["scores"] else 0.0 for row in rows]
    algorithm = pg.evolution.regularized_evolution(population_size=100, tournament_size=5, seed=0)
    algorithm.setup(pg.geno.space(nodes))
    blocks, size = [], max(1, genotypes // 5)
    for first in range(0, genotypes, size):
        start = time.process_time()
        for _ in range(size):
            dna = algorithm.propose()
            picked = hash(tuple(dna.to_numbers(flatten=True))) % len(rewards)
            algorithm.feedback(dna, rewards[picked])
        each = 1e6 * (time.process_time() - start) / size
        blocks.append({"genotypes": first + size, "microseconds_per_genotype": each})
    mean = np.mean([block["microseconds_per_genotype"] for block in blocks])
    return {
        "version": pg.__version__,
        "genotypes": genotypes,
        "genotypes_per_second": 1e6 / mean,
        "decisions_per_second": 2e6 / mean,
        "blocks": blocks,
    }


def scenarios(genotypes: int, slowdown: float) -> dict[str, dict]:
    """The same run with stragglers, and with workers that vanish."""
    kinds: dict[str, dict[str, Any]] = {
        "undisturbed": {},
        "1% of the stages take 10 times as long": {"straggler_share": 0.01},
        "10% of the workers vanish in an hour": {"lost_per_hour": 0.1},
        "both": {"straggler_share": 0.01, "lost_per_hour": 0.1},
    }
    found = {}
    for name, options in kinds.items():
        with tempfile.TemporaryDirectory() as folder:
            workers = Workers(_SCENARIO_WORKERS, slowdown, **options)
            found[name] = simulate(pathlib.Path(folder) / "run", genotypes, workers)
            del found[name]["blocks"]
    return found


def _slowdown() -> float:
    """What makes a recorded full training as long as one of the paper's."""
    rows = json.loads(RECORDING.read_text(encoding="utf-8"))
    seconds = [
        sum(row["seconds"].values()) for row in rows if row["scores"] and row["end"] != "free"
    ]
    return 3600 * _TRAINING_HOURS / float(np.mean(seconds))


def _file_size(path: pathlib.Path) -> int:
    """Of the database with what its log still holds."""
    return sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*"))


def _resident() -> int:
    pages = pathlib.Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * resource.getpagesize()


def main() -> None:
    """Prints the figures, and writes them as JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--genotypes", type=int, default=1_000_000)
    parser.add_argument("--scenario-genotypes", type=int, default=50_000)
    parser.add_argument("--rival", type=int, default=1000, help="genotypes for PyGlove")
    parser.add_argument("--folder", type=pathlib.Path, help="keeps the run there")
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    slowdown = _slowdown()
    result: dict[str, Any] = {"cores": os.cpu_count(), "slowdown": slowdown}
    if options.rival:
        result["pyglove"] = rival(options.rival)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or pathlib.Path(temporary) / "run"
        result["controller"] = simulate(folder, options.genotypes, Workers(slowdown=slowdown))
        result["resume_seconds"] = resume(folder)
        result["histories"] = compare_histories(folder, pathlib.Path(temporary) / "short")
    if options.scenario_genotypes:
        result["scenarios"] = scenarios(options.scenario_genotypes, slowdown)
    print(json.dumps(result, indent=1))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
