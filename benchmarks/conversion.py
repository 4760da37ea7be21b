"""How much accuracy networks keep that are converted to another layer without labels.

    python -m benchmarks.conversion --networks-dir FOLDER --data-dir DATA --out FILE
        [--layers evonorm_s0 ...] [--groups 4] [--examples 1000] [--distill 500]

FOLDER holds the networks of `benchmarks.cifar_networks`; a layer is a name, or the JSON file of a
graph. Each network is converted as it is, calibrated on training images without their labels, and
calibrated and distilled; the report has the accuracies on CIFAR-10's 10,000 test images. FILE keeps
every score; a stopped run resumes with those that are missing. The report is also written next to
it, as Markdown.
"""

import argparse
import pathlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.cifar_networks import LAYERS, settings_of, standardized, target_of
from benchmarks.resumable import Record
from benchmarks.spread import spread

WAYS = ("as it is", "calibrated", "calibrated, distilled")


def main() -> None:
    """Converts what is missing, and writes the scores and the report."""
    options = _options()
    record = Record(
        options.out,
        {"groups": options.groups, "examples": options.examples, "distill": options.distill},
    )
    paths = sorted(options.networks_dir.glob("*.keras"))
    if not paths:
        raise SystemExit(f"{options.networks_dir} holds no .keras file")
    _measure(paths, options, record)
    text = report(record.contents)
    options.out.with_suffix(".md").write_text(text, encoding="utf-8")
    print(text)


def _measure(paths: list[pathlib.Path], options: argparse.Namespace, record: Record) -> None:
    import tensorflow as tf

    from trainers import data

    images = data.load("cifar10", options.data_dir)
    inputs = standardized(images.train.images[: options.examples], images)
    test = standardized(images.test.images, images)
    for path in paths:
        scores = record.scores.setdefault(path.stem, {})
        model = None
        for layer in options.layers:
            if layer in scores:
                continue
            model = model or tf.keras.models.load_model(path, compile=False)
            if "accuracy" not in scores:
                scores["accuracy"] = _accuracy(model, test, images.test.labels)
            scores[layer] = _converted(model, layer, options, inputs, (test, images.test.labels))
            record.write()
            print(path.stem, scores["accuracy"], layer, scores[layer], flush=True)


def _converted(
    model: Any, layer: str, options: argparse.Namespace, inputs: Any, test: tuple[Any, Any]
) -> dict[str, Any]:
    """The accuracies of one conversion, the agreement without labels, and the seconds."""
    import evonorm_tf as en

    settings = settings_of(layer, options.groups)
    arguments_of = {
        "as it is": {},
        "calibrated": {"calibrate": inputs},
        "calibrated, distilled": {"calibrate": inputs, "distill": options.distill},
    }
    scores: dict[str, Any] = {}
    for way in ways_of(options.distill):
        arguments = arguments_of[way]
        start = time.perf_counter()
        converted, said = en.convert_model(model, target_of(layer), **settings, **arguments)
        scores[way] = {
            "seconds": time.perf_counter() - start,
            "accuracy": _accuracy(converted, *test),
            "agreement": said.agreement and said.agreement.classes,
        }
    return scores


def _accuracy(model: Any, images: Any, labels: Any) -> float:
    logits = model.predict(images, batch_size=500, verbose=0)
    return float((logits.argmax(1) == labels).mean())


def ways_of(distill: int) -> Sequence[str]:
    """How the networks are converted: not distilled in 0 steps."""
    return WAYS if distill else WAYS[:-1]


def report(contents: Mapping[str, Any]) -> str:
    """The accuracies as a Markdown table, in percent; means over seeds."""
    networks: dict[str, list[Mapping[str, Any]]] = {}
    for name, scores in contents["scores"].items():
        networks.setdefault(name.rsplit("_", 1)[0], []).append(scores)
    ways = ways_of(contents["evaluation"]["distill"])
    lines = [
        f"| network | layer | seeds | before | {' | '.join(ways)} | kept | same class |",
        "| --- | --- |" + " ---: |" * (4 + len(ways)),
    ]
    for network, seeds in networks.items():
        for layer in [name for name in seeds[0] if name != "accuracy"]:
            rows = [scores for scores in seeds if layer in scores]
            before = [100 * row["accuracy"] for row in rows]
            after = {way: [100 * row[layer][way]["accuracy"] for row in rows] for way in ways}
            kept = [100 * a / b for a, b in zip(after[ways[-1]], before, strict=True)]
            same = [100 * row[layer][ways[-1]]["agreement"] for row in rows]
            cells = " | ".join(spread(values) for values in (before, *after.values()))
            lines.append(
                f"| {network} | `{layer}` | {len(rows)} | {cells} | {spread(kept)} % "
                f"| {spread(same)} % |"
            )
    return "\n".join(lines) + "\n"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--networks-dir", type=pathlib.Path, required=True)
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--layers", nargs="+", default=LAYERS)
    parser.add_argument("--groups", type=int, default=4)
    parser.add_argument("--examples", type=int, default=1000)
    parser.add_argument("--distill", type=int, default=500, help="steps; 0 for none")
    return parser.parse_args()


if __name__ == "__main__":
    main()
