"""Time and memory of layers, compared with Keras's BatchNormalization + ReLU and other rivals.

    python -m benchmarks.layers [--layers NAME ...] [--shapes 32x56x56x128 ...] [--dtype float32]
        [--how function] [--rounds 10] [--write FOLDER]
    python -m benchmarks.layers --memory [--layers ...] [--shapes ...] [--dtype ...] [--write ...]

Time: a forward pass and one with gradients for input and weights; median over the rounds of
the ratio to the rival's in the same round, in which all take turns in random order. The share of
the memory's speed is the time in which a copy of the same round moves the arrays that the pass must
read and write (`contenders.least_arrays`), over the time of the pass.
`benchmarks.contenders` has the names; those whose package is not installed are left out, and
named. Memory: how much the peak of resident memory grows for each further layer of a chain, in
units of the layer's input: what it keeps for its backward pass. `--write` puts both into
FOLDER/layers.json, and tables and a figure next to it.
"""

import argparse
import importlib.util
import json
import os
import pathlib
import random
import statistics
import sys

from benchmarks import contenders, machine, peaks

_SHAPES = ["32x56x56x128", "32x28x28x128", "32x14x14x256", "32x7x7x512", "32x14x14x96", "8x7x7x512"]
_LAYERS = ["bn_relu", "bn_silu", "gn_relu", "gn_silu", "ln_relu", "frn", "pixelnorm_relu"]
_EVONORMS = ["evonorm_b0", "evonorm_b1", "evonorm_b2", "evonorm_s0", "evonorm_s1", "evonorm_s2"]
_RIVALS = ["plain", "kecam", "timm", "timm compiled"]
_PACKAGES = {"kecam": "keras_cv_attention_models", "timm": "timm"}
_DEPTHS = (8, 24)


def installed(names: list[str]) -> list[str]:
    """The names whose package is there; says which are not."""
    found = []
    for name in names:
        package = _PACKAGES.get(name.split(" ")[1] if " " in name else "")
        if package is None or importlib.util.find_spec(package) is not None:
            found.append(name)
        else:
            print(f"left out: {name}, for {package} is not installed", file=sys.stderr)
    return found


def times(names: list[str], shape: list[int], dtype: str, how: str, rounds: int) -> list[dict]:
    """A row for each contender and pass."""
    passes = {
        name: contenders.passes(name, shape, dtype, how)
        for name in [contenders.RIVAL, contenders.COPY, *names]
    }
    rows, order = [], random.Random(0)
    for kind in ("forward", "training"):
        for once in passes.values():  # traces and compiles
            once[kind](), once[kind]()
        seconds = [_round(passes, kind, order) for _ in range(rounds)]
        for name in passes:
            ratios = [each[name] / each[contenders.RIVAL] for each in seconds]
            row = {"layer": name, "pass": kind, "ratio": statistics.median(ratios)}
            row["milliseconds"] = 1e3 * statistics.median(each[name] for each in seconds)
            arrays = contenders.least_arrays(name, kind) / contenders.ARRAYS_OF_A_COPY
            shares = [arrays * each[contenders.COPY] / each[name] for each in seconds]
            row["share"] = statistics.median(shares)
            rows.append(row)
    return rows


def _round(passes: dict, kind: str, order: random.Random) -> dict[str, float]:
    # What one contender leaves behind, busy threads or a full cache, must not meet one other.
    names = order.sample(list(passes), len(passes))
    return {name: passes[name][kind]() for name in names}


def memory(names: list[str], size: str, dtype: str) -> list[dict]:
    """A row for each contender in this process's framework."""
    chosen = [name for name in [contenders.RIVAL, *names] if "timm" not in name]
    return [{"layer": name, "pass": "memory", "keeps": kept(name, size, dtype)} for name in chosen]


def kept(name: str, size: str, dtype: str) -> float:
    """Input-sized arrays that a layer keeps, by the peaks of a short and a long chain."""
    short, long = (peaks.in_a_process(__spec__.name, name, size, dtype, n) for n in _DEPTHS)
    return (long - short) / (_DEPTHS[1] - _DEPTHS[0])


def _peak(name: str, size: str, dtype: str, depth: str) -> float:
    """Peak of the resident memory in a chain's training pass, in units of its input."""
    import tensorflow as tf

    x = tf.cast(tf.random.stateless_normal(_sizes(size), [1, 2]), dtype)
    layers = [contenders.layer_of(name, dtype) for _ in range(int(depth))]
    for layer in layers:
        layer.build(x.shape)
    run = contenders.training_pass(layers, "function")
    return peaks.peak_during(lambda: run(x, x)) / (x.dtype.size * x.shape.num_elements())


def main() -> None:
    """Prints a table for each shape, and writes and draws them if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = [*_LAYERS, *_EVONORMS]
    default += [f"{name} graph" for name in _EVONORMS]
    default += [f"{name} {kind}" for name in ("evonorm_b0", "evonorm_s0") for kind in _RIVALS]
    parser.add_argument("--layers", nargs="+", default=default)
    parser.add_argument("--shapes", nargs="+", default=_SHAPES)
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--how", default="function", choices=["function", "xla", "eager"])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--memory", action="store_true", help="in place of time")
    parser.add_argument("--write", type=pathlib.Path, metavar="FOLDER")
    parser.add_argument("--peak-of", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    if options.peak_of:
        print(_peak(*options.peak_of))
        return
    machine.prepare()
    names = installed(options.layers)
    case = {"dtype": options.dtype, "how": options.how, "machine": machine.describe()}
    for size in options.shapes:
        title = {"shape": size, **case}
        if options.memory:
            rows = memory(names, size, options.dtype)
        else:
            rows = times(names, _sizes(size), options.dtype, options.how, options.rounds)
        _show(title, rows)
        if options.write:
            _write(options.write, title, rows)
    if options.write:
        from benchmarks import layers_plot

        layers_plot.draw(options.write)
        layers_plot.tabulate(options.write)


def _show(title: dict, rows: list[dict]) -> None:
    print(", ".join(title.values()))
    for row in rows:
        if "keeps" in row:
            print(f"  {row['layer']:24} keeps {row['keeps']:5.2f} inputs", flush=True)
        else:
            figures = f"{row['milliseconds']:8.2f} ms {row['ratio']:6.2f}x {row['share']:5.0%}"
            print(f"  {row['layer']:24} {row['pass']:8} {figures} of a copy's speed", flush=True)


def _write(folder: pathlib.Path, title: dict, rows: list[dict]) -> None:
    path = folder / "layers.json"
    old = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    measured = {(row["layer"], row["pass"], *title.values()) for row in rows}
    identity = ("layer", "pass", *title)
    kept = [row for row in old if tuple(row[key] for key in identity) not in measured]
    folder.mkdir(parents=True, exist_ok=True)
    new = [*kept, *({**title, **row} for row in rows)]
    path.write_text(json.dumps(new, indent=1) + "\n", encoding="utf-8")


def _sizes(text: str) -> list[int]:
    return [int(size) for size in text.split("x")]


if __name__ == "__main__":
    main()
