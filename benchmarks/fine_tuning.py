"""How a calibrated network trains on with labels, at several learning rates.

    python -m benchmarks.fine_tuning --out FILE [--seeds 3] [--epochs 3] [--rates 0.001 ...]

For each seed, a small ResNet with Keras's BatchNormalization is trained on the 8x8 digits,
converted and calibrated for each layer, and trained for some epochs more from each rate. FILE
keeps the accuracies on the test split; a stopped run resumes with those that are missing. The
report is also written next to it, as Markdown.
"""

import argparse
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.cifar_networks import standardized
from benchmarks.resumable import Record
from benchmarks.spread import spread

# Layer, and channel groups: a few, or one for each channel.
_CASES = (
    ("evonorm_s0", 4),
    ("evonorm_s0", 32),
    ("evonorm_b0", None),
    ("gn_relu", 4),
    ("gn_relu", 32),
    ("frn", None),
)
_BATCH, _MOMENTUM = 32, 0.9
_EPOCHS_BEFORE, _RATE_BEFORE = 8, 0.1


def main() -> None:
    """Trains what is missing, and writes the accuracies and the report."""
    options = _options()
    record = Record(options.out, {"epochs": options.epochs, "rates": options.rates})
    for seed in range(options.seeds):
        scores = record.scores.setdefault(str(seed), {})
        if "layers" not in scores:
            scores |= _measure(seed, options.rates, options.epochs)
            record.write()
    text = report(record.contents)
    options.out.with_suffix(".md").write_text(text, encoding="utf-8")
    print(text)


def _measure(seed: int, rates: Sequence[float], epochs: int) -> dict[str, Any]:
    """The accuracies of one network, and of what it is converted to."""
    import tensorflow as tf

    import evonorm_tf as en
    from trainers import data

    digits = data.load("digits")
    tf.keras.utils.set_random_seed(seed)
    model = _network()
    _train(model, digits, _RATE_BEFORE, _EPOCHS_BEFORE)
    result: dict[str, Any] = {"before": _accuracy(model, digits), "layers": {}}
    examples = standardized(digits.train.images, digits)
    for layer, groups in _CASES:
        settings: dict[str, Any] = {} if groups is None else {"groups": groups}
        new, said = en.convert_model(model, layer, calibrate=examples, **settings)
        agreement = said.agreement and said.agreement.classes
        row = {"calibrated": _accuracy(new, digits), "agreement": agreement}
        weights = new.get_weights()
        for rate in rates:
            new.set_weights(weights)
            _train(new, digits, rate, epochs)
            row[str(rate)] = _accuracy(new, digits)
        result["layers"][_name(layer, groups)] = row
        print(seed, _name(layer, groups), row, flush=True)
    return result


def _network() -> Any:
    import evonorm_tf as en
    from trainers.models.resnet import ResNetSpec, resnet

    spec = ResNetSpec((2, 2), bottleneck=False, filters=(16, 32), stem="conv3")
    model = resnet(spec, "bn_relu", version=1, input_shape=(8, 8, 1), num_classes=10)
    return en.convert_model(model, "keras")[0]


def _train(model: Any, digits: Any, rate: float, epochs: int) -> None:
    """SGD with Nesterov momentum and a cosine schedule from the rate."""
    import tensorflow as tf

    steps = epochs * -(-len(digits.train) // _BATCH)
    model.compile(
        tf.keras.optimizers.SGD(
            tf.keras.optimizers.schedules.CosineDecay(rate, steps), _MOMENTUM, nesterov=True
        ),
        tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    images = standardized(digits.train.images, digits)
    model.fit(images, digits.train.labels, batch_size=_BATCH, epochs=epochs, verbose=0)


def _accuracy(model: Any, digits: Any) -> float:
    logits = model.predict(standardized(digits.test.images, digits), verbose=0)
    return float((logits.argmax(1) == digits.test.labels).mean())


def _name(layer: str, groups: int | None) -> str:
    return layer if groups is None else f"{layer}, groups={groups}"


def report(contents: Mapping[str, Any]) -> str:
    """The accuracies as a Markdown table, in percent; means over seeds."""
    rates = [str(rate) for rate in contents["evaluation"]["rates"]]
    seeds = list(contents["scores"].values())
    lines = [
        f"| layer | same class | calibrated | {' | '.join(rates)} |",
        "| --- |" + " ---: |" * (2 + len(rates)),
    ]
    for name in seeds[0]["layers"]:
        rows = [seed["layers"][name] for seed in seeds]
        columns = ("agreement", "calibrated", *rates)
        cells = (spread([100 * row[column] for row in rows]) for column in columns)
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    before = spread([100 * seed["before"] for seed in seeds])
    return "\n".join(lines) + f"\n\nBefore the conversion, the accuracy is {before}.\n"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rates", type=float, nargs="+", default=[0.0001, 0.001, 0.01, 0.1])
    return parser.parse_args()


if __name__ == "__main__":
    main()
