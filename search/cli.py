"""The command line: `python -m search {init,run,resume,status,report,watch,...}`.

A command imports its modules when it runs, so that help and errors appear at once. Commands do not
import TensorFlow; the workers of a search do, the process that checks a user's own data and
networks, and the loading of a data set for a cluster.
"""

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Collection, Sequence
from typing import TypeAlias

from search import presets, settings
from search.config import Config
from search.errors import SearchError
from search.score_format import ScoreFormat
from search.storage.candidate import Candidate
from search.storage.store import Store
from search.storage.values import printable

_Command: TypeAlias = Callable[[argparse.Namespace], int]
_Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
# A shell's exit codes for signals: 128 and the signal's number.
_INTERRUPTED, _BROKEN_PIPE = 130, 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; returns the exit code. A SearchError is printed as one line."""
    options = _parser().parse_args(arguments)
    try:
        code = options.command(options) or 0
        sys.stdout.flush()
        return code
    except SearchError as error:
        print(f"search: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # The reader of the output is gone, so what Python flushes at exit must go elsewhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    except KeyboardInterrupt:
        run_dir = getattr(options, "run_dir", None)
        print(f"stopped; go on with: python -m search resume --run-dir {run_dir}", file=sys.stderr)
        return _INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m search",
        description="Evolutionary search for normalization-activation layers.",
    )
    commands = parser.add_subparsers(required=True, metavar="command")
    _add_searches(commands)
    _add(commands, "status", _status, "Print how far a search is; it may be running.")
    report = _add(commands, "report", _report, "Write report.html and its figures.")
    _add_repeated(report, "--compare", "RUN_DIR", "a run whose progress to draw with this one's")
    _add_trust(report)
    watch = _add(commands, "watch", _watch, "Serve a page that shows a search while it runs.")
    watch.add_argument("--host", default="127.0.0.1", help="the address; default 127.0.0.1")
    watch.add_argument("--port", type=int, default=0, help="default 0: a free one")
    _add_trust(watch)
    text = "Train the best layers again in wider networks, and compare again."
    rerank = _add(commands, "rerank", _rerank, text)
    _add_executor(rerank)
    _add_trust(rerank)
    sample = _add(commands, "sample", _sample, "Print random layers of the space.", run_dir=False)
    sample.add_argument("--count", type=int, default=10)
    sample.add_argument("--seed", type=int, default=0)
    sample.add_argument("--batch-independent", action="store_true")
    _add_repeated(sample, "--set", "space.FIELD=VALUE", "overrides a field of the space")
    sample.add_argument("--json", action="store_true", help="graphs in place of formulas")
    text = "Write a found layer's JSON graph, and Python that puts it into a Keras model."
    export = _add(commands, "export", _export, text)
    export.add_argument("--rank", type=int, default=1, help="1 is the best layer; default 1")
    export.add_argument("--output", help="folder for the files; default RUN_DIR/export")
    _add_trust(export)
    export.add_argument("--force", action="store_true", help="write over existing files")
    _add_replays(commands)
    return parser


def _add_replays(commands: _Commands) -> None:
    text = "Merge the layers of runs, with their scores, into a table for replays."
    merge = _add(commands, "merge", _merge, text, run_dir=False)
    merge.add_argument("run_dirs", nargs="+", metavar="RUN_DIR")
    merge.add_argument("--output", required=True, help="the table, an .npz file")
    text = "Replay a search on a table of layers, without training; takes seconds."
    replay = _add(commands, "replay", _replay, text, run_dir=False)
    replay.add_argument("--table", help="an .npz file; default: the one that is packaged")
    replay.add_argument("--preset", default="demo", help=", ".join(presets.PRESETS))
    _add_repeated(replay, "--set", "method.FIELD=VALUE", "overrides a field of the method")
    replay.add_argument("--seconds", type=float, default=600.0, help="of one worker; default 600")
    replay.add_argument("--seeds", type=int, default=20, help="replays; default 20")


def _add_searches(commands: _Commands) -> None:
    run = _add(commands, "run", _run, "Start a search in a new run folder.")
    base = run.add_mutually_exclusive_group()
    base.add_argument("--preset", default="demo", help=", ".join(presets.PRESETS))
    base.add_argument("--config", metavar="FILE", help="a configuration file, as init writes it")
    run.add_argument("--seed", type=int, help="overrides method.seed")
    run.add_argument("--algorithm", help="overrides method.algorithm")
    _add_repeated(run, "--set", "SECTION.FIELD=VALUE", "overrides a field of the configuration")
    text = "a run folder or a graph's JSON file, whose layers are the first genotypes"
    _add_repeated(run, "--import-from", "PATH", text)
    resume = _add(commands, "resume", _resume, "Resume a search that was stopped or killed.")
    for command in (run, resume):
        _add_executor(command)
        text = "end without reranking, comparison and report"
        command.add_argument("--no-final", action="store_true", help=text)
    text = "the time to search from now on, in place of what is left of the run's own"
    resume.add_argument("--minutes", type=float, help=text)
    _add_trust(resume)
    text = "Write a preset as a configuration file with comments, for run --config."
    init = _add(commands, "init", _init, text, run_dir=False)
    init.add_argument("--preset", default="demo", help=", ".join(presets.PRESETS))
    init.add_argument("--output", default="search.yaml", help="the file; default search.yaml")
    init.add_argument("--force", action="store_true", help="write over an existing file")


def _add(
    commands: _Commands, name: str, function: _Command, text: str, run_dir: bool = True
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=text, description=text)
    command.set_defaults(command=function)
    if run_dir:
        command.add_argument("--run-dir", required=True, help="the run folder")
    return command


def _add_repeated(command: argparse.ArgumentParser, option: str, metavar: str, text: str) -> None:
    text = f"{text}; may be repeated"
    command.add_argument(option, action="append", default=[], metavar=metavar, help=text)


def _add_trust(command: argparse.ArgumentParser) -> None:
    text = "repeats a module, module:function, model file or TFDS data set that the run imports"
    _add_repeated(command, "--trust", "NAME", text)


def _add_executor(command: argparse.ArgumentParser) -> None:
    command.add_argument("--executor", help="local (processes here) or ray (a cluster)")
    command.add_argument("--workers", type=int, help="evaluations at once")
    command.add_argument(
        "--ray-address", metavar="HOST:PORT", help="a Ray cluster; auto for this machine's"
    )


def _init(options: argparse.Namespace) -> int:
    from search import config_file

    config = presets.preset(options.preset)
    config_file.write(options.output, config, options.force)
    print(f"{options.output}: python -m search run --config {options.output} --run-dir DIR")
    return 0


def _run(options: argparse.Namespace) -> int:
    config = presets.preset(options.preset)
    if options.config is not None:
        from search import config_file

        config = config_file.read(options.config)
    named = {"method.seed": options.seed, "method.algorithm": options.algorithm}
    settings = [f"{path}={value}" for path, value in named.items() if value is not None]
    config = _with_executor(config.override([*options.set, *settings]), options)
    quiet_tensorflow()  # a module of the user's may import it
    from search import lifecycle

    with lifecycle.create(options.run_dir, config, import_from=options.import_from) as store:
        for line in lifecycle.places(store):
            print(line, file=sys.stderr)
        return _execute(store, config, options)


def _resume(options: argparse.Namespace) -> int:
    with Store.open(options.run_dir, controller=True) as store:
        from search import lifecycle

        config = lifecycle.load_config(store, options.trust)
        _with_executor(config, options)  # raises before anything changes
        if options.minutes is not None:
            config = lifecycle.extend(store, config, options.minutes)
        return _execute(store, _with_executor(config, options), options)


def _execute(store: Store, config: Config, options: argparse.Namespace) -> int:
    quiet_tensorflow()
    from search import lifecycle
    from search.progress.choice import new_progress

    with contextlib.closing(new_progress(config, sys.stderr)) as progress:
        lifecycle.execute(store, config, progress, with_final=not options.no_final)
    best = store.top(1)
    shown = ScoreFormat(config.evaluation.objective, store.meta("num_classes"))
    if best and shown.is_near_chance(best[0].require_fitness()):
        print(f"no layer found learns: the best accuracy is {best[0].fitness:.4f}, near chance")
    elif best:
        print(f"best of the search: {best[0].fitness:.4f}  {_formula(best[0])}")
    for entry in store.meta("comparison") or ():
        layer = (
            printable(entry["name"]) if entry["name"] else _formula(store.candidate(entry["id"]))
        )
        print(f"test {entry['mean']:.4f}  {layer}")
    return 0 if options.no_final else _write_report(options.run_dir, (), config.space.modules)


def _rerank(options: argparse.Namespace) -> int:
    with Store.open(options.run_dir, controller=True) as store:
        quiet_tensorflow()
        from search import final, lifecycle
        from search.progress.choice import new_progress

        config = _with_executor(lifecycle.load_config(store, options.trust), options)
        with contextlib.closing(new_progress(config, sys.stderr)) as progress:
            layers = final.rerank(store, config, progress)
            lifecycle.save_best(store)
            final.compare(store, config, progress)
        formulas = {entry["id"]: _formula(store.candidate(entry["id"])) for entry in layers}
    for entry in layers:
        print(f"{entry['mean']:.4f}  candidate {entry['id']}: {formulas[entry['id']]}")
    return 0


def _status(options: argparse.Namespace) -> int:
    with Store.open(options.run_dir) as store:
        counts, reasons, best = store.counts(), store.reasons(), store.top(3)
        print(f"{sum(counts.values())} genotypes in {store.meta('elapsed') or 0.0:.0f} s")
        for title, numbers in (("status", counts), ("reason", reasons)):
            for name, number in numbers.items():
                print(f"  {title} {printable(name)}: {number}")
        refusals = store.refusals()
        if refusals:
            print(f"  reports refused: {len(refusals)}, the last one: {printable(refusals[-1][3])}")
        for row in best:
            print(f"  {row.fitness:.4f}  candidate {row.id}: {_formula(row)}")
    return 0


def _formula(row: Candidate) -> str:
    """The simplified formula, for a terminal."""
    from search.storage.graphs import formula_of

    return printable(formula_of(row))


def _report(options: argparse.Namespace) -> int:
    return _write_report(options.run_dir, options.compare, options.trust)


def _write_report(run_dir: str, compare: Sequence[str], trusted: Collection[str]) -> int:
    for folder in compare:
        with Store.open(folder):
            pass  # raises for a folder without a run, before the slow import
    with Store.open(run_dir) as store:
        from search import sources

        sources.load_again(store, trusted)
    from search import report  # imports matplotlib, which is slow

    path = report.write(run_dir, compare)
    print(f"report: {path}")
    return 0


def _watch(options: argparse.Namespace) -> int:
    if not 0 <= options.port < 2**16:
        raise SearchError(f"--port must be 0 to {2**16 - 1}. Received: {options.port}")
    with Store.open(options.run_dir) as store:
        from search import sources

        sources.load_again(store, options.trust)
    from search.watch import server

    with contextlib.suppress(KeyboardInterrupt):
        server.serve(options.run_dir, options.host, options.port)
    return 0


def _sample(options: argparse.Namespace) -> int:
    if options.count < 1 or options.seed < 0:
        raise SearchError("--count must be at least 1 and --seed at least 0")
    config = Config().override(options.set)
    if options.batch_independent:
        config = config.override(["space.batch_independent=true"])
    import numpy as np

    from search import sources
    from search.evolution.space import sample_graph

    sources.load_primitives(config)
    space, rng = config.space, np.random.default_rng(options.seed)
    for _ in range(options.count):
        graph = sample_graph(rng, space.num_nodes, space.batch_independent, space.primitives)
        print(graph.to_json() if options.json else graph.formula())
    return 0


def _export(options: argparse.Namespace) -> int:
    from search import export

    exported = export.export(
        options.run_dir, options.rank, options.output, options.force, options.trust
    )
    print(f"{exported.text}\n# {exported.graph}\n# {exported.snippet}")
    return 0


def _merge(options: argparse.Namespace) -> int:
    from search.replay.merge import merge

    table = merge(options.run_dirs)
    table.save(options.output)
    print(f"{options.output}: {table.summary()}")
    return 0


def _replay(options: argparse.Namespace) -> int:
    if options.seeds < 1 or options.seconds <= 0:
        raise SearchError("--seeds must be at least 1 and --seconds greater than 0")
    method = presets.preset(options.preset).override(options.set).method
    from search.replay import search as replays
    from search.replay.table import PACKAGED, Table

    table = Table.load(options.table or PACKAGED)
    print(table.summary())
    found = [replays.replay(table, method, seed, options.seconds) for seed in range(options.seeds)]
    for seconds in (options.seconds / 4, options.seconds / 2, options.seconds):
        print(f"best after {seconds:.0f} s: {replays.described(found, seconds)}")
    return 0


def _with_executor(config: Config, options: argparse.Namespace) -> Config:
    """The configuration with the executor and the workers that the options name."""
    if options.ray_address is not None:
        config = config.override([f"ray.address={options.ray_address}", "executor=ray"])
    if options.executor is not None:
        config = config.override([f"executor={options.executor}"])
    if options.workers is not None:
        config = settings.with_workers(config, options.workers)
    return config


def quiet_tensorflow() -> None:
    """Turns off the log of TensorFlow, which is imported later by workers and data sets."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
